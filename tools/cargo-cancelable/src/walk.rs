//! A walk through a body, in which each expression comes with what it is under.
//!
//! Where check points are is not decided here: that is what the macro's own [`Survey`] says, by position.

use crate::source::Position;
use cancelable_syntax::reading;
use cancelable_syntax::survey::{self, Survey};
use std::collections::HashSet;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Expr, Item, Local, Macro, Stmt};

/// What is met on the way.
#[allow(missing_debug_implementations)] // syntax trees have none
#[derive(Clone, Copy)]
pub enum Node<'n> {
    /// Any expression, before what is in it.
    Expr(&'n Expr),
    /// A block, before its statements.
    Block(&'n Block),
    /// A macro call that is not looked into.
    Macro(&'n Macro),
    /// A closure or an `async` block in covered code that is left alone, before it comes as an expression.
    LeftAlone(&'n Expr),
}

/// Whose check points are in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ground {
    /// Nobody's: the function is not annotated.
    Plain,
    /// The attribute's, or `cancel_scope!`'s.
    Covered,
    /// Nobody's, in the midst of covered code: a closure, an `async` block.
    LeftAlone,
}

/// What an expression is under.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Whose check points are in force.
    pub ground: Ground,
    /// In a shield, of whatever kind.
    pub is_shielded: bool,
    /// Under `#[cancelable(finish)]`.
    pub is_finishing: bool,
    /// Under `#[cancelable(skip)]`.
    pub is_skipped: bool,
    /// In what a call takes that runs it elsewhere: `spawn` and its like, `TaskGroup`.
    pub is_elsewhere: bool,
    /// In what an `.await` of the same code is on.
    pub is_awaited: bool,
    /// In a closure, however deep.
    pub is_in_closure: bool,
    /// In an `async` block, however deep.
    pub is_in_block: bool,
}

/// Positions of check points, and of what is left alone.
#[derive(Debug, Default)]
struct Known {
    points: HashSet<Position>,
    left_alone: HashSet<Position>,
}

impl Known {
    fn add(&mut self, survey: &Survey) {
        self.points
            .extend(survey.points.iter().map(|point| Position::of(point.span)));
        self.left_alone
            .extend(survey.left_alone.iter().map(|span| Position::of(*span)));
    }
}

/// Walks a body. `survey` is what the attribute did to it, if it is annotated.
pub fn walk(block: &Block, survey: Option<&Survey>, enter: &mut dyn FnMut(Node<'_>, &Place)) {
    let mut known = Known::default();
    if let Some(survey) = survey {
        known.add(survey);
    }
    let ground = if survey.is_some() {
        Ground::Covered
    } else {
        Ground::Plain
    };
    let mut walker = Walker {
        known,
        place: Place {
            ground,
            is_shielded: false,
            is_finishing: false,
            is_skipped: false,
            is_elsewhere: false,
            is_awaited: false,
            is_in_closure: false,
            is_in_block: false,
        },
        enter,
    };
    walker.visit_block(block);
}

struct Walker<'e> {
    known: Known,
    place: Place,
    enter: &'e mut dyn FnMut(Node<'_>, &Place),
}

