//! One task of a group, as a runtime or a thread runs it: the work, and after it the report of how it ended.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::shared::{Caught, Member, Shared};
use crate::clock::Glance;
use crate::context::{About, Frame};
use crate::error::{Cancelled, FromCancelled};
use crate::primitive::Arc;
use crate::scope::nature::Nature;
use crate::scope::origin::Origin;
use crate::scope::region::Region;
use crate::token::{CancellationToken, ChildOptions, StateRef};

pin_project_lite::pin_project! {
    /// A task that is a future: a scope below the group's token, and the report. Runtimes move it several times before it lies
    /// on the heap, so it has no place for anything twice, nor for options that a task cannot have.
    pub(super) struct Task<F, T, E>
    where
        E: From<Cancelled>,
        E: 'static,
    {
        // Dropped before the member, which reports, in whatever state the task is dropped.
        #[pin]
        scope: Option<Region<ChildOf, F>>,
        member: Option<Member<T, E>>,
    }
}

impl<F, T, E: From<Cancelled> + 'static> Task<F, T, E> {
    pub(super) fn new(future: F, member: Member<T, E>) -> Self {
        let nature = Nature {
            is_check_point: true,
            owns_token: true,
            shields: false,
            about: member.about().clone(),
            location: member.spawned_at(),
        };
        Self {
            scope: Some(Region::new(ChildOf(member.token().clone()), nature, future)),
            member: Some(member),
        }
    }
}

impl<F, T, E> Future for Task<F, T, E>
where
    F: Future<Output = Result<T, E>>,
    E: From<Cancelled> + 'static,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(scope) = this.scope.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let end = |result: Result<_, Cancelled>| result.unwrap_or_else(FromCancelled::from_cancelled);
        let result = ready!(catch_poll(|| scope.poll_region(cx, end)));
        // The future is gone when its end is reported.
        this.scope.set(None);
        if let Some(member) = this.member.take() {
            member.end(result);
        }
        Poll::Ready(())
    }
}

/// Where the token of a task's scope comes from.
struct ChildOf(CancellationToken);

impl Origin for ChildOf {
    fn state<'f>(&'f self, _: Option<&'f Frame<'_>>) -> StateRef<'f> {
        self.0.state_ref()
    }

    fn is_clear(&self, _: Option<&Frame<'_>>, _: Option<&Glance>) -> bool {
        self.0.is_quiet()
    }

    fn is_cancelled(&self, _: Option<&Frame<'_>>) -> bool {
        self.0.is_cancelled()
    }

    fn make(&self, _: Option<&Frame<'_>>, about: &About) -> CancellationToken {
        self.make_below(&self.0, about)
    }

    fn make_below(&self, parent: &CancellationToken, about: &About) -> CancellationToken {
        parent.child_with(ChildOptions {
            name: about.name.clone(),
            ..ChildOptions::default()
        })
    }

    fn stand_in(&self, _: Option<&Frame<'_>>) -> Option<CancellationToken> {
        // Whoever hangs on a token relies on its deadline being watched.
        (!self.0.attend()).then(|| self.0.clone())
    }
}

pin_project_lite::pin_project! {
    /// A future whose panic is a value.
    pub(super) struct CatchUnwind<F> {
        #[pin]
        future: F,
    }
}

impl<F> CatchUnwind<F> {
    pub(super) fn new(future: F) -> Self {
        Self { future }
    }
}

impl<F: Future> Future for CatchUnwind<F> {
    type Output = Caught<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        catch_poll(|| future.poll(cx))
    }
}

/// A future that has panicked is not polled again; what else it reached, its owner sees by the panic.
fn catch_poll<T>(poll: impl FnOnce() -> Poll<T>) -> Poll<Caught<T>> {
    match catch_unwind(AssertUnwindSafe(poll)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    }
}

/// A task that is a closure, to be called on a thread of its own.
#[track_caller]
pub(crate) fn run_blocking<T, E: From<Cancelled> + 'static>(
    shared: Arc<Shared<T, E>>,
    f: impl FnOnce() -> Result<T, E>,
) -> impl FnOnce() {
    let member = shared.enlist(Location::caller());
    move || member.run(f)
}
