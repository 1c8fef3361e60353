//! Loops and awaits where the attribute puts no check points, though the code round them has some.

use super::Body;
use crate::finding::Rule;
use crate::syntax::{self, Waits};
use crate::walk::{Ground, Node};
use cancelable_syntax::reading;
use proc_macro2::Span;
use quote::ToTokens as _;
use syn::Expr;

pub(super) fn check(body: &mut Body<'_>) {
    let mut found: Vec<(Span, String)> = Vec::new();
    body.walk(&mut |node, place| {
        if place.ground != Ground::Covered || place.is_shielded || place.is_finishing || place.is_elsewhere {
            return;
        }
        let (waits, place_name, remedy) = match node {
            Node::LeftAlone(expr) => {
                if reading::asks(expr.to_token_stream()) {
                    return;
                }
                let (place_name, remedy) = match expr {
                    Expr::Closure(_) => ("a closure", "call `cancelable::check()` in it, or move the code out"),
                    _ => (
                        "an `async` block",
                        "make that `cancel_scope!(async { … })`, or move the code out",
                    ),
                };
                (Waits::of(expr), place_name.to_owned(), remedy)
            }
            Node::Macro(mac) if reading::holds_code(mac) => {
                let waits = match reading::first_loop_or_await(mac.tokens.clone()) {
                    Some((true, span)) => Waits {
                        looping: Some(span),
                        awaiting: None,
                    },
                    Some((false, span)) => Waits {
                        looping: None,
                        awaiting: Some(span),
                    },
                    None => return,
                };
                (waits, format!("`{}!`", syntax::macro_name(mac)), "move the code out")
            }
            _ => return,
        };
        let (what, span) = match (waits.looping, waits.awaiting) {
            (Some(span), _) => ("loop", span),
            // An await of this function drops it while it is pending.
            (None, Some(span)) if !place.is_awaited => ("await", span),
            _ => return,
        };
        found.push((
            span,
            format!("this {what} is in {place_name}, where `#[cancelable]` puts no check points; {remedy}"),
        ));
    });
    for (span, message) in found {
        if !body.has(Rule::EndlessLoop, span) {
            body.report(Rule::OutOfReach, span, message);
        }
    }
}
