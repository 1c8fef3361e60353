//! The registry, of one process: so each test's scopes have names of their own.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cancelable::registry::{self, EventKind, LiveScope, Outcome, State, Straggler, WaitsFor};
use cancelable::{
    CancelReason, CancellationToken, Cancelled, ReasonKind, Scope, cancel_scope, cancelable, check, progress,
    progress_message, shield, shield_sync,
};
use futures::executor::block_on;

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The one of this name that runs.
fn live(name: &str) -> LiveScope {
    let mut found = registry::find(name).scopes;
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found.remove(0)
}

fn straggler(name: &str) -> Option<Straggler> {
    let stragglers = registry::stragglers(Duration::ZERO).scopes;
    stragglers.into_iter().find(|straggler| straggler.scope.name == name)
}

/// Whatever the other tests run meanwhile.
fn keep_all() {
    registry::set_history_limit(1 << 20);
}

fn ended(name: &str) -> registry::EndedScope {
    let history = registry::history().scopes;
    history
        .into_iter()
        .find(|scope| scope.name == name)
        .unwrap_or_else(|| panic!("{name} is not in the history"))
}

#[cancelable]
async fn query() -> Result<(), Cancelled> {
    pending::<()>().await;
    Ok(())
}

#[test]
fn scopes_with_a_name_are_there_while_they_run_and_no_others() {
    let seen = Scope::new().name("sync, seen").run_sync(|| {
        let unnamed: Result<_, Cancelled> = Scope::new().run_sync(|| Ok(live("sync, seen")));
        unnamed
    });
    let seen = seen.unwrap();
    assert_eq!((seen.state, seen.parent), (State::Running, None));
    assert_eq!(seen.begun_at.file(), file!());
    assert_eq!(seen.thread.as_deref(), std::thread::current().name());
    assert!(registry::find("sync, seen").scopes.is_empty());

    let mut scope = Box::pin(Scope::new().name("async, seen").run(query()));
    assert!(registry::find("async, seen").scopes.is_empty(), "it has not begun");
    assert!(poll_once(scope.as_mut()).is_pending());
    assert_eq!(live("async, seen").state, State::Waiting);
    drop(scope);
    assert!(registry::find("async, seen").scopes.is_empty());
}

#[test]
fn parents_are_found_through_tasks_and_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let inner = |name: &'static str| {
        Scope::new()
            .name(name)
            .run(async move { Ok::<_, Cancelled>(live(name)) })
    };
    let outer = runtime.block_on(Scope::new().name("family").run(async {
        let own = live("family").id;
        let direct = inner("family, direct").await?;
        let task = cancelable::tokio::spawn(inner("family, task")).await.unwrap()?;
        let blocking = || {
            Scope::new()
                .name("family, blocking")
                .run_sync(|| Ok::<_, Cancelled>(live("family, blocking")))
        };
        let blocking = cancelable::tokio::spawn_blocking(blocking).await.unwrap()?;
        // In scopes without a name, too.
        let deeper = Scope::new().run(inner("family, deeper")).await?;
        for scope in [&direct, &task, &blocking, &deeper] {
            assert_eq!(scope.parent, Some(own), "{scope:?}");
        }
        assert!(task.task.is_some() && blocking.task.is_some());
        let stranger = tokio::spawn(inner("family, stranger")).await.unwrap()?;
        assert_eq!(stranger.parent, None, "it was started without its scope");
        Ok::<_, Cancelled>(())
    }));
    outer.unwrap();
}

#[test]
fn a_scope_is_cancelled_by_its_number() {
    // One that waits.
    let scope = Scope::new().name("to be cancelled, async").run(query());
    let canceller = std::thread::spawn(|| {
        let id = loop {
            match registry::find("to be cancelled, async").scopes.first() {
                Some(scope) => break scope.id,
                None => std::thread::yield_now(),
            }
        };
        assert!(registry::cancel(id));
        assert!(!registry::cancel_with(id, "too late"));
        id
    });
    let cancelled = block_on(scope).unwrap_err();
    assert_eq!(cancelled.kind(), ReasonKind::Manual);
    assert_eq!(cancelled.reason().location().file(), file!());
    assert_eq!(cancelled.scope_name(), Some("to be cancelled, async"));
    let id = canceller.join().unwrap();
    assert!(!registry::cancel(id), "it has ended");

    // One that runs, on another thread, and has passed no check point.
    let (begun, wait) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let barriers = (Arc::clone(&begun), Arc::clone(&wait));
    let worker = std::thread::spawn(move || {
        Scope::new().name("to be cancelled, sync").run_sync(|| {
            barriers.0.wait();
            barriers.1.wait();
            check()
        })
    });
    begun.wait();
    assert!(registry::cancel_with(
        live("to be cancelled, sync").id,
        CancelReason::shutdown()
    ));
    assert_eq!(live("to be cancelled, sync").state, State::Cancelled);
    wait.wait();
    assert_eq!(worker.join().unwrap().unwrap_err().kind(), ReasonKind::Shutdown);
}

