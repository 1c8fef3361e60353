//! `Context`: the ambient context as a value, for closures of any shape, futures, streams and iterators.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, Context, IteratorExt as _, Scope, StreamExt as _, cancelable,
    check, current, guard, shield, sleep,
};
use futures::stream::{self, FuturesUnordered, Stream};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use tests::{CountingWaker, on_every_runtime, poll_once};

/// The context of a scope with everything, and its token.
fn named() -> (Context, CancellationToken) {
    let context = Scope::new()
        .name("load")
        .grace(Duration::from_secs(3))
        .run_anyway_sync(Context::current);
    let token = context.token().clone();
    (context, token)
}

#[test]
fn it_has_the_token_the_name_and_the_grace_of_the_scope() {
    let (context, _) = named();
    assert_eq!(
        (context.name(), context.grace()),
        (Some("load"), Some(Duration::from_secs(3)))
    );
    assert_eq!(
        format!("{context:?}"),
        format!(
            "Context {{ token: {:?}, path: [\"load\"], grace: Some(3s) }}",
            context.token()
        )
    );
    let nowhere = Context::current();
    assert_eq!((nowhere.name(), nowhere.grace()), (None, None));
    assert_eq!(*nowhere.token(), CancellationToken::never());
}

#[test]
fn it_goes_to_other_threads() {
    fn is_plain_data<T: Clone + Send + Sync + std::panic::UnwindSafe + 'static>() {}
    is_plain_data::<Context>();
}

#[test]
fn closures_of_any_shape_run_in_it() {
    struct Job(u32);
    fn with_fn(f: impl Fn(&Job) -> u32) -> u32 {
        f(&Job(1)) + f(&Job(2))
    }
    fn with_fn_mut(mut f: impl FnMut(u32, &str)) {
        f(1, "a");
        f(2, "b");
    }
    fn with_fn_once<T>(f: impl FnOnce(T) -> String, argument: T) -> String {
        f(argument)
    }
    let token = CancellationToken::new();
    let context = token.sync_scope(Context::current);
    let here = || assert_eq!(current(), token);
    assert_eq!(
        with_fn(|job| context.run(|| {
            here();
            job.0
        })),
        3
    );
    let mut seen = vec![];
    with_fn_mut(|n, text| {
        context.run(|| {
            here();
            seen.push((n, text.to_owned()))
        })
    });
    assert_eq!(seen, [(1, "a".to_owned()), (2, "b".to_owned())]);
    let owned = String::from("moved");
    assert_eq!(
        with_fn_once(
            |n: u8| context.run(|| {
                here();
                format!("{owned} {n}")
            }),
            7
        ),
        "moved 7"
    );
    let mut sorted = [3, 1, 2];
    sorted.sort_by(|a, b| {
        context.run(|| {
            here();
            a.cmp(b)
        })
    });
    assert_eq!(sorted, [1, 2, 3]);
    assert_eq!(current(), CancellationToken::never());
}

#[test]
fn l15_errors_name_the_scope_it_comes_from_and_not_the_one_it_runs_in() {
    let (context, _) = named();
    let error = Scope::new()
        .name("caller")
        .run_anyway_sync(|| context.run(check))
        .unwrap_err();
    assert_eq!(error.scope_name(), Some("load"));
}

#[test]
fn l20_the_context_outside_comes_back_also_after_a_panic() {
    let (context, _) = named();
    let outer = CancellationToken::new();
    outer.sync_scope(|| {
        context.run(|| ());
        assert_eq!(current(), outer);
        let panics = catch_unwind(AssertUnwindSafe(|| context.run(|| panic!("on purpose"))));
        assert!(panics.is_err());
        assert_eq!(current(), outer);
    });
}

#[test]
fn l20_that_of_nowhere_hides_the_scope_it_runs_in() {
    let nowhere = Context::current();
    let token = CancellationToken::new();
    token.cancel();
    token.sync_scope(|| {
        assert!(nowhere.run(check).is_ok());
        assert!(check().is_err());
    });
}

#[test]
fn a_context_that_outlives_its_scope_is_cancelled() {
    let (context, token) = named();
    assert!(token.is_cancelled());
    assert!(context.run(check).is_err());
}

#[test]
fn l11_a_future_in_it_is_woken_by_its_token() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        let context = token.sync_scope(Context::current);
        let waiting = context.scope(async { guard(std::future::pending::<()>()).await });
        let (outcome, ()) = futures::join!(waiting, async { token.cancel() });
        assert!(outcome.is_err());
    });
}

