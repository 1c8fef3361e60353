//! The function-like macros. Each hands the path it was called by on to its proc macro, so that a renamed dependency
//! needs no option.

/// Opens a scope round a body: a token of its own below the ambient one, with perhaps a deadline, a name, a grace.
///
/// ```text
/// cancel_scope!(option, …, async { … }).await?        cancel_scope!(option, …, { … })?
/// ```
///
/// ```
/// use cancelable::{Cancelled, cancel_scope, sleep};
/// use std::time::Duration;
///
/// # futures::executor::block_on(async {
/// let page = cancel_scope!(timeout = "5ms", name = "fetch", async {
///     sleep(Duration::from_secs(60)).await?;              // `?` leaves the scope, not the function round it
///     Ok::<_, Cancelled>("a page")                        // says what the error type is
/// });
/// assert_eq!(page.await.unwrap_err().reason().to_string(), "timed out after 5ms (scope \"fetch\")");
/// # });
/// ```
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `timeout = "5s"`, or a `Duration` or an `Option` of one | cancels the scope that long after it began |
/// | `idle_timeout = …` (likewise) | cancels the scope when no [`progress`](crate::progress()) was reported for this long |
/// | `heartbeat` | has check points put the idle timeout off, too: see [`Scope::heartbeat`](crate::Scope::heartbeat) |
/// | `progress = &handle` | has a [`Progress`](crate::Progress) tell how far the scope has got: see [`Scope::progress`](crate::Scope::progress) |
/// | `weight = 3` | how much of the scope round it this one is: see [`Scope::weight`](crate::Scope::weight) |
/// | `deadline = instant` | cancels the scope at that [`Instant`](std::time::Instant), or, if it is an `Option`, at the one in it (under a paused clock: see [`Scope::deadline`](crate::Scope::deadline)) |
/// | `grace = …` (likewise) | drops a cancelled body that has not finished after this long |
/// | `parent = &token` | hangs the scope below this token instead of the ambient one |
/// | `detached` | hangs it below nothing |
/// | `until = source` | cancels the scope when this fires, too: a future, a token, a signal, … (see [`Source`](crate::Source)) |
/// | `asking = ("10ms", host)` | has the check points of a sync body ask a closure on their thread: see [`Scope::asking`](crate::Scope::asking) |
/// | `name = "…"` | for error messages |
/// | `partial = …` | keeps what the body has so far, which it is handed: `async \|rows\| { … }`; see [`Scope::partial`](crate::Scope::partial) |
/// | `token = ident` | binds the scope's token in the body |
/// | `finally = async { … }`, or `{ … }` beside a sync body | clean-up that runs when the body is over (see below) |
///
/// Durations are a whole number with `ms`, `s`, `m` or `h`, or any expression of type [`Duration`](std::time::Duration).
///
/// # Body
///
/// An `async { }`, `async move { }` or `async || -> T { }` body gives a future; a plain block or a `|| -> T { }` runs at
/// once. (With `partial`, it is `async |so_far| { }` or `|so_far| { }`.) The body gets check points as an [annotated](crate::cancelable) function does. `return` and `?` leave the scope,
/// as they leave a closure. The value is the body's, whose type must be [`FromCancelled`](crate::FromCancelled).
///
/// Everything else is as [`Scope`](crate::Scope) says, which this expands to.
///
/// # Examples
///
/// The scope of a request, below a token that is cancelled when the server shuts down. Whoever holds its own token can cancel
/// this one request:
///
/// ```
/// use cancelable::{CancelReason, CancellationToken, Cancelled, cancel_scope, sleep};
/// use std::time::Duration;
///
/// # futures::executor::block_on(async {
/// let shutdown = CancellationToken::new();
/// let request = cancel_scope!(parent = &shutdown, token = token, name = "GET /orders/7", async || -> Result<u32, Cancelled> {
///     std::thread::spawn(move || token.cancel_with(CancelReason::manual().with_message("the client has gone")));
///     sleep(Duration::from_secs(60)).await?;
///     Ok(200)
/// });
/// let cancelled = request.await.unwrap_err();
/// assert_eq!(cancelled.reason().to_string(), "the client has gone (scope \"GET /orders/7\")");
/// assert!(!shutdown.is_cancelled());
/// # });
/// ```
///
/// Sync code, ended at the next iteration of the loop:
///
/// ```
/// use cancelable::{Cancelled, cancel_scope};
///
/// let found = cancel_scope!(timeout = "5ms", {
///     let mut n: u64 = 0;
///     while n.count_ones() < 64 {
///         n += 1;
///     }
///     Ok::<_, Cancelled>(n)
/// });
/// assert!(found.unwrap_err().is_timeout());
/// ```
///
/// What a body has so far, beside the error, a [`Partial`](crate::Partial):
///
/// ```
/// use cancelable::{Cancelled, cancel_scope, sleep};
/// use std::time::Duration;
///
/// # futures::executor::block_on(async {
/// let pages = cancel_scope!(timeout = "20ms", partial = Vec::new(), async |pages| -> Result<(), Cancelled> {
///     for (url, takes) in [("/", 0), ("/about", 1), ("/archive", 3600)] {
///         sleep(Duration::from_millis(takes * takes)).await?;
///         pages.push(url);
///     }
///     Ok(())
/// });
/// let stopped = pages.await.unwrap_err();
/// assert!(stopped.error.is_timeout());
/// assert_eq!(stopped.partial, ["/", "/about"]);
/// # });
/// ```
///
/// # `finally`: clean-up
///
/// `finally` runs when the body is over, whichever way it ended: with a value, with an error, cancelled, dropped after its `grace`,
/// or not even started, because the scope was cancelled before. Both may use the same variables.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, cancel_scope};
/// use std::time::Duration;
///
/// # async fn outside() {
/// let mut conn = Connection::open().await;
/// let result = cancel_scope!(timeout = "5ms", grace = "2s", finally = async { conn.close().await }, async {
///     conn.query("select").await;             // takes for ever
///     Ok::<_, Cancelled>(())
/// })
/// .await;
/// assert!(result.unwrap_err().is_timeout());
/// assert!(!conn.is_open);
/// # }
/// # futures::executor::block_on(outside());
/// # struct Connection { is_open: bool }
/// # impl Connection {
/// #     async fn open() -> Self { Connection { is_open: true } }
/// #     async fn query(&mut self, _: &str) { std::future::pending().await }
/// #     async fn close(&mut self) { cancelable::sleep(Duration::from_millis(1)).await.unwrap(); self.is_open = false }
/// # }
/// ```
///
/// - It runs under a [shield](crate::shield()), so it is not cancelled by what has cancelled the body. [`current`](crate::current()) is
///   the shield's own token there, not the scope's, which has ended.
/// - With a `grace`, it has that long, besides what the body has taken of its own: then its annotated functions fail, and it is
///   dropped if it does not notice. Loops that stand in it have no check points of their own: put one that may take long into an
///   annotated function. Without a `grace`, it has all the time it takes.
/// - The value of the whole is the body's. The value of `finally` is dropped, even if it is an error: report it there.
/// - `?` and `return` in it leave it alone.
/// - The body ends first. Threads and tasks that it has left behind have been cancelled by then. A signal that comes during `finally`
///   finds nobody who listens, if only this scope did.
///
/// It does not run if the scope's future is dropped, as in a `select!` or when a task is aborted, nor if the body panics: nothing can
/// be awaited there. In an [annotated](crate::cancelable) function the `.await` of such a scope is no check point, so it begins, and
/// `finally` runs, also when the cancel has come before. That goes by the name: not if the macro is renamed, boxed, put into a
/// variable first, or awaited by a `join!`. Elsewhere a future that is never polled has not begun. Nor does it run for a member of a
/// `FuturesUnordered` in a loop that leaves with the first error, and so drops the other members; a check point does not drop them.
///
/// Without macros, await a shield after the scope: see [`Scope`](crate::Scope#clean-up).
#[macro_export]
macro_rules! cancel_scope {
    ($($input:tt)*) => { $crate::__private::cancel_scope_impl!(($crate) $($input)*) };
}

