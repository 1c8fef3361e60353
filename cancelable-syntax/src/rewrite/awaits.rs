//! `.await`: the commonest check point.

use super::exit::Exit;
use super::helpers;
use super::rules::Rules;
use crate::duration::peel;
use crate::here;
use crate::paths::{Library, at, first_span};
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, BinOp, Block, Expr, ExprAwait, ExprBinary, ExprCall, ExprMacro, ExprMatch, Item, Macro, Path, Stmt,
    Token,
};

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
/// Output: match Site.guard(EXPR, here).await {
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
/// Output: (gave_up.guard(EXPR, here)).await
/// ```
/// A `match`, since its scrutinee's temporaries live as long as those of `EXPR.await` do: to the end of the
/// statement. The `.await` is the user's own, so that "future is not `Send`" is still told of it.
pub(crate) fn guarded(mut expr: ExprAwait, manner: Manner, exit: &Exit, rules: &Rules<'_>) -> Expr {
    let library = rules.library;
    let span = expr.await_token.span;
    let mut attrs = std::mem::take(&mut expr.attrs);
    let gives_way = take_mark(&mut attrs);
    let first = first_span(&expr.base);
    let base = in_parentheses(&mut expr.base);
    let call = guard(base.to_token_stream(), manner, gives_way, exit, rules, span);
    let (dot, awaited) = (expr.dot_token, expr.await_token);
    if let Exit::GiveUp(_) = exit {
        // Not an `.await` in an arm, across which what this one gives would be held, and have to be `Send`.
        // Which begins where the user's expression does: what is wrong with that is told of it.
        let mut call = Group::new(Delimiter::Parenthesis, call);
        call.set_span(first);
        return Expr::Await(ExprAwait {
            attrs,
            base: Box::new(Expr::Verbatim(call.into_token_stream())),
            dot_token: dot,
            await_token: awaited,
        });
    }
    let scrutinee = quote_spanned!(at(span)=> #call #dot #awaited);
    Expr::Match(matched(attrs, scrutinee, exit, library, first, span))
}

/// ```text
/// Output: Site.guard(EXPR, here)
/// ```
/// or, if it `gives_way`,
/// ```text
/// Output: Site.guard(Site.give_way_first(YIELD_EVERY, EXPR))
/// ```
/// and of `gave_up`, which gives the value alone, where there is no value to leave with.
pub(super) fn guard(
    future: TokenStream,
    manner: Manner,
    gives_way: bool,
    exit: &Exit,
    rules: &Rules<'_>,
    span: Span,
) -> TokenStream {
    let library = rules.library;
    let future = match &rules.yield_every {
        Some(turns) if gives_way => {
            let method = match manner {
                Manner::Guard => "give_way_first",
                Manner::Finish => "give_way_and_finish",
            };
            library.located(method, quote_spanned!(at(span)=> #turns, #future), span)
        }
        _ => future,
    };
    let here = here::name(span);
    let arguments = quote_spanned!(at(span)=> #future, #here);
    match exit {
        // Not one round the other: each would move what is awaited.
        Exit::GiveUp(slot) => library.located_on(slot, manner.method(), arguments, span),
        _ => library.located(manner.method(), arguments, span),
    }
}

/// `match SCRUTINEE { Ok(value) => value, Err(cancelled) => … }`, as a node that is put in parentheses where it must.
///
/// Keyword and braces are put where the `.await` begins and ends, spans unchanged: what is wrong with its value, or with what
/// is done with it, is told of the user's expression and not of the attribute.
fn matched(
    attrs: Vec<Attribute>,
    scrutinee: TokenStream,
    exit: &Exit,
    library: &Library,
    first: Span,
    last: Span,
) -> ExprMatch {
    let mut braces = Group::new(Delimiter::Brace, TokenStream::new());
    braces.set_span(last);
    ExprMatch {
        attrs,
        match_token: syn::token::Match(first),
        expr: Box::new(Expr::Verbatim(scrutinee)),
        brace_token: syn::token::Brace {
            span: braces.delim_span(),
        },
        arms: exit.arms(library, last).into(),
    }
}

/// The base as it stands between the parentheses of a call: without parentheses of its own, which would be called needless
/// there, and with braces, if it has some, that nobody calls so.
fn in_parentheses(base: &mut Expr) -> &Expr {
    match base {
        Expr::Paren(inner) => in_parentheses(&mut inner.expr),
        Expr::Group(inner) => in_parentheses(&mut inner.expr),
        Expr::Block(inner) => {
            let mut braces = Group::new(Delimiter::Brace, TokenStream::new());
            braces.set_span(at(inner.block.brace_token.span.join()));
            inner.block.brace_token.span = braces.delim_span();
            base
        }
        _ => base,
    }
}

/// The `await` of what is nothing but an `.await`.
pub(super) fn keyword(expr: &Expr) -> Option<Span> {
    match peel(expr) {
        Expr::Await(awaited) => Some(awaited.await_token.span),
        _ => None,
    }
}

/// Whether awaiting `base` is no check point, since `base` is visibly a shield: `shield!(…)`, `shield(…)`,
/// `….shielded()`, also with a `.timeout(…)`; or a `cancel_scope!` with a `finally`. These start and end under a cancelled token
/// too: a shield in any case, the scope without its body and with its `finally`, which a check out here would skip.
pub(crate) fn is_shield(base: &Expr) -> bool {
    match peel(base) {
        Expr::Macro(ExprMacro { mac, .. }) => {
            is_named(&mac.path, "shield") || (is_named(&mac.path, "cancel_scope") && has_finally(&mac.tokens))
        }
        Expr::Call(call) => makes_shield(call),
        Expr::MethodCall(call) if call.method == "shielded" => call.args.is_empty(),
        Expr::MethodCall(call) if call.method == "timeout" => is_shield(&call.receiver),
        _ => false,
    }
}

/// Whether `finally = …` is among the options.
fn has_finally(tokens: &TokenStream) -> bool {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    trees.windows(2).any(|pair| {
        let [TokenTree::Ident(name), TokenTree::Punct(equals)] = pair else {
            return false;
        };
        name == "finally" && equals.as_char() == '='
    })
}

/// `shield(…)`
pub(super) fn makes_shield(call: &ExprCall) -> bool {
    matches!(peel(&call.func), Expr::Path(path) if is_named(&path.path, "shield"))
}

fn is_named(path: &Path, name: &str) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == name)
}

/// A check point that evaluating `expr` to `true`, or to a value that matches, goes through in any case: the attributes of the
/// await that it is, or of the call of `join!` or `select!`.
///
/// A `while` with such a condition needs no check of its own: the condition is the beginning of the turn. And it must not
/// have one, for `while let Some(job) = jobs.recv().await` would then lose the job that came together with the cancel.
/// `is_await` tells which macros are awaits.
pub(crate) fn certain_await<'a>(
    cond: &'a mut Expr,
    is_await: &impl Fn(&Macro) -> bool,
) -> Option<&'a mut Vec<Attribute>> {
    match cond {
        // It was true, so the right side has been asked, too.
        Expr::Binary(ExprBinary {
            op: BinOp::And(_),
            left,
            right,
            ..
        }) => certain_await(left, is_await).or_else(|| certain_await(right, is_await)),
        Expr::Group(inner) => certain_await(&mut inner.expr, is_await),
        Expr::Paren(inner) => certain_await(&mut inner.expr, is_await),
        other => in_any_case(other, is_await),
    }
}

