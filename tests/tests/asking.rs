//! `Scope::asking`: a host that check points ask on its own thread.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::ready;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cancelable::testing::Clock;
use cancelable::thread;
use cancelable::{
    CancellationToken, Cancelled, Context, IteratorExt as _, ReasonKind, Scope, StreamEnd, StreamExt as _,
    cancel_scope, cancelable, check, checkpoint, condition, current, guard, is_cancelled, shield, shield_sync,
};
use futures::executor::block_on;
use futures::{StreamExt as _, stream};

type Outcome = Result<(), Cancelled>;

const EVERY: Duration = Duration::from_millis(10);
const SHORT: Duration = Duration::from_millis(9);
const LONG: Duration = Duration::from_secs(3600);

#[derive(Debug, PartialEq)]
struct KeyboardInterrupt;

impl fmt::Display for KeyboardInterrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyboardInterrupt")
    }
}

impl std::error::Error for KeyboardInterrupt {}

/// An interpreter that is neither `Send` nor `Sync`, with a clock to tell how often it is asked.
#[derive(Default)]
struct Interpreter {
    clock: Clock,
    calls: Cell<u32>,
    is_interrupted: Cell<bool>,
    _of_its_thread: PhantomData<*const ()>,
}

impl Interpreter {
    fn check_signals(&self) -> Result<(), KeyboardInterrupt> {
        self.calls.set(self.calls.get() + 1);
        if self.is_interrupted.get() {
            Err(KeyboardInterrupt)
        } else {
            Ok(())
        }
    }

    /// What the host may call from time to time. Borrows, as what a `Python<'py>` lends out.
    fn scope(&self) -> cancelable::AskingScope<impl FnMut() -> Result<(), KeyboardInterrupt>> {
        Scope::new().asking(EVERY, || self.check_signals())
    }

    /// Ctrl-C; and it is time to ask.
    fn interrupt(&self) {
        self.is_interrupted.set(true);
        self.clock.advance(EVERY);
    }

    fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        self.clock.sync_scope(f)
    }
}

fn assert_interrupted(cancelled: &Cancelled) {
    assert_eq!(cancelled.kind(), ReasonKind::Error);
    let source = cancelled.reason().source().and_then(|error| error.downcast_ref());
    assert_eq!(source, Some(&KeyboardInterrupt));
}

// When it is asked ----------------------------------------------------------------------------------------------------

#[test]
fn it_is_asked_as_the_scope_begins_and_then_once_in_the_interval_however_many_check_points_there_are() {
    let py = Interpreter::default();
    let outcome: Outcome = py.run(|| {
        py.scope().run_sync(|| {
            let check_often = || (0..1000).try_for_each(|_| check());
            assert_eq!(py.calls.get(), 1);
            check_often()?;
            py.clock.advance(SHORT);
            check_often()?;
            assert_eq!(py.calls.get(), 1);
            py.clock.advance(EVERY - SHORT);
            assert_eq!(py.calls.get(), 1, "nobody but a check point asks");
            check_often()?;
            assert_eq!(py.calls.get(), 2);
            // What was missed is not made up for.
            py.clock.advance(LONG);
            check_often()?;
            assert_eq!(py.calls.get(), 3);
            py.clock.advance(SHORT);
            check_often()
        })
    });
    outcome.unwrap();
    assert_eq!(py.calls.get(), 3);
}

#[test]
fn the_interval_begins_when_it_has_answered() {
    let (clock, calls) = (Clock::new(), Cell::new(0));
    let slow = || {
        calls.set(calls.get() + 1);
        clock.advance(LONG);
        false
    };
    let outcome: Outcome = clock.sync_scope(|| {
        Scope::new().asking(EVERY, slow).run_sync(|| {
            check()?;
            clock.advance(SHORT);
            check()?;
            assert_eq!(calls.get(), 1);
            clock.advance(EVERY - SHORT);
            check()
        })
    });
    outcome.unwrap();
    assert_eq!(calls.get(), 2);
}

#[test]
fn by_real_time_the_timer_says_when_it_is_time() {
    let (calls, began) = (Cell::new(0_u32), Instant::now());
    let third = || {
        calls.set(calls.get() + 1);
        calls.get() == 3
    };
    let outcome: Outcome = Scope::new().asking(EVERY, third).run_sync(|| {
        loop {
            check()?
        }
    });
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
    assert_eq!(calls.get(), 3);
    assert!(began.elapsed() >= 2 * EVERY, "{:?}", began.elapsed());
}

