//! Scopes that are pending under the waker of the scope outside: they ride on it, without a registration or a token
//! (`cancelable/src/context/late.rs`), and must not differ from those that have both when they are taken out, or when what they ride on
//! ends.

use std::future::{Future, pending, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cancelable::{
    CancellationToken, Cancelled, ReasonKind, Scope, Spawn, TaskGroup, check, current, guard, race, shield, try_join,
};
use tests::{CountingWaker, children, poll_once, poll_with, ready_after};

type Outcome = Result<(), Cancelled>;
type Boxed = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A future that others may poll, or drop, as well.
type Shared = Arc<Mutex<Option<Boxed>>>;

fn shared(future: impl Future<Output = Outcome> + Send + 'static) -> Shared {
    Arc::new(Mutex::new(Some(Box::pin(future))))
}

/// Polls what others may poll, too.
fn polled(inner: &Shared) -> impl Future<Output = Outcome> + Send + use<> {
    let inner = Arc::clone(inner);
    poll_fn(move |cx| match &mut *inner.lock().unwrap() {
        Some(inner) => inner.as_mut().poll(cx),
        None => Poll::Pending,
    })
}

/// A scope round that.
fn round(inner: &Shared) -> impl Future<Output = Outcome> + Send + use<> {
    Scope::new().run(polled(inner))
}

fn kind_of(future: &Shared) -> Option<ReasonKind> {
    let mut future = future.lock().unwrap().take().expect("not taken");
    match poll_once(&mut future) {
        Poll::Ready(outcome) => outcome.err().map(|error| error.kind()),
        Poll::Pending => None,
    }
}

#[test]
fn scopes_in_scopes_that_are_pending_take_no_place_in_the_tree() {
    let outermost = CancellationToken::new();
    let inner = shared(Scope::new().run(pending()));
    let mut all = Box::pin(outermost.scope(round(&shared(round(&inner)))));
    let (_, waker) = CountingWaker::new();
    for _ in 0..3 {
        assert!(poll_with(&mut all, &waker).is_pending());
        assert_eq!(children(&outermost), "0");
    }
    outermost.cancel();
    assert!(matches!(poll_once(&mut all), Poll::Ready(Err(error)) if error.kind() == ReasonKind::Manual));
}

#[test]
fn scopes_in_a_task_of_a_group_that_are_pending_take_no_place_in_the_tree() {
    type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Keeps the only task, to be polled by hand.
    #[derive(Clone, Default)]
    struct ByHand(Arc<Mutex<Option<Task>>>);

    impl Spawn for ByHand {
        fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
            *self.0.lock().unwrap() = Some(Box::pin(task));
        }
    }

    let on = ByHand::default();
    let group = TaskGroup::<(), Cancelled, ByHand>::on(on.clone());
    group.spawn(Scope::new().run(pending()));
    let mut task = on.0.lock().unwrap().take().unwrap();
    for _ in 0..3 {
        assert!(poll_once(&mut task).is_pending());
        assert_eq!(children(group.token()), "0");
    }
    group.token().cancel();
    assert!(poll_once(&mut task).is_ready());
}

#[test]
fn branches_that_are_pending_take_no_place_in_the_tree() {
    let outermost = CancellationToken::new();
    let branches = || async { guard(ready_after(1, ())).await };
    let mut all = Box::pin(outermost.scope(async { try_join((branches(), branches())).await.map(drop) }));
    assert!(poll_once(&mut all).is_pending());
    assert_eq!(children(&outermost), "0");
    assert!(matches!(poll_once(&mut all), Poll::Ready(Ok(()))));
    // Nor has a scope that they are in.
    let branches = || async { guard(ready_after(3, ())).await };
    let join = async { try_join((branches(), branches())).await.map(drop) };
    let mut all = Box::pin(outermost.scope(Scope::new().run(join)));
    for _ in 0..3 {
        assert!(poll_once(&mut all).is_pending());
        assert_eq!(children(&outermost), "0");
    }
    assert!(matches!(poll_once(&mut all), Poll::Ready(Ok(()))));
    // One that loses has its own by then.
    let seen = Arc::new(Mutex::new(None));
    let tell = Arc::clone(&seen);
    let loser = async move {
        let outcome = guard(pending::<()>()).await;
        *tell.lock().unwrap() = Some((outcome.unwrap_err().kind(), current().is_inherited()));
        Ok(())
    };
    let mut all = Box::pin(outermost.scope(race((loser, ready_after(1, Outcome::Ok(()))))));
    assert!(poll_once(&mut all).is_pending());
    assert_eq!(children(&outermost), "0");
    assert!(poll_once(&mut all).is_ready());
    assert_eq!(*seen.lock().unwrap(), Some((ReasonKind::Superseded, false)));
    assert!(!outermost.is_cancelled());
}

