//! `Partial`, an error that has with it what was done before.

use std::error::Error;
use std::fmt;
use std::io;

use crate::error::Cancelled;

/// An error, and what there was when it came: the rows so far, the best so far.
///
/// It is what a scope returns that [keeps what its body has](crate::Scope::partial), and may be the error of a function of your own. Both
/// fields are yours to take.
///
/// ```
/// use cancelable::{Cancelled, Partial, Scope, check};
/// use std::time::Duration;
///
/// fn squares(limit: Duration) -> Result<Vec<u64>, Partial<Vec<u64>>> {
///     Scope::new().timeout(limit).partial(Vec::new()).run_sync(|squares| {
///         for n in 0..3 {
///             check()?;
///             squares.push(n * n);
///         }
///         Ok(std::mem::take(squares))
///     })
/// }
///
/// match squares(Duration::ZERO) {
///     Ok(all) => println!("{all:?}"),
///     Err(Partial { error, partial }) => println!("{} of them; {error}", partial.len()),
/// }
/// ```
///
/// # Passing it on
///
/// - `.map_err(Partial::into_error)?` drops what there was, where a [`Cancelled`] is returned, or an error of your own. (`?` alone does so
///   where a [`std::io::Error`] is.)
/// - `?` into `anyhow::Error` keeps both, if `P` is `Send`, `Sync` and `'static`: `error.downcast_ref::<Partial<Vec<u64>>>()`. Its text, its
///   `{:#}` and its sources are those of the error, so nothing is said twice.
/// - An annotated function may return it, if what there is when it has not begun is the [`Default`].
///
/// ```
/// use cancelable::{CancellationToken, Partial, cancelable};
///
/// #[cancelable]
/// fn load() -> Result<(), Partial<Vec<String>>> {
///     Ok(())
/// }
///
/// let token = CancellationToken::new();
/// token.cancel();
/// let stopped = token.sync_scope(load).unwrap_err();
/// assert!(stopped.partial.is_empty());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partial<P, E = Cancelled> {
    /// Why it went no further.
    pub error: E,
    /// What there was by then.
    pub partial: P,
}

impl<P, E> Partial<P, E> {
    /// An error with what there was.
    #[must_use]
    pub const fn new(partial: P, error: E) -> Self {
        Self { error, partial }
    }

    /// What there was, without the error.
    ///
    /// ```
    /// use cancelable::{Cancelled, Partial, Scope, check};
    /// use std::time::Duration;
    ///
    /// // The best there is after 5 ms, and no error.
    /// let best = Scope::new().timeout(Duration::from_millis(5)).partial(0_u64).run_sync(|best| -> Result<_, Cancelled> {
    ///     loop {
    ///         check()?;
    ///         *best += 1;
    ///     }
    /// });
    /// let best: u64 = best.unwrap_or_else(Partial::into_partial);
    /// assert!(best > 0);
    /// ```
    #[must_use]
    pub fn into_partial(self) -> P {
        self.partial
    }

    /// The error alone.
    #[must_use]
    pub fn into_error(self) -> E {
        self.error
    }

    /// The same error, with something else made of what there was: what is inside of a lock, say.
    #[must_use]
    pub fn map<Q>(self, f: impl FnOnce(P) -> Q) -> Partial<Q, E> {
        Partial::new(f(self.partial), self.error)
    }
}

impl<P, E: fmt::Display> fmt::Display for Partial<P, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// That of the error: it is what a `main` prints, and what there was may be anything.
impl<P, E: fmt::Debug> fmt::Debug for Partial<P, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<P, E: Error> Error for Partial<P, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Of code that had not begun.
impl<P: Default, E: From<Cancelled>> From<Cancelled> for Partial<P, E> {
    fn from(cancelled: Cancelled) -> Self {
        Self::new(P::default(), cancelled.into())
    }
}

// None for `Cancelled`: a second `From` beside `From<T> for T`, and rustc no longer knows what `Ok(())` is in front of a `?`.

impl<P> From<Partial<P>> for io::Error {
    fn from(stopped: Partial<P>) -> Self {
        stopped.error.into()
    }
}

impl<P> From<Partial<P, io::Error>> for io::Error {
    fn from(stopped: Partial<P, io::Error>) -> Self {
        stopped.error
    }
}
