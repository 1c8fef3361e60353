//! What the error of a check point tells of both its ends (CONTRACT §7).

use std::error::Error;
use std::fmt;
use std::future::pending;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cancelable::{
    CancelReason, CancellationToken, Cancelled, ReasonKind, Scope, cancel_scope, check, guard, propagate, race, thread,
};
use futures::executor::block_on;

type Outcome<T = ()> = Result<T, Cancelled>;

const LONG: Duration = Duration::from_secs(3600);

/// A scope that is called so, in which one without a name notices what happens to it.
fn noticed_in(name: &'static str, cancel: impl FnOnce(&CancellationToken)) -> Cancelled {
    let outcome: Outcome = Scope::new().name(name).run_sync_with(|token| {
        cancel(token);
        Scope::new().run_sync(check)
    });
    outcome.unwrap_err()
}

#[test]
fn every_reason_names_the_scope_that_it_ended() {
    let cancelled = noticed_in("import", CancellationToken::cancel);
    assert_eq!(cancelled.scope_name(), Some("import"));
    assert_eq!(
        cancelled.reason().to_string(),
        "cancelled on request (scope \"import\")"
    );
    assert!(
        cancelled
            .to_string()
            .starts_with("cancelled (scope \"import\"), requested at "),
        "{cancelled}"
    );

    let texts = [
        (CancelReason::shutdown(), "shutting down (scope \"import\")"),
        (CancelReason::signal(15), "received SIGTERM (scope \"import\")"),
        (CancelReason::from("enough"), "enough (scope \"import\")"),
        (
            CancelReason::shutdown().with_message("deploy"),
            "shutting down (scope \"import\"): deploy",
        ),
    ];
    for (reason, text) in texts {
        let cancelled = noticed_in("import", |token| assert!(token.cancel_with(reason)));
        assert_eq!(cancelled.reason().to_string(), text);
        assert_eq!(cancelled.scope_name(), Some("import"));
    }
}

#[test]
fn one_value_that_cancels_two_scopes_names_each() {
    let reason = CancelReason::shutdown();
    for name in ["first", "second"] {
        let cancelled = noticed_in(name, |token| assert!(token.cancel_with(reason.clone())));
        assert_eq!(cancelled.scope_name(), Some(name));
        assert!(cancelled.reason().to_string().contains(name));
    }
    assert_eq!(reason.to_string(), "shutting down");
}

#[test]
fn what_is_no_scope_or_has_no_name_is_not_named() {
    let token = CancellationToken::new();
    let outcome: Outcome = Scope::new().name("reader").parent(&token).run_sync(|| {
        token.cancel();
        check()
    });
    let cancelled = outcome.unwrap_err();
    assert_eq!(cancelled.scope_name(), None);
    assert_eq!(cancelled.scope_path().to_string(), "reader");
    assert!(
        cancelled.to_string().starts_with("cancelled, requested at "),
        "{cancelled}"
    );

    let outcome: Outcome = Scope::new()
        .name("outer")
        .run_sync(|| Scope::new().timeout(Duration::ZERO).run_sync(check));
    assert_eq!(
        outcome.unwrap_err().scope_name(),
        None,
        "the one whose timeout it was has none"
    );

    // A branch that loses.
    let mut lost = None;
    let outcome: Outcome = block_on(Scope::new().name("outer").run(async {
        let loser = async {
            lost = guard(pending::<()>()).await.err();
            Ok(())
        };
        race((loser, async { Ok(()) })).await
    }));
    assert!(outcome.is_ok());
    let lost = lost.unwrap();
    assert_eq!((lost.kind(), lost.scope_name()), (ReasonKind::Superseded, None));
    assert!(lost.to_string().contains(", begun at "), "{lost}");
}

#[test]
fn a_token_that_is_linked_is_like_a_parent() {
    let linked = CancellationToken::new();
    let outcome: Outcome = Scope::new().name("listens").link(linked.clone()).run_sync(|| {
        linked.cancel();
        check()
    });
    assert_eq!(outcome.unwrap_err().scope_name(), None);

    let outcome: Outcome = Scope::new().name("owner").run_sync_with(|owner| {
        Scope::new()
            .name("listens")
            .detached()
            .link(owner.clone())
            .run_sync(|| {
                owner.cancel();
                check()
            })
    });
    assert_eq!(outcome.unwrap_err().scope_name(), Some("owner"));
}

