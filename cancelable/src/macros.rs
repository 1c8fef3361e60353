//! The function-like macros. Each hands the path it was called by on to its proc macro, so that a renamed dependency
//! needs no option.

/// Opens a scope round a body: a token of its own below the ambient one, with perhaps a deadline, a name, a grace.
///
/// ```text
/// cancel_scope!(option, …, body)
/// ```
///
/// | option | meaning |
/// |---|---|
/// | `timeout = "5s"`, or a `Duration` or an `Option` of one | cancels the scope that long after it began |
/// | `deadline = instant` | cancels the scope at that [`Instant`](std::time::Instant), or, if it is an `Option`, at the one in it (under a paused clock: see [`Scope::deadline`](crate::Scope::deadline)) |
/// | `grace = …` (likewise) | drops a cancelled body that has not finished after this long |
/// | `parent = &token` | hangs the scope below this token instead of the ambient one |
/// | `detached` | hangs it below nothing |
/// | `until = source` | cancels the scope when this fires, too: a future, a token, a signal, … (see [`Source`](crate::Source)) |
/// | `name = "…"` | for error messages |
/// | `token = ident` | binds the scope's token in the body |
/// | `finally = async { … }`, or `{ … }` beside a sync body | clean-up that runs when the body is over (see below) |
///
/// An `async { }`, `async move { }` or `async || -> T { }` body gives a future; a plain block or a `|| -> T { }` runs at
/// once. The body gets check points as an [annotated](crate::cancelable) function does. `return` and `?` leave the scope,
/// as they leave a closure. The value is the body's, whose type must be [`FromCancelled`](crate::FromCancelled).
///
/// Everything else is as [`Scope`](crate::Scope) says, which this expands to.
///
/// ```
/// use cancelable::{Cancelled, cancel_scope};
///
/// let sum = cancel_scope!(timeout = "1s", name = "sum", {
///     let mut sum = 0_u64;
///     for i in 0..1000 {
///         sum += i;
///     }
///     Ok::<_, Cancelled>(sum)
/// });
/// assert_eq!(sum.unwrap(), 499_500);
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
///   dropped if it does not notice. Without, it has all the time it takes.
/// - The value of the whole is the body's. The value of `finally` is dropped, even if it is an error: report it there.
/// - `?` and `return` in it leave it alone.
/// - The body ends first. Threads and tasks that it has left behind have been cancelled by then. A signal that comes during `finally`
///   finds nobody who listens, if only this scope did.
///
/// It does not run if the scope's future is dropped, as in a `select!` or when a task is aborted, nor if the body panics: nothing can
/// be awaited there. In an [annotated](crate::cancelable) function the `.await` of such a scope is no check point, so it begins, and
/// `finally` runs, also when the cancel has come before. Elsewhere a future that is never polled has not begun.
///
/// Without macros, await a shield after the scope: see [`Scope`](crate::Scope#clean-up).
#[macro_export]
macro_rules! cancel_scope {
    ($($input:tt)*) => { $crate::__private::cancel_scope_impl!(($crate) $($input)*) };
}

/// Runs a body without its seeing the cancellation of the code outside: for cleanup. See [`shield`](crate::shield()).
///
/// ```text
/// shield!(async { … }).await        shield!(timeout = "2s", async { … }).await        shield!({ … })
/// ```
///
/// Bodies as in [`cancel_scope!`](crate::cancel_scope). Without `timeout` the value may have any type; with it, the type
/// must be [`FromCancelled`](crate::FromCancelled). In an annotated function the `.await` of a shield is no check point.
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

/// `race!(a, b, …)`: the first output wins; the other futures are cancelled and driven to their end. See
/// [`race`](crate::race()).
///
/// ```
/// use cancelable::{Cancelled, race};
///
/// # futures::executor::block_on(async {
/// let value = race!(std::future::pending(), async { 7 }).await;
/// assert_eq!(value, 7);
/// # });
/// ```
#[macro_export]
macro_rules! race {
    ($($input:tt)*) => { $crate::__private::race_impl!(($crate) $($input)*) };
}

/// `try_join!(a, b, …)`: all values, or the first error, when the other futures, cancelled by it, have ended. See
/// [`try_join`](crate::try_join()).
///
/// ```
/// use cancelable::{Cancelled, try_join};
///
/// # futures::executor::block_on(async {
/// let both = try_join!(async { Ok::<_, Cancelled>(1) }, async { Ok("two") }).await;
/// assert_eq!(both.unwrap(), (1, "two"));
/// # });
/// ```
#[macro_export]
macro_rules! try_join {
    ($($input:tt)*) => { $crate::__private::try_join_impl!(($crate) $($input)*) };
}