#[test]
fn l16_what_was_pending_in_a_scope_within_a_scope_is_woken_when_that_is_dropped_wherever_that_is() {
    let inner = shared(Scope::new().run(pending()));
    let middle = shared(round(&inner));
    let mut all = Box::pin(round(&middle));
    let (count, waker) = CountingWaker::new();
    assert!(poll_with(&mut all, &waker).is_pending());
    assert_eq!(count.count(), 0);
    let dropped = middle.lock().unwrap().take();
    std::thread::spawn(move || drop(dropped)).join().unwrap();
    assert!(count.count() > 0);
    assert_eq!(kind_of(&inner), Some(ReasonKind::Dropped));
    assert!(poll_once(&mut all).is_pending());
}

#[test]
fn l17_what_was_pending_in_a_scope_is_woken_when_that_is_over() {
    for pauses in [0, 1] {
        let inner = shared(Scope::new().run(pending()));
        let riding = round(&inner);
        let mut outer = Box::pin(Scope::new().run(async move {
            let mut riding = Box::pin(riding);
            let mut inside = Box::pin(ready_after(pauses, ()));
            poll_fn(|cx| {
                assert!(riding.as_mut().poll(cx).is_pending());
                inside.as_mut().poll(cx)
            })
            .await;
            Outcome::Ok(())
        }));
        let (count, waker) = CountingWaker::new();
        for _ in 0..pauses {
            assert!(poll_with(&mut outer, &waker).is_pending());
        }
        assert!(poll_with(&mut outer, &waker).is_ready());
        assert!(count.count() > 0);
        // The middle one was dropped with the body.
        assert_eq!(kind_of(&inner), Some(ReasonKind::Dropped));

        let inner = shared(Scope::new().run(pending()));
        let also = Arc::clone(&inner);
        let mut outer = Box::pin(Scope::new().run(async move {
            let mut inside = Box::pin(ready_after(pauses, ()));
            poll_fn(|cx| {
                assert!(also.lock().unwrap().as_mut().unwrap().as_mut().poll(cx).is_pending());
                inside.as_mut().poll(cx)
            })
            .await;
            Outcome::Ok(())
        }));
        let (count, waker) = CountingWaker::new();
        for _ in 0..pauses {
            assert!(poll_with(&mut outer, &waker).is_pending());
        }
        assert!(poll_with(&mut outer, &waker).is_ready());
        assert!(count.count() > 0);
        assert_eq!(kind_of(&inner), Some(ReasonKind::ScopeEnded));
    }
}

#[test]
fn l21_what_was_pending_in_a_scope_is_woken_when_that_panics() {
    for pauses in [0, 1] {
        let inner = shared(Scope::new().run(pending()));
        let also = Arc::clone(&inner);
        let mut outer = Box::pin(Scope::new().run(async move {
            let mut inside = Box::pin(ready_after(pauses, ()));
            let () = poll_fn(|cx| {
                assert!(also.lock().unwrap().as_mut().unwrap().as_mut().poll(cx).is_pending());
                inside.as_mut().poll(cx)
            })
            .await;
            panic!("on purpose");
            #[expect(unreachable_code, reason = "says the type")]
            Outcome::Ok(())
        }));
        let (count, waker) = CountingWaker::new();
        for _ in 0..pauses {
            assert!(poll_with(&mut outer, &waker).is_pending());
        }
        assert!(catch_unwind(AssertUnwindSafe(|| poll_with(&mut outer, &waker))).is_err());
        assert!(count.count() > 0);
        assert_eq!(kind_of(&inner), Some(ReasonKind::Dropped));
    }
}

