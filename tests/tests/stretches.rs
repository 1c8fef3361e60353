//! `testing::stretches`: what is measured, by a clock that the test moves; and that a long stretch is found by real time, too.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use cancelable::testing::stretches::{Place, Recorder, Report, Stretch};
use cancelable::testing::{Clock, CountingWaker};
use cancelable::{
    CancellationToken, Cancelled, Scope, blocking_sleep, cancel_scope, cancelable, check, current, guard, race, sleep,
};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn by_hand() -> (Clock, Recorder) {
    let clock = Clock::new();
    let recorder = Recorder::by(&clock);
    (clock, recorder)
}

/// Polls to the end, and moves the clock to the next event whenever there is nothing else to do.
fn run<F: Future>(clock: &Clock, future: F) -> F::Output {
    let mut future = pin!(clock.scope(future));
    let (counter, waker) = CountingWaker::new();
    loop {
        let woken = counter.count();
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => assert!(
                counter.count() > woken || clock.advance_to_next(),
                "nobody waits for anything"
            ),
        }
    }
}

/// The lines of those that took any time, with how long and how often: from the first to the last line.
fn long(report: &Report) -> Vec<(String, String, Duration, u64)> {
    let mut long: Vec<&Stretch> = report.stretches().iter().filter(|s| !s.total().is_zero()).collect();
    long.sort_by_key(|stretch| (stretch.from().line(), stretch.to().line()));
    let shown = |place: Place| shown(place).replace(concat!(file!(), ":"), "");
    long.into_iter()
        .map(|stretch| {
            (
                shown(stretch.from()),
                shown(stretch.to()),
                stretch.max(),
                stretch.count(),
            )
        })
        .collect()
}

/// Without its column.
fn shown(place: Place) -> String {
    let text = place.to_string();
    text.rsplit_once(':').map_or(text.clone(), |(line, _)| line.to_owned())
}

fn one(from: impl ToString, to: impl ToString, max: Duration, count: u64) -> Vec<(String, String, Duration, u64)> {
    vec![(from.to_string(), to.to_string(), max, count)]
}

#[test]
fn iterations_are_counted_and_measured() {
    #[cancelable]
    fn work(clock: &Clock) -> Result<(), Cancelled> {
        for n in 1..=5 {
            clock.advance(MS(n));
        }
        Ok(())
    }
    let line = line!() - 5;
    let (clock, recorder) = by_hand();
    recorder.sync_scope(|| work(&clock)).unwrap();
    let report = recorder.report();
    let [last, turns, ..] = report.stretches() else {
        panic!("{report}")
    };
    assert_eq!((turns.from().line(), turns.to().line()), (line, line));
    assert!(turns.from().is_check_point() && turns.from().file() == Some(file!()));
    assert_eq!(
        (turns.count(), turns.max(), turns.total()),
        (4, MS(4), MS(1 + 2 + 3 + 4))
    );
    // The loop asks no more once it knows that nothing is left.
    assert_eq!((last.from(), last.max()), (turns.from(), MS(5)));
    assert_eq!(shown(last.to()), format!("end of {}:{}", file!(), line + 7));
}

#[test]
fn a_histogram_has_each_length_in_its_power_of_ten() {
    let (clock, recorder) = by_hand();
    recorder
        .sync_scope(|| {
            for length in [0, 5, 5_000, 50_000_000, 70_000_000, 20_000_000_000] {
                check_here().unwrap();
                clock.advance(Duration::from_nanos(length));
            }
            check_here()
        })
        .unwrap();
    let report = recorder.report();
    let stretch = report.stretches().iter().find(|stretch| stretch.count() == 6).unwrap();
    let counts: Vec<u64> = stretch.histogram().map(|bucket| bucket.count).collect();
    assert_eq!(counts, [2, 1, 0, 0, 0, 2, 0, 0, 1]);
    assert!(stretch.histogram().all(|bucket| bucket.from < bucket.to));
}

fn check_here() -> Result<(), Cancelled> {
    check()
}

#[test]
fn a_task_that_is_suspended_is_not_running() {
    #[cancelable]
    async fn work(clock: &Clock) -> Result<(), Cancelled> {
        sleep(Duration::from_secs(3600)).await?;
        clock.advance(MS(30));
        sleep(Duration::from_secs(3600)).await
    }
    let line = line!() - 4;
    let (clock, recorder) = by_hand();
    run(&clock, recorder.scope(work(&clock))).unwrap();
    let from = format!("polled again at {line}");
    assert_eq!(long(&recorder.report()), one(from, line + 2, MS(30), 1));
}

