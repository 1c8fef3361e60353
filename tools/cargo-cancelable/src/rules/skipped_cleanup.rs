//! Clean-up that is written behind a point that fails, and so is skipped by a cancel. What counts is where it stands, not what it is
//! called.

use super::body::Body;
use crate::finding::{Fix, Rule};
use crate::functions::Annotated;
use crate::source::Position;
use crate::syntax::{self, peel};
use crate::walk::{Ground, Node};
use cancelable_syntax::reading;
use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::{Block, Expr, Local, Pat, ReturnType, Stmt};

/// A statement that is skipped, or fails.
struct Found {
    /// What it is told of.
    span: Span,
    /// Where the statement begins, if a shield may stand there.
    start: Option<usize>,
    callee: Option<usize>,
    why: &'static str,
}

const KEPT: &str = "the failure is kept above, and this comes before it is passed on";
const BRANCH: &str = "this runs when something has failed";

pub(super) fn check(body: &mut Body<'_>) {
    let function = body.function();
    let mut found: Vec<Found> = Vec::new();
    if function.implements("Drop") && function.sig.ident == "drop" && function.annotated().is_none() {
        in_drop(body, &mut found);
    }
    let outermost = function.block.brace_token.span.open().byte_range().start;
    let returns_result = matches!(&function.sig.output, ReturnType::Type(_, ty) if is_result(ty));
    body.walk(&mut |node, place| {
        if place.ground != Ground::Covered || place.is_shielded || place.is_skipped || place.is_elsewhere {
            return;
        }
        match node {
            Node::Block(block) => {
                let is_outermost = block.brace_token.span.open().byte_range().start == outermost;
                kept(body, block, is_outermost && returns_result, &mut found);
            }
            Node::Expr(Expr::If(branches)) => {
                let fails = match &*branches.cond {
                    Expr::Let(condition) => {
                        syntax::is_any_err(&condition.pat) && may_be_cancelled(body, &condition.expr)
                    }
                    _ => false,
                };
                if fails {
                    branch(body, &branches.then_branch, &mut found);
                }
            }
            Node::Expr(Expr::Match(branches)) if may_be_cancelled(body, &branches.expr) => {
                for arm in &branches.arms {
                    if let (true, Expr::Block(inner)) = (syntax::is_any_err(&arm.pat), peel(&arm.body)) {
                        branch(body, &inner.block, &mut found);
                    }
                }
            }
            _ => {}
        }
    });
    let lost: Vec<Span> = function
        .annotated()
        .map(|annotated: &Annotated| annotated.survey.lost.clone())
        .unwrap_or_default();
    for span in lost {
        found.push(Found {
            span,
            start: None,
            callee: None,
            why: "the loop above is left by a cancel, and what it has found is lost here",
        });
    }
    found.sort_by_key(|found| Position::of(found.span));
    found.dedup_by_key(|found| Position::of(found.span));
    for Found {
        span,
        start,
        callee,
        why,
    } in found
    {
        let what = match callee {
            Some(id) => format!(
                "`{}` is annotated, and fails at its entry",
                body.index.functions[id].short()
            ),
            None => "this await fails".to_owned(),
        };
        let is_drop = start.is_none() && callee.is_some();
        let remedy = if is_drop {
            "call it in `cancelable::shield_sync(…)`"
        } else {
            "write `#[cancelable(shield)]` on the statement"
        };
        let message = format!("a cancel skips this clean-up: {why}, and once the scope is cancelled {what}; {remedy}");
        let finding = match callee {
            Some(callee) => body.report_call(Rule::SkippedCleanup, span, callee, message),
            None => body.report(Rule::SkippedCleanup, span, message),
        };
        if let Some(at) = start {
            finding.fixable = true;
            finding.fix = Some(Fix {
                at,
                line: "#[cancelable(shield)]".to_owned(),
            });
        }
    }
}

fn is_result(ty: &syn::Type) -> bool {
    matches!(ty, syn::Type::Path(path)
        if path.path.segments.last().is_some_and(|last| last.ident.to_string().ends_with("Result")))
}

/// An annotated function of the package that a destructor calls.
fn in_drop(body: &Body<'_>, found: &mut Vec<Found>) {
    body.walk(&mut |node, place| {
        let Node::Expr(expr @ (Expr::Call(_) | Expr::MethodCall(_))) = node else {
            return;
        };
        if place.is_shielded || place.is_elsewhere || place.is_in_closure || place.is_in_block {
            return;
        }
        // One with a scope of its own is cancelled by that, too; but the entry sees the outer one first.
        if let Some(callee) = body
            .annotated_callee(expr)
            .filter(|id| body.index.functions[*id].sig.asyncness.is_none())
        {
            found.push(Found {
                span: name_of(expr),
                start: None,
                callee: Some(callee),
                why: "a destructor runs in a cancelled scope, too",
            });
        }
    });
}

fn name_of(expr: &Expr) -> Span {
    match expr {
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => path
                .path
                .segments
                .last()
                .map_or_else(|| expr.span(), |last| last.ident.span()),
            _ => expr.span(),
        },
        Expr::MethodCall(call) => call.method.span(),
        Expr::Await(awaited) => awaited.await_token.span,
        _ => expr.span(),
    }
}

