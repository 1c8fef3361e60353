//! `thread::scope` and `thread::Builder`: threads that borrow, and that end together.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use cancelable::thread::{self, Builder};
use cancelable::{CancellationToken, Cancelled, ReasonKind, Scope, check, current, shield_sync};

#[derive(Debug)]
enum Failure {
    Own(&'static str),
    Cancelled(Cancelled),
    NoThread(io::ErrorKind),
}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::NoThread(error.kind())
    }
}

impl Failure {
    fn own(&self) -> &'static str {
        match self {
            Self::Own(text) => text,
            other => panic!("{other:?}"),
        }
    }
}

/// Until it is cancelled.
fn endless<T>() -> Result<T, Failure> {
    loop {
        check()?;
    }
}

#[test]
fn threads_borrow_and_their_values_are_had_by_joining_them() {
    let words = ["a".to_owned(), "bc".to_owned()];
    let mut counted = 0;
    let lengths = thread::scope(|s| {
        let handles: Vec<_> = words.iter().map(|word| s.spawn(|| Ok(word.len()))).collect();
        s.spawn(|| {
            counted += 1;
            Ok(())
        });
        handles
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect::<Result<Vec<_>, Failure>>()
    });
    assert_eq!((lengths.unwrap(), counted), (vec![1, 2], 1));
}

#[test]
fn l24_the_first_failure_ends_the_others_and_is_what_comes_out_whether_or_not_they_are_joined() {
    type Body = fn(&thread::Scope<'_, '_, Failure>) -> Result<(), Failure>;
    let bodies: [Body; 4] = [
        // Nobody joins.
        |s| {
            s.spawn(endless::<()>);
            s.spawn(|| Err::<(), _>(Failure::Own("broken")));
            Ok(())
        },
        // The one that was ended is joined first.
        |s| {
            let ended = s.spawn(endless::<()>);
            s.spawn(|| Err::<(), _>(Failure::Own("broken")));
            ended.join()
        },
        // Both are joined, and the first error is kept.
        |s| {
            let ended = s.spawn(endless::<()>);
            let failed = s.spawn(|| Err::<(), _>(Failure::Own("broken")));
            let (first, second) = (ended.join(), failed.join());
            assert!(
                matches!(second, Err(Failure::Cancelled(_))),
                "what is left is what followed from it"
            );
            first
        },
        // The body is what was ended.
        |s| {
            s.spawn(|| Err::<(), _>(Failure::Own("broken")));
            endless()
        },
    ];
    for body in bodies {
        assert_eq!(thread::scope(body).unwrap_err().own(), "broken");
    }
}

#[test]
fn a_body_that_fails_ends_the_threads() {
    let ended = Mutex::new(None);
    let started = Barrier::new(2);
    let failed: Result<(), Failure> = thread::scope(|s| {
        s.spawn(|| {
            started.wait();
            let error = endless::<()>().unwrap_err();
            *ended.lock().unwrap() = current().reason();
            Err::<(), _>(error)
        });
        started.wait();
        Err(Failure::Own("the body"))
    });
    assert_eq!(failed.unwrap_err().own(), "the body");
    assert_eq!(ended.into_inner().unwrap().unwrap().kind(), ReasonKind::Superseded);
}

#[test]
fn a_failure_that_the_body_has_taken_and_made_good_does_not_count() {
    let outcome: Result<&str, Failure> = thread::scope(|s| {
        let failed = s.spawn(|| Err::<(), _>(Failure::Own("broken")));
        assert_eq!(failed.join().unwrap_err().own(), "broken");
        Ok("made good")
    });
    assert_eq!(outcome.unwrap(), "made good");

    // Nor does one that has followed from it, in a thread that nobody joins.
    let started = Barrier::new(2);
    let outcome: Result<&str, Failure> = thread::scope(|s| {
        s.spawn(|| {
            started.wait();
            endless::<()>()
        });
        started.wait();
        let failed = s.spawn(|| Err::<(), _>(Failure::Own("broken")));
        assert_eq!(failed.join().unwrap_err().own(), "broken");
        Ok("made good")
    });
    assert_eq!(outcome.unwrap(), "made good");
}

#[test]
fn l21_a_panic_of_a_thread_ends_the_others_and_passes() {
    for is_joined in [false, true] {
        let ended = AtomicUsize::new(0);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            thread::scope(|s| {
                let started = Arc::new(Barrier::new(2));
                let has_started = Arc::clone(&started);
                let ended = &ended;
                s.spawn(move || {
                    has_started.wait();
                    let outcome = endless::<()>();
                    ended.fetch_add(1, Ordering::SeqCst);
                    outcome
                });
                let panics = s.spawn(move || -> Result<(), Failure> {
                    started.wait();
                    panic!("on purpose")
                });
                if is_joined {
                    panics.join()?;
                }
                Ok(())
            })
        }));
        assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "on purpose");
        assert_eq!(ended.into_inner(), 1, "it was waited for");
    }
}

#[test]
fn l21_a_panic_of_the_body_ends_the_threads_and_passes() {
    let (kind, started) = (Mutex::new(None), Barrier::new(2));
    let panic = catch_unwind(AssertUnwindSafe(|| {
        thread::scope(|s| {
            s.spawn(|| {
                started.wait();
                let outcome = endless::<()>();
                *kind.lock().unwrap() = current().reason().map(|reason| reason.kind());
                outcome
            });
            started.wait();
            assert!(s.token().is_cancelled(), "on purpose");
            Ok::<(), Failure>(())
        })
    }));
    assert!(panic.is_err());
    assert_eq!(kind.into_inner().unwrap(), Some(ReasonKind::Dropped));
}

