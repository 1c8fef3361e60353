//! Where `break` and `continue` go: those that would leave a macro's body, which becomes a closure or a future, and
//! those that give a `loop` its value.

use crate::diag::Errors;
use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprLoop, Item, Label, Lifetime};

/// Reports each on its own token. `what` is what they would leave: "`cancel_scope!`"; `remedy` is what to do instead, before
/// it says the same `break` outside.
pub(crate) fn refuse(block: &mut Block, what: &str, remedy: &str, errors: &mut Errors) {
    Escapes::of(what, remedy, errors).visit_block_mut(block);
}

/// The same for an expression.
pub(super) fn refuse_in(expr: &mut Expr, what: &str, remedy: &str, errors: &mut Errors) {
    Escapes::of(what, remedy, errors).visit_expr_mut(expr);
}

/// The first value with which a `break` ends this `loop`, if one does.
pub(super) fn break_value(looping: &mut ExprLoop) -> Option<Expr> {
    let label = looping.label.as_ref().map(|label| label.name.ident.to_string());
    let mut search = BreakValue {
        label,
        nested: 0,
        found: None,
    };
    search.visit_block_mut(&mut looping.body);
    search.found
}

struct BreakValue {
    label: Option<String>,
    nested: usize,
    found: Option<Expr>,
}

impl VisitMut for BreakValue {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Break(leave) => {
                let ours = match &leave.label {
                    Some(label) => self.label.as_ref().is_some_and(|own| label.ident == own),
                    None => self.nested == 0,
                };
                if let Some(value) = leave.expr.as_deref().filter(|value| ours && !is_unit(value)) {
                    self.found.get_or_insert_with(|| value.clone());
                }
                visit_mut::visit_expr_break_mut(self, leave);
            }
            Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_) => {
                self.nested += 1;
                visit_mut::visit_expr_mut(self, expr);
                self.nested -= 1;
            }
            Expr::Closure(_) | Expr::Async(_) | Expr::Const(_) => {}
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

fn is_unit(expr: &Expr) -> bool {
    matches!(expr, Expr::Tuple(unit) if unit.elems.is_empty())
}

struct Escapes<'a> {
    what: &'a str,
    remedy: &'a str,
    errors: &'a mut Errors,
    loops: usize,
    labels: Vec<String>,
}

impl<'a> Escapes<'a> {
    fn of(what: &'a str, remedy: &'a str, errors: &'a mut Errors) -> Self {
        Escapes {
            what,
            remedy,
            errors,
            loops: 0,
            labels: Vec::new(),
        }
    }

    fn inside(&mut self, label: Option<&Label>, is_loop: bool, visit: impl FnOnce(&mut Self)) {
        self.loops += usize::from(is_loop);
        self.labels.extend(label.map(|label| label.name.ident.to_string()));
        visit(self);
        if label.is_some() {
            self.labels.pop();
        }
        self.loops -= usize::from(is_loop);
    }

    fn jump(&mut self, word: &str, span: Span, label: Option<&Lifetime>) {
        let stays = match label {
            Some(label) => self.labels.iter().any(|known| label.ident == known),
            None => self.loops > 0,
        };
        if !stays {
            let Escapes { what, remedy, .. } = self;
            self.errors.at(
                span,
                format!("`{word}` cannot leave {what}; {remedy}, and `{word}` outside by that"),
            );
        }
    }
}

impl VisitMut for Escapes<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Break(leave) => {
                self.jump("break", leave.break_token.span, leave.label.as_ref());
                visit_mut::visit_expr_break_mut(self, leave);
            }
            Expr::Continue(again) => self.jump("continue", again.continue_token.span, again.label.as_ref()),
            Expr::ForLoop(inner) => {
                self.visit_expr_mut(&mut inner.expr);
                let label = inner.label.clone();
                self.inside(label.as_ref(), true, |this| this.visit_block_mut(&mut inner.body));
            }
            Expr::While(inner) => {
                let label = inner.label.clone();
                self.inside(label.as_ref(), true, |this| {
                    this.visit_expr_mut(&mut inner.cond);
                    this.visit_block_mut(&mut inner.body);
                });
            }
            Expr::Loop(inner) => {
                let label = inner.label.clone();
                self.inside(label.as_ref(), true, |this| this.visit_block_mut(&mut inner.body));
            }
            Expr::Block(inner) => {
                let label = inner.label.clone();
                self.inside(label.as_ref(), false, |this| this.visit_block_mut(&mut inner.block));
            }
            // Nothing gets out of these, and rustc says so.
            Expr::Closure(_) | Expr::Async(_) | Expr::Const(_) => {}
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}
