//! Holds under wakers of every kind: new in each poll, changing hands, polling as they wake, panicking.

use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use cancelable::{CancellationToken, Cancelled, Scope, cancelable, check, current, guard, shield};
use futures::FutureExt as _;
use futures::channel::oneshot::{self, Receiver};
use futures::future::{self, BoxFuture};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tests::step::{Driven, Log, two_halves};
use tests::wakers::Task;
use tests::{PollsInWaker, poll_once, poll_with};

type Outcome = Result<(), Cancelled>;
type Boxed = BoxFuture<'static, Outcome>;

fn hold(log: &Log, gate: Receiver<()>) -> Boxed {
    shield(two_halves(log.clone(), gate)).map(Ok).boxed()
}

/// Two turns: the first ends with `first`.
#[cancelable]
async fn turns(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter([first, second]);
    while let Some(ended) = crowd.next().await {
        ended?;
    }
    check()
}

/// The same, under the waker of the loop.
#[cancelable]
async fn turns_by_reference(mut first: Boxed, mut second: Boxed) -> Outcome {
    tokio::select! {
        biased;
        _ = &mut second => unreachable!("it is shut"),
        ended = &mut first => ended?,
    }
    second.await?;
    check()
}

type Turns = fn(Boxed, Boxed) -> Boxed;

const BOTH: [(&str, Turns); 2] = [
    ("crowd", |first, second| turns(first, second).boxed()),
    ("by reference", |first, second| {
        turns_by_reference(first, second).boxed()
    }),
];

/// Hands a wake on.
struct HandOn(Waker);

