//! Puts check points into a body.
//!
//! Visited, and rewritten:
//!
//! - every `.await`, except on a visible shield (see [`awaits::is_shield`]);
//! - every `loop`, `while` and `for`;
//! - the arguments of the macros that [`opaque`] lists.
//!
//! Left alone:
//!
//! - closures, `async` blocks, `const` blocks and nested items: their `return` is not this function's;
//! - what `#[cancelable(skip)]` marks;
//! - macros that are not listed: nobody knows what their tokens mean.
//!
//! What another attribute, expanded before this one, has wrapped the function's body in is not the user's: [`wrappers`]
//! lists which are looked through.
//!
//! `return`, `?`, `break`, `continue`, labels and values keep their meaning, since the code stays where it is.

pub(crate) mod awaits;
mod behind;
pub(crate) mod blocks;
pub(crate) mod caller;
pub(crate) mod escapes;
pub(crate) mod exit;
mod given;
pub(crate) mod helpers;
mod join;
pub(crate) mod loops;
pub(crate) mod opaque;
mod rules;
mod select;
pub(crate) mod shadows;
mod shielded;
pub(crate) mod unreached;
mod wrappers;

pub(crate) use behind::Behind;
pub(crate) use rules::Rules;
pub(crate) use unreached::Unreached;
pub(crate) use wrappers::moved_by;

use crate::diag::Errors;
use crate::lints;
use crate::paths::{at, first_span, name_span};
use crate::record::{Point, PointKind, Record, Under};
use crate::turns::Turns;
use awaits::Manner;
use behind::{Effect, Left, Limit};
use blocks::as_statement;
use exit::Exit;
use helpers::{Helper, Word};
use loops::Header;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{
    AngleBracketedGenericArguments, Arm, Attribute, BinOp, Block, Expr, ExprIf, ExprMacro, ExprMatch, Item, Lifetime,
    LocalInit, Macro, Pat, Stmt, StmtMacro, Type,
};
use unreached::Place;

/// The check points put in, for the documentation.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(crate) struct Points {
    pub(crate) awaits: usize,
    pub(crate) loops: usize,
}

/// What is to be known of a body that was rewritten.
#[derive(Default)]
pub(crate) struct Rewritten {
    pub(crate) points: Points,
    /// The same one by one, and what was left alone.
    pub(crate) record: Record,
    /// What no check point reaches, if there is nothing that one reaches.
    pub(crate) unreached: Option<Unreached>,
    /// Awaits that a cancel fails which has left a loop only.
    pub(crate) behind: Vec<Behind>,
}

/// Rewrites a body in place.
pub(crate) fn rewrite(block: &mut Block, rules: &Rules<'_>, errors: &mut Errors) -> Rewritten {
    let ends_in_await = matches!(block.stmts.last(), Some(Stmt::Expr(Expr::Await(_), None)));
    let mut rewriter = Rewriter {
        rules,
        exit: rules.exit.clone(),
        way_out: rules.exit.clone(),
        manner: Manner::Guard,
        points: Points::default(),
        record: Record::default(),
        labels: 0,
        touched: 0,
        reached: 0,
        unreached: None,
        left: Left::default(),
        is_meant: false,
        is_unused: false,
        is_tail: false,
        last_await_wraps: false,
        errors,
    };
    if !rules.unit {
        rewriter.refuse_endless_tail(block);
    }
    if let Some((last, others)) = block.stmts.split_last_mut() {
        others.iter_mut().for_each(|stmt| rewriter.visit_stmt_mut(stmt));
        rewriter.is_tail = matches!(last, Stmt::Expr(_, None));
        rewriter.visit_stmt_mut(last);
    }
    // What the whole body has been put in by another attribute is awaited at its end, and does not let a check into its loops.
    let wraps = ends_in_await && rewriter.last_await_wraps;
    let is_told = rewriter.reached == usize::from(wraps);
    Rewritten {
        points: rewriter.points,
        record: rewriter.record,
        unreached: rewriter.unreached.filter(|_| is_told),
        behind: rewriter.left.behind,
    }
}