/// The same, for an expression of whatever value.
fn in_any_case<'a>(expr: &'a mut Expr, is_await: &impl Fn(&Macro) -> bool) -> Option<&'a mut Vec<Attribute>> {
    let skipped = helpers::attrs_mut(expr).is_some_and(|attrs| attrs.iter().any(helpers::is_apart));
    if skipped {
        return None;
    }
    let all =
        |exprs: &'a mut Punctuated<Expr, Token![,]>| exprs.iter_mut().find_map(|expr| in_any_case(expr, is_await));
    match expr {
        Expr::Await(inner) => {
            if is_shield(&inner.base) {
                in_any_case(&mut inner.base, is_await)
            } else {
                Some(&mut inner.attrs)
            }
        }
        Expr::Macro(inner) => is_await(&inner.mac).then_some(&mut inner.attrs),
        Expr::Let(inner) => in_any_case(&mut inner.expr, is_await),
        Expr::Binary(inner) => match inner.op {
            BinOp::Or(_) | BinOp::And(_) => in_any_case(&mut inner.left, is_await),
            _ => in_any_case(&mut inner.left, is_await).or_else(|| in_any_case(&mut inner.right, is_await)),
        },
        Expr::Match(inner) => in_any_case(&mut inner.expr, is_await),
        Expr::If(inner) => in_any_case(&mut inner.cond, is_await),
        Expr::Block(inner) if inner.label.is_none() => in_block(&mut inner.block, is_await),
        Expr::Unsafe(inner) => in_block(&mut inner.block, is_await),
        Expr::Array(inner) => all(&mut inner.elems),
        Expr::Tuple(inner) => all(&mut inner.elems),
        Expr::Call(inner) => all(&mut inner.args),
        Expr::MethodCall(inner) => in_any_case(&mut inner.receiver, is_await).or_else(|| all(&mut inner.args)),
        Expr::Struct(inner) => {
            let mut fields = inner.fields.iter_mut();
            fields.find_map(|field| in_any_case(&mut field.expr, is_await))
        }
        Expr::Index(inner) => {
            in_any_case(&mut inner.expr, is_await).or_else(|| in_any_case(&mut inner.index, is_await))
        }
        Expr::Cast(inner) => in_any_case(&mut inner.expr, is_await),
        Expr::Group(inner) => in_any_case(&mut inner.expr, is_await),
        Expr::Paren(inner) => in_any_case(&mut inner.expr, is_await),
        Expr::Try(inner) => in_any_case(&mut inner.expr, is_await),
        Expr::Unary(inner) => in_any_case(&mut inner.expr, is_await),
        Expr::Reference(inner) => in_any_case(&mut inner.expr, is_await),
        Expr::Field(inner) => in_any_case(&mut inner.base, is_await),
        _ => None,
    }
}

