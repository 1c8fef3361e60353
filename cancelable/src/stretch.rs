//! A stretch of an annotated function that runs apart from it, under a shield: `#[cancelable(shield)]`.
//!
//! Its code becomes an `async` block whose type is the function's. So `?` and `return` in it mean what they meant, in macros of
//! anybody's too, and what they leave with is what the function returns. A stretch that comes to its end has no such value. It
//! leaves the one that it has in the [`Stretch`] and stays pending, as [`GaveUp`] does; the shield round it drops it then.
//!
//! A sync function has an `async` block, too, which is polled once: nothing in it can be pending.

use std::future::{Future, IntoFuture};
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::Cancelled;
use crate::guard::{Finish, Guard};
use crate::here::In;
use crate::scope::Lent;
use crate::site::{GaveUp, OrGiveUp};

/// How a stretch has ended: by a check point, by `return` or `?`, or with its value.
type Ended<R, V> = Result<ControlFlow<R, V>, Cancelled>;

/// Where a stretch leaves its value.
#[derive(Debug)]
pub struct Stretch<V> {
    value: Mutex<Option<V>>,
    gave_up: GaveUp,
}

impl<V> Stretch<V> {
    /// Nothing has been left.
    #[expect(clippy::new_without_default, reason = "called by macros")]
    pub const fn new() -> Self {
        Self {
            value: Mutex::new(None),
            gave_up: GaveUp::new(),
        }
    }

    /// The stretch has come to its end. Pending for ever.
    pub async fn end<R>(&self, value: V) -> R {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        std::future::pending().await
    }

    /// As [`GaveUp::give_up`].
    pub fn give_up<R>(&self, cancelled: Cancelled) -> impl Future<Output = R> {
        self.gave_up.give_up(cancelled)
    }

    /// As [`GaveUp::or_give_up`].
    pub fn or_give_up<F>(&self, checked: F) -> OrGiveUp<'_, F> {
        self.gave_up.or_give_up(checked)
    }

    /// As [`GaveUp::guard`].
    #[inline]
    #[track_caller]
    pub fn guard<F: IntoFuture, H: Fn()>(&self, future: F, here: H) -> OrGiveUp<'_, Guard<F::IntoFuture, In<H>>> {
        self.gave_up.guard(future, here)
    }

    /// As [`GaveUp::finish`].
    #[inline]
    #[track_caller]
    pub fn finish<F: IntoFuture, H: Fn()>(&self, future: F, here: H) -> OrGiveUp<'_, Finish<F::IntoFuture, In<H>>> {
        self.gave_up.finish(future, here)
    }

    /// Runs the stretch.
    pub fn watch<'a, F: Future>(&'a self, body: Lent<'a, F>) -> impl Future<Output = Ended<F::Output, V>> {
        Watch { body, stretch: self }
    }

    /// Runs the stretch of a sync function.
    pub fn run<F: Future>(&self, body: F) -> Ended<F::Output, V> {
        let body = pin!(Some(body));
        match pin!(self.watch(Lent::of(body))).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => ended,
            Poll::Pending => panic!("an `.await` in a function that is not `async`"),
        }
    }

    fn take_end<R>(&self) -> Option<Ended<R, V>> {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner).take();
        match value {
            Some(value) => Some(Ok(ControlFlow::Continue(value))),
            None => self.gave_up.cancelled().map(Err),
        }
    }
}

struct Watch<'a, V, F> {
    body: Lent<'a, F>,
    stretch: &'a Stretch<V>,
}

impl<V, F: Future> Future for Watch<'_, V, F> {
    type Output = Ended<F::Output, V>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll(cx) {
            Poll::Ready(left) => Poll::Ready(Ok(ControlFlow::Break(left))),
            Poll::Pending => this.stretch.take_end().map_or(Poll::Pending, Poll::Ready),
        }
    }
}
