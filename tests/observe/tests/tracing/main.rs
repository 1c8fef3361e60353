//! The feature `tracing`, with a real subscriber. Names are of one test each, since all have one subscriber.

mod collector;

use std::convert::Infallible;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cancelable::{CancelReason, Cancelled, Scope, cancel_scope, cancelable, check, guard, shield, sleep, thread};
use collector::{collect, events, events_in, own_event, plain_span, span};
use futures::FutureExt as _;
use futures::executor::block_on;
use tracing::{Instrument as _, Level};

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Gives way to others once.
async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What every runtime is to show: `outer` with a span, in there a task, in there `inner`.
fn assert_nested(outer: &str, inner: &str) {
    let [outer, inner] = [outer, inner].map(span);
    assert_eq!(
        (outer.name, outer.target, outer.level),
        ("scope", "cancelable", Level::INFO)
    );
    assert_eq!(inner.parent, Some(outer.id));
    for span in [&outer, &inner] {
        assert!(span.entered > 0 && span.entered == span.exited, "{span:?}");
        assert!(span.is_closed);
        assert_eq!(span.fields["code.file.path"], file!());
        assert!(span.fields["code.line.number"].parse::<u32>().unwrap() > 0);
        assert_eq!(span.fields["otel.name"], span.fields["cancel.scope"]);
    }
}

async fn says(name: &'static str, text: &'static str) -> Result<(), Cancelled> {
    cancel_scope!(name = name, async {
        yield_now().await;
        tracing::info!("{text}");
        Ok(())
    })
    .await
}

#[test]
fn spans_follow_their_parents_into_tasks_of_tokio() {
    collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let outer = cancel_scope!(name = "tokio outer", async {
            cancelable::tokio::spawn(says("tokio inner", "in tokio")).await.unwrap()
        });
        outer.await.unwrap();
    });
    drop(runtime);
    assert_nested("tokio outer", "tokio inner");
    assert_eq!(own_event("in tokio").span, Some(span("tokio inner").id));
}

#[test]
fn spans_follow_their_parents_into_tasks_of_smol() {
    collect();
    smol::block_on(async {
        let outer = cancel_scope!(name = "smol outer", async {
            cancelable::smol::spawn(says("smol inner", "in smol")).await
        });
        outer.await.unwrap();
    });
    assert_nested("smol outer", "smol inner");
}

#[test]
fn spans_follow_their_parents_into_threads() {
    collect();
    let outer = Scope::new().name("thread outer").run_sync(|| {
        let inner = || Scope::new().name("thread inner").run_sync(check);
        thread::spawn(inner).join().unwrap()
    });
    outer.unwrap();
    assert_nested("thread outer", "thread inner");
}

#[test]
fn spans_follow_their_parents_in_one_task_past_spans_of_the_users() {
    collect();
    let work = cancel_scope!(name = "block_on outer", async {
        let between = tracing::info_span!("between");
        says("block_on inner", "in block_on").instrument(between).await
    });
    block_on(work).unwrap();
    let between = plain_span("between");
    assert_eq!(span("block_on inner").parent, Some(between.id));
    assert_eq!(between.parent, Some(span("block_on outer").id));
}

/// A span is current while its scope is polled, and while its body is dropped, and at no other time.
#[test]
fn a_span_is_entered_for_each_poll_and_for_the_drop() {
    struct SaysSo;

    impl Drop for SaysSo {
        fn drop(&mut self) {
            tracing::info!("a destructor");
        }
    }

    collect();
    let mut scope = Box::pin(cancel_scope!(name = "entered", async {
        let _says = SaysSo;
        pending::<()>().await;
        Ok::<_, Cancelled>(())
    }));
    for _ in 0..2 {
        assert!(poll_once(scope.as_mut()).is_pending());
        assert!(tracing::Span::current().is_none());
        let span = span("entered");
        assert!(span.entered > 0 && span.entered == span.exited);
    }
    let before = span("entered");
    assert!(!before.is_closed);
    drop(scope);
    let after = span("entered");
    assert_eq!(own_event("a destructor").span, Some(after.id));
    assert!(after.entered > before.entered && after.entered == after.exited);
    assert!(after.is_closed);
}