#[test]
fn the_last_check_point_is_known_with_its_line() {
    #[cancelable]
    fn enters() -> Result<LiveScope, Cancelled> {
        Ok(live("points, sync"))
    }

    #[cancelable]
    fn loops() -> Result<Option<LiveScope>, Cancelled> {
        let mut seen = None;
        for _ in 0..1 {
            seen = Some(live("points, sync"));
        }
        Ok(seen)
    }

    #[cancelable]
    async fn awaits(pending_once: bool) -> Result<LiveScope, Cancelled> {
        let mut is_pending = pending_once;
        poll_fn(|_| {
            if std::mem::replace(&mut is_pending, false) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        Ok(live("points, async"))
    }

    let here = std::thread::current().name().map(str::to_owned);
    let sync = Scope::new().name("points, sync").run_sync(|| {
        assert!(live("points, sync").last_point.is_none(), "none so far");
        Ok::<_, Cancelled>((enters()?, loops()?.unwrap()))
    });
    let (entry, item) = sync.unwrap();
    let line_of = |scope: &LiveScope| {
        let point = scope.last_point.as_ref().unwrap();
        assert_eq!((point.at.file(), &point.thread), (file!(), &here));
        point.at.line()
    };
    assert!(line_of(&entry) < line_of(&item));

    let ready = block_on(Scope::new().name("points, async").run(awaits(false))).unwrap();
    let mut suspended = Box::pin(Scope::new().name("points, async").run(awaits(true)));
    assert!(poll_once(suspended.as_mut()).is_pending());
    let waits = live("points, async");
    assert_eq!(line_of(&waits), line_of(&ready));
    assert!(matches!(waits.waits_for, WaitsFor::Await { at, .. } if at.line() == line_of(&ready)));
    let Poll::Ready(resumed) = poll_once(suspended.as_mut()) else {
        panic!("it is ready")
    };
    let resumed = resumed.unwrap();
    assert_eq!(line_of(&resumed), line_of(&ready));
    assert!(
        matches!(resumed.waits_for, WaitsFor::Code { after: Some(_), .. }),
        "{:?}",
        resumed.waits_for
    );
}

#[test]
fn check_points_of_tasks_and_threads_are_those_of_the_scope_that_they_were_started_in() {
    #[cancelable]
    fn work() -> Result<(), Cancelled> {
        Ok(())
    }

    let scope = Scope::new().name("started there").run_sync(|| {
        cancelable::thread::spawn(work).join().unwrap()?;
        Ok::<_, Cancelled>(live("started there"))
    });
    assert!(scope.unwrap().last_point.is_some());
}

#[test]
fn check_points_of_a_strangers_code_are_nobodys() {
    #[cancelable]
    fn passes() -> Result<(), Cancelled> {
        Ok(())
    }

    #[cancelable]
    fn strange() -> Result<(), Cancelled> {
        Ok(())
    }

    let token = CancellationToken::new();
    let scope = Scope::new().name("drives a stranger").run_sync(|| {
        passes()?;
        let before = live("drives a stranger").last_point.map(|point| point.at.line());
        let outcome = block_on(token.scope(async { strange() }));
        outcome?;
        Ok::<_, Cancelled>((
            before,
            live("drives a stranger").last_point.map(|point| point.at.line()),
        ))
    });
    let (before, after) = scope.unwrap();
    assert!(before.is_some());
    assert_eq!(before, after);
}

#[test]
fn a_cancel_in_what_was_taken_along_is_not_noticed_for_the_scope_that_it_was_taken_from() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let keeps = Arc::clone(&told);
    let _hook = registry::on_event(move |event| {
        if event.name() == Some("takes along") {
            keeps.lock().unwrap().push(event.kind());
        }
    });
    let outcome: Result<(), Cancelled> = Scope::new().name("takes along").run_sync(|| {
        let thread = cancelable::thread::spawn(|| {
            let inside: Result<(), Cancelled> = Scope::new().run_sync_with(|token| {
                token.cancel();
                check()
            });
            assert!(inside.is_err());
            Ok::<_, Cancelled>(())
        });
        thread.join().unwrap()
    });
    outcome.unwrap();
    assert_eq!(
        *told.lock().unwrap(),
        [EventKind::Began, EventKind::Ended(Outcome::Finished)]
    );
}

#[test]
fn progress_and_deadlines_are_told() {
    let scope = Scope::new()
        .name("progress")
        .timeout(Duration::from_secs(3600))
        .run_sync(|| {
            assert_eq!(live("progress").progress, None);
            progress(3, 10);
            let known = live("progress");
            progress(4, None);
            Ok::<_, Cancelled>((known, live("progress")))
        });
    let (known, unknown) = scope.unwrap();
    assert_eq!(
        known.progress.map(|progress| (progress.done, progress.total)),
        Some((3, Some(10)))
    );
    assert_eq!(
        unknown.progress.map(|progress| (progress.done, progress.total)),
        Some((4, None))
    );
    assert!(
        known
            .deadline
            .is_some_and(|left| left <= Duration::from_secs(3600) && left > Duration::from_secs(1800))
    );
}

#[test]
fn how_scopes_ended_is_in_the_history() {
    keep_all();
    let finished: Result<(), Cancelled> = Scope::new().name("ended, finished").run_sync(|| Ok(()));
    finished.unwrap();
    let cancelled: Result<(), Cancelled> = Scope::new().name("ended, cancelled").run_sync_with(|token| {
        token.cancel_with("enough");
        check()
    });
    let cancelled = cancelled.unwrap_err();
    let swallowed: Result<(), Cancelled> = Scope::new().name("ended, unnoticed").run_sync_with(|token| {
        token.cancel();
        Ok(())
    });
    swallowed.unwrap();
    let mut dropped = Box::pin(Scope::new().name("ended, dropped").run(query()));
    assert!(poll_once(dropped.as_mut()).is_pending());
    drop(dropped);
    let forced = Scope::new()
        .name("ended, forced")
        .timeout(Duration::from_millis(1))
        .grace(Duration::from_millis(1));
    let forced = forced.run(async {
        shield(pending::<()>()).await;
        Ok::<_, Cancelled>(())
    });
    block_on(forced).unwrap_err();
    for is_async in [false, true] {
        let name = if is_async {
            "ended, panicked, async"
        } else {
            "ended, panicked"
        };
        let scope = Scope::new().name(name);
        let panics = || -> Result<(), Cancelled> { panic!("on purpose") };
        let panics = || {
            if is_async {
                block_on(scope.run(async { panics() }))
            } else {
                scope.run_sync(panics)
            }
        };
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(ended(name).outcome, Outcome::Panicked);
    }
    let refused: Result<(), Cancelled> =
        block_on(Scope::new().name("ended, refused").timeout(Duration::ZERO).run(query()));
    refused.unwrap_err();

    for (name, outcome) in [
        ("ended, finished", Outcome::Finished),
        ("ended, cancelled", Outcome::Cancelled),
        ("ended, unnoticed", Outcome::Finished),
        ("ended, dropped", Outcome::Dropped),
        ("ended, forced", Outcome::Forced),
        ("ended, refused", Outcome::Cancelled),
    ] {
        let scope = ended(name);
        assert_eq!(scope.outcome, outcome, "{name}");
        assert_eq!(scope.cancel.is_some(), name != "ended, finished", "{name}");
    }
    let told = ended("ended, cancelled").cancel.unwrap();
    assert_eq!(
        (told.kind, &*told.reason),
        (ReasonKind::Manual, "enough (scope \"ended, cancelled\")")
    );
    assert_eq!(told.requested_at, cancelled.reason().location());
    assert_eq!(told.noticed_at, Some(cancelled.observed_at()));
    assert_eq!(ended("ended, unnoticed").cancel.unwrap().noticed_at, None);
}

/// What noticed was further in: the scopes round it that the cancel had reached have noticed as well, and no others.
#[test]
fn a_cancel_is_noticed_for_all_scopes_that_it_has_reached() {
    keep_all();
    let outcome: Result<(), Cancelled> = Scope::new().name("reach, outer").run_sync(|| {
        let inner: Result<(), Cancelled> = Scope::new().name("reach, middle").run_sync_with(|token| {
            let token = token.clone();
            Scope::new().name("reach, inner").run_sync(|| {
                token.cancel();
                check()
            })
        });
        inner.unwrap_err();
        Ok(())
    });
    outcome.unwrap();
    assert_eq!(ended("reach, inner").outcome, Outcome::Cancelled);
    assert_eq!(ended("reach, middle").outcome, Outcome::Cancelled);
    assert_eq!(ended("reach, outer").outcome, Outcome::Finished);
}

/// Nor is one of something inside that has no name: its line is none of the scope's.
#[test]
fn a_cancel_of_something_inside_is_not_the_scopes() {
    keep_all();
    let inside = || -> Result<(), Cancelled> { Scope::new().timeout(Duration::ZERO).run_sync(check) };
    let nothing: Result<(), Cancelled> = Scope::new().name("inside, timeout").run_sync(|| {
        inside().unwrap_err();
        // In a thread that was started in there, too.
        let elsewhere: Result<(), Cancelled> = Scope::new().run_sync_with(|token| {
            token.cancel();
            cancelable::thread::spawn(check).join().unwrap()
        });
        elsewhere.unwrap_err();
        Ok(())
    });
    nothing.unwrap();
    let scope = ended("inside, timeout");
    assert_eq!(scope.outcome, Outcome::Finished);
    assert!(scope.cancel.is_none());

    let shield = Scope::new().name("inside, shield").run(async {
        let bounded = shield(async { cancelable::sleep(Duration::MAX).await });
        bounded.timeout(Duration::from_millis(1)).await.unwrap_err();
        Ok::<_, Cancelled>(())
    });
    block_on(shield).unwrap();
    assert_eq!(ended("inside, shield").outcome, Outcome::Finished);

    // What comes afterwards is, with its own line.
    let both: Result<(), Cancelled> = Scope::new().name("inside, then own").run_sync_with(|token| {
        let elsewhere: Result<(), Cancelled> = Scope::new().run_sync_with(|inner| {
            inner.cancel();
            cancelable::thread::spawn(check).join().unwrap()
        });
        elsewhere.unwrap_err();
        token.cancel();
        inside().unwrap_err();
        check()
    });
    let cancelled = both.unwrap_err();
    let told = ended("inside, then own");
    assert_eq!(told.outcome, Outcome::Cancelled);
    let noticed_at = told.cancel.unwrap().noticed_at.unwrap();
    assert!(
        noticed_at.line() < cancelled.observed_at().line(),
        "the scope inside has noticed first"
    );
}

#[test]
fn a_straggler_in_a_shield_names_its_line() {
    let token = CancellationToken::new();
    let mut scope = Box::pin(Scope::new().name("shielded").parent(&token).run(async {
        shield(pending::<()>()).await;
        Ok::<_, Cancelled>(())
    }));
    assert!(poll_once(scope.as_mut()).is_pending());
    assert!(straggler("shielded").is_none(), "it is not cancelled");
    token.cancel_with("go away");
    let found = straggler("shielded").unwrap();
    assert!(matches!(found.scope.waits_for, WaitsFor::Shield { begun_at, .. } if begun_at.file() == file!()));
    assert_eq!(found.scope.cancel.as_ref().unwrap().reason, "go away");
    assert!(found.to_string().contains("waits for a shield begun at"), "{found}");
    drop(scope);
    assert!(straggler("shielded").is_none());

    // A sync one; and behind it there is none any more.
    let outcome: Result<(), Cancelled> = Scope::new().name("shielded, sync").run_sync_with(|token| {
        token.cancel();
        let inside = shield_sync(|| straggler("shielded, sync").unwrap().scope.waits_for);
        assert!(matches!(inside, WaitsFor::Shield { .. }), "{inside:?}");
        let behind = straggler("shielded, sync").unwrap().scope.waits_for;
        assert!(matches!(behind, WaitsFor::Code { .. }), "{behind:?}");
        Ok(())
    });
    outcome.unwrap();
}

#[cancelable(name = "stuck worker")]
async fn stuck_worker(begun: &Barrier, stuck: &Barrier) -> Result<(), Cancelled> {
    std::future::ready(()).await;
    begun.wait();
    stuck.wait(); // a foreign call, in the middle of a poll
    Ok(())
}

#[cancelable(name = "stuck thread")]
fn stuck_thread(begun: &Barrier, stuck: &Barrier) -> Result<(), Cancelled> {
    begun.wait();
    stuck.wait();
    Ok(())
}

/// All workers of a runtime and all its blocking threads are in calls that do not come back.
#[test]
fn stragglers_are_found_while_every_worker_and_every_blocking_thread_is_stuck() {
    const WORKERS: usize = 2;
    const BLOCKING: usize = 2;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .build()
        .unwrap();
    let [begun, stuck] = [(); 2].map(|()| Arc::new(Barrier::new(WORKERS + BLOCKING + 1)));
    let token = CancellationToken::new();
    let tasks: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (begun, stuck, token) = (Arc::clone(&begun), Arc::clone(&stuck), token.clone());
            runtime.spawn(async move { token.scope(stuck_worker(&begun, &stuck)).await })
        })
        .collect();
    let threads: Vec<_> = (0..BLOCKING)
        .map(|_| {
            let (begun, stuck, token) = (Arc::clone(&begun), Arc::clone(&stuck), token.clone());
            runtime.spawn_blocking(move || token.sync_scope(|| stuck_thread(&begun, &stuck)))
        })
        .collect();
    begun.wait();
    // One more, which no worker gets to: it is in the queue, and has not begun.
    let queued = runtime.spawn(Scope::new().name("queued").run(query()));
    token.cancel_with(CancelReason::shutdown());

    let all = registry::stragglers(Duration::ZERO).scopes;
    for (name, many) in [("stuck worker", WORKERS), ("stuck thread", BLOCKING)] {
        let found: Vec<_> = all.iter().filter(|straggler| straggler.scope.name == name).collect();
        assert_eq!(found.len(), many, "{name}");
        for Straggler { scope, .. } in found {
            assert_eq!(scope.cancel.as_ref().unwrap().reason, "shutting down");
            let point = scope.last_point.as_ref().unwrap();
            assert_eq!(point.at.file(), file!());
            let WaitsFor::Code { after, thread, .. } = &scope.waits_for else {
                panic!("{:?}", scope.waits_for)
            };
            assert_eq!(*after, Some(point.at));
            assert!(
                thread.as_ref().is_some_and(|thread| thread.contains("tokio")),
                "{thread:?}"
            );
        }
    }
    assert!(registry::find("queued").scopes.is_empty());
    assert!(registry::snapshot().to_string().contains("stuck worker"));

    stuck.wait();
    for task in tasks {
        // What is finished is not thrown away: the cancel came in the middle of the last poll.
        assert!(runtime.block_on(task).unwrap().is_ok());
    }
    for thread in threads {
        assert!(runtime.block_on(thread).unwrap().is_ok());
    }
    queued.abort();
    drop(runtime);
    for name in ["stuck worker", "stuck thread", "queued"] {
        assert!(registry::find(name).scopes.is_empty());
    }
}

