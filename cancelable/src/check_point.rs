//! Which kind of check point noticed a cancel.

/// The kind of check point that noticed a cancel, as [`Cancelled::point`](crate::Cancelled::point) tells.
///
/// It says how far the code there had come. After [`Entry`](Self::Entry) and [`Scope`](Self::Scope) nothing of it has run, so that it can
/// be tried again elsewhere without a second thought.
///
/// ```
/// use cancelable::{Cancelled, CheckPoint, CancellationToken, cancelable};
///
/// #[cancelable]
/// fn charge(account: &mut u32) -> Result<(), Cancelled> {
///     *account -= 1;
///     Ok(())
/// }
///
/// let token = CancellationToken::new();
/// token.cancel();
/// let mut account = 3;
/// let cancelled = token.sync_scope(|| charge(&mut account)).unwrap_err();
/// assert_eq!(cancelled.point(), CheckPoint::Entry);                    // nothing has been charged
/// assert_eq!(account, 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckPoint {
    /// The entry of an annotated function, whose body did not run.
    Entry,
    /// An `.await`: what it waited for was dropped, or had not begun. Also a scope or task that was dropped half-way, or by force.
    Await,
    /// A loop, or an iterator that checks, before it took anything for another iteration.
    Loop,
    /// A [`check()`](crate::check()), or a blocking operation of this library, which checks.
    Check,
    /// A scope or task that did not start its body.
    Scope,
}
