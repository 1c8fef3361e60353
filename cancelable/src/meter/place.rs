//! Where stretches begin and end.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::panic::Location;
use std::ptr;

/// What a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A poll begins, or a closure of a thread.
    Start,
    /// A check point.
    Point,
    /// An await is pending, or a thread begins to wait for something that a cancel ends.
    Wait,
    /// The await is polled again, or the wait is over.
    Resume,
    /// The poll or closure ends.
    End,
}

/// A place in the code. Places are compared by address: one line may have several, which a report puts together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) event: Event,
    /// Of a check point always; of others where it is known.
    pub(crate) location: Option<&'static Location<'static>>,
}

impl Place {
    #[inline(always)]
    fn address(self) -> usize {
        self.location.map_or(0, |location| ptr::from_ref(location).addr())
    }
}

impl PartialEq for Place {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address() && self.event == other.event
    }
}

impl Eq for Place {}

impl Hash for Place {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.address() ^ self.event as usize);
    }
}

/// Two neighbours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) from: Place,
    pub(crate) to: Place,
}

impl Pair {
    /// From a wait to its end is none, wherever the thread has been meanwhile.
    pub(super) fn is_stretch(&self) -> bool {
        (self.from.event, self.to.event) != (Event::Wait, Event::Resume)
    }
}

/// For addresses and numbers, which nobody chooses to do harm.
#[derive(Default)]
pub(super) struct AddressHasher(u64);

pub(super) type BuildAddressHasher = BuildHasherDefault<AddressHasher>;

impl Hasher for AddressHasher {
    #[inline]
    fn write_usize(&mut self, address: usize) {
        self.0 = (self.0.rotate_left(23) ^ address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_usize(usize::from(byte));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
