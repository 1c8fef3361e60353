//! The macros, as functions from tokens to tokens.
//!
//! Function-like ones want the path to the library in parentheses in front of what they were given, as the `macro_rules!` of
//! `cancelable` put it there.

use crate::{attribute, function_like};
use proc_macro2::TokenStream;

/// `#[cancelable(ARGUMENTS)] ITEM`
#[must_use]
pub fn attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute::attribute(arguments, item)
}

/// `cancel_scope!(…)`
#[must_use]
pub fn cancel_scope(input: TokenStream) -> TokenStream {
    function_like::cancel_scope(input)
}

/// `shield!(…)`
#[must_use]
pub fn shield(input: TokenStream) -> TokenStream {
    function_like::shield(input)
}

/// `race!(…)`
#[must_use]
pub fn race(input: TokenStream) -> TokenStream {
    function_like::combine(input, "race")
}

/// `try_join!(…)`
#[must_use]
pub fn try_join(input: TokenStream) -> TokenStream {
    function_like::combine(input, "try_join")
}
