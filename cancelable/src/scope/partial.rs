//! Scopes that keep what their body has so far.

use std::fmt;
use std::future::Future;
use std::panic::Location;

use super::options::Scope;
use super::run::{Run, TellingResult};
use crate::error::{Cancelled, FromCancelled};
use crate::partial::Partial;

/// A scope that keeps what its body has so far; made by [`Scope::partial`].
#[must_use = "a scope does nothing until it is given something to `run`"]
pub struct PartialScope<P> {
    scope: Scope,
    so_far: P,
}

impl Scope {
    /// Keeps what the body has so far, and returns it beside the error: the hits of a search at its deadline, the rows of a file before the
    /// one that does not parse.
    ///
    /// The body is handed `so_far`, by `&mut`, and makes of it what it likes. If it fails, be it cancelled, dropped where it was pending,
    /// dropped after its [grace](Self::grace), or by an error of its own, the scope's error is a [`Partial`] with what there is by then. If
    /// it returns a value, that is the value of the scope, and what is left in `so_far` is dropped: take it out to return it.
    ///
    /// ```
    /// use cancelable::{Cancelled, Partial, Scope, sleep};
    /// use std::{mem, time::Duration};
    ///
    /// # struct Row(u32);
    /// # async fn next_row(n: u32) -> Result<Option<Row>, Cancelled> {
    /// #     if n == 3 { sleep(Duration::from_secs(3600)).await?; }
    /// #     Ok(Some(Row(n)))
    /// # }
    /// async fn search(limit: Duration) -> Result<Vec<Row>, Partial<Vec<Row>>> {
    ///     let scope = Scope::new().name("search").timeout(limit);
    ///     scope
    ///         .partial(Vec::new())
    ///         .run(async |rows| {
    ///             while let Some(row) = next_row(rows.len() as u32).await? {
    ///                 rows.push(row);
    ///             }
    ///             Ok(mem::take(rows))
    ///         })
    ///         .await
    /// }
    ///
    /// # futures::executor::block_on(async {
    /// let Err(Partial { error, partial: rows }) = search(Duration::from_millis(5)).await else { panic!() };
    /// assert_eq!(rows.len(), 3);
    /// assert_eq!(error.reason().to_string(), "timed out after 5ms (scope \"search\")");
    /// # });
    /// ```
    ///
    /// It comes after the other options. [`cancel_scope!`](crate::cancel_scope) has it as `partial = …`, which puts check points into the
    /// body, too.
    ///
    /// # What there is when
    ///
    /// | the body | there is |
    /// |---|---|
    /// | has not begun ([`point`](Cancelled::point) says so) | `so_far` as it was given |
    /// | returned an error, or was dropped | what it had made of it |
    /// | was dropped in the middle of a `.await` that took `so_far` | what that had made of it: keep it whole at every `.await` |
    /// | panicked, or was dropped with the scope | nothing: it is dropped, too. Give `&mut` of a variable outside to have it all the same |
    ///
    /// # Several tasks and threads
    ///
    /// Futures that run beside each other in the body, and threads that cannot outlive it, share what has a lock or is atomic:
    ///
    /// ```
    /// use cancelable::{Cancelled, Partial, Scope, check, thread};
    /// use std::{sync::Mutex, time::Duration};
    ///
    /// let hits = Scope::new().timeout(Duration::from_secs(1)).partial(Mutex::new(Vec::new())).run_sync(|hits| {
    ///     let hits = &*hits;
    ///     thread::scope(|s| {
    ///         for shard in 0..2 {
    ///             s.spawn(move || -> Result<(), _> {
    ///                 hits.lock().unwrap().push(shard);
    ///                 loop { check()? }                       // the rest of the shard takes too long
    ///             });
    ///         }
    ///         Ok::<_, Cancelled>(())
    ///     })
    /// });
    /// let mut hits = hits.unwrap_err().map(|hits| hits.into_inner().unwrap()).partial;
    /// hits.sort();
    /// assert_eq!(hits, [0, 1]);
    /// ```
    ///
    /// Tasks and threads that can outlive it share an [`Arc`](std::sync::Arc) of that; what they add later is not lost, but late.
    #[track_caller]
    pub fn partial<P>(self, so_far: P) -> PartialScope<P> {
        PartialScope { scope: self, so_far }
    }
}

impl<P> PartialScope<P> {
    /// As [`Scope::run`]. The body is made with the first poll, unless the scope is cancelled by then.
    ///
    /// The future is `Send` if the body's is, and `P`, which borrows nothing then: of one that does, rustc cannot prove it so far. It is some three hundred bytes larger than the body's, and what it keeps.
    ///
    /// # Errors
    ///
    /// What the body returns, or [`Cancelled`], with what there is by then.
    ///
    /// # Cancel safety
    ///
    /// As [`Scope::run`]; what there is is dropped after the body.
    ///
    /// # Panics
    ///
    /// As [`Scope::run`].
    #[track_caller]
    pub fn run<T, E, F>(self, body: F) -> impl Future<Output = Result<T, Partial<P, E>>>
    where
        F: AsyncFnOnce(&mut P) -> Result<T, E>,
        E: From<Cancelled>,
    {
        self.run_or(body, FromCancelled::from_cancelled)
    }

    /// The same, with what to return if there is no value of the body's.
    #[track_caller]
    pub(crate) fn run_or<T, E, F, O>(self, body: F, otherwise: O) -> impl Future<Output = Result<T, Partial<P, E>>>
    where
        F: AsyncFnOnce(&mut P) -> Result<T, E>,
        O: Fn(Cancelled) -> Result<T, E>,
    {
        let Self { scope, mut so_far } = self;
        let location = Location::caller();
        async move {
            let result = Run::of_closure(scope, location, || body(&mut so_far), TellingResult(otherwise)).await;
            result.map_err(|error| Partial::new(so_far, error))
        }
    }

    /// As [`Scope::run_sync`].
    ///
    /// # Errors
    ///
    /// What the body returns, or [`Cancelled`], with what there is by then.
    #[track_caller]
    pub fn run_sync<T, E>(mut self, body: impl FnOnce(&mut P) -> Result<T, E>) -> Result<T, Partial<P, E>>
    where
        E: From<Cancelled>,
    {
        let result = self.scope.run_sync(|| body(&mut self.so_far));
        result.map_err(|error| Partial::new(self.so_far, error))
    }
}

impl<P> fmt::Debug for PartialScope<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartialScope")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
