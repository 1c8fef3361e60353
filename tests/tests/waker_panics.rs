//! L4, L6, L16, L20, with wakers that panic when they are cloned, dropped or woken: each future of the library, and each of
//! the places where it does one of these.
//!
//! Every test runs its story with a panic at the first such act, then at the second, and so on, until there is none.

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Context;
use std::time::Duration;

use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, Scope, Spawn, StreamEnd, StreamExt as _, TaskGroup, current,
    guard, race, shield, sleep, try_join,
};
use futures::StreamExt as _;
use tests::wakers::Task;
use tests::{CountingWaker, poll_with};

const HOUR: Duration = Duration::from_secs(3600);

type Outcome = Result<(), Cancelled>;
type Running = Pin<Box<dyn Future<Output = ()>>>;
type Spawned = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the bodies of one story have seen.
#[derive(Default)]
struct Seen {
    started: AtomicUsize,
    dropped: AtomicUsize,
    /// Tokens of bodies that asked for them.
    tokens: Mutex<Vec<CancellationToken>>,
    /// What was ambient when a body was dropped, and what should have been if that is known.
    ambient: Mutex<Vec<(CancellationToken, Option<CancellationToken>)>>,
}

/// One story's surroundings.
struct Stage {
    parent: CancellationToken,
    task: Arc<Task>,
    seen: Arc<Seen>,
    /// Bodies ask for their token, which has it made.
    asks: bool,
}

/// What is left of a body.
struct Remains {
    seen: Arc<Seen>,
    own: Option<CancellationToken>,
}

impl Drop for Remains {
    fn drop(&mut self) {
        self.seen.dropped.fetch_add(1, Ordering::SeqCst);
        self.seen.ambient.lock().unwrap().push((current(), self.own.clone()));
    }
}

impl Stage {
    /// A body that waits for a cancel.
    fn body(&self) -> impl Future<Output = Outcome> + use<> {
        self.body_of(guard(pending::<()>()))
    }

    fn body_of<T, W>(&self, waiting: W) -> impl Future<Output = Outcome> + use<T, W>
    where
        W: Future<Output = Result<T, Cancelled>>,
    {
        let (seen, asks) = (Arc::clone(&self.seen), self.asks);
        async move {
            seen.started.fetch_add(1, Ordering::SeqCst);
            let own = asks.then(current);
            seen.tokens.lock().unwrap().extend(own.clone());
            let _remains = Remains { seen, own };
            waiting.await.map(drop)
        }
    }

    /// Polls `f` under wakers of the task's own, each time another.
    fn foreign<F: Future>(&self, f: F) -> impl Future<Output = F::Output> + use<F> {
        let task = Arc::clone(&self.task);
        async move {
            let mut f = pin!(f);
            poll_fn(|_| f.as_mut().poll(&mut Context::from_waker(&task.waker()))).await
        }
    }
}

fn boxed<T>(future: impl Future<Output = T> + 'static) -> Running {
    Box::pin(async move { drop(future.await) })
}

/// Whose the token is that bodies see.
#[derive(Clone, Copy, PartialEq)]
enum Owns {
    /// The future's own: it cancels it when it goes.
    Itself,
    /// Somebody else's.
    Nothing,
}

/// What happens to the future after its first polls.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Dropped,
    CancelledAndDropped,
    CancelledAndPolled,
}

/// Something that may panic with the waker's panic, and with the panics that this leads to.
fn attempt(f: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(f)));
}

fn story(name: &str, owns: Owns, make: impl Fn(&Stage) -> Running) {
    for asks in [false, true] {
        for fate in [Fate::Dropped, Fate::CancelledAndDropped, Fate::CancelledAndPolled] {
            let mut n = 0;
            while told(
                &format!("{name}, asks: {asks}, {fate:?}, at {n}"),
                owns,
                asks,
                fate,
                n,
                &make,
            ) {
                n += 1;
                assert!(n < 1000, "{name}: there is no end");
            }
        }
    }
}

