//! A waker that counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

/// Counts how often it was woken, and does nothing else.
///
/// ```
/// use cancelable::{CancellationToken, testing::CountingWaker};
/// use std::{future::Future, pin::pin, task::Context};
///
/// let token = CancellationToken::new();
/// let mut cancelled = pin!(token.cancelled());
/// let (counter, waker) = CountingWaker::new();
/// assert!(cancelled.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
/// token.cancel();
/// assert_eq!(counter.count(), 1);
/// ```
#[derive(Debug, Default)]
pub struct CountingWaker(AtomicUsize);

impl CountingWaker {
    /// A counter, and its waker.
    #[must_use]
    pub fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    /// Woken how often so far?
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
