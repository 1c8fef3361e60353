//! What other attributes, if they stand above ours and so expand first, make of a function's body, and how to find
//! that body again. Everything here goes by names that those crates generate and no user writes.
//!
//! - `#[tracing::instrument]` on an `async fn`: `let __tracing_instrument_future = async move { BODY };`, and with
//!   `err` or `ret` one `async` block more inside; then awaits of that variable, which are not the user's. On a `fn`,
//!   with `err` or `ret`: `(move || { BODY })()`.
//! - `#[tokio::main]`, `#[tokio::test]`: see [`crate::shape`], since it makes a sync function of an async one.
//! - `#[cached]`, `#[rstest]`, `#[test_case]`: the body is in another function by then, and our attribute on a generated
//!   one. Nothing can be done from there, so that is told of: see [`moved_by`].
//! - `#[async_trait]`: no wrapping that matters; the body ends up in `Box::pin(async move { })`, a shape of its own.

use crate::duration::peel;
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Block, Expr, ExprCall, Item, Local, Pat, Stmt, UseTree};

const FUTURE: &str = "__tracing_instrument_future";

/// The user's body in `let __tracing_instrument_future = async move { … };`.
pub(super) fn instrumented_body(local: &mut Local) -> Option<&mut Block> {
    match &local.pat {
        Pat::Ident(name) if name.ident == FUTURE => {}
        _ => return None,
    }
    let Expr::Async(outer) = &mut *local.init.as_mut()?.expr else {
        return None;
    };
    Some(innermost(&mut outer.block))
}

/// With `err` or `ret`, the block begins by awaiting another one.
fn innermost(block: &mut Block) -> &mut Block {
    if block
        .stmts
        .first_mut()
        .is_none_or(|first| awaited_block(first).is_none())
    {
        return block;
    }
    match block.stmts.first_mut().and_then(awaited_block) {
        Some(inner) => inner,
        None => unreachable!("it was there a moment ago"),
    }
}

/// `let __match_scrutinee = async move { … }.await;`, `let x = async move { … }.await;`, `match async move { … }.await`.
fn awaited_block(stmt: &mut Stmt) -> Option<&mut Block> {
    let expr = match stmt {
        Stmt::Local(local) => {
            let Pat::Ident(name) = &local.pat else { return None };
            if name.ident != "__match_scrutinee" && name.ident != "x" {
                return None;
            }
            &mut *local.init.as_mut()?.expr
        }
        Stmt::Expr(Expr::Match(inner), _) => &mut *inner.expr,
        _ => return None,
    };
    let Expr::Await(awaited) = expr else { return None };
    let Expr::Async(inner) = &mut *awaited.base else {
        return None;
    };
    Some(&mut inner.block)
}

/// `__tracing_instrument_future.await`, `Instrument::instrument(__tracing_instrument_future, …).await`.
pub(super) fn is_instrumented(base: &Expr) -> bool {
    match peel(base) {
        Expr::Path(future) => future.path.is_ident(FUTURE),
        Expr::Call(call) => matches!(call.args.first(), Some(Expr::Path(future)) if future.path.is_ident(FUTURE)),
        _ => false,
    }
}

/// `(move || { … })()`, which `#[instrument(err)]` makes of a sync body. A user's own is left alone: its `return` is
/// the closure's. Tracing's begins with a dead `return` that nobody else writes.
pub(super) fn is_instrumented_call(call: &ExprCall) -> bool {
    call.args.is_empty()
        && matches!(peel(&call.func), Expr::Closure(closure)
            if closure.inputs.is_empty()
                && mentions(closure.body.to_token_stream(), "__tracing_attr_fake_return"))
}

pub(super) fn called_body(call: &mut ExprCall) -> Option<&mut Block> {
    let mut func = &mut *call.func;
    loop {
        func = match func {
            Expr::Paren(paren) => &mut paren.expr,
            Expr::Group(group) => &mut group.expr,
            Expr::Closure(closure) => {
                return match &mut *closure.body {
                    Expr::Block(body) => Some(&mut body.block),
                    _ => None,
                };
            }
            _ => return None,
        };
    }
}

/// The attribute above ours that has moved the body away, and left ours on what calls it.
///
/// - `#[cached]`: `use cached::Cached; … f_no_cache(…)`
/// - `#[rstest]`: `fn f() { fn f() { BODY } f() }`, and `fn case_1() { let a = 1; f(a) }`
/// - `#[test_case]`: `let _result = super::f(1); _result`
pub(crate) fn moved_by(name: &Ident, block: &Block) -> Option<&'static str> {
    let name = name.to_string();
    let is_named = |expr: &Expr, name: &str| matches!(expr, Expr::Path(path) if path.path.is_ident(name));
    match block.stmts.as_slice() {
        [Stmt::Item(Item::Use(import)), ..] => {
            let is_cached = matches!(&import.tree, UseTree::Path(path) if path.ident == "cached");
            (is_cached && mentions(block.to_token_stream(), &format!("{name}_no_cache"))).then_some("cached")
        }
        [Stmt::Item(Item::Fn(inner)), Stmt::Expr(call, None)] => {
            (inner.sig.ident == name && is_call(call)).then_some("rstest")
        }
        [Stmt::Local(local), Stmt::Expr(value, None)]
            if matches!(&local.pat, Pat::Ident(bound) if bound.ident == "_result") && is_named(value, "_result") =>
        {
            local
                .init
                .as_ref()
                .is_some_and(|init| is_call(&init.expr))
                .then_some("test_case")
        }
        [bindings @ .., Stmt::Expr(call, None)] => {
            let is_case = name
                .strip_prefix("case_")
                .is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()));
            let only_binds = bindings.iter().all(|stmt| matches!(stmt, Stmt::Local(_)));
            (is_case && only_binds && is_call(call)).then_some("rstest")
        }
        _ => None,
    }
}

/// `f(…)`, `f(…).await`
fn is_call(expr: &Expr) -> bool {
    match expr {
        Expr::Call(_) => true,
        Expr::Await(awaited) => matches!(&*awaited.base, Expr::Call(_)),
        _ => false,
    }
}

fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}