/// Whether a cancel may come out of it, or at it: an await that is a check point, or a call of an annotated function.
fn may_be_cancelled(body: &Body<'_>, expr: &Expr) -> bool {
    match peel(expr) {
        Expr::Await(awaited) => !reading::is_shield(&awaited.base) && !is_marked(peel(expr)),
        call @ (Expr::Call(_) | Expr::MethodCall(_)) => body.annotated_callee(call).is_some(),
        Expr::Reference(inner) => may_be_cancelled(body, &inner.expr),
        _ => false,
    }
}

fn is_marked(expr: &Expr) -> bool {
    marks(reading::attributes(expr))
}

fn marks(attrs: &[syn::Attribute]) -> bool {
    attrs
        .iter()
        .any(|attr| reading::says(attr, "shield") || reading::says(attr, "skip"))
}

/// ```text
/// let result = work().await;
/// conn.close().await;
/// result
/// ```
fn kept(body: &Body<'_>, block: &Block, gives_result: bool, found: &mut Vec<Found>) {
    for (index, stmt) in block.stmts.iter().enumerate() {
        let Stmt::Local(Local {
            attrs,
            pat,
            init: Some(init),
            ..
        }) = stmt
        else {
            continue;
        };
        let Some(name) = syntax::variable(pat) else { continue };
        if marks(attrs) || init.diverge.is_some() || !may_be_cancelled(body, &init.expr) {
            continue;
        }
        let rest = &block.stmts[index + 1..];
        let Some(passed_on) = rest.iter().position(|stmt| passes_on(stmt, &name, gives_result)) else {
            continue;
        };
        // Whoever looks at it in between may know what it does.
        let between = &rest[..passed_on];
        if between
            .iter()
            .any(|stmt| syntax::mentions(stmt, &name) || syntax::tells_cancels_apart(stmt))
        {
            continue;
        }
        found.extend(between.iter().filter_map(|stmt| clean_up(body, stmt, KEPT)));
    }
}

/// `result?`, `return result;`, or at the end of the function `result`.
fn passes_on(stmt: &Stmt, name: &str, gives_result: bool) -> bool {
    let is_it = |expr: &Expr| matches!(peel(expr), Expr::Path(path) if path.path.is_ident(name));
    match stmt {
        Stmt::Expr(expr, None) if gives_result && is_it(expr) => true,
        Stmt::Expr(Expr::Return(leave), _) => leave.expr.as_deref().is_some_and(is_it),
        other => {
            let mut passes = Passes { name, found: false };
            syn::visit::Visit::visit_stmt(&mut passes, other);
            passes.found
        }
    }
}

struct Passes<'n> {
    name: &'n str,
    found: bool,
}

impl<'ast> syn::visit::Visit<'ast> for Passes<'_> {
    fn visit_expr_try(&mut self, expr: &'ast syn::ExprTry) {
        self.found |= matches!(peel(&expr.expr), Expr::Path(path) if path.path.is_ident(self.name));
        syn::visit::visit_expr_try(self, expr);
    }
}

/// ```text
/// if let Err(error) = work().await {
///     conn.rollback().await;
///     return Err(error);
/// }
/// ```
fn branch(body: &Body<'_>, block: &Block, found: &mut Vec<Found>) {
    if syntax::tells_cancels_apart(block) {
        return;
    }
    let leaves = match block.stmts.last() {
        Some(Stmt::Expr(Expr::Return(_), _)) => true,
        Some(Stmt::Expr(expr, None)) => {
            let expr = peel(expr);
            matches!(expr, Expr::Call(_)) && syntax::called(expr).is_some_and(|name| name == "Err")
                || matches!(expr, Expr::Try(_))
        }
        Some(Stmt::Expr(Expr::Try(_), Some(_))) => true,
        _ => false,
    };
    if leaves {
        let before = &block.stmts[..block.stmts.len() - 1];
        found.extend(before.iter().filter_map(|stmt| clean_up(body, stmt, BRANCH)));
    }
}

/// A statement whose value nobody wants: an await that is a check point, or a call of an annotated function.
fn clean_up(body: &Body<'_>, stmt: &Stmt, why: &'static str) -> Option<Found> {
    let (attrs, expr) = match stmt {
        Stmt::Expr(expr, Some(_)) => (reading::attributes(expr), expr),
        Stmt::Local(local) if matches!(local.pat, Pat::Wild(_)) => {
            (local.attrs.as_slice(), &*local.init.as_ref()?.expr)
        }
        _ => return None,
    };
    if marks(attrs) {
        return None;
    }
    let expr = thrown_away(expr);
    let (span, callee) = match expr {
        Expr::Await(awaited) if !reading::is_shield(&awaited.base) && !is_marked(expr) => {
            (awaited.await_token.span, body.annotated_callee(expr))
        }
        Expr::Call(_) | Expr::MethodCall(_) => (name_of(expr), Some(body.annotated_callee(expr)?)),
        _ => return None,
    };
    Some(Found {
        span,
        start: Some(stmt.span().byte_range().start),
        callee,
        why,
    })
}

/// Below `?`, `.ok()`, `drop(…)` and an assignment to `_`.
fn thrown_away(expr: &Expr) -> &Expr {
    match peel(expr) {
        Expr::Try(inner) => thrown_away(&inner.expr),
        Expr::Assign(assign) if matches!(&*assign.left, Expr::Infer(_)) => thrown_away(&assign.right),
        Expr::MethodCall(call) if call.method == "ok" && call.args.is_empty() => thrown_away(&call.receiver),
        Expr::Call(call)
            if call.args.len() == 1 && matches!(&*call.func, Expr::Path(path) if path.path.is_ident("drop")) =>
        {
            thrown_away(&call.args[0])
        }
        other => other,
    }
}
