//! Work that is started elsewhere without the context.

use super::body::Body;
use crate::finding::Rule;
use crate::source::Position;
use crate::spawns;
use crate::syntax;
use crate::walk::{Ground, Node};
use cancelable_syntax::reading;
use proc_macro2::Span;
use quote::ToTokens;
use std::collections::HashSet;
use syn::Expr;

/// What carries the context by hand, and what has a token of its own.
const CARRIES: [&str; 12] = [
    "propagate",
    "propagate_fn",
    "in_current_scope",
    "with_cancellation",
    "scope",
    "sync_scope",
    "run_until_cancelled",
    "Context",
    "child_token",
    "token",
    "cancellation_token",
    "CancellationToken",
];

pub(super) fn check(body: &mut Body<'_>) {
    let function = body.function();
    if function.implements("Drop") {
        return;
    }
    let is_reached = body.index.reached(body.id).is_some();
    let mut found: Vec<(Span, String)> = Vec::new();
    // What a call further down the chain gives the context to: `items.par_iter().map(propagate_fn(…))`.
    let mut carried = HashSet::new();
    body.walk(&mut |node, place| {
        let Node::Expr(Expr::Call(call)) = node else {
            if let Node::Expr(expr) = node {
                if let Expr::MethodCall(call) = expr {
                    if carries(&call.args) {
                        carried.extend(chain(&call.receiver));
                    }
                }
                if let Some((span, message)) = builder(body, expr).or_else(|| parallel(body, expr)) {
                    if speaks(place, is_reached) && !carried.contains(&Position::of(span)) {
                        found.push((span, message));
                    }
                }
            }
            return;
        };
        let Expr::Path(path) = &*call.func else { return };
        if !speaks(place, is_reached) {
            return;
        }
        let meaning = body.meaning(&path.path);
        if let Some(instead) = spawns::bare(&meaning) {
            if !carries(&call.args) {
                let name = &path.path.segments.last().expect("a path has a name").ident;
                found.push((
                    name.span(),
                    format!("what `{meaning}` starts does not see the cancel; write {instead}"),
                ));
            }
        }
    });
    for (span, mut message) in found {
        if body.function().annotated().is_none() && is_reached {
            message = format!("{message} (`{}`: {})", function.short(), body.reached_from());
        }
        body.report(Rule::BareSpawn, span, message);
    }
}

fn speaks(place: &crate::walk::Place, is_reached: bool) -> bool {
    !place.is_skipped && !place.is_shielded && (place.ground != Ground::Plain || is_reached)
}

/// `thread::Builder::new()….spawn(…)`
fn builder(body: &Body<'_>, expr: &Expr) -> Option<(Span, String)> {
    let Expr::MethodCall(call) = expr else { return None };
    if call.method != "spawn" || carries(&call.args) {
        return None;
    }
    let mut receiver = &*call.receiver;
    while let Expr::MethodCall(inner) = receiver {
        receiver = &inner.receiver;
    }
    let Expr::Call(made) = receiver else { return None };
    let Expr::Path(path) = &*made.func else { return None };
    (body.meaning(&path.path) == "std::thread::Builder::new").then(|| {
        let message =
            "what this thread runs does not see the cancel; write `cancelable::propagate(…)` round the closure";
        (call.method.span(), message.to_owned())
    })
}

/// `items.par_iter()….for_each(…)`, where rayon's prelude is imported.
fn parallel(body: &Body<'_>, expr: &Expr) -> Option<(Span, String)> {
    let Expr::MethodCall(call) = expr else { return None };
    const STARTS: [&str; 4] = ["par_iter", "par_iter_mut", "into_par_iter", "par_bridge"];
    let starts = STARTS.iter().any(|name| call.method == name) && call.args.is_empty();
    let imported = starts && body.index.names.imports_from(&body.function().module, "rayon");
    imported.then(|| {
        let message = format!(
            "the threads behind `{}` do not see the cancel; write `.until_cancelled()` behind it, or give its closure `cancelable::propagate_fn(…)`",
            call.method
        );
        (call.method.span(), message)
    })
}

/// Where the names of the methods of a chain stand.
fn chain(expr: &Expr) -> Vec<Position> {
    let mut positions = Vec::new();
    let mut receiver = expr;
    while let Expr::MethodCall(call) = syntax::peel(receiver) {
        positions.push(Position::of(call.method.span()));
        receiver = &call.receiver;
    }
    positions
}

fn carries(arguments: &impl ToTokens) -> bool {
    let tokens = arguments.to_token_stream();
    reading::asks(tokens.clone()) || CARRIES.iter().any(|name| syntax::mentions(&tokens, name))
}