/// A task that nobody polls: its worker is stuck in another one.
#[test]
fn a_straggler_that_is_suspended_waits_in_its_await() {
    let token = CancellationToken::new();
    let mut scope = Box::pin(Scope::new().name("not polled").parent(&token).run(query()));
    assert!(poll_once(scope.as_mut()).is_pending());
    token.cancel();
    let found = straggler("not polled").unwrap();
    assert!(matches!(found.scope.waits_for, WaitsFor::Await { .. }));
    assert!(poll_once(scope.as_mut()).is_ready());
}

#[test]
fn the_tree_is_drawn_with_each_scope_below_its_own() {
    let drawn = cancel_scope!(name = "tree", {
        let mut first = Box::pin(
            Scope::new()
                .name("tree, first")
                .run(cancel_scope!(name = "tree, leaf", async { query().await })),
        );
        assert!(poll_once(first.as_mut()).is_pending());
        let mut second = Box::pin(Scope::new().name("tree, second").run(query()));
        assert!(poll_once(second.as_mut()).is_pending());
        let root = live("tree").id;
        let mut all = registry::snapshot();
        let mut ids = vec![root];
        all.scopes.retain(|scope| {
            let is_below = scope.id == root || scope.parent.is_some_and(|parent| ids.contains(&parent));
            ids.extend(is_below.then_some(scope.id));
            is_below
        });
        Ok::<_, Cancelled>(all.to_string())
    });
    let drawn = drawn.unwrap();
    let titles: Vec<_> = drawn
        .lines()
        .map(|line| line.split(" #").next().unwrap().trim_end())
        .collect();
    assert_eq!(
        titles,
        ["tree", "├─ tree, first", "│  └─ tree, leaf", "└─ tree, second"],
        "{drawn}"
    );
}

