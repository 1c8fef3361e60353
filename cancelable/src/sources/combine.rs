//! Sources made of sources.

use std::future::Future;

use crate::reason::CancelReason;
use crate::scope::{Source, Watch};

/// Fires with the first of several sources, for its reason.
///
/// Takes a tuple of up to eight sources of any kind, an array or a `Vec`. Tokens among them have their deadlines
/// [counted](crate::remaining). Of none at all: never fires.
///
/// Given to a scope, it is the same as several [`until`](crate::Scope::until)s. It is there to be passed on as one.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, Source, any, cancel_scope, check, condition};
/// use std::time::Duration;
///
/// /// What every job of ours stops for.
/// fn stop(shutdown: &CancellationToken) -> impl Source + use<> {
///     any((shutdown.clone(), condition(Duration::from_secs(1), || false).named("the disk is full")))
/// }
///
/// let shutdown = CancellationToken::new();
/// shutdown.cancel();
/// let outcome = cancel_scope!(until = stop(&shutdown), { Ok::<_, Cancelled>(()) });
/// assert!(outcome.unwrap_err().belongs_to(&shutdown));
/// ```
pub fn any<S: Sources>(sources: S) -> Any<S> {
    Any(sources)
}

/// Fires when all of several sources have, for the reason of the last.
///
/// Takes what [`any`] takes. If all of them are tokens that have deadlines, the latest counts. Of none at all: never
/// fires, for nothing has happened that could be the reason.
///
/// A source fires once for it: a signal that comes a second time, while others are still waited for, is left to its
/// default action.
///
/// ```
/// use cancelable::{CancelReason, CancellationToken, Cancelled, Scope, all, check};
///
/// let (readers, writers) = (CancellationToken::new(), CancellationToken::new());
/// let outcome: Result<(), Cancelled> = Scope::new().until(all([&readers, &writers])).run_sync(|| {
///     readers.cancel();
///     assert!(check().is_ok());
///     writers.cancel_with("nobody writes any more");
///     check()
/// });
/// assert_eq!(outcome.unwrap_err().reason().to_string(), "nobody writes any more");
/// ```
pub fn all<S: Sources>(sources: S) -> All<S> {
    All(sources)
}

/// The first of several sources; made by [`any`].
#[derive(Clone, Debug)]
#[must_use = "sources do nothing unless a scope is told of them"]
pub struct Any<S>(S);

/// The last of several sources; made by [`all`].
#[derive(Clone, Debug)]
#[must_use = "sources do nothing unless a scope is told of them"]
pub struct All<S>(S);

impl<S: Sources> Source for Any<S> {
    #[track_caller]
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static {
        Watch::of(self).fired()
    }

    #[track_caller]
    fn attach(self, to: &mut Watch) {
        for watch in self.0.into_watches() {
            to.append(watch);
        }
    }
}

impl<S: Sources> Source for All<S> {
    #[track_caller]
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static {
        Watch::of(self).fired()
    }

    #[track_caller]
    fn attach(self, to: &mut Watch) {
        to.append_all(self.0.into_watches());
    }
}

/// Several sources: a tuple, an array or a `Vec` of them.
pub trait Sources {
    /// What each of them watches for.
    #[doc(hidden)]
    #[track_caller]
    fn into_watches(self) -> Vec<Watch>;
}

impl<S: Source> Sources for Vec<S> {
    #[track_caller]
    fn into_watches(self) -> Vec<Watch> {
        // A closure would not pass the caller's line on.
        let mut watches = Vec::with_capacity(self.len());
        for source in self {
            watches.push(Watch::of(source));
        }
        watches
    }
}

impl<S: Source, const N: usize> Sources for [S; N] {
    #[track_caller]
    fn into_watches(self) -> Vec<Watch> {
        let mut watches = Vec::with_capacity(N);
        for source in self {
            watches.push(Watch::of(source));
        }
        watches
    }
}

macro_rules! tuples {
    ($($($source:ident)+;)+) => {
        $(
            impl<$($source: Source),+> Sources for ($($source,)+) {
                #[track_caller]
                fn into_watches(self) -> Vec<Watch> {
                    #[expect(non_snake_case, reason = "one identifier for a type and its value")]
                    let ($($source,)+) = self;
                    vec![$(Watch::of($source)),+]
                }
            }
        )+
    };
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}
