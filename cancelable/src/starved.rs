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
//! tokio wakes what it has made to wait when it has run out of other tasks, and so perhaps after the next poll of the task. What
//! polls only those of its futures that were woken has nothing to poll until then, with a budget that is new. So before such
//! a poll a ticket joins the queue of those to be woken, which is gone through from its end; who has been put off is so until
//! the ticket comes back. (Not before a poll that begins uncancelled: if that uses up the budget, and the cancel comes before
//! tokio has woken whom it made to wait, those are not waited for. Nor before the poll in which a branch of a race learns that it has
//! lost: if that uses up the budget, the ticket joins behind them.)
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

/// What a check point keeps of that from poll to poll.
#[derive(Default)]
pub(crate) struct PutOff {
    /// How often in a row.
    polls: u8,
    late: Late,
}

impl PutOff {
    /// Has the check point been put off?
    pub(crate) fn is_some(&self) -> bool {
        self.polls > 0 || self.late.is_some()
    }
}

/// What a check point knows of its future's being starved, in one poll.
#[derive(Default)]
pub(crate) struct Starved {
    put_off_before: usize,
    why: Why,
    late: Late,
    /// Not all that tokio has made to wait in an earlier poll had been woken when this one began.
    is_early: bool,
}

impl Starved {
    /// The poll begins; if its check point `may_fail` in it, that is now to be found out. `put_off`: what it keeps of earlier polls.
    pub(crate) fn before(put_off: &PutOff, may_fail: bool) -> Self {
        let mut late = put_off.late.clone();
        let is_early = late.is_out();
        if may_fail {
            late.queue();
        }
        Self {
            put_off_before: PUT_OFF.get(),
            why: Why::Own,
            is_early,
            late,
        }
    }

    /// The poll began when so many had been [put off](put_off_so_far).
    pub(crate) fn since(self, put_off_before: usize) -> Self {
        Self { put_off_before, ..self }
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

    /// Is the check point put off? Then the task is polled again, and `put_off` says so to the next poll.
    pub(crate) fn puts_off(&self, put_off: &mut PutOff, cx: &Context<'_>) -> bool {
        let polls = match self.why {
            Why::Own if !self.is_early => return false,
            Why::Own => put_off.polls,
            // Its own bound is enough.
            Why::Inside => 0,
            Why::Starved if put_off.polls >= POLLS => return false,
            Why::Starved => put_off.polls + 1,
        };
        PUT_OFF.set(PUT_OFF.get().wrapping_add(1));
        match self.why {
            Why::Own => self.late.wake_when_back(cx.waker()),
            // Not then: who blocks in a poll, as a `block_on` in it does, never gets to see a new budget.
            Why::Inside | Why::Starved => cx.waker().wake_by_ref(),
        }
        let late = self.late.clone();
        *put_off = PutOff { polls, late };
        true
    }
}

/// To be handed to [`ask_once`] after the poll.
#[inline]
pub(crate) fn put_off_so_far() -> usize {
    PUT_OFF.get()
}

/// Has the task used up its budget, so that what was pending in this poll may be ready? If tokio cannot be asked: no, for most runtimes
/// have none.
#[inline]
pub(crate) fn may_be() -> bool {
    #[cfg(feature = "tokio")]
    return !tokio::task::coop::has_budget_remaining();
    #[cfg(not(feature = "tokio"))]
    false
}

/// As [`Starved::ask`], for a future that loses nothing if it is asked without a ticket, and polled again with one if it is starved.
#[inline]
pub(crate) fn ask_once<F: Future>(
    put_off_before: usize,
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> (Poll<F::Output>, bool) {
    if PUT_OFF.get() == put_off_before {
        is_starved(future, cx)
    } else {
        (Poll::Pending, true)
    }
}

#[cfg(feature = "tokio")]
use of_tokio::Late;

/// tokio cannot be asked.
#[cfg(not(feature = "tokio"))]
#[derive(Clone, Default)]
struct Late;

#[cfg(not(feature = "tokio"))]
impl Late {
    fn queue(&mut self) {}

    fn is_some(&self) -> bool {
        false
    }

    fn is_out(&self) -> bool {
        false
    }

    fn wake_when_back(&self, waker: &std::task::Waker) {
        waker.wake_by_ref();
    }
}

#[cfg(feature = "tokio")]
mod of_tokio {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Wake, Waker};

    use crate::primitive::lock;

    /// The tickets of one check point.
    #[derive(Clone, Default)]
    pub(super) struct Late(Option<Arc<Tickets>>);

    #[derive(Default)]
    struct Tickets {
        /// How many are in a queue of tokio's.
        out: AtomicUsize,
        /// To be woken when none is.
        waker: Mutex<Option<Waker>>,
    }

    /// Comes back by being dropped, which tokio does with what it has woken, or never will.
    struct Ticket(Arc<Tickets>);

    impl Late {
        /// Queues another ticket. Outside a runtime it is back at once.
        pub(super) fn queue(&mut self) {
            let tickets = self.0.get_or_insert_default();
            tickets.out.fetch_add(1, Ordering::Relaxed);
            let waker = Waker::from(Arc::new(Ticket(Arc::clone(tickets))));
            let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
        }

        pub(super) fn is_some(&self) -> bool {
            self.0.is_some()
        }

        pub(super) fn is_out(&self) -> bool {
            self.0
                .as_ref()
                .is_some_and(|tickets| tickets.out.load(Ordering::Acquire) > 0)
        }

        pub(super) fn wake_when_back(&self, waker: &Waker) {
            if let Some(tickets) = &self.0 {
                let waker = waker.clone();
                let replaced = lock(&tickets.waker).replace(waker);
                drop(replaced);
            }
            if !self.is_out() {
                waker.wake_by_ref();
            }
        }
    }

    impl Wake for Ticket {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Ticket {
        fn drop(&mut self) {
            if self.0.out.fetch_sub(1, Ordering::AcqRel) == 1 {
                let waker = lock(&self.0.waker).take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
    }
}

#[cfg(feature = "tokio")]
#[inline]
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