#[test]
fn as_json_the_fields_have_the_names_that_they_have() {
    keep_all();
    let json = Scope::new()
        .name("json")
        .timeout(Duration::from_secs(60))
        .run_sync_with(|token| {
            progress(1, 2);
            progress_message("shard 1");
            token.cancel_with("json");
            let found = registry::find("json");
            let straggler = straggler("json");
            Ok::<_, Cancelled>((
                serde_json::to_value(found).unwrap(),
                serde_json::to_value(straggler).unwrap(),
            ))
        });
    let (found, straggler) = json.unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut names = [
        "age",
        "begun_at",
        "cancel",
        "deadline",
        "id",
        "last_point",
        "message",
        "name",
        "parent",
        "progress",
        "state",
        "task",
        "thread",
        "waits_for",
    ]
    .map(str::to_owned)
    .to_vec();
    assert_eq!(keys(&found[0]), names);
    assert_eq!(found[0]["state"], "cancelled");
    assert_eq!(found[0]["progress"], serde_json::json!({ "done": 1, "total": 2 }));
    assert_eq!(found[0]["waits_for"]["what"], "code");
    assert!(found[0]["age"].is_f64() && found[0]["begun_at"].as_str().unwrap().starts_with(file!()));
    assert_eq!(found[0]["cancel"]["kind"], "manual");
    assert_eq!(
        keys(&found[0]["cancel"]),
        ["ago", "by", "kind", "noticed_at", "reason", "requested_at", "scope"]
    );
    assert_eq!(found[0]["cancel"]["by"], "requested at");
    assert_eq!(found[0]["message"], "shard 1");
    names.push("since".to_owned());
    names.sort();
    assert_eq!(keys(&straggler), names);

    let ended = serde_json::to_value(ended("json")).unwrap();
    let names = [
        "ago", "begun_at", "cancel", "duration", "id", "name", "outcome", "parent",
    ];
    assert_eq!(keys(&ended), names);
    assert_eq!(ended["outcome"], "finished");
}