/// Runs a body that does not see the cancellation of the code outside: for clean-up. See [`shield`](crate::shield()).
///
/// ```text
/// shield!(async { … }).await        shield!(timeout = "2s", async { … }).await        shield!({ … })
/// ```
///
/// Bodies as in [`cancel_scope!`](crate::cancel_scope). Without `timeout` the value may have any type; with it, the type
/// must be [`FromCancelled`](crate::FromCancelled). In an annotated function the `.await` of a shield is no check point.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, cancel_scope, cancelable, shield, sleep};
/// use std::{cell::Cell, time::Duration};
///
/// #[cancelable]
/// async fn copy(is_closed: &Cell<bool>) -> Result<(), Cancelled> {
///     // A scope of its own for the work: the cancel ends it and comes out of it as a value, so that the lines below run.
///     let copied = cancel_scope!(async { sleep(Duration::from_secs(60)).await }).await;
///     shield!(timeout = "2s", async {
///         sleep(Duration::from_millis(1)).await?;         // waits, though the function is cancelled
///         is_closed.set(true);
///         Ok::<_, Cancelled>(())
///     })
///     .await?;
///     copied
/// }
///
/// # futures::executor::block_on(async {
/// let (token, is_closed) = (CancellationToken::new(), Cell::new(false));
/// let (copied, ()) = futures::join!(token.scope(copy(&is_closed)), async { token.cancel() });
/// assert!(copied.is_err());
/// assert!(is_closed.get());
/// # });
/// ```
///
/// In sync code it is a block, as [`shield_sync`](crate::shield_sync) is:
///
/// ```
/// use cancelable::{CancellationToken, check, shield};
///
/// let token = CancellationToken::new();
/// token.cancel();
/// token.sync_scope(|| {
///     assert!(check().is_err());
///     assert!(shield!({ check().is_ok() }));
/// });
/// ```
#[macro_export]
macro_rules! shield {
    ($($input:tt)*) => { $crate::__private::shield_impl!(($crate) $($input)*) };
}

