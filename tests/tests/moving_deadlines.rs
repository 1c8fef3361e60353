//! Deadlines that are put off, and sleeps that begin anew.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use cancelable::testing::{Clock, CountingWaker};
use cancelable::{
    CancellationToken, Cancelled, Deadline, ReasonKind, Scope, Sleep, Source as _, all, any, cancel_scope, cancelable,
    check, guard, remaining, sleep,
};
use tests::{on_every_runtime, paused_tokio, poll_once, poll_with};

type Outcome = Result<(), Cancelled>;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

// Deadlines.

/// Somebody polls it by hand, under a waker that panics.
#[test]
fn l6_a_waker_that_panics_does_not_keep_others_from_being_woken() {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the first waker");
        }
    }

    let limit = Deadline::after(HOUR);
    let mut first = Box::pin(limit.clone().fired());
    let waker = Waker::from(Arc::new(Panics));
    assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let mut second = Box::pin(limit.clone().fired());
    let (woken, waker) = CountingWaker::new();
    assert!(poll_with(&mut second, &waker).is_pending());

    let payload = catch_unwind(AssertUnwindSafe(|| limit.reset_to(Duration::ZERO))).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"the first waker"));
    assert_eq!(woken.count(), 1);
    assert!(poll_with(&mut second, &waker).is_ready());
}

#[test]
fn a_deadline_that_nobody_moves_is_a_timeout_on_any_runtime() {
    on_every_runtime(|| async {
        let limit = Deadline::after(Duration::from_millis(1));
        let line = line!() - 1;
        let outcome: Outcome = Scope::new().until(&limit).run(async { guard(pending()).await? }).await;
        let error = outcome.unwrap_err();
        assert!(error.is_timeout() && limit.has_passed());
        assert_eq!(error.reason().to_string(), "timed out after 1ms");
        assert_eq!(error.reason().location().line(), line);
    });
}

#[test]
fn a_deadline_ends_code_that_never_yields() {
    let outcome: Outcome = cancel_scope!(until = Deadline::after(Duration::from_millis(1)), {
        loop {
            check()?;
        }
    });
    assert!(outcome.unwrap_err().is_timeout());
}

#[test]
fn what_is_reset_again_and_again_goes_on_as_long_as_it_likes() {
    paused_tokio().block_on(async {
        let start = tokio::time::Instant::now();
        let idle = Deadline::after(seconds(10));
        let of_body = idle.clone();
        let outcome: Outcome = cancel_scope!(until = idle, async {
            for pause in [3, 9, 9, 9] {
                tokio::time::sleep(seconds(pause)).await;
                assert!(of_body.reset());
            }
            assert_eq!(of_body.remaining(), Some(seconds(10)));
            pending().await
        })
        .await;
        assert!(outcome.unwrap_err().is_timeout());
        assert_eq!(start.elapsed().as_secs(), 40);
        assert!(!of_body.reset() && !of_body.extend(HOUR) && !of_body.reset_to(HOUR));
        assert_eq!(of_body.remaining(), Some(Duration::ZERO));
    });
}

#[test]
fn it_counts_from_the_scope_that_it_is_given_to() {
    paused_tokio().block_on(async {
        let limit = Deadline::after(seconds(10));
        tokio::time::sleep(seconds(100)).await;
        let start = tokio::time::Instant::now();
        let outcome: Outcome = Scope::new().until(&limit).run(async { guard(pending()).await? }).await;
        assert!(outcome.is_err());
        assert_eq!(start.elapsed().as_secs(), 10);
        // And it has passed for whoever comes later: the body does not start.
        let outcome: Outcome = Scope::new().until(limit).run(async { unreachable!() }).await;
        assert!(outcome.unwrap_err().is_timeout());
        assert_eq!(start.elapsed().as_secs(), 10);
    });
}

#[test]
fn it_can_be_extended_and_shortened() {
    paused_tokio().block_on(async {
        for (how, at) in [
            ("extend", 25),
            ("later", 45),
            ("sooner", 7),
            ("at once", 5),
            ("never", 3600),
        ] {
            let start = tokio::time::Instant::now();
            let lease = Deadline::after(seconds(10));
            let of_other = lease.clone();
            let held = async {
                let outcome: Outcome = Scope::new()
                    .timeout(HOUR)
                    .until(lease)
                    .run(async { guard(pending()).await? })
                    .await;
                assert!(outcome.unwrap_err().is_timeout());
                start.elapsed().as_secs()
            };
            let other = async {
                tokio::time::sleep(seconds(5)).await;
                assert!(match how {
                    "extend" => of_other.extend(seconds(15)),
                    "later" => of_other.reset_to(seconds(40)),
                    "sooner" => of_other.reset_to(seconds(2)),
                    "at once" => of_other.reset_to(Duration::ZERO),
                    _ => of_other.extend(Duration::MAX) && of_other.extend(SECOND),
                });
                of_other.remaining()
            };
            let (ended, left) = tokio::join!(held, other);
            assert_eq!(ended, at, "{how}");
            assert_eq!(left, (how != "never").then(|| seconds(at - 5)), "{how}");
        }
    });
}

