//! One task of a group, as a runtime or a thread runs it: the work, and after it the report of how it ended.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::shared::{Member, Shared};
use crate::context::About;
use crate::error::{Cancelled, FromCancelled};
use crate::primitive::Arc;
use crate::scope::behaviour::Behaviour;
use crate::scope::catch::catch_poll;
use crate::scope::region::Region;
use crate::scope::token_origin::{Above, TokenOrigin};
use crate::token::{CancellationToken, ChildOptions};

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
        let behaviour = Behaviour {
            is_check_point: true,
            owns_token: true,
            shields: false,
            is_branch: false,
            about: member.about().clone(),
            location: member.spawned_at(),
        };
        Self {
            scope: Some(Region::new(ChildOf(member.token().clone()), behaviour, future)),
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

impl TokenOrigin for ChildOf {
    fn above(&self) -> Above<'_> {
        Above::Given(&self.0)
    }

    fn options(&self, about: &About) -> ChildOptions {
        ChildOptions {
            name: about.name.clone(),
            subject: about.observed.subject(),
            ..ChildOptions::default()
        }
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