// Streams -------------------------------------------------------------------------------------------------------------

/// Gives what is ambient whenever it is asked, and says what is as it is dropped.
struct Ambient(Arc<Mutex<Vec<CancellationToken>>>);

impl Stream for Ambient {
    type Item = CancellationToken;

    fn poll_next(self: std::pin::Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<CancellationToken>> {
        Poll::Ready(Some(current()))
    }
}

impl Drop for Ambient {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(current());
    }
}

#[test]
fn l20_a_stream_has_its_token_wherever_it_is_polled_and_as_it_is_dropped() {
    let dropped = Arc::default();
    let token = CancellationToken::new();
    let other = CancellationToken::new();
    let kinds: [Box<dyn Stream<Item = CancellationToken> + Unpin>; 3] = [
        Box::new(token.scope_stream(Ambient(Arc::clone(&dropped)))),
        Box::new(token.sync_scope(|| Ambient(Arc::clone(&dropped)).in_current_scope())),
        Box::new(
            Ambient(Arc::clone(&dropped))
                .with_cancellation(&token)
                .map(Result::unwrap),
        ),
    ];
    for mut stream in kinds {
        other.sync_scope(|| {
            assert_eq!(stream.next().now_or_never(), Some(Some(token.clone())));
            assert_eq!(current(), other);
            drop(stream);
            assert_eq!(current(), other);
        });
        assert_eq!(*dropped.lock().unwrap(), std::slice::from_ref(&token));
        dropped.lock().unwrap().clear();
    }
}

#[cancelable]
async fn wait_for_ever() -> Result<u32, Cancelled> {
    std::future::pending().await
}

#[test]
fn l11_a_stream_that_is_pending_is_woken_by_its_token_and_what_is_annotated_in_it_fails() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        let mut rows = pin!(token.scope_stream(stream::once(wait_for_ever())));
        let (row, ()) = futures::join!(rows.next(), async { token.cancel() });
        assert!(row.unwrap().is_err());
        assert!(rows.next().await.is_none());
    });
}

#[test]
fn l11_also_if_it_is_a_member_of_a_crowd() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        let outcome: Result<Vec<u32>, Cancelled> = Scope::new()
            .parent(&token)
            .run(async {
                let member = || async {
                    let rows = stream::once(wait_for_ever()).in_current_scope();
                    pin!(rows).try_next().await.map(Option::unwrap_or_default)
                };
                let mut crowd: FuturesUnordered<_> = (0..3).map(|_| member()).collect();
                let canceller = token.clone();
                std::thread::spawn(move || canceller.cancel());
                let mut rows = vec![];
                while let Some(row) = crowd.next().await {
                    rows.push(row);
                }
                rows.into_iter().collect()
            })
            .await;
        assert!(outcome.is_err());
    });
}

#[test]
fn a_scoped_stream_is_no_check_point_and_does_not_spin_under_a_cancelled_token() {
    let token = CancellationToken::new();
    let mut rows = Box::pin(token.scope_stream(stream::pending::<u32>()).into_future());
    let (wakes, waker) = CountingWaker::new();
    assert!(tests::poll_with(&mut rows, &waker).is_pending());
    token.cancel();
    assert_eq!(wakes.count(), 1, "what is inside gets to see it");
    // Also under other wakers, as those of a combinator are.
    for _ in 0..3 {
        let (wakes, waker) = CountingWaker::new();
        assert!(tests::poll_with(&mut rows, &waker).is_pending());
        assert_eq!(wakes.count(), 0, "nobody inside notices, so nobody is woken again");
    }
}

#[test]
fn l10_with_cancellation_gives_what_is_ready_and_then_one_error() {
    let token = CancellationToken::new();
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    let mut rows = receiver.with_cancellation(&token);
    let mut next = Box::pin(async { rows.next().await });
    assert!(poll_once(&mut next).is_pending());
    sender.unbounded_send(1).unwrap();
    token.cancel_with("enough");
    let Poll::Ready(Some(Ok(1))) = poll_once(&mut next) else {
        panic!("it had come")
    };
    drop(next);
    let error = rows.next().now_or_never().unwrap().unwrap().unwrap_err();
    assert_eq!(error.reason().to_string(), "enough");
    assert!(rows.next().now_or_never().unwrap().is_none());
    assert_eq!(rows.size_hint(), (0, Some(0)));
}

