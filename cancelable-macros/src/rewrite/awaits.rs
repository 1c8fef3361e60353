//! `.await`: the commonest check point.

use super::exit::Exit;
use super::helpers;
use crate::duration::peel;
use crate::paths::{Library, at};
use proc_macro2::extra::DelimSpan;
use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::quote_spanned;
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
/// A `match`, since its scrutinee's temporaries live as long as those of `EXPR.await` do: to the end of the
/// statement. The `.await` is the user's own, so that "future is not `Send`" is still told of it.
pub(crate) fn guarded(mut expr: ExprAwait, manner: Manner, exit: &Exit, library: &Library) -> Expr {
    let span = expr.await_token.span;
    let attrs = std::mem::take(&mut expr.attrs);
    let base = &expr.base;
    let call = library.located(manner.method(), base, span);
    let (dot, awaited) = (expr.dot_token, expr.await_token);
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

/// Whether evaluating `expr` to `true`, or to a value that matches, goes through a check point in any case.
///
/// Such a `while` needs no check of its own: the condition is the beginning of the turn. And it must not have one, for
/// `while let Some(job) = jobs.recv().await` would then lose the job that came together with the cancel.
pub(crate) fn always_checks(expr: &Expr) -> bool {
    match expr {
        Expr::Await(inner) => {
            let skipped = inner.attrs.iter().any(|attr| helpers::says(attr, "skip"));
            (!skipped && !is_shield(&inner.base)) || always_checks(&inner.base)
        }
        Expr::Let(inner) => always_checks(&inner.expr),
        Expr::Binary(inner) => match inner.op {
            BinOp::And(_) => always_checks(&inner.left) || always_checks(&inner.right),
            BinOp::Or(_) => always_checks(&inner.left),
            _ => always_checks(&inner.left) || always_checks(&inner.right),
        },
        Expr::Group(inner) => always_checks(&inner.expr),
        Expr::Paren(inner) => always_checks(&inner.expr),
        Expr::Try(inner) => always_checks(&inner.expr),
        Expr::Unary(inner) => always_checks(&inner.expr),
        Expr::Reference(inner) => always_checks(&inner.expr),
        Expr::Field(inner) => always_checks(&inner.base),
        Expr::MethodCall(inner) => always_checks(&inner.receiver) || inner.args.iter().any(always_checks),
        Expr::Call(inner) => inner.args.iter().any(always_checks),
        Expr::Tuple(inner) => inner.elems.iter().any(always_checks),
        _ => false,
    }
}
