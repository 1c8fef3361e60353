//! `Debug` says which type it is and what its user gave it, and no more.

use std::future::{Ready, ready};
use std::time::Duration;

use cancelable::tokio::{TaskGroup, TaskOwner};
use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, Deadline, Scope, StreamEnd, StreamExt as _, TaskError,
    cancel_scope, checkpoint, guard, race, shield, try_join,
};
use futures::stream;

fn done() -> Ready<Result<(), Cancelled>> {
    ready(Ok(()))
}

#[test]
fn futures_scopes_and_streams_show_what_they_are() {
    let token = CancellationToken::new();
    let long = Duration::from_secs(3600);
    for (shown, expected) in [
        (
            format!("{:?}", guard(ready(7))),
            "Guard { inner: Ready(Some(7)), location: tests/tests/debug.rs:",
        ),
        (format!("{:?}", checkpoint()), "Checkpoint { .. }"),
        (format!("{:?}", race([done()])), "Race { .. }"),
        (format!("{:?}", try_join((done(), done()))), "TryJoin { .. }"),
        (format!("{:?}", shield(done())), "Shield { .. }"),
        (
            format!("{:?}", shield(done()).timeout(long)),
            "ShieldWithTimeout { .. }",
        ),
        (format!("{:?}", token.scope(done())), "Scoped { .. }"),
        (
            format!("{:?}", done().with_cancellation(&token)),
            "WithCancellation { .. }",
        ),
        (
            format!("{:?}", done().with_cancellation_token(&token)),
            "WithCancellationTokenFuture { .. }",
        ),
        (
            format!("{:?}", done().with_cancellation_token_owned(token.clone())),
            "WithCancellationTokenFutureOwned { .. }",
        ),
        (
            format!("{:?}", Scope::new().name("load").timeout(long)),
            "Scope { name: Some(\"load\"), parent: Ambient, timeout: Some(3600s), deadline: None, grace: None, links: [], .. }",
        ),
        (
            format!("{:?}", cancel_scope!(async { Ok::<(), Cancelled>(()) })),
            "Run { .. }",
        ),
        (
            format!("{:?}", token.scope_stream(stream::iter([1, 2]))),
            "ScopedStream { token: CancellationToken {",
        ),
        (
            format!("{:?}", stream::iter([1, 2]).with_cancellation(&token)),
            "WithCancellationStream { token: CancellationToken {",
        ),
        (
            format!("{:?}", stream::iter([1, 2]).until_cancelled_by(&token, StreamEnd::Now)),
            "UntilCancelled { stream: Iter { iter: IntoIter([1, 2]) }, token: Some(CancellationToken {",
        ),
        (
            format!("{:?}", stream::iter([1, 2]).until_cancelled(StreamEnd::Now).chunked(3)),
            "Chunked { items: UntilCancelled { stream: Iter { iter: IntoIter([1, 2]) }, token: None, end: Now, .. }, partial: [], size: 3 }",
        ),
    ] {
        assert!(shown.starts_with(expected), "{shown}");
    }
}

#[tokio::test]
async fn owners_of_tasks_and_what_they_give_out_show_how_it_stands() {
    let tasks = TaskOwner::builder().limit(2).build();
    let task = tasks.named("worker").spawn(async { panic!("out of cheese") });
    let group = TaskGroup::<(), Cancelled>::new();
    let limit = Deadline::after(Duration::from_secs(60));
    let shown = [
        (
            format!("{:?}", TaskOwner::builder().limit(2)),
            "TaskOwnerBuilder { parent: CancellationToken(never), limit: Some(2)",
        ),
        (
            format!("{tasks:?}"),
            "TaskOwner { tasks: 1, is_closed: false, token: CancellationToken {",
        ),
        (
            format!("{:?}", tasks.named("next")),
            "Place { name: Some(\"next\"), .. }",
        ),
        (
            format!("{task:?}"),
            "TaskHandle { task: TaskInfo { id: TaskId(0), name: Some(\"worker\"), spawned_at: ",
        ),
        (
            format!("{:?}", task.abort_handle()),
            "AbortHandle { task: TaskInfo { id: TaskId(0), name: Some(\"worker\"), spawned_at: ",
        ),
        (format!("{group:?}"), "TaskGroup { tasks: 0, token: CancellationToken {"),
        (format!("{:?}", group.spawner()), "Spawner { token: CancellationToken {"),
        (
            format!("{limit:?}"),
            "Deadline { after: 60s, has_started: false, has_passed: false, location: tests/tests/debug.rs:",
        ),
    ];
    let Err(TaskError::Panicked(panic)) = task.await else {
        unreachable!()
    };
    let panicked = (
        format!("{panic:?}"),
        "TaskPanic { message: Some(\"out of cheese\"), spawned_at: tests/tests/debug.rs:",
    );
    for (shown, expected) in shown.into_iter().chain([panicked]) {
        assert!(shown.starts_with(expected), "{shown}");
    }
}
