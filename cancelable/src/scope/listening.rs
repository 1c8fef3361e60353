//! What a scope hears of besides its parent and its deadline. Few scopes have any, so it is kept apart from the rest.

use std::cell::{Cell, RefCell};
use std::task::Context;

use super::idle::IdleOptions;
use super::parent::Parent;
use super::progress::Tracked;
use super::source::{Insistent, Start, Watch, Watching};
use crate::token::CancellationToken;

/// Links and sources of a scope, and what watches for it while it runs.
#[derive(Default)]
pub(super) struct Listening {
    links: Vec<CancellationToken>,
    /// Tokens that are sources.
    until: Vec<CancellationToken>,
    /// Taken by the token.
    sources: Cell<Vec<Start>>,
    /// Likewise.
    idle: Cell<IdleOptions>,
    /// How far the scope has got.
    tracked: Option<Box<RefCell<Tracked>>>,
    /// What watches on the token's behalf, and is to be gone when the scope is over.
    watching: Cell<Vec<Watching>>,
    /// For sources that may fire again, and so end the grace.
    insistent: Option<Insistent>,
}

impl Listening {
    pub(super) fn link(&mut self, token: CancellationToken) {
        self.links.push(token);
    }

    pub(super) fn add(&mut self, mut watch: Watch) {
        self.until.append(&mut watch.links);
        if watch.starts.iter().any(|start| start.insists) {
            self.insistent.get_or_insert_default();
        }
        self.sources.get_mut().append(&mut watch.starts);
    }

    pub(super) fn idle(&mut self) -> &mut IdleOptions {
        self.idle.get_mut()
    }

    pub(super) fn tracked(&mut self) -> &mut Tracked {
        self.tracked.get_or_insert_default().get_mut()
    }

    /// The scope is about to begin, or to go on; `is_polled`, or it has been.
    pub(super) fn set_polled(&mut self, parent: &Parent, is_polled: bool) {
        if let Some(tracked) = &mut self.tracked {
            let tracked = tracked.get_mut();
            tracked.begin(parent);
            tracked.set_polled(is_polled);
        }
    }

    /// The scope is as if below these.
    pub(super) fn links(&self) -> &[CancellationToken] {
        &self.links
    }

    /// A cancel of one of these is the scope's own.
    pub(super) fn until(&self) -> &[CancellationToken] {
        &self.until
    }

    /// Are there sources that have not begun? They are watched on behalf of a token; somebody else cancels it.
    pub(super) fn has_sources(&self) -> bool {
        let sources = self.sources.take();
        let is_any = !sources.is_empty();
        self.sources.set(sources);
        let is_followed = self.tracked.as_ref().is_some_and(|tracked| tracked.borrow().is_begun());
        is_any || is_followed || self.idle.get().after.is_some()
    }

    /// Has the sources watched on behalf of `token`, the scope's.
    pub(super) fn begin(&self, token: &CancellationToken) {
        if let Some(tracked) = &self.tracked {
            tracked.borrow_mut().keep(token);
        }
        let mut sources = Watch::default();
        self.idle.take().attach(token, &mut sources);
        for start in self.sources.take().into_iter().chain(sources.starts) {
            start.begin(token, self.insistent.as_ref(), Some(&self.watching));
        }
    }

    /// Has a source ended the grace? If not, the task is woken when one does.
    pub(super) fn is_forced(&mut self, cx: &mut Context<'_>) -> bool {
        self.insistent.as_mut().is_some_and(|insistent| insistent.is_forced(cx))
    }

    /// Nobody can drop the body from outside, so there is nothing to force.
    pub(super) fn never_force(&mut self) {
        self.insistent = None;
    }

    /// The scope is over: nobody watches any more. Does its value stand for a failure, or not, or is that not known?
    pub(super) fn end(&mut self, is_failure: Option<bool>) {
        if let Some(tracked) = &mut self.tracked {
            tracked.get_mut().end(is_failure);
        }
        drop(self.watching.take());
        if let Some(insistent) = &self.insistent {
            insistent.release();
        }
    }
}
