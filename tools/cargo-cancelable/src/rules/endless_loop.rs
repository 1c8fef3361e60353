//! Loops that nothing ends, neither by themselves nor by a cancel.

use super::body::Body;
use crate::finding::Rule;
use crate::syntax::{self, Exits, Waits};
use crate::walk::{Ground, Node};
use cancelable_syntax::reading;
use proc_macro2::Span;
use quote::ToTokens as _;
use syn::Expr;

pub(super) fn check(body: &mut Body<'_>) {
    let function = body.function();
    // The others are `unannotated-callee`'s.
    let is_callee = body.index.reached(body.id).is_some() && !function.could_be_annotated();
    let mut found: Vec<(Span, bool)> = Vec::new();
    // What runs apart without the context is `bare-spawn`'s.
    let mut apart: Vec<std::ops::Range<usize>> = Vec::new();
    body.walk(&mut |node, place| {
        let Node::Expr(expr) = node else { return };
        apart.extend(body.index.apart(expr, body.id));
        let Some(keyword) = syntax::loop_keyword(expr) else {
            return;
        };
        let is_unseen = match place.ground {
            Ground::Plain => is_callee,
            Ground::LeftAlone => true,
            Ground::Covered => false,
        };
        let is_apart = apart.iter().any(|range| range.contains(&keyword.byte_range().start));
        if !is_unseen || is_apart || place.is_shielded || place.is_skipped || !syntax::is_unconditional(expr) {
            return;
        }
        if reading::asks(expr.to_token_stream()) || Exits::leave_loop(expr) {
            return;
        }
        // The await outside drops it.
        let awaits = syntax::loop_body(expr).is_some_and(|block| {
            let block = Expr::Block(syn::ExprBlock {
                attrs: Vec::new(),
                label: None,
                block: block.clone(),
            });
            Waits::of(&block).awaiting.is_some()
        });
        if awaits && !place.is_elsewhere {
            return;
        }
        found.push((keyword, awaits));
    });
    for (keyword, awaits) in found {
        let remedy = if awaits {
            "`cancelable::guard(…).await?` in it"
        } else {
            "`cancelable::check()?` in it"
        };
        let message = if is_callee {
            format!(
                "nothing ends this loop, not even a cancel: `{}` is not annotated, and {}; call {remedy}, or break out of it",
                function.short(),
                body.reached_from()
            )
        } else {
            format!(
                "nothing ends this loop, not even a cancel, for `#[cancelable]` puts no check points here; call {remedy}, or break out of it"
            )
        };
        body.report(Rule::EndlessLoop, keyword, message);
    }
}
