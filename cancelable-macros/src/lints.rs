//! The one allow list: which lints generated statements could set off in the user's crate, and why each may.
//!
//! Most generated code needs none: clippy and rustc pass over tokens that come from an expansion. Listed here is what
//! must carry the user's own tokens, and so looks as if the user had written it.

use crate::paths::at;
use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

/// On `let argument = argument;`, which moves an argument into the block that the body runs in.
pub(crate) fn on_rebinding(span: Span) -> TokenStream {
    quote_spanned!(at(span)=> #[allow(
        unknown_lints, // the clippy lints below, on older toolchains
        clippy::redundant_locals, // it is the move that counts
        clippy::shadow_same, // the body must find the argument under its name
        clippy::shadow_unrelated, // …also when that name is a pattern's
        clippy::used_underscore_binding, // an argument called `_guard` moves like any other
        clippy::no_effect_underscore_binding, // …and must be dropped where the body ends
        clippy::let_unit_value, // an argument may be a `()`
        clippy::many_single_char_names, // they have been counted once, where they were written
        clippy::pattern_type_mismatch // a pattern is matched as it was in the signature
    )])
}

/// On `return { BODY };`: a body may never get to its end.
pub(crate) fn on_diverging_return(span: Span) -> TokenStream {
    quote_spanned!(at(span)=> #[allow(
        unreachable_code, // a body that ends in `loop { }` or `panic!()` gives the `return` nothing to do
        clippy::diverging_sub_expression, // the same, as clippy sees it
        clippy::needless_return // code follows: the value of `or`
    )])
}

/// On `(match … { … },).0;`, which stands for `future.await;`, and so with a `?` behind it.
pub(crate) fn on_statement(span: Span) -> TokenStream {
    quote_spanned!(at(span)=> #[allow(
        unreachable_code, // a future whose output is `!` leaves nothing to take out of the tuple
        clippy::diverging_sub_expression, // the same, as clippy sees it
        clippy::unnecessary_operation // the tuple is there for where it is
    )])
}

/// On the dead `return` that tells the compiler the type of an `async` block.
pub(crate) fn on_dead_return(span: Span) -> TokenStream {
    quote_spanned!(at(span)=> #[allow(
        unreachable_code, // a return type without values makes the `return` unreachable
        clippy::diverging_sub_expression, // the same, as clippy sees it
        clippy::let_unit_value // the type may be `()`
    )])
}
