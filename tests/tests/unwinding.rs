//! `unwinding`: code that can only panic, left by a check point.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cancelable::{
    CancellationToken, Cancelled, ReasonKind, Scope, cancelable, check, check_unwinding, current, shield_sync, thread,
    unwinding,
};

/// Sorts, and cancels at the `at`th comparison.
fn sort(numbers: &mut [u32], token: &CancellationToken, at: usize) -> Result<(), Cancelled> {
    let compared = Cell::new(0);
    unwinding(|| {
        numbers.sort_by(|a, b| {
            compared.set(compared.get() + 1);
            if compared.get() == at {
                token.cancel();
            }
            check_unwinding();
            a.cmp(b)
        });
    })
}

#[test]
fn a_sort_ends_at_the_comparison_that_notices_and_loses_nothing() {
    let unsorted: Vec<u32> = (0..1000).map(|n| n * 7919 % 1009).collect();
    let mut sorted = unsorted.clone();
    sorted.sort_unstable();
    for at in [1, 2, 500, 3000] {
        let token = CancellationToken::new();
        let mut numbers = unsorted.clone();
        assert!(token.sync_scope(|| sort(&mut numbers, &token, at)).is_err());
        numbers.sort_unstable();
        assert_eq!(numbers, sorted);
    }
    let mut numbers = unsorted;
    let token = CancellationToken::new();
    token.sync_scope(|| sort(&mut numbers, &token, usize::MAX)).unwrap();
    assert_eq!(numbers, sorted);
}

#[test]
fn l18_with_no_scope_it_is_as_if_it_were_not_there() {
    assert_eq!(unwinding(|| 7).unwrap(), 7);
    check_unwinding();
    assert!(
        unwinding(|| ["b", "a"].sort_by(|a, b| {
            check_unwinding();
            a.cmp(b)
        }))
        .is_ok()
    );
}

#[test]
fn l15_a_scope_inside_it_may_be_what_is_cancelled_also_where_there_is_none_outside() {
    let outcome = unwinding(|| {
        Scope::new().name("inner").timeout(Duration::ZERO).run_anyway_sync(|| {
            check_unwinding();
            unreachable!("it is late from the start")
        })
    });
    let outcome: Result<(), Cancelled> = outcome;
    let error = outcome.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.scope_name(), Some("inner"));
}

#[test]
fn the_innermost_one_has_it() {
    let token = CancellationToken::new();
    token.cancel();
    token.sync_scope(|| {
        let outer = unwinding(|| {
            assert!(unwinding(check_unwinding).is_err());
            "went on"
        });
        assert_eq!(outer.unwrap(), "went on");
    });
}

#[test]
fn l21_other_panics_pass() {
    let panic = catch_unwind(|| unwinding(|| panic!("on purpose"))).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "on purpose");
}

#[test]
fn l20_destructors_on_the_way_see_the_token_and_what_is_outside_comes_back() {
    struct Sees<'a>(&'a Cell<Option<CancellationToken>>);
    impl Drop for Sees<'_> {
        fn drop(&mut self) {
            self.0.set(Some(current()));
        }
    }
    let [outer, inner] = [(); 2].map(|()| CancellationToken::new());
    let seen = Cell::new(None);
    outer.sync_scope(|| {
        let outcome = unwinding(|| {
            inner.sync_scope(|| {
                let _sees = Sees(&seen);
                inner.cancel();
                check_unwinding();
            });
        });
        assert!(outcome.is_err());
        assert_eq!(current(), outer);
    });
    assert_eq!(seen.take(), Some(inner));
}

#[test]
fn l23_without_one_round_it_the_panic_says_so() {
    let token = CancellationToken::new();
    token.cancel_with("stop");
    let panic = token.sync_scope(|| catch_unwind(check_unwinding).unwrap_err());
    let text = panic.downcast::<String>().unwrap();
    assert!(
        text.contains("no `cancelable::unwinding` round this") && text.contains("stop"),
        "{text}"
    );
}

#[test]
fn l23_a_thread_does_not_unwind_silently_because_its_creator_would_have_caught_that() {
    let token = CancellationToken::new();
    token.cancel();
    let outcome = token.sync_scope(|| unwinding(|| thread::spawn(check_unwinding).join()));
    let panic = outcome.expect("nothing has unwound here").unwrap_err();
    assert!(panic.is::<String>(), "an ordinary panic, with a message");
}

/// The panic hook is the process's: tests that look at it take turns.
static HOOK: Mutex<()> = Mutex::new(());

