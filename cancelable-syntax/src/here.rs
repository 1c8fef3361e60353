//! The item by which the library knows which function an expansion stands in.

use crate::paths::at;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

/// What it is called. Nobody has to use it.
pub(crate) fn name(span: Span) -> Ident {
    Ident::new("_cancelable_here", at(span))
}

/// ```text
/// Output: fn _cancelable_here() {}
/// ```
/// The name of its type is that of the function, with the types and traits round it, and this one.
pub(crate) fn item(span: Span) -> TokenStream {
    let name = name(span);
    quote_spanned!(at(span)=> fn #name() {})
}
