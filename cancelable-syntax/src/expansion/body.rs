//! The body of each shape. The pictures leave out `::cancelable::__private::`, spans, and the item that comes first ([`here`]), with which
//! the values of cancelled functions are made.
//!
//! What has to come first is put first within the user's own braces: rustc tells mistakes at the end of a body by them,
//! and a block of one expression inside another would be one with "unnecessary braces".

use super::signature;
use crate::check::{CANCELLED_LABEL, GIVE_UP_SLOT};
use crate::here;
use crate::lints;
use crate::paths::{at, pinned, variable};
use crate::plan::{OwnScope, Plan};
use crate::rewrite::blocks::insert_after_items;
use crate::rewrite::exit::Exit;
use crate::rewrite::{caller, fresh_label};
use crate::shape::{self, Shape};
use crate::turns::Turns;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Block, Expr, Stmt};

/// What stands between the braces of the function.
pub(crate) fn body(plan: &mut Plan) -> TokenStream {
    match plan.shape {
        Shape::Plain | Shape::Async => {
            let block = std::mem::take(&mut plan.function.block.stmts);
            let block = Block {
                brace_token: plan.function.block.brace_token,
                stmts: block,
            };
            let asynchronous = plan.shape == Shape::Async;
            code(plan, block, asynchronous)
        }
        Shape::AsyncTail => {
            tail(plan);
            let stmts = &plan.function.block.stmts;
            quote!(#(#stmts)*)
        }
    }
}

/// ```text
/// Input:  fn f() -> Pin<Box<dyn Future<Output = R>>> { STATEMENTS Box::pin(async move { BODY }) }
/// Output: fn f() -> Pin<Box<dyn Future<Output = R>>> { STATEMENTS Box::pin(async move { what an `async fn` gets }) }
/// ```
fn tail(plan: &mut Plan) {
    let Some(tail) = shape::tail_async(&mut plan.function.block) else {
        return;
    };
    let brace_token = tail.block.brace_token;
    let block = Block {
        brace_token,
        stmts: std::mem::take(&mut tail.block.stmts),
    };
    let inner = code(plan, block, true);
    if let Some(tail) = shape::tail_async(&mut plan.function.block) {
        tail.block.stmts = vec![Stmt::Expr(Expr::Verbatim(inner), None)];
    }
}

fn code(plan: &mut Plan, block: Block, asynchronous: bool) -> TokenStream {
    let name = plan.function.sig.ident.span();
    let turns = plan.every.iter().chain(&plan.yield_every);
    let mut prelude: TokenStream = turns.map(Turns::binding).collect();
    let here = here::item(name);
    let code = match (plan.scope.take(), asynchronous) {
        (None, _) => {
            prelude.extend(plan.caller.as_ref().map(caller::ask));
            prelude.extend(tokens(plan));
            match plan.or.take() {
                None => in_place(plan, block, prelude, name),
                Some(or) => in_place_or(plan, block, prelude, &or, name),
            }
        }
        (Some(scope), false) => sync_scope(plan, &scope, block, prelude, name),
        (Some(scope), true) => async_scope(plan, &scope, block, prelude, name),
    };
    quote!(#here #code)
}

fn tokens(plan: &Plan) -> TokenStream {
    plan.tokens.iter().map(|token| token.binding(&plan.library)).collect()
}

/// ```text
/// Input:  fn f() -> R { BODY }
/// Output: fn f() -> R { if Site.is_cancelled() { return from_cancelled::<R>(Site.refused(here)) } BODY }
/// ```
/// Nothing moves: types, borrows, coercions and the order of drops are those of the plain function. What an option or a
/// parameter has to have first is put before the body, in which items of its own could be meant by the same words.
fn in_place(plan: &Plan, mut block: Block, prelude: TokenStream, name: Span) -> TokenStream {
    let exit = Exit::Return(plan.inside.clone());
    insert_after_items(&mut block, exit.if_refused(false, &plan.library, name));
    if prelude.is_empty() {
        let stmts = &block.stmts;
        quote!(#(#stmts)*)
    } else {
        quote!(#prelude #block)
    }
}

/// ```text
/// Input:  #[cancelable(or = OR)] fn f() -> R { BODY }
/// Output: fn f() -> R {
///             'cancelled: {
///                 return {
///                     if Site.is_cancelled() { break 'cancelled }
///                     BODY                        // its check points: `break 'cancelled`
///                 };
///             }
///             OR
///         }
/// ```
/// `OR` stands outside the body, and so sees the arguments, not what the body calls by the same names.
fn in_place_or(plan: &Plan, mut block: Block, prelude: TokenStream, or: &Expr, name: Span) -> TokenStream {
    let or = or_value(plan, or);
    let label = fresh_label(CANCELLED_LABEL, name);
    let exit = Exit::Leave(label.clone());
    insert_after_items(&mut block, exit.if_refused(false, &plan.library, name));
    let allow = lints::on_diverging_return(name);
    let labelled = quote_spanned!(at(name)=> #label: { #prelude #allow return #block; });
    quote!(#labelled #or)
}

/// The value of `or` at the end of a block: nothing, where that says the same, for `()` would be an unneeded one.
fn or_value(plan: &Plan, or: &Expr) -> TokenStream {
    match or {
        Expr::Tuple(unit) if unit.elems.is_empty() && plan.edge.is_unit() => TokenStream::new(),
        other => other.to_token_stream(),
    }
}

/// ```text
/// Input:  #[cancelable(timeout = "5s")] fn f(mut a: A) -> R { BODY }
/// Output: fn f(a: A) -> R {
///             let scope = Site.scope().timeout(Duration::from_millis(5000));
///             Site.enter_sync(scope, || -> R {
///                 let mut a = a;
///                 {
///                     if Site.is_cancelled() { return from_cancelled::<R>(Site.refused_by_scope(here)) }
///                     BODY
///                 }
///             })
///         }
/// ```
/// The scope is a variable so that what its options borrow for a moment, a lock perhaps, is given back before the body runs.
///
/// The closure runs in any case: it is its first check that does not start the body of a scope that is over already.
/// So a cancel is seen inside it and nowhere else, and leaves as in a function without a scope, also by `or`. It takes
/// arguments along that are declared `mut`, for what it returns may borrow from them; and those behind, which are dropped before.
fn sync_scope(plan: &mut Plan, scope: &OwnScope, mut block: Block, prelude: TokenStream, name: Span) -> TokenStream {
    let mut rebindings = TokenStream::new();
    if let Some(first) = signature::first_mutable(&plan.function.sig) {
        let turns = plan.every.iter().chain(&plan.yield_every);
        // `or` is evaluated in there, too.
        rebindings = signature::move_arguments(&mut plan.function.sig, first, scope, turns, None).rebindings;
    }
    let tokens = tokens(plan);
    let braces = block.brace_token;
    let has_or = plan.or.is_some();
    let inner = match plan.or.take() {
        None => {
            let exit = Exit::Return(plan.inside.clone());
            insert_after_items(&mut block, exit.if_refused(true, &plan.library, name));
            quote!(#tokens #block)
        }
        Some(or) => in_place_or(plan, block, tokens, &or, name),
    };
    let library = &plan.library;
    let builder = scope.builder(library, name);
    let [_, telling] = scope.runners();
    // With `or`, what it returns stands for nothing.
    let enter_sync = if has_or { "enter_sync" } else { telling };
    let inner = between(braces, quote!(#rebindings #inner));
    let caller = plan.caller.as_ref().map(caller::ask);
    let output = plan.edge.ty();
    let closure = quote_spanned!(at(name)=> || -> #output #inner);
    let scope = variable("scope", name);
    let entered = library.located(enter_sync, quote!(#scope, #closure), name);
    // A lint can be allowed on a statement only.
    let entered = match lints::on_closure(output, name) {
        Some(allow) => {
            let value = variable("value", name);
            quote_spanned!(at(name)=> #allow let #value = #entered; #value)
        }
        None => entered,
    };
    quote_spanned!(at(name)=> #prelude #caller let #scope = #builder; #entered)
}

/// ```text
/// Input:  #[cancelable(timeout = "5s")] async fn f(a: A) -> R { BODY }
/// Output: async fn f(a: A) -> R {
///             let scope = Site.scope().timeout(Duration::from_millis(5000));
///             let place = pin!(Some(async move {
///                 let a = a;
///                 {
///                     if let Some(dead) = None::<R> { return dead; }      // tells the block its type
///                     BODY
///                 }
///             }));
///             Site.run_or(scope, Lent::of(place), |cancelled| { from_cancelled::<R>(Site.in_scope(cancelled, here)) }).await
///         }
/// ```
/// The body is pinned where it is made, for as an argument it would be moved, and have a place on the stack for each move.
///
/// With `or = OR`, a check point of the body cannot make a value of `R`, and cannot leave the block without one. So it
/// tells `gave_up`, and stays pending; `gave_up.watch` then drops the body, and `OR` is evaluated outside:
///
/// ```text
/// Output: let gave_up = &GaveUp::new();
///         let scope = SCOPE;
///         match { let place = pin!(Some(async { … { BODY } })); Site.run(scope, gave_up.watch(Lent::of(place))).await } {
///             Ok(Ok(value)) => return value,
///             Ok(Err(_)) | Err(_) => {}
///         }
///         OR
/// ```
fn async_scope(plan: &mut Plan, scope: &OwnScope, mut block: Block, prelude: TokenStream, name: Span) -> TokenStream {
    let or = plan.or.take();
    let (rebindings, capture) = match plan.shape {
        Shape::AsyncTail => {
            let capture = shape::tail_async(&mut plan.function.block).and_then(|tail| tail.capture);
            (TokenStream::new(), capture.map(ToTokens::into_token_stream))
        }
        Shape::Plain | Shape::Async => {
            let turns = plan.every.iter().chain(&plan.yield_every);
            let moved = signature::move_arguments(&mut plan.function.sig, 0, scope, turns, or.as_deref());
            (moved.rebindings, moved.capture.then(|| quote_spanned!(at(name)=> move)))
        }
    };
    let library = &plan.library;
    let builder = scope.builder(library, name);
    let [run_or, _] = scope.runners();
    let scope = variable("scope", name);
    let tokens = tokens(plan);
    let dead = plan.edge.tell(library, &mut block);
    let inner = between(block.brace_token, quote!(#rebindings #tokens #dead #block));
    let inner = quote_spanned!(at(name)=> async #capture #inner);
    match or {
        None => {
            let converter = plan.edge.converter(library, name);
            let (place, lent) = pinned(library, inner, name);
            let run = library.located(run_or, quote!(#scope, #lent, #converter), name);
            quote_spanned!(at(name)=> #prelude let #scope = #builder; #place #run.await)
        }
        Some(or) => {
            let or = or_value(plan, &or);
            let slot = variable(GIVE_UP_SLOT, name);
            let [gave_up, result] = ["GaveUp", "Result"].map(|of| library.private(of, name));
            let value = variable("value", name);
            let (place, lent) = pinned(library, inner, name);
            let watched = quote_spanned!(at(name)=> #slot.watch(#lent));
            let run = library.located("run", quote!(#scope, #watched), name);
            quote_spanned!(at(name)=>
                #prelude
                let #scope = #builder;
                let #slot = &#gave_up::new();
                match { #place #run.await } {
                    #result::Ok(#result::Ok(#value)) => return #value,
                    #result::Ok(#result::Err(_)) | #result::Err(_) => {}
                }
                #or
            )
        }
    }
}

/// `{{ tokens }}`: the outer braces where the body's are, for by these coverage knows whose code it is; the inner ones of the
/// expansion's own edition, in which what the end of the body borrows from an argument does not outlive it.
pub(crate) fn between(braces: syn::token::Brace, tokens: TokenStream) -> TokenStream {
    let inner = quote_spanned!(at(braces.span.join())=> { #tokens });
    let mut block = TokenStream::new();
    braces.surround(&mut block, |block| block.extend(inner));
    block
}
