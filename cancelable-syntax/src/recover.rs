//! What is emitted beside errors: the item as written, so that whoever calls it, and the editor, still find it.

use crate::check::{self, Refused};
use crate::diag::Errors;
use crate::half_typed;
use crate::item::Function;
use crate::paths::Library;
use crate::rewrite::helpers::Strip;
use crate::tell;
use proc_macro2::TokenStream;
use quote::quote;
use syn::visit_mut::VisitMut;

/// Errors plus the function, as it was written but for our helpers, which mean nothing to rustc and would be errors of their
/// own, and `#[token]` parameters, which callers do not pass.
pub(crate) fn without_check_points(mut written: Function, refused: &Refused) -> TokenStream {
    // What is wrong with these has been said.
    let tokens = check::take_token_parameters(&mut written, &mut Errors::default());
    let bindings = tokens.iter().map(|token| token.binding(&refused.library)).collect();
    let item = stripped(written, &bindings);
    let errors = refused.errors.to_compile_errors();
    quote!(#errors #item)
}

/// The function less our helpers, with `bindings` before its body.
pub(crate) fn stripped(mut written: Function, bindings: &TokenStream) -> TokenStream {
    Strip.visit_block_mut(&mut written.block);
    let stmts = &written.block.stmts;
    written.with_body(quote!(#bindings #(#stmts)*))
}

/// An item that does not parse: rustc says what is wrong with it, and its words stand alone. That it is annotated must not show.
///
/// An item that rustc can read and we cannot is not cancelable, which is told of; with `cancelable_strict`, as the sweep
/// over published crates sets it, that is an error.
pub(crate) fn unread(item: TokenStream, library: &Library) -> TokenStream {
    if !cfg!(cancelable_strict) {
        return tell::unread(half_typed::item(item, library));
    }
    let mut errors = Errors::default();
    errors.on(
        &item,
        "this item cannot be read, and so is not cancelable; this is a bug in `cancelable`",
    );
    let errors = errors.to_compile_errors();
    quote!(#item #errors)
}

/// Errors plus an item that is nothing we know of.
pub(crate) fn untouched(item: &TokenStream, errors: &Errors) -> TokenStream {
    let errors = errors.to_compile_errors();
    quote!(#errors #item)
}