#[test]
fn l11_what_is_taken_out_of_a_scope_waits_for_it_by_itself_and_the_scope_finds_the_token_that_was_made() {
    let outermost = CancellationToken::new();
    let inner = shared(Scope::new().run(pending()));
    let mut outer: Boxed = Box::pin(outermost.scope(round(&inner)));
    assert!(poll_once(&mut outer).is_pending());
    assert_eq!(children(&outermost), "0");
    // Polled by itself, it makes the token of the scope that it was begun in, and waits for that.
    let (count, waker) = CountingWaker::new();
    let poll = inner.lock().unwrap().as_mut().map(|inner| poll_with(inner, &waker));
    assert!(matches!(poll, Some(Poll::Pending)));
    assert_eq!(children(&outermost), "1");
    drop(outer);
    assert!(count.count() > 0);
    assert_eq!(kind_of(&inner), Some(ReasonKind::Dropped));
    drop(inner);
    assert_eq!(children(&outermost), "0");
}

#[test]
fn l11_what_is_left_behind_under_the_waker_of_before_is_woken() {
    let outermost = CancellationToken::new();
    let inner = shared(Scope::new().run(pending()));
    let mut outer: Boxed = Box::pin(outermost.scope(round(&inner)));
    let ((before, first), (count, second)) = (CountingWaker::new(), CountingWaker::new());
    assert!(poll_with(&mut outer, &first).is_pending());
    // Another task goes on with the outer scope, but not with the inner one.
    let left_behind = inner.lock().unwrap().take();
    assert_eq!(before.count(), 0);
    assert!(poll_with(&mut outer, &second).is_pending());
    assert_eq!((before.count(), count.count()), (1, 0));
    // Now it waits by itself.
    let mut left_behind = left_behind.unwrap();
    assert!(poll_with(&mut left_behind, &first).is_pending());
    assert!(poll_with(&mut outer, &second).is_pending());
    assert_eq!((before.count(), count.count()), (1, 0));
    drop(outer);
    assert_eq!(before.count(), 2);
    assert!(
        matches!(poll_with(&mut left_behind, &first), Poll::Ready(Err(error)) if error.kind() == ReasonKind::Dropped)
    );
}

/// Under the same waker, where the scope outside has no token either.
#[test]
fn what_is_polled_in_another_scope_ends_with_the_one_that_it_rode_on() {
    let [first, second] = [(); 2].map(|()| CancellationToken::new());
    let inner = shared(Scope::new().run(pending()));
    let mut one: Boxed = Box::pin(first.scope(round(&inner)));
    let mut other: Boxed = Box::pin(second.scope(round(&inner)));
    let (_, waker) = CountingWaker::new();
    assert!(poll_with(&mut one, &waker).is_pending());
    assert!(poll_with(&mut other, &waker).is_pending());
    first.cancel();
    assert!(matches!(poll_with(&mut other, &waker), Poll::Ready(Err(error)) if error.kind() == ReasonKind::Manual));
    assert!(!second.is_cancelled());
}

#[test]
fn l11_what_is_left_behind_by_one_that_rode_itself_is_woken() {
    let outermost = CancellationToken::new();
    let inner = shared(Scope::new().run(pending()));
    let middle = shared(round(&inner));
    let mut all: Boxed = Box::pin(outermost.scope(round(&middle)));
    let ((before, first), (_, second)) = (CountingWaker::new(), CountingWaker::new());
    assert!(poll_with(&mut all, &first).is_pending());
    // The middle one goes on by itself, and without the inner one.
    let mut left_behind = inner.lock().unwrap().take().unwrap();
    let mut middle = middle.lock().unwrap().take().unwrap();
    assert_eq!(before.count(), 0);
    assert!(poll_with(&mut middle, &second).is_pending());
    assert_eq!(before.count(), 1);
    assert!(poll_with(&mut left_behind, &first).is_pending());
    drop(middle);
    assert_eq!(before.count(), 2);
    assert!(
        matches!(poll_with(&mut left_behind, &first), Poll::Ready(Err(error)) if error.kind() == ReasonKind::Dropped)
    );
}

