//! A clock that costs a load: milliseconds, as a thread of the library (`live/watch.rs`) writes them down every now and then.
//!
//! It does so only while check points are passed. When it does not, the word is 0; then whoever passes one looks at the real clock, and
//! has the thread go on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Milliseconds since this program first looked, and one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticks(pub(super) u64);

static NOW: AtomicU64 = AtomicU64::new(0);
static WRITER: Mutex<Writer> = Mutex::new(None);

/// The thread that writes it.
pub(super) type Writer = Option<Thread>;

pub(super) fn hold() -> MutexGuard<'static, Writer> {
    WRITER.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ticks {
    /// As it was written down last.
    #[cfg(feature = "registry")]
    #[inline]
    pub(crate) fn now() -> Self {
        match NOW.load(Ordering::Relaxed) {
            0 => Self::wake(),
            now => Self(now),
        }
    }

    /// The same, without having it written down.
    #[cfg(feature = "registry")]
    #[inline]
    pub(crate) fn running() -> Option<Self> {
        let now = NOW.load(Ordering::Relaxed);
        (now != 0).then_some(Self(now))
    }

    /// By the real clock.
    pub(crate) fn exact() -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let since = START.get_or_init(Instant::now).elapsed().as_millis();
        Self(u64::try_from(since).unwrap_or(u64::MAX - 1) + 1)
    }

    pub(crate) fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }

    /// Is it being written down?
    #[inline]
    pub(crate) fn are_running() -> bool {
        NOW.load(Ordering::SeqCst) != 0
    }

    /// Writes it down.
    pub(crate) fn write() -> Self {
        let now = Self::exact();
        NOW.store(now.0, Ordering::SeqCst);
        now
    }

    /// Nobody writes it down any more.
    pub(crate) fn stop() {
        NOW.store(0, Ordering::SeqCst);
    }

    /// The thread that writes it.
    pub(crate) fn writes(thread: Thread) {
        *hold() = Some(thread);
    }

    /// Has the thread go on, if there is one: otherwise everybody looks at the real clock.
    #[cold]
    pub(crate) fn wake() -> Self {
        if let Some(thread) = &*hold() {
            let now = Self::write();
            thread.unpark();
            return now;
        }
        Self::exact()
    }
}
