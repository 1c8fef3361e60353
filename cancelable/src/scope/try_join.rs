//! `try_join`: all values, or the first error and everyone out.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::future::FusedFuture;

use super::branch::{Branch, Rule};
use super::branches::{Cons, Many, Nil, Story, Together};
use super::race::cons;
use super::round::Branches;

/// Runs several futures that return `Result`s to their ends; the values of all, or the first error.
///
/// The first error cancels the other branches, with kind [`Superseded`](crate::ReasonKind::Superseded), and drives them
/// to their end, as [`race`](crate::race()) does with its losers (which says what that means for plain code), before it is returned. Takes a tuple, an array or a
/// `Vec`; errors have one type. Of no branches at all: the empty value, at once.
///
/// Every wake-up polls every branch that is still pending, so this is for a few branches, not for thousands.
///
/// # Errors
///
/// The first error of a branch. If the join is cancelled from outside and no branch has anything to say to that, it is
/// pending, and the check point outside fails.
///
/// # Panics
///
/// A panic in a branch goes on when the other branches, cancelled by it, have ended.
///
/// # Cancel safety
///
/// Dropping the join cancels its branches with kind `Dropped` and drops them.
///
/// ```
/// use cancelable::{Cancelled, try_join};
///
/// # futures::executor::block_on(async {
/// let a = async { Ok::<_, Cancelled>(1) };
/// let b = async { Ok::<_, Cancelled>("two") };
/// assert_eq!(try_join((a, b)).await.unwrap(), (1, "two"));
/// # });
/// ```
#[track_caller]
pub fn try_join<B: IntoTryJoin>(branches: B) -> TryJoin<B, B::Set> {
    TryJoin {
        together: Together {
            set: branches.into_set(),
            story: Story::new(Location::caller()),
        },
        made_from: PhantomData,
    }
}

pin_project_lite::pin_project! {
    /// The future of [`try_join`].
    #[must_use = "futures do nothing unless polled"]
    pub struct TryJoin<B, S>
    where
        S: Branches,
    {
        #[pin]
        together: Together<S>,
        made_from: PhantomData<fn() -> B>,
    }
}

impl<B: IntoTryJoin<Set = S>, S: JoinSet<Error = B::Error>> Future for TryJoin<B, S> {
    type Output = Result<B::Values, B::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut together = self.project().together;
        let decided = ready!(together.as_mut().poll_all(cx));
        let mut set = together.as_mut().set();
        if let Some(error) = decided.and_then(|number| set.as_mut().take_error(number)) {
            together.end();
            return Poll::Ready(Err(error));
        }
        match set.take_values() {
            Some(values) => {
                together.end();
                Poll::Ready(Ok(B::flatten(values)))
            }
            // Some were cancelled from outside and had nothing to say: whoever cancelled ends us.
            None => Poll::Pending,
        }
    }
}

/// Terminated once it has an output.
impl<B: IntoTryJoin<Set = S>, S: JoinSet<Error = B::Error>> FusedFuture for TryJoin<B, S> {
    fn is_terminated(&self) -> bool {
        self.together.is_over()
    }
}

impl<B, S: Branches> fmt::Debug for TryJoin<B, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryJoin").finish_non_exhaustive()
    }
}

/// What [`try_join`] takes: a tuple of up to twelve futures, an array, or a `Vec`. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be joined",
    note = "`try_join` takes a tuple (of up to 12), an array or a `Vec` of futures that return `Result`s with one error type"
)]
pub trait IntoTryJoin: sealed::Sealed {
    /// The values of all branches: a tuple, an array or a `Vec`.
    type Values;
    /// The error type of every branch.
    type Error;
    #[doc(hidden)]
    type Set: JoinSet<Error = Self::Error>;
    #[doc(hidden)]
    fn into_set(self) -> Self::Set;
    #[doc(hidden)]
    fn flatten(values: <Self::Set as JoinSet>::Values) -> Self::Values;
}

mod sealed {
    pub trait Sealed {}
}

/// An error decides.
#[derive(Debug)]
pub struct Failed;

impl<T, E> Rule<Result<T, E>> for Failed {
    const DECIDED: &'static str = "another branch of the join failed";

    fn decides(output: &Result<T, E>) -> bool {
        output.is_err()
    }
}

/// Branches that an error, or all values, can be taken from.
pub trait JoinSet: Branches {
    type Values;
    type Error;
    fn take_error(self: Pin<&mut Self>, number: usize) -> Option<Self::Error>;
    /// `None`, and nothing to be had any more, unless all branches have a value.
    fn take_values(self: Pin<&mut Self>) -> Option<Self::Values>;
}

impl<F: Future<Output = Result<T, E>>, T, E> JoinSet for Cons<F, Failed, Nil> {
    type Values = (T, ());
    type Error = E;

    fn take_error(self: Pin<&mut Self>, number: usize) -> Option<E> {
        if number == 0 {
            self.project().head.take_output()?.err()
        } else {
            None
        }
    }

