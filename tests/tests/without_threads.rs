//! Where no thread can be started, deadlines come all the same, and what needs a thread is an error where it is asked for (L23).
//!
//! Each test runs in a process of its own that can start no thread: one whose threads would by default have stacks larger than
//! the address space.

#![cfg(all(unix, target_pointer_width = "64"))]

use std::cell::Cell;
use std::future::{Future as _, pending, poll_fn};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use std::{env, fs, io, mem, thread};

use cancelable::{
    CancelReason, CancellationToken, Cancelled, ReasonKind, Scope, StreamEnd, StreamExt as _, all, any, blocking_sleep,
    check, condition, guard, race, sleep,
};
use futures::executor::block_on;
use futures::{StreamExt as _, stream};
use tests::{CountingWaker, paused_tokio, poll_with};

type Outcome = Result<(), Cancelled>;

const SHORT: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_secs(3600);

/// Runs `test` in a process without threads. The name is the test's own.
fn without_threads(name: &str, test: fn()) {
    const NAME: &str = "CANCELABLE_WITHOUT_THREADS";
    if env::var(NAME).is_ok_and(|running| running == name) {
        assert!(thread::Builder::new().spawn(|| ()).is_err(), "there are threads");
        test();
        return;
    }
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads=1", "--nocapture"])
        .env(NAME, name)
        .env("RUST_MIN_STACK", (1_u64 << 47).to_string())
        .status();
    assert!(status.unwrap().success());
}

/// A thread all the same: its stack is small.
fn spawn(f: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::Builder::new().stack_size(1 << 20).spawn(f).unwrap()
}

/// Waits until a thread sleeps, on a system that shows that.
fn sleeps(thread: io::Result<PathBuf>) {
    let Ok(thread) = thread else { return };
    let state = Path::new("/proc").join(thread).join("stat");
    while !fs::read_to_string(&state).unwrap().contains(") S ") {
        thread::yield_now();
    }
}

fn spin() -> Outcome {
    loop {
        check()?;
    }
}

/// A token with a short deadline, and when that is.
fn short() -> (CancellationToken, Instant) {
    let token = CancellationToken::new();
    let at = Instant::now() + SHORT;
    token.cancel_at(at);
    (token, at)
}

/// It is cancelled by its deadline, and not before that.
fn timed_out(token: &CancellationToken, at: Instant) {
    assert!(Instant::now() >= at);
    assert_eq!(token.reason().unwrap().kind(), ReasonKind::Timeout);
}

