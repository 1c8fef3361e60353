//! Loops and awaits where the attribute puts no check points, though the code round them has some.

use super::body::Body;
use crate::finding::Rule;
use crate::source::Position;
use crate::syntax::{self, Waits};
use crate::walk::{Ground, Node};
use cancelable_syntax::reading;
use proc_macro2::Span;
use quote::ToTokens as _;
use std::collections::HashSet;
use std::ops::Range;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Expr, Item, Local};

/// What runs in the scope, though elsewhere. (What else runs elsewhere is `bare-spawn`'s, or nobody knows.)
const CARRYING: [&str; 6] = [
    "cancelable::rayon::spawn",
    "cancelable::smol::spawn",
    "cancelable::smol::spawn_blocking",
    "cancelable::thread::spawn",
    "cancelable::tokio::spawn",
    "cancelable::tokio::spawn_blocking",
];

/// Blocks that a variable of the function keeps.
#[derive(Default)]
struct Kept(HashSet<Position>);

impl<'ast> Visit<'ast> for Kept {
    fn visit_local(&mut self, local: &'ast Local) {
        if let Some(init) = &local.init {
            if let block @ Expr::Async(_) = syntax::peel(&init.expr) {
                self.0.insert(Position::of(block.span()));
            }
        }
        visit::visit_local(self, local);
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}

pub(super) fn check(body: &mut Body<'_>) {
    let mut found: Vec<(Span, String)> = Vec::new();
    let mut kept = Kept::default();
    kept.visit_block(body.function().block);
    // What is handed to the library's own functions, which take the scope along.
    let mut carried: Vec<Range<usize>> = Vec::new();
    body.walk(&mut |node, place| {
        if place.ground != Ground::Covered || place.is_shielded || place.is_finishing {
            return;
        }
        if let Node::Expr(Expr::Call(call)) = node {
            if matches!(&*call.func, Expr::Path(path) if CARRYING.contains(&body.meaning(&path.path).as_str())) {
                carried.push(call.paren_token.span.join().byte_range());
            }
        }
        if place.is_elsewhere {
            let is_carried = |expr: &Expr| {
                let start = expr.span().byte_range().start;
                carried.iter().any(|range| range.contains(&start))
            };
            if !matches!(node, Node::LeftAlone(expr) if is_carried(expr)) {
                return;
            }
        }
        let (waits, place_name, remedy) = match node {
            Node::LeftAlone(expr) => {
                let is_kept = kept.0.contains(&Position::of(expr.span()));
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
                let mut waits = Waits::of(expr);
                if !is_kept {
                    // It is handed on, who knows where to; or awaited in place, and dropped there.
                    waits.awaiting = None;
                }
                (waits, place_name.to_owned(), remedy)
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
            (None, Some(span)) => ("await", span),
            (None, None) => return,
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