impl Walker<'_> {
    fn with(&mut self, place: Place, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.place, place);
        visit(self);
        self.place = outer;
    }

    /// What our attributes say, on a statement or an expression.
    fn marked(&self, attrs: &[Attribute]) -> Place {
        let says = |word| attrs.iter().any(|attr| reading::says(attr, word));
        let mut place = self.place;
        if self.place.ground == Ground::Covered {
            place.is_shielded |= says("shield");
            place.is_finishing |= says("finish");
            if says("skip") {
                place.is_skipped = true;
                place.ground = Ground::LeftAlone;
            }
        }
        place
    }

    fn left_alone(&self, start: proc_macro2::Span) -> Ground {
        match self.place.ground {
            Ground::Covered if self.known.left_alone.contains(&Position::of(start)) => Ground::LeftAlone,
            ground => ground,
        }
    }

    fn macro_call(&mut self, mac: &Macro) {
        if let Some(scope) = survey::scope(mac) {
            let mut place = self.place;
            match &scope.survey {
                Some(survey) => {
                    self.known.add(survey);
                    // A `cancel_scope!` is a scope of its own, wherever it stands.
                    place = Place {
                        ground: Ground::Covered,
                        is_skipped: false,
                        is_elsewhere: false,
                        is_in_closure: false,
                        is_in_block: false,
                        ..place
                    };
                }
                None => {
                    place.ground = if place.ground == Ground::Plain {
                        Ground::Plain
                    } else {
                        Ground::LeftAlone
                    }
                }
            }
            place.is_awaited = false;
            place.is_shielded |= mac.path.segments.last().is_some_and(|last| last.ident == "shield");
            self.with(place, |this| this.visit_block(&scope.block));
            return;
        }
        let expressions = reading::expressions(mac);
        if expressions.is_empty() {
            (self.enter)(Node::Macro(mac), &self.place);
        }
        for expr in &expressions {
            self.visit_expr(expr);
        }
    }

    fn inside(&mut self, expr: &Expr) {
        match expr {
            Expr::Await(awaited) => {
                let place = Place {
                    is_awaited: true,
                    ..self.place
                };
                self.with(place, |this| this.visit_expr(&awaited.base));
            }
            Expr::Closure(closure) => {
                let place = Place {
                    ground: self.left_alone(closure.inputs_begin.span),
                    is_in_closure: true,
                    ..self.place
                };
                self.with(place, |this| this.visit_expr(&closure.body));
            }
            Expr::Async(block) => {
                let ground = self.left_alone(block.async_token.span);
                let place = Place {
                    ground,
                    is_in_block: self.place.is_in_block || ground != Ground::Covered,
                    ..self.place
                };
                self.with(place, |this| this.visit_block(&block.block));
            }
            Expr::Call(call) => {
                self.visit_expr(&call.func);
                let place = self.of_arguments(expr);
                self.with(place, |this| {
                    call.args.iter().for_each(|argument| this.visit_expr(argument))
                });
            }
            Expr::MethodCall(call) => {
                let place = self.of_arguments(expr);
                let shields = call.method == "shielded" && call.args.is_empty();
                let receiver = Place {
                    is_shielded: self.place.is_shielded || shields,
                    ..self.place
                };
                self.with(receiver, |this| this.visit_expr(&call.receiver));
                self.with(place, |this| {
                    call.args.iter().for_each(|argument| this.visit_expr(argument))
                });
            }
            Expr::Macro(call) => self.macro_call(&call.mac),
            Expr::Const(_) => {}
            other => visit::visit_expr(self, other),
        }
    }

    fn of_arguments(&self, call: &Expr) -> Place {
        let name = match call {
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
                _ => None,
            },
            _ => None,
        };
        let shields = name.is_some_and(|name| name == "shield" || name == "shield_sync");
        Place {
            is_shielded: self.place.is_shielded || shields,
            is_elsewhere: self.place.is_elsewhere || reading::runs_elsewhere(call),
            ..self.place
        }
    }
}

impl<'ast> Visit<'ast> for Walker<'_> {
    fn visit_block(&mut self, block: &'ast Block) {
        (self.enter)(Node::Block(block), &self.place);
        visit::visit_block(self, block);
    }

    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        match stmt {
            Stmt::Macro(call) => {
                let place = self.marked(&call.attrs);
                self.with(place, |this| this.macro_call(&call.mac));
            }
            // On the leftmost operand, rustc's way; but it means the statement.
            Stmt::Expr(expr, _) => {
                let place = self.marked(attributes(expr));
                self.with(place, |this| this.visit_expr(expr));
            }
            other => visit::visit_stmt(self, other),
        }
    }

    fn visit_local(&mut self, local: &'ast Local) {
        let place = self.marked(&local.attrs);
        self.with(place, |this| visit::visit_local(this, local));
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        let place = self.marked(reading::attributes(expr));
        self.with(place, |this| {
            let start = match expr {
                Expr::Closure(closure) => Some(closure.inputs_begin.span),
                Expr::Async(block) => Some(block.async_token.span),
                _ => None,
            };
            if this.place.ground == Ground::Covered
                && start.is_some_and(|start| this.left_alone(start) == Ground::LeftAlone)
            {
                (this.enter)(Node::LeftAlone(expr), &this.place);
            }
            (this.enter)(Node::Expr(expr), &this.place);
            this.inside(expr);
        });
    }

    fn visit_item(&mut self, _: &'ast Item) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
}

/// Those of the leftmost operand.
fn attributes(expr: &Expr) -> &[Attribute] {
    let own = reading::attributes(expr);
    match expr {
        Expr::Assign(assign) if own.is_empty() => attributes(&assign.left),
        Expr::Binary(binary) if own.is_empty() => attributes(&binary.left),
        Expr::Cast(cast) if own.is_empty() => attributes(&cast.expr),
        _ => own,
    }
}
