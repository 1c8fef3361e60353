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
