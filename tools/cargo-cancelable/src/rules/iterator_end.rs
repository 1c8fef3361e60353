//! A cancel that passes for the end: whoever takes the items would take a part of them for all.

use super::body::Body;
use crate::finding::Rule;
use crate::syntax::{self, peel};
use crate::walk::Node;
use cancelable_syntax::{reading, survey};
use proc_macro2::Span;
use quote::ToTokens as _;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Item, Stmt};

const TAKES: [&str; 8] = [
    "next",
    "next_back",
    "nth",
    "nth_back",
    "try_next",
    "next_if",
    "peek",
    "pop",
];
/// Functions that make an iterator or a stream of a closure whose `None` is the end.
const MAKES: [&str; 6] = [
    "std::iter::from_fn",
    "core::iter::from_fn",
    "std::iter::successors",
    "futures::stream::unfold",
    "futures::stream::poll_fn",
    "futures_util::stream::unfold",
];
const REMEDY: &str = "have the items taken by `.until_cancelled()`, which gives an `Err`";

pub(super) fn check(body: &mut Body<'_>) {
    let function = body.function();
    let mut found: Vec<(Span, String)> = Vec::new();
    if survey::ends(function.sig) {
        match function.annotated() {
            Some(annotated) => {
                if says_none(&annotated.arguments.to_string()) {
                    found.push((
                        function.sig.ident.span(),
                        format!(
                            "`or = None` says that nothing is left, and a cancel would look like the end; {REMEDY}"
                        ),
                    ));
                }
            }
            None => found.extend(forgotten(body, function.block).map(|span| (span, message("`None`")))),
        }
    }
    body.walk(&mut |node, _| {
        let Node::Expr(expr) = node else { return };
        match expr {
            Expr::Call(call) => {
                let Expr::Path(path) = &*call.func else { return };
                let meaning = body.meaning(&path.path);
                if !MAKES.contains(&meaning.as_str()) {
                    return;
                }
                for argument in &call.args {
                    if let Expr::Closure(closure) = argument {
                        let block = as_block(&closure.body);
                        found.extend(forgotten(body, &block).map(|span| (span, message("`None`"))));
                    }
                }
            }
            // The scope turns its cancel into a `None`.
            Expr::MethodCall(call) if call.method == "run_sync" || call.method == "run" => {
                for argument in &call.args {
                    let value = match argument {
                        Expr::Closure(closure) if closure.inputs.is_empty() => value_of(&closure.body),
                        Expr::Async(block) => block.block.stmts.last().and_then(syntax::expression),
                        _ => None,
                    };
                    if is_of_a_scope(body, &call.receiver) {
                        found.extend(value.and_then(taken).map(|span| (span, scope_message())));
                    }
                }
            }
            Expr::Macro(call) => found.extend(in_scope(&call.mac)),
            _ => {}
        }
    });
    for (span, message) in found {
        if !body.has(Rule::IteratorEnd, span) {
            body.report(Rule::IteratorEnd, span, message);
        }
    }
}

fn message(what: &str) -> String {
    format!("a cancel becomes {what} here, and so passes for the end of the items; {REMEDY}")
}

fn scope_message() -> String {
    "a cancel of this scope is a `None`, which nobody can tell from the end of the items; make the value `Ok(…)`, so that it is an `Err`"
        .to_owned()
}

fn says_none(arguments: &str) -> bool {
    let text: String = arguments.chars().filter(|c| !c.is_whitespace()).collect();
    text.split(',').any(|option| option == "or=None")
}

/// `cancel_scope!(…, { items.next() })`
fn in_scope(mac: &syn::Macro) -> Option<(Span, String)> {
    if syntax::macro_name(mac) != "cancel_scope" {
        return None;
    }
    let scope = survey::scope(mac)?;
    let value = scope.block.stmts.last().and_then(syntax::expression)?;
    taken(value).map(|span| (span, scope_message()))
}

/// `Scope::new()…`, `Scope::default()…`
fn is_of_a_scope(body: &Body<'_>, receiver: &Expr) -> bool {
    match peel(receiver) {
        Expr::MethodCall(call) => is_of_a_scope(body, &call.receiver),
        Expr::Call(call) => {
            matches!(&*call.func, Expr::Path(path) if body.meaning(&path.path).starts_with("cancelable::Scope::"))
        }
        _ => false,
    }
}

/// `items.next()`, `stream.next().await`
fn taken(value: &Expr) -> Option<Span> {
    match peel(value) {
        Expr::MethodCall(call) if TAKES.iter().any(|name| call.method == name) => Some(call.method.span()),
        Expr::Await(awaited) => taken(&awaited.base),
        _ => None,
    }
}

fn value_of(body: &Expr) -> Option<&Expr> {
    match body {
        Expr::Block(inner) => inner.block.stmts.last().and_then(syntax::expression),
        other => Some(other),
    }
}

fn as_block(body: &Expr) -> Block {
    match body {
        Expr::Block(inner) => inner.block.clone(),
        other => Block {
            brace_token: syn::token::Brace::default(),
            stmts: vec![Stmt::Expr(other.clone(), None)],
        },
    }
}

/// Where the body of something like `next` throws a `Cancelled` away: `fetch().ok()`, `check().ok()?`, `if is_cancelled() { return None }`.
fn forgotten(body: &Body<'_>, block: &Block) -> Option<Span> {
    let mut search = Search { body, found: None };
    search.visit_block(block);
    search.found
}

struct Search<'b, 'i> {
    body: &'b Body<'i>,
    found: Option<Span>,
}

impl Search<'_, '_> {
    fn gives_cancelled(&self, expr: &Expr) -> bool {
        match peel(expr) {
            Expr::Await(awaited) => self.gives_cancelled(&awaited.base),
            call @ (Expr::Call(_) | Expr::MethodCall(_)) => {
                self.body.annotated_callee(call).is_some() || self.is_check(call)
            }
            _ => false,
        }
    }

    /// `cancelable::check()`, `token.check()`
    fn is_check(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Call(call) => matches!(&*call.func, Expr::Path(path)
                if ["cancelable::check", "cancelable::guard"].contains(&self.body.meaning(&path.path).as_str())),
            Expr::MethodCall(call) => call.method == "check" && call.args.is_empty() && reading::is_question(expr),
            _ => false,
        }
    }
}

impl<'ast> Visit<'ast> for Search<'_, '_> {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::MethodCall(call)
                if call.method == "ok" && call.args.is_empty() && self.gives_cancelled(&call.receiver) =>
            {
                self.found.get_or_insert(call.method.span());
            }
            Expr::If(branches) => {
                let asks = match peel(&branches.cond) {
                    Expr::Call(call) => matches!(&*call.func, Expr::Path(path)
                        if self.body.meaning(&path.path) == "cancelable::is_cancelled"),
                    Expr::MethodCall(call) => call.method == "is_cancelled" && call.args.is_empty(),
                    _ => false,
                };
                let [only] = branches.then_branch.stmts.as_slice() else {
                    return visit::visit_expr(self, expr);
                };
                let value = match only {
                    Stmt::Expr(Expr::Return(leave), _) => leave.expr.as_deref(),
                    Stmt::Expr(value, None) => Some(value),
                    _ => None,
                };
                if asks && value.is_some_and(|value| value.to_token_stream().to_string() == "None") {
                    self.found.get_or_insert(branches.if_token.span);
                }
            }
            Expr::Closure(_) => return,
            _ => {}
        }
        visit::visit_expr(self, expr);
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}