#[test]
fn the_panic_hook_is_not_called() {
    let _turn = HOOK.lock().unwrap();
    static CALLED: AtomicUsize = AtomicUsize::new(0);
    let mine = std::thread::current().id();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == mine {
            CALLED.fetch_add(1, Ordering::SeqCst);
        } else {
            before(info);
        }
    }));
    let token = CancellationToken::new();
    token.cancel();
    assert!(token.sync_scope(|| unwinding(check_unwinding)).is_err());
    assert_eq!(CALLED.load(Ordering::SeqCst), 0);
    assert!(catch_unwind(|| unwinding(|| panic!("on purpose"))).is_err());
    assert_eq!(CALLED.load(Ordering::SeqCst), 1, "that it counts at all");
    drop(std::panic::take_hook());
}

#[cancelable]
fn weight(word: &str) -> Result<usize, Cancelled> {
    Ok(word.len())
}

#[test]
fn what_fails_in_a_visitor_of_any_kind_gets_out_with_its_own_error() {
    let token = CancellationToken::new();
    let mut words = BTreeMap::from([("one", 1), ("two", 2), ("three", 3)]);
    let outcome = token.sync_scope(|| {
        unwinding(|| {
            words.retain(|word, n| {
                if *n == 2 {
                    token.cancel_with(cancelable::CancelReason::shutdown());
                }
                weight(word).unwrap_or_else(|cancelled| cancelled.unwind()) > 0
            });
        })
    });
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ReasonKind::Shutdown);
    assert_eq!(error.function_line(), line_of_weight());
    assert!(!words.is_empty());
}

trait FunctionLine {
    fn function_line(&self) -> u32;
}

impl FunctionLine for Cancelled {
    fn function_line(&self) -> u32 {
        self.observed_at().line()
    }
}

/// Entry: the line of the function's name.
fn line_of_weight() -> u32 {
    let token = CancellationToken::new();
    token.cancel();
    token.sync_scope(|| weight("").unwrap_err().observed_at().line())
}

#[test]
fn l13_in_a_shield_it_goes_on() {
    let token = CancellationToken::new();
    token.cancel();
    let outcome = token.sync_scope(|| {
        unwinding(|| {
            shield_sync(check_unwinding);
            "shielded"
        })
    });
    assert_eq!(outcome.unwrap(), "shielded");
}

#[test]
fn l9_after_it_the_scope_is_as_cancelled_as_it_was() {
    let token = CancellationToken::new();
    token.cancel();
    token.sync_scope(|| {
        assert!(unwinding(check_unwinding).is_err());
        assert!(check().is_err());
    });
    let caught = catch_unwind(AssertUnwindSafe(|| token.sync_scope(|| unwinding(check_unwinding))));
    assert!(caught.is_ok());
}

#[test]
fn l23_a_job_of_a_stranger_that_runs_in_the_middle_of_one_does_not_unwind_into_it() {
    // As on a worker of rayon's that waits in a `join` inside of `unwinding`: what is between is a context of nobody's.
    let token = CancellationToken::new();
    token.cancel();
    let job = || {
        token.sync_scope(|| {
            catch_unwind(AssertUnwindSafe(check_unwinding))
                .unwrap_err()
                .is::<String>()
        })
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let is_loud = Mutex::new(None);
    pool.install(|| {
        pool.in_place_scope(|s| {
            unwinding(|| {
                cancelable::rayon::scope(|inner| {
                    inner.spawn(|_| ());
                    // With one thread, the worker that waits for the job before takes this one up first.
                    s.spawn(|_| *is_loud.lock().unwrap() = Some(job()));
                });
            })
            .unwrap();
        });
    });
    assert_eq!(is_loud.into_inner().unwrap(), Some(true));
}

/// Else the process would end: "panic in a destructor during cleanup".
#[test]
fn a_destructor_on_the_way_does_not_unwind_once_more() {
    struct SortsAtTheEnd<'a>(&'a Cell<u32>);

    impl Drop for SortsAtTheEnd<'_> {
        fn drop(&mut self) {
            let mut numbers = [3, 1, 2];
            numbers.sort_by(|a, b| {
                check_unwinding();
                a.cmp(b)
            });
            assert_eq!(numbers, [1, 2, 3]);
            self.0.set(self.0.get() + 1);
            // One of its own catches.
            assert!(unwinding(check_unwinding).is_err());
            self.0.set(self.0.get() + 1);
        }
    }

    let (token, ended) = (CancellationToken::new(), Cell::new(0));
    let outcome = token.sync_scope(|| {
        unwinding(|| {
            let _sorts = SortsAtTheEnd(&ended);
            token.cancel();
            check_unwinding();
        })
    });
    assert!(outcome.is_err());
    assert_eq!(ended.get(), 2);
}
