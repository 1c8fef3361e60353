//! `#[cancelable(shield)]`: a stretch of the body that a cancel does not reach.

use super::awaits::{self, Manner};
use super::exit::Exit;
use super::helpers::{Helper, Strip};
use super::rules::Rules;
use super::{Rewriter, escapes};
use crate::diag::Errors;
use crate::duration::{DurationValue, peel};
use crate::paths::{at, first_span, last_span, located_call, pinned, variable};
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::visit_mut::VisitMut;
use syn::{Arm, Expr, ExprMatch};

impl Rewriter<'_> {
    /// ```text
    /// Input:  #[cancelable(shield)] EXPR
    /// Output: match {
    ///             let stretch = Stretch::new();
    ///             let place = pin!(Some(async {
    ///                 if let Some(dead) = None::<R> { return dead; }      // tells the block the function's type
    ///                 let value: TYPE = EXPR;                             // its check points: `return stretch.give_up(cancelled).await`
    ///                 return stretch.end(value).await;
    ///             }));
    ///             let ended = Site.shield(stretch.watch(Lent::of(place))).await;
    ///             ended
    ///         } {
    ///             Ok(ControlFlow::Continue(value)) => value,
    ///             Ok(ControlFlow::Break(left)) => return left,
    ///             Err(cancelled) => return from_cancelled::<R>(cancelled),
    ///         }
    /// ```
    /// With `shield = "2s"` it is `Site.shield(…).timeout(limit).await`; in a sync function `Site.shield_sync(|| stretch.run(async { … }))`.
    ///
    /// Of `return EXPR`, `break EXPR`, `variable = EXPR` and `&EXPR` only EXPR is put in there: a jump goes where it went, a variable
    /// may have no value before, and what is borrowed lives on.
    ///
    /// What EXPR is to be, `ty`, is said in there if that is written anywhere, so that it coerces as it would outside.
    pub(super) fn shielding(&mut self, helper: Helper, expr: &mut Expr, ty: Option<TokenStream>) {
        let (inner, ty) = match expr {
            Expr::Return(leave) => (leave.expr.as_deref_mut(), self.rules.edge.known()),
            Expr::Break(leave) => (leave.expr.as_deref_mut(), None),
            Expr::Assign(assign) if matches!(peel(&assign.left), Expr::Path(_)) => (Some(&mut *assign.right), None),
            // `let x = &EXPR;` keeps what it borrows for as long as `x`.
            Expr::Reference(borrow) if makes_a_value(&borrow.expr) => (Some(&mut *borrow.expr), None),
            _ => (None, ty),
        };
        if let Some(inner) = inner {
            return self.shielding(helper, inner, ty);
        }
        if self.refuses_to_shield(&helper, expr) {
            return Strip.visit_expr_mut(expr);
        }
        if !self.rules.asynchronous && awaits::awaits(expr) {
            // Rustc says that it cannot, unless it finds an `async` block round it.
            return self.visit_expr_mut(expr);
        }
        // Before there is anything in it that is not the user's.
        let ends = (first_span(&*expr), last_span(&*expr));
        self.labels += 1;
        let stretch = variable(&format!("stretch{}", self.labels), helper.span);
        let (exit, way_out) = (self.exit.clone(), self.way_out.clone());
        let (manner, points) = (self.manner, self.points);
        let outside = self.left.enter_shield(helper.limit.is_none());
        self.exit = Exit::GiveUp(stretch.clone());
        self.way_out = self.exit.clone();
        self.manner = Manner::Guard;
        self.meaning_it(|this| this.visit_expr_mut(expr));
        self.exit = exit;
        self.way_out = way_out;
        self.manner = manner;
        self.left.leave_shield(outside);
        if helper.limit.is_none() {
            // Nothing outside fails them.
            self.points = points;
        }
        self.reached += 1;
        let inner = std::mem::replace(expr, Expr::PLACEHOLDER);
        *expr = wrapped(inner, ends, &stretch, &helper, ty.as_ref(), &self.way_out, self.rules);
    }

    fn refuses_to_shield(&mut self, helper: &Helper, expr: &mut Expr) -> bool {
        let later = match peel(expr) {
            Expr::Async(_) => Some(("an `async` block", "awaited", "write `shield!(async { … })`")),
            Expr::Closure(_) => Some(("a closure", "called", "put a `shield!` into it")),
            _ => None,
        };
        if let Some((what, when, remedy)) = later {
            self.errors.at(
                helper.span,
                format!("`shield` shields what runs here, and {what} runs where it is {when}; {remedy}"),
            );
            return true;
        }
        let mut found = Errors::default();
        escapes::refuse_in(expr, "a `#[cancelable(shield)]`", "set a variable in it", &mut found);
        let is_refused = !found.is_empty();
        self.errors.append(found);
        is_refused
    }
}

