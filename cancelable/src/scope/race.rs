//! `race`: the first output wins, and the others get out in good order.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::future::FusedFuture;

use super::branch::{Branch, Rule};
use super::branches::{Cons, Many, Nil, Story, Together};
use super::round::Branches;

/// Runs several futures, takes the first output, and cancels the others, with kind
/// [`Superseded`](crate::ReasonKind::Superseded), and *drives them to their end*: each unwinds as under any other cancel,
/// its shields run, and only then does the race complete. Nothing is dropped half-way that could get out by itself.
///
/// A loser is polled once it has lost if it has ever asked whether it is cancelled: with an annotated function in it, an await under
/// [`guard`](crate::guard()), a [`check`](crate::check()), a scope or shield, a call of [`current`](crate::current()). It is dropped when
/// it is pending and nothing in it unwinds, is shielded or finishes. A loser that has not, plain code, is dropped where it waits, as
/// tokio's `select!` would, and is not polled again.
///
/// So a loser takes nothing that nobody would get: an await in it that waits for plain code fails without polling that once more, and
/// a message that has come meanwhile stays in its channel. What it has taken before it lost is its own: hand that on under a
/// [`shield`](crate::shield()). (What asks by hand is polled once more, with its clean-up: plain code that calls `check()`,
/// `is_cancelled()` or `current()`, or waits for a token, as a `select!` with `token.cancelled()` does. So is plain code that was
/// pending when tokio's budget for one poll was used up, for then it may be ready. Told with the feature `tokio`.)
///
/// Takes a tuple, an array or a `Vec` of futures with one output type, polled in that order; of two that are ready in
/// the same poll the earlier one wins. Each branch runs in a scope of its own below the ambient one. A loser may take as
/// long as the [grace](crate::Scope::grace) of the scope outside allows, or as its shields do if there is none. If the
/// race itself is cancelled, its branches are; an output that one of them still returns is the race's. Of no branches at
/// all: pending, until the scope outside ends it.
///
/// Every wake-up polls every branch that is still pending, so this is for a few branches, not for thousands.
///
/// # Panics
///
/// A panic in a branch goes on when the other branches, cancelled by it, have ended.
///
/// # Cancel safety
///
/// Dropping the race cancels its branches with kind `Dropped` and drops them.
///
/// ```
/// use cancelable::{Cancelled, race, sleep};
/// use std::time::Duration;
///
/// # futures::executor::block_on(async {
/// let slow = async { sleep(Duration::from_secs(3600)).await.map(|()| "slow") };
/// let fast = async { sleep(Duration::from_millis(1)).await.map(|()| "fast") };
/// assert_eq!(race((slow, fast)).await.unwrap(), "fast");
/// # });
/// ```
#[track_caller]
pub fn race<B: IntoRace>(branches: B) -> Race<B::Set> {
    Race {
        together: Together {
            set: branches.into_set(),
            story: Story::new(Location::caller()),
        },
    }
}

pin_project_lite::pin_project! {
    /// The future of [`race`].
    // Generic over the set, not over what it was made from: the struct then says nothing of output types being equal,
    // which rustc could not prove again for a spawned future whose outputs borrow.
    #[must_use = "futures do nothing unless polled"]
    pub struct Race<S>
    where
        S: Branches,
    {
        #[pin]
        together: Together<S>,
    }
}

impl<S: RaceSet> Future for Race<S> {
    type Output = S::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<S::Output> {
        let mut together = self.project().together;
        let decided = ready!(together.as_mut().poll_all(cx));
        match decided.and_then(|number| together.as_mut().set().take(number)) {
            Some(output) => {
                together.end();
                Poll::Ready(output)
            }
            // All were cancelled from outside and had nothing to say: whoever cancelled ends us.
            None => Poll::Pending,
        }
    }
}

/// Terminated once it has an output.
impl<S: RaceSet> FusedFuture for Race<S> {
    fn is_terminated(&self) -> bool {
        self.together.is_over()
    }
}

impl<S: Branches> fmt::Debug for Race<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Race").finish_non_exhaustive()
    }
}