#[test]
fn a_token_that_is_a_source_cancels_the_scope_that_listens() {
    let noticed = |name: Option<&'static str>, source: &CancellationToken, before: bool| {
        let mut scope = Scope::new().detached().until(source);
        if let Some(name) = name {
            scope = scope.name(name);
        }
        if before {
            source.cancel();
        }
        let outcome: Outcome = scope.run_sync(|| {
            source.cancel();
            // In a scope of its own, on a thread of its own.
            thread::spawn(|| Scope::new().name("inside").run_sync(check))
                .join()
                .unwrap()
        });
        outcome.unwrap_err()
    };
    for before in [false, true] {
        let source = CancellationToken::new();
        let cancelled = noticed(Some("listens"), &source, before);
        assert_eq!(cancelled.scope_name(), Some("listens"));
        assert_eq!(
            cancelled.reason().to_string(),
            "cancelled on request (scope \"listens\")"
        );
        assert!(cancelled.belongs_to(&source), "it is that very cancel");
        assert_eq!(source.reason().unwrap().to_string(), "cancelled on request");
    }

    // The name of the token's own scope is not handed on.
    let outcome: Outcome = Scope::new().name("owner").run_sync_with(|owner| {
        let cancelled = noticed(Some("listens"), owner, false);
        assert_eq!(cancelled.scope_name(), Some("listens"));
        let cancelled = noticed(None, owner, false);
        assert_eq!(cancelled.scope_name(), None);
        assert_eq!(cancelled.reason().to_string(), "cancelled on request");
        check()
    });
    assert_eq!(outcome.unwrap_err().scope_name(), Some("owner"));

    // Nor that of a scope that listens for one that listens.
    let source = CancellationToken::new();
    let outcome: Outcome = Scope::new().name("outer").until(&source).run_sync_with(|outer| {
        let inner = Scope::new().name("inner").detached().until(outer).run_sync(|| {
            source.cancel();
            check()
        });
        let cancelled: Cancelled = inner.unwrap_err();
        assert_eq!(cancelled.scope_name(), Some("inner"));
        assert!(cancelled.belongs_to(&source));
        check()
    });
    assert_eq!(outcome.unwrap_err().scope_name(), Some("outer"));
}

#[test]
fn a_scope_that_is_dropped_says_so_and_where_it_began() {
    let (tell, told) = std::sync::mpsc::channel();
    {
        let scope = Scope::new().name("upload").run_with(|token| async move {
            token
                .on_cancel(move |reason| tell.send(reason.clone()).unwrap())
                .detach();
            pending::<Outcome>().await
        });
        let mut scope = pin!(scope);
        assert!(
            scope
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    assert_eq!(
        told.recv().unwrap().to_string(),
        "dropped before it finished (scope \"upload\")"
    );

    // Also if nobody needed its token before.
    struct Asks;
    impl Drop for Asks {
        fn drop(&mut self) {
            let cancelled = check().unwrap_err();
            assert_eq!(cancelled.scope_name(), Some("upload"));
            assert_eq!(cancelled.scope_path().to_string(), "upload");
            assert!(cancelled.to_string().contains(", begun at "), "{cancelled}");
        }
    }
    let mut scope = Box::pin(Scope::new().name("upload").run(async {
        let _asks = Asks;
        pending::<Outcome>().await
    }));
    let poll: Poll<Outcome> = scope.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending());
}

#[test]
fn the_path_leads_through_threads_and_closures() {
    let outcome: Outcome = cancel_scope!(name = "serve", token = token, {
        let token = token.clone();
        let job = thread::spawn(move || {
            cancel_scope!(name = "request", {
                let carried = propagate(|| {
                    Scope::new().name("load").run_sync(|| {
                        token.cancel();
                        check()
                    })
                });
                // Whoever calls it, it runs where it was wrapped.
                cancel_scope!(name = "elsewhere", detached, { carried() })
            })
        });
        job.join().unwrap()
    });
    let cancelled = outcome.unwrap_err();
    assert_eq!(cancelled.scope_name(), Some("serve"));
    assert_eq!(
        cancelled.scope_path().into_iter().collect::<Vec<_>>(),
        ["serve", "request", "load"]
    );
}

#[test]
fn a_deadline_s_latency_is_counted_from_the_deadline_on() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let outcome: Outcome = Scope::new()
            .timeout(LONG)
            .run(async {
                // It keeps the thread for so long, as far as this clock goes.
                tokio::time::advance(LONG + Duration::from_secs(7)).await;
                check()
            })
            .await;
        let latency = outcome.unwrap_err().latency();
        assert!(
            latency >= Duration::from_secs(7) && latency < Duration::from_secs(8),
            "{latency:?}"
        );
    });
}

