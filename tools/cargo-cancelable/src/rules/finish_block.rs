//! More than one await under one `finish`.

use super::body::Body;
use crate::finding::Rule;
use cancelable_syntax::reading;
use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, Local, Macro, Stmt};

pub(super) fn check(body: &mut Body<'_>) {
    if body.function().annotated().is_none() {
        return;
    }
    let mut marks = Marks::default();
    marks.visit_block(body.function().block);
    for (span, awaits) in marks.found {
        body.report(
            Rule::FinishBlock,
            span,
            format!(
                "`finish` stands for each of these {awaits} awaits by itself: a cancel may leave between two of them; to run them \
                 as one, put them into `async {{ … }}.await` below it, or write `shield`"
            ),
        );
    }
}

#[derive(Default)]
struct Marks {
    found: Vec<(Span, usize)>,
}

impl Marks {
    fn marked(&mut self, attrs: &[Attribute], count: impl FnOnce() -> usize) {
        if let Some(mark) = attrs.iter().find(|attr| reading::says(attr, "finish")) {
            let awaits = count();
            if awaits > 1 {
                self.found.push((mark.path().span(), awaits));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Marks {
    fn visit_local(&mut self, local: &'ast Local) {
        let init = local.init.as_ref();
        self.marked(&local.attrs, || init.map_or(0, |init| awaits(&init.expr)));
        visit::visit_local(self, local);
    }

    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        // On the leftmost operand, rustc's way; but it means the statement.
        if let Stmt::Expr(expr, _) = stmt {
            let mut leftmost = expr;
            loop {
                leftmost = match leftmost {
                    Expr::Assign(assign) => &assign.left,
                    Expr::Binary(binary) => &binary.left,
                    Expr::Cast(cast) => &cast.expr,
                    _ => break,
                };
            }
            if !std::ptr::eq(leftmost, expr) {
                self.marked(reading::attributes(leftmost), || awaits(expr));
            }
        }
        visit::visit_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        self.marked(reading::attributes(expr), || awaits(expr));
        visit::visit_expr(self, expr);
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}

/// The most awaits on one way through the code.
fn awaits(expr: &Expr) -> usize {
    let mut count = Count(0);
    count.visit_expr(expr);
    count.0
}

struct Count(usize);

impl<'ast> Visit<'ast> for Count {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Await(awaited) => {
                if !reading::is_shield(&awaited.base) {
                    self.0 += 1;
                }
                self.visit_expr(&awaited.base);
            }
            Expr::If(branches) => {
                self.visit_expr(&branches.cond);
                let mut then = Count(0);
                then.visit_block(&branches.then_branch);
                let otherwise = branches
                    .else_branch
                    .as_ref()
                    .map_or(0, |(_, otherwise)| awaits(otherwise));
                self.0 += then.0.max(otherwise);
            }
            Expr::Match(branches) => {
                self.visit_expr(&branches.expr);
                self.0 += branches.arms.iter().map(|arm| awaits(&arm.body)).max().unwrap_or(0);
            }
            Expr::Closure(_) | Expr::Async(_) | Expr::Const(_) => {}
            other => visit::visit_expr(self, other),
        }
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        reading::expressions(mac).iter().for_each(|expr| self.visit_expr(expr));
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}