#[test]
fn hooks_are_called_with_all_that_happens_and_a_panic_in_one_harms_nobody() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let keeps = Arc::clone(&told);
    let panics = registry::on_event(|event| assert_ne!(event.name(), Some("hooked"), "on purpose"));
    let hook = registry::on_event(move |event| {
        if event.name() == Some("hooked") {
            // It may call what it likes.
            drop(registry::snapshot());
            keeps
                .lock()
                .unwrap()
                .push((event.kind(), event.reason().map(|reason| reason.kind())));
        }
    });
    let run = || -> Result<(), Cancelled> {
        Scope::new().name("hooked").run_sync_with(|token| {
            token.cancel();
            check()
        })
    };
    run().unwrap_err();
    let manual = Some(ReasonKind::Manual);
    let all = [
        (EventKind::Began, None),
        (EventKind::Asked, manual),
        (EventKind::Noticed, manual),
        (EventKind::Ended(Outcome::Cancelled), manual),
    ];
    assert_eq!(std::mem::take(&mut *told.lock().unwrap()), all);
    drop((hook, panics));
    run().unwrap_err();
    assert!(told.lock().unwrap().is_empty());
}

/// Scopes come and go on several threads, begin on one and end on another, while somebody reads all the time.
#[test]
fn reading_while_scopes_come_and_go_finds_whole_ones_and_leaves_none() {
    const EACH: usize = 500;
    let done = AtomicBool::new(false);
    let seen = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        let (send, receive) = mpsc::channel();
        for _ in 0..2 {
            let send = send.clone();
            threads.spawn(move || {
                for _ in 0..EACH {
                    let mut scope = Box::pin(Scope::new().name("coming").run(query()));
                    // It may be cancelled before it is pending.
                    let _ = poll_once(scope.as_mut());
                    send.send(scope).unwrap();
                }
            });
        }
        drop(send);
        threads.spawn(|| {
            receive.into_iter().for_each(drop);
            done.store(true, Ordering::SeqCst);
        });
        threads.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                for scope in registry::find("coming").scopes {
                    assert_eq!(scope.begun_at.file(), file!());
                    seen.fetch_add(1, Ordering::Relaxed);
                    registry::cancel(scope.id);
                }
            }
        });
    });
    assert!(registry::find("coming").scopes.is_empty());
}

