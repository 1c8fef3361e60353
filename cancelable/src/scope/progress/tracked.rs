//! A scope whose progress is followed: its part in what is outside, from its beginning to its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use super::handle::Progress;
use super::info::ProgressState;
use super::listeners::Listener;
use super::tell::{nearest_above, nearest_here};
use crate::reason::ReasonKind;
use crate::scope::parent::Parent;
use crate::token::CancellationToken;

/// What it is to whatever is outside, unless it says so.
const WEIGHT: u64 = 1;

#[derive(Default)]
pub(in crate::scope) struct Tracked {
    handle: Option<Progress>,
    weight: Option<u64>,
    stage: Stage,
    /// It is being polled: if it is dropped meanwhile, or without having been let go, that has panicked.
    is_polled: bool,
    /// The scope's, to be asked at the end whether it was cancelled.
    token: Option<CancellationToken>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Waiting,
    Begun,
    Over,
}

impl Tracked {
    pub(in crate::scope) fn set_handle(&mut self, handle: Progress) {
        self.handle = Some(handle);
    }

    pub(in crate::scope) fn set_weight(&mut self, weight: u64) {
        self.weight = Some(weight);
    }

    /// The scope begins, here. Does anybody want to know?
    pub(in crate::scope) fn begin(&mut self, parent: &Parent) {
        if self.stage != Stage::Waiting {
            return;
        }
        let above = match parent {
            Parent::Ambient => nearest_here(),
            Parent::Given(token) => nearest_above(token),
            Parent::None => None,
        };
        if self.handle.is_none() && above.is_none() {
            self.stage = Stage::Over;
            return;
        }
        self.stage = Stage::Begun;
        let node = &self.handle.get_or_insert_default().0;
        // A scope in itself, as a retry that is called by what it retries, is no part of itself.
        let above = above.filter(|above| !Arc::ptr_eq(above, node));
        node.begin(above.map(|above| (above, self.weight.unwrap_or(WEIGHT))));
    }

    /// Does somebody follow it, so that it needs its token?
    pub(in crate::scope) fn is_begun(&self) -> bool {
        self.stage == Stage::Begun
    }

    /// It has its token, where those look who say how far it has got.
    pub(in crate::scope) fn keep(&mut self, token: &CancellationToken) {
        if let (Some(Progress(node)), true) = (&self.handle, self.is_begun()) {
            token.keep(Listener::node(Arc::clone(node)));
            self.token = Some(token.clone());
        }
    }

    pub(in crate::scope) fn set_polled(&mut self, is_polled: bool) {
        self.is_polled = is_polled;
    }

    /// It is over, with a value; which stands for a failure, or for none, if that can be told.
    pub(in crate::scope) fn end(&mut self, is_failure: Option<bool>) {
        let is_cancelled = || match &self.token {
            Some(token) => token
                .reason()
                .is_some_and(|reason| reason.kind() != ReasonKind::ScopeEnded),
            // It was, before it had one.
            None => true,
        };
        let state = match is_failure {
            Some(false) => ProgressState::Finished,
            None if !is_cancelled() => ProgressState::Finished,
            Some(true) if !is_cancelled() => ProgressState::Failed,
            _ => ProgressState::Stopped,
        };
        self.end_as(state);
    }

    fn end_as(&mut self, state: ProgressState) {
        let was = std::mem::replace(&mut self.stage, Stage::Over);
        self.token = None;
        if let (Some(Progress(node)), true) = (&self.handle, was != Stage::Over) {
            node.end(state);
        }
    }
}

/// Dropped, or unwound.
impl Drop for Tracked {
    fn drop(&mut self) {
        if self.stage == Stage::Over {
            return;
        }
        let has_panicked = self.is_polled || (self.is_begun() && thread::panicking());
        let state = if has_panicked {
            ProgressState::Failed
        } else {
            ProgressState::Stopped
        };
        if thread::panicking() {
            // A second panic, of a hook, would end the process.
            let _ = catch_unwind(AssertUnwindSafe(|| self.end_as(state)));
        } else {
            self.end_as(state);
        }
    }
}
