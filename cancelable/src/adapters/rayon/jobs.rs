//! `join`, `scope`, `spawn` and `install`.

use std::fmt;

use crate::context::{Context, propagate_apart};

/// As [`rayon::join`]: both closures run in the scope of the code round it, and while this thread waits for the second one, the jobs
/// that it takes up meanwhile do not.
///
/// The scope does not cut them: each ends at its own check points. Both are run, also if the token is cancelled.
///
/// ```
/// use cancelable::{CancellationToken, current, rayon};
///
/// let token = CancellationToken::new();
/// let seen = token.sync_scope(|| rayon::join(current, current));
/// assert_eq!(seen, (token.clone(), token));
/// ```
///
/// # Panics
///
/// With the panic of a closure, when both have ended.
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    let context = Context::current();
    Context::NONE.run(|| ::rayon::join(|| context.run(a), || context.run(b)))
}

/// As [`rayon::scope`]: the closure and what it spawns run in the scope of the place that spawns them, and while this thread waits for
/// the jobs, it has none.
///
/// ```
/// use cancelable::{CancellationToken, current, rayon};
/// use std::sync::Mutex;
///
/// let token = CancellationToken::new();
/// let seen = Mutex::new(vec![]);
/// token.sync_scope(|| {
///     rayon::scope(|s| {
///         for _ in 0..3 {
///             s.spawn(|_| seen.lock().unwrap().push(current()));
///         }
///     });
/// });
/// assert_eq!(seen.into_inner().unwrap(), [token.clone(), token.clone(), token]);
/// ```
///
/// # Panics
///
/// With the panic of the closure or of a job, when all have ended.
pub fn scope<'scope, F, R>(f: F) -> R
where
    F: FnOnce(Scope<'_, 'scope>) -> R + Send,
    R: Send,
{
    let context = Context::current();
    Context::NONE.run(|| ::rayon::scope(|scope| context.run(|| f(Scope { scope }))))
}

/// Where jobs are spawned that borrow; made by [`scope()`].
#[derive(Clone, Copy)]
pub struct Scope<'a, 'scope> {
    scope: &'a ::rayon::Scope<'scope>,
}

impl<'a, 'scope> Scope<'a, 'scope> {
    /// As [`rayon::Scope::spawn`]: the job has the scope of the code that calls this.
    pub fn spawn<F>(&self, f: F)
    where
        F: FnOnce(Scope<'_, 'scope>) + Send + 'scope,
    {
        let context = Context::current();
        self.scope.spawn(move |scope| context.run(|| f(Scope { scope })));
    }

    /// rayon's own, whose jobs have no scope.
    #[must_use]
    pub fn as_rayon(&self) -> &'a ::rayon::Scope<'scope> {
        self.scope
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(self.scope).finish()
    }
}

/// As [`rayon::spawn`]: the job has the scope of the code that calls this. Nobody waits for it; if the scope ends before it, its check
/// points fail (kind [`ScopeEnded`](crate::ReasonKind::ScopeEnded)).
///
/// For a pool that is not the global one: `pool.spawn(propagate(f))`, with [`propagate`](crate::propagate()).
///
/// ```
/// use cancelable::{CancellationToken, current, rayon};
/// use std::sync::mpsc;
///
/// let (sender, receiver) = mpsc::channel();
/// let token = CancellationToken::new();
/// token.sync_scope(|| rayon::spawn(move || sender.send(current()).unwrap()));
/// assert_eq!(receiver.recv().unwrap(), token);
/// ```
#[track_caller]
pub fn spawn(f: impl FnOnce() + Send + 'static) {
    ::rayon::spawn(propagate_apart(f));
}

/// As `ThreadPool::install` of rayon: runs `f` in a pool, in the scope of the code round it. This thread waits; if
/// it is a worker of another pool, it takes up jobs of that meanwhile, which do not have the scope.
///
/// ```
/// use cancelable::{CancellationToken, current, rayon};
///
/// let pool = ::rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
/// let token = CancellationToken::new();
/// assert_eq!(token.sync_scope(|| rayon::install(&pool, current)), token);
/// ```
///
/// # Panics
///
/// With the panic of `f`.
pub fn install<F, R>(pool: &::rayon::ThreadPool, f: F) -> R
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    let context = Context::current();
    Context::NONE.run(|| pool.install(|| context.run(f)))
}
