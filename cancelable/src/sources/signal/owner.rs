//! Whose it is: a forked child begins with a copy of all that its parent had, and must not act on that copy.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// How often this process's ancestors have forked, as far as the system told us. A process id alone may come again: each
/// new namespace of processes begins with 1.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Called by a child that has been forked.
#[cfg(unix)]
pub(super) fn has_forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// A process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    id: u32,
    forks: u32,
}

impl Owner {
    /// This process. Async-signal-safe: `std` calls `getpid` and does nothing else.
    pub(super) fn current() -> Self {
        Self {
            id: process::id(),
            forks: FORKS.load(Ordering::Relaxed),
        }
    }

    /// Has this process been forked from one that had asked for signals?
    #[cfg(unix)]
    pub(super) fn is_forked() -> bool {
        FORKS.load(Ordering::Relaxed) != 0
    }

    pub(super) fn is_current(self) -> bool {
        self == Self::current()
    }
}
