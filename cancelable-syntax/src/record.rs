//! What was done to a body, one by one: for those who ask where check points are, not for the expansion.

use proc_macro2::Span;

/// A check point that was put in.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// What it stands on.
    pub kind: PointKind,
    /// The `await`, `for`, `while` or `loop`, or the name of the macro.
    pub span: Span,
    /// What it is under in this body.
    pub under: Under,
}

/// What a check point stands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PointKind {
    /// An `.await`, or a `join!` or `select!`.
    Await,
    /// The iterations of a loop.
    Loop,
}

/// What a check point is under, by `#[cancelable(…)]` within the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Under {
    /// A cancel fails it.
    Nothing,
    /// `finish`: a cancel fails it before it has begun.
    Finish,
    /// `shield`: a cancel does not fail it.
    Shield,
    /// `shield = LIMIT`: a cancel does not fail it, the limit does.
    BoundedShield,
}

/// All that was done to one body.
#[derive(Clone, Default)]
pub(crate) struct Record {
    pub(crate) points: Vec<Point>,
    /// Where closures, `async` blocks and unknown macros begin.
    pub(crate) left_alone: Vec<Span>,
    /// Awaits at which what a loop marked `break` has found is lost.
    pub(crate) lost: Vec<Span>,
}
