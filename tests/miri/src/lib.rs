//! What these programs share. They run as ordinary tests, too; `.ci/miri` runs them under Miri, where they do less.

mod world;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

pub use world::World;

/// So many under Miri, which is some hundred times slower; so many elsewhere.
#[must_use]
pub const fn sized(under_miri: usize, elsewhere: usize) -> usize {
    if cfg!(miri) { under_miri } else { elsewhere }
}

/// Numbers that look random and are the same for the same seed. (A linear congruential generator, with Knuth's numbers.)
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// From this seed on.
    #[must_use]
    pub fn new(seed: usize) -> Self {
        Self(seed as u64)
    }

    /// One below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // The upper half of the state is the better one.
        (self.0 >> 33) as usize % bound
    }
}

/// Counts how often it is woken.
#[derive(Debug, Default)]
pub struct Count(AtomicUsize);

impl Count {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// How often so far.
    #[must_use]
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Once more.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.up();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.up();
    }
}

/// Polls a future once under this waker.
pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Polls what others poll as well; done, for all of them, when it is. (It has to be polled again by whoever is not the last.)
pub fn poll_shared<F: Future + ?Sized>(shared: &mut Option<Pin<Box<F>>>, cx: &mut Context<'_>) -> Poll<()> {
    let is_pending = shared
        .as_mut()
        .is_some_and(|future| future.as_mut().poll(cx).is_pending());
    if is_pending {
        return Poll::Pending;
    }
    *shared = None;
    Poll::Ready(())
}

/// Pending so often, waking itself each time.
#[derive(Debug)]
pub struct Pends(pub usize);

impl Future for Pends {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
