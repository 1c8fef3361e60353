//! The one word of state that a guard adds to a future, besides its location.
//!
//! `Fresh`, `Started`, `Plain`, `Over`, or a box with what is rarely needed; an `enum` of these would take two words. All the unsafe code
//! of the guard is here and relies on one rule: *the pointer is null, one of the three marks, or a box of our own.*

use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr;

/// It has no destructor of its own, for the sake of a guard that never needs one: the guard's, which it is part of, takes
/// the box.
pub(super) struct Stage<T> {
    word: *mut T,
    _owns: PhantomData<Option<Box<T>>>,
}

/// What may be in the box. Named, so that rustc does not look into it for each guard of a `Send` future: it is some twenty steps deep, of the
/// 128 that there are.
pub(super) trait Boxed: Send + Sync {}

// SAFETY: it owns a `T`, or nothing.
unsafe impl<T: Boxed> Send for Stage<T> {}
// SAFETY: as above; a shared stage gives out shared references only.
unsafe impl<T: Boxed> Sync for Stage<T> {}

/// A stage as it was.
#[derive(Clone, Copy)]
pub(super) struct StageMark(usize);

impl StageMark {
    #[inline(always)]
    pub(super) fn is_fresh(self) -> bool {
        self.0 == 0
    }

    /// Had it never been polled, or was it [plain](Stage::start_plain)?
    #[inline(always)]
    pub(super) fn is_fresh_or_plain(self) -> bool {
        self.0 <= Stage::<u64>::PLAIN.addr()
    }
}

impl<T> Stage<T> {
    /// Not valid addresses for a `T`, which is aligned.
    const PLAIN: *mut T = ptr::without_provenance_mut(1);
    const STARTED: *mut T = ptr::without_provenance_mut(2);
    const OVER: *mut T = ptr::without_provenance_mut(3);
    const ALIGNED: () = assert!(align_of::<T>() > 3);

    pub(super) const fn fresh() -> Self {
        let () = Self::ALIGNED;
        Self {
            word: ptr::null_mut(),
            _owns: PhantomData,
        }
    }

    #[inline(always)]
    pub(super) fn is_fresh(&self) -> bool {
        self.word.is_null()
    }

    /// As it is now, for later.
    #[inline(always)]
    pub(super) fn mark(&self) -> StageMark {
        StageMark(self.word.addr())
    }

    /// For one that is not boxed.
    #[inline(always)]
    pub(super) fn start(&mut self) {
        debug_assert!(!self.is_boxed(), "the box would be leaked");
        self.word = Self::STARTED;
    }

    /// For one that is not boxed: it has started, and nothing has been awaited inside so far by code that would notice a cancel.
    pub(super) fn start_plain(&mut self) {
        debug_assert!(!self.is_boxed(), "the box would be leaked");
        self.word = Self::PLAIN;
    }

    /// For one that is not boxed: it has failed.
    pub(super) fn end(&mut self) {
        debug_assert!(!self.is_boxed(), "the box would be leaked");
        self.word = Self::OVER;
    }

    pub(super) fn is_over(&self) -> bool {
        self.word == Self::OVER
    }

    /// Does it have more than a started future?
    #[inline(always)]
    pub(super) fn is_boxed(&self) -> bool {
        // One comparison for all marks.
        self.word.addr() > Self::OVER.addr()
    }

    pub(super) fn get(&mut self) -> Option<Pin<&mut T>> {
        // SAFETY: a box of our own, by the rule, and borrowed mutably through `self`. What is in it stays there until it is
        // dropped: it is given out pinned only.
        self.is_boxed().then(|| unsafe { Pin::new_unchecked(&mut *self.word) })
    }

    pub(super) fn get_or_default(&mut self) -> Pin<&mut T>
    where
        T: Default,
    {
        if !self.is_boxed() {
            self.word = Box::into_raw(Box::default());
        }
        // SAFETY: as in `get`.
        unsafe { Pin::new_unchecked(&mut *self.word) }
    }

    /// Back to plain.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Pin<Box<T>>> {
        if !self.is_boxed() {
            return None;
        }
        let boxed = std::mem::replace(&mut self.word, Self::STARTED);
        // SAFETY: it came from `Box::into_raw` in `get_or_default`, and the word has just forgotten it.
        Some(Box::into_pin(unsafe { Box::from_raw(boxed) }))
    }
}
