//! Partial results: what a body has so far, beside the error.

use std::cell::{Cell, RefCell};
use std::error::Error as _;
use std::future::pending;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cancelable::{
    CancelReason, CancellationToken, Cancelled, CheckPoint, Partial, ReasonKind, Scope, cancel_scope, cancelable,
    check, current, guard, race, shield, sleep, thread,
};
use tests::{kind, on_every_runtime, paused_tokio, poll_once};

type Rows = Vec<u32>;
type Outcome<T, E = Cancelled> = Result<T, Partial<Rows, E>>;

const SHORT: Duration = Duration::from_millis(5);

fn cancelled() -> CancellationToken {
    let token = CancellationToken::new();
    token.cancel();
    token
}

// What there is, whichever way it ends.

#[test]
fn a_value_is_the_scopes_value() {
    let all: Outcome<Rows> = Scope::new().partial(vec![0]).run_sync(|rows| {
        rows.extend([1, 2]);
        Ok(mem::take(rows))
    });
    assert_eq!(all.unwrap(), [0, 1, 2]);
    on_every_runtime(|| async {
        let scope = Scope::new().partial(vec![0]);
        let all: Outcome<Rows> = scope
            .run(async |rows| {
                rows.push(1);
                sleep(Duration::from_millis(1)).await?;
                rows.push(2);
                Ok(mem::take(rows))
            })
            .await;
        assert_eq!(all.unwrap(), [0, 1, 2]);
    });
}

#[test]
fn l15_a_deadline_leaves_what_there_is() {
    let stopped = Scope::new()
        .name("search")
        .timeout(SHORT)
        .partial(Vec::new())
        .run_sync(|rows| {
            loop {
                rows.push(7);
                check()?;
            }
        });
    let Err::<(), _>(Partial { error, partial }): Outcome<()> = stopped else {
        panic!()
    };
    assert!(error.is_timeout());
    assert_eq!(error.scope_name(), Some("search"));
    assert_eq!((partial.first(), error.point()), (Some(&7), CheckPoint::Check));
}

#[test]
fn what_is_dropped_while_it_is_pending_leaves_what_there_is_on_every_runtime() {
    on_every_runtime(|| async {
        let plain = Scope::new()
            .timeout(SHORT)
            .partial(Vec::new())
            .run(async |rows: &mut Rows| {
                rows.push(1);
                pending::<()>().await;
                rows.push(2);
                Ok::<_, Cancelled>(())
            });
        let stopped = plain.await.unwrap_err();
        assert!(stopped.error.is_timeout());
        assert_eq!((stopped.partial, stopped.error.point()), (vec![1], CheckPoint::Await));
        let guarded = Scope::new()
            .timeout(SHORT)
            .partial(Vec::new())
            .run(async |rows: &mut Rows| {
                rows.push(1);
                let noticed = guard(pending::<()>()).await;
                // It has time to get out, and what it does there counts.
                shield(async { rows.push(3) }).await;
                noticed
            });
        assert_eq!(guarded.await.unwrap_err().partial, [1, 3]);
    });
}

#[test]
fn l14_what_outstays_its_grace_leaves_what_there_is() {
    paused_tokio().block_on(async {
        let scope = Scope::new().timeout(SHORT).grace(SHORT).partial(Vec::new());
        let stopped: Outcome<()> = scope
            .run(async |rows| {
                shield(async {
                    rows.push(1);
                    pending::<()>().await;
                })
                .await;
                Ok(())
            })
            .await;
        let stopped = stopped.unwrap_err();
        assert!(stopped.error.was_forced());
        assert_eq!(stopped.partial, [1]);
    });
}

#[test]
fn an_error_of_the_bodys_own_has_it_too() {
    #[derive(Debug, PartialEq)]
    enum Bad {
        Line(u32),
        Cancelled,
    }
    impl From<Cancelled> for Bad {
        fn from(_: Cancelled) -> Self {
            Self::Cancelled
        }
    }
    let parse = |limit: Duration| -> Outcome<(), Bad> {
        Scope::new().timeout(limit).partial(Rows::new()).run_sync(|rows| {
            for (line, text) in ["1", "2", "x"].into_iter().enumerate() {
                check()?;
                rows.push(text.parse().map_err(|_| Bad::Line(line as u32))?);
            }
            Ok(())
        })
    };
    assert!(matches!(parse(Duration::MAX), Err(Partial { error: Bad::Line(2), partial }) if partial == [1, 2]));
    assert!(matches!(parse(Duration::ZERO), Err(Partial { error: Bad::Cancelled, partial }) if partial.is_empty()));
}

