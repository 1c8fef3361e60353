//! Shields without a limit.

use super::body::Body;
use crate::finding::Rule;
use crate::source::Position;
use crate::syntax;
use crate::walk::Node;
use cancelable_syntax::{reading, survey};
use proc_macro2::Span;
use std::collections::HashSet;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Macro};

pub(super) fn check(body: &mut Body<'_>) {
    let mut shields = Shields::default();
    if body.function().annotated().is_some() {
        shields.visit_block(body.function().block);
    }
    body.walk(&mut |node, _| {
        let Node::Expr(expr) = node else { return };
        match expr {
            Expr::MethodCall(call) if call.method == "timeout" && reading::is_shield(&call.receiver) => {
                shields.bounded.insert(Position::of(call.receiver.span()));
            }
            Expr::MethodCall(call)
                if call.method == "shielded"
                    && call.args.is_empty()
                    && !shields.bounded.contains(&Position::of(expr.span())) =>
            {
                shields.found.push(call.method.span());
            }
            Expr::Call(call) => {
                if let Expr::Path(path) = &*call.func {
                    let is_shield = body.meaning(&path.path) == "cancelable::shield";
                    if is_shield && !shields.bounded.contains(&Position::of(expr.span())) {
                        shields
                            .found
                            .push(path.path.segments.last().expect("a path has a name").ident.span());
                    }
                }
            }
            Expr::Macro(call) => shields.macro_call(&call.mac),
            _ => {}
        }
    });
    shields.found.sort_by_key(|span| Position::of(*span));
    shields.found.dedup_by_key(|span| Position::of(*span));
    for span in shields.found {
        body.report(
            Rule::UnboundedShield,
            span,
            "this shield has no limit, so what it waits for may keep a cancel waiting for ever; give it one, as in `shield = \"2s\"`",
        );
    }
}

#[derive(Default)]
struct Shields {
    found: Vec<Span>,
    bounded: HashSet<Position>,
}

impl Shields {
    fn macro_call(&mut self, mac: &Macro) {
        if syntax::macro_name(mac) != "shield" {
            return;
        }
        if survey::scope(mac).is_some_and(|shield| !shield.options.contains(&"timeout")) {
            self.found.push(mac.path.span());
        }
    }
}

impl<'ast> Visit<'ast> for Shields {
    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        if reading::says(attr, "shield") && !reading::has_limit(attr) {
            self.found.push(attr.path().span());
        }
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        self.macro_call(mac);
        visit::visit_macro(self, mac);
    }

    fn visit_item(&mut self, _: &'ast syn::Item) {}
}