#[test]
fn a_span_is_closed_when_the_scope_is_over_though_its_future_is_kept() {
    collect();
    let mut at_once = pin!(Scope::new().name("kept, ready at once").run(async { check() }));
    let mut later = pin!(Scope::new().name("kept, ready later").run(async {
        yield_now().await;
        check()
    }));
    assert!(poll_once(at_once.as_mut()).is_ready());
    assert!(poll_once(later.as_mut()).is_pending());
    assert!(poll_once(later.as_mut()).is_ready());
    assert!(span("kept, ready at once").is_closed);
    assert!(span("kept, ready later").is_closed);
}

#[test]
fn a_scope_whose_body_panics_leaves_its_span() {
    collect();
    let scopes: [fn(); 2] = [
        || {
            let scope: Result<Infallible, Cancelled> =
                Scope::new().name("panics, sync").run_sync(|| panic!("on purpose"));
            drop(scope);
        },
        || {
            let scope = Scope::new().name("panics, async");
            let scope: Result<Infallible, Cancelled> = block_on(scope.run(async { panic!("on purpose") }));
            drop(scope);
        },
    ];
    for (scope, name) in scopes.into_iter().zip(["panics, sync", "panics, async"]) {
        assert!(catch_unwind(AssertUnwindSafe(scope)).is_err());
        let span = span(name);
        assert!(span.is_closed && span.entered == span.exited);
        assert!(tracing::Span::current().is_none());
    }
}

#[test]
fn names_from_outside_are_shown_on_one_line() {
    collect();
    let scope: Result<(), Cancelled> = Scope::new().name("two\nlines").run_sync(check);
    scope.unwrap();
    assert_eq!(span("two\u{fffd}lines").fields["otel.name"], "two\u{fffd}lines");
}

#[cancelable]
async fn query() -> Result<(), Cancelled> {
    pending::<()>().await;
    Ok(())
}

/// A timeout is asked for and noticed, with both lines and the function, in the span of the scope; and is a warning.
#[test]
fn a_timeout_is_a_warning_with_both_lines() {
    collect();
    let line = line!() + 1;
    let scope = cancel_scope!(name = "timed", timeout = "5ms", async { query().await });
    let cancelled = block_on(scope).unwrap_err();
    let told = events_in("timed");
    let messages: Vec<_> = told.iter().map(|event| (event.message(), event.level)).collect();
    assert_eq!(
        messages,
        [
            ("asked", Level::WARN),
            ("noticed", Level::WARN),
            ("dropped", Level::DEBUG)
        ]
    );
    let [asked, noticed, dropped] = &told[..] else {
        unreachable!()
    };
    for event in &told {
        assert_eq!(event.field("cancel.kind"), "timeout");
        assert_eq!(event.field("cancel.scope"), "timed");
        assert_eq!(event.field("cancel.reason"), "timed out after 5ms (scope \"timed\")");
        assert_eq!(event.field("code.file.path"), file!());
    }
    assert_eq!(asked.field("code.line.number"), line.to_string());
    assert!(
        noticed
            .field("cancel.requested_at")
            .starts_with(&format!("{}:{line}:", file!()))
    );
    assert_eq!(
        noticed.field("code.line.number"),
        cancelled.observed_at().line().to_string()
    );
    assert_eq!(noticed.field("code.function.name"), cancelled.function().unwrap());
    assert_eq!(noticed.field("cancel.point"), "Await");
    assert!(noticed.field("cancel.latency").parse::<f64>().unwrap() >= 0.0);
    assert!(
        dropped.field("cancel.future").contains("future::pending::Pending"),
        "{dropped:?}"
    );
}