#[test]
fn l09_what_has_not_begun_leaves_what_was_given() {
    let begun = Cell::new(0);
    let scopes = || {
        [
            Scope::new().timeout(Duration::ZERO),
            Scope::new().deadline(Instant::now() - SHORT),
            Scope::new().parent(&cancelled()),
            Scope::new().until(std::future::ready(())),
        ]
    };
    for scope in scopes() {
        let outcome: Outcome<()> = scope.partial(vec![5]).run_sync(|_| {
            begun.set(begun.get() + 1);
            Ok(())
        });
        let stopped = outcome.unwrap_err();
        assert_eq!((stopped.error.point(), stopped.partial), (CheckPoint::Scope, vec![5]));
    }
    for scope in scopes() {
        let outcome: Outcome<()> = futures::executor::block_on(scope.partial(vec![5]).run({
            begun.set(begun.get() + 1); // made, but not called
            async |_| {
                begun.set(100);
                Ok(())
            }
        }));
        let stopped = outcome.unwrap_err();
        assert_eq!((stopped.error.point(), stopped.partial), (CheckPoint::Scope, vec![5]));
    }
    assert_eq!(begun.get(), 4);
}

#[test]
fn l12_an_outer_cancel_comes_out_with_what_there_is() {
    #[cancelable]
    async fn rows() -> Outcome<Rows> {
        let scope = Scope::new().partial(Vec::new());
        scope
            .run(async |rows| {
                rows.push(1);
                pending::<()>().await;
                Ok(mem::take(rows))
            })
            .await
    }
    #[cancelable]
    async fn outside() -> Outcome<Rows> {
        rows().await
    }
    let token = CancellationToken::new();
    let mut outside = Box::pin(token.scope(outside()));
    assert!(poll_once(&mut outside).is_pending());
    token.cancel();
    let std::task::Poll::Ready(Err(stopped)) = poll_once(&mut outside) else {
        panic!()
    };
    assert_eq!((stopped.partial, stopped.error.kind()), (vec![1], ReasonKind::Manual));
    // And one that is entered under a cancel has none.
    let entry = futures::executor::block_on(token.scope(rows())).unwrap_err();
    assert_eq!((entry.partial, entry.error.point()), (vec![], CheckPoint::Entry));
}

// Panics and drops.

/// Says when it is dropped, and whether a cancel had come.
struct Witness<'a>(&'static str, &'a RefCell<Vec<&'static str>>);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

#[test]
fn l21_a_panic_passes_and_what_is_outside_keeps_what_there_was() {
    let mut rows = Rows::new();
    let inner = Cell::new(None);
    let panics = catch_unwind(AssertUnwindSafe(|| {
        let outcome: Result<(), Partial<_>> = Scope::new().partial(&mut rows).run_sync(|rows| {
            inner.set(Some(current()));
            rows.push(1);
            panic!("on purpose")
        });
        drop(outcome);
    }));
    assert!(panics.is_err());
    assert_eq!(
        (rows, kind(&inner.take().unwrap())),
        (vec![1], Some(ReasonKind::Dropped))
    );
    let log = RefCell::default();
    let panics = catch_unwind(AssertUnwindSafe(|| {
        futures::executor::block_on(Scope::new().partial(Witness("partial", &log)).run(async |_| {
            let _body = Witness("body", &log);
            assert!(check().is_err(), "on purpose");
            Ok::<_, Cancelled>(())
        }))
    }));
    assert!(panics.is_err());
    assert_eq!(*log.borrow(), ["body", "partial"]);
}

