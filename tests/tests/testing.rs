//! The feature `testing`: injected cancels, the hand-driven clock, prompt cancels; and our own combinators under them.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cancelable::testing::stretches::Recorder;
use cancelable::testing::{self, Clock, CountingWaker, Moment, assert_cancelled_within};
use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, ReasonKind, Scope, TaskError, blocking_sleep, check,
    checkpoint, guard, race, remaining, shield, sleep, try_join,
};
use tests::{Runtime, poll_once, poll_with, ready_after};

type Outcome = Result<(), Cancelled>;

const SECOND: Duration = Duration::from_secs(1);

/// What a closure panics with.
fn panic_text(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it should panic");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().expect("a text")).to_owned(),
    }
}

// inject ------------------------------------------------------------------------------------------------------------

async fn three_check_points(log: &Cell<usize>) -> Outcome {
    check()?;
    log.set(1);
    guard(ready_after(2, ())).await?;
    log.set(2);
    check()?;
    log.set(3);
    Ok(())
}

#[test]
fn each_check_point_is_hit_once_and_the_last_run_is_not_cancelled() {
    let mut runs = Vec::new();
    testing::inject(async || {
        let log = Cell::new(0);
        let result = three_check_points(&log).await;
        (result.is_ok(), log.get())
    })
    .at_every_check_point()
    .assert(|outcome| runs.push((outcome.injected(), outcome.value)));
    let expected = [
        (Some(Moment::CheckPoint(1)), (false, 0)),
        (Some(Moment::CheckPoint(2)), (false, 1)),
        (Some(Moment::CheckPoint(3)), (false, 2)),
        (None, (true, 3)),
    ];
    assert_eq!(runs, expected);
}

#[test]
fn each_suspension_is_hit_once() {
    let mut runs = Vec::new();
    testing::inject(async || {
        let log = Cell::new(0);
        let result = three_check_points(&log).await;
        (result.is_ok(), log.get())
    })
    .at_every_poll()
    .assert(|outcome| runs.push((outcome.injected(), outcome.value)));
    let expected = [
        (Some(Moment::Poll(1)), (false, 1)),
        // The future got ready in the same poll: nothing finished is thrown away (L10).
        (Some(Moment::Poll(2)), (false, 2)),
        (None, (true, 3)),
    ];
    assert_eq!(runs, expected);
}

#[test]
fn without_further_words_check_points_and_polls_are_tried() {
    let mut runs = Vec::new();
    testing::inject(async || three_check_points(&Cell::new(0)).await).assert(|outcome| runs.push(outcome.injected()));
    assert_eq!(runs.len(), 4 + 3);
}

#[test]
fn single_moments_can_be_named() {
    let mut runs = Vec::new();
    testing::inject(async || three_check_points(&Cell::new(0)).await)
        .at_poll(2)
        .at_check_point(3)
        .assert(|outcome| runs.push(outcome.injected().unwrap()));
    assert_eq!(runs, [Moment::Poll(2), Moment::CheckPoint(3)]);
}

const FIRST_OF_EVERY_KIND: u32 = line!() + 3;
#[rustfmt::skip]
async fn every_kind() -> Outcome {
    Scope::new().run(async {
        guard(async {}).await?;
        check()
    }).await?;
    Scope::new().run_sync(|| {
        check()
    })?;
    checkpoint().await?;
    sleep(SECOND).await?;
    // Two: the await of the race, and the check in its branch.
    guard(race((async { check() },))).await?
}

#[test]
fn entries_of_scopes_awaits_and_calls_of_check_count_wherever_they_are() {
    let mut lines = Vec::new();
    testing::inject(every_kind).at_every_check_point().assert(|outcome| {
        if let Err(error) = outcome.value.as_ref() {
            assert_eq!(
                error.reason().message(),
                Some(&*format!("injected at {}", outcome.injected().unwrap()))
            );
            assert_eq!(error.observed_at().file(), file!());
            let noticed_at = outcome.noticed_at().unwrap();
            assert_eq!(noticed_at.line(), error.observed_at().line());
            lines.push(noticed_at.line() - FIRST_OF_EVERY_KIND);
        }
    });
    assert_eq!(lines, [0, 1, 2, 4, 5, 7, 8, 10, 10]);
}