#[test]
fn what_was_asked_for_is_news_or_less() {
    collect();
    type Asks = (&'static str, fn() -> CancelReason, Level);
    let asks: [Asks; 3] = [
        ("a manual one", || "stop".into(), Level::INFO),
        ("a shutdown", CancelReason::shutdown, Level::INFO),
        ("a signal", || CancelReason::signal(15), Level::INFO),
    ];
    for (name, reason, level) in asks {
        let scope: Result<(), Cancelled> = Scope::new().name(name).run_sync_with(|token| {
            token.cancel_with(reason());
            check()
        });
        scope.unwrap_err();
        let told: Vec<_> = events_in(name)
            .iter()
            .map(|event| (event.message().to_owned(), event.level))
            .collect();
        assert_eq!(
            told,
            [("asked".to_owned(), level), ("noticed".to_owned(), level)],
            "{name}"
        );
    }
    let ends: Result<_, Cancelled> = Scope::new().name("ends").run_sync_with(|token| Ok(token.clone()));
    assert!(ends.unwrap().is_cancelled());
    let told = events_in("ends");
    assert_eq!(
        (told.len(), told[0].message(), told[0].level),
        (1, "asked", Level::DEBUG)
    );
    assert_eq!(told[0].field("cancel.kind"), "scope_ended");
}

#[test]
fn a_scope_that_is_dropped_says_so() {
    collect();
    let mut scope = Box::pin(Scope::new().name("left").run(query()));
    assert!(poll_once(scope.as_mut()).is_pending());
    drop(scope);
    let told = events_in("left");
    assert!(
        told.iter()
            .any(|event| (event.message(), event.level) == ("dropped", Level::DEBUG))
    );
    assert!(
        told.iter()
            .all(|event| event.level == Level::DEBUG && event.field("cancel.kind") == "dropped")
    );
    // One that has not begun has no span, and one that is over has nothing to drop.
    let mut over = Box::pin(Scope::new().name("left, over").run(async { check() }));
    assert!(poll_once(over.as_mut()).is_ready());
    drop(over);
    assert!(events_in("left, over").is_empty());
}

/// One that no annotated code is in, which a check point drops where it waits.
#[test]
fn a_plain_future_that_is_dropped_at_a_check_point_is_told_of() {
    async fn plain() {
        pending::<()>().await;
    }

    collect();
    let mut scope = Box::pin(Scope::new().name("plain").run_with(|token| async move {
        let awaited = guard(plain());
        tracing::info!("before");
        token.cancel();
        awaited.await
    }));
    // It is polled once more: what came in the middle of the first poll has not been seen by what is inside.
    let polls = std::iter::repeat_with(|| poll_once(scope.as_mut())).take(3);
    assert!(polls.into_iter().any(|poll| poll.is_ready()));
    let told = events_in("plain");
    assert!(
        !told.iter().any(|event| event.message() == "dropped"),
        "it had not begun: {told:?}"
    );

    let scope = Scope::new()
        .name("plain, begun")
        .timeout(Duration::from_millis(5))
        .run(async { guard(plain()).await });
    block_on(scope).unwrap_err();
    let told = events_in("plain, begun");
    let dropped: Vec<_> = told.iter().filter(|event| event.message() == "dropped").collect();
    assert_eq!(dropped.len(), 1);
    assert!(dropped[0].field("cancel.future").contains("plain"), "{dropped:?}");
    assert_eq!(dropped[0].level, Level::DEBUG);
}

#[test]
fn a_body_that_outstays_its_grace_is_a_warning() {
    collect();
    let scope = Scope::new()
        .name("forced")
        .timeout(Duration::from_millis(1))
        .grace(Duration::from_millis(1));
    let scope = scope.run(async {
        shield(pending::<()>()).await;
        Ok::<_, Cancelled>(())
    });
    assert!(block_on(scope).unwrap_err().was_forced());
    let told = events_in("forced");
    let forced: Vec<_> = told.iter().filter(|event| event.message() == "forced").collect();
    assert_eq!((forced.len(), forced[0].level), (1, Level::WARN));
    assert_eq!(told.iter().filter(|event| event.message() == "noticed").count(), 1);
}

#[test]
fn a_scope_that_does_not_begin_says_who_noticed() {
    collect();
    let scope: Result<(), Cancelled> = block_on(Scope::new().name("refused").timeout(Duration::ZERO).run(query()));
    scope.unwrap_err();
    let told = events_in("refused");
    let noticed: Vec<_> = told.iter().filter(|event| event.message() == "noticed").collect();
    assert_eq!((noticed.len(), noticed[0].field("cancel.point")), (1, "Scope"));
    assert!(span("refused").is_closed);
}

#[test]
fn each_kind_of_check_point_says_once_that_it_has_noticed() {
    #[cancelable]
    fn entry() -> Result<(), Cancelled> {
        Ok(())
    }

    #[cancelable]
    fn turns() -> Result<(), Cancelled> {
        cancelable::current().cancel();
        loop {}
    }

    #[cancelable]
    fn items() -> Result<(), Cancelled> {
        for n in 0..10 {
            if n == 3 {
                cancelable::current().cancel();
            }
        }
        Ok(())
    }

    #[cancelable]
    fn by_hand() -> Result<(), Cancelled> {
        cancelable::current().cancel();
        check()
    }

    fn cancelled_before() -> Result<(), Cancelled> {
        cancelable::current().cancel();
        entry()
    }

    type Body = fn() -> Result<(), Cancelled>;
    collect();
    let points: [(&str, Body, &str, &str); 4] = [
        ("noticed by an entry", cancelled_before, "Entry", "entry"),
        ("noticed by a loop", turns, "Loop", "turns"),
        ("noticed by a for", items, "Loop", "items"),
        ("noticed by hand", by_hand, "Check", ""),
    ];
    for (name, body, point, function) in points {
        Scope::new().name(name).run_sync(body).unwrap_err();
        let told = events_in(name);
        let noticed: Vec<_> = told.iter().filter(|event| event.message() == "noticed").collect();
        assert_eq!(noticed.len(), 1, "{name}: {told:?}");
        assert_eq!(noticed[0].field("cancel.point"), point);
        if !function.is_empty() {
            assert!(noticed[0].field("code.function.name").ends_with(function));
        }
    }
}

/// A cancel from above reaches many scopes, and is asked for once.
#[test]
fn a_cancel_is_asked_for_once_and_noticed_in_each_scope() {
    collect();
    let token = cancelable::CancellationToken::new();
    let request = |name: &'static str| Scope::new().name(name).parent(&token).run(query());
    let both = async { futures::join!(request("asked once, a"), request("asked once, b")) };
    let mut both = Box::pin(both);
    assert!(both.as_mut().now_or_never().is_none());
    token.cancel_with(CancelReason::shutdown().with_message("asked once"));
    let (a, b) = block_on(both);
    a.and(b).unwrap_err();
    let told = events(|event| {
        event
            .fields
            .get("cancel.reason")
            .is_some_and(|reason| reason.contains("asked once"))
    });
    assert_eq!(told.iter().filter(|event| event.message() == "asked").count(), 1);
    for name in ["asked once, a", "asked once, b"] {
        let id = span(name).id;
        let here = told
            .iter()
            .filter(|event| event.span == Some(id) && event.message() == "noticed");
        assert_eq!(here.count(), 1, "{name}");
    }
}

#[test]
fn nothing_is_an_error() {
    collect();
    let error = std::io::Error::other("the disk is full");
    let scope: Result<(), Cancelled> = Scope::new().name("an error").run_sync_with(|token| {
        token.cancel_with(CancelReason::error(error));
        check()
    });
    scope.unwrap_err();
    assert_eq!(events_in("an error").len(), 2);
    // Those of the other tests, as far as they have come, as well.
    assert!(events(|_| true).iter().all(|event| event.level != Level::ERROR));
    assert!(events(|event| event.fields.contains_key("error")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_sleep_that_is_cancelled_says_so_under_a_paused_clock() {
    collect();
    let scope = cancel_scope!(name = "paused", timeout = "1h", async { sleep(Duration::MAX).await });
    scope.await.unwrap_err();
    let told = events_in("paused");
    assert!(
        told.iter()
            .any(|event| event.message() == "noticed" && event.level == Level::WARN)
    );
}
