//! The attribute and the macros of `cancelable`; use them through that crate.
//!
//! What they do is in `cancelable-syntax`, which `cargo cancelable` reads code with, too.

#![deny(missing_docs)]

use cancelable_syntax::expand;
use proc_macro::TokenStream;

/// Makes a function cancelable: puts check points into it, which end it with an error once the ambient token is
/// cancelled.
///
/// Nothing changes for its callers: no token in the signature, the same types, the same values.
///
/// The attribute *listens*; it cancels nothing. What it listens to is the scope that the call is in. Somebody has to open one: `main`,
/// a layer round each request, a test, by [`cancel_scope!`](../cancelable/macro.cancel_scope.html) or
/// [`Scope`](../cancelable/struct.Scope.html); or the function itself, by an [option](#options). Without a scope the function runs as if
/// it were not annotated, and nothing can cancel it.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, cancelable};
///
/// #[cancelable]
/// async fn total(prices: &[u32]) -> Result<u32, Cancelled> {
///     let mut total = 0;
///     for price in prices {                       // a check at every iteration
///         total += convert(*price).await;         // a check at every await
///     }
///     Ok(total)
/// }
/// # async fn convert(n: u32) -> u32 { n }
///
/// # futures::executor::block_on(async {
/// assert_eq!(total(&[1, 2]).await.unwrap(), 3);
///
/// let token = CancellationToken::new();
/// token.cancel();
/// assert!(token.scope(total(&[1, 2])).await.is_err());
/// # });
/// ```
///
/// # Where it goes
///
/// - on a `fn` or an `async fn`: free, method, or provided method of a trait;
/// - on a `fn` that returns `impl Future`, `Pin<Box<dyn Future>>` or a `BoxFuture`, and ends in `async { … }` or
///   `Box::pin(async { … })`, which is what `#[async_trait]` makes of an `async fn`;
/// - on an `impl` block: every method is annotated whose return type is written as some `…Result` or as an `Option`, or
///   as a future of one. An `async` method of another type is an error, a sync or `const` one is left alone. On a
///   method, `#[cancelable(skip)]` leaves it alone, and `#[cancelable(…)]` replaces the block's options;
/// - on an inline module, `mod name { … }`: its functions, the methods of its `impl` blocks, those of its traits that have a body, and
///   the modules in it, by the same rules. `#[cancelable(skip)]` may stand on any of these. What is there for tests (`#[cfg(test)]`,
///   `#[test]`), or is what the program starts with (`#[tokio::main]`), is left alone.
///
/// It may stand above or below `#[tokio::main]`, `#[tokio::test]`, `#[tracing::instrument]` and `#[async_trait]`.
///
/// The return type has to have room for a cancel: `Result<T, E>` with `E: From<Cancelled>`, `Option<T>`, or a type of
/// your own with `FromCancelled`; or else say what to return, with [`or`](#or--value). `Iterator::next` and its kin, whose `None`
/// means that nothing is left, are refused without an `or`: a cancel is not the end. Instead, take the items by
/// [`until_cancelled`](../cancelable/trait.IteratorExt.html#method.until_cancelled). (An `or = Some(Err(…))` would come again at
/// each call, for ever.)
///
/// # Check points
///
/// - The entry of the function.
/// - Every `.await`: before its future is first polled, and whenever that is pending. A future that is ready yields its
///   value in any case.
/// - Every iteration of a `loop`, `while` or `for`, before it takes anything: before the `next()` of a `for`, before the condition
///   of a `while` or `while let`. So no job in hand is lost, whether it comes from `for job in &receiver`,
///   `while let Some(job) = queue.pop_front()` or `drain(..)`. A `while` whose condition awaits is checked by that await. A `for`
///   whose iterator says that nothing is left ends as it would have.
/// - `join!`, `try_join!` and `select!` of `tokio` and `futures`, also imported ones: when all their branches are pending. For our
///   own `try_join!` in another place than before an `.await` or in a shield, write `cancelable::try_join!`.
///
/// No check point: the await of `shield!(…)`, `shield(…)` or `….shielded()`, or of a `cancel_scope!` with a `finally`, which start and
/// end under a cancelled token too. Left alone are closures, `async` blocks, nested items, and macros other than `vec!`, `format!` and
/// `println!` and their like, `assert!` and its like, `matches!`, `dbg!`, `panic!` and its like, `pin!`, `race!`, `bail!`,
/// `ensure!`, `anyhow!` and `eyre!`, which are looked into where their arguments are expressions. (Macros of your own that are
/// called so stay yours: only what they are given is changed. What shows its argument, as a failed `assert!` and `dbg!` do, shows
/// it as `cancelable!(ready().await)`.)
///
/// A function with no check point but its entry, whose loops or awaits are in closures, `async` blocks or macros that are left
/// alone, would not end when it is cancelled. The compiler warns of it, at that loop or await, and says what to write instead.
/// `#[cancelable(skip)]` on the statement says that the code is meant so, and turns the warning off. There are three more such
/// warnings: for syntax that only nightly knows; for a body that another attribute has moved away
/// (`docs/other-attributes.md` in the repository says which order is right); and for an await that would lose what a
/// [loop marked `break`](#behind-a-loop-that-is-left) has found. The lint's name is `deprecated`, since a macro on
/// stable has no other way to warn. What is passed to a call named `spawn…`, or shielded, gets no warning.
///
/// Where nothing is cancelled, the function does what it did: `return`, `?`, `break`, labels, values, types, borrows and
/// the order of drops are untouched. (One exception: a sync function with a scope of its own runs its body in a closure. If it is
/// `#[track_caller]`, `Location::caller()` in it is still the caller; but an `expect` that panics in it reports its own line.)
/// Where it has documentation, a line is added that says how many check points it has (see [`doc`](#doc--false)).
///
/// # Options
///
/// `scope`, `name`, `timeout`, `idle_timeout`, `progress`, `weight`, `deadline`, `grace`, `token`, `until` and `asking` open a scope for
/// each call, which works without an ambient token too. Expressions in options see the arguments and `self`.
///
/// A scope ends with its call: tasks and threads that have inherited it, and that still run by then, are cancelled, with kind
/// `ScopeEnded`. What is to go on after the call is started outside of it, with plain `tokio::spawn` for one.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, cancelable};
/// use std::time::Duration;
///
/// struct Client { limit: Duration, shutdown: CancellationToken }
///
/// impl Client {
///     #[cancelable(name = format!("fetch {id}"), timeout = self.limit, token = self.shutdown)]
///     async fn fetch(&self, id: u32) -> Result<String, Cancelled> {
///         std::future::pending().await
///     }
/// }
///
/// # futures::executor::block_on(async {
/// let client = Client { limit: Duration::from_millis(5), shutdown: CancellationToken::new() };
/// let error = client.fetch(7).await.unwrap_err();
/// assert!(error.is_timeout());
/// assert_eq!(error.scope_name(), Some("fetch 7"));
/// # });
/// ```
///
/// ## `scope`
///
/// Opens a scope named after the function, and nothing else. The plain attribute opens none: it only looks at the scope of the
/// caller. Write it where work begins, as on the handler of a request: if the handler's future is dropped, because the client has
/// gone, what it has started is cancelled.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, cancelable};
///
/// #[cancelable(scope)]
/// async fn handler(job: &mut CancellationToken) -> Result<(), Cancelled> {
///     *job = cancelable::current();               // what a thread or a task would take along
///     std::future::pending().await
/// }
///
/// let mut job = CancellationToken::never();
/// drop(futures::executor::block_on(async { futures::poll!(Box::pin(handler(&mut job))) }));
/// assert!(job.is_cancelled());
/// ```
///
/// ## `name = "…"`
///
/// Names the scope in errors. A `&'static str`, a `String` or a `Cow` of these.
///
/// ## `timeout = "5s"`
///
/// Cancels the call when it has taken this long: a whole number with `ms`, `s`, `m` or `h`, or an expression of type
/// `Duration` or `Option<Duration>`.
///
/// ## `idle_timeout = "30s"`
///
/// Cancels the call when no `progress` has been reported in it for this long: a duration as `timeout` takes it. With `heartbeat`, an
/// option without a value, check points put it off as well. See `Scope::idle_timeout`.
///
/// ```
/// use cancelable::{Cancelled, cancelable, progress};
///
/// #[cancelable(idle_timeout = "30s")]
/// async fn copy(blocks: Vec<Vec<u8>>) -> Result<u64, Cancelled> {
///     let (mut copied, all) = (0, blocks.len() as u64);
///     for block in blocks {
///         copied += std::future::ready(block.len() as u64).await;
///         progress(copied, all);
///     }
///     Ok(copied)
/// }
/// # assert_eq!(futures::executor::block_on(copy(vec![vec![0; 7]])).unwrap(), 7);
/// ```
///
/// ## `progress = handle` and `weight = 3`
///
/// Has a `Progress` tell how far the call has got, and how much of the scope round it the call is. See `Scope::progress` and `Scope::weight`.
///
/// ```
/// use cancelable::{Cancelled, Progress, cancelable, progress};
///
/// #[cancelable(progress = handle)]
/// fn build(handle: &Progress) -> Result<(), Cancelled> {
///     progress(0, 10);
///     compile()?;
///     link()
/// }
///
/// #[cancelable(weight = 9)]
/// fn compile() -> Result<(), Cancelled> {
///     Ok(())
/// }
///
/// #[cancelable(weight = 1)]
/// fn link() -> Result<(), Cancelled> {
///     Ok(())
/// }
///
/// let handle = Progress::new();
/// build(&handle).unwrap();
/// assert_eq!(handle.get().done(), 10);
/// ```
///
/// ## `deadline = instant`
///
/// Cancels the call at this moment: an expression of type [`Instant`](https://doc.rust-lang.org/std/time/struct.Instant.html) or `Option<Instant>`, which may use
/// the arguments. In a test with a paused clock it is a moment of that clock: take it from
/// `tokio::time::Instant::now().into_std()`.
///
/// ```
/// use cancelable::{Cancelled, cancelable};
/// use std::time::Instant;
///
/// #[cancelable(deadline = by)]
/// async fn answer(by: Option<Instant>) -> Result<u32, Cancelled> {
///     Ok(std::future::ready(42).await)
/// }
/// # futures::executor::block_on(async {
/// assert_eq!(answer(None).await.unwrap(), 42);
/// assert!(answer(Some(Instant::now())).await.unwrap_err().is_timeout());
/// # });
/// ```
///
/// ## `asking = ("10ms", host)`
///
/// Has the check points of this thread ask a host, an interpreter perhaps, at most so often: the two arguments of `Scope::asking`. The
/// host is a closure that says `true`, or fails, to cancel the call. On sync functions only.
///
/// ```
/// use cancelable::{Cancelled, cancelable};
/// use std::cell::Cell;
///
/// struct Interpreter { is_interrupted: Cell<bool> }           // which must not leave its thread
///
/// #[cancelable(asking = ("10ms", || host.is_interrupted.get()))]
/// fn solve(host: &Interpreter, steps: u64) -> Result<u64, Cancelled> {
///     let mut solved = 0;
///     while solved < steps {
///         solved += 1;
///     }
///     Ok(solved)
/// }
///
/// let host = Interpreter { is_interrupted: Cell::new(false) };
/// assert_eq!(solve(&host, 1000).unwrap(), 1000);
/// host.is_interrupted.set(true);
/// assert!(solve(&host, u64::MAX).is_err());
/// ```
///
/// ## `grace = "1s"`
///
/// A duration as `timeout` takes it. When the call has been cancelled for this long and has not returned, it is dropped where it
/// stands, and the error says so. A sync function cannot be dropped from outside.
///
/// ## `token = token`
///
/// Cancels the call with this token too. A token or a reference to one; a place is borrowed.
///
/// ## `until = source`
///
/// Cancels the call when this fires: a signal, a future, a condition, a token, or any other
/// [`Source`](../cancelable/trait.Source.html); for the first of several, `until = any((a, b))`. On
/// `main` it makes Ctrl-C an ordinary cancel (feature `signal`):
///
/// ```text
/// #[cancelable(until = cancelable::signal::ctrl_c())]
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn Error>> {
///     serve().await
/// }
/// ```
///
/// A `main` that returns this error exits with 1 and prints its `Debug` form; for 130 and one line, return an `ExitCode`, made of
/// [`Cancelled::exit_code`](../cancelable/struct.Cancelled.html#method.exit_code).
///
/// An option may hold a `?`, as in `until = signal::unix([signal::SIGTERM])?`, whose error the function then returns.
///
/// ```
/// use cancelable::{Cancelled, Source, cancelable};
/// use std::future::{pending, ready};
///
/// #[cancelable(until = stop)]
/// async fn serve(stop: impl Source) -> Result<(), Cancelled> {
///     pending().await
/// }
/// # futures::executor::block_on(async {
/// assert!(serve(ready(())).await.is_err());
/// # });
/// ```
///
/// ## `or = value`
///
/// What to return when cancelled, for a type that has no room for it; `or = ()` where nothing is returned.
///
/// It is for the check points of this function. Where an annotated function that it calls notices first, that function returns its
/// error, and what becomes of it is up to the body: `fetch().await?` returns that error, not `value`.
///
/// It is evaluated when the cancel is seen. It may name arguments, as far as the body has not moved them, and never means a variable of the
/// body.
///
/// ```
/// use cancelable::cancelable;
///
/// #[cancelable(or = fallback, timeout = "5ms")]
/// async fn answer(fallback: u32) -> u32 {
///     std::future::pending().await
/// }
/// # futures::executor::block_on(async {
/// assert_eq!(answer(42).await, 42);
/// # });
/// ```
///
/// ## `every = n`
///
/// Checks only every `n`-th iteration of the loops. A `for` loop is then run in pieces of `n`, and vectorises as it would
/// without checks: over slices, ranges and vectors, and through `zip`, `copied`, `cloned`, `enumerate`, `map`, `rev`, `skip`,
/// `take`, `step_by`, `windows` and `chunks` of them. One loop may have its own ([inside the body](#inside-the-body)).
///
/// ```
/// use cancelable::{Cancelled, cancelable};
///
/// #[cancelable(every = 4096)]
/// fn sum(numbers: &[u64]) -> Result<u64, Cancelled> {
///     let mut sum = 0;
///     for n in numbers {
///         sum += n;
///     }
///     Ok(sum)
/// }
/// assert_eq!(sum(&[1, 2, 3]).unwrap(), 6);
/// ```
///
/// ## `yield_every = n`
///
/// Lets the executor run other tasks at every `n`-th iteration of the loops of an async function, as
/// [`checkpoint`](../cancelable/fn.checkpoint.html) does; by itself, a check lets nobody
/// else run. For loops that compute, or that go through a stream which is always ready: without it they keep their thread
/// to themselves, and on a single-threaded runtime nobody gets a chance to cancel them but a deadline.
///
/// Iterations are counted per thread, whatever loop they are of. With `every = m`, `n` counts as rounded up to a multiple of
/// `m`. A `while` whose condition awaits gives way before that await. Whatever a loop goes through is kept across these
/// pauses, and so has to be `Send` if the function's future is to be. Works on
/// every executor: the task is pending once and wakes itself.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, cancelable};
///
/// #[cancelable(yield_every = 1000)]
/// async fn search() -> Result<u64, Cancelled> {
///     let mut n: u64 = 0;
///     while n.count_ones() < 64 {
///         n += 1;
///     }
///     Ok(n)
/// }
///
/// # futures::executor::block_on(async {
/// let token = CancellationToken::new();
/// let (found, ()) = futures::join!(token.scope(search()), async { token.cancel() });
/// assert!(found.is_err());
/// # });
/// ```
///
/// ## `doc = false`
///
/// Adds no line to the function's documentation. None is added either to a function without documentation, and what other
/// attributes publish, as `utoipa::path` does, has the documentation as it was written.
///
/// ## `crate = path`
///
/// Where this library is, if it is not `::cancelable`.
///
/// # `#[token]` parameters
///
/// A parameter marked `#[token]`, of type `CancellationToken` or `&CancellationToken`, is not passed by callers. It is the
/// token of the function's own scope, or else the ambient one, or else `CancellationToken::never()`.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, cancelable};
///
/// #[cancelable(name = "job")]
/// async fn job(n: u32, #[token] token: CancellationToken) -> Result<u32, Cancelled> {
///     std::thread::spawn(move || token.cancel_with("changed my mind"));
///     std::future::pending::<()>().await;
///     Ok(n)
/// }
/// # futures::executor::block_on(async {
/// assert_eq!(job(3).await.unwrap_err().reason().message(), Some("changed my mind"));
/// # });
/// ```
///
/// # Inside the body
///
/// On a loop, a statement or an expression, by whatever name you have imported the attribute (on methods of an annotated
/// `impl` it is known as `cancelable` only):
///
/// - `#[cancelable(skip)]` leaves it as it is.
/// - `#[cancelable(finish)]` checks before an await, and then lets it run to its end: for sends, commits and writes that
///   must not be dropped half-way. On a block it stands for each of its awaits: the block may still be left between two of them.
///   What has to run as a whole goes into a `shield!`. What has started is not dropped by later check points either, if it
///   outlives its await, as in a `FuturesUnordered` in a loop; but a loop that leaves, as by `?`, drops it. Bound it by the
///   `grace` of the scope.
/// - `#[cancelable(break)]`, on a loop, leaves the loop instead of the function at its check points, and at those of
///   unmarked loops inside it. Not on a `loop` that has a value.
/// - `#[cancelable(every = n)]`, on a loop, checks at every `n`-th of its iterations; the loops inside it keep theirs. Goes
///   with `break`: `#[cancelable(break, every = 4096)]`.
/// - `#[cancelable(shield)]` runs it under a [shield](#clean-up), in async and in sync functions. `#[cancelable(shield = "2s")]` bounds
///   that: a duration as `timeout` takes it.
///
/// `skip`, `finish`, `shield` and `break` do not go together on one thing.
///
/// ## Clean-up
///
/// A cancelled function returns at its next check point, so what is to be done then has to be shielded. Mark the statement or the
/// block: its awaits, its loops and what it calls, if that is annotated, do not see the cancel.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, cancelable};
///
/// #[cancelable]
/// async fn export(conn: &mut Conn) -> Result<u64, Cancelled> {
///     let result = conn.copy().await;             // annotated itself: returns when it is cancelled
///     #[cancelable(shield = "2s")]
///     {
///         conn.flush().await?;                    // `?` and `return` leave the function, as ever
///         conn.close().await;
///     }
///     result
/// }
///
/// # struct Conn { is_open: bool, token: CancellationToken }
/// # #[cancelable]
/// # impl Conn {
/// #     async fn copy(&self) -> Result<u64, Cancelled> { self.token.cancel(); std::future::pending().await }
/// #     async fn flush(&self) -> Result<(), Cancelled> { Ok(std::future::ready(()).await) }
/// #     #[cancelable(skip)]
/// #     async fn close(&mut self) { self.is_open = false }
/// # }
/// # futures::executor::block_on(async {
/// let token = CancellationToken::new();
/// let mut conn = Conn { is_open: true, token: token.clone() };
/// assert!(token.scope(export(&mut conn)).await.is_err());
/// assert!(!conn.is_open);
/// # });
/// ```
///
/// - What a marked `let` binds is there behind it. `break` and `continue` cannot leave what is marked, and a variable that is
///   declared without a value before it gets one there only by `#[cancelable(shield)] variable = …;`.
/// - What a marked statement gives has to be `Send` if the function's future is to be.
/// - When the limit has passed, the function returns as it does at a check point: with `Cancelled`, or what `or` says; also in a loop
///   marked `break`, which only a cancel leaves.
///   Annotated code in it is told of that, so it can finish; an await of something else is dropped. Without a limit it
///   takes as long as it takes, or as the `grace` of the scope allows.
/// - The mark is reached only if the function is not left before. Above, it is left at `conn.copy().await` if the cancel has come
///   before that await begins, or if `copy` was not annotated. What has to run in these cases too, or when an error leaves by `?`, is for
///   [`cancel_scope!(finally = …)`](https://docs.rs/cancelable/latest/cancelable/macro.cancel_scope.html#finally-clean-up).
///
/// ## Behind a loop that is left
///
/// Behind a loop that `break` has left, the call is still cancelled. The next check point fails, and so does the next annotated
/// function, at its entry; what the loop has found so far goes with that. Return it at once, or shield what is still to be done with
/// it, as `close` here. The compiler warns of the first await there that is not shielded, unless the code between asks whether it is
/// cancelled, or why.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, cancelable};
///
/// #[cancelable]
/// async fn best(candidates: &[u32], sink: &Sink) -> Result<u32, Cancelled> {
///     let mut best = 0;
///     #[cancelable(break)]                        // the best so far will do
///     for candidate in candidates {
///         best = best.max(*candidate);
///         #[cancelable(finish)]                   // not half a message
///         sink.send(best).await;
///     }
///     #[cancelable(shield)]                       // without it, the best would be lost here
///     sink.close().await?;
///     Ok(best)
/// }
///
/// # struct Sink(CancellationToken);
/// impl Sink {
///     #[cancelable]
///     async fn close(&self) -> Result<(), Cancelled> {
///         Ok(std::future::ready(()).await)
///     }
/// #   async fn send(&self, _: u32) { self.0.cancel() }
/// }
/// # futures::executor::block_on(async {
/// # let token = CancellationToken::new();
/// # let sink = Sink(token.clone());
/// # assert_eq!(token.scope(best(&[1, 3, 2], &sink)).await.unwrap(), 1);
/// # });
/// ```
#[proc_macro_attribute]
pub fn cancelable(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(arguments.into(), item.into()).into()
}

#[doc(hidden)]
#[proc_macro]
pub fn cancel_scope(input: TokenStream) -> TokenStream {
    expand::cancel_scope(input.into()).into()
}

#[doc(hidden)]
#[proc_macro]
pub fn shield(input: TokenStream) -> TokenStream {
    expand::shield(input.into()).into()
}

#[doc(hidden)]
#[proc_macro]
pub fn race(input: TokenStream) -> TokenStream {
    expand::race(input.into()).into()
}

#[doc(hidden)]
#[proc_macro]
pub fn try_join(input: TokenStream) -> TokenStream {
    expand::try_join(input.into()).into()
}