#[test]
fn one_that_is_too_long_for_the_clock_never_passes_until_it_is_moved() {
    paused_tokio().block_on(async {
        let limit = Deadline::after(Duration::MAX);
        assert_eq!((limit.remaining(), limit.has_passed()), (None, false));
        let of_other = limit.clone();
        let (outcome, ()) = tokio::join!(
            Scope::new().until(limit).run(async { guard(pending::<()>()).await }),
            async move {
                tokio::time::sleep(HOUR).await;
                assert!(of_other.reset() && of_other.remaining().is_none());
                assert!(of_other.reset_to(SECOND));
            }
        );
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn zero_does_not_start_the_body() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .until(Deadline::after(Duration::ZERO))
            .run(async { unreachable!("it does not start") })
            .await;
        assert_eq!(outcome.unwrap_err().reason().to_string(), "timed out at once");
    });
}

#[test]
fn several_scopes_share_one_and_end_together() {
    paused_tokio().block_on(async {
        let start = tokio::time::Instant::now();
        let limit = Deadline::after(seconds(10));
        let scope = |limit: &Deadline| Scope::new().until(limit).run(async { guard(pending::<()>()).await });
        let (a, b, ()) = tokio::join!(scope(&limit), scope(&limit), async {
            tokio::time::sleep(seconds(9)).await;
            assert!(limit.reset());
        });
        assert!(a.unwrap_err().is_timeout() && b.unwrap_err().is_timeout());
        assert_eq!(start.elapsed().as_secs(), 19);
    });
}

#[test]
fn it_goes_with_other_sources() {
    paused_tokio().block_on(async {
        let start = tokio::time::Instant::now();
        let (short, long) = (Deadline::after(seconds(2)), Deadline::after(seconds(5)));
        let first: Outcome = Scope::new()
            .until(any((&short, &long)))
            .run(async { guard(pending()).await? })
            .await;
        assert_eq!(
            (first.unwrap_err().kind(), start.elapsed().as_secs()),
            (ReasonKind::Timeout, 2)
        );
        let last: Outcome = Scope::new()
            .until(all((&short, &long)))
            .run(async { guard(pending()).await? })
            .await;
        assert_eq!(
            (last.unwrap_err().kind(), start.elapsed().as_secs()),
            (ReasonKind::Timeout, 5)
        );
    });
}

