//! Are there scopes on this thread whose check points have somebody to ask? Then all frames of the thread look closer.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    /// How many have been entered and not left. Read as each frame is made, and by no check point of a quiet one.
    static ENTERED: Cell<usize> = const { Cell::new(0) };
}

#[inline(always)]
pub(crate) fn are_any() -> bool {
    ENTERED.get() > 0
}

/// One such scope, of this thread. (Not a flag to be put back: coroutines leave scopes in any order.)
pub(crate) struct Hosted(PhantomData<*const ()>);

impl Hosted {
    pub(crate) fn enter() -> Self {
        ENTERED.set(ENTERED.get() + 1);
        Self(PhantomData)
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        ENTERED.set(ENTERED.get() - 1);
    }
}