/// What [`race`] takes: a tuple of up to twelve futures, an array, or a `Vec`. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot race",
    note = "a race takes a tuple (of up to 12), an array or a `Vec` of futures with one output type"
)]
pub trait IntoRace: sealed::Sealed {
    /// What every branch returns, and the race with it.
    type Output;
    #[doc(hidden)]
    type Set: RaceSet<Output = Self::Output>;
    #[doc(hidden)]
    fn into_set(self) -> Self::Set;
}

mod sealed {
    pub trait Sealed {}
}

/// Branches that a winner's output can be taken from.
pub trait RaceSet: Branches {
    type Output;
    fn take(self: Pin<&mut Self>, number: usize) -> Option<Self::Output>;
}

/// Whatever comes first decides.
#[derive(Debug)]
pub struct First;

impl<T> Rule<T> for First {
    const DECIDED: &'static str = "another branch of the race finished first";

    fn decides(_: &T) -> bool {
        true
    }
}

impl<F: Future> RaceSet for Cons<F, First, Nil> {
    type Output = F::Output;

    fn take(self: Pin<&mut Self>, number: usize) -> Option<F::Output> {
        if number == 0 {
            self.project().head.take_output()
        } else {
            None
        }
    }
}

impl<F: Future, G: Future, R> RaceSet for Cons<F, First, Cons<G, First, R>>
where
    Cons<G, First, R>: RaceSet<Output = F::Output>,
{
    type Output = F::Output;

    fn take(self: Pin<&mut Self>, number: usize) -> Option<F::Output> {
        let this = self.project();
        match number {
            0 => this.head.take_output(),
            _ => this.tail.take(number - 1),
        }
    }
}

impl<F: Future> RaceSet for Many<F, First> {
    type Output = F::Output;

    fn take(self: Pin<&mut Self>, number: usize) -> Option<F::Output> {
        self.get_mut().branches.get_mut(number)?.as_mut().take_output()
    }
}

impl<F: Future> sealed::Sealed for Vec<F> {}

impl<F: Future> IntoRace for Vec<F> {
    type Output = F::Output;
    type Set = Many<F, First>;

    fn into_set(self) -> Many<F, First> {
        Many::new(self)
    }
}

impl<F: Future, const N: usize> sealed::Sealed for [F; N] {}

impl<F: Future, const N: usize> IntoRace for [F; N] {
    type Output = F::Output;
    type Set = Many<F, First>;

    fn into_set(self) -> Many<F, First> {
        Many::new(self)
    }
}

/// The type, and the value, of a list of branches.
macro_rules! cons {
    (type $rule:ident;) => { Nil };
    (type $rule:ident; $first:ident $($rest:ident)*) => { Cons<$first, $rule, cons!(type $rule; $($rest)*)> };
    (value;) => { Nil };
    (value; $first:ident $($rest:ident)*) => {
        Cons {
            head: Branch::new($first),
            tail: cons!(value; $($rest)*),
        }
    };
}
pub(super) use cons;

macro_rules! race_tuple {
    ($($f:ident $value:ident),+) => {
        impl<T, $($f: Future<Output = T>),+> sealed::Sealed for ($($f,)+) {}

        impl<T, $($f: Future<Output = T>),+> IntoRace for ($($f,)+) {
            type Output = T;
            type Set = cons!(type First; $($f)+);

            fn into_set(self) -> Self::Set {
                let ($($value,)+) = self;
                cons!(value; $($value)+)
            }
        }
    };
}

race_tuple!(A a);
race_tuple!(A a, B b);
race_tuple!(A a, B b, C c);
race_tuple!(A a, B b, C c, D d);
race_tuple!(A a, B b, C c, D d, E e);
race_tuple!(A a, B b, C c, D d, E e, F f);
race_tuple!(A a, B b, C c, D d, E e, F f, G g);
race_tuple!(A a, B b, C c, D d, E e, F f, G g, H h);
race_tuple!(A a, B b, C c, D d, E e, F f, G g, H h, I i);
race_tuple!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j);
race_tuple!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k);
race_tuple!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l);