#[test]
fn zero_counts_as_a_millisecond_and_a_duration_beyond_the_clock_is_never_again() {
    let tick = Duration::from_millis(1);
    for (every, step, expected) in [
        (Duration::ZERO, tick / 2, 1),
        (Duration::ZERO, tick, 2),
        (Duration::MAX, LONG, 1),
    ] {
        let (clock, calls) = (Clock::new(), Cell::new(0));
        let count = || {
            calls.set(calls.get() + 1);
            false
        };
        let outcome: Outcome = clock.sync_scope(|| {
            Scope::new().asking(every, count).run_sync(|| {
                check()?;
                clock.advance(step);
                check()?;
                check()
            })
        });
        outcome.unwrap();
        assert_eq!(calls.get(), expected, "{every:?}, {step:?}");
    }
}

#[test]
fn who_is_cancelled_already_does_not_ask() {
    let py = Interpreter::default();
    let stop = CancellationToken::new();
    let begin = |scope: Scope| scope.asking(EVERY, || py.check_signals());
    py.run(|| {
        let cancelled = begin(Scope::new().parent(&stop)).run_sync(|| -> Outcome {
            stop.cancel_with("enough");
            py.interrupt();
            check()
        });
        assert_eq!(cancelled.unwrap_err().reason().message(), Some("enough"));
        let timed_out = begin(Scope::new().timeout(EVERY)).run_sync(|| -> Outcome {
            py.clock.advance(LONG);
            check()
        });
        // It was interrupted before.
        assert_interrupted(&timed_out.unwrap_err());
        py.is_interrupted.set(false);
        let timed_out = begin(Scope::new().timeout(EVERY)).run_sync(|| -> Outcome {
            py.interrupt();
            check()
        });
        assert!(timed_out.unwrap_err().is_timeout());
        assert_eq!(py.calls.get(), 3, "each as it began");
        let not_begun = begin(Scope::new().parent(&stop)).run_sync(|| -> Outcome { panic!("the body does not start") });
        assert!(not_begun.is_err());
        assert_eq!(py.calls.get(), 3);
    });
}

// What it says --------------------------------------------------------------------------------------------------------

#[test]
fn an_error_is_the_source_of_the_reason_and_true_is_a_condition_with_a_line() {
    let py = Interpreter::default();
    let outcome: Outcome = py.run(|| {
        py.scope().run_sync(|| {
            check()?;
            py.interrupt();
            check()
        })
    });
    assert_interrupted(&outcome.unwrap_err());

    let line = line!() + 1;
    let outcome: Outcome = Scope::new().asking(EVERY, || true).run_sync(|| Ok(()));
    let cancelled = outcome.unwrap_err();
    assert_eq!(cancelled.kind(), ReasonKind::Condition);
    let expected = format!("condition \"tests/tests/asking.rs:{line}\" came true");
    assert_eq!(cancelled.reason().to_string(), expected);
    assert_eq!(cancelled.observed_at().line(), line);
}

#[test]
fn if_it_says_so_as_the_scope_begins_the_body_starts_only_if_it_is_to_run_anyway() {
    let ends = || Scope::new().asking(EVERY, || true);
    let outcome: Outcome = ends().run_sync(|| panic!("the body does not start"));
    assert!(outcome.is_err());
    let outcome: Outcome = ends().run_sync_with(|_| panic!("the body does not start"));
    assert!(outcome.is_err());
    assert!(ends().run_anyway_sync(is_cancelled));
    let goes_on = || Scope::new().asking(EVERY, || false);
    let token: Result<_, Cancelled> = goes_on().run_sync_with(|token| Ok((token.clone(), current())));
    let (token, ambient) = token.unwrap();
    assert_eq!(token, ambient);
    assert_eq!(token.reason().unwrap().kind(), ReasonKind::ScopeEnded);
}

// Who asks ------------------------------------------------------------------------------------------------------------

#[cancelable]
fn entry() -> Outcome {
    Ok(())
}

/// Interrupts when the loop runs, so that its next iteration fails.
#[cancelable]
fn iteration(py: &Interpreter) -> Outcome {
    for n in 0..3 {
        if n == 0 {
            py.interrupt();
        } else {
            panic!("iteration {n} began");
        }
    }
    Ok(())
}

#[cancelable]
async fn finishes() -> Outcome {
    #[cancelable(finish)]
    ready(()).await;
    Ok(())
}

#[cancelable]
async fn awaits(py: &Interpreter) -> Outcome {
    py.interrupt();
    ready(()).await;
    Ok(())
}