#[test]
fn l2_a_cancel_of_the_scope_outside_ends_all() {
    let token = CancellationToken::new();
    let started = Barrier::new(3);
    let outcome: Result<(), Failure> = token.sync_scope(|| {
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    started.wait();
                    endless::<()>()
                });
            }
            started.wait();
            token.cancel_with("closing");
            Ok(())
        })
    });
    match outcome.unwrap_err() {
        Failure::Cancelled(cancelled) => assert_eq!(cancelled.reason().to_string(), "closing"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn l9_under_a_cancelled_token_the_body_does_not_start() {
    let token = CancellationToken::new();
    token.cancel();
    let outcome: Result<(), Failure> = token.sync_scope(|| thread::scope(|_| unreachable!("it is cancelled")));
    assert!(matches!(outcome, Err(Failure::Cancelled(_))));
}

#[test]
fn l17_after_it_nothing_of_it_is_left() {
    let token = CancellationToken::new();
    let inner = token
        .sync_scope(|| {
            thread::scope(|s| {
                s.spawn(|| Ok(()));
                Ok::<_, Failure>(s.token().clone())
            })
        })
        .unwrap();
    assert_eq!(inner.reason().unwrap().kind(), ReasonKind::ScopeEnded);
    assert_eq!(tests::children(&token), "0");
}

#[test]
fn threads_inherit_the_name_of_the_scope() {
    let outcome: Result<(), Failure> = Scope::new()
        .name("index")
        .timeout(Duration::from_millis(1))
        .run_sync(|| {
            thread::scope(|s| {
                s.spawn(endless::<()>);
                Ok(())
            })
        });
    match outcome.unwrap_err() {
        Failure::Cancelled(cancelled) => assert_eq!(cancelled.scope_name(), Some("index")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_thread_may_start_others_which_are_waited_for_as_well() {
    let (sender, done) = mpsc::channel();
    thread::scope(|s| {
        let inner = s.clone();
        s.spawn(move || {
            let innermost = inner.clone();
            inner.spawn(move || {
                innermost.spawn(move || {
                    shield_sync(|| sender.send("innermost").unwrap());
                    Ok(())
                });
                Ok(())
            });
            Ok(())
        });
        Ok::<(), Failure>(())
    })
    .unwrap();
    assert_eq!(done.try_recv(), Ok("innermost"));
}

#[test]
fn a_thread_that_joins_another_one_gets_its_value() {
    let sum: Result<u32, Failure> = thread::scope(|s| {
        let first = s.spawn(|| Ok(1));
        let second = s.spawn(move || Ok(first.join()? + 2));
        second.join()
    });
    assert_eq!(sum.unwrap(), 3);
}

// Builder -------------------------------------------------------------------------------------------------------------

fn name() -> Option<String> {
    std::thread::current().name().map(str::to_owned)
}

#[test]
fn a_builder_names_threads_of_both_kinds() {
    let named = || Builder::new().name("worker".into());
    let token = CancellationToken::new();
    let alone = token.sync_scope(|| named().spawn(|| (name(), current()))).unwrap();
    assert_eq!(alone.join().unwrap(), (Some("worker".to_owned()), token));
    let scoped: Result<_, Failure> = thread::scope(|s| named().spawn_scoped(s, || Ok(name()))?.join());
    assert_eq!(scoped.unwrap().as_deref(), Some("worker"));
    let plain = Builder::new().spawn(name).unwrap();
    assert_eq!(plain.join().unwrap(), None);
}

#[test]
fn a_builder_gives_stacks_of_the_size_asked_for() {
    fn deep(n: usize) -> usize {
        let page = std::hint::black_box([n as u8; 4096]);
        if n == 0 {
            0
        } else {
            deep(n - 1) + usize::from(page[n % 4096] == n as u8)
        }
    }
    // More than the usual 2 MiB.
    let deep = Builder::new().stack_size(64 << 20).spawn(|| deep(4000)).unwrap();
    assert_eq!(deep.join().unwrap(), 4000);
}

#[test]
fn l23_a_thread_that_cannot_be_started_is_an_error_there_and_ends_nobody() {
    // No address space is as large.
    let impossible = || Builder::new().stack_size(usize::MAX >> 1);
    assert!(impossible().spawn(|| ()).is_err());
    let outcome: Result<u32, Failure> = thread::scope(|s| {
        let other = s.spawn(|| Ok(7));
        match impossible().spawn_scoped(s, || Ok(())) {
            Ok(_) => panic!("there cannot be such a stack"),
            Err(_) => assert!(!s.token().is_cancelled()),
        }
        other.join()
    });
    assert_eq!(outcome.unwrap(), 7);
    let outcome: Result<(), Failure> = thread::scope(|s| {
        s.spawn(endless::<()>);
        impossible().spawn_scoped(s, || Ok(()))?.join()
    });
    assert!(
        matches!(outcome, Err(Failure::NoThread(kind)) if kind != io::ErrorKind::Interrupted),
        "{outcome:?}"
    );
}