#[test]
fn l23_check_points_find_that_a_deadline_has_come() {
    without_threads("l23_check_points_find_that_a_deadline_has_come", || {
        let (token, at) = short();
        while !token.is_cancelled() {}
        timed_out(&token, at);

        let (token, at) = short();
        while token.check().is_ok() {}
        timed_out(&token, at);

        let (token, at) = short();
        assert!(token.sync_scope(spin).is_err());
        timed_out(&token, at);

        let outcome: Outcome = Scope::new().timeout(SHORT).run_sync(spin);
        assert!(outcome.unwrap_err().is_timeout());
        // Its token is needed at once.
        let outcome: Outcome = Scope::new().timeout(SHORT).run_sync_with(|token| {
            while token.check().is_ok() {}
            token.check()
        });
        assert!(outcome.unwrap_err().is_timeout());
        let outcome: Outcome = Scope::new().timeout(SHORT).run_sync(|| Scope::new().run_sync(spin));
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn l23_who_relies_on_the_deadline_of_another_token_finds_that_it_has_come() {
    without_threads(
        "l23_who_relies_on_the_deadline_of_another_token_finds_that_it_has_come",
        || {
            // Those that were there before the deadline, and those that came later.
            for is_earlier in [true, false] {
                let token = CancellationToken::new();
                let at = Instant::now() + SHORT;
                let make = |token: &CancellationToken| {
                    let child = token.child_token();
                    let linked = CancellationToken::any([&child, &CancellationToken::new()]);
                    let twice = CancellationToken::all([&linked.child_token(), token]);
                    [child.child_token(), linked, twice.child_token()]
                };
                let made = if is_earlier {
                    let made = make(&token);
                    token.cancel_at(at);
                    made
                } else {
                    token.cancel_at(at);
                    make(&token)
                };
                for one in &made {
                    while !one.is_cancelled() {}
                    timed_out(one, at);
                }
            }
            for make in [
                |token: &CancellationToken| token.child_token(),
                |token: &CancellationToken| CancellationToken::any([token]),
                |token: &CancellationToken| CancellationToken::all([token, token]),
            ] {
                let token = CancellationToken::new();
                let outcome: Outcome = Scope::new().parent(&make(&token)).run_sync(|| {
                    let _current = cancelable::current();
                    token.cancel_after(SHORT);
                    spin()
                });
                assert!(outcome.unwrap_err().is_timeout());
                let token = CancellationToken::new();
                let outcome: Outcome = Scope::new().link(make(&token)).run_sync(|| {
                    token.cancel_after(SHORT);
                    spin()
                });
                assert!(outcome.unwrap_err().is_timeout());
            }
        },
    );
}

#[test]
fn l23_threads_that_wait_are_back_when_the_deadline_has_come() {
    without_threads("l23_threads_that_wait_are_back_when_the_deadline_has_come", || {
        let (token, at) = short();
        token.wait();
        timed_out(&token, at);

        let (token, at) = short();
        assert!(token.child_token().wait_timeout(HOUR));
        timed_out(&token, at);
        let (token, _) = short();
        assert!(!token.wait_timeout(Duration::from_millis(1)));

        let (token, at) = short();
        let linked = CancellationToken::any([&token]);
        linked.wait();
        timed_out(&linked, at);

        let (token, at) = short();
        assert!(token.sync_scope(|| blocking_sleep(HOUR)).is_err());
        timed_out(&token, at);

        let (token, at) = short();
        assert!(
            token
                .sync_scope(|| cancelable::thread::block_on(pending::<()>()))
                .is_err()
        );
        timed_out(&token, at);

        let outcome: Outcome = Scope::new()
            .timeout(SHORT)
            .run_sync(|| cancelable::thread::block_on(pending()));
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn l23_a_thread_that_waits_already_hears_of_a_deadline_that_another_sets() {
    without_threads(
        "l23_a_thread_that_waits_already_hears_of_a_deadline_that_another_sets",
        || {
            let token = CancellationToken::new();
            let (told, is_told) = mpsc::channel();
            let waiting = [0, 1, 2].map(|n| {
                let (token, told) = (token.child_token(), told.clone());
                spawn(move || {
                    told.send(fs::read_link("/proc/thread-self")).unwrap();
                    match n {
                        0 => token.wait(),
                        1 => assert!(token.wait_timeout(HOUR)),
                        _ => {
                            let waited = token.sync_scope(|| cancelable::thread::block_on(pending::<()>()));
                            assert!(waited.unwrap_err().is_timeout());
                        }
                    }
                })
            });
            for thread in is_told.iter().take(3) {
                sleeps(thread);
            }
            token.cancel_after(SHORT);
            for thread in waiting {
                thread.join().unwrap();
            }
        },
    );
}

#[test]
fn l23_async_scopes_and_sleeps_end_in_time() {
    without_threads("l23_async_scopes_and_sleeps_end_in_time", || {
        let at = Instant::now() + SHORT;
        let outcome: Outcome = block_on(Scope::new().timeout(SHORT).run(async { guard(pending()).await? }));
        assert!(outcome.unwrap_err().is_timeout());
        assert!(Instant::now() >= at);

        let outcome: Outcome = block_on(Scope::new().timeout(SHORT).run_with(|token| async move {
            // Asked for, so that it is there.
            assert!(!token.is_cancelled());
            guard(pending()).await?
        }));
        assert!(outcome.unwrap_err().is_timeout());

        let at = Instant::now() + SHORT;
        block_on(sleep(SHORT)).unwrap();
        assert!(Instant::now() >= at);

        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let many = (0..50).map(|_| {
            Scope::new()
                .timeout(SHORT)
                .run(async { guard(pending::<Outcome>()).await? })
        });
        let many = runtime.block_on(futures::future::join_all(many));
        assert!(many.into_iter().all(|outcome| outcome.unwrap_err().is_timeout()));
    });
}

#[test]
fn l23_tasks_that_wait_for_a_token_hear_of_its_deadline() {
    without_threads("l23_tasks_that_wait_for_a_token_hear_of_its_deadline", || {
        let (token, at) = short();
        block_on(token.cancelled());
        timed_out(&token, at);

        let (token, at) = short();
        block_on(token.child_token().cancelled_owned());
        timed_out(&token, at);

        let (token, at) = short();
        block_on(CancellationToken::any([&token, &CancellationToken::new()]).cancelled());
        timed_out(&token, at);

        let (token, at) = short();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { tokio::join!(token.cancelled(), token.cancelled()) });
        timed_out(&token, at);
    });
}

#[test]
fn l23_awaits_and_scopes_under_a_token_end_at_its_deadline() {
    without_threads("l23_awaits_and_scopes_under_a_token_end_at_its_deadline", || {
        let noticed = |token: &CancellationToken, at, outcome: Outcome| {
            timed_out(token, at);
            assert!(outcome.unwrap_err().is_timeout());
        };
        let (token, at) = short();
        noticed(
            &token,
            at,
            token.sync_scope(|| block_on(async { guard(pending()).await? })),
        );

        let (token, at) = short();
        noticed(&token, at, block_on(token.scope(async { guard(pending()).await? })));

        // Nobody inside notices.
        let (token, at) = short();
        noticed(&token, at, block_on(Scope::new().parent(&token).run(pending())));

        let (token, at) = short();
        noticed(&token, at, block_on(Scope::new().until(&token).run(pending())));

        let (token, at) = short();
        let nested = Scope::new().run(Scope::new().name("inner").run(pending()));
        noticed(&token, at, token.sync_scope(|| block_on(nested)));

        let (token, at) = short();
        let mut items = Box::pin(stream::pending::<()>().until_cancelled_by(&token, StreamEnd::Now));
        assert!(block_on(items.next()).is_none());
        timed_out(&token, at);

        let (token, at) = short();
        noticed(
            &token,
            at,
            block_on(token.scope(async { race((guard(pending::<Outcome>()), guard(pending()))).await? })),
        );
    });
}

#[test]
fn l23_hosts_are_asked_by_the_clock() {
    without_threads("l23_hosts_are_asked_by_the_clock", || {
        let (calls, began) = (Cell::new(0), Instant::now());
        let third = || {
            calls.set(calls.get() + 1);
            calls.get() == 3
        };
        let cancelled = Scope::new().asking(SHORT, third).run_sync(spin).unwrap_err();
        assert_eq!(cancelled.kind(), ReasonKind::Condition);
        assert_eq!(calls.get(), 3);
        assert!(began.elapsed() >= 2 * SHORT);
    });
}

#[test]
fn callbacks_run_where_somebody_looks() {
    without_threads("callbacks_run_where_somebody_looks", || {
        let calls = Arc::new(AtomicUsize::new(0));
        let (token, _) = short();
        let counter = Arc::clone(&calls);
        let _callback = token.on_cancel(move |_| _ = counter.fetch_add(1, Ordering::SeqCst));
        while token.check().is_ok() {}
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn l23_sources_that_are_ready_at_once_work_and_others_are_an_error_where_the_scope_begins() {
    without_threads(
        "l23_sources_that_are_ready_at_once_work_and_others_are_an_error_where_the_scope_begins",
        || {
            let outcome: Outcome = Scope::new()
                .until(async {})
                .run_sync(|| unreachable!("it is cancelled"));
            assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);

            let is_error = |outcome: Outcome, line: u32| {
                let error = outcome.unwrap_err();
                assert_eq!(error.kind(), ReasonKind::Error);
                let reason = error.reason();
                assert_eq!((reason.location().file(), reason.location().line()), (file!(), line));
                let text = reason.to_string();
                assert!(
                    text.contains("no thread could be started to watch what may cancel the scope"),
                    "{text}"
                );
                let source = reason.source().unwrap();
                assert!(source.source().is_some(), "the system's own reason");
            };
            let body = || unreachable!("it is cancelled");
            is_error(Scope::new().until(pending::<()>()).run_sync(body), line!());
            is_error(Scope::new().until(condition(SHORT, || true)).run_sync(body), line!());
            let either = any((pending::<()>(), pending::<()>()));
            is_error(Scope::new().until(either).run_sync(body), line!());
            let body = async { unreachable!("it is cancelled") };
            is_error(block_on(Scope::new().until(sleep(HOUR)).run(body)), line!());

            // Another of them may be ready; the first reason stands.
            let outcome: Outcome = Scope::new()
                .until(all((async {}, async {})))
                .run_sync(|| unreachable!());
            assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
            let token = CancellationToken::new();
            token.cancel_with(CancelReason::shutdown());
            let outcome: Outcome = Scope::new().until(&token).until(pending::<()>()).run_sync(|| Ok(()));
            assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Shutdown);
        },
    );
}

#[test]
fn a_token_whose_deadline_is_moved_forward_goes_by_the_new_one() {
    without_threads("a_token_whose_deadline_is_moved_forward_goes_by_the_new_one", || {
        let token = CancellationToken::new();
        token.cancel_after(HOUR);
        assert!(token.check().is_ok() && token.remaining().is_some());
        token.cancel_after(SHORT);
        token.wait();
        assert!(token.check().unwrap_err().is_timeout());
    });
}

#[test]
fn a_task_that_waits_for_a_paused_clock_is_left_alone() {
    without_threads("a_task_that_waits_for_a_paused_clock_is_left_alone", || {
        paused_tokio().block_on(async {
            let (woken, waker) = CountingWaker::new();
            let scope = Scope::new().timeout(HOUR).run_with(|_| pending::<Outcome>());
            let mut scope = Box::pin(scope);
            assert!(poll_with(&mut scope, &waker).is_pending());
            assert_eq!(woken.count(), 0);
        });
    });
}

#[test]
fn a_task_looks_again_also_under_a_waker_that_is_not_that_of_the_scope_outside() {
    without_threads(
        "a_task_looks_again_also_under_a_waker_that_is_not_that_of_the_scope_outside",
        || {
            let token = CancellationToken::new();
            token.cancel_after(HOUR);
            let mut scope = Box::pin(Scope::new().run_with(|_| pending::<Outcome>()));
            let mut is_first = true;
            let (woken, foreign) = CountingWaker::new();
            let mut outside = Box::pin(token.scope(poll_fn(|cx| {
                let waker = if mem::take(&mut is_first) { cx.waker() } else { &foreign };
                scope.as_mut().poll(&mut Context::from_waker(waker))
            })));
            assert!(poll_with(&mut outside, Waker::noop()).is_pending());
            assert_eq!(woken.count(), 0);
            assert!(poll_with(&mut outside, Waker::noop()).is_pending());
            assert!(woken.count() > 0);
        },
    );
}