#[test]
fn every_kind_of_check_point_asks() {
    type Plain = fn() -> Outcome;
    type Body = fn(&Interpreter) -> Outcome;
    let after = |body: Plain| {
        move |py: &Interpreter| {
            py.interrupt();
            body()
        }
    };
    let plain: [(&str, Plain); 9] = [
        ("check", check),
        ("is_cancelled", || if is_cancelled() { check() } else { Ok(()) }),
        ("entry", entry),
        ("a scope's entry", || Scope::new().run_sync(|| panic!("begun"))),
        ("until_cancelled", || {
            [1].iter().until_cancelled().try_for_each(|item| item.map(drop))
        }),
        ("checkpoint", || block_on(async { checkpoint().await })),
        ("guard", || block_on(guard(ready(())))),
        ("finish", || block_on(finishes())),
        ("a stream", || {
            let items = stream::iter([1]).until_cancelled(StreamEnd::AfterItem);
            let seen: Vec<_> = block_on(items.collect());
            assert!(seen.is_empty());
            check()
        }),
    ];
    let others: [(&str, Body); 3] = [
        ("an iteration", iteration),
        ("an await", |py| block_on(awaits(py))),
        ("an await in a scope that has no token", |py| {
            block_on(Scope::new().run(awaits(py)))
        }),
    ];
    let ask = |name: &str, body: &dyn Fn(&Interpreter) -> Outcome| {
        let py = Interpreter::default();
        let outcome = py.run(|| py.scope().run_sync(|| body(&py)));
        assert_interrupted(&outcome.expect_err(name));
        assert_eq!(py.calls.get(), 2, "{name}");
    };
    for (name, body) in plain {
        ask(name, &after(body));
    }
    for (name, body) in others {
        ask(name, &body);
    }
}

#[test]
fn what_is_nested_asks_for_the_scope_outside() {
    let given = CancellationToken::new();
    let context = given.sync_scope(Context::current);
    let interrupted_in = |enter: &dyn Fn(&mut dyn FnMut()), inner_fails: bool| {
        let py = Interpreter::default();
        let outcome: Outcome = py.run(|| {
            py.scope().run_sync(|| {
                enter(&mut || {
                    check().unwrap();
                    py.interrupt();
                    assert_eq!(check().is_err(), inner_fails);
                });
                assert_eq!(py.calls.get(), 2);
                check()
            })
        });
        assert_interrupted(&outcome.unwrap_err());
        assert_eq!(py.calls.get(), 2, "it is not asked again");
    };
    let in_scope = |scope: fn() -> Scope| move |f: &mut dyn FnMut()| scope().run_anyway_sync(f);
    interrupted_in(&in_scope(Scope::new), true);
    interrupted_in(&in_scope(|| Scope::new().name("inner").timeout(LONG)), true);
    interrupted_in(&in_scope(|| Scope::new().until(condition(LONG, || false))), true);
    interrupted_in(&in_scope(|| Scope::new().detached()), false);
    interrupted_in(&|f| given.sync_scope(f), false);
    interrupted_in(&|f| Scope::new().parent(&given).run_anyway_sync(f), false);
    interrupted_in(&|f| context.run(f), false);
    interrupted_in(&|f| shield_sync(f), false);
    interrupted_in(&|f| block_on(shield(async { f() })), false);
    interrupted_in(&|f| block_on(Scope::new().run_anyway(async { f() })), true);
    interrupted_in(&|f| Scope::new().asking(LONG, || false).run_anyway_sync(f), true);
    assert!(!given.is_cancelled());
}

#[test]
fn of_two_hosts_each_cancels_its_own_scope() {
    let (outer, inner) = (Interpreter::default(), Interpreter::default());
    let outcome: Outcome = outer.run(|| {
        outer.scope().run_sync(|| {
            let outcome: Outcome = inner.scope().run_sync(|| {
                inner.is_interrupted.set(true);
                outer.clock.advance(EVERY);
                check()
            });
            assert_interrupted(&outcome.unwrap_err());
            check()
        })
    });
    outcome.unwrap();
    assert_eq!([&outer, &inner].map(|py| py.calls.get()), [2, 2]);
}

#[test]
fn threads_inside_do_not_ask_and_end_with_the_scope() {
    let py = Interpreter::default();
    let (tell, told) = mpsc::channel();
    let outcome: Outcome = py.run(|| {
        py.scope().run_sync(|| {
            let clock = py.clock.clone();
            let worker = thread::spawn(move || {
                clock.sync_scope(|| {
                    clock.advance(EVERY);
                    tell.send(check().is_ok()).unwrap();
                    current().wait();
                    check()
                })
            });
            assert_eq!(told.recv(), Ok(true));
            assert_eq!(py.calls.get(), 1);
            py.is_interrupted.set(true);
            let outcome = check();
            assert_interrupted(&worker.join().unwrap().unwrap_err());
            outcome
        })
    });
    assert_interrupted(&outcome.unwrap_err());
}

#[test]
fn when_the_scope_is_over_nobody_asks() {
    let py = Interpreter::default();
    py.run(|| {
        let outer: Outcome = Scope::new().run_sync(|| {
            let inner: Result<CancellationToken, Cancelled> = py.scope().run_sync(|| Ok(current()));
            inner.unwrap();
            py.interrupt();
            check()
        });
        outer.unwrap();
        check().unwrap();
    });
    assert_eq!(py.calls.get(), 1);
}

