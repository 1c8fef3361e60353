//! The loops of annotated functions: each turn asks before it takes anything, so no item in hand is lost to a cancel.
//!
//! | loop | checked | by |
//! |---|---|---|
//! | `for` | before each `next()` | [`Asking`], round the iterator |
//! | `for`, `every = N` | before each piece of N items | [`Probe`], which picks the kind of [`pieces`] |
//! | `while`, `loop` | before the condition, at the beginning of the turn | an `if`; [`Turns`], with `every = N` |
//!
//! A `for` whose iterator says that nothing is left is not asked any more: it ends as it would have.

mod asking;
#[allow(unsafe_code, reason = "promises about iterators of std's; see the head of the file")]
mod counted;
mod pieces;
mod turns;

pub(crate) use asking::Asking;
pub use pieces::Probe;
pub use turns::Turns;