#[test]
fn l11_what_rides_on_a_region_with_a_token_is_woken_by_that_alone() {
    let token = CancellationToken::new();
    let inner = shared(Scope::new().run(pending()));
    let mut outer: Boxed = Box::pin(token.scope(polled(&inner)));
    let (count, waker) = CountingWaker::new();
    for _ in 0..3 {
        assert!(poll_with(&mut outer, &waker).is_pending());
    }
    token.cancel();
    assert_eq!(count.count(), 1, "by the region's registration, and by no other");
    assert!(matches!(poll_with(&mut outer, &waker), Poll::Ready(Err(error)) if error.kind() == ReasonKind::Manual));
}

#[test]
fn l11_what_a_region_with_a_token_leaves_behind_is_woken_and_waits_by_itself() {
    for (name, goes_on) in [("another waker", true), ("dropped", false)] {
        let token = CancellationToken::new();
        let inner = shared(Scope::new().run(pending()));
        let mut outer: Boxed = Box::pin(token.scope(polled(&inner)));
        let ((before, first), (count, second)) = (CountingWaker::new(), CountingWaker::new());
        assert!(poll_with(&mut outer, &first).is_pending());
        let mut left_behind = inner.lock().unwrap().take().unwrap();
        assert_eq!(before.count(), 0);
        let outer = if goes_on {
            assert!(poll_with(&mut outer, &second).is_pending());
            Some(outer)
        } else {
            drop(outer);
            None
        };
        assert_eq!(before.count(), 1, "{name}");
        assert!(poll_with(&mut left_behind, &first).is_pending());
        token.cancel();
        assert_eq!((before.count(), count.count()), (2, usize::from(goes_on)), "{name}");
        let poll = poll_with(&mut left_behind, &first);
        assert!(
            matches!(poll, Poll::Ready(Err(error)) if error.kind() == ReasonKind::Manual),
            "{name}"
        );
        drop(outer);
    }
}

#[test]
fn l17_what_rides_on_a_task_with_a_token_of_its_own_leaves_that_to_itself() {
    let token = CancellationToken::new();
    let mut task: Boxed = Box::pin(Scope::new().parent(&token).run(async {
        // From here on it has a token.
        let own = children(&current());
        Scope::new().run(ready_after(2, Ok(()))).await?;
        assert_eq!(children(&current()), own);
        Ok(())
    }));
    let (count, waker) = CountingWaker::new();
    while poll_with(&mut task, &waker).is_pending() {}
    assert_eq!(
        (children(&token), count.count()),
        ("0".into(), 2),
        "woken by the body alone"
    );
}

#[test]
fn l11_what_is_taken_along_to_another_waker_is_woken_under_that() {
    let outermost = CancellationToken::new();
    let inner = shared(Scope::new().run(pending()));
    let mut outer: Boxed = Box::pin(outermost.scope(round(&shared(round(&inner)))));
    let ((before, first), (count, second)) = (CountingWaker::new(), CountingWaker::new());
    assert!(poll_with(&mut outer, &first).is_pending());
    for _ in 0..3 {
        assert!(poll_with(&mut outer, &second).is_pending());
    }
    let woken = before.count();
    outermost.cancel();
    assert_eq!((before.count(), count.count() > 0), (woken, true));
    assert!(matches!(poll_with(&mut outer, &second), Poll::Ready(Err(error)) if error.kind() == ReasonKind::Manual));
}

#[test]
fn l11_what_rode_is_woken_under_a_waker_of_its_own_that_polls_it_where_it_was() {
    let outermost = CancellationToken::new();
    let (count, own) = CountingWaker::new();
    let mut inner = Box::pin(Scope::new().run(pending::<Outcome>()));
    let mut rides = true;
    let mut outer = Box::pin(outermost.scope(Scope::new().run(poll_fn(move |cx| {
        if mem::take(&mut rides) {
            inner.as_mut().poll(cx)
        } else {
            poll_with(&mut inner, &own)
        }
    }))));
    assert!(poll_once(&mut outer).is_pending());
    assert!(poll_once(&mut outer).is_pending());
    assert_eq!(count.count(), 0);
    outermost.cancel();
    assert!(count.count() > 0);
}

