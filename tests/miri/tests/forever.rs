//! What is forgotten instead of dropped, and what starts threads of the library, which never end: without the leak check.

use std::mem;
use std::task::Waker;
use std::time::Duration;

use cancelable::{CancelFutureExt as _, CancellationToken, Cancelled, Scope, check, condition, guard};
use miri_tests::{Pends, World, poll, sized};

/// What nobody drops stays listed: its memory is still there, and a cancel may come to it.
#[test]
fn l26_forgotten_futures_and_callbacks() {
    for seed in 0..sized(4, 100) {
        let World {
            tokens,
            waiting,
            callbacks,
            ran,
        } = World::random(seed + 1000, true);
        waiting.into_iter().for_each(mem::forget);
        callbacks.into_iter().for_each(mem::forget);
        let before = ran.get();
        for token in &tokens {
            token.cancel();
        }
        drop(tokens);
        assert!(ran.get() >= before);
    }
}

#[test]
fn deadlines_pass_in_loops_in_waits_and_in_futures() {
    let soon = Duration::from_millis(1);
    let looped: Result<(), Cancelled> = Scope::new().timeout(soon).run_sync(|| {
        loop {
            check()?;
        }
    });
    assert!(looped.unwrap_err().is_timeout());

    let token = CancellationToken::new();
    token.cancel_after(soon);
    token.wait();
    assert!(token.check().unwrap_err().is_timeout());

    let mut scope = Box::pin(Scope::new().timeout(soon).run(async {
        let inner: Result<(), Cancelled> = Scope::new().name("inner").run(async { guard(Pends(1)).await }).await;
        inner?;
        guard(std::future::pending::<()>()).await
    }));
    let outcome: Result<(), Cancelled> = loop {
        if let std::task::Poll::Ready(outcome) = poll(scope.as_mut(), Waker::noop()) {
            break outcome;
        }
        std::thread::yield_now();
    };
    assert!(outcome.unwrap_err().is_timeout());
}

/// At every poll: the region's drop takes its alarm, its token and its body along.
#[test]
fn a_scope_with_a_deadline_is_dropped_at_every_poll() {
    for polls in 0..4 {
        let token = CancellationToken::new();
        let scope = Scope::new().timeout(Duration::from_secs(1_000_000)).run(async {
            let inner = Scope::new().timeout(Duration::from_secs(2_000_000));
            inner.run(async { guard(Pends(2)).await }).await
        });
        let mut scope = Box::pin(scope.with_cancellation(&token));
        for _ in 0..polls {
            let _ = poll(scope.as_mut(), Waker::noop());
        }
        drop(scope);
        token.cancel();
    }
}

#[test]
fn sources_are_watched_and_given_up() {
    let outcome: Result<(), Cancelled> = Scope::new().until(std::future::ready(())).run_sync(|| {
        loop {
            check()?;
            std::thread::yield_now();
        }
    });
    assert!(outcome.is_err());
    let mut asked = 0;
    let third = condition(Duration::from_millis(1), move || {
        asked += 1;
        asked == 3
    });
    let outcome: Result<(), Cancelled> = Scope::new().until(third).run_sync(|| {
        loop {
            check()?;
            std::thread::yield_now();
        }
    });
    assert!(outcome.is_err());
    let unheard: Result<(), Cancelled> = Scope::new().until(std::future::pending::<()>()).run_sync(check);
    assert!(unheard.is_ok());
}