#[test]
fn l10_one_that_comes_to_its_own_end_has_no_error() {
    let token = CancellationToken::new();
    let rows = stream::iter([1, 2]).with_cancellation(&token);
    assert_eq!(rows.size_hint(), (0, Some(3)));
    let rows: Result<Vec<u32>, Cancelled> = rows.try_collect().now_or_never().unwrap();
    assert_eq!(rows.unwrap(), [1, 2]);
}

#[test]
fn l12_a_shield_inside_such_a_stream_ends_first() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        let (sender, done) = futures::channel::oneshot::channel::<()>();
        let shielded = stream::once(shield(async move {
            done.await.unwrap();
            "written"
        }));
        let mut rows = pin!(shielded.with_cancellation(&token));
        let (row, ()) = futures::join!(rows.next(), async {
            token.cancel();
            sender.send(()).unwrap();
        });
        assert_eq!(row.unwrap().unwrap(), "written");
        assert!(rows.next().await.is_none_or(|row| row.is_err()));
    });
}

#[test]
fn the_error_is_observed_at_the_line_of_the_call() {
    let token = CancellationToken::new();
    token.cancel();
    let line = line!() + 1;
    let mut rows = stream::iter([1]).with_cancellation(&token);
    let error = rows.next().now_or_never().unwrap().unwrap().unwrap_err();
    assert_eq!(
        (error.observed_at().file(), error.observed_at().line()),
        (file!(), line)
    );
}

#[test]
fn l15_a_deadline_ends_a_stream_that_carries_it_also_where_nobody_else_has_one() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        token.cancel_after(Duration::from_millis(5));
        let rows = stream::iter([1, 2]).then(|_| async { sleep(Duration::from_secs(3600)).await });
        let error = pin!(token.scope_stream(rows)).try_next().await.unwrap_err();
        assert!(error.is_timeout());
    });
}

#[test]
fn l17_a_stream_that_outlives_the_scope_it_was_made_in_is_cancelled_with_it() {
    on_every_runtime(|| async {
        let rows = Scope::new().run_anyway_sync(|| stream::once(wait_for_ever()).in_current_scope());
        let error = pin!(rows).try_next().await.unwrap_err();
        assert_eq!(error.kind(), cancelable::ReasonKind::ScopeEnded);
    });
}

// Iterators -----------------------------------------------------------------------------------------------------------

#[test]
fn l20_a_lazy_iterator_keeps_the_token_it_was_made_under() {
    let token = CancellationToken::new();
    let other = CancellationToken::new();
    let mut seen = token.sync_scope(|| (0..3).map(|_| current()).in_current_scope());
    assert_eq!(seen.len(), 3);
    other.sync_scope(|| {
        assert_eq!(seen.next(), Some(token.clone()));
        assert_eq!(seen.next_back(), Some(token.clone()));
        assert_eq!(current(), other);
    });
    assert_eq!(
        seen.into_inner()
            .map(|token| token == CancellationToken::never())
            .collect::<Vec<_>>(),
        [true]
    );
}

#[test]
fn l9_one_that_is_to_end_with_its_token_ends_with_that_and_not_with_its_takers() {
    let token = CancellationToken::new();
    let taker = CancellationToken::new();
    let mut rows = token.sync_scope(|| [1, 2, 3].into_iter().until_cancelled().in_current_scope());
    taker.cancel();
    taker.sync_scope(|| {
        assert_eq!(rows.next().unwrap().unwrap(), 1);
        token.cancel_with("the view is closed");
        let error = rows.next().unwrap().unwrap_err();
        assert_eq!(error.reason().to_string(), "the view is closed");
        assert!(rows.next().is_none());
    });
}

#[test]
fn in_current_scope_is_there_for_futures_streams_and_iterators_beside_each_other() {
    let token = CancellationToken::new();
    token.sync_scope(|| {
        let future = async { current() }.in_current_scope();
        let stream = stream::once(async { current() }).in_current_scope();
        let items = std::iter::once_with(current).in_current_scope();
        CancellationToken::never().sync_scope(|| {
            let waker = &mut TaskContext::from_waker(Waker::noop());
            assert_eq!(Box::pin(future).poll_unpin(waker), Poll::Ready(token.clone()));
            assert_eq!(
                Box::pin(stream).poll_next_unpin(waker),
                Poll::Ready(Some(token.clone()))
            );
            assert_eq!(items.collect::<Vec<_>>(), std::slice::from_ref(&token));
        });
    });
}
