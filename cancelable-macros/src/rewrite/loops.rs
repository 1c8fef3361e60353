//! Loops: a check at the beginning of each turn, or of every n-th.

use super::exit::Exit;
use crate::paths::{Library, at, located_call};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::{Block, Expr, Stmt};

/// ```text
/// Input:  for PAT in EXPR { BODY }
/// Output: for PAT in EXPR { if let Err(cancelled) = Site.check() { return from_cancelled::<R>(cancelled) } BODY }
/// ```
/// The loop stays the user's own, with its label, value, `break`s and `continue`s.
pub(crate) fn check_each_turn(body: &mut Block, exit: &Exit, library: &Library, keyword: Span) {
    let check = library.located("check", TokenStream::new(), keyword);
    insert_after_items(body, exit.unless_ok(&check, library, keyword));
}

/// ```text
/// Input:  while COND { BODY }
/// Output: { let mut turns = Turns::new(N); while COND { if turns.begin() { CHECK } BODY } }
/// ```
pub(crate) fn check_some_turns(
    mut looping: Expr,
    every: &TokenStream,
    exit: &Exit,
    library: &Library,
    keyword: Span,
) -> Expr {
    let turns = Ident::new("turns", at(keyword));
    let check = library.located("check", TokenStream::new(), keyword);
    let check = exit.unless_ok(&check, library, keyword);
    let begin = located_call("begin", TokenStream::new(), keyword);
    let due = quote_spanned!(at(keyword)=> if #turns #begin { #check });
    if let Some(body) = body_mut(&mut looping) {
        insert_after_items(body, due);
    }
    let attrs = super::helpers::attrs_mut(&mut looping).map(std::mem::take).unwrap_or_default();
    let path = library.private("Turns", keyword);
    let counter = quote_spanned!(at(keyword)=> let mut #turns = #path::new(#every););
    Expr::Block(syn::ExprBlock {
        attrs,
        label: None,
        block: Block {
            brace_token: syn::token::Brace::default(),
            stmts: vec![Stmt::Expr(Expr::Verbatim(counter), None), Stmt::Expr(looping, None)],
        },
    })
}

pub(crate) fn body_mut(looping: &mut Expr) -> Option<&mut Block> {
    match looping {
        Expr::ForLoop(inner) => Some(&mut inner.body),
        Expr::While(inner) => Some(&mut inner.body),
        Expr::Loop(inner) => Some(&mut inner.body),
        _ => None,
    }
}

/// Puts a statement at the start of a block, but behind the items that start it: items after statements are a lint,
/// and the user wrote none there.
pub(crate) fn insert_after_items(block: &mut Block, statement: TokenStream) {
    let items = block.stmts.iter().take_while(|stmt| matches!(stmt, Stmt::Item(_))).count();
    block.stmts.insert(items, Stmt::Expr(Expr::Verbatim(statement), None));
}