#[test]
fn l16_it_is_dropped_with_the_scope_after_the_body() {
    let log = RefCell::default();
    let inner = Cell::new(None);
    let mut scope = Box::pin(Scope::new().partial(Witness("partial", &log)).run(async |_| {
        let _body = Witness("body", &log);
        inner.set(Some(current()));
        pending::<()>().await;
        Ok::<_, Cancelled>(())
    }));
    assert!(poll_once(&mut scope).is_pending());
    drop(scope);
    assert_eq!(*log.borrow(), ["body", "partial"]);
    assert_eq!(kind(&inner.take().unwrap()), Some(ReasonKind::Dropped));
}

#[test]
fn l17_what_is_not_taken_out_is_dropped_with_the_end() {
    let log = RefCell::default();
    let value = Scope::new()
        .partial(Witness("partial", &log))
        .run_sync(|_| Ok::<_, Cancelled>(3));
    assert_eq!((value.unwrap(), log.borrow().len()), (3, 1));
}

// Several that add to it.

#[test]
fn branches_threads_and_tasks_add_to_it() {
    on_every_runtime(|| async {
        let shared = Scope::new().timeout(SHORT).partial(Mutex::new(Rows::new()));
        let stopped = shared
            .run(async |rows: &mut Mutex<Rows>| {
                let rows = &*rows;
                let branch = |row| async move {
                    rows.lock().unwrap().push(row);
                    guard(pending::<()>()).await
                };
                race!(branch(1), branch(2)).await
            })
            .await;
        let rows = stopped.unwrap_err().map(|rows| rows.into_inner().unwrap());
        assert_eq!(rows.into_partial(), [1, 2]);

        let owned = Scope::new().timeout(SHORT).partial(Arc::new(Mutex::new(Rows::new())));
        let stopped = owned
            .run(async |rows: &mut Arc<Mutex<Rows>>| {
                let own = Arc::clone(rows);
                let worker = thread::spawn(move || {
                    own.lock().unwrap().push(1);
                    current().wait();
                    own.lock().unwrap().push(2);
                });
                pending::<()>().await;
                drop(worker);
                Ok::<_, Cancelled>(())
            })
            .await
            .unwrap_err();
        // It may come later, and is not lost.
        while Arc::strong_count(&stopped.partial) > 1 {
            std::thread::yield_now();
        }
        assert_eq!(*stopped.partial.lock().unwrap(), [1, 2]);
    });
}

#[test]
fn tasks_of_tokio_take_it_and_its_futures_may_be_spawned() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let words = vec!["one".to_owned(), "two".to_owned()];
        let task = cancelable::tokio::spawn(async move {
            let words = &words;
            let lengths = Scope::new().timeout(SHORT).partial(Vec::new());
            lengths
                .run(async |lengths| {
                    for word in words {
                        tokio::task::yield_now().await;
                        lengths.push(word.len());
                    }
                    guard(pending::<()>()).await
                })
                .await
        });
        assert_eq!(task.await.unwrap().unwrap_err().partial, [3, 3]);
    });
}

// The error, on its way.

fn stopped() -> Outcome<()> {
    Scope::new()
        .name("load")
        .timeout(Duration::ZERO)
        .partial(vec![4])
        .run_sync(|_| Ok(()))
}

