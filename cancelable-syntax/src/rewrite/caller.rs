//! `Location::caller()` in a sync `#[track_caller]` function. With a scope the body runs in a closure, what is shielded in it in an
//! `async` block, and both have callers of their own; so the function asks before, and the body is given the answer where it asks.
//!
//! What the body calls, and is `#[track_caller]` itself, as `expect` is, cannot be told: it reports the line in the body.

use super::helpers;
use crate::paths::{at, variable};
use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Block, Expr, Item, Macro};

/// Whether `#[track_caller]` stands on the function, or perhaps does, in a `#[cfg_attr(…)]`.
pub(crate) fn is_tracked(attrs: &[Attribute]) -> bool {
    attrs
        .iter()
        .any(|attr| attr.path().is_ident("track_caller") || (attr.path().is_ident("cfg_attr") && names(attr)))
}

fn names(attr: &Attribute) -> bool {
    let tokens = attr.meta.to_token_stream();
    tokens.to_string().contains("track_caller")
}

/// Whether something in the body is marked `#[cancelable(shield)]`.
pub(crate) fn is_moved_in_part(body: &mut Block) -> bool {
    let mut shielded = Shielded(false);
    shielded.visit_block_mut(body);
    shielded.0
}

struct Shielded(bool);

impl VisitMut for Shielded {
    fn visit_attribute_mut(&mut self, attr: &mut Attribute) {
        self.0 |= helpers::says(attr, "shield");
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// Puts a variable where the body asks for its caller; `None` if it does not.
pub(crate) fn keep(body: &mut Block, span: Span) -> Option<Ident> {
    let caller = variable("caller", span);
    let mut keep = Keep { caller, asked: false };
    keep.visit_block_mut(body);
    keep.asked.then_some(keep.caller)
}

/// ```text
/// Output: let caller = ::core::panic::Location::caller();
/// ```
pub(crate) fn ask(caller: &Ident) -> TokenStream {
    quote_spanned!(at(caller.span())=> let #caller = ::core::panic::Location::caller();)
}

struct Keep {
    caller: Ident,
    asked: bool,
}

impl Keep {
    /// Looks for the words, in what no parser has been at.
    fn words(&mut self, tokens: TokenStream) -> TokenStream {
        let mut kept: Vec<TokenTree> = Vec::new();
        for tree in tokens {
            match tree {
                TokenTree::Group(group) if group.stream().is_empty() && is_question(&kept) => {
                    self.asked = true;
                    kept.truncate(kept.len() - 4);
                    // `std::panic::` before it.
                    while kept.last().is_some_and(is_colon) {
                        while kept.last().is_some_and(is_colon) {
                            kept.pop();
                        }
                        if matches!(kept.last(), Some(TokenTree::Ident(_))) {
                            kept.pop();
                        }
                    }
                    kept.push(self.caller.clone().into());
                }
                TokenTree::Group(group) => {
                    let mut inner = Group::new(group.delimiter(), self.words(group.stream()));
                    inner.set_span(group.span());
                    kept.push(inner.into());
                }
                other => kept.push(other),
            }
        }
        kept.into_iter().collect()
    }
}

fn is_colon(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == ':')
}

/// Whether these end in `Location::caller`.
fn is_question(tokens: &[TokenTree]) -> bool {
    let [.., TokenTree::Ident(ty), first, second, TokenTree::Ident(method)] = tokens else {
        return false;
    };
    ty == "Location" && is_colon(first) && is_colon(second) && method == "caller"
}

impl VisitMut for Keep {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            // These have callers of their own.
            Expr::Closure(_) | Expr::Async(_) | Expr::Const(_) => {}
            Expr::Call(call) if call.args.is_empty() => {
                let path: Vec<TokenTree> = call.func.to_token_stream().into_iter().collect();
                if is_question(&path) {
                    self.asked = true;
                    *expr = Expr::Verbatim(self.caller.to_token_stream());
                } else {
                    visit_mut::visit_expr_mut(self, expr);
                }
            }
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        mac.tokens = self.words(std::mem::take(&mut mac.tokens));
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}
