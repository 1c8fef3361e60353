//! What expansions call where the caller's line matters, and a way out of an `async` block.

use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::check_point::CheckPoint;
use crate::context;
use crate::error::{Cancelled, FromCancelled};
use crate::guard::{self, Checkpoint, Finish, GiveWayFirst, Guard};
use crate::here::{Here as _, In};
use crate::loops::Asking;
use crate::observe::Pass;
use crate::partial::Partial;
use crate::scope::{
    self, AskingScope, IntoRace, IntoTryJoin, IsFailure, Lent, Race, Run, Scope, Shield, Telling, TryJoin,
};
use crate::token::CancellationToken;

/// Calls that report their caller, as methods: a method call's location is that of its name and arguments, which
/// carry the user's span, whatever the path to `Site` (a `$crate`, perhaps) was expanded from.
#[derive(Clone, Copy, Debug)]
pub struct Site;

impl Site {
    /// As [`check`](crate::check()), the first half.
    #[inline]
    #[track_caller]
    pub fn is_cancelled(self) -> bool {
        context::notices(Location::caller())
    }

    /// The same at the entry of a function, or of a scope's body.
    #[inline]
    #[track_caller]
    pub fn is_refused(self) -> bool {
        context::pass(Location::caller(), Pass::Entry);
        context::notices(Location::caller())
    }

    /// The other half, in a loop: the error, where [`is_cancelled`](Self::is_cancelled) has just said so.
    #[cold]
    #[track_caller]
    pub fn cancelled<H: Fn()>(self, _here: H) -> Cancelled {
        In::<H>::tell(context::noticed(Location::caller(), CheckPoint::Loop))
    }

    /// The same at the entry of a function.
    #[cold]
    #[track_caller]
    pub fn refused<H: Fn()>(self, _here: H) -> Cancelled {
        In::<H>::tell(context::noticed(Location::caller(), CheckPoint::Entry))
    }

    /// The same at that of a scope.
    #[cold]
    #[track_caller]
    pub fn refused_by_scope<H: Fn()>(self, _here: H) -> Cancelled {
        In::<H>::tell(context::noticed(Location::caller(), CheckPoint::Scope))
    }

    /// The error of a check that also yields, in a loop.
    #[cold]
    pub fn in_loop<H: Fn()>(self, cancelled: Cancelled, _here: H) -> Cancelled {
        In::<H>::name(cancelled.at(CheckPoint::Loop))
    }

    /// The error of a scope.
    #[cold]
    pub fn in_scope<H: Fn()>(self, cancelled: Cancelled, _here: H) -> Cancelled {
        In::<H>::name(cancelled)
    }

    /// For a `for` that checks before each item.
    #[inline]
    #[track_caller]
    pub fn asking(self) -> Asking {
        context::pass(Location::caller(), Pass::Other);
        Asking::at(Location::caller())
    }

    /// As [`guard`](crate::guard()).
    #[inline]
    #[track_caller]
    pub fn guard<F: IntoFuture, H: Fn()>(self, future: F, _here: H) -> Guard<F::IntoFuture, In<H>> {
        guard::guard_here(future)
    }

    /// An await that asks before it starts and then runs to its end.
    #[inline]
    #[track_caller]
    pub fn finish<F: IntoFuture, H: Fn()>(self, future: F, _here: H) -> Finish<F::IntoFuture, In<H>> {
        guard::finish(future)
    }

    /// As [`checkpoint`](crate::checkpoint()), yielding every so many calls: for a turn of a loop in an async function.
    #[inline]
    #[track_caller]
    pub fn checkpoint(self, every: usize) -> Checkpoint {
        guard::checkpoint().every(calls(every))
    }

    /// A future that yields in every so many of these calls before it starts: for an await that begins a turn of a loop.
    #[inline]
    pub fn give_way_first<F: IntoFuture>(self, every: usize, future: F) -> GiveWayFirst<F::IntoFuture> {
        guard::give_way_first(calls(every), future.into_future(), true)
    }

    /// The same for an await that runs to its end once it has started.
    #[inline]
    pub fn give_way_and_finish<F: IntoFuture>(self, every: usize, future: F) -> GiveWayFirst<F::IntoFuture> {
        guard::give_way_first(calls(every), future.into_future(), false)
    }

    /// As [`Scope::new`].
    #[track_caller]
    pub fn scope(self) -> Scope {
        Scope::new()
    }

