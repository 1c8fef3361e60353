//! `join!` and `try_join!`: an await of several futures.
//!
//! ```text
//! Input:  tokio::join!(a(), b(x?), c())
//! Output: {
//!             let (future0, future1) = (a(), b(x?));
//!             match Site.guard(async { tokio::join!(future0, future1, c()) }).await { … }
//!         }
//! ```
//! What has a `?` or an `.await` in it is evaluated outside the block, so that they are this function's, and so is what
//! comes before. The rest stays as it is written: it may be the user's own `join!`, of something else than futures.

use super::Rewriter;
use super::blocks::block_expr;
use super::select::biased;
use crate::paths::{at, name_span, variable};
use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, Item, Macro, Token};

/// The word `biased` and the futures of a `join!`. `None` if these are none.
pub(super) fn parse(mac: &Macro) -> Option<(Option<TokenStream>, Punctuated<Expr, Token![,]>)> {
    let parser = |input: ParseStream<'_>| {
        let biased = biased(input)?;
        let futures = Punctuated::<Expr, Token![,]>::parse_terminated(input)?;
        Ok((biased, futures))
    };
    let (biased, futures) = parser.parse2(mac.tokens.clone()).ok()?;
    (!futures.is_empty()).then_some((biased, futures))
}

impl Rewriter<'_> {
    pub(super) fn join(&mut self, mac: &Macro, gives_way: bool) -> Option<Expr> {
        let (biased, mut futures) = parse(mac)?;
        let mut outside = 0;
        for (index, future) in futures.iter_mut().enumerate() {
            let before = self.touched;
            self.visit_expr_mut(future);
            if self.touched != before || leaves(future) {
                outside = index + 1;
            }
        }
        let span = name_span(&mac.path);
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (index, future) in futures.iter_mut().take(outside).enumerate() {
            // Nothing happens when these are evaluated, and so it does not matter when.
            if matches!(future, Expr::Path(_) | Expr::Lit(_)) {
                continue;
            }
            let name = variable(&format!("future{index}"), span);
            values.push(std::mem::replace(future, Expr::Verbatim(name.to_token_stream())));
            names.push(name);
        }
        let path = &mac.path;
        let block = quote_spanned!(at(span)=> async { #path!(#biased #futures) });
        let (awaited, arms) = self.await_block(block, gives_way, span);
        let awaited = match arms {
            Some(arms) => quote_spanned!(at(span)=> match #awaited { #(#arms)* }),
            None => awaited,
        };
        let outside = (!names.is_empty()).then(|| quote_spanned!(at(span)=> let (#(#names,)*) = (#(#values,)*);));
        Some(block_expr(quote_spanned!(at(span)=> #outside #awaited)))
    }
}

/// Whether evaluating `expr` may leave the function, or the loop that it stands in, or wait.
fn leaves(expr: &mut Expr) -> bool {
    let mut leaves = Leaves(false);
    leaves.visit_expr_mut(expr);
    leaves.0
}

struct Leaves(bool);

impl VisitMut for Leaves {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Try(_) | Expr::Await(_) | Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => self.0 = true,
            Expr::Closure(_) | Expr::Async(_) | Expr::Const(_) => {}
            // Nobody knows what its tokens mean.
            Expr::Macro(call) => self.0 |= mentions_exit(call.mac.tokens.clone()),
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

fn mentions_exit(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Group(group) => mentions_exit(group.stream()),
        TokenTree::Punct(sign) => sign.as_char() == '?',
        TokenTree::Ident(word) => ["await", "return", "break", "continue"].iter().any(|exit| word == exit),
        TokenTree::Literal(_) => false,
    })
}
