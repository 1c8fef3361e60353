//! Kinds of check points, to those who pass them.

/// How code comes to a check point that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// An annotated function begins, or a scope.
    Entry,
    /// An await begins.
    Await,
    /// The code behind an await that was pending goes on.
    Resumed,
    /// A `for` begins; or a check that had to look closer.
    Other,
}