impl Wake for HandOn {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// Polls under a waker that is another one each time.
fn under_new_wakers<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let mut future = Box::pin(future);
    // Kept, so that none comes to lie where another was.
    let mut wakers = Vec::new();
    poll_fn(move |cx| {
        let waker = Waker::from(Arc::new(HandOn(cx.waker().clone())));
        wakers.push(waker.clone());
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
}

/// A cancel, and after that everything that a hold is entitled to.
fn is_held<T>(mut task: Driven<'_, T>, token: &CancellationToken, open: oneshot::Sender<()>, log: &Log) {
    assert!(task.run().is_pending());
    token.cancel();
    for _ in 0..3 {
        assert!(task.run().is_pending(), "{:?}", log.all());
        assert!(task.poll().is_pending(), "{:?}", log.all());
    }
    open.send(()).unwrap();
    assert!(task.run().is_ready(), "held up: {:?}", log.all());
    drop(task);
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_loop_that_goes_into_a_crowd_half_way_keeps_its_holds() {
    for (name, turns) in BOTH {
        for is_guarded in [true, false] {
            println!("{name}, guarded: {is_guarded}");
            let (token, log) = (CancellationToken::new(), Log::default());
            let (open, gate) = oneshot::channel();
            let mut inner = turns(ready(Ok(())).boxed(), hold(&log, gate));
            let task = Driven::new(token.scope(async move {
                // Under the scope's own waker it comes to its second turn.
                let begins = poll_fn(|cx| {
                    assert!(inner.poll_unpin(cx).is_pending());
                    Poll::Ready(())
                });
                if is_guarded {
                    guard(begins).await?;
                } else {
                    begins.await;
                }
                // Under one of the crowd's it goes on.
                let mut crowd = FuturesUnordered::from_iter([inner]);
                guard(crowd.next()).await.map(drop)
            }));
            is_held(task, &token, open, &log);
        }
    }
}

#[test]
fn l12_a_loop_that_comes_out_of_a_crowd_half_way_keeps_its_holds() {
    for (name, turns) in BOTH {
        println!("{name}");
        let (token, log) = (CancellationToken::new(), Log::default());
        let (open, gate) = oneshot::channel();
        let mut inner = turns(ready(Ok(())).boxed(), hold(&log, gate));
        let task = Driven::new(token.scope(async move {
            let begins = FuturesUnordered::from_iter([poll_fn(|cx| {
                assert!(inner.poll_unpin(cx).is_pending());
                Poll::Ready(())
            })]);
            guard(begins.collect::<Vec<()>>()).await?;
            guard(inner).await?
        }));
        is_held(task, &token, open, &log);
    }
}

#[test]
fn l12_a_loop_that_goes_from_task_to_task_keeps_its_holds() {
    for (name, turns) in BOTH {
        println!("{name}");
        let tokens = [CancellationToken::new(), CancellationToken::new()];
        let log = Log::default();
        let (open, gate) = oneshot::channel();
        let inner = turns(ready(Ok(())).boxed(), hold(&log, gate));
        let place = Arc::new(Mutex::new(Some(inner)));
        let kept = Arc::clone(&place);
        let mut begins = Driven::new(tokens[0].scope(async move {
            let begins = poll_fn(|cx| {
                assert!(kept.lock().unwrap().as_mut().unwrap().poll_unpin(cx).is_pending());
                Poll::Ready(())
            });
            guard(begins).await?;
            guard(pending::<()>()).await
        }));
        assert!(begins.run().is_pending());
        let inner = place.lock().unwrap().take().unwrap();
        let task = Driven::new(tokens[1].scope(async move { guard(inner).await? }));
        is_held(task, &tokens[1], open, &log);
        tokens[0].cancel();
        assert!(matches!(begins.run(), Poll::Ready(Err(_))));
    }
}

#[test]
fn l04_who_waits_for_a_hold_is_woken_while_no_lock_is_held() {
    // The waker polls its task, which asks for the hold, in the middle of what the hold is doing.
    #[derive(Clone, Copy, Debug)]
    enum Then {
        Moves,
        Ends,
        IsDropped,
        IsShared,
    }
    for then in [Then::Moves, Then::Ends, Then::IsDropped, Then::IsShared] {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (open, gate) = oneshot::channel();
        let shared = hold(&log, gate).shared();
        let (mut in_a, elsewhere) = (shared.clone(), shared);
        let waits = PollsInWaker::start(token.scope(async move {
            let begins = poll_fn(|cx| {
                assert!(in_a.poll_unpin(cx).is_pending());
                Poll::Ready(())
            });
            guard(begins).await?;
            drop(in_a);
            guard(pending::<()>()).await
        }));
        token.cancel();
        assert!(waits.take_output().is_none(), "it holds");
        let mut elsewhere = Box::pin(elsewhere);
        let other = CancellationToken::new();
        match then {
            Then::Moves => assert!(poll_once(&mut elsewhere).is_pending()),
            Then::Ends => {
                open.send(()).unwrap();
                assert!(poll_once(&mut elsewhere).is_ready());
            }
            Then::IsDropped => drop(elsewhere),
            Then::IsShared => {
                let mut tasks = [(); 3].map(|()| Box::pin(other.scope(guard(elsewhere.clone()))));
                for task in &mut tasks {
                    assert!(poll_once(task).is_pending());
                }
            }
        }
        assert!(matches!(waits.take_output(), Some(Err(_))), "{then:?}");
    }
}

/// Runs `f`; a panic of a waker is the waker's affair.
fn attempt<T>(f: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

#[test]
fn l04_wakers_that_panic_cut_no_hold_and_leave_nothing_behind() {
    /// One program, with a panic at the `n`th thing that a waker does. Did it come to that?
    fn play(n: usize) -> bool {
        let [first, second] = [CancellationToken::new(), CancellationToken::new()];
        let (task, log) = (Task::panicking_at(n), Log::default());
        let (open, gate) = oneshot::channel();
        let shared = hold(&log, gate).shared();
        {
            let [mut a, mut b] = [&first, &second].map(|token| {
                let shared = shared.clone();
                // (No crowd: `FuturesUnordered` itself leaks when a destructor of a member panics.)
                Box::pin(Scope::new().parent(token).run(async move {
                    let mut holds = guard(shared).boxed();
                    let _: future::Either<_, _> = guard(future::select(&mut holds, ready(()))).await?;
                    guard(under_new_wakers(holds)).await??
                }))
            });
            // A future that has panicked is not polled again.
            let mut is_sound = [true; 2];
            let mut poll = |which: usize| {
                let future: &mut Pin<Box<_>> = if which == 0 { &mut a } else { &mut b };
                if is_sound[which] {
                    is_sound[which] =
                        attempt(|| poll_with(future, &task.waker())).is_some_and(|poll| poll.is_pending());
                }
            };
            for which in [0, 1, 0, 1] {
                poll(which);
            }
            attempt(|| first.cancel());
            for which in [0, 1, 0] {
                poll(which);
            }
            attempt(|| second.cancel());
            for which in [1, 0, 1] {
                poll(which);
            }
            attempt(|| drop(a));
            attempt(|| drop(b));
        }
        // It was never the last clone that went.
        assert_eq!(log.count("cut"), 0, "at {n}");
        let mut shared = Box::pin(shared);
        attempt(|| open.send(()));
        let ended = attempt(|| poll_once(&mut shared));
        assert!(ended.is_none_or(|poll| poll.is_ready()), "at {n}");
        drop(shared);
        assert_eq!(current(), CancellationToken::never(), "at {n}");
        assert_eq!(task.alive(), 0, "at {n}: wakers are left");
        // What is kept for all threads is in order.
        let mut after = pin!(Scope::new().run(async { guard(ready(())).await }));
        assert!(after.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        task.has_panicked()
    }
    let mut n = 0;
    while play(n) {
        n += 1;
        assert!(n < 1_000, "there is no end");
    }
    assert!(n > 5, "hardly any: {n}");
}

#[test]
fn l17_who_has_waited_for_a_hold_leaves_no_waker_with_it() {
    // The hold lives on, elsewhere; the task that waited for it is over, and must not be kept by its waker.
    for is_dropped in [true, false] {
        let (token, log, task) = (CancellationToken::new(), Log::default(), Task::new());
        let (_open, gate) = oneshot::channel();
        let (end_turn, turn) = oneshot::channel::<()>();
        let place: Arc<Mutex<Option<Boxed>>> = Arc::new(Mutex::new(Some(hold(&log, gate))));
        let kept = Arc::clone(&place);
        let mut waits = Box::pin(token.scope(async move {
            let begins = poll_fn(|_| {
                // Under a waker of nobody's, for what the shield itself keeps is another matter.
                assert!(poll_once(kept.lock().unwrap().as_mut().unwrap()).is_pending());
                Poll::Ready(())
            });
            guard(begins).await?;
            guard(turn).await.map(drop)
        }));
        assert!(poll_with(&mut waits, &task.waker()).is_pending());
        token.cancel();
        for _ in 0..2 {
            assert!(poll_with(&mut waits, &task.waker()).is_pending(), "it holds");
        }
        if !is_dropped {
            end_turn.send(()).unwrap();
            assert!(poll_with(&mut waits, &task.waker()).is_ready());
        }
        drop(waits);
        assert_eq!(task.alive(), 0, "dropped: {is_dropped}");
        assert!(place.lock().unwrap().is_some());
    }
}

#[test]
fn l12_a_hold_whose_poll_panics_holds_until_it_is_dropped_and_no_longer() {
    for is_elsewhere in [false, true] {
        let (token, log) = (CancellationToken::new(), Log::default());
        let inner = log.clone();
        let mut is_second = false;
        let panics = poll_fn(move |_| {
            assert!(!std::mem::replace(&mut is_second, true), "on purpose");
            Poll::<()>::Pending
        });
        let hold = shield(two_halves(inner, panics)).map(Ok).boxed();
        let place: Arc<Mutex<Option<Boxed>>> = Arc::new(Mutex::new(Some(hold)));
        let kept = Arc::clone(&place);
        let mut task = Driven::new(token.scope(async move {
            let begins = future::lazy(|cx| assert!(kept.lock().unwrap().as_mut().unwrap().poll_unpin(cx).is_pending()));
            guard(begins).await?;
            guard(pending::<()>()).await
        }));
        assert!(task.run().is_pending());
        token.cancel();
        assert!(task.run().is_pending());
        let mut hold = place.lock().unwrap().take().unwrap();
        let ends = move || {
            assert!(attempt(|| poll_once(&mut hold)).is_none());
            drop(hold);
        };
        if is_elsewhere {
            std::thread::spawn(ends).join().unwrap();
        } else {
            ends();
        }
        assert!(matches!(task.run(), Poll::Ready(Err(_))), "elsewhere: {is_elsewhere}");
        assert_eq!(log.all(), ["begun", "cut"]);
    }
}

/// Who waits for a hold is woken under the waker that it was polled with last, and not under the one before.
#[test]
fn l12_who_waits_for_a_shared_hold_is_woken_where_it_is_polled_now() {
    let (token, log) = (CancellationToken::new(), Log::default());
    let (_open, gate) = oneshot::channel();
    let shared = hold(&log, gate).shared();
    let also = shared.clone();
    let mut here: Boxed = token.scope(async move { guard(shared).await? }).boxed();
    let mut there: Boxed = CancellationToken::new()
        .scope(async move { guard(also).await? })
        .boxed();
    let ((before, first), (now, second)) = (tests::CountingWaker::new(), tests::CountingWaker::new());
    assert!(poll_with(&mut here, &first).is_pending());
    token.cancel();
    for waker in [&first, &second] {
        assert!(poll_with(&mut here, waker).is_pending(), "a hold is inside");
    }
    let woken = (before.count(), now.count());
    // Now the hold is inside another one.
    assert!(poll_once(&mut there).is_pending());
    assert_eq!((before.count(), now.count()), (woken.0, woken.1 + 1));
}
