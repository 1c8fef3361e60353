//! Models of the told protocol under loom (contract §5): a task polls, another thread cancels, and no check point drops what
//! is inside it before that has been woken and polled.
//!
//! One thread polls, and only that one has frames; so thread-locals may be the standard library's.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::{Hold, guard};
use crate::context::{About, Frame, Outside};
use crate::error::Cancelled;
use crate::explore::{explore, spawn};
use crate::pending::loom::Bell;
use crate::primitive::{Mutex, lock};
use crate::token::{CancellationToken, Registered};

/// Runs a task to its end, as a scope with this token does: it registers its own waker, and nothing else does in its place.
fn run<F: Future>(token: &CancellationToken, future: F) -> F::Output {
    let (bell, waker) = Bell::with_waker();
    let mut future = pin!(future);
    let mut registered = pin!(Registered::new(token.clone()));
    loop {
        let was_cancelled = token.is_cancelled();
        let frame = Frame::new(token, About::GIVEN, Some(&waker));
        let poll = frame.enter(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
        if let Poll::Ready(output) = poll {
            return output;
        }
        // A cancel that came in the middle of the poll is noticed in the next one; afterwards somebody inside rings.
        if was_cancelled || registered.has(&waker) || registered.as_mut().register(&waker, false) {
            bell.wait();
        }
    }
}

/// What a member of a crowd is polled with: wakes the crowd, and notes who it was. (Locks, for Loom lets a `swap` overlook a
/// store that no lock orders before it.)
#[derive(Default)]
struct Signal {
    is_woken: Mutex<bool>,
    crowd: Mutex<Option<Waker>>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        *lock(&self.is_woken) = true;
        let crowd = lock(&self.crowd).take();
        if let Some(crowd) = crowd {
            crowd.wake();
        }
    }
}

/// Futures that are polled one at a time, each only when it has been woken: as `FuturesUnordered` does, and unannotated.
struct Crowd<F>(Vec<(Pin<Box<F>>, Arc<Signal>)>);

impl<F: Future> Crowd<F> {
    fn new(members: impl IntoIterator<Item = F>) -> Self {
        let member = |future| {
            let signal = Arc::new(Signal::default());
            *lock(&signal.is_woken) = true;
            (Box::pin(future), signal)
        };
        Self(members.into_iter().map(member).collect())
    }

    /// Ends with the last of them.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for (_, signal) in &self.0 {
            *lock(&signal.crowd) = Some(cx.waker().clone());
        }
        self.0.retain_mut(|(future, signal)| {
            if !mem::take(&mut *lock(&signal.is_woken)) {
                return true;
            }
            let waker = Waker::from(Arc::clone(signal));
            future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
        });
        if self.0.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// How many members have begun, and how many have noticed the cancel. Outside the model: one thread polls them all.
#[derive(Default)]
struct Tally {
    begun: Cell<usize>,
    noticed: Cell<usize>,
}

/// An annotated member that waits for something foreign.
async fn member(tally: Rc<Tally>) {
    tally.begun.set(tally.begun.get() + 1);
    let result: Result<(), Cancelled> = guard(std::future::pending()).await;
    assert!(result.is_err());
    tally.noticed.set(tally.noticed.get() + 1);
}

/// Runs what is made of a tally in a check point, while another thread cancels: whoever has begun has noticed.
fn all_notice<F: Future<Output = ()>>(preemptions: usize, make: impl Fn(Rc<Tally>) -> F + Send + Sync + 'static) {
    explore(preemptions, move || {
        let token = CancellationToken::new();
        let canceller = token.clone();
        let thread = spawn(move || canceller.cancel());
        let tally = Rc::new(Tally::default());
        let outcome = run(&token, guard(make(Rc::clone(&tally))));
        assert!(outcome.is_ok() || token.is_cancelled());
        assert_eq!(tally.begun, tally.noticed);
        thread.join().unwrap();
    });
}

async fn crowd<F: Future>(members: impl IntoIterator<Item = F>) {
    let mut crowd = Crowd::new(members);
    poll_fn(move |cx| crowd.poll(cx)).await;
}

/// Two check points in one task, under one waker. Woken once for nothing, so that a poll may begin before the cancel and
/// end after it.
#[test]
fn l12_an_await_inside_notices_before_the_one_outside() {
    all_notice(3, |tally| async move {
        let mut is_first = true;
        let mut member = Box::pin(member(tally));
        poll_fn(move |cx| {
            let poll = member.as_mut().poll(cx);
            if mem::take(&mut is_first) {
                cx.waker().wake_by_ref();
            }
            poll
        })
        .await;
    });
}

#[test]
fn l12_a_member_of_a_crowd_is_polled_before_what_is_outside_fails() {
    all_notice(5, |tally| crowd([member(tally)]));
}

#[test]
fn l12_two_members_of_a_crowd_are_polled_before_what_is_outside_fails() {
    all_notice(3, |tally| crowd([member(Rc::clone(&tally)), member(tally)]));
}

/// The check point between two crowds is under a foreign waker itself: it waits for the end of the first round.
#[test]
fn l12_a_crowd_in_a_crowd_is_polled_inside_out() {
    all_notice(3, |tally| {
        crowd([async move {
            let between = guard(crowd([member(Rc::clone(&tally))])).await;
            assert!(between.is_ok() || tally.begun == tally.noticed);
        }])
    });
}

/// A hold inside is not cut by a cancel that comes at any moment, and is not waited for when it has gone.
#[test]
fn l12_a_hold_inside_keeps_the_check_point_outside_from_failing() {
    explore(3, || {
        let token = CancellationToken::new();
        let canceller = token.clone();
        let thread = spawn(move || canceller.cancel());
        let mut hold = Hold::new();
        let polls = Cell::new(0);
        let held = poll_fn(|cx| {
            polls.set(polls.get() + 1);
            hold.set(polls.get() < 3, cx.waker());
            cx.waker().wake_by_ref();
            if polls.get() < 3 {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        });
        let outcome = run(&token, guard(held));
        assert_eq!(polls.get(), if outcome.is_ok() { 3 } else { 0 });
        thread.join().unwrap();
    });
}

/// What was left pending in a scope is polled before a check point of a scope inside fails, also of one that has noticed the cancel
/// before the scope outside is marked.
#[test]
fn l12_a_check_point_inside_is_kept_from_failing_by_what_was_left_outside() {
    explore(3, || {
        let token = CancellationToken::new();
        let child = token.child_token();
        let asked = token.clone();
        let thread = spawn(move || {
            let mut hold = Hold::new();
            let mut held = pin!(poll_fn(|cx| {
                hold.set(true, cx.waker());
                Poll::<()>::Pending
            }));
            let (_bell, waker) = Bell::with_waker();
            let cx = &mut Context::from_waker(&waker);
            let outer = Frame::new(&asked, About::GIVEN, Some(&waker));
            outer.enter(|| {
                let mut leaves = pin!(guard(poll_fn(|cx| {
                    assert!(held.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })));
                if let Poll::Ready(Ok(())) = leaves.as_mut().poll(cx) {
                    let inner = Frame::new(&child, const { &About::nothing(Outside::Round) }, Some(&waker));
                    let outcome = inner
                        .enter(|| pin!(guard(std::future::pending::<()>())).poll(&mut Context::from_waker(&waker)));
                    assert!(outcome.is_pending());
                }
            });
        });
        token.cancel();
        thread.join().unwrap();
    });
}