// The host's code -----------------------------------------------------------------------------------------------------

#[test]
fn check_points_in_the_hosts_code_do_not_ask_it_again_and_do_not_fail() {
    let (clock, calls, stop) = (Clock::new(), Cell::new(0), CancellationToken::new());
    let host = || {
        calls.set(calls.get() + 1);
        clock.advance(LONG);
        assert_eq!(current(), CancellationToken::never());
        check().unwrap();
        entry().unwrap();
        assert!(Scope::new().run_sync(check).is_ok());
        // The scope is cancelled while it is being asked.
        stop.cancel_with("enough");
        assert!(!is_cancelled());
        true
    };
    let outcome: Outcome = clock.sync_scope(|| Scope::new().parent(&stop).asking(EVERY, host).run_sync(check));
    assert_eq!(outcome.unwrap_err().reason().message(), Some("enough"));
    assert_eq!(calls.get(), 1);
}

#[test]
fn callbacks_of_the_cancel_may_check() {
    let py = Interpreter::default();
    let (tell, told) = mpsc::channel();
    let outcome: Outcome = py.run(|| {
        py.scope().run_sync_with(|token| {
            let clock = py.clock.clone();
            let callback = token.on_cancel(move |_| {
                clock.advance(EVERY);
                tell.send(check().is_err()).unwrap();
            });
            callback.detach();
            py.interrupt();
            check()
        })
    });
    assert_interrupted(&outcome.unwrap_err());
    assert_eq!(told.try_recv(), Ok(true));
    assert_eq!(py.calls.get(), 2);
}

#[test]
fn a_panic_passes_through_the_check_point_and_leaves_the_frames_right() {
    let (clock, calls) = (Clock::new(), RefCell::new(Vec::new()));
    let host = || {
        calls.borrow_mut().push(current());
        assert!(calls.borrow().len() != 2, "on purpose");
        false
    };
    let outside = CancellationToken::new();
    clock.sync_scope(|| {
        let caught: Outcome = outside.sync_scope(|| {
            Scope::new().asking(EVERY, host).run_sync_with(|token| {
                clock.advance(EVERY);
                let inner = CancellationToken::new();
                let panics = || inner.sync_scope(check);
                assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
                assert_eq!(current(), *token);
                check()?;
                assert_eq!(calls.borrow().len(), 2, "not before its time");
                clock.advance(EVERY);
                check()
            })
        });
        caught.unwrap();
        assert_eq!(calls.borrow().len(), 3);

        let panics = || -> Outcome {
            Scope::new()
                .asking(EVERY, || -> bool { panic!("on purpose") })
                .run_sync(check)
        };
        assert!(outside.sync_scope(|| catch_unwind(panics)).is_err());
        assert_eq!(current(), CancellationToken::never());
        clock.advance(EVERY);
        check().unwrap();
        assert_eq!(calls.borrow().len(), 3);
    });
}

#[test]
fn it_is_shown_as_the_scope_it_is() {
    let scope = Scope::new().name("import").asking(EVERY, || false);
    let shown = format!("{scope:?}");
    assert!(
        shown.starts_with("AskingScope { scope: Scope { name: Some(\"import\")"),
        "{shown}"
    );
}

// The macros.

#[test]
fn the_macros_take_a_host_and_how_often_it_is_asked() {
    #[cancelable(asking = ("10ms", || py.check_signals()), name = "solve")]
    fn solve(py: &Interpreter, mut steps: u32) -> Outcome {
        while steps > 0 {
            steps -= 1;
            py.clock.advance(SHORT);
            py.is_interrupted.set(steps == 0);
        }
        py.clock.advance(LONG);
        check()
    }
    let py = Interpreter::default();
    let error = py.clock.sync_scope(|| solve(&py, 4)).unwrap_err();
    assert_eq!((error.kind(), error.scope_name()), (ReasonKind::Error, Some("solve")));
    assert_eq!(py.calls.get(), 3, "at once, and in every other iteration");

    let py = Interpreter::default();
    let every = EVERY;
    let mut turns = 0;
    let is_over = Cell::new(false);
    let outcome: Outcome = py.clock.sync_scope(|| {
        cancel_scope!(
            timeout = LONG,
            asking = (every, || py.check_signals()),
            finally = { is_over.set(true) },
            {
                loop {
                    turns += 1;
                    py.clock.advance(EVERY);
                    py.is_interrupted.set(turns == 3);
                }
            }
        )
    });
    let line = line!() - 11;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind(), turns, py.calls.get()), (ReasonKind::Error, 3, 4));
    assert_eq!(error.reason().location().line(), line);
    assert!(is_over.get());
}

#[test]
fn a_macro_whose_host_says_stop_at_once_does_not_start_its_body() {
    let outcome: Outcome = cancel_scope!(asking = ("10ms", || true), { unreachable!() });
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
}