/// Whether `expr` is no place.
fn makes_a_value(expr: &Expr) -> bool {
    matches!(
        peel(expr),
        Expr::Await(_) | Expr::Try(_) | Expr::Call(_) | Expr::MethodCall(_)
    )
}

fn wrapped(
    mut expr: Expr,
    (first, last): (Span, Span),
    stretch: &Ident,
    helper: &Helper,
    ty: Option<&TokenStream>,
    exit: &Exit,
    rules: &Rules<'_>,
) -> Expr {
    let library = rules.library;
    let span = helper.span;
    if let Expr::Block(inner) = &mut expr {
        // Braces that nobody calls needless.
        let mut braces = Group::new(Delimiter::Brace, TokenStream::new());
        braces.set_span(at(inner.block.brace_token.span.join()));
        inner.block.brace_token.span = braces.delim_span();
    }
    let [stretch_type, some] = ["Stretch", "Option"].map(|name| library.private(name, span));
    let [value, ended, limit] = ["value", "ended", "limit"].map(|name| variable(name, span));
    let dead = rules.edge.dead_return(library);
    let ty = ty.map(|ty| quote_spanned!(at(span)=> : #ty));
    let body = quote_spanned!(at(span)=> async {
        #dead
        let #value #ty = #expr;
        #[allow(unreachable_code)] // EXPR may leave in any case
        return #stretch.end(#value).await;
    });
    let bounded = helper.limit.as_ref().map(|duration| {
        let tokens = duration.to_tokens(library, span);
        match duration {
            DurationValue::Millis { .. } => quote_spanned!(at(span)=> let #limit = #some::Some(#tokens);),
            DurationValue::Expr(_) => quote_spanned!(at(span)=> let #limit = #tokens;),
        }
    });
    let (place, call) = if rules.asynchronous {
        let (place, lent) = pinned(library, body, span);
        let shield = library.located("shield", quote_spanned!(at(span)=> #stretch.watch(#lent)), span);
        let timeout = bounded.is_some().then(|| located_call("timeout", &limit, span));
        let shield = quote!(#shield #timeout);
        let ended = match exit {
            // As in `awaits::guarded`: an `.await` in an arm would hold the value.
            Exit::GiveUp(slot) => quote_spanned!(at(span)=> #slot.or_give_up(#shield).await),
            _ => quote_spanned!(at(span)=> #shield.await),
        };
        (place, ended)
    } else {
        let run = quote_spanned!(at(span)=> || #stretch.run(#body));
        let ended = match bounded {
            Some(_) => library.located("shield_sync_timeout", quote_spanned!(at(span)=> #limit, #run), span),
            None => library.located("shield_sync", run, span),
        };
        (TokenStream::new(), ended)
    };
    let scrutinee = quote_spanned!(at(span)=> {
        #bounded
        let #stretch = #stretch_type::new();
        #place
        let #ended = #call;
        #ended
    });
    let mut braces = Group::new(Delimiter::Brace, TokenStream::new());
    braces.set_span(last);
    Expr::Match(ExprMatch {
        attrs: Vec::new(),
        match_token: syn::token::Match(first),
        expr: Box::new(Expr::Verbatim(scrutinee)),
        brace_token: syn::token::Brace {
            span: braces.delim_span(),
        },
        arms: arms(exit, rules, span, last),
    })
}

/// What a stretch has ended with, and what becomes of it.
fn arms(exit: &Exit, rules: &Rules<'_>, span: Span, last: Span) -> Vec<Arm> {
    let library = rules.library;
    let [result, flow] = ["Result", "ControlFlow"].map(|name| library.private(name, span));
    let left = variable("left", span);
    // With the user's span unchanged, as in `Exit::arms`.
    let mut value = variable("value", last);
    value.set_span(last);
    let continues = quote_spanned!(at(span)=> #flow::Continue(#value));
    let leaves = quote_spanned!(at(span)=> #flow::Break(#left));
    let gives = |pattern, body: TokenStream| super::exit::arm(pattern, body, span);
    let leave = quote_spanned!(at(span)=> return #left);
    if rules.asynchronous && matches!(exit, Exit::GiveUp(_)) {
        return vec![gives(continues, value.to_token_stream()), gives(leaves, leave)];
    }
    let ok = |pattern| quote_spanned!(at(span)=> #result::Ok(#pattern));
    vec![
        gives(ok(continues), value.to_token_stream()),
        gives(ok(leaves), leave),
        exit.err_arm(library, span),
    ]
}