    fn take_values(self: Pin<&mut Self>) -> Option<(T, ())> {
        Some((self.project().head.take_output()?.ok()?, ()))
    }
}

impl<F, T, E, G, R> JoinSet for Cons<F, Failed, Cons<G, Failed, R>>
where
    F: Future<Output = Result<T, E>>,
    G: Future,
    Cons<G, Failed, R>: JoinSet<Error = E>,
{
    type Values = (T, <Cons<G, Failed, R> as JoinSet>::Values);
    type Error = E;

    fn take_error(self: Pin<&mut Self>, number: usize) -> Option<E> {
        let this = self.project();
        match number {
            0 => this.head.take_output()?.err(),
            _ => this.tail.take_error(number - 1),
        }
    }

    fn take_values(self: Pin<&mut Self>) -> Option<Self::Values> {
        let this = self.project();
        Some((this.head.take_output()?.ok()?, this.tail.take_values()?))
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> JoinSet for Many<F, Failed> {
    type Values = Vec<T>;
    type Error = E;

    fn take_error(self: Pin<&mut Self>, number: usize) -> Option<E> {
        self.get_mut().branches.get_mut(number)?.as_mut().take_output()?.err()
    }

    fn take_values(self: Pin<&mut Self>) -> Option<Vec<T>> {
        let branches = self.get_mut().branches.iter_mut();
        branches.map(|branch| branch.as_mut().take_output()?.ok()).collect()
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> sealed::Sealed for Vec<F> {}

impl<F: Future<Output = Result<T, E>>, T, E> IntoTryJoin for Vec<F> {
    type Values = Vec<T>;
    type Error = E;
    type Set = Many<F, Failed>;

    fn into_set(self) -> Many<F, Failed> {
        Many::new(self)
    }

    fn flatten(values: Vec<T>) -> Vec<T> {
        values
    }
}

impl<F: Future<Output = Result<T, E>>, T, E, const N: usize> sealed::Sealed for [F; N] {}

impl<F: Future<Output = Result<T, E>>, T, E, const N: usize> IntoTryJoin for [F; N] {
    type Values = [T; N];
    type Error = E;
    type Set = Many<F, Failed>;

    fn into_set(self) -> Many<F, Failed> {
        Many::new(self)
    }

    fn flatten(values: Vec<T>) -> [T; N] {
        match values.try_into() {
            Ok(values) => values,
            Err(_) => unreachable!("there are as many values as there were branches"),
        }
    }
}

macro_rules! nested {
    () => { () };
    ($first:ident $($rest:ident)*) => { ($first, nested!($($rest)*)) };
}

macro_rules! try_join_tuple {
    ($($f:ident $t:ident $value:ident),+) => {
        impl<Error, $($f: Future<Output = Result<$t, Error>>, $t),+> sealed::Sealed for ($($f,)+) {}

        impl<Error, $($f: Future<Output = Result<$t, Error>>, $t),+> IntoTryJoin for ($($f,)+) {
            type Values = ($($t,)+);
            type Error = Error;
            type Set = cons!(type Failed; $($f)+);

            fn into_set(self) -> Self::Set {
                let ($($value,)+) = self;
                cons!(value; $($value)+)
            }

            fn flatten(values: <Self::Set as JoinSet>::Values) -> Self::Values {
                let nested!($($value)+) = values;
                ($($value,)+)
            }
        }
    };
}

try_join_tuple!(A T1 a);
try_join_tuple!(A T1 a, B T2 b);
try_join_tuple!(A T1 a, B T2 b, C T3 c);
try_join_tuple!(A T1 a, B T2 b, C T3 c, D T4 d);
try_join_tuple!(A T1 a, B T2 b, C T3 c, D T4 d, E T5 e);
try_join_tuple!(A T1 a, B T2 b, C T3 c, D T4 d, E T5 e, F T6 f);
try_join_tuple!(A T1 a, B T2 b, C T3 c, D T4 d, E T5 e, F T6 f, G T7 g);
try_join_tuple!(A T1 a, B T2 b, C T3 c, D T4 d, E T5 e, F T6 f, G T7 g, H T8 h);
try_join_tuple!(A T1 a, B T2 b, C T3 c, D T4 d, E T5 e, F T6 f, G T7 g, H T8 h, I T9 i);
try_join_tuple!(A T1 a, B T2 b, C T3 c, D T4 d, E T5 e, F T6 f, G T7 g, H T8 h, I T9 i, J T10 j);
try_join_tuple!(A T1 a, B T2 b, C T3 c, D T4 d, E T5 e, F T6 f, G T7 g, H T8 h, I T9 i, J T10 j, K T11 k);
try_join_tuple!(A T1 a, B T2 b, C T3 c, D T4 d, E T5 e, F T6 f, G T7 g, H T8 h, I T9 i, J T10 j, K T11 k, L T12 l);
