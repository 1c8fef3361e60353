//! The last check point that a scope has passed: two words, stored by its code and read by anybody at any time.
//!
//! The unsafe code relies on one rule: *the first word is null or was a `&'static Location<'static>`*. It is private, and
//! [`LastPoint::pass`] is all that stores it.

use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::pass::Pass;
use super::threads::thread_number;
use super::ticks::Ticks;

pub(crate) struct LastPoint {
    location: AtomicPtr<Location<'static>>,
    /// When, what and by which thread. A reader may find these of one point, and the location of the next.
    rest: AtomicU64,
}

const THREAD_BITS: u32 = 24;
const KIND_BITS: u32 = 2;

/// As it is read.
#[derive(Clone, Copy)]
pub(crate) struct Passed {
    pub(crate) at: &'static Location<'static>,
    pub(crate) kind: Pass,
    pub(crate) when: Ticks,
    pub(crate) thread: u32,
}

impl LastPoint {
    pub(crate) const fn none() -> Self {
        Self {
            location: AtomicPtr::new(ptr::null_mut()),
            rest: AtomicU64::new(0),
        }
    }

    /// A check point is passed. If several threads run code of one scope, they do not fetch the words from each other as long as
    /// they pass the same point: it is stored only if it is another.
    #[inline]
    pub(crate) fn pass(&self, location: &'static Location<'static>, kind: Pass) {
        let when = Ticks::now().0 << KIND_BITS | kind as u64;
        let rest = when << THREAD_BITS | u64::from(thread_number());
        let location = ptr::from_ref(location).cast_mut();
        if self.location.load(Ordering::Relaxed) != location {
            self.location.store(location, Ordering::Relaxed);
        }
        if self.rest.load(Ordering::Relaxed) != rest {
            self.rest.store(rest, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> Option<Passed> {
        let rest = self.rest.load(Ordering::Relaxed);
        // SAFETY: the rule in the head of the file; what a `Location` of this lifetime has was there before the program began.
        let at = unsafe { self.location.load(Ordering::Relaxed).as_ref() }?;
        let (when, thread) = (rest >> THREAD_BITS, rest & ((1 << THREAD_BITS) - 1));
        Some(Passed {
            at,
            kind: match when & ((1 << KIND_BITS) - 1) {
                0 => Pass::Entry,
                1 => Pass::Await,
                2 => Pass::Resumed,
                _ => Pass::Other,
            },
            when: Ticks(when >> KIND_BITS),
            thread: thread as u32,
        })
    }
}