    /// Runs a future of any type in a scope.
    #[track_caller]
    pub fn run<F: Future>(self, scope: Scope, body: F) -> impl Future<Output = Result<F::Output, Cancelled>> {
        // What the body returned may stand for a cancel, which cannot be told here.
        scope.run_or(Wrapped { body }, FromCancelled::from_cancelled)
    }

    /// The same, with what makes a value of its type where it has none.
    #[track_caller]
    pub fn run_or<F, O>(self, scope: Scope, body: F, otherwise: O) -> Run<F, O>
    where
        F: Future,
        O: Fn(Cancelled) -> F::Output,
    {
        scope.run_or(body, otherwise)
    }

    /// The same, where it is told how the scope has ended.
    #[track_caller]
    pub fn run_or_tell<F, O>(self, scope: Scope, body: F, otherwise: O) -> impl Future<Output = F::Output>
    where
        F: Future<Output: FromCancelled>,
        O: Fn(Cancelled) -> F::Output,
    {
        scope.run_or(body, Telling(otherwise))
    }

    /// What a body has so far, before it begins: `partial = …`.
    pub fn so_far<P>(self, so_far: P) -> SoFar<P> {
        SoFar(so_far)
    }

    /// As `run_or`, where what the body has so far is kept.
    #[track_caller]
    pub fn run_partial<P, T, E, F, O>(
        self,
        scope: Scope,
        SoFar(so_far): SoFar<P>,
        body: F,
        otherwise: O,
    ) -> impl Future<Output = Result<T, Partial<P, E>>>
    where
        F: AsyncFnOnce(&mut P) -> Result<T, E>,
        O: Fn(Cancelled) -> Result<T, E>,
    {
        scope.partial(so_far).run_or(body, otherwise)
    }

    /// The same for a closure, whose first check point is what notices that the scope is cancelled already.
    #[track_caller]
    pub fn enter_sync_partial<P, T, E>(
        self,
        scope: impl SyncScope,
        SoFar(mut so_far): SoFar<P>,
        body: impl FnOnce(&mut P) -> Result<T, E>,
    ) -> Result<T, Partial<P, E>> {
        let result = scope.enter_sync(|result: &Result<T, E>| Some(result.is_err()), || body(&mut so_far));
        result.map_err(|error| Partial::new(so_far, error))
    }

    /// What is to be done when the body of `scope` is over: `finally = …`.
    #[track_caller]
    pub fn finally(self, scope: &impl SyncScope) -> Finally {
        Finally {
            grace: scope.scope().own_grace(),
        }
    }

    /// Runs a closure of any type in a scope, also when that is cancelled already: the closure's first check point
    /// is what notices.
    #[track_caller]
    pub fn enter_sync<R>(self, scope: impl SyncScope, body: impl FnOnce() -> R) -> R {
        scope.enter_sync(|_| None, body)
    }

    /// The same, where it is told how the scope has ended.
    #[track_caller]
    pub fn enter_sync_and_tell<R: FromCancelled>(self, scope: impl SyncScope, body: impl FnOnce() -> R) -> R {
        scope.enter_sync(scope::is_failure, body)
    }

    /// As [`race`](crate::race()).
    #[track_caller]
    pub fn race<B: IntoRace>(self, branches: B) -> Race<B::Set> {
        scope::race(branches)
    }

    /// As [`try_join`](crate::try_join()).
    #[track_caller]
    pub fn try_join<B: IntoTryJoin>(self, branches: B) -> TryJoin<B, B::Set> {
        scope::try_join(branches)
    }

    /// As [`shield`](crate::shield()).
    #[track_caller]
    pub fn shield<F: Future>(self, future: F) -> Shield<F> {
        scope::shield(future)
    }

    /// As [`shield_sync`](crate::shield_sync()).
    #[track_caller]
    pub fn shield_sync<R>(self, body: impl FnOnce() -> R) -> R {
        scope::shield_sync(body)
    }

    /// As `shield_sync`, with a bound that the check points inside observe.
    #[track_caller]
    pub fn shield_sync_timeout<R: FromCancelled>(
        self,
        after: impl Into<Option<Duration>>,
        body: impl FnOnce() -> R,
    ) -> R {
        scope::shield_sync_timeout(after, body)
    }

    /// The value of `timeout = …` or `grace = …`. The methods that it goes to take any `Into<Option<Duration>>`, of which rustc
    /// would say what it is, and not what to write.
    pub fn duration(self, after: impl Bound<Duration>) -> Option<Duration> {
        after.bound()
    }

    /// The same for `deadline = …`.
    pub fn instant(self, at: impl Bound<Instant>) -> Option<Instant> {
        at.bound()
    }
}