#[test]
fn by_a_clock_that_is_driven_by_hand() {
    let clock = Clock::new();
    clock.sync_scope(|| {
        let idle = Deadline::after(SECOND);
        let outcome: Outcome = Scope::new().until(&idle).run_sync(|| {
            for _ in 0..10 {
                clock.advance(SECOND - Duration::from_millis(1));
                check()?;
                assert!(idle.reset());
            }
            // What the scope knows of its deadline does not count it.
            assert_eq!(remaining(), None);
            clock.advance(SECOND);
            check()
        });
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn what_has_passed_by_one_clock_has_passed_by_all() {
    let limit = Deadline::after(HOUR);
    let clock = Clock::new();
    clock.sync_scope(|| {
        assert!(!limit.has_passed());
        clock.advance(HOUR);
        assert!(limit.has_passed());
    });
    // Real time is an hour behind.
    assert!(limit.has_passed() && !limit.extend(HOUR) && !limit.reset());
    assert_eq!(limit.remaining(), Some(Duration::ZERO));
    let outcome: Outcome = Scope::new().until(&limit).run_sync(|| unreachable!());
    assert!(outcome.unwrap_err().is_timeout());
}

#[test]
fn a_wait_that_is_dropped_is_woken_by_nothing_and_who_waits_is_woken_by_an_earlier_moment() {
    let limit = Deadline::after(HOUR);
    let (wakes, waker) = CountingWaker::new();
    let mut fired = Box::pin(limit.clone().fired());
    assert!(poll_with(&mut fired, &waker).is_pending());
    let mut other = Box::pin(limit.clone().fired());
    let (others, other_waker) = CountingWaker::new();
    assert!(poll_with(&mut other, &other_waker).is_pending());
    drop(other);
    assert!(limit.extend(HOUR) && limit.reset());
    assert_eq!(wakes.count(), 1, "a reset to an hour is before two of them");
    assert!(poll_with(&mut fired, &waker).is_pending());
    assert!(limit.reset_to(Duration::ZERO));
    assert_eq!((wakes.count(), others.count()), (2, 0));
    let Poll::Ready(reason) = poll_with(&mut fired, &waker) else {
        unreachable!()
    };
    assert_eq!(reason.kind(), ReasonKind::Timeout);
    drop(fired);
    // Nothing is kept: neither wakers nor clones of the deadline.
    assert_eq!(Arc::strong_count(&wakes), 2);
}

#[test]
fn a_scope_that_is_over_leaves_nothing_to_be_woken() {
    on_every_runtime(|| async {
        let limit = Deadline::after(HOUR);
        for _ in 0..100 {
            let outcome: Outcome = Scope::new().until(&limit).run(async { Ok(()) }).await;
            outcome.unwrap();
        }
        assert!(limit.reset_to(Duration::ZERO) && limit.has_passed());
    });
}

// Sleeps.

#[test]
fn a_sleep_knows_when_it_is_over() {
    paused_tokio().block_on(async {
        let mut short = pin!(sleep(seconds(10)));
        assert_eq!((short.deadline(), short.is_elapsed()), (None, false));
        let start = tokio::time::Instant::now();
        assert!(futures::poll!(&mut short).is_pending());
        assert_eq!(short.deadline(), Some((start + seconds(10)).into_std()));
        (&mut short).await.unwrap();
        assert!(short.is_elapsed());
        assert_eq!(start.elapsed().as_secs(), 10);
        let mut never = pin!(sleep(Duration::MAX));
        assert!(futures::poll!(&mut never).is_pending());
        assert_eq!((never.deadline(), never.is_elapsed()), (None, false));
    });
}

#[test]
fn a_sleep_begins_anew_whether_it_was_over_or_not() {
    paused_tokio().block_on(async {
        let start = tokio::time::Instant::now();
        let mut timer = pin!(sleep(seconds(10)));
        assert!(futures::poll!(&mut timer).is_pending());
        tokio::time::sleep(seconds(9)).await;
        timer.as_mut().reset(seconds(10));
        (&mut timer).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 19);
        timer.as_mut().reset(SECOND);
        (&mut timer).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 20);
        timer.as_mut().reset_to((start + seconds(30)).into_std());
        (&mut timer).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 30);
        timer.as_mut().reset_to(start.into_std());
        (&mut timer).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 30);
    });
}

/// A field with a name for its type.
struct Heartbeat {
    timer: Pin<Box<Sleep>>,
}

#[test]
fn a_sleep_in_a_field_is_cancelled_with_the_scope_that_it_is_polled_in() {
    on_every_runtime(|| async {
        let mut heart = Heartbeat {
            timer: Box::pin(sleep(HOUR)),
        };
        let token = CancellationToken::new();
        assert!(token.scope(async { poll_once(&mut heart.timer).is_pending() }).await);
        token.cancel();
        assert!(token.scope(async { heart.timer.as_mut().await }).await.is_err());
        heart.timer.as_mut().reset(HOUR);
        let line = line!() - 1;
        let error = token.scope(async { heart.timer.as_mut().await }).await.unwrap_err();
        assert_eq!(error.observed_at().line(), line);
        // Outside it is an ordinary sleep.
        heart.timer.as_mut().reset(Duration::ZERO);
        heart.timer.as_mut().await.unwrap();
    });
}

#[test]
fn a_sleep_can_be_sent_and_shared() {
    fn is<T: Send + Sync + Unpin + std::fmt::Debug>(_: &T) {}
    let timer = sleep(SECOND);
    is(&timer);
    assert_eq!(format!("{timer:?}"), "Sleep { deadline: None, .. }");
    is(&Deadline::after(SECOND));
}

/// What an idle timeout is asked for most: a connection is closed when nothing has come for so long.
#[test]
fn a_connection_is_closed_when_nothing_has_come_for_so_long() {
    #[cancelable(until = &idle)]
    async fn receive(mut lines: tokio::sync::mpsc::Receiver<u32>, idle: Deadline) -> Result<u32, Cancelled> {
        let mut sum = 0;
        while let Some(n) = lines.recv().await {
            idle.reset();
            sum += n;
        }
        Ok(sum)
    }

    paused_tokio().block_on(async {
        let start = Instant::now();
        let virtual_start = tokio::time::Instant::now();
        let (sender, lines) = tokio::sync::mpsc::channel(1);
        let client = async {
            for n in 0..100 {
                tokio::time::sleep(seconds(29)).await;
                if sender.send(n).await.is_err() {
                    break;
                }
            }
            pending::<()>().await;
        };
        let outcome = tokio::select! {
            outcome = receive(lines, Deadline::after(seconds(30))) => outcome,
            () = client => unreachable!(),
        };
        assert!(outcome.unwrap_err().is_timeout());
        assert_eq!(virtual_start.elapsed().as_secs(), 100 * 29 + 30);
        assert!(start.elapsed() < HOUR / 2);
    });
}
