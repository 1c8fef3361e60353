//! What a runtime only makes look pending (L10).
//!
//! A task of tokio may do 128 operations in one poll. From then on whatever is awaited is pending, ready or not, until the
//! task is polled again. A check point that finds its token cancelled and its future pending does not drop that future if
//! this may be why: it is put off to the next poll of the task, which begins with a new budget.
//!
//! With the feature `tokio`, tokio is asked. Without it, the future is polled twice more, the first time with a waker of our
//! own. tokio keeps this to wake it when the task has made room for others, or wakes it at once. A future that waits for
//! something else gives it up for the waker of the second poll. (What polls only those of its futures that were woken, as
//! `FuturesUnordered` does, hides the difference, unless they are guarded one by one.)
//!
//! A future may go on without end, or, without the feature, wake itself without end. So there is a bound. It is
//! for what a check point finds out by itself; one outside it, in the same task, waits for it without a bound of its own.
//!
//! All this costs something only where a check point is about to fail: a look at tokio's thread-local, or two polls and an
//! allocation.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How many polls in a row a check point may be put off.
const POLLS: u8 = 128;

thread_local! {
    /// How often check points of this thread have been put off.
    static PUT_OFF: Cell<usize> = const { Cell::new(0) };
}

/// Why the future of a check point is pending, as far as this goes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Why {
    /// By itself.
    #[default]
    Own,
    /// A check point inside has been put off.
    Inside,
    /// It may be the runtime that makes it so.
    Starved,
}

/// What a check point knows of its future's being starved, in one poll.
#[derive(Clone, Copy, Default)]
pub(crate) struct Starved {
    put_off_before: usize,
    why: Why,
}

impl Starved {
    /// The poll begins.
    pub(crate) fn before() -> Self {
        Self {
            put_off_before: PUT_OFF.get(),
            why: Why::Own,
        }
    }

    /// The future has been polled and was pending, and the check point would fail for it.
    pub(crate) fn ask<F: Future>(&mut self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if PUT_OFF.get() != self.put_off_before {
            self.why = Why::Inside;
            return Poll::Pending;
        }
        let (poll, is_starved) = is_starved(future, cx);
        if is_starved {
            self.why = Why::Starved;
        }
        poll
    }

    /// Is the check point put off? Then the task is polled again. `polls`: how often that was so in a row.
    pub(crate) fn puts_off(self, polls: u8, cx: &Context<'_>) -> Option<u8> {
        let polls = match self.why {
            Why::Own => return None,
            // Its own bound is enough.
            Why::Inside => 0,
            Why::Starved if polls >= POLLS => return None,
            Why::Starved => polls + 1,
        };
        PUT_OFF.set(PUT_OFF.get().wrapping_add(1));
        cx.waker().wake_by_ref();
        Some(polls)
    }
}

#[cfg(feature = "tokio")]
fn is_starved<F: Future>(_future: Pin<&mut F>, _cx: &mut Context<'_>) -> (Poll<F::Output>, bool) {
    (Poll::Pending, !tokio::task::coop::has_budget_remaining())
}

#[cfg(not(feature = "tokio"))]
fn is_starved<F: Future>(mut future: Pin<&mut F>, cx: &mut Context<'_>) -> (Poll<F::Output>, bool) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Wake, Waker};

    struct Noted(AtomicBool);

    impl Wake for Noted {
        fn wake(self: Arc<Self>) {
            self.wake_by_ref();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            self.0.store(true, Ordering::Release);
        }
    }

    let noted = Arc::new(Noted(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&noted));
    let mut poll = future.as_mut().poll(&mut Context::from_waker(&waker));
    drop(waker);
    let is_woken = noted.0.load(Ordering::Acquire);
    if poll.is_pending() {
        // The task's own waker is the last one that it has been given.
        poll = future.poll(cx);
    }
    (poll, is_woken || Arc::strong_count(&noted) > 1)
}