/// What a sync body runs in: a scope, or one whose check points ask somebody.
pub trait SyncScope {
    /// With its options.
    fn scope(&self) -> &Scope;
    /// Runs the body, also if it is cancelled already.
    #[track_caller]
    fn enter_sync<R>(self, is_failure: IsFailure<R>, body: impl FnOnce() -> R) -> R;
}

impl SyncScope for Scope {
    fn scope(&self) -> &Scope {
        self
    }

    #[inline]
    #[track_caller]
    fn enter_sync<R>(self, is_failure: IsFailure<R>, body: impl FnOnce() -> R) -> R {
        self.run_anyway_sync_telling(is_failure, body)
    }
}

impl<A> SyncScope for AskingScope<A> {
    fn scope(&self) -> &Scope {
        self.options()
    }

    #[track_caller]
    fn enter_sync<T>(self, is_failure: IsFailure<T>, body: impl FnOnce() -> T) -> T {
        self.run_anyway_sync_telling(is_failure, body)
    }
}

/// Not `Copy`, whatever it is of, so that an `async` block takes it along.
#[derive(Debug)]
pub struct SoFar<P>(P);

fn calls(every: usize) -> u32 {
    u32::try_from(every).unwrap_or(u32::MAX)
}

pin_project_lite::pin_project! {
    /// `Ok` round whatever the body returns, so that the scope's own error has room.
    struct Wrapped<F> {
        #[pin]
        body: F,
    }
}

impl<F: Future> Future for Wrapped<F> {
    type Output = Result<F::Output, Cancelled>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().body.poll(cx).map(Ok)
    }
}

pin_project_lite::pin_project! {
    /// Drops what the future returns.
    struct Discarded<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Discarded<F> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().future.poll(cx).map(drop)
    }
}

/// Clean-up after the body of a scope: behind a shield, which is cut after the scope's grace.
///
/// Not `Copy`, so that an `async` block takes it along.
#[derive(Debug)]
pub struct Finally {
    grace: Option<Duration>,
}

impl Finally {
    /// Runs the clean-up. Its value is dropped, within the shield.
    #[track_caller]
    pub fn run<F: Future>(self, clean_up: F) -> impl Future<Output = ()> {
        // No `async` blocks: such a block keeps what it awaits beside what it has captured, twice the size for each.
        let body = Discarded { future: clean_up };
        let shielded = scope::shield(Wrapped { body }).timeout(self.grace);
        // Whoever writes `finally` has nothing to do with an error of it.
        Discarded { future: shielded }
    }

    /// The same for a scope that is not async: its check points observe the grace.
    #[track_caller]
    pub fn run_sync<R>(self, clean_up: impl FnOnce() -> R) {
        Scope::new()
            .detached()
            .timeout(self.grace)
            .run_anyway_sync(|| drop(clean_up()));
    }
}

/// The way out of an `async` block whose type has no room for a cancel: `or = …` in a function with its own scope.
///
/// The check point that notices calls [`give_up`](Self::give_up), and is not polled again: [`watch`](Self::watch),
/// round the block, sees it, drops the block in the same poll, and returns the error.
#[derive(Debug, Default)]
pub struct GaveUp(OnceLock<Cancelled>);

impl GaveUp {
    /// Nothing has been given up.
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Says so, and is pending for ever.
    pub async fn give_up<R>(&self, cancelled: Cancelled) -> R {
        let _ = self.0.set(cancelled);
        std::future::pending().await
    }

    /// The value of a check point's future, or, if that fails, none for ever.
    ///
    /// That it is a future is asked where it is awaited: what is none is told of there, and once.
    pub fn or_give_up<F>(&self, checked: F) -> OrGiveUp<'_, F> {
        OrGiveUp { checked, gave_up: self }
    }

    /// As [`Site::guard`], and then [`or_give_up`](Self::or_give_up).
    #[inline]
    #[track_caller]
    pub fn guard<F: IntoFuture, H: Fn()>(&self, future: F, here: H) -> OrGiveUp<'_, Guard<F::IntoFuture, In<H>>> {
        self.or_give_up(Site.guard(future, here))
    }

    /// As [`Site::finish`], and then [`or_give_up`](Self::or_give_up).
    #[inline]
    #[track_caller]
    pub fn finish<F: IntoFuture, H: Fn()>(&self, future: F, here: H) -> OrGiveUp<'_, Finish<F::IntoFuture, In<H>>> {
        self.or_give_up(Site.finish(future, here))
    }

    /// The error that it gave up with.
    pub(crate) fn cancelled(&self) -> Option<Cancelled> {
        self.0.get().cloned()
    }

    /// Runs `body` to its end, or to the point where it gives up.
    pub fn watch<'a, F: Future>(&'a self, body: Lent<'a, F>) -> impl Future<Output = Result<F::Output, Cancelled>> {
        Watch { body, gave_up: self }
    }
}