/// Of the check points that are hit one after the other, the lines.
fn lines_hit<F: Future<Output = Outcome>>(code: impl FnMut() -> F) -> Vec<u32> {
    let mut lines = Vec::new();
    testing::inject(code)
        .at_every_check_point()
        .assert(|outcome| lines.extend(outcome.noticed_at().map(|place| place.line())));
    lines
}

#[test]
fn awaits_in_branches_count_too() {
    let line = line!() + 3;
    let lines = lines_hit(|| async {
        let all = race((async {
            guard(ready_after(1, ())).await?;
            guard(ready_after(1, ())).await
        },));
        all.await
    });
    assert_eq!(lines, [line, line + 1]);
}

#[test]
fn check_points_of_code_that_is_measured_count_as_ever() {
    let as_ever = lines_hit(every_kind);
    assert_eq!(as_ever.len(), 9);
    let measured = Recorder::by(&Clock::new()).sync_scope(|| lines_hit(every_kind));
    assert_eq!(measured, as_ever);
}

#[test]
fn a_check_point_in_a_shield_counts_and_the_next_one_outside_notices() {
    let mut noticed = Vec::new();
    testing::inject(async || {
        let inside = shield(async { check() }).await;
        (inside.is_ok(), check().is_ok())
    })
    .at_every_check_point()
    .assert(|outcome| noticed.push(outcome.value));
    assert_eq!(noticed, [(true, false), (true, false), (true, true)]);
}

/// Loses money if it is cancelled at its only await.
async fn careless_transfer(from: &Cell<i32>, to: &Cell<i32>) -> Outcome {
    from.set(from.get() - 10);
    guard(ready_after(1, ())).await?;
    to.set(to.get() + 10);
    Ok(())
}

const AWAIT_OF_THE_CARELESS: u32 = line!() - 5;

fn careless() -> testing::Inject<impl FnMut() -> Pin<Box<dyn Future<Output = i32>>>> {
    testing::inject(|| {
        Box::pin(async {
            let (from, to) = (Cell::new(100), Cell::new(0));
            let _ = careless_transfer(&from, &to).await;
            from.get() + to.get()
        }) as Pin<Box<dyn Future<Output = i32>>>
    })
}

