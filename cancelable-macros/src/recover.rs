//! What is emitted beside errors: the item as written, so that whoever calls it, and the editor, still find it.

use crate::diag::Errors;
use crate::item::Function;
use crate::paths::Library;
use crate::plan::TokenParameter;
use crate::rewrite::helpers::Strip;
use proc_macro2::TokenStream;
use quote::quote;
use syn::visit_mut::VisitMut;

/// A function that is handed back without check points.
pub(crate) struct Recovered {
    /// Without our helpers, which mean nothing to rustc and would be errors of their own.
    function: Function,
    /// What `#[token]` parameters, which callers do not pass, are bound to; else their uses would be errors too.
    bindings: TokenStream,
}

impl Recovered {
    /// To be made when the `#[token]` parameters are out of the signature, and the body is still as it was written.
    pub(crate) fn new(function: &Function, tokens: &[TokenParameter], library: &Library) -> Self {
        let mut block = function.block.clone();
        Strip.visit_block_mut(&mut block);
        let function = Function {
            attrs: function.attrs.clone(),
            vis: function.vis.clone(),
            defaultness: function.defaultness,
            sig: function.sig.clone(),
            block,
        };
        let bindings = tokens.iter().map(|token| token.binding(library)).collect();
        Recovered { function, bindings }
    }

    /// Errors plus the item.
    pub(crate) fn item(&self, errors: &Errors) -> TokenStream {
        let errors = errors.to_compile_errors();
        let (bindings, stmts) = (&self.bindings, &self.function.block.stmts);
        let item = self.function.with_body(quote!(#bindings #(#stmts)*));
        quote!(#errors #item)
    }
}

/// An item that does not parse: rustc says what is wrong with it, and its words stand alone.
///
/// An item that rustc can read and we cannot would not be cancelable, and nobody would notice: with `cancelable_strict`,
/// as the sweep over published crates sets it, that is an error.
pub(crate) fn unread(item: TokenStream) -> TokenStream {
    if !cfg!(cancelable_strict) {
        return item;
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
