//! A body that stays in the state of the `async` code round it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::place::clear;

/// An `async` block that the code round it has pinned. It is dropped there when this is. So it can be given to a scope or a shield,
/// and has its destructors run inside, without being moved there.
///
/// Expansions make it of `pin!(Some(async { … }))`.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Lent<'a, F>(
    /// `None` once the block has come to its end, which leaves nothing in it to be dropped.
    Option<Pin<&'a mut Option<F>>>,
);

impl<'a, F> Lent<'a, F> {
    /// Of a place that has a block in it.
    #[inline]
    pub fn of(place: Pin<&'a mut Option<F>>) -> Self {
        Self(Some(place))
    }
}

impl<F: Future> Future for Lent<'_, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let place = &mut self.get_mut().0;
        let Some(body) = place.as_mut().and_then(|place| place.as_mut().as_pin_mut()) else {
            panic!("the body of a cancelable function was polled after it had completed")
        };
        let poll = body.poll(cx);
        if poll.is_ready() {
            *place = None;
        }
        poll
    }
}

impl<F> Drop for Lent<'_, F> {
    #[inline]
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            clear(place);
        }
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Waker;

    use super::*;

    fn poll<F: Future>(f: Pin<&mut F>) -> Poll<F::Output> {
        f.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_block_that_is_over_has_dropped_what_it_captured() {
        let captured = Arc::new(());
        let kept = captured.clone();
        let place = pin!(Some(async move { Arc::strong_count(&kept) }));
        let mut lent = pin!(Lent::of(place));
        assert_eq!(poll(lent.as_mut()), Poll::Ready(2));
        assert_eq!(Arc::strong_count(&captured), 1);
    }

    #[test]
    fn a_block_that_is_not_is_dropped_with_what_it_is_lent_to() {
        let captured = Arc::new(());
        let kept = captured.clone();
        let place = pin!(Some(async move {
            std::future::pending::<()>().await;
            drop(kept);
        }));
        {
            let mut lent = pin!(Lent::of(place));
            assert!(poll(lent.as_mut()).is_pending());
        }
        assert_eq!(Arc::strong_count(&captured), 1);
    }
}