#[test]
fn a_broken_invariant_is_reported_with_the_check_point_and_how_to_repeat_the_run() {
    let text = panic_text(|| careless().assert(|total| assert_eq!(*total, 100, "money is gone")));
    let here = format!("{}:{AWAIT_OF_THE_CARELESS}:5", file!());
    let expected = [
        "the invariant does not hold",
        "  assertion `left == right` failed: money is gone",
        "  left: 90",
        " right: 100",
        &format!("  cancelled at check point 1, {here}"),
        "  to run just this one: CANCELABLE_INJECT=check-point:1 cargo test \
         a_broken_invariant_is_reported_with_the_check_point_and_how_to_repeat_the_run",
        "                     or: .at_check_point(1)",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_broken_invariant_after_a_suspension_is_reported_with_the_check_point_that_noticed() {
    // It is ready by the poll that follows the only suspension, so this careless code is fine here.
    careless().at_every_poll().assert(|total| assert_eq!(*total, 100));

    let waits = || {
        testing::inject(async || {
            let done = Cell::new(0);
            let _: Outcome = async { guard(sleep(SECOND)).await?.map(|()| done.set(1)) }.await;
            done.get()
        })
    };
    let text = panic_text(|| waits().at_poll(1).assert(|done| assert_eq!(*done, 1)));
    assert!(
        text.contains("\n  cancelled while suspended, after poll 1\n  noticed at tests/tests/testing.rs:"),
        "{text}"
    );
    assert!(text.contains("CANCELABLE_INJECT=poll:1"), "{text}");
    assert!(text.ends_with("or: .at_poll(1)"), "{text}");
}

#[test]
fn a_broken_invariant_without_a_cancel_is_reported_as_such() {
    let text = panic_text(|| testing::inject(async || 7).assert(|seven| assert_eq!(*seven, 8)));
    assert!(text.ends_with("\n  in a run that was not cancelled"), "{text}");
}

#[test]
fn code_that_panics_when_cancelled_is_reported() {
    let text = panic_text(|| {
        testing::inject(async || guard(async {}).await.expect("never cancelled")).assert(|_| ());
    });
    assert!(
        text.starts_with("the code panicked\n  never cancelled: cancelled: injected at check-point:1\n"),
        "{text}"
    );
    assert!(text.contains("cancelled at check point 1, "), "{text}");
}

#[test]
fn code_that_does_not_end_is_tried_as_far_as_was_said() {
    let mut runs = 0;
    testing::inject(async || -> Outcome {
        loop {
            sleep(SECOND).await?;
        }
    })
    .up_to(20)
    .assert(|outcome| {
        runs += 1;
        assert!(outcome.is_err());
    });
    assert_eq!(runs, 40);
    let text = panic_text(|| {
        testing::inject_sync(|| -> Outcome {
            loop {
                check()?;
            }
        })
        .assert(|_| ());
    });
    assert!(text.contains("`.up_to(n)`"), "{text}");
}

#[test]
fn sync_code_is_cancelled_at_its_check_points_and_sleeps_no_time() {
    let mut runs = Vec::new();
    testing::inject_sync(|| {
        let mut turns = 0;
        let result: Outcome = Scope::new().run_sync(|| {
            for _ in 0..3 {
                check()?;
                blocking_sleep(Duration::from_secs(24 * 3600))?;
                turns += 1;
            }
            Ok(())
        });
        (result.is_ok(), turns)
    })
    .assert(|outcome| runs.push(outcome.value));
    // The scope's entry, and twice three.
    let expected = [
        (false, 0),
        (false, 0),
        (false, 0),
        (false, 1),
        (false, 1),
        (false, 2),
        (false, 2),
        (true, 3),
    ];
    assert_eq!(runs, expected);
}

#[test]
fn time_passes_by_itself_and_in_order() {
    testing::inject(async || {
        let log = Rc::new(Cell::new(0));
        let result: Outcome = Scope::new()
            .timeout(10 * SECOND)
            .run(async {
                loop {
                    sleep(3 * SECOND).await?;
                    log.set(log.get() + 1);
                }
            })
            .await;
        (result.unwrap_err().kind(), log.get())
    })
    .assert(|outcome| match outcome.injected() {
        None => assert_eq!(outcome.value, (ReasonKind::Timeout, 3)),
        Some(_) => assert_eq!(outcome.0, ReasonKind::Manual),
    });
}

#[test]
fn any_executor_will_do() {
    let runs = Arc::new(AtomicUsize::new(0));
    for runtime in Runtime::ALL {
        let runs = Arc::clone(&runs);
        testing::inject(|| async {
            guard(ready_after(1, ())).await?;
            check()
        })
        .assert_on(
            |future| runtime.run(future),
            |outcome| {
                runs.fetch_add(1, Ordering::SeqCst);
                match outcome.injected() {
                    // Ready in the poll after the suspension; the check that follows notices.
                    Some(_) => assert!(outcome.is_err()),
                    None => assert!(outcome.is_ok()),
                }
            },
        );
    }
    assert_eq!(runs.load(Ordering::SeqCst), Runtime::ALL.len() * (3 + 2));
}

#[test]
fn nothing_is_watched_when_it_is_over() {
    testing::inject(async || check()).assert(|_| ());
    let token = CancellationToken::new();
    token.sync_scope(|| (0..1000).for_each(|_| check().unwrap()));
}

#[test]
fn moments_have_a_text_and_come_back_from_it() {
    for moment in [Moment::CheckPoint(3), Moment::Poll(12)] {
        assert_eq!(moment.to_string().parse(), Ok(moment));
    }
    for wrong in ["", "poll", "poll:0", "poll:x", "check-points:1"] {
        assert!(
            wrong
                .parse::<Moment>()
                .unwrap_err()
                .contains("expected `check-point:<n>`")
        );
    }
}

// our own combinators, injected --------------------------------------------------------------------------------------

/// Opens something, works, and closes it in a shield: whatever happens, what was opened must be closed.
struct Ledger {
    open: Cell<usize>,
    closed: Cell<usize>,
}

impl Ledger {
    fn new() -> Self {
        Self {
            open: Cell::new(0),
            closed: Cell::new(0),
        }
    }

    async fn work(&self, polls: usize, fails: bool) -> Result<usize, Cancelled> {
        self.open.set(self.open.get() + 1);
        let result = async {
            guard(ready_after(polls, ())).await?;
            checkpoint().every(1).await?;
            sleep(SECOND).await
        }
        .await;
        shield(async {
            for _ in 0..2 {
                sleep(SECOND).await.expect("not cancelled in here");
            }
        })
        .await;
        self.closed.set(self.closed.get() + 1);
        if fails && result.is_ok() {
            let token = CancellationToken::new();
            token.cancel_with("fails");
            token.check()?;
        }
        result.map(|()| polls)
    }

    fn is_balanced(&self) -> bool {
        self.open.get() == self.closed.get()
    }
}

#[test]
fn race_lets_every_branch_close_what_it_opened_whenever_it_is_cancelled() {
    testing::inject(async || {
        let ledger = Ledger::new();
        let race = race((ledger.work(5, false), ledger.work(1, false), ledger.work(3, false)));
        let result = guard(race).await.and_then(|winner| winner);
        (result, ledger.is_balanced())
    })
    .assert(|outcome| {
        assert!(outcome.1, "unbalanced");
        assert!(outcome.0.is_ok() || outcome.injected().is_some());
    });
}

#[test]
fn try_join_lets_every_branch_close_what_it_opened_whenever_it_is_cancelled() {
    for fails in [false, true] {
        testing::inject(async || {
            let ledger = Ledger::new();
            let join = try_join((ledger.work(2, false), ledger.work(0, fails), ledger.work(4, false)));
            let result = guard(join).await.and_then(|outputs| outputs);
            (result.is_ok(), ledger.is_balanced())
        })
        .assert(|outcome| {
            assert!(outcome.1, "unbalanced");
            if outcome.injected().is_none() {
                assert_eq!(outcome.0, !fails);
            }
        });
    }
}

#[test]
fn scopes_guards_and_foreign_wakers_lose_nothing_either() {
    use futures::stream::{FuturesUnordered, StreamExt as _};
    testing::inject(async || {
        let ledger = Ledger::new();
        let result: Outcome = Scope::new()
            .name("outer")
            .timeout(100 * SECOND)
            .run(async {
                let mut members: FuturesUnordered<_> = (0..4).map(|i| ledger.work(i, false)).collect();
                guard(async { while members.next().await.is_some() {} }).await
            })
            .await;
        (result, ledger.is_balanced())
    })
    .assert(|outcome| assert!(outcome.1, "unbalanced"));
}

/// Work for tasks: as `Ledger`, but `Send`.
#[derive(Clone, Default)]
struct Books(Arc<(AtomicUsize, AtomicUsize)>);

impl Books {
    async fn work(self, polls: usize, fails: bool) -> Outcome {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        let result = guard(ready_after(polls, ())).await;
        shield(ready_after(2, ())).await;
        self.0.1.fetch_add(1, Ordering::SeqCst);
        if fails {
            let token = CancellationToken::new();
            token.cancel_with("fails");
            token.check()?;
        }
        result
    }

    fn is_balanced(&self) -> bool {
        self.0.0.load(Ordering::SeqCst) == self.0.1.load(Ordering::SeqCst)
    }
}

#[test]
fn a_task_group_lets_every_task_close_what_it_opened_before_run_returns() {
    for fails in [false, true] {
        testing::inject(|| async move {
            let books = Books::default();
            let result: Outcome = cancelable::tokio::TaskGroup::run(async |group| {
                group.spawn(books.clone().work(3, false));
                group.spawn(books.clone().work(1, fails));
                check()?;
                group.spawn(books.clone().work(5, false));
                while let Some(result) = guard(group.next()).await? {
                    result.map_err(TaskError::or_resume)?;
                }
                Ok(())
            })
            .await;
            (result.map_err(|error| error.kind()), books.is_balanced())
        })
        .assert_on(
            |future| {
                tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap()
                    .block_on(future)
            },
            |outcome| {
                assert!(outcome.1, "unbalanced");
                if outcome.injected().is_none() {
                    assert_eq!(outcome.0.is_err(), fails);
                }
            },
        );
    }
}

#[test]
fn dropping_a_group_at_every_moment_lets_its_tasks_close_what_they_opened() {
    testing::inject(|| async move {
        let books = Books::default();
        let result: Outcome = async {
            let mut group = cancelable::tokio::TaskGroup::new();
            group.spawn(books.clone().work(3, false));
            group.spawn(books.clone().work(1, false));
            guard(group.join()).await?.map(drop).map_err(TaskError::or_resume)
        }
        .await;
        // Nobody waits for them, so let them run: they were all cancelled, and none waits for anything.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        (result.is_ok(), books.is_balanced())
    })
    .assert_on(
        |future| {
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap()
                .block_on(future)
        },
        |outcome| {
            assert!(outcome.1, "unbalanced");
            // If the cancel came after the last of them had ended, their values are kept.
            assert!(outcome.0 || outcome.injected().is_some());
        },
    );
}

// the clock ---------------------------------------------------------------------------------------------------------

#[test]
fn deadlines_timeouts_sleeps_and_graces_follow_the_clock_and_nothing_else() {
    let clock = Clock::new();
    let (counter, waker) = CountingWaker::new();
    let mut future = Box::pin(clock.scope(async {
        let outcome: Outcome = Scope::new()
            .timeout(10 * SECOND)
            .grace(5 * SECOND)
            .run(async {
                assert_eq!(remaining(), Some(10 * SECOND));
                sleep(4 * SECOND).await?;
                assert_eq!(remaining(), Some(6 * SECOND));
                let _ = guard(pending::<()>()).await;
                shield(pending()).await
            })
            .await;
        outcome.unwrap_err()
    }));
    assert!(poll_with(&mut future, &waker).is_pending());
    for (by, is_due) in [(4, true), (5, false), (1, true), (4, false)] {
        let woken = counter.count();
        clock.advance(by * SECOND);
        assert_eq!(counter.count() > woken, is_due);
        assert!(poll_with(&mut future, &waker).is_pending());
    }
    let woken = counter.count();
    clock.advance(SECOND);
    assert!(counter.count() > woken);
    let Poll::Ready(error) = poll_with(&mut future, &waker) else {
        panic!("pending")
    };
    assert!(error.is_timeout());
    assert!(error.was_forced());
}

#[test]
fn a_loop_that_never_yields_ends_when_the_clock_has_passed_its_deadline() {
    let clock = Clock::new();
    let turns = Cell::new(0);
    let outcome: Outcome = clock.sync_scope(|| {
        Scope::new().timeout(10 * SECOND).run_sync(|| {
            loop {
                check()?;
                turns.set(turns.get() + 1);
                clock.advance(SECOND);
            }
        })
    });
    assert!(outcome.unwrap_err().is_timeout());
    assert_eq!(turns.get(), 10);
}

#[test]
fn a_blocked_thread_sleeps_by_the_clock_until_another_thread_moves_it() {
    let clock = Clock::new();
    let hands = clock.clone();
    let (tell, told) = std::sync::mpsc::channel();
    let sleeper = std::thread::spawn(move || {
        clock.sync_scope(|| {
            let before = clock.now();
            tell.send(()).unwrap();
            blocking_sleep(3600 * SECOND).unwrap();
            clock.now() - before
        })
    });
    told.recv().unwrap();
    while !hands.advance_to_next() {
        std::thread::yield_now();
    }
    assert_eq!(sleeper.join().unwrap(), 3600 * SECOND);
}

#[test]
fn l15_a_deadline_by_the_clock_ends_a_blocked_threads_sleep() {
    for (outer, inner) in [(60, 7200), (7200, 60)] {
        let clock = Clock::new();
        let hands = clock.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let sleeper = std::thread::spawn(move || {
            clock.sync_scope(|| {
                let before = clock.now();
                let result = Scope::new().timeout(outer * SECOND).run_sync(|| {
                    Scope::new().timeout(inner * SECOND).run_sync(|| {
                        tell.send(()).unwrap();
                        let (line, result) = (line!(), blocking_sleep(3600 * SECOND));
                        assert_eq!(result.as_ref().unwrap_err().observed_at().line(), line);
                        result
                    })
                });
                (clock.now() - before, result)
            })
        });
        told.recv().unwrap();
        while !hands.advance_to_next() {
            std::thread::yield_now();
        }
        let (slept, result) = sleeper.join().unwrap();
        assert_eq!(slept, 60 * SECOND);
        assert!(result.unwrap_err().is_timeout());
    }
}

#[test]
fn sleepers_are_woken_in_order_of_their_moments() {
    let clock = Clock::new();
    let log = Mutex::new(Vec::new());
    let mut sleepers: Vec<_> = [3, 1, 2]
        .into_iter()
        .map(|n| {
            let log = &log;
            Box::pin(clock.scope(async move {
                sleep(n * SECOND).await.unwrap();
                log.lock().unwrap().push(n);
            }))
        })
        .collect();
    while !sleepers.is_empty() {
        sleepers.retain_mut(|sleeper| poll_once(sleeper).is_pending());
        clock.advance_to_next();
    }
    assert_eq!(*log.lock().unwrap(), [1, 2, 3]);
    assert!(!clock.advance_to_next());
}

#[test]
fn a_sleep_that_is_dropped_leaves_the_clock() {
    let clock = Clock::new();
    let mut sleeper = Box::pin(clock.scope(sleep(SECOND)));
    assert!(poll_once(&mut sleeper).is_pending());
    drop(sleeper);
    assert!(!clock.advance_to_next());
}

#[test]
fn the_outer_clock_is_back_after_every_way_out() {
    let (outer, inner) = (Clock::new(), Clock::new());
    inner.advance(SECOND);
    let deadline = || {
        Scope::new()
            .timeout(SECOND)
            .run_sync_with(|token| Some(token.deadline().unwrap()))
    };
    outer.sync_scope(|| {
        let before = deadline().unwrap();
        assert_eq!(inner.sync_scope(deadline), Some(inner.now() + SECOND));
        assert!(catch_unwind(AssertUnwindSafe(|| inner.sync_scope(|| panic!("out")))).is_err());
        assert_eq!(deadline(), Some(before));
    });
}

// promptness --------------------------------------------------------------------------------------------------------

#[test]
fn code_that_waits_at_check_points_is_done_within_one_poll() {
    let token = CancellationToken::new();
    let result = assert_cancelled_within(1, &token, async {
        guard(async { guard(sleep(3600 * SECOND)).await? }).await?
    });
    assert!(result.unwrap_err().belongs_to(&token));
}

#[test]
fn each_await_of_the_cleanup_that_is_not_ready_costs_a_poll() {
    let cleanup = || async {
        let result = guard(pending::<()>()).await;
        shield(ready_after(2, ())).await;
        result
    };
    assert!(assert_cancelled_within(3, &CancellationToken::new(), cleanup()).is_err());
    let text = panic_text(|| drop(assert_cancelled_within(2, &CancellationToken::new(), cleanup())));
    assert_eq!(text, "still pending after 2 polls under a cancelled token");
}

#[test]
fn code_that_does_not_notice_is_found_out() {
    let text = panic_text(|| assert_cancelled_within(5, &CancellationToken::new(), pending()));
    assert!(text.starts_with("not woken for poll 2 after the cancel"), "{text}");
    let text = panic_text(|| assert_cancelled_within(5, &CancellationToken::new(), async {}));
    assert!(text.contains("before it could be cancelled"), "{text}");
    let spins = poll_fn(|cx| -> Poll<()> {
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    let text = panic_text(|| assert_cancelled_within(5, &CancellationToken::new(), spins));
    assert!(text.starts_with("it never waits"), "{text}");
}

#[test]
fn combinators_are_prompt() {
    let waits = || async { guard(pending::<()>()).await };
    let token = CancellationToken::new;
    assert!(assert_cancelled_within(1, &token(), race((waits(), waits()))).is_err());
    assert!(assert_cancelled_within(1, &token(), try_join((waits(), waits()))).is_err());
    let scope = Scope::new()
        .timeout(SECOND)
        .run(async { Scope::new().run(waits()).await });
    assert!(assert_cancelled_within(1, &token(), scope).is_err());
    let carried = token().sync_scope(|| waits().in_current_scope());
    let mut carried = pin!(carried);
    assert!(
        carried
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
}
