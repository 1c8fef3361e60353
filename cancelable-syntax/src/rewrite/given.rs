//! What may be the error of a check point of the library's own: `check()`, `token.check()`, `thread.wait()`, `sleep(…).await`. It is told which
//! function it stands in.
//!
//! Nobody can tell here whether `check` is the library's. So the value is handed on as it is, whatever it is, and the library looks at its
//! type and at the line that it was noticed at.

use crate::here;
use crate::paths::{Library, at, first_span, located_call, variable};
use proc_macro2::Span;
use quote::quote_spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprAwait, ExprConst, ExprMatch, Item, Type};

/// The place that the error of such a call names.
pub(super) fn call(expr: &Expr) -> Option<Span> {
    match expr {
        Expr::Call(call) if call.args.is_empty() && is_called(&call.func, &["check"]) => Some(first_span(expr)),
        Expr::Call(call) if is_called(&call.func, &["blocking_sleep"]) => Some(first_span(expr)),
        Expr::Call(call) if is_of_threads(&call.func, &["block_on", "abandon"]) => Some(first_span(expr)),
        Expr::MethodCall(call) if call.args.is_empty() && (call.method == "check" || call.method == "wait") => {
            Some(call.method.span())
        }
        _ => None,
    }
}

/// The same of what is awaited.
pub(super) fn awaited(base: &Expr) -> Option<Span> {
    match base {
        Expr::Call(call) if is_called(&call.func, &["sleep", "checkpoint", "guard"]) => Some(first_span(base)),
        Expr::MethodCall(call) if call.method == "every" => awaited(&call.receiver),
        _ => None,
    }
}

fn is_called(func: &Expr, names: &[&str]) -> bool {
    super::unreached::name_of(func).is_some_and(|name| names.contains(&name.as_str()))
}

/// `thread::block_on`: by its name alone it would be that of many a runtime, whose type need not be known at that place.
fn is_of_threads(func: &Expr, names: &[&str]) -> bool {
    let Expr::Path(path) = func else { return false };
    let mut segments = path.path.segments.iter().rev().map(|segment| &segment.ident);
    let is_name = segments.next().is_some_and(|name| names.iter().any(|of| name == of));
    is_name && segments.next().is_some_and(|module| module == "thread")
}

/// ```text
/// Input:  check()
/// Output: match check() { mut value => { Given(&mut value).stands(here); value } }
/// ```
/// A `match`, so that temporaries live as long as they would.
pub(super) fn stands_here(expr: Expr, span: Span, library: &Library) -> Expr {
    let given = library.private("Given", span);
    // With the user's span unchanged, as in `Exit::arms`.
    let mut value = variable("value", span);
    value.set_span(span);
    let here = here::name(span);
    let stands = located_call("stands", here, span);
    let arm = super::exit::arm(
        quote_spanned!(at(span)=> mut #value),
        quote_spanned!(at(span)=> { #given(&mut #value) #stands; #value }),
        span,
    );
    Expr::Match(ExprMatch {
        attrs: Vec::new(),
        match_token: syn::token::Match(at(span)),
        expr: Box::new(expr),
        brace_token: syn::token::Brace(at(span)),
        arms: vec![arm],
    })
}

/// The calls in a closure or an `async` block, which is left alone otherwise; says how many there are.
pub(super) fn stand_here_within(expr: &mut Expr, library: &Library) -> usize {
    let mut within = Within { library, found: 0 };
    visit_mut::visit_expr_mut(&mut within, expr);
    within.found
}

struct Within<'a> {
    library: &'a Library,
    found: usize,
}

impl VisitMut for Within<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        visit_mut::visit_expr_mut(self, expr);
        if let Some(span) = call(expr) {
            self.found += 1;
            *expr = stands_here(std::mem::replace(expr, Expr::PLACEHOLDER), span, self.library);
        }
    }

    fn visit_expr_await_mut(&mut self, awaited: &mut ExprAwait) {
        // A call that is awaited gives a future, and no error.
        visit_mut::visit_expr_mut(self, &mut awaited.base);
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
    fn visit_type_mut(&mut self, _: &mut Type) {}
    fn visit_expr_const_mut(&mut self, _: &mut ExprConst) {}
}
