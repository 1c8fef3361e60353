//! Loops that take a cancel for one more failure.

use super::body::Body;
use crate::finding::Rule;
use crate::syntax::{self, Exits, Waits, peel};
use crate::walk::{Ground, Node};
use cancelable_syntax::reading;
use proc_macro2::Span;
use quote::ToTokens as _;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Item, Local, Macro, Pat, Stmt};

pub(super) fn check(body: &mut Body<'_>) {
    let function = body.function();
    if body.index.runs_apart(body.id) {
        return;
    }
    let mut found: Vec<(Span, usize, bool)> = Vec::new();
    // What is started apart, without the context, is cancelled by nobody.
    let mut apart: Vec<std::ops::Range<usize>> = Vec::new();
    body.walk(&mut |node, place| {
        if let Node::Expr(expr) = node {
            apart.extend(body.index.apart(expr, body.id));
            let start = expr.span().byte_range().start;
            if apart.iter().any(|range| range.contains(&start)) {
                return;
            }
        }
        if place.is_shielded || place.is_skipped {
            return;
        }
        match node {
            // No check point of its own puts it right.
            Node::Expr(expr @ (Expr::Loop(_) | Expr::While(_))) if place.ground != Ground::Covered && !asks(expr) => {
                found.extend(swallowed(body, expr).map(|(span, callee)| (span, callee, false)));
            }
            // The last attempt is followed by no check point.
            Node::Block(block) => found.extend(last_attempt(body, block)),
            _ => {}
        }
    });
    let is_in_scope = function.annotated().is_some() || body.index.reached(body.id).is_some();
    for (span, callee, is_last) in found {
        let called = &body.index.functions[callee];
        // One that opens a scope is cancelled by that as well, and may be tried again.
        let opens_scope = called
            .annotated()
            .is_some_and(|annotated| opens_scope(&annotated.arguments));
        if opens_scope && !is_in_scope || body.has(Rule::SwallowedCancel, span) {
            continue;
        }
        let name = called.short();
        let message = if is_last {
            format!(
                "when `{name}` is cancelled at the last attempt, this function says that it went well; return the error behind the loop"
            )
        } else {
            format!(
                "this loop takes a cancel of `{name}` for one more failure and goes on, and `{name}` then fails at once, for ever; \
                 annotate the function, or call `cancelable::check()?` in the loop"
            )
        };
        body.report_call(Rule::SwallowedCancel, span, callee, message);
    }
}

fn asks(expr: &Expr) -> bool {
    reading::asks(expr.to_token_stream()) || syntax::tells_cancels_apart(expr)
}

/// Whether an attribute with these arguments gives the function a scope of its own.
fn opens_scope(arguments: &proc_macro2::TokenStream) -> bool {
    let options = [
        "scope",
        "name",
        "timeout",
        "idle_timeout",
        "progress",
        "weight",
        "deadline",
        "grace",
        "token",
        "until",
        "asking",
    ];
    options.iter().any(|option| syntax::mentions(arguments, option))
}

/// The first call of an annotated function in a loop whose failure does not end that loop.
fn swallowed(body: &Body<'_>, looping: &Expr) -> Option<(Span, usize)> {
    let mut search = Search { body, found: None };
    if let Expr::While(inner) = looping {
        search.condition(&inner.cond);
    }
    search.visit_block(syntax::loop_body(looping)?);
    search.found
}

struct Search<'b, 'i> {
    body: &'b Body<'i>,
    found: Option<(Span, usize)>,
}

impl Search<'_, '_> {
    fn annotated(&self, expr: &Expr) -> Option<(Span, usize)> {
        let expr = peel(expr);
        let callee = match expr {
            Expr::Call(_) | Expr::MethodCall(_) | Expr::Await(_) => self.body.annotated_callee(expr)?,
            _ => return None,
        };
        Some((span_of(expr), callee))
    }

    fn swallow(&mut self, expr: &Expr) {
        if self.found.is_none() {
            self.found = self.annotated(expr);
        }
    }

