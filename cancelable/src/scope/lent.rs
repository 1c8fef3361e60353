//! A body that stays in the state of the `async` code round it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::place::clear;

/// A future that somebody else has pinned; dropped there when this is. So it can be given to a scope or a shield, and has its
/// destructors run inside, without being moved there.
///
/// Expansions make it of `pin!(Some(async { … }))`.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Lent<'a, F>(Pin<&'a mut Option<F>>);

impl<'a, F> Lent<'a, F> {
    /// Of a place that has a future in it.
    pub fn of(place: Pin<&'a mut Option<F>>) -> Self {
        Self(place)
    }
}

impl<F: Future> Future for Lent<'_, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.get_mut().0.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => panic!("there is no future in this place"),
        }
    }
}

impl<F> Drop for Lent<'_, F> {
    fn drop(&mut self) {
        clear(self.0.as_mut());
    }
}
