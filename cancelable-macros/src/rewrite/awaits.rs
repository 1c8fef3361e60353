//! `.await`: the commonest check point.

use super::exit::Exit;
use super::{Rules, helpers};
use crate::duration::peel;
use crate::paths::{Library, at};
use proc_macro2::extra::DelimSpan;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::punctuated::Punctuated;
use syn::{Attribute, BinOp, Expr, ExprAwait, ExprField, ExprMacro, ExprTuple, Index, Member, Path};

/// What an `.await` turns into.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    /// Fails while its future is pending.
    Guard,
    /// Fails before its future starts, and not later: `#[cancelable(finish)]`.
    Finish,
}

impl Manner {
    pub(super) fn method(self) -> &'static str {
        match self {
            Manner::Guard => "guard",
            Manner::Finish => "finish",
        }
    }
}

/// ```text
/// Input:  EXPR.await
/// Output: match Site.guard(EXPR).await {
///             Ok(value) => value,
///             Err(cancelled) => return from_cancelled::<R>(cancelled),
///         }
/// ```
/// Where it is the beginning of a loop's turn, under `yield_every`:
/// ```text
/// Output: match Site.guard(Site.give_way_first(YIELD_EVERY, EXPR)).await { … }
/// ```
/// Where there is no value to leave with:
/// ```text
/// Output: gave_up.or_give_up(Site.guard(EXPR)).await
/// ```
/// A `match`, since its scrutinee's temporaries live as long as those of `EXPR.await` do: to the end of the
/// statement. The `.await` is the user's own, so that "future is not `Send`" is still told of it.
pub(crate) fn guarded(mut expr: ExprAwait, manner: Manner, exit: &Exit, rules: &Rules<'_>) -> Expr {
    let library = rules.library;
    let span = expr.await_token.span;
    let mut attrs = std::mem::take(&mut expr.attrs);
    let unmarked = attrs.len();
    attrs.retain(|attr| !attr.path().is_ident(MARK));
    let base = match &rules.yield_every {
        Some(turns) if attrs.len() < unmarked => {
            let base = &expr.base;
            library.located("give_way_first", quote_spanned!(at(span)=> #turns, #base), span)
        }
        _ => expr.base.to_token_stream(),
    };
    let call = library.located(manner.method(), base, span);
    let (dot, awaited) = (expr.dot_token, expr.await_token);
    if let Exit::GiveUp(slot) = exit {
        // Not an `.await` in an arm, across which what this one gives would be held, and have to be `Send`.
        return Expr::Await(ExprAwait {
            attrs,
            base: Box::new(Expr::Verbatim(quote_spanned!(at(span)=> #slot.or_give_up(#call)))),
            dot_token: dot,
            await_token: awaited,
        });
    }
    let scrutinee = quote_spanned!(at(span)=> #call #dot #awaited);
    matched(attrs, scrutinee, exit, library, span)
}

/// `match SCRUTINEE { Ok(value) => value, Err(cancelled) => … }`, as a node that is put in parentheses where it must.
pub(super) fn matched(
    attrs: Vec<Attribute>,
    scrutinee: TokenStream,
    exit: &Exit,
    library: &Library,
    span: Span,
) -> Expr {
    let brace_token = syn::token::Brace { span: braces(span) };
    Expr::Match(syn::ExprMatch {
        attrs,
        match_token: syn::token::Match(at(span)),
        expr: Box::new(Expr::Verbatim(scrutinee)),
        brace_token,
        arms: exit.arms(library, span).into(),
    })
}

/// ```text
/// Input:  EXPR.await;
/// Output: (match … { … },).0;
/// ```
/// A value that must be used is told of where the statement comes from, which for a generated `match` would be the
/// attribute. So the statement is made to reach from its `first` to its `last` token, and to be of a kind that no lint
/// finds fault with.
pub(super) fn as_statement(mut expr: Expr, first: Span, last: Span) -> Expr {
    let attrs = helpers::attrs_mut(&mut expr).map(std::mem::take).unwrap_or_default();
    let mut parens = Group::new(Delimiter::Parenthesis, TokenStream::new());
    parens.set_span(first);
    let mut elems = Punctuated::new();
    elems.push_value(expr);
    elems.push_punct(syn::token::Comma(at(last)));
    Expr::Field(ExprField {
        attrs,
        base: Box::new(Expr::Tuple(ExprTuple {
            attrs: Vec::new(),
            paren_token: syn::token::Paren {
                span: parens.delim_span(),
            },
            elems,
        })),
        dot_token: syn::token::Dot(at(last)),
        member: Member::Unnamed(Index { index: 0, span: last }),
    })
}

fn braces(span: Span) -> DelimSpan {
    let mut group = Group::new(Delimiter::Brace, TokenStream::new());
    group.set_span(at(span));
    group.delim_span()
}

/// Whether awaiting `base` is no check point, since `base` is visibly a shield: `shield!(…)`, `shield(…)`,
/// `….shielded()`, also with a `.timeout(…)`. A shield starts and ends under a cancelled token too.
pub(crate) fn is_shield(base: &Expr) -> bool {
    match peel(base) {
        Expr::Macro(ExprMacro { mac, .. }) => is_named(&mac.path, "shield"),
        Expr::Call(call) => matches!(peel(&call.func), Expr::Path(path) if is_named(&path.path, "shield")),
        Expr::MethodCall(call) if call.method == "shielded" => call.args.is_empty(),
        Expr::MethodCall(call) if call.method == "timeout" => is_shield(&call.receiver),
        _ => false,
    }
}

fn is_named(path: &Path, name: &str) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == name)
}

/// An await that evaluating `expr` to `true`, or to a value that matches, goes through in any case, and that is a check
/// point.
///
/// A `while` with such a condition needs no check of its own: the condition is the beginning of the turn. And it must not
/// have one, for `while let Some(job) = jobs.recv().await` would then lose the job that came together with the cancel.
pub(crate) fn certain_await(expr: &mut Expr) -> Option<&mut ExprAwait> {
    let skipped = helpers::attrs_mut(expr).is_some_and(|attrs| attrs.iter().any(|attr| helpers::says(attr, "skip")));
    if skipped {
        return None;
    }
    match expr {
        Expr::Await(inner) => {
            if is_shield(&inner.base) {
                certain_await(&mut inner.base)
            } else {
                Some(inner)
            }
        }
        Expr::Let(inner) => certain_await(&mut inner.expr),
        Expr::Binary(inner) => match inner.op {
            BinOp::Or(_) => certain_await(&mut inner.left),
            _ => certain_await(&mut inner.left).or_else(|| certain_await(&mut inner.right)),
        },
        Expr::Group(inner) => certain_await(&mut inner.expr),
        Expr::Paren(inner) => certain_await(&mut inner.expr),
        Expr::Try(inner) => certain_await(&mut inner.expr),
        Expr::Unary(inner) => certain_await(&mut inner.expr),
        Expr::Reference(inner) => certain_await(&mut inner.expr),
        Expr::Field(inner) => certain_await(&mut inner.base),
        Expr::MethodCall(inner) => {
            certain_await(&mut inner.receiver).or_else(|| inner.args.iter_mut().find_map(certain_await))
        }
        Expr::Call(inner) => inner.args.iter_mut().find_map(certain_await),
        Expr::Tuple(inner) => inner.elems.iter_mut().find_map(certain_await),
        _ => None,
    }
}

/// Stands on an await that [`guarded`] is to let other tasks run before, and never leaves this crate.
const MARK: &str = "cancelable_gives_way";

/// Has other tasks run before this await, now and then: it is the beginning of a loop's turn.
pub(crate) fn mark(expr: &mut ExprAwait) {
    let mark = Ident::new(MARK, Span::call_site());
    expr.attrs.push(syn::parse_quote!(#[#mark]));
}
