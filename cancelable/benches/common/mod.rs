//! What the benchmarks of scopes and awaits measure with.

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A timeout that is armed, and never comes.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Drives a future that wakes itself, without an executor, but as one.
pub(crate) fn drive<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut future: Pin<&mut dyn Future<Output = F::Output>> = black_box(future.as_mut());
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

/// Pending once.
pub(crate) struct Once(pub(crate) bool);

impl Future for Once {
    type Output = u32;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        if self.0 {
            return Poll::Ready(1);
        }
        self.0 = true;
        Poll::Pending
    }
}

/// Polls until it is ready, whether it was woken or not. Inlined, so that the future is made where it is polled.
#[inline(always)]
pub(crate) fn poll_to_the_end<F: Future>(cx: &mut Context<'_>, future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return output;
        }
    }
}