/// Up to its end a block that gives a value goes through all of its statements.
fn in_block<'a>(block: &'a mut Block, is_await: &impl Fn(&Macro) -> bool) -> Option<&'a mut Vec<Attribute>> {
    block.stmts.iter_mut().find_map(|stmt| match stmt {
        Stmt::Local(local) if !local.attrs.iter().any(helpers::is_apart) => {
            in_any_case(&mut local.init.as_mut()?.expr, is_await)
        }
        Stmt::Expr(expr, _) => in_any_case(expr, is_await),
        _ => None,
    })
}

/// Stands on an await that [`guarded`] is to let other tasks run before, and never leaves this crate.
const MARK: &str = "cancelable_gives_way";

/// Has other tasks run before this await, now and then: it is the beginning of a loop's turn.
pub(crate) fn mark(attrs: &mut Vec<Attribute>) {
    let mark = Ident::new(MARK, Span::call_site());
    attrs.push(syn::parse_quote!(#[#mark]));
}

/// Whether it was marked; it is no more.
pub(crate) fn take_mark(attrs: &mut Vec<Attribute>) -> bool {
    let unmarked = attrs.len();
    attrs.retain(|attr| !attr.path().is_ident(MARK));
    attrs.len() < unmarked
}

/// Whether there is an `.await` in `expr` that is the function's own.
pub(super) fn awaits(expr: &mut Expr) -> bool {
    let mut awaits = Awaits(false);
    awaits.visit_expr_mut(expr);
    awaits.0
}

struct Awaits(bool);

impl VisitMut for Awaits {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Await(_) => self.0 = true,
            Expr::Closure(_) | Expr::Async(_) | Expr::Const(_) => {}
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}