#[test]
fn l15_the_earlier_one_of_nested_deadlines_ends_the_code_and_claims_it() {
    for (outer, inner, who) in [(1, 2, "outer"), (2, 1, "inner")] {
        let clock = |hours: u64| Duration::from_millis(5 * hours * hours * hours);
        let scope = |name, hours| Scope::new().name(name).timeout(clock(hours));
        let inside = scope("inner", inner).run(pending::<Outcome>());
        let error = futures::executor::block_on(scope("outer", outer).run(inside)).unwrap_err();
        assert!(error.is_timeout());
        let reason = error.reason().to_string();
        assert!(reason.contains(who), "{reason}");
    }
}

#[test]
fn l15_the_deadline_of_a_scope_between_two_scopes_ends_it() {
    // Which may have deadlines as well, later.
    for limit in [None, Some(Duration::from_secs(3600))] {
        let inner = Scope::new().timeout(limit).run(pending::<Outcome>());
        let middle = Scope::new().timeout(Duration::from_millis(1)).run(inner);
        let outcome = futures::executor::block_on(Scope::new().timeout(limit).run(middle));
        assert!(outcome.unwrap_err().is_timeout());
    }
}

#[test]
fn l15_what_rode_on_an_earlier_deadline_has_its_own_when_it_is_taken_out() {
    let hours = |n: u64| Duration::from_secs(3600 * n);
    let inner = shared(Scope::new().timeout(hours(2)).run(pending()));
    let mut outer = Box::pin(Scope::new().timeout(hours(1)).run(poll_fn({
        let inner = Arc::clone(&inner);
        move |cx| {
            assert!(inner.lock().unwrap().as_mut().unwrap().as_mut().poll(cx).is_pending());
            Poll::Ready(Outcome::Ok(()))
        }
    })));
    assert!(poll_once(&mut outer).is_ready());
    let taken = inner.lock().unwrap().take().unwrap();
    // Ended with the scope that it was begun in, whatever its deadline.
    assert_eq!(
        futures::executor::block_on(taken).unwrap_err().kind(),
        ReasonKind::ScopeEnded
    );

    // On a busy machine the deadline may come before the end of the first poll.
    let (outer, taken) = loop {
        let inner = shared(Scope::new().timeout(Duration::from_millis(5)).run(pending()));
        let mut outer = Box::pin(Scope::new().timeout(Duration::from_millis(1)).run(poll_fn({
            let inner = Arc::clone(&inner);
            move |cx| match inner.lock().unwrap().as_mut() {
                Some(inner) => inner.as_mut().poll(cx),
                None => Poll::Pending,
            }
        })));
        if poll_once(&mut outer).is_pending() {
            let taken = inner.lock().unwrap().take().unwrap();
            break (outer, taken);
        }
    };
    // Nobody polls the outer one, and yet the inner one ends with it.
    let error = futures::executor::block_on(taken).unwrap_err();
    assert!(error.is_timeout());
    assert!(error.reason().to_string().contains("1ms"), "{}", error.reason());
    drop(outer);
}

/// It rides on the shield, and what is made for both is below nothing.
#[test]
fn l13_what_rides_on_a_shield_is_not_cancelled_with_what_is_outside() {
    let token = CancellationToken::new();
    let work = async {
        ready_after(1, ()).await;
        let own = current();
        (own.is_cancelled(), check().is_ok())
    };
    let inner = Scope::new().run(async { Ok::<_, Cancelled>(work.await) });
    let mut all = Box::pin(token.scope(async { shield(inner).await }));
    let (_, waker) = CountingWaker::new();
    assert!(poll_with(&mut all, &waker).is_pending());
    token.cancel();
    let Poll::Ready(outcome) = poll_with(&mut all, &waker) else {
        panic!("it is ready")
    };
    assert_eq!(outcome.unwrap(), (false, true));
}
