//! The shift of the thread that holds a post.

use std::cell::Cell;

use super::overseer;
use super::post::Post;
use crate::primitive::{Ordering, lock};
use crate::unwind::caught;

/// What a thread of the crew works in. Dropping it leaves the post.
pub(crate) struct Shift<'a> {
    post: &'a Post,
    turn: Cell<usize>,
}

impl<'a> Shift<'a> {
    /// Begins the shift of the thread that was started for this turn.
    pub(crate) fn begin(post: &'a Post, turn: usize) -> Self {
        Self {
            post,
            turn: Cell::new(turn),
        }
    }

    /// Runs a piece of user code, whose panic ends here. `false` if somebody has taken over meanwhile: then this thread is to
    /// end at once.
    pub(crate) fn run(&self, f: impl FnOnce()) -> bool {
        let busy = self.turn.get().wrapping_add(1);
        // It fails if a fork, in user code on this very thread, has made another process of this one.
        let began = self.post.exchange(self.turn.get(), busy).is_ok();
        overseer::wake();
        caught(f);
        let next = busy.wrapping_add(1);
        if began && self.post.exchange(busy, next).is_ok() {
            self.turn.set(next);
            return true;
        }
        self.take_again()
    }

    /// Takes the post if nobody could be found for it.
    fn take_again(&self) -> bool {
        let mut roster = lock(&self.post.roster);
        if self.post.is_held() {
            return false;
        }
        roster.stuck = roster.stuck.saturating_sub(1);
        self.turn.set(self.post.next_shift());
        self.post.is_held.store(true, Ordering::Relaxed);
        true
    }
}

impl Drop for Shift<'_> {
    fn drop(&mut self) {
        let mut roster = lock(&self.post.roster);
        if self.post.turn() == self.turn.get() {
            self.post.next_shift();
            self.post.is_held.store(false, Ordering::Relaxed);
        } else {
            roster.stuck = roster.stuck.saturating_sub(1);
        }
    }
}

#[cfg(all(test, cancelable_loom))]
#[path = "loom.rs"]
mod loom;

#[cfg(all(test, not(cancelable_loom)))]
#[path = "tests.rs"]
mod tests;