#[test]
fn text_from_outside_keeps_to_its_line() {
    let reason =
        CancelReason::error(std::io::Error::other("no\nsuch \u{1b}[2Jthing")).with_message("x".repeat(5_000) + "\r");
    let cancelled = noticed_in("a\nb", |token| assert!(token.cancel_with(reason)));
    for text in [
        cancelled.to_string(),
        format!("{cancelled:?}"),
        cancelled.reason().to_string(),
    ] {
        assert!(text.lines().all(|line| !line.contains(char::is_control)), "{text:?}");
        assert!(text.contains("a\u{fffd}b"), "{text}");
        assert!(text.chars().count() < 4_500, "{}", text.chars().count());
    }
    assert_eq!(
        cancelled.scope_name(),
        Some("a\nb"),
        "the name itself is as it was given"
    );
}

#[test]
fn a_report_shows_the_first_errors_of_a_long_chain_and_that_there_are_more() {
    #[derive(Debug)]
    struct Link(u32, Option<Box<Self>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "error {}", self.0)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|link| link as _)
        }
    }

    for (links, shown, is_cut) in [(3, 3, false), (16, 16, false), (17, 16, true), (100, 16, true)] {
        let chain = (0..links)
            .rev()
            .fold(None, |below, n| Some(Box::new(Link(n, below))))
            .unwrap();
        let cancelled = noticed_in("import", |token| {
            assert!(token.cancel_with(CancelReason::error(*chain)))
        });
        let report = cancelled.report().to_string();
        let because: Vec<_> = report
            .lines()
            .filter_map(|line| line.trim().strip_prefix("because of"))
            .map(str::trim)
            .collect();
        let mut expected: Vec<_> = (0..shown).map(|n| format!("error {n}")).collect();
        expected.extend(is_cut.then(|| "…".to_owned()));
        assert_eq!(because, expected, "{report}");
    }
}

#[test]
fn a_call_that_waits_knows_the_scopes_round_it() {
    let wait = |wait: fn() -> Outcome| {
        let outer = Scope::new().name("serve").timeout(Duration::from_millis(5));
        outer.run_sync(|| Scope::new().name("load").run_sync(wait)).unwrap_err()
    };
    let inside: fn() -> Outcome = || thread::block_on(async { check_later().await })?;
    for cancelled in [
        wait(|| thread::spawn(|| std::thread::sleep(Duration::from_millis(50))).wait()),
        wait(|| thread::block_on(pending::<()>())),
        wait(|| thread::abandon(|| std::thread::sleep(Duration::from_millis(50)))),
        wait(|| thread::block_on(thread::abandon_async(|| std::thread::sleep(Duration::from_millis(50))))?),
        wait(inside),
    ] {
        assert_eq!(
            cancelled.scope_path().to_string(),
            "serve > load",
            "{}",
            cancelled.report()
        );
    }
}

async fn check_later() -> Outcome {
    guard(pending()).await
}

#[test]
fn a_check_of_a_token_by_hand_knows_the_scopes_round_it() {
    let other = CancellationToken::new();
    other.cancel();
    let path = |outcome: Result<(), Cancelled>| outcome.unwrap_err().scope_path().to_string();
    assert_eq!(path(other.check()), "");
    let inside: Result<(), Cancelled> = Scope::new().name("serve").run_sync(|| {
        Scope::new().name("load").run_sync(|| {
            assert_eq!(path(other.check()), "serve > load");
            let job = cancelable::thread::spawn({
                let other = other.clone();
                move || other.check()
            });
            assert_eq!(path(job.join().unwrap()), "serve > load");
            Ok(())
        })
    });
    inside.unwrap();
}

#[test]
fn a_callback_of_a_scope_that_listens_is_told_of_the_scope() {
    let stop = CancellationToken::new();
    let (told, heard) = std::sync::mpsc::channel();
    let outcome: Result<(), Cancelled> = Scope::new().name("copy").until(stop.clone()).run_sync_with(|token| {
        let child = token.child_token();
        for (number, token) in [token, &child, &stop].into_iter().enumerate() {
            let told = told.clone();
            token
                .on_cancel(move |reason| told.send((number, reason.to_string())).unwrap())
                .detach();
        }
        stop.cancel_with("enough");
        // One that comes late is told the same.
        let late = told.clone();
        token
            .on_cancel(move |reason| late.send((3, reason.to_string())).unwrap())
            .detach();
        token.check()
    });
    let mut heard: Vec<_> = heard.try_iter().collect();
    heard.sort();
    let named = outcome.unwrap_err().reason().to_string();
    assert_eq!(named, "enough (scope \"copy\")");
    let of = |number, text: &str| (number, text.to_owned());
    assert_eq!(heard, [of(0, &named), of(1, &named), of(2, "enough"), of(3, &named)]);
}
