//! The one allow list: which lints generated statements could set off in the user's crate, and why each may.
//!
//! Most generated code needs none: clippy and rustc pass over tokens that come from an expansion. Listed here is what
//! must carry the user's own tokens, and so looks as if the user had written it.

use crate::paths::at;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::{AttrStyle, Attribute, MacroDelimiter, Meta, MetaList, Token, token};

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

/// On `let PAT = EXPR.await;`: clippy says nothing of a `()` from an `.await`, and would of one from a `match`.
pub(crate) fn on_let(span: Span) -> Attribute {
    let span = at(span);
    level("allow", quote_spanned!(span=> clippy::let_unit_value), span)
}

/// On `EXPR.await;`: a `match` that gives a `()` could do without the semicolon.
pub(crate) fn on_await(span: Span) -> Attribute {
    let span = at(span);
    level("allow", quote_spanned!(span=> clippy::unnecessary_semicolon), span)
}

/// On what holds `|| -> R { BODY }`.
///
/// A type that is complex is told of in the signature, or is not, since a trait asks for it. Where it cannot be complex, the
/// body's own types are left to clippy.
pub(crate) fn on_closure(output: &TokenStream, span: Span) -> Option<Attribute> {
    const FEW: usize = 6;
    let span = at(span);
    (words(output.clone()) > FEW).then(|| level("allow", quote_spanned!(span=> clippy::type_complexity), span))
}

fn words(tokens: TokenStream) -> usize {
    let count = |tree| match tree {
        TokenTree::Ident(_) => 1,
        TokenTree::Group(group) => words(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => 0,
    };
    tokens.into_iter().map(count).sum()
}

/// What clippy says of a function that the attribute takes the ground from: an annotated function can fail, is not `const`, has an
/// `.await` in it if it has a scope, and leaves its loops.
const ANSWERED: [&str; 5] = [
    "empty_loop",
    "infinite_loop",
    "missing_const_for_fn",
    "unnecessary_wraps",
    "unused_async",
];

/// ```text
/// Input:  #[expect(clippy::unused_async, unused, reason = "…")]
/// Output: #[expect(unused, reason = "…")] #[allow(clippy::unused_async, reason = "…")]
/// ```
/// An expectation that the expansion disappoints would be a warning for the user.
pub(crate) fn forgive(attrs: &mut Vec<Attribute>) {
    let mut forgiven = Vec::new();
    attrs.retain_mut(|attr| {
        if !attr.path().is_ident("expect") {
            return true;
        }
        let Ok(list) = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
            return true;
        };
        let span = attr.pound_token.span;
        let (reasons, lints): (Vec<_>, Vec<_>) = list.into_iter().partition(|meta| meta.path().is_ident("reason"));
        let (answered, expected): (Vec<_>, Vec<_>) = lints.into_iter().partition(is_answered);
        if answered.is_empty() {
            return true;
        }
        forgiven.push(level("allow", quote!(#(#answered,)* #(#reasons)*), at(span)));
        *attr = level("expect", quote!(#(#expected,)* #(#reasons)*), span);
        !expected.is_empty()
    });
    attrs.append(&mut forgiven);
}

fn is_answered(lint: &Meta) -> bool {
    let segments = &lint.path().segments;
    segments.len() == 2
        && segments[0].ident == "clippy"
        && ANSWERED.iter().any(|answered| segments[1].ident == answered)
}

/// `#[name(lints)]`, put together by hand: to parse it would take longer than all else there is to a `let`.
fn level(name: &str, lints: TokenStream, span: Span) -> Attribute {
    Attribute {
        pound_token: Token![#](span),
        style: AttrStyle::Outer,
        bracket_token: token::Bracket(span),
        meta: Meta::List(MetaList {
            path: Ident::new(name, span).into(),
            delimiter: MacroDelimiter::Paren(token::Paren(span)),
            tokens: lints,
        }),
    }
}

/// On `return { BODY };`: a body may never get to its end.
pub(crate) fn on_diverging_return(span: Span) -> TokenStream {
    quote_spanned!(at(span)=> #[allow(
        unreachable_code, // a body that ends in `loop { }` or `panic!()` gives the `return` nothing to do
        clippy::diverging_sub_expression, // the same, as clippy sees it
        clippy::needless_return // code follows: the value of `or`
    )])
}

/// On `({ … },).0;`, which stands for `join!(…);`
pub(crate) fn on_macro(span: Span) -> TokenStream {
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
