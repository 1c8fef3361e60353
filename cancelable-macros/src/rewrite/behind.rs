//! Awaits behind a loop that `#[cancelable(break)]` has left: the function is still cancelled there, so they fail at once, and what the
//! loop has found so far is lost. Whoever kept it by `break` does not expect that.

use crate::tell::Told;
use proc_macro2::Span;

/// The first of them.
pub(crate) struct Behind(Span);

impl Behind {
    pub(crate) fn told(&self) -> Told {
        Told {
            span: self.0,
            message: "this await stands behind a loop marked `#[cancelable(break)]`: when a cancel has left the loop, the await \
                      fails at once, and what the loop has found is lost; return that before, or write `#[cancelable(shield)]` \
                      on the statement, which then runs all the same"
                .to_owned(),
        }
    }
}

/// What is known of such loops, on the way through a body.
#[derive(Default)]
pub(super) struct Left {
    /// One stands before, in this block or in one round it.
    pub(super) is_behind: bool,
    /// In one: what fails there leaves that.
    pub(super) is_inside: bool,
    pub(super) behind: Option<Behind>,
}

impl Left {
    /// There is an await that can fail.
    pub(super) fn awaits(&mut self, keyword: Span) {
        if self.is_behind && !self.is_inside {
            self.behind.get_or_insert(Behind(keyword));
        }
    }
}