    /// `while let Err(_) = f()`, `while f().is_err()`
    fn condition(&mut self, cond: &Expr) {
        match peel(cond) {
            Expr::Let(condition) if syntax::is_any_err(&condition.pat) => self.swallow(&condition.expr),
            Expr::MethodCall(call) if call.method == "is_err" => self.swallow(&call.receiver),
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Search<'_, '_> {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Match(branches) => {
                let goes_on = branches
                    .arms
                    .iter()
                    .any(|arm| syntax::is_any_err(&arm.pat) && !Exits::any_in(&arm.body));
                if goes_on {
                    self.swallow(&branches.expr);
                }
            }
            Expr::If(branches) => match peel(&branches.cond) {
                Expr::Let(condition) => {
                    let then = Expr::Block(syn::ExprBlock {
                        attrs: Vec::new(),
                        label: None,
                        block: branches.then_branch.clone(),
                    });
                    let otherwise_goes_on = branches
                        .else_branch
                        .as_ref()
                        .is_none_or(|(_, expr)| !Exits::any_in(expr));
                    let goes_on = syntax::is_any_err(&condition.pat) && !Exits::any_in(&then)
                        || syntax::is_ok(&condition.pat) && otherwise_goes_on;
                    if goes_on {
                        self.swallow(&condition.expr);
                    }
                }
                Expr::MethodCall(call) if call.method == "is_ok" => self.swallow(&call.receiver),
                _ => {}
            },
            // A loop within is looked at by itself; a closure may run whenever.
            Expr::Loop(_) | Expr::While(_) | Expr::Closure(_) | Expr::Async(_) => return,
            _ => {}
        }
        visit::visit_expr(self, expr);
    }

    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        match stmt {
            Stmt::Local(Local {
                pat: Pat::Wild(_),
                init: Some(init),
                ..
            }) => self.swallow(&init.expr),
            Stmt::Expr(Expr::MethodCall(call), Some(_)) if call.method == "ok" => self.swallow(&call.receiver),
            Stmt::Expr(Expr::Assign(assign), Some(_)) if matches!(&*assign.left, Expr::Infer(_)) => {
                self.swallow(&assign.right);
            }
            _ => {}
        }
        visit::visit_stmt(self, stmt);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        reading::expressions(mac).iter().for_each(|expr| self.visit_expr(expr));
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}

fn span_of(expr: &Expr) -> Span {
    match expr {
        Expr::Await(awaited) => span_of(peel(&awaited.base)),
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => path.path.segments.last().expect("a path has a name").ident.span(),
            _ => call.paren_token.span.open(),
        },
        Expr::MethodCall(call) => call.method.span(),
        _ => Span::call_site(),
    }
}

/// ```text
/// for _ in 0..3 {
///     match send().await { Ok(()) => break, Err(error) => warn!("{error}") }
/// }
/// Ok(())
/// ```
fn last_attempt(body: &Body<'_>, block: &Block) -> Option<(Span, usize, bool)> {
    let (last, before) = block.stmts.split_last()?;
    let Stmt::Expr(value, None) = last else { return None };
    let is_ok = matches!(peel(value), Expr::Call(_)) && syntax::called(peel(value)).is_some_and(|name| name == "Ok");
    if !is_ok {
        return None;
    }
    for (index, stmt) in before.iter().enumerate() {
        let Some(looping @ Expr::ForLoop(attempts)) = syntax::expression(stmt) else {
            continue;
        };
        let is_counted = matches!(peel(&attempts.expr), Expr::Range(_));
        let behind = &block.stmts[index + 1..];
        let is_noticed = behind.iter().any(|stmt| {
            let mut looks = Looks::default();
            looks.visit_stmt(stmt);
            looks.0 || syntax::tells_cancels_apart(stmt)
        });
        if is_counted && !is_noticed && !asks(looping) {
            if let Some((span, callee)) = swallowed(body, looping) {
                return Some((span, callee, true));
            }
        }
    }
    None
}

/// Whether a statement has a check point, or may leave with an error.
#[derive(Default)]
struct Looks(bool);

impl<'ast> Visit<'ast> for Looks {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        let waits = Waits::of(expr);
        self.0 |= waits.awaiting.is_some() || waits.looping.is_some() || Exits::any_in(expr);
        if matches!(expr, Expr::If(_) | Expr::Match(_)) {
            // What was found above may be looked at here.
            self.0 = true;
        }
        if !self.0 {
            visit::visit_expr(self, expr);
        }
    }
}