/// One story, with a panic at the `n`th act. Did it come to that?
fn told(name: &str, owns: Owns, asks: bool, fate: Fate, n: usize, make: &impl Fn(&Stage) -> Running) -> bool {
    let outer = CancellationToken::new();
    let task = Task::panicking_at(n);
    let seen = Arc::new(Seen::default());
    let parent = CancellationToken::new();
    outer.sync_scope(|| {
        let stage = Stage {
            parent: parent.clone(),
            task: Arc::clone(&task),
            seen: Arc::clone(&seen),
            asks,
        };
        // Others who wait for the same token, before and after.
        let ((first_witness, first_waker), (second_witness, second_waker)) =
            (CountingWaker::new(), CountingWaker::new());
        let called = Arc::new(AtomicUsize::new(0));
        let call = || {
            let called = Arc::clone(&called);
            parent.on_cancel(move |_| assert!(called.fetch_add(1, Ordering::SeqCst) < 2))
        };
        let mut first = Box::pin(parent.cancelled());
        assert!(poll_with(&mut first, &first_waker).is_pending());
        let first_call = call();

        let mut future = Some(make(&stage));
        let poll = |future: &mut Option<Running>| {
            attempt(|| {
                let waker = task.waker();
                let is_ready = future
                    .as_mut()
                    .is_some_and(|future| poll_with(future, &waker).is_ready());
                if is_ready {
                    *future = None;
                }
            });
            assert_eq!(current(), outer, "{name}: ambient after a poll");
        };
        // The second poll is one with another waker.
        poll(&mut future);
        if !task.has_panicked() {
            poll(&mut future);
        }

        let mut second = Box::pin(parent.cancelled());
        assert!(poll_with(&mut second, &second_waker).is_pending());
        let second_call = call();
        match fate {
            Fate::Dropped => {}
            Fate::CancelledAndDropped => attempt(|| parent.cancel()),
            Fate::CancelledAndPolled => {
                attempt(|| parent.cancel());
                for _ in 0..3 {
                    poll(&mut future);
                }
            }
        }
        attempt(|| drop(future.take()));
        assert_eq!(current(), outer, "{name}: ambient after the end");

        attempt(|| parent.cancel());
        let woken = (first_witness.count(), second_witness.count());
        assert_eq!(woken, (1, 1), "{name}: witnesses");
        assert_eq!(called.load(Ordering::SeqCst), 2, "{name}: callbacks");
        drop((first, second, first_call, second_call));
    });
    let started = seen.started.load(Ordering::SeqCst);
    assert_eq!(seen.dropped.load(Ordering::SeqCst), started, "{name}: bodies dropped");
    for (ambient, own) in seen.ambient.lock().unwrap().iter() {
        match own {
            Some(own) => assert_eq!(ambient, own, "{name}: dropped under another token"),
            None => assert_ne!(*ambient, outer, "{name}: dropped under the outer token"),
        }
        assert!(
            ambient.is_cancelled() || owns == Owns::Nothing,
            "{name}: dropped, not cancelled"
        );
    }
    for token in seen.tokens.lock().unwrap().iter() {
        assert!(token.is_cancelled(), "{name}: a scope's token");
    }
    assert!(!outer.is_cancelled());
    assert_eq!(task.alive(), 0, "{name}: wakers left");
    task.has_panicked()
}

#[test]
fn waiting_for_a_token() {
    story("cancelled", Owns::Nothing, |stage| {
        boxed(stage.parent.clone().cancelled_owned())
    });
    story("run_until_cancelled", Owns::Nothing, |stage| {
        let body = stage.parent.scope(stage.body());
        boxed(stage.parent.clone().run_until_cancelled_owned(body))
    });
}

#[test]
fn a_token_made_ambient() {
    story("scope of a token", Owns::Nothing, |stage| {
        boxed(stage.parent.scope(stage.body()))
    });
    story("with_cancellation", Owns::Nothing, |stage| {
        boxed(stage.body().with_cancellation(&stage.parent))
    });
    story("guard under another waker", Owns::Nothing, |stage| {
        let body = stage.body_of(stage.foreign(guard(pending::<()>())));
        boxed(stage.parent.scope(body))
    });
    story("sleep", Owns::Nothing, |stage| {
        let body = stage.body_of(sleep(HOUR));
        boxed(stage.parent.scope(body))
    });
}

#[test]
fn scopes() {
    let scope = |stage: &Stage| Scope::new().parent(&stage.parent);
    story("scope", Owns::Itself, |stage| boxed(scope(stage).run(stage.body())));
    story("run_with", Owns::Itself, |stage| {
        let body = stage.body();
        boxed(scope(stage).run_with(|_| body))
    });
    story("timeout", Owns::Itself, |stage| {
        boxed(scope(stage).timeout(HOUR).run(stage.body()))
    });
    story("timeout and grace", Owns::Itself, |stage| {
        boxed(scope(stage).timeout(HOUR).grace(HOUR).run(stage.body()))
    });
    story("linked", Owns::Itself, |stage| {
        boxed(Scope::new().link(stage.parent.clone()).run(stage.body()))
    });
    story("until", Owns::Itself, |stage| {
        boxed(scope(stage).until(pending::<()>()).run(stage.body()))
    });
    story("until a token", Owns::Itself, |stage| {
        boxed(Scope::new().until(stage.parent.clone()).run(stage.body()))
    });
    story("of what does not notice", Owns::Itself, |stage| {
        let body = stage.body_of(pending::<Outcome>());
        boxed(scope(stage).timeout(HOUR).run(body))
    });
    story("under another waker", Owns::Itself, |stage| {
        let inner = stage.foreign(Scope::new().timeout(HOUR).run(stage.body()));
        boxed(scope(stage).run(inner))
    });
}