/// Whoever blocks the thread that would watch the deadline is found all the same, and by then.
#[test]
fn who_blocks_before_its_first_check_point_is_a_straggler_once_its_deadline_has_passed() {
    let scope = Scope::new().name("blocks at once").timeout(Duration::from_millis(1));
    let outcome = block_on(scope.run(async {
        while straggler("blocks at once").is_none() {
            std::thread::yield_now();
        }
        Ok::<_, Cancelled>(())
    }));
    assert!(outcome.is_ok(), "its value counts: nothing has noticed");
    let scope = Scope::new().name("blocks in sync").timeout(Duration::from_millis(1));
    let outcome = scope.run_sync(|| {
        while straggler("blocks in sync").is_none() {
            std::thread::yield_now();
        }
        Ok::<_, Cancelled>(())
    });
    assert!(outcome.is_ok());
}

// Tokens that are made when somebody needs them -------------------------------------------------------------------------

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn poll_with<F: Future>(future: std::pin::Pin<&mut F>, bell: &Arc<Bell>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(bell));
    future.poll(&mut Context::from_waker(&waker))
}

/// In the middle of its first poll, of which nobody has had the token: by any check point, however deep.
#[test]
fn who_runs_is_cancelled_by_its_number_at_the_next_check_point() {
    fn spin() -> Result<(), Cancelled> {
        loop {
            check()?;
            std::thread::yield_now();
        }
    }

    #[cancelable]
    async fn awaits() -> Result<(), Cancelled> {
        loop {
            std::future::ready(()).await;
            std::thread::yield_now();
        }
    }

    type Body = fn() -> std::pin::Pin<Box<dyn Future<Output = Result<(), Cancelled>> + Send>>;
    let bodies: [(&'static str, Body); 5] = [
        ("spins", || Box::pin(async { spin() })),
        ("spins, awaits", || Box::pin(awaits())),
        ("spins, unnamed", || Box::pin(Scope::new().run(async { spin() }))),
        ("spins, named", || {
            Box::pin(Scope::new().name("spins, inner").run(awaits()))
        }),
        ("spins, timeout", || {
            let inner = Scope::new().timeout(Duration::from_secs(3600));
            Box::pin(inner.run(async { Scope::new().run_sync(spin) }))
        }),
    ];
    for (name, body) in bodies {
        let begun = Arc::new(Barrier::new(2));
        let barrier = Arc::clone(&begun);
        let worker = std::thread::spawn(move || {
            block_on(Scope::new().name(name).run(async move {
                barrier.wait();
                body().await
            }))
        });
        begun.wait();
        assert!(registry::cancel_with(live(name).id, "by its number"), "{name}");
        let cancelled = worker.join().unwrap().unwrap_err();
        assert_eq!(cancelled.reason().message(), Some("by its number"), "{name}");
        assert_eq!(cancelled.scope_name(), Some(name));
    }
}

/// What was started in a scope hears of its cancel, though the scope itself passes no check point.
#[test]
fn who_was_started_in_a_scope_that_is_stuck_is_cancelled_with_it() {
    let (begun, stuck) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let barriers = (Arc::clone(&begun), Arc::clone(&stuck));
    let worker = std::thread::spawn(move || {
        block_on(Scope::new().name("stuck parent").run(async move {
            let token = cancelable::current();
            let thread = cancelable::thread::spawn(move || {
                token.wait();
                check()
            });
            barriers.0.wait();
            let heard = thread.join().unwrap();
            barriers.1.wait();
            Ok::<_, Cancelled>(heard)
        }))
    });
    begun.wait();
    assert!(registry::cancel(live("stuck parent").id));
    stuck.wait();
    assert!(worker.join().unwrap().unwrap().is_err());
}

/// The innermost alone, the outer with it, and whoever is polled by another task by then.
#[test]
fn who_waits_is_woken_by_a_cancel_by_its_number() {
    let make = |outer: &'static str, inner: &'static str| {
        Box::pin(Scope::new().name(outer).run(async move {
            let rides = Scope::new().name(inner).run(query());
            let between = Scope::new().timeout(Duration::from_secs(3600)).run(rides);
            let inner = between.await.unwrap_err();
            pending::<()>().await;
            Ok::<_, Cancelled>(inner)
        }))
    };

    let bell = Arc::new(Bell::default());
    let mut scope = make("wait, outer", "wait, inner");
    assert!(poll_with(scope.as_mut(), &bell).is_pending());
    assert_eq!(live("wait, inner").state, State::Waiting);
    assert_eq!(bell.rings(), 0);
    assert!(registry::cancel(live("wait, inner").id));
    assert!(!registry::cancel(live("wait, inner").id), "once");
    assert!(bell.rings() > 0);
    assert_eq!(live("wait, inner").state, State::Cancelled);
    assert_eq!(live("wait, outer").state, State::Waiting);
    // It ends, and the outer one goes on.
    assert!(poll_with(scope.as_mut(), &bell).is_pending());
    assert!(registry::find("wait, inner").scopes.is_empty());
    assert!(live("wait, outer").cancel.is_none());
    let before = bell.rings();
    assert!(registry::cancel(live("wait, outer").id));
    assert!(bell.rings() > before);
    let Poll::Ready(outcome) = poll_with(scope.as_mut(), &bell) else {
        panic!("it is cancelled")
    };
    assert_eq!(outcome.unwrap_err().scope_name(), Some("wait, outer"));

    // The outer one, and with it the inner.
    let mut scope = make("wait both, outer", "wait both, inner");
    assert!(poll_with(scope.as_mut(), &bell).is_pending());
    assert!(registry::cancel(live("wait both, outer").id));
    assert_eq!(live("wait both, inner").state, State::Cancelled);
    let Poll::Ready(outcome) = poll_with(scope.as_mut(), &bell) else {
        panic!("it is cancelled")
    };
    assert_eq!(outcome.unwrap_err().scope_name(), Some("wait both, outer"));

    // Moved to another task.
    let other = Arc::new(Bell::default());
    let mut scope = make("wait moved, outer", "wait moved, inner");
    assert!(poll_with(scope.as_mut(), &bell).is_pending());
    assert!(poll_with(scope.as_mut(), &other).is_pending());
    let before = other.rings();
    assert!(registry::cancel(live("wait moved, inner").id));
    assert!(other.rings() > before, "it is the other's by now");
    assert!(poll_with(scope.as_mut(), &other).is_pending());
    assert!(registry::find("wait moved, inner").scopes.is_empty());
}

/// Who rode on a scope whose token has been made since is not woken with that any more.
#[test]
fn who_waits_is_woken_also_when_the_token_outside_has_been_made_in_the_same_poll() {
    let bell = Arc::new(Bell::default());
    let mut scope = Box::pin(Scope::new().run(async {
        let mut inner = Box::pin(Scope::new().name("let go of").run(query()));
        poll_fn(|cx| {
            let poll = inner.as_mut().poll(cx);
            // The outer one's, made behind the inner one's back.
            drop(cancelable::current());
            poll
        })
        .await
    }));
    assert!(poll_with(scope.as_mut(), &bell).is_pending());
    for _ in 0..3 {
        assert!(poll_with(scope.as_mut(), &bell).is_pending());
    }
    let before = bell.rings();
    assert!(registry::cancel(live("let go of").id));
    assert!(bell.rings() > before);
    let Poll::Ready(outcome) = poll_with(scope.as_mut(), &bell) else {
        panic!("it is cancelled")
    };
    assert_eq!(outcome.unwrap_err().scope_name(), Some("let go of"));
}

/// Nobody inside has looked, and no check point was passed.
#[test]
fn a_cancel_that_nobody_has_noticed_is_told_all_the_same() {
    keep_all();
    let token = CancellationToken::new();
    let outcome = block_on(Scope::new().parent(&token).name("unnoticed, async").run(async {
        assert!(live("unnoticed, async").cancel.is_none());
        token.cancel_with("nobody looks");
        let seen = live("unnoticed, async");
        Ok::<_, Cancelled>((seen.state, seen.cancel.unwrap().reason))
    }));
    assert_eq!(outcome.unwrap(), (State::Cancelled, "nobody looks".to_owned()));
    let told = ended("unnoticed, async");
    assert_eq!(told.outcome, Outcome::Finished);
    assert_eq!(told.cancel.unwrap().noticed_at, None);
}

/// The deadline of a scope round it, whose task is stuck, too.
#[test]
fn deadlines_are_those_of_the_scopes_round_it_too() {
    let (near, far) = (Duration::from_secs(60), Duration::from_secs(3600));
    for (outer, inner) in [(near, far), (far, near)] {
        let scope = Scope::new().timeout(outer).run(async move {
            let scope = Scope::new().timeout(inner).name("two deadlines");
            scope.run(async { Ok::<_, Cancelled>(live("two deadlines")) }).await
        });
        let left = block_on(scope).unwrap().deadline.unwrap();
        assert!(left <= near && left > near / 2, "{left:?}");
    }
    let scope = Scope::new().timeout(Duration::from_millis(1)).run(async {
        let scope = Scope::new().name("blocks inside").run(async {
            while straggler("blocks inside").is_none() {
                std::thread::yield_now();
            }
            Ok::<_, Cancelled>(())
        });
        scope.await
    });
    assert!(block_on(scope).is_ok(), "its value counts: nothing has noticed");
}

/// An outer one ends after the one inside, though neither has been pending and both ended within a moment.
#[test]
fn the_history_is_in_the_order_in_which_scopes_ended() {
    keep_all();
    for _ in 0..20 {
        let inner = Scope::new().name("order, inner").run(async { Ok::<_, Cancelled>(()) });
        block_on(Scope::new().name("order, outer").run(inner)).unwrap();
        let history = registry::history().scopes;
        let names: Vec<_> = history
            .iter()
            .map(|scope| &*scope.name)
            .filter(|name| name.starts_with("order, "))
            .take(2)
            .collect();
        assert_eq!(names, ["order, outer", "order, inner"]);
    }
}