struct Rewriter<'a> {
    rules: &'a Rules<'a>,
    /// How check points leave here.
    exit: Exit,
    /// The same outside of loops marked `break`: a limit that has passed is no cancel, and leaves more than the loop.
    way_out: Exit,
    /// How awaits are treated here.
    manner: Manner,
    points: Points,
    record: Record,
    /// Labels made so far, to keep nested ones apart.
    labels: usize,
    /// Goes up with every change made to the code: tells whether a macro's arguments have to be written anew.
    touched: usize,
    /// Places where a cancel is seen, of whatever kind.
    reached: usize,
    /// The first loop or await at which none is.
    unreached: Option<Unreached>,
    /// Which loops have been left, and what is behind them.
    left: Left,
    /// In what is handed to some `spawn…`, or shielded: no check point is expected there.
    is_meant: bool,
    /// The value of the expression that is visited next is dropped where it stands.
    is_unused: bool,
    /// The statement that is visited next gives the value of the body.
    is_tail: bool,
    /// Whether the last await is on what holds an unreached loop.
    last_await_wraps: bool,
    errors: &'a mut Errors,
}

impl Rewriter<'_> {
    /// Visits what a helper stands on, under what the helper says.
    fn visit_marked(&mut self, helper: Helper, expr: &mut Expr) {
        self.visit_marked_as(None, helper, expr);
    }

    /// The same for what is to be of a type that is known.
    fn visit_marked_as(&mut self, ty: Option<TokenStream>, helper: Helper, expr: &mut Expr) {
        self.touched += 1;
        let effect = Effect::of(expr);
        match helper.word {
            Word::Skip => {
                helpers::clear_expr(expr, "`skip` leaves everything inside as it is", self.errors);
            }
            Word::Finish => self.finishing(helper, |this| this.visit_expr_mut(expr)),
            Word::Shield => self.shielding(helper, expr, ty),
            Word::Break | Word::Every => match expr {
                Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_) => self.looping(expr, Some(helper)),
                _ => {
                    let message = match helper.word {
                        Word::Every => "`every` goes on a `for`, `while` or `loop`, or on the function",
                        _ => "`break` goes on a `for`, `while` or `loop`; to leave the function, write nothing",
                    };
                    self.errors.at(helper.span, message);
                    self.visit_expr_mut(expr);
                }
            },
        }
        self.left.pass(effect);
    }

    /// Notes that `tokens` are left alone, in such a place, which begins at `start`.
    fn leave_alone(&mut self, tokens: impl ToTokens, place: Place, start: Span) {
        self.record.left_alone.push(start);
        if self.reached == 0 && self.unreached.is_none() && !self.is_meant {
            self.unreached = Unreached::find(tokens.to_token_stream(), place);
        }
    }

    fn note(&mut self, kind: PointKind, span: Span) {
        let under = match (self.manner, self.left.shield()) {
            (_, Some(Limit::None)) => Under::Shield,
            (_, Some(Limit::Some)) => Under::BoundedShield,
            (Manner::Finish, None) => Under::Finish,
            (Manner::Guard, None) => Under::Nothing,
        };
        self.record.points.push(Point { kind, span, under });
    }

    fn meaning_it(&mut self, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.is_meant, true);
        visit(self);
        self.is_meant = outer;
    }

    /// Visits what may run or not.
    pub(super) fn visit_perhaps(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = self.left.place();
        visit(self);
        let after = self.left.back_to(before);
        self.left.or_from(after);
    }

    /// The guarded await of a block that a macro was put in, to be matched by the arms; without arms, it is the value.
    pub(super) fn await_block(
        &mut self,
        block: TokenStream,
        gives_way: bool,
        span: Span,
    ) -> (TokenStream, Option<[Arm; 2]>) {
        self.points.awaits += 1;
        self.note(PointKind::Await, span);
        self.touched += 1;
        self.reached += 1;
        self.left.awaits(span);
        let call = awaits::guard(block, self.manner, gives_way, &self.exit, self.rules, span);
        match &self.exit {
            // As in `awaits::guarded`: an `.await` in an arm would hold the value.
            Exit::GiveUp(_) => (quote_spanned!(at(span)=> #call.await), None),
            exit => {
                let arms = exit.arms(self.rules.library, span);
                (quote_spanned!(at(span)=> #call.await), Some(arms))
            }
        }
    }

    /// A macro call, of which [`Rewriter::visit_macro`] is told the rest.
    fn macro_call(&mut self, mac: &mut Macro, awaited: bool, gives_way: bool) -> Option<Expr> {
        let before = self.touched;
        let replaced = self.visit_macro(mac, awaited, gives_way);
        if unreached::is_ours(mac) {
            self.reached += 1;
        } else if self.touched == before {
            if let Some(place) = unreached::left_alone(mac) {
                self.leave_alone(&mac.tokens, place, name_span(&mac.path));
            }
        }
        replaced
    }

    /// A marked `loop` at the end of a body, where a value is due: left by a cancel, it would have none.
    fn refuse_endless_tail(&mut self, block: &Block) {
        let Some(Stmt::Expr(Expr::Loop(tail), None)) = block.stmts.last() else {
            return;
        };
        for attr in tail.attrs.iter().filter(|attr| helpers::says(attr, "break")) {
            self.errors.on(
                attr.path(),
                "this `loop` ends only by `return`, so a cancel that leaves it finds no value to return; put one after it",
            );
        }
    }

    /// A macro call as a statement, which may become an expression.
    fn macro_statement(&mut self, call: StmtMacro) -> Stmt {
        let StmtMacro {
            mut attrs,
            mac,
            semi_token,
        } = call;
        let (first, last) = (first_span(&mac.path), mac.delimiter.span().close());
        let helper = helpers::take(&mut attrs, self.errors);
        let mut expr = Expr::Macro(ExprMacro { attrs, mac });
        match helper {
            Some(helper) => self.visit_marked(helper, &mut expr),
            None => self.visit_expr_mut(&mut expr),
        }
        match (expr, semi_token) {
            (Expr::Macro(ExprMacro { attrs, mac }), semi_token) => Stmt::Macro(StmtMacro { attrs, mac, semi_token }),
            (replaced, None) => Stmt::Expr(replaced, None),
            (replaced, semi_token) => Stmt::Expr(as_statement(replaced, first, last), semi_token),
        }
    }

    /// Runs `visit` with awaits that, once begun, are not given up.
    fn finishing(&mut self, helper: Helper, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.manner, Manner::Finish);
        let before = self.points.awaits;
        visit(self);
        self.manner = outer;
        if self.points.awaits == before {
            self.errors.at(
                helper.span,
                "there is no `.await` here to `finish`; put the attribute on the statement or expression that awaits",
            );
        }
    }

    /// What may be the error of a check point at `span` is told where that is.
    fn stands_here(&mut self, expr: &mut Expr, span: Span) {
        self.touched += 1;
        let inner = std::mem::replace(expr, Expr::PLACEHOLDER);
        *expr = given::stands_here(inner, span, self.rules.library);
    }

    /// The same in what is left alone otherwise.
    fn stand_here_within(&mut self, expr: &mut Expr) {
        self.touched += given::stand_here_within(expr, self.rules.library);
    }

    /// What is a future: a macro call there is no await.
    fn visit_future(&mut self, future: &mut Expr) {
        match future {
            Expr::Macro(made) => {
                self.macro_call(&mut made.mac, true, false);
            }
            Expr::Paren(inner) if inner.attrs.is_empty() => self.visit_future(&mut inner.expr),
            Expr::Group(inner) => self.visit_future(&mut inner.expr),
            // It gives a future, and no error.
            other if given::call(other).is_some() => visit_mut::visit_expr_mut(self, other),
            other => self.visit_expr_mut(other),
        }
    }

    fn visit_unmarked(&mut self, expr: &mut Expr) {
        let is_unused = std::mem::take(&mut self.is_unused);
        match expr {
            Expr::Await(inner) => {
                if wrappers::is_instrumented(&inner.base) {
                    return;
                }
                let was_known = self.unreached.is_some();
                self.visit_future(&mut inner.base);
                self.last_await_wraps = !was_known && self.unreached.as_ref().is_some_and(Unreached::is_loop);
                if awaits::is_shield(&inner.base) {
                    return;
                }
                self.points.awaits += 1;
                self.note(PointKind::Await, inner.await_token.span);
                self.touched += 1;
                self.reached += 1;
                self.left.awaits(inner.await_token.span);
                let given = given::awaited(&inner.base).filter(|_| !is_unused);
                let Expr::Await(inner) = std::mem::replace(expr, Expr::PLACEHOLDER) else {
                    return;
                };
                *expr = awaits::guarded(inner, self.manner, &self.exit, self.rules);
                if let Some(span) = given {
                    self.stands_here(expr, span);
                }
            }
            Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_) => self.looping(expr, None),
            Expr::Macro(call) => {
                let gives_way = awaits::take_mark(&mut call.attrs);
                if let Some(mut replaced) = self.macro_call(&mut call.mac, false, gives_way) {
                    if let Some(attrs) = helpers::attrs_mut(&mut replaced) {
                        *attrs = std::mem::take(&mut call.attrs);
                    }
                    *expr = replaced;
                }
            }
            Expr::Call(call) if wrappers::is_instrumented_call(call) => {
                if let Some(body) = wrappers::called_body(call) {
                    self.visit_block_mut(body);
                }
            }
            // What makes a shield takes a future, so an imported `try_join!` in it is this library's.
            Expr::Call(call) if awaits::makes_shield(call) => {
                self.meaning_it(|this| call.args.iter_mut().for_each(|future| this.visit_future(future)));
            }
            Expr::MethodCall(call) if call.method == "shielded" && call.args.is_empty() => {
                self.meaning_it(|this| this.visit_future(&mut call.receiver));
            }
            Expr::Call(_) | Expr::MethodCall(_) if !self.is_meant && unreached::runs_elsewhere(expr) => {
                self.meaning_it(|this| this.visit_expr_mut(expr));
            }
            Expr::Call(_) | Expr::MethodCall(_) => {
                self.reached += usize::from(unreached::is_question(expr));
                visit_mut::visit_expr_mut(self, expr);
                if let Some(span) = given::call(expr).filter(|_| !is_unused) {
                    self.stands_here(expr, span);
                }
            }
            Expr::Block(inner) if inner.label.is_some() => {
                self.left.enter(inner.label.as_ref(), false);
                visit_mut::visit_expr_mut(self, expr);
                self.left.leave();
            }
            Expr::Binary(inner) if matches!(inner.op, BinOp::And(_) | BinOp::Or(_)) => {
                self.visit_expr_mut(&mut inner.left);
                self.visit_perhaps(|this| this.visit_expr_mut(&mut inner.right));
            }
            Expr::Closure(closure) => {
                let start = closure.inputs_begin.span;
                helpers::clear_expr(expr, "closures are left alone", self.errors);
                self.leave_alone(&*expr, Place::Closure, start);
                self.stand_here_within(expr);
            }
            Expr::Async(block) => {
                let start = block.async_token.span;
                helpers::clear_expr(expr, "`async` blocks are left alone", self.errors);
                self.leave_alone(&*expr, Place::AsyncBlock, start);
                self.stand_here_within(expr);
            }
            Expr::Const(_) => helpers::clear_expr(expr, "`const` blocks are left alone", self.errors),
            // The length is evaluated by the compiler.
            Expr::Repeat(inner) => self.visit_expr_mut(&mut inner.expr),
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    /// The `else` of a `let`, past which nothing goes.
    fn visit_diverging(&mut self, otherwise: &mut Expr) {
        let before = self.left.place();
        self.visit_expr_mut(otherwise);
        self.left.back_to(before);
    }

    /// A loop: its condition and body, then the check of its turns.
    fn looping(&mut self, expr: &mut Expr, helper: Option<Helper>) {
        let every = helper.as_ref().and_then(|helper| helper.every.clone());
        let marked = helper.filter(|helper| helper.word == Word::Break);
        let outer = self.exit.clone();
        let mut header = None;
        // What `for` goes through is evaluated before the loop, and so outside it.
        if let Expr::ForLoop(inner) = expr {
            header = Some(Header::of(&inner.expr));
            self.visit_expr_mut(&mut inner.expr);
        }
        if let (Some(helper), Expr::Loop(inner)) = (&marked, &mut *expr) {
            if let Some(value) = escapes::break_value(inner) {
                self.errors.at(
                    helper.span,
                    format!(
                        "this `loop` has a value, `{}`, so a cancel cannot simply leave it; remove `break`, or keep the \
                         best value so far in a variable outside",
                        crate::describe::tokens(value.to_token_stream())
                    ),
                );
            }
        }
        let was_inside = self.left.enter_loop(loops::label(expr), marked.is_some());
        if let Some(helper) = &marked {
            self.exit = Exit::Leave(self.label(expr, helper));
        }
        let checked_by_condition = match &mut *expr {
            Expr::While(inner) => match awaits::certain_await(&mut inner.cond, &|mac| self.is_await(mac)) {
                Some(first) => {
                    if self.rules.yield_every.is_some() {
                        awaits::mark(first);
                    }
                    true
                }
                None => false,
            },
            _ => false,
        };
        let keyword = match expr {
            Expr::ForLoop(inner) => inner.for_token.span,
            Expr::While(inner) => {
                self.visit_expr_mut(&mut inner.cond);
                inner.while_token.span
            }
            Expr::Loop(inner) => inner.loop_token.span,
            _ => return,
        };
        let condition = (!matches!(expr, Expr::Loop(_))).then(|| self.left.place());
        if let Some(body) = loops::body_mut(expr) {
            self.visit_block_mut(body);
        }
        self.left.leave_loop(was_inside, marked.is_some(), condition);
        self.points.loops += 1;
        self.note(PointKind::Loop, keyword);
        self.touched += 1;
        self.reached += 1;
        if !checked_by_condition {
            let number = every.as_ref().map(Turns::number).or_else(|| self.rules.every.clone());
            let inner = std::mem::replace(expr, Expr::PLACEHOLDER);
            *expr = self.checked(inner, header, number.as_ref(), marked.is_some(), keyword);
            if let Some(every) = every {
                loops::evaluate_before(expr, &every);
            }
        }
        self.exit = outer;
    }

    /// A loop with the check of its turns, or of every so many, put in.
    fn checked(
        &self,
        looping: Expr,
        header: Option<Header>,
        every: Option<&TokenStream>,
        is_marked: bool,
        keyword: Span,
    ) -> Expr {
        let library = self.rules.library;
        let check = |exit| loops::check(self.rules, every, exit, keyword);
        match (looping, header, every) {
            (Expr::ForLoop(inner), Some(header), None) if self.rules.yield_every.is_none() => {
                loops::ask_before_each(inner, header, (!is_marked).then_some(&self.exit), library, keyword)
            }
            (Expr::ForLoop(inner), Some(header), every) => {
                let exit = if is_marked { &Exit::LeaveInnermost } else { &self.exit };
                let one = quote!(1);
                loops::check_between_pieces(inner, header, every.unwrap_or(&one), &check(exit), library, keyword)
            }
            (other, _, None) => loops::check_each_turn(other, check(&self.exit)),
            (other, _, Some(every)) => loops::check_some_turns(other, every, &check(&self.exit), library, keyword),
        }
    }

    /// The loop's label, or a new one that no code of the user's can name.
    fn label(&mut self, expr: &mut Expr, helper: &Helper) -> Lifetime {
        let slot = match expr {
            Expr::ForLoop(inner) => &mut inner.label,
            Expr::While(inner) => &mut inner.label,
            Expr::Loop(inner) => &mut inner.label,
            _ => &mut None,
        };
        if let Some(label) = slot {
            return label.name.clone();
        }
        self.labels += 1;
        let name = fresh_label(&format!("marked{}", self.labels), helper.span);
        *slot = Some(syn::Label {
            name: name.clone(),
            colon_token: syn::token::Colon(at(helper.span)),
        });
        name
    }
}

/// A label resolved at the macro.
pub(crate) fn fresh_label(name: &str, span: Span) -> Lifetime {
    Lifetime {
        apostrophe: at(span),
        ident: Ident::new(name, at(span)),
    }
}

impl VisitMut for Rewriter<'_> {
    fn visit_stmt_mut(&mut self, stmt: &mut Stmt) {
        let is_tail = std::mem::take(&mut self.is_tail);
        match stmt {
            Stmt::Expr(expr, semicolon) => {
                let mut awaited = semicolon.and_then(|_| awaits::keyword(expr));
                self.is_unused = semicolon.is_some();
                match helpers::take_from_statement(expr, self.errors) {
                    Some(helper) => {
                        if helper.word == Word::Shield {
                            awaited = semicolon.map(|semicolon| semicolon.span);
                        }
                        let ty = is_tail.then(|| self.rules.edge.known()).flatten();
                        self.visit_marked_as(ty, helper, expr);
                    }
                    None => self.visit_expr_mut(expr),
                }
                if let (Some(awaited), Expr::Match(guarded)) = (awaited, expr) {
                    guarded.attrs.push(lints::on_await(awaited));
                }
            }
            Stmt::Local(local) => {
                let helper = helpers::take(&mut local.attrs, self.errors);
                let is_skipped = helper.as_ref().is_some_and(|helper| helper.word == Word::Skip);
                if let Some(awaited) = local.init.as_ref().and_then(|init| awaits::keyword(&init.expr)) {
                    if !is_skipped {
                        local.attrs.push(lints::on_let(awaited));
                    }
                }
                match helper {
                    Some(Helper { word: Word::Skip, .. }) => {
                        let mut clear = helpers::Clear {
                            errors: self.errors,
                            what: "`skip` leaves everything inside as it is",
                        };
                        visit_mut::visit_local_mut(&mut clear, local);
                    }
                    Some(helper @ Helper { word: Word::Shield, .. }) => {
                        let span = helper.span;
                        let Some(init) = &mut local.init else {
                            self.errors.at(span, "nothing runs here that could be shielded");
                            return;
                        };
                        let ty = match &local.pat {
                            Pat::Type(typed) => Some(typed.ty.to_token_stream()),
                            _ => None,
                        };
                        self.shielding(helper, &mut init.expr, ty);
                        if let Some((_, otherwise)) = &mut init.diverge {
                            self.visit_diverging(otherwise);
                        }
                        local.attrs.push(lints::on_let(span));
                    }
                    Some(helper @ Helper { word: Word::Finish, .. }) => {
                        self.finishing(helper, |this| visit_mut::visit_local_mut(this, local));
                    }
                    Some(helper) => {
                        let word = if helper.word == Word::Every { "every" } else { "break" };
                        self.errors
                            .at(helper.span, format!("`{word}` goes on a loop, not on a `let`"));
                        visit_mut::visit_local_mut(self, local);
                    }
                    None => match wrappers::instrumented_body(local) {
                        Some(body) => self.visit_block_mut(body),
                        None => visit_mut::visit_local_mut(self, local),
                    },
                }
            }
            Stmt::Macro(_) => {
                let Stmt::Macro(call) = std::mem::replace(stmt, Stmt::Expr(Expr::PLACEHOLDER, None)) else {
                    return;
                };
                *stmt = self.macro_statement(call);
            }
            Stmt::Item(_) => {}
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Some(helper) = helpers::attrs_mut(expr).and_then(|attrs| helpers::take(attrs, self.errors)) {
            return self.visit_marked(helper, expr);
        }
        let effect = Effect::of(expr);
        self.visit_unmarked(expr);
        self.left.pass(effect);
    }

    // What is behind a loop in one branch is not so in the others.
    fn visit_expr_if_mut(&mut self, branches: &mut ExprIf) {
        self.visit_attributes_mut(&mut branches.attrs);
        self.visit_expr_mut(&mut branches.cond);
        let before = self.left.place();
        self.visit_block_mut(&mut branches.then_branch);
        let then = self.left.back_to(before);
        if let Some((_, otherwise)) = &mut branches.else_branch {
            self.visit_expr_mut(otherwise);
        }
        self.left.or_from(then);
    }

    fn visit_expr_match_mut(&mut self, branches: &mut ExprMatch) {
        self.visit_attributes_mut(&mut branches.attrs);
        self.visit_expr_mut(&mut branches.expr);
        let before = self.left.place();
        let mut ends = Vec::new();
        for arm in &mut branches.arms {
            self.visit_arm_mut(arm);
            ends.push(self.left.back_to(before));
        }
        self.left.ends();
        ends.into_iter().for_each(|end| self.left.or_from(end));
    }

    fn visit_local_init_mut(&mut self, init: &mut LocalInit) {
        self.visit_expr_mut(&mut init.expr);
        if let Some((_, otherwise)) = &mut init.diverge {
            self.visit_diverging(otherwise);
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}

    /// Where ours may stand it has been taken by now. What is left stands on an arm, a field, or the like.
    fn visit_attributes_mut(&mut self, attrs: &mut Vec<Attribute>) {
        attrs.retain(|attr| {
            let misplaced = helpers::is_helper(attr);
            if misplaced {
                self.errors.on(
                    attr.path(),
                    "inside a function, `#[cancelable(…)]` goes on a loop, a statement or an expression",
                );
            }
            !misplaced
        });
    }

    // Types and constant patterns hold only what the compiler evaluates.
    fn visit_type_mut(&mut self, _: &mut Type) {}
    fn visit_angle_bracketed_generic_arguments_mut(&mut self, _: &mut AngleBracketedGenericArguments) {}
    fn visit_expr_const_mut(&mut self, _: &mut syn::ExprConst) {}
}
