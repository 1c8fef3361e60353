//! `FusedFuture`: what `futures::select!` asks of a future that is polled in the iterations of a loop.

use std::future::{pending, ready};
use std::time::Duration;

use cancelable::{CancelFutureExt as _, CancellationToken, Cancelled, Scope, guard, race, shield, sleep, try_join};
use futures::future::FusedFuture;
use futures::stream::FusedStream;
use futures::{FutureExt as _, StreamExt as _, pin_mut, select, select_biased, stream};
use tests::on_every_runtime;

type Outcome = Result<(), Cancelled>;

#[test]
fn select_takes_cancelled_as_it_is_and_runs_its_branch_once() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        let cancelled = token.cancelled();
        pin_mut!(cancelled);
        let mut numbers = stream::iter(1..=3).fuse();
        let mut seen = vec![];
        loop {
            select_biased! {
                () = cancelled => seen.push(0),
                number = numbers.next() => if let Some(number) = number {
                    seen.push(number);
                    if number == 2 {
                        token.cancel();
                    }
                },
                complete => break,
            }
        }
        assert_eq!(seen, [1, 2, 0, 3]);
    });
}

#[test]
fn a_wait_is_not_terminated_before_it_has_been_polled_also_if_the_token_is_cancelled() {
    let token = CancellationToken::new();
    token.cancel();
    let mut borrowed = Box::pin(token.cancelled());
    let mut owned = Box::pin(token.clone().cancelled_owned());
    assert!(!borrowed.is_terminated() && !owned.is_terminated());
    assert!(borrowed.as_mut().now_or_never().is_some() && owned.as_mut().now_or_never().is_some());
    assert!(borrowed.is_terminated() && owned.is_terminated());
}

/// Not terminated before it is ready, and terminated from then on.
fn ends<F: FusedFuture>(future: F) {
    let mut future = Box::pin(future);
    assert!(!future.is_terminated());
    assert!(future.as_mut().now_or_never().is_some(), "it is ready at once");
    assert!(future.is_terminated());
}

#[test]
fn scopes_shields_and_guards_are_terminated_once_they_are_ready() {
    let token = CancellationToken::new();
    ends(Scope::new().run(async { Ok::<_, Cancelled>(1) }));
    ends(Scope::new().run_with(|_| async { Ok::<_, Cancelled>(1) }));
    ends(Scope::new().run_anyway(async { 1 }));
    ends(token.scope(ready(1)));
    ends(ready(1).in_current_scope());
    ends(ready(1).with_cancellation(&token));
    ends(shield(ready(1)));
    ends(shield(ready(Ok::<_, Cancelled>(1))).timeout(Duration::from_secs(1)));
    ends(guard(ready(1).fuse()));
    ends(race!(ready(1), ready(2)));
    ends(race([ready(1), ready(2)]));
    ends(try_join!(ready(Ok::<_, Cancelled>(1)), ready(Ok("two"))));
    ends(try_join(Vec::<std::future::Ready<Outcome>>::new()));
    ends(sleep(Duration::ZERO));
}

#[test]
fn a_sleep_is_terminated_until_it_is_reset() {
    let mut nap = Box::pin(sleep(Duration::ZERO));
    assert!(nap.as_mut().now_or_never().unwrap().is_ok() && nap.is_terminated());
    nap.as_mut().reset(Duration::ZERO);
    assert!(!nap.is_terminated());
    assert!(nap.as_mut().now_or_never().is_some() && nap.is_terminated());
}

#[test]
fn and_once_they_have_failed() {
    let token = CancellationToken::new();
    token.cancel();
    ends(Scope::new().parent(&token).run(pending::<Result<(), Cancelled>>()));
    ends(pending::<()>().with_cancellation(&token));
    token.sync_scope(|| ends(guard(pending::<()>().fuse())));
    ends(try_join([ready(Err::<(), _>("failed")), ready(Ok(()))]));
    // A race whose branches have nothing to say to a cancel is pending, and whoever cancelled it ends it.
    token.sync_scope(|| {
        let mut race = Box::pin(race([pending::<()>()]));
        assert!(race.as_mut().now_or_never().is_none() && !race.is_terminated());
    });
    // Also one that fails while it is pending.
    let token = CancellationToken::new();
    let mut waiting = Box::pin(guard(pending::<()>().fuse()));
    let waker = &mut std::task::Context::from_waker(std::task::Waker::noop());
    let mut poll = || token.sync_scope(|| waiting.poll_unpin(waker));
    assert!(poll().is_pending());
    token.cancel();
    while poll().is_pending() {}
    assert!(waiting.is_terminated());
}

#[test]
fn select_takes_a_race_in_the_iterations_of_a_loop() {
    on_every_runtime(|| async {
        let race = race!(async { "quick" }, pending());
        pin_mut!(race);
        let (mut numbers, mut seen) = (stream::iter(1..=2).fuse(), vec![]);
        loop {
            select_biased! {
                word = race => seen.push(word.to_owned()),
                number = numbers.next() => seen.extend(number.map(|number| number.to_string())),
                complete => break,
            }
        }
        assert_eq!(seen, ["quick", "1", "2"]);
    });
}

#[test]
fn streams_with_a_token_are_terminated_once_they_have_ended() {
    fn ends<S: FusedStream>(stream: S) {
        let mut stream = Box::pin(stream);
        assert!(!stream.is_terminated());
        assert!(matches!(stream.next().now_or_never(), Some(Some(_))));
        assert!(!stream.is_terminated());
        assert!(matches!(stream.next().now_or_never(), Some(None)));
        assert!(stream.is_terminated());
    }
    let token = CancellationToken::new();
    ends(token.scope_stream(stream::iter([1])));
    ends(cancelable::StreamExt::in_current_scope(stream::iter([1])));
    ends(cancelable::StreamExt::with_cancellation(stream::iter([1]), &token));
}

#[test]
fn select_takes_a_scope() {
    on_every_runtime(|| async {
        let quick = Scope::new().run(async { Ok::<_, Cancelled>("quick") });
        let slow = Scope::new().run(pending::<Result<&str, Cancelled>>());
        pin_mut!(quick, slow);
        let first = select! {
            first = quick => first,
            first = slow => first,
        };
        assert_eq!(first.unwrap(), "quick");
        assert!(quick.is_terminated() && !slow.is_terminated());
    });
}
