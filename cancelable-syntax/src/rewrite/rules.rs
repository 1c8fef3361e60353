//! What holds for the whole of a body that is rewritten.

use super::exit::{Edge, Exit};
use crate::paths::Library;
use proc_macro2::TokenStream;

/// What holds for the whole body.
pub(crate) struct Rules<'a> {
    pub(crate) library: &'a Library,
    /// How check points leave, outside loops marked `break`.
    pub(crate) exit: Exit,
    /// The type of what `return` and `?` leave with.
    pub(crate) edge: Edge,
    /// Turns between two checks of a loop, as an expression that costs nothing to repeat.
    pub(crate) every: Option<TokenStream>,
    /// Turns between two of a loop that let other tasks run, likewise.
    pub(crate) yield_every: Option<TokenStream>,
    /// Whether a body may end without a value.
    pub(crate) unit: bool,
    /// Whether `.await` is possible, and so whether `join!` and `select!` are awaits.
    pub(crate) asynchronous: bool,
}