#[test]
fn so_also_under_a_runtime_that_a_sync_scope_drives() {
    let (clock, recorder) = by_hand();
    let result = recorder.sync_scope(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(cancel_scope!(async {
            // Pending until the clock has been moved by "somebody else", while nothing runs here.
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                cx.waker().wake_by_ref();
                if polls < 3 { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            clock.advance(MS(7));
            check()
        }))
    });
    result.unwrap();
    let report = recorder.report();
    assert_eq!(report.longest().unwrap().max(), MS(7));
    assert_eq!(report.stretches().iter().map(Stretch::total).sum::<Duration>(), MS(7));
}

/// They have their own places, or none.
#[test]
fn check_points_of_a_strangers_task_that_is_polled_in_there_are_in_no_stretch() {
    let (clock, recorder) = by_hand();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let stranger = runtime.spawn(async { check_here() });
    let token = CancellationToken::new();
    recorder.sync_scope(|| {
        token.sync_scope(|| {
            clock.advance(MS(3));
            runtime.block_on(stranger).unwrap().unwrap();
            clock.advance(MS(4));
        });
    });
    let report = recorder.report();
    assert_eq!(report.longest().unwrap().max(), MS(7), "{report}");
    assert_eq!(report.stretches().len(), 1, "{report}");
}

/// Its token wants a closer look at each of its polls, and is not cancelled for that.
#[test]
fn a_cancel_that_comes_in_the_middle_of_a_poll_leaves_what_is_awaited_one_more() {
    let (_, recorder) = by_hand();
    let token = CancellationToken::new();
    let mut polls = 0;
    let awaited = poll_fn(|_| {
        polls += 1;
        if polls == 2 {
            token.cancel();
        }
        if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
    });
    let mut measured = pin!(recorder.scope(token.scope(guard(awaited))));
    let (counter, waker) = CountingWaker::new();
    let mut poll = || measured.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(poll().is_pending());
    assert!(poll().is_pending());
    assert!(counter.count() > 0, "nobody polls it again");
    assert!(matches!(poll(), Poll::Ready(Ok(()))));
}

