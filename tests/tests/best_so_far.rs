//! `Scope::run_anyway` and `run_anyway_sync`: a limit on a search whose best result so far counts.

use std::cell::Cell;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cancelable::{
    CancellationToken, Cancelled, IteratorExt as _, ReasonKind, Scope, StreamEnd, StreamExt as _, cancelable, check,
    current, guard, is_cancelled,
};
use futures::{StreamExt as _, stream};
use tests::{kind, on_every_runtime, poll_once};

#[test]
fn it_begins_also_behind_its_deadline_and_takes_any_type() {
    struct Anything;
    for scope in [
        Scope::new().timeout(Duration::ZERO),
        Scope::new().deadline(Instant::now() - Duration::from_millis(1)),
    ] {
        let (Anything, late) = scope.run_anyway_sync(|| (Anything, is_cancelled()));
        assert!(late);
    }
    on_every_runtime(|| async {
        let late = Scope::new()
            .timeout(Duration::ZERO)
            .run_anyway(async { (is_cancelled(), check().is_err()) });
        assert_eq!(late.await, (true, true));
    });
}

#[test]
fn it_begins_also_under_a_cancelled_parent_and_below_a_source_that_has_fired() {
    let token = CancellationToken::new();
    token.cancel();
    assert!(token.sync_scope(|| Scope::new().run_anyway_sync(is_cancelled)));
    assert!(Scope::new().until(ready(())).run_anyway_sync(is_cancelled));
    let scope = Scope::new().until(ready(())).run_anyway(async { is_cancelled() });
    assert!(futures::executor::block_on(scope));
}

#[test]
fn l15_a_search_ends_at_its_deadline_with_what_it_has() {
    let best = Scope::new().timeout(Duration::from_millis(5)).run_anyway_sync(|| {
        let mut best = 0_u64;
        for n in (1_u64..).take_until_cancelled() {
            best = best.max(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
        best
    });
    assert!(best > 0);
    assert!(check().is_ok(), "the limit was that of the search");
}

#[test]
fn nothing_that_follows_is_cancelled_by_it() {
    let token = CancellationToken::new();
    token.sync_scope(|| {
        let inner = Scope::new().timeout(Duration::ZERO).run_anyway_sync(|| {
            assert!(is_cancelled());
            current()
        });
        assert_eq!(kind(&inner), Some(ReasonKind::Timeout));
        assert!(!token.is_cancelled());
        assert!(check().is_ok());
    });
    assert_eq!(tests::children(&token), "0");
}

#[test]
fn l11_an_async_body_is_woken_by_its_deadline_and_its_check_points_notice() {
    on_every_runtime(|| async {
        let found = AtomicU32::new(0);
        let outcome: Result<(), Cancelled> = Scope::new()
            .timeout(Duration::from_millis(5))
            .run_anyway(async {
                found.store(7, Ordering::Relaxed);
                guard(pending::<()>()).await
            })
            .await;
        assert!(outcome.unwrap_err().is_timeout());
        assert_eq!(found.into_inner(), 7);
    });
}

#[test]
fn l11_a_stream_gives_what_comes_in_time() {
    on_every_runtime(|| async {
        let rows = stream::iter(0..3).chain(stream::pending());
        let collect = rows.until_cancelled(StreamEnd::Now).collect::<Vec<u32>>();
        let rows = Scope::new().timeout(Duration::from_millis(5)).run_anyway(collect).await;
        assert_eq!(rows, [0, 1, 2]);
    });
}

#[test]
fn it_is_no_check_point_and_what_notices_nothing_goes_on() {
    let token = CancellationToken::new();
    let (sender, done) = futures::channel::oneshot::channel();
    let mut plain = Box::pin(Scope::new().parent(&token).run_anyway(done));
    assert!(poll_once(&mut plain).is_pending());
    token.cancel();
    assert!(poll_once(&mut plain).is_pending());
    sender.send("done").unwrap();
    assert!(poll_once(&mut plain).is_ready());
}

#[test]
fn l16_one_that_is_dropped_cancels_what_it_has_started_and_l17_so_does_one_that_is_over() {
    let inner = Cell::new(None);
    let mut scope = Box::pin(Scope::new().run_anyway(async {
        inner.set(Some(current()));
        pending::<()>().await;
    }));
    assert!(poll_once(&mut scope).is_pending());
    drop(scope);
    assert_eq!(kind(&inner.take().unwrap()), Some(ReasonKind::Dropped));
    let over = futures::executor::block_on(Scope::new().run_anyway(async { current() }));
    assert_eq!(kind(&over), Some(ReasonKind::ScopeEnded));
}

#[test]
fn l21_a_panic_passes() {
    let inner = Cell::new(None);
    let panics = catch_unwind(AssertUnwindSafe(|| {
        Scope::new().run_anyway_sync(|| {
            inner.set(Some(current()));
            assert!(is_cancelled(), "on purpose");
        });
    }));
    assert!(panics.is_err());
    assert_eq!(kind(&inner.take().unwrap()), Some(ReasonKind::Dropped));
}

#[cancelable]
async fn best(rounds: u32) -> Result<u32, Cancelled> {
    let mut best = 0;
    #[cancelable(break)]
    for round in 1..=rounds {
        best = round;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(best)
}

#[test]
fn an_annotated_body_with_break_gives_its_best_under_a_paused_clock() {
    tests::paused_tokio().block_on(async {
        let limited = |limit| Scope::new().timeout(Duration::from_millis(limit)).run_anyway(best(100));
        assert_eq!(limited(10_000).await.unwrap(), 100);
        assert_eq!(limited(35).await.unwrap(), 4, "begun after 30 ms");
    });
}
