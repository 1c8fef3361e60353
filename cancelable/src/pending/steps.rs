//! What the tests and the models of holds have in common: the steps of a poll, without frames.

use super::{Kind, Pending, Question};
use crate::primitive::Arc;

pub(super) fn hold() -> Arc<Pending> {
    let hold = Pending::new();
    hold.set(Kind::Hold, true);
    hold
}

/// `child` is polled in a poll of `keeper`, and is pending.
pub(super) fn poll_in(keeper: &Pending, child: &Arc<Pending>) {
    let polls = child.polled();
    keeper.adopt(child, polls, false);
}

pub(super) fn has_hold(keeper: &Pending) -> bool {
    keeper.has_inside(Question::any(Kind::Hold))
}