#[test]
fn shields() {
    story("shield", Owns::Itself, |stage| {
        boxed(stage.parent.scope(shield(stage.body())))
    });
    story("shield in a scope", Owns::Itself, |stage| {
        let shield = shield(stage.body());
        boxed(Scope::new().parent(&stage.parent).run(shield))
    });
    story("shield with a timeout", Owns::Itself, |stage| {
        boxed(stage.parent.scope(shield(stage.body()).timeout(HOUR)))
    });
}

#[test]
fn branches() {
    story("race", Owns::Itself, |stage| {
        boxed(stage.parent.scope(race((stage.body(), stage.body()))))
    });
    story("race that is won", Owns::Itself, |stage| {
        let won = async {
            futures::pending!();
            Ok(())
        };
        let (first, last) = (stage.body(), stage.body());
        boxed(stage.parent.scope(async { race((first, won, last)).await }))
    });
    story("try_join", Owns::Itself, |stage| {
        boxed(stage.parent.scope(try_join(vec![stage.body(), stage.body()])))
    });
}

#[test]
fn streams() {
    for end in [StreamEnd::Now, StreamEnd::AfterItem, StreamEnd::Drain { at_most: 3 }] {
        let items = |stage: &Stage| {
            let body = stage.parent.scope(stage.body());
            futures::stream::once(body).chain(futures::stream::pending())
        };
        story("stream", Owns::Nothing, |stage| {
            let mut stream = Box::pin(items(stage).until_cancelled_by(&stage.parent, end));
            boxed(async move { while stream.next().await.is_some() {} })
        });
        story("stream in a scope", Owns::Nothing, |stage| {
            let mut stream = Box::pin(items(stage).until_cancelled(end));
            boxed(
                stage
                    .parent
                    .scope(async move { while stream.next().await.is_some() {} }),
            )
        });
        story("stream under another waker", Owns::Nothing, |stage| {
            let mut stream = Box::pin(items(stage).until_cancelled_by(&stage.parent, end));
            let all = async move { while stream.next().await.is_some() {} };
            boxed(stage.parent.scope(stage.foreign(all)))
        });
        story("chunks", Owns::Nothing, |stage| {
            let mut stream = Box::pin(items(stage).until_cancelled_by(&stage.parent, end).chunked(2));
            boxed(async move { while stream.next().await.is_some() {} })
        });
    }
}

/// Keeps tasks in a list.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<Vec<Spawned>>>);

impl Spawn for ByHand {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        self.0.lock().unwrap().push(Box::pin(task));
    }
}

#[test]
fn groups() {
    story("next", Owns::Itself, |stage| {
        let on = ByHand::default();
        let body = stage.body();
        let next = async move {
            let mut group = TaskGroup::<(), Cancelled, _>::on(on);
            group.spawn(body);
            while group.next().await.is_some() {}
        };
        boxed(stage.parent.scope(next))
    });
    story("a task", Owns::Itself, |stage| {
        let on = ByHand::default();
        let group = stage
            .parent
            .sync_scope(|| TaskGroup::<(), Cancelled, _>::on(on.clone()));
        group.spawn(stage.body());
        let mut task = on.0.lock().unwrap().pop().unwrap();
        boxed(async move {
            let _group = group;
            task.as_mut().await;
        })
    });
    story("run", Owns::Nothing, |stage| {
        let body = stage.body();
        let run = TaskGroup::run_on(
            ByHand::default(),
            async move |_: &mut TaskGroup<(), Cancelled, ByHand>| body.await,
        );
        boxed(stage.parent.scope(run))
    });
}

/// The drop of a future that is pending drops its waker, and nobody is to be left behind if that panics.
#[test]
fn l16_a_waker_that_panics_in_the_drop_of_a_scope_does_not_keep_its_children_alive() {
    let mut n = 0;
    loop {
        let task = Task::panicking_at(n);
        let inside = Arc::new(Mutex::new(None));
        let mut scope = boxed({
            let inside = Arc::clone(&inside);
            Scope::new().timeout(HOUR).run(async move {
                *inside.lock().unwrap() = Some(current());
                guard(pending::<()>()).await
            })
        });
        attempt(|| assert!(poll_with(&mut scope, &task.waker()).is_pending()));
        attempt(|| drop(scope));
        assert!(inside.lock().unwrap().take().unwrap().is_cancelled(), "at {n}");
        if !task.has_panicked() {
            break;
        }
        n += 1;
    }
    assert!(n > 2, "{n}");
}

/// The waker that is shown again is not the one that is registered: none is.
#[test]
fn l05_a_waker_whose_clone_panicked_is_registered_when_it_is_shown_again() {
    let token = CancellationToken::new();
    let task = Task::panicking_at(0);
    let waker = task.waker();
    let mut waiting = Box::pin(token.cancelled());
    assert!(catch_unwind(AssertUnwindSafe(|| poll_with(&mut waiting, &waker))).is_err());
    assert!(poll_with(&mut waiting, &waker).is_pending());
    token.cancel();
    assert_eq!(task.wakes(), 1);
}