pin_project_lite::pin_project! {
    /// Of [`GaveUp::or_give_up`].
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[derive(Debug)]
    pub struct OrGiveUp<'a, F> {
        #[pin]
        checked: F,
        gave_up: &'a GaveUp,
    }
}

impl<T, F: Future<Output = Result<T, Cancelled>>> Future for OrGiveUp<'_, F> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.project();
        if this.gave_up.0.get().is_some() {
            return Poll::Pending;
        }
        match this.checked.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(value)) => Poll::Ready(value),
            Poll::Ready(Err(cancelled)) => {
                let _ = this.gave_up.0.set(cancelled);
                Poll::Pending
            }
        }
    }
}

struct Watch<'a, F> {
    body: Lent<'a, F>,
    gave_up: &'a GaveUp,
}

impl<F: Future> Future for Watch<'_, F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Poll::Ready(output) = Pin::new(&mut this.body).poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // The scope drops the body, in the same poll.
        this.gave_up
            .cancelled()
            .map_or(Poll::Pending, |cancelled| Poll::Ready(Err(cancelled)))
    }
}

/// What these options take: a bound, or perhaps none.
#[diagnostic::on_unimplemented(
    message = "this option takes `{T}` or `Option<{T}>`, not `{Self}`",
    label = "neither `{T}` nor an `Option` of it"
)]
pub trait Bound<T> {
    /// The bound, if it is one.
    fn bound(self) -> Option<T>;
}

impl Bound<Duration> for Duration {
    fn bound(self) -> Option<Duration> {
        Some(self)
    }
}

impl Bound<Instant> for Instant {
    fn bound(self) -> Option<Instant> {
        Some(self)
    }
}

impl<T> Bound<T> for Option<T> {
    fn bound(self) -> Option<T> {
        self
    }
}

/// A token or a reference to one, as a token: what `token = …` of the attribute links.
///
/// `IntoToken` is the one of macro_support.rs, for `CancellationToken` and, generically, for references to what is one:
/// `&CancellationToken`, `&&CancellationToken`, `&Arc<CancellationToken>`.
pub fn linked<T: AsToken + ?Sized>(token: &T) -> CancellationToken {
    token.as_token().clone()
}

/// What `token = …` takes.
#[diagnostic::on_unimplemented(
    message = "`token = …` wants a `CancellationToken` or a reference to one, not `{Self}`",
    label = "not a token"
)]
pub trait AsToken {
    /// The token itself.
    fn as_token(&self) -> &CancellationToken;
}

impl AsToken for CancellationToken {
    fn as_token(&self) -> &CancellationToken {
        self
    }
}

impl<T: AsToken + ?Sized> AsToken for &T {
    fn as_token(&self) -> &CancellationToken {
        (**self).as_token()
    }
}

impl<T: AsToken + ?Sized> AsToken for &mut T {
    fn as_token(&self) -> &CancellationToken {
        (**self).as_token()
    }
}

impl<T: AsToken + ?Sized> AsToken for std::sync::Arc<T> {
    fn as_token(&self) -> &CancellationToken {
        (**self).as_token()
    }
}

impl<T: AsToken + ?Sized> AsToken for Box<T> {
    fn as_token(&self) -> &CancellationToken {
        (**self).as_token()
    }
}

/// The ambient token, for a parameter marked `#[token]`. Called with the type of the parameter, spanned there.
pub fn token_parameter<T: TokenParameter>() -> T {
    T::ambient()
}

/// What a parameter marked `#[token]` is.
#[diagnostic::on_unimplemented(
    message = "a `#[token]` parameter is a `CancellationToken` or a `&CancellationToken`, not a `{Self}`",
    label = "not a token"
)]
pub trait TokenParameter {
    /// The ambient one.
    fn ambient() -> Self;
}

impl TokenParameter for CancellationToken {
    fn ambient() -> Self {
        context::current()
    }
}

/// One of several outputs, by position: what a `select!` in an annotated function has chosen.
#[derive(Clone, Copy, Debug)]
pub enum Either<A, B> {
    /// The first.
    Left(A),
    /// One of the others.
    Right(B),
}