#[test]
fn after_a_call_that_drives_a_future_the_code_round_it_runs_on() {
    let (clock, recorder) = by_hand();
    let began = line!() + 1;
    recorder.sync_scope(|| {
        for _ in 0..2 {
            cancelable::thread::block_on(async {}).unwrap();
            clock.advance(MS(20));
        }
        check().unwrap();
        clock.advance(MS(1));
    });
    let (drove, checked) = (began + 2, began + 5);
    let mut expected = Vec::new();
    for (from, to, length) in [
        (format!("polled again at {drove}"), format!("start of {drove}"), 20),
        (format!("polled again at {drove}"), checked.to_string(), 20),
        (checked.to_string(), format!("end of {began}"), 1),
    ] {
        expected.extend(one(from, to, MS(length), 1));
    }
    let mut found = long(&recorder.report());
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn waiting_on_a_thread_is_no_stretch_if_a_cancel_ends_it() {
    let ways: [fn() -> Result<(), Cancelled>; 2] = [
        || blocking_sleep(MS(1)),
        || cancelable::thread::block_on(sleep(MS(1))).and_then(|slept| slept),
    ];
    for way in ways {
        // A thread that is slow to wait finds that it has been woken: then once more.
        let has_waited = (0..1000).any(|_| {
            let recorder = Recorder::new();
            recorder.sync_scope(|| check_here().and_then(|()| way())).unwrap();
            let report = recorder.report();
            report
                .stretches()
                .iter()
                .any(|stretch| stretch.to().to_string().starts_with("pending at"))
        });
        assert!(has_waited);
    }
}

#[test]
#[allow(clippy::unit_arg, reason = "in one line, which is looked for")]
fn a_future_that_blocks_in_its_poll_is_found_at_its_await() {
    let (clock, recorder) = by_hand();
    let line = line!() + 3;
    #[cancelable]
    async fn work(clock: &Clock) -> Result<(), Cancelled> {
        poll_fn(|_| Poll::Ready(clock.advance(MS(90)))).await;
        check()
    }
    run(&clock, recorder.scope(work(&clock))).unwrap();
    assert_eq!(long(&recorder.report()), one(line, line + 1, MS(90), 1));
}

#[test]
fn what_runs_beside_a_pending_await_counts() {
    let (clock, recorder) = by_hand();
    let work = async {
        let waits = async { guard(sleep(MS(1))).await.unwrap() };
        let computes = async { clock.advance(MS(20)) };
        guard(futures::future::join(waits, computes))
            .await
            .map(|(waited, ())| waited)
    };
    run(&clock, recorder.scope(work)).unwrap().unwrap();
    let report = recorder.report();
    let longest = report.longest().unwrap();
    assert_eq!(longest.max(), MS(20));
    assert!(longest.from().to_string().starts_with("pending at "), "{longest:?}");
}

#[test]
fn scopes_in_scopes_races_and_crowds_are_part_of_the_poll() {
    let (clock, recorder) = by_hand();
    let work = async {
        let inner = cancel_scope!(timeout = "1h", async {
            clock.advance(MS(1));
            sleep(MS(1)).await
        });
        inner.await?;
        clock.advance(MS(2));
        let first = race!(async { pending().await }, async {
            clock.advance(MS(4));
            check()
        });
        first.await?;
        let mut crowd: FuturesUnordered<_> = (0..3).map(|_| cancel_scope!(async { check() })).collect();
        while let Some(member) = crowd.next().await {
            member?;
            // In code that is not annotated: up to the next member's check.
            clock.advance(MS(8));
        }
        Ok::<(), Cancelled>(())
    };
    run(&clock, recorder.scope(work)).unwrap();
    let report = recorder.report();
    // Each stretch of time is there once.
    let sum: Duration = report.stretches().iter().map(Stretch::total).sum();
    assert_eq!(sum, MS(1 + 2 + 4 + 3 * 8), "{report}");
    assert_eq!(report.longest().unwrap().max(), MS(8), "{report}");
}

/// One at a time: all of the program is measured.
fn everywhere_alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_thread_without_any_check_point_is_found_by_the_line_that_started_it() {
    let _alone = everywhere_alone();
    let (clock, recorder) = by_hand();
    let measuring = recorder.everywhere();
    let advance = |by| {
        let clock = clock.clone();
        move || clock.advance(MS(by))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let lines = Scope::new().run_sync(|| {
        let _context = runtime.enter();
        let (thread, in_thread) = (line!(), cancelable::thread::spawn(advance(40)));
        in_thread.join().unwrap();
        let (worker, on_worker) = (line!(), cancelable::tokio::spawn_blocking(advance(50)));
        runtime.block_on(on_worker).unwrap();
        let (task, in_task) = (line!(), cancelable::tokio::spawn(std::future::ready(())));
        runtime.block_on(in_task).unwrap();
        Some([thread, worker, task])
    });
    drop(measuring);
    let report = recorder.report();
    for (line, length) in lines.unwrap().into_iter().zip([40, 50, 0]) {
        let found = |stretch: &&Stretch| stretch.from().line() == line && stretch.max() == MS(length);
        let stretch = report.stretches().iter().find(found);
        let stretch = stretch.unwrap_or_else(|| panic!("{line}:\n{report:#}"));
        assert_eq!(shown(stretch.from()), format!("start of {}:{line}", file!()));
        assert_eq!(shown(stretch.to()), format!("end of {}:{line}", file!()));
    }
}

#[test]
fn everywhere_is_all_threads_until_it_is_dropped_and_leaves_others_alone() {
    let _alone = everywhere_alone();
    let clock = Clock::new();
    let (recorder, inner) = (Recorder::by(&clock), Recorder::by(&clock));
    let work = || Scope::new().run_sync(|| check_here().and_then(|()| check_here()));
    let in_thread = || thread::scope(|scope| scope.spawn(work).join().unwrap()).unwrap();
    let passes = |recorder: &Recorder| -> u64 {
        let report = recorder.report();
        let points = report
            .stretches()
            .iter()
            .filter(|s| s.from().is_check_point() && s.from() == s.to());
        points.map(Stretch::count).sum()
    };
    work().unwrap();
    assert_eq!(passes(&recorder), 0);
    let measuring = recorder.everywhere();
    let second = catch_unwind(AssertUnwindSafe(|| inner.everywhere()));
    assert!(second.is_err(), "one at a time");
    work().unwrap();
    in_thread();
    inner.sync_scope(work).unwrap();
    // (Other tests run beside this one, and they have no clock that this recorder goes by, but check points.)
    assert!(passes(&recorder) >= 2);
    assert_eq!(passes(&inner), 1);
    drop(measuring);
    let before = passes(&recorder);
    work().unwrap();
    in_thread();
    assert_eq!(passes(&recorder), before);
    drop(inner.everywhere());
}

#[test]
fn a_recorder_is_no_scope() {
    let recorder = Recorder::by(&Clock::new());
    recorder.sync_scope(|| {
        assert_eq!(current(), CancellationToken::never());
        Scope::new()
            .run_sync(|| {
                assert!(current() != CancellationToken::never());
                Some(())
            })
            .unwrap();
    });
    let token = CancellationToken::new();
    token.sync_scope(|| recorder.sync_scope(|| assert_eq!(current(), token)));
    let future = token.sync_scope(|| recorder.scope(async { current() }));
    assert_eq!(run(&Clock::new(), future), token);
    token.cancel();
    assert!(
        token.sync_scope(|| recorder.sync_scope(check)).is_err(),
        "it is cancelled as it would be"
    );
}

#[test]
fn after_a_panic_nobody_measures() {
    let recorder = Recorder::by(&Clock::new());
    let panics = || recorder.sync_scope(|| check_here().map(|()| panic!("on purpose")));
    assert!(catch_unwind(AssertUnwindSafe(|| -> Result<(), Cancelled> { panics() })).is_err());
    let before = recorder.report().stretches().len();
    CancellationToken::new().sync_scope(check_here).unwrap();
    assert_eq!(recorder.report().stretches().len(), before);
    assert!(before > 0);
}

#[test]
fn an_assertion_tells_of_what_is_too_long_and_of_what_was_not_measured() {
    let text = |report: &Report| -> String {
        let panic = catch_unwind(AssertUnwindSafe(|| report.assert_stretch(MS(10)))).unwrap_err();
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
            .unwrap()
    };
    let (clock, recorder) = by_hand();
    assert!(text(&recorder.report()).contains("no check point was passed"));
    let work = |length| {
        check_here().unwrap();
        clock.advance(MS(length));
        check()
    };
    recorder.sync_scope(|| work(10)).unwrap();
    recorder.report().assert_stretch(MS(10));
    recorder.sync_scope(|| work(12)).unwrap();
    let text = text(&recorder.report());
    assert!(
        text.starts_with("code ran for longer than 10ms without a check point\n"),
        "{text}"
    );
    assert_eq!(text.matches("12 ms").count(), 1, "{text}");
}

#[test]
fn threads_add_up() {
    let (clock, recorder) = by_hand();
    thread::scope(|scope| {
        for length in [3, 5] {
            let (recorder, clock) = (&recorder, &clock);
            let work = move || {
                check_here().unwrap();
                clock.advance(MS(length));
                check_here().unwrap();
            };
            scope.spawn(move || recorder.sync_scope(work)).join().unwrap();
        }
    });
    let report = recorder.report();
    let longest = report.longest().unwrap();
    assert_eq!((longest.count(), longest.max(), longest.total()), (2, MS(5), MS(8)));
}

#[test]
fn a_picture_has_each_place_and_is_whole() {
    let (clock, recorder) = by_hand();
    recorder.sync_scope(|| {
        check_here().unwrap();
        clock.advance(MS(3));
        check().unwrap();
        clock.advance(MS(1));
    });
    let svg = recorder.report().to_svg();
    for text in [
        " xmlns=",
        "all stretches",
        &format!("{}:", file!()),
        "longest 3 ms, 1 times, 3 ms in all",
    ] {
        assert!(svg.contains(text), "{text}: {svg}");
    }
    for tag in ["svg", "g", "title", "text"] {
        let ends = svg.matches(&format!("</{tag}>")).count();
        let begins = svg.matches(&format!("<{tag}>")).count() + svg.matches(&format!("<{tag} ")).count();
        assert_eq!((begins, ends > 0), (ends, true), "{tag}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stretches.svg");
    recorder.report().write_svg(&path).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), svg);
    assert!(recorder.report().write_svg(folder.path()).is_err());
}

// By real time ----------------------------------------------------------------------------------------------------------

/// As if it were a computation.
fn compute_for(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

#[test]
fn a_long_stretch_among_a_million_short_ones_is_found_and_all_are_counted() {
    const TURNS: u64 = 1_000_000;

    #[cancelable]
    fn work(sum: &Cell<u64>) -> Result<(), Cancelled> {
        for n in 0..TURNS {
            sum.set(sum.get() + n);
            if n == TURNS / 2 {
                rare()?;
            }
        }
        Ok(())
    }

    fn rare() -> Result<(), Cancelled> {
        check_here()?;
        compute_for(MS(30));
        check()
    }
    let rare_line = line!() - 2;

    let recorder = Recorder::new();
    recorder.sync_scope(|| work(&Cell::new(0))).unwrap();
    let report = recorder.report();
    let turns = report.stretches().iter().max_by_key(|stretch| stretch.count()).unwrap();
    assert_eq!(turns.count(), TURNS - 2);
    let rare = report
        .stretches()
        .iter()
        .find(|stretch| stretch.to().line() == rare_line)
        .unwrap();
    assert!(rare.max() >= MS(30) && rare.total() >= MS(30), "{report}");
    assert_eq!(rare.count(), 1);
}