#[test]
fn it_goes_on_as_cancelled_and_as_an_io_error() {
    let plain = || -> Result<(), Cancelled> { stopped().map_err(Partial::into_error) };
    assert!(plain().unwrap_err().is_timeout());
    let io = || -> io::Result<()> { Ok(stopped()?) };
    assert_eq!(io().unwrap_err().kind(), io::ErrorKind::TimedOut);
    let io = || -> io::Result<()> {
        let outcome: Outcome<(), io::Error> = Err(Partial::new(vec![], io::ErrorKind::NotFound.into()));
        Ok(outcome?)
    };
    assert_eq!(io().unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn anyhow_and_eyre_keep_both() {
    let any = || -> anyhow::Result<()> { Ok(stopped()?) };
    let any = any().unwrap_err();
    assert_eq!(any.downcast_ref::<Partial<Rows>>().unwrap().partial, [4]);
    let eyre = || -> eyre::Result<()> { Ok(stopped()?) };
    assert_eq!(
        eyre().unwrap_err().downcast_ref::<Partial<Rows>>().unwrap().partial,
        [4]
    );
    let error = || -> anyhow::Result<()> { Ok(stopped().map_err(Partial::into_error)?) };
    assert!(error().unwrap_err().is::<Cancelled>());
}

#[test]
fn its_texts_are_those_of_the_error_and_it_needs_nothing_of_what_there_was() {
    struct Anything;
    let error = stopped().unwrap_err().map(|_| Anything);
    assert!(
        error
            .to_string()
            .starts_with("cancelled: timed out at once (scope \"load\"), requested at ")
    );
    assert_eq!(error.to_string(), error.error.to_string());
    assert_eq!(format!("{error:#}"), error.error.report().to_string());
    assert_eq!(format!("{error:?}"), format!("{:?}", error.error));
    assert!(error.source().is_none());
    let token = CancellationToken::new();
    token.cancel_with(CancelReason::error(io::Error::other("disk full")));
    let error = Partial::new(Anything, token.check().unwrap_err());
    assert_eq!(error.source().unwrap().to_string(), "disk full");
}

// The macro.

#[test]
fn the_macro_hands_it_to_a_closure_and_puts_check_points_in() {
    let stopped = cancel_scope!(timeout = SHORT, name = "count", partial = 0_u64, |n| -> Result<
        (),
        Cancelled,
    > {
        loop {
            *n += 1;
        }
    });
    let Partial { error, partial } = stopped.unwrap_err();
    assert!(partial > 0 && error.point() == CheckPoint::Loop);
    assert_eq!(
        error.function(),
        Some("partial::the_macro_hands_it_to_a_closure_and_puts_check_points_in")
    );
    let late = cancel_scope!(timeout = "0s", partial = vec![1], |rows| {
        rows.push(2);
        Ok::<_, Cancelled>(())
    });
    let late = late.unwrap_err();
    assert_eq!((late.partial, late.error.point()), (vec![1], CheckPoint::Scope));
}

#[test]
fn the_macro_takes_async_closures_on_every_runtime() {
    on_every_runtime(|| async {
        let limit = SHORT;
        let stopped = cancel_scope!(timeout = limit, token = token, partial = Rows::new(), async |rows| {
            rows.push(1);
            assert_eq!(token, current());
            pending::<()>().await;
            rows.push(2);
            Ok::<_, Cancelled>(())
        });
        let stopped = stopped.await.unwrap_err();
        assert_eq!((stopped.partial, stopped.error.point()), (vec![1], CheckPoint::Await));
        assert!(stopped.error.function().is_some());
        let text = "three".to_owned();
        let lengths = cancel_scope!(
            partial = Vec::new(),
            async move |lengths| -> Result<Vec<usize>, Cancelled> {
                lengths.push(text.len());
                Ok(mem::take(lengths))
            }
        );
        assert_eq!(lengths.await.unwrap(), [5]);
    });
}

#[test]
fn the_macro_runs_finally_before_it_is_returned() {
    on_every_runtime(|| async {
        let mut log = Vec::new();
        let stopped = cancel_scope!(
            timeout = SHORT,
            partial = 0,
            finally = async { log.push("closed") },
            async |n| {
                log.push("begun");
                *n += 1;
                pending::<()>().await;
                Ok::<_, Cancelled>(())
            }
        )
        .await;
        assert_eq!((stopped.unwrap_err().partial, log), (1, vec!["begun", "closed"]));
    });
    let mut log = Vec::new();
    let stopped = cancel_scope!(timeout = "0s", partial = 3, finally = { log.push("closed") }, |n| {
        log.push("begun");
        *n += 1;
        Ok::<_, Cancelled>(())
    });
    assert_eq!((stopped.unwrap_err().partial, log), (3, vec!["closed"]));
}

#[test]
fn a_host_may_be_asked_beside_it() {
    let mut answers = [false, false, true].into_iter();
    let clock = cancelable::testing::Clock::new();
    let stopped = clock.sync_scope(|| {
        cancel_scope!(
            asking = (Duration::from_millis(10), || answers.next().unwrap()),
            partial = 0,
            |n| {
                loop {
                    *n += 1;
                    clock.advance(Duration::from_millis(10));
                }
                #[allow(unreachable_code, reason = "says the type")]
                Ok::<(), Cancelled>(())
            }
        )
    });
    let stopped = stopped.unwrap_err();
    assert_eq!((stopped.partial, stopped.error.kind()), (2, ReasonKind::Condition));
}
