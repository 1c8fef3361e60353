//! What may cancel a scope: conditions, combinations, and sources of one's own. (Signals are in `signals.rs`.)

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;

use cancelable::testing::{Clock, CountingWaker};
use cancelable::{
    CancelReason, CancellationToken, Cancelled, ReasonKind, Scope, Source, all, any, blocking_sleep, cancel_scope,
    check, condition, current, guard, memory_above, on_output, remaining, sleep,
};
use tests::{DropFlag, on_every_runtime, poll_once, poll_with};

type Outcome = Result<(), Cancelled>;

const SECOND: Duration = Duration::from_secs(1);

/// Under a clock that is driven by hand, so that nothing goes by time.
fn with_clock<R>(test: impl FnOnce(&Clock) -> R) -> R {
    let clock = Clock::new();
    clock.sync_scope(|| test(&clock))
}

/// A predicate that counts its calls, and is true from the `n`th on.
fn true_at(n: usize) -> (Arc<AtomicUsize>, impl FnMut() -> bool + Send + 'static) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    (calls, move || counter.fetch_add(1, Ordering::SeqCst) + 1 >= n)
}

fn spin() -> Outcome {
    loop {
        check()?;
    }
}

// Conditions ----------------------------------------------------------------------------------------------------------

#[test]
fn a_condition_cancels_a_scope_on_any_runtime() {
    on_every_runtime(|| async {
        let (calls, predicate) = true_at(3);
        let outcome: Outcome = Scope::new()
            .until(condition(Duration::from_millis(1), predicate).named("three"))
            .run(async { guard(pending()).await? })
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ReasonKind::Condition);
        assert_eq!(error.reason().to_string(), "condition \"three\" came true");
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_condition_cancels_sync_scopes_and_those_of_the_macro() {
    let often = Duration::from_millis(1);
    let sync: Outcome = Scope::new().until(condition(often, true_at(2).1)).run_sync(spin);
    assert_eq!(sync.unwrap_err().kind(), ReasonKind::Condition);
    let sync: Outcome = cancel_scope!(until = condition(often, true_at(2).1), { loop {} });
    assert_eq!(sync.unwrap_err().kind(), ReasonKind::Condition);
    let future = cancel_scope!(until = condition(often, true_at(2).1), async {
        pending::<()>().await;
        Ok::<_, Cancelled>(())
    });
    assert_eq!(
        futures::executor::block_on(future).unwrap_err().kind(),
        ReasonKind::Condition
    );
}

#[test]
fn without_a_name_a_condition_is_called_by_its_line() {
    let line = line!() + 1;
    let stop = condition(SECOND, || true);
    let error = Scope::new().until(stop).run_sync(spin).unwrap_err();
    assert_eq!(
        error.reason().to_string(),
        format!("condition \"{}:{line}\" came true", file!())
    );
    let location = error.reason().location();
    assert_eq!((location.file(), location.line()), (file!(), line));
}

#[test]
fn a_condition_goes_by_the_clock_of_its_scope_and_is_asked_before_that_goes_on() {
    with_clock(|clock| {
        let (calls, predicate) = true_at(4);
        let outcome: Outcome = Scope::new().until(condition(10 * SECOND, predicate)).run_sync(|| {
            for (step, expected) in [(0, 1), (9, 1), (1, 2), (9, 2), (1, 3), (25, 4)] {
                check()?;
                clock.advance(step * SECOND);
                assert_eq!(calls.load(Ordering::SeqCst), expected);
            }
            check()
        });
        assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
        clock.advance(100 * SECOND);
        assert_eq!(calls.load(Ordering::SeqCst), 4);
        assert!(!clock.advance_to_next(), "nobody waits any more");
    });
}

#[test]
fn a_condition_that_comes_true_wakes_a_task_once() {
    with_clock(|clock| {
        let (_, predicate) = true_at(2);
        let scope = Scope::new().until(condition(SECOND, predicate));
        let mut scope = Box::pin(scope.run(async { guard(pending::<Outcome>()).await? }));
        let (counter, waker) = CountingWaker::new();
        assert!(poll_with(&mut scope, &waker).is_pending());
        assert_eq!(counter.count(), 0);
        clock.advance(SECOND);
        assert_eq!(counter.count(), 1);
        assert!(poll_with(&mut scope, &waker).is_ready());
    });
}

#[test]
fn a_condition_may_end_a_thread_that_sleeps_by_the_clock() {
    let clock = Clock::new();
    let hands = clock.clone();
    let (calls, predicate) = true_at(3);
    let sleeper = std::thread::spawn(move || {
        clock.sync_scope(|| {
            Scope::new()
                .until(condition(SECOND, predicate))
                .run_sync(|| blocking_sleep(3600 * SECOND))
        })
    });
    // No further: the time that it sleeps for must not be up.
    while calls.load(Ordering::SeqCst) < 3 {
        if !hands.advance_to_next() {
            std::thread::yield_now();
        }
    }
    assert_eq!(sleeper.join().unwrap().unwrap_err().kind(), ReasonKind::Condition);
}

#[tokio::test(start_paused = true)]
async fn a_condition_goes_by_a_paused_clock_of_tokio() {
    let start = tokio::time::Instant::now();
    let (calls, predicate) = true_at(5);
    let outcome: Outcome = Scope::new()
        .until(condition(SECOND, predicate))
        .timeout(3600 * SECOND)
        .run(async { guard(pending()).await? })
        .await;
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
    assert_eq!(calls.load(Ordering::SeqCst), 5);
    let elapsed = start.elapsed();
    // tokio rounds each of the four up to a millisecond.
    assert!(elapsed >= 4 * SECOND && elapsed < 5 * SECOND, "{elapsed:?}");
}

#[test]
fn a_condition_of_no_time_at_all_is_asked_each_millisecond() {
    with_clock(|clock| {
        let (calls, predicate) = true_at(usize::MAX);
        let outcome: Outcome = Scope::new().until(condition(Duration::ZERO, predicate)).run_sync(|| {
            for expected in 1..10 {
                assert_eq!(calls.load(Ordering::SeqCst), expected);
                clock.advance(Duration::from_micros(999));
                assert_eq!(calls.load(Ordering::SeqCst), expected);
                clock.advance(Duration::from_micros(1));
            }
            Ok(())
        });
        outcome.unwrap();
    });
}

#[test]
fn a_condition_of_all_time_is_asked_once() {
    with_clock(|clock| {
        let (calls, predicate) = true_at(usize::MAX);
        let outcome: Outcome = Scope::new().until(condition(Duration::MAX, predicate)).run_sync(|| {
            assert!(!clock.advance_to_next());
            check()
        });
        outcome.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_condition_that_panics_cancels_nothing_and_is_not_asked_again() {
    with_clock(|clock| {
        let (calls, mut predicate) = true_at(2);
        let broken = condition(SECOND, move || {
            assert!(!predicate(), "on purpose");
            false
        });
        let outcome: Outcome = Scope::new().until(broken).run_sync(|| {
            for _ in 0..10 {
                clock.advance(SECOND);
                check()?;
            }
            Ok(())
        });
        outcome.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_condition_that_panics_leaves_the_others_watched() {
    let broken = condition(SECOND, || panic!("on purpose"));
    let sound = condition(Duration::from_millis(1), true_at(3).1).named("sound");
    let error = Scope::new().until(any((broken, sound))).run_sync(spin).unwrap_err();
    assert_eq!(error.reason().to_string(), "condition \"sound\" came true");
}

#[test]
fn a_predicate_does_not_keep_the_executor() {
    let (tell, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    // It waits for the body, which could not run if this were done by its thread.
    let patient = condition(SECOND, move || told.lock().unwrap().recv().is_ok());
    let outcome: Outcome = futures::executor::block_on(Scope::new().until(patient).run(async {
        tell.send(()).unwrap();
        guard(pending()).await?
    }));
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
}

#[test]
fn a_predicate_may_move_the_clock_it_goes_by() {
    with_clock(|clock| {
        let (calls, mut predicate) = true_at(5);
        let hands = clock.clone();
        let restless = condition(SECOND, move || {
            hands.advance(SECOND);
            predicate()
        });
        let outcome: Outcome = Scope::new().until(restless).run_sync(|| {
            while clock.advance_to_next() {
                check()?;
            }
            check()
        });
        assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
        assert_eq!(calls.load(Ordering::SeqCst), 5);
    });
}

#[test]
fn l17_a_condition_goes_with_its_scope() {
    with_clock(|clock| {
        let kept = Arc::new(());
        let condition = |kept: &Arc<()>| {
            let kept = Arc::clone(kept);
            condition(SECOND, move || Arc::strong_count(&kept) == 0)
        };
        let outcome: Outcome = Scope::new().until(condition(&kept)).run_sync(|| Ok(()));
        outcome.unwrap();
        assert_eq!(Arc::strong_count(&kept), 1);

        let scope = Scope::new().until(condition(&kept));
        let mut scope = Box::pin(scope.run(async { guard(pending::<Outcome>()).await? }));
        assert!(poll_once(&mut scope).is_pending());
        drop(scope);
        assert_eq!(Arc::strong_count(&kept), 1);
        assert!(!clock.advance_to_next());
    });
}

// Several -------------------------------------------------------------------------------------------------------------

/// Three things that may end a scope: its source after so many seconds, its timeout, and its parent.
#[test]
fn l17_a_source_goes_with_its_scope_though_whoever_cancelled_that_is_busy_telling_others() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let never = |name: &str| {
        let flag = DropFlag(Arc::clone(&dropped));
        condition(SECOND, move || {
            let _flag = &flag;
            false
        })
        .named(name.to_owned())
    };
    with_clock(|_| {
        // The callback comes before those who wait, and ends the scope in the middle of the cancel.
        let token = Arc::new(Mutex::new(None));
        let tells = Arc::clone(&token);
        let mut scope: Pin<Box<dyn Future<Output = Outcome> + Send>> =
            Box::pin(Scope::new().until(never("async")).run_with(|token| async move {
                *tells.lock().unwrap() = Some(token);
                guard(pending()).await?
            }));
        assert!(poll_once(&mut scope).is_pending());
        let token = token.lock().unwrap().take().unwrap();
        let seen = Arc::clone(&dropped);
        token
            .on_cancel(move |_| {
                assert!(matches!(poll_once(&mut scope), Poll::Ready(Err(_))));
                assert_eq!(seen.load(Ordering::SeqCst), 1);
            })
            .detach();
        token.cancel();
    });
    with_clock(|_| {
        let (is_over, over) = mpsc::channel::<()>();
        let (canceller, outcome) = Scope::new()
            .until(never("sync"))
            .run_sync_with(|token| {
                token.on_cancel(move |_| over.recv().unwrap()).detach();
                let token = token.clone();
                let canceller = std::thread::spawn(move || token.cancel());
                Ok::<_, Cancelled>((canceller, spin()))
            })
            .unwrap();
        assert!(outcome.is_err());
        assert_eq!(dropped.load(Ordering::SeqCst), 2);
        is_over.send(()).unwrap();
        canceller.join().unwrap();
    });
}

#[test]
fn l15_the_earliest_wins_and_the_reason_says_which() {
    for (source, timeout, parent) in [(1, 2, 3), (1, 3, 2), (2, 1, 3), (3, 1, 2), (2, 3, 1), (3, 2, 1)] {
        let expected = match 1 {
            _ if source == 1 => ReasonKind::Condition,
            _ if timeout == 1 => ReasonKind::Timeout,
            _ => ReasonKind::Shutdown,
        };
        for form in 0..3 {
            with_clock(|clock| {
                let mut seconds = 0;
                let fires = condition(SECOND, move || {
                    seconds += 1;
                    seconds > source
                });
                let above = CancellationToken::new();
                let scope = Scope::new().timeout(timeout * SECOND).parent(&above);
                let scope = match form {
                    0 => scope.until(fires),
                    1 => scope.until(any((fires, pending::<()>()))),
                    _ => scope.until(all([any((CancellationToken::new(), fires))])),
                };
                let outcome: Outcome = scope.run_sync(|| {
                    for second in 1..=3 {
                        clock.advance(SECOND);
                        if second == parent {
                            above.cancel_with(CancelReason::shutdown());
                        }
                        check()?;
                    }
                    Ok(())
                });
                let error = outcome.unwrap_err();
                assert_eq!(error.kind(), expected, "{source} {timeout} {parent} in form {form}");
                assert_eq!(error.belongs_to(&above), expected == ReasonKind::Shutdown);
            });
        }
    }
}

#[test]
fn any_fires_with_the_first_whatever_sort_it_is() {
    let token = CancellationToken::new();
    let (stop, stopped) = futures::channel::oneshot::channel::<()>();
    let never = || condition(Duration::MAX, || false);

    let outcome = Scope::new()
        .until(any((&token, stopped, never(), pending::<()>())))
        .run_sync(|| {
            stop.send(()).unwrap();
            spin()
        });
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);

    let outcome: Outcome = Scope::new()
        .until(any([
            any((never(), token.clone())),
            any((never(), token.child_token())),
        ]))
        .run_sync(|| {
            check()?;
            token.cancel_with("by token");
            // A token among them is heard at once.
            check()
        });
    let error = outcome.unwrap_err();
    assert!(error.belongs_to(&token), "{error}");

    let outcome: Outcome = Scope::new()
        .until(any(vec![&token]))
        .run_sync(|| unreachable!("cancelled before"));
    assert!(outcome.unwrap_err().belongs_to(&token));
}

#[test]
fn all_fires_with_the_last_for_its_reason() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        let (stop, stopped) = futures::channel::oneshot::channel::<()>();
        let (first, second) = (stop, token.clone());
        let outcome: Outcome = Scope::new()
            .until(all((
                stopped,
                &token,
                condition(Duration::from_millis(1), true_at(2).1),
            )))
            .run(async {
                first.send(()).unwrap();
                // By then the library's thread has been through with those two.
                let outcome: Outcome = Scope::new()
                    .until(async {})
                    .run(async { guard(pending()).await? })
                    .await;
                assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
                check()?;
                second.cancel_with("the last");
                guard(pending()).await?
            })
            .await;
        assert!(outcome.is_err());
    });
    with_clock(|clock| {
        let token = CancellationToken::new();
        let soon = condition(SECOND, true_at(3).1).named("soon");
        let late = condition(SECOND, true_at(5).1).named("late");
        let outcome: Outcome = Scope::new().until(all((soon, &token, late))).run_sync(|| {
            token.cancel();
            for _ in 1..4 {
                clock.advance(SECOND);
                check().expect("not all of them");
            }
            clock.advance(SECOND);
            check()
        });
        assert_eq!(
            outcome.unwrap_err().reason().to_string(),
            "condition \"late\" came true"
        );
    });
    with_clock(|_| {
        let token = CancellationToken::new();
        let at_once = condition(SECOND, || true);
        let outcome: Outcome = Scope::new().until(all((at_once, &token))).run_sync(|| {
            check().expect("not all of them");
            token.cancel_with("the last");
            check()
        });
        let error = outcome.unwrap_err();
        assert_eq!(error.reason().to_string(), "the last");
        assert!(error.belongs_to(&token));
    });
}

#[test]
fn none_at_all_never_fires() {
    let none: [CancellationToken; 0] = [];
    Scope::new().until(any(none.clone())).run_sync(check).unwrap();
    Scope::new().until(all(none)).run_sync(check).unwrap();
}

#[test]
fn l15_deadlines_of_tokens_in_any_and_all_count() {
    let (soon, late, never) = (
        CancellationToken::new(),
        CancellationToken::new(),
        CancellationToken::new(),
    );
    soon.cancel_after(1000 * SECOND);
    late.cancel_after(2000 * SECOND);
    let seconds = |scope: Scope| {
        let left = scope.run_sync(|| Ok::<_, Cancelled>(remaining())).unwrap();
        left.map(|left| left.as_secs_f64().ceil())
    };
    assert_eq!(seconds(Scope::new().until(any((&soon, &late, &never)))), Some(1000.0));
    assert_eq!(seconds(Scope::new().until(all((&soon, &late)))), Some(2000.0));
    assert_eq!(seconds(Scope::new().until(all((&soon, &late, &never)))), None);
    assert_eq!(seconds(Scope::new().until(all((&soon, pending::<()>())))), None);
    assert_eq!(seconds(Scope::new().until(any((&late, all([&soon]))))), Some(1000.0));
    let with_timeout = Scope::new().until(all((&soon, &late))).timeout(1500 * SECOND);
    assert_eq!(seconds(with_timeout), Some(1500.0));
}

#[test]
fn futures_in_any_and_all_bear_the_line_of_until() {
    let forms: [fn() -> (u32, Scope); 3] = [
        || (line!(), Scope::new().until(any((async {}, pending::<()>())))),
        || (line!(), Scope::new().until(all([std::future::ready(())]))),
        || (line!(), Scope::new().until(any(vec![std::future::ready(())]))),
    ];
    for form in forms {
        let (line, scope) = form();
        let location = scope.run_sync(spin).unwrap_err().reason().location();
        assert_eq!((location.file(), location.line()), (file!(), line));
    }
}

#[test]
fn combinations_can_be_waited_for_without_a_scope() {
    on_every_runtime(|| async {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let mut either = Box::pin(any((&a, &b, pending::<()>())).fired());
        let mut both = Box::pin(all((&a, &b, async {})).fired());
        assert!(poll_once(&mut either).is_pending());
        assert!(poll_once(&mut both).is_pending());
        a.cancel_with("a");
        assert_eq!(either.await.to_string(), "a");
        assert!(poll_once(&mut both).is_pending());
        b.cancel_with("b");
        // Which one was the last is up to the library's thread.
        let reason = both.await;
        assert!(["b", "the future given to `until` has completed"].contains(&&*reason.to_string()));
    });
}

// One's own -----------------------------------------------------------------------------------------------------------

/// Cancels when the channel says so.
struct Remote(futures::channel::mpsc::UnboundedReceiver<String>);

impl Source for Remote {
    async fn fired(mut self) -> CancelReason {
        match futures::StreamExt::next(&mut self.0).await {
            Some(message) => CancelReason::manual().with_message(message),
            None => pending().await,
        }
    }
}

fn remote(message: &str) -> Remote {
    let (tell, told) = futures::channel::mpsc::unbounded();
    tell.unbounded_send(message.to_owned()).unwrap();
    Remote(told)
}

#[test]
fn a_source_of_ones_own_cancels_any_sort_of_scope() {
    on_every_runtime(|| async {
        let error = Scope::new().until(remote("enough")).run_sync(spin).unwrap_err();
        assert_eq!(error.reason().to_string(), "enough");

        let outcome: Outcome = cancel_scope!(until = remote("enough"), { loop {} });
        assert_eq!(outcome.unwrap_err().reason().to_string(), "enough");

        let scope = Scope::new().until(remote("enough"));
        let outcome: Outcome = scope.run(async { guard(pending()).await? }).await;
        assert_eq!(outcome.unwrap_err().reason().to_string(), "enough");

        let outcome: Outcome = cancel_scope!(until = remote("enough"), async { pending().await }).await;
        assert_eq!(outcome.unwrap_err().reason().to_string(), "enough");

        let several = any((remote("enough"), all([remote("one"), remote("two")]), pending::<()>()));
        let outcome: Outcome = cancel_scope!(until = several, async { sleep(3600 * SECOND).await }).await;
        assert!(["enough", "one", "two"].contains(&&*outcome.unwrap_err().reason().to_string()));
    });
}

#[test]
fn a_source_that_is_late_changes_nothing() {
    let (tell, told) = futures::channel::mpsc::unbounded();
    let outcome: Outcome = Scope::new().until(Remote(told)).run_sync(|| {
        current().cancel_with("first");
        drop(tell.unbounded_send("late".to_owned()));
        spin()
    });
    assert_eq!(outcome.unwrap_err().reason().to_string(), "first");
}

// Outputs, and memory -------------------------------------------------------------------------------------------------

#[test]
fn an_output_says_whether_to_cancel_and_why() {
    type Said = Result<&'static str, futures::channel::oneshot::Canceled>;
    fn stop(said: Said) -> Option<CancelReason> {
        Some(CancelReason::manual().with_message(said.ok()?))
    }

    on_every_runtime(|| async {
        let (sender, said) = futures::channel::oneshot::channel();
        let outcome: Outcome = Scope::new()
            .until(on_output(said, stop))
            .run(async move {
                sender.send("the operator").unwrap();
                guard(pending()).await?
            })
            .await;
        let cancelled = outcome.unwrap_err();
        assert_eq!(cancelled.reason().to_string(), "the operator");
        assert_eq!(cancelled.reason().location().file(), file!());
    });

    // Of one that says no, the scope goes on, whenever that is.
    let (sender, said) = futures::channel::oneshot::channel();
    let has_said_no = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&has_said_no);
    let no = on_output(said, move |said: Said| {
        counted.fetch_add(1, Ordering::SeqCst);
        stop(said)
    });
    let outcome: Outcome = Scope::new().until(no).run_sync(|| {
        drop(sender);
        while has_said_no.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        check()
    });
    assert!(outcome.is_ok());
}

#[test]
#[cfg(target_os = "linux")]
fn more_memory_than_the_limit_cancels() {
    let limit = 1 << 40;
    let outcome: Outcome = Scope::new().until(memory_above(limit).unwrap()).run_sync(check);
    assert!(outcome.is_ok());
    let held = vec![1_u8; 8 << 20];
    let outcome: Outcome = Scope::new().until(memory_above(8 << 20).unwrap()).run_sync(spin);
    let cancelled = outcome.unwrap_err();
    assert_eq!(cancelled.kind(), ReasonKind::Condition);
    assert_eq!(
        cancelled.reason().to_string(),
        "condition \"memory above 8 MiB\" came true"
    );
    assert_eq!(cancelled.reason().location().file(), file!());
    assert!(held.iter().all(|byte| *byte == 1));
    for (limit, text) in [
        (0, "0 bytes"),
        (1025, "1025 bytes"),
        (3 << 30, "3 GiB"),
        (1536 << 10, "1536 KiB"),
    ] {
        let source = format!("{:?}", memory_above(limit).unwrap());
        assert!(source.contains(&format!("memory above {text}")), "{source}");
    }
}