/// `race!(a, b, …)`: the first output wins. The other futures are cancelled and polled until they have ended, so their clean-up
/// runs; only then does the race complete. All have one output type. See [`race`](crate::race()).
///
/// ```
/// use cancelable::{Cancelled, race, sleep};
/// use std::time::Duration;
///
/// async fn ask(server: &'static str, takes: Duration) -> Result<&'static str, Cancelled> {
///     sleep(takes).await?;
///     Ok(server)
/// }
///
/// # futures::executor::block_on(async {
/// let (near, far) = (Duration::from_millis(1), Duration::from_secs(60));
/// let answer = race!(ask("far", far), ask("near", near)).await;
/// assert_eq!(answer.unwrap(), "near");
/// # });
/// ```
#[macro_export]
macro_rules! race {
    ($($input:tt)*) => { $crate::__private::race_impl!(($crate) $($input)*) };
}

/// `try_join!(a, b, …)`: all values, or the first error. The error cancels the other futures, and is returned when they have ended,
/// so their clean-up has run. All have one error type. See [`try_join`](crate::try_join()).
///
/// ```
/// use cancelable::{Cancelled, sleep, try_join};
/// use std::{io, time::Duration};
///
/// # futures::executor::block_on(async {
/// let both = try_join!(async { Ok::<_, Cancelled>(1) }, async { Ok("two") }).await;
/// assert_eq!(both.unwrap(), (1, "two"));
///
/// let slow = async { sleep(Duration::from_secs(60)).await.map_err(io::Error::from) };
/// let failed = async { Err::<(), _>(io::Error::other("disk full")) };
/// assert_eq!(try_join!(slow, failed).await.unwrap_err().to_string(), "disk full");
/// # });
/// ```
#[macro_export]
macro_rules! try_join {
    ($($input:tt)*) => { $crate::__private::try_join_impl!(($crate) $($input)*) };
}
