//! `Debug` says which type it is and what its user gave it, and no more.

use std::future::{Ready, ready};
use std::time::Duration;

use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, Scope, StreamEnd, StreamExt as _, cancel_scope, checkpoint,
    guard, race, shield, try_join,
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
