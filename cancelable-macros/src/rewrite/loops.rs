//! Loops: a check at the beginning of each turn, or of every n-th.

use super::Rules;
use super::exit::Exit;
use crate::paths::{Library, at, located_call, variable};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Block, Expr, ExprForLoop, ExprMatch, Stmt};

/// What a turn that checks begins with: `CHECK` below.
///
/// ```text
/// Output: if Site.is_cancelled() { return from_cancelled::<R>(Site.cancelled()); }
/// ```
/// Under `yield_every`, it lets other tasks run now and then:
/// ```text
/// Output: if let Err(cancelled) = Site.checkpoint(YIELD_EVERY).await { return from_cancelled::<R>(cancelled); }
/// ```
/// or with `Turns::rounds(YIELD_EVERY, EVERY)`, if it is to be called in every EVERY-th turn only.
pub(crate) fn check(rules: &Rules<'_>, exit: &Exit, keyword: Span) -> TokenStream {
    let library = rules.library;
    let Some(turns) = &rules.yield_every else {
        return exit.if_cancelled(library, keyword);
    };
    let calls = match &rules.every {
        None => turns.clone(),
        Some(every) => {
            let path = library.private("Turns", keyword);
            quote_spanned!(at(keyword)=> #path::rounds(#turns, #every))
        }
    };
    let checkpoint = library.located("checkpoint", calls, keyword);
    // With the user's span unchanged: whatever is not `Send` is told to be kept across this loop, not across an expansion.
    let awaited = quote_spanned!(keyword=> .await);
    exit.unless_ok(&quote!(#checkpoint #awaited), library, keyword)
}

/// ```text
/// Input:  for PAT in EXPR { BODY }
/// Output: for PAT in EXPR { CHECK BODY }
/// ```
/// The loop stays the user's own, with its label, value, `break`s and `continue`s.
pub(crate) fn check_each_turn(body: &mut Block, check: TokenStream) {
    insert_after_items(body, check);
}

/// ```text
/// Input:  while COND { BODY }
/// Output: { let mut turns = Turns::new(N); while COND { if turns.begin() { CHECK } BODY } }
/// ```
pub(crate) fn check_some_turns(
    mut looping: Expr,
    every: &TokenStream,
    check: &TokenStream,
    library: &Library,
    keyword: Span,
) -> Expr {
    let turns = variable("turns", keyword);
    let begin = located_call("begin", TokenStream::new(), keyword);
    let due = quote_spanned!(at(keyword)=> if #turns #begin { #check });
    if let Some(body) = body_mut(&mut looping) {
        insert_after_items(body, due);
    }
    let attrs = super::helpers::attrs_mut(&mut looping)
        .map(std::mem::take)
        .unwrap_or_default();
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

/// ```text
/// Input:  'label: for PAT in EXPR { BODY }
/// Output: match IntoIterator::into_iter(EXPR) {
///             items => match Probe::of(&items).kind().pieces(items, N) {
///                 mut pieces => while let Some(piece) = pieces.next_piece() {
///                     CHECK
///                     'label: for PAT in piece { BODY }
///                     if !pieces.more() { break; }
///                 },
///             },
///         }
/// ```
/// The loop over a piece is a plain counted one, which vectorises. A `break` in the body leaves it before its piece
/// has said that it was gone through, and so leaves the outer loop too; `continue` goes on within the piece.
///
/// The check is made between the pieces, where the user's labels are not in scope.
pub(crate) fn check_between_pieces(
    mut looping: ExprForLoop,
    every: &TokenStream,
    check: &TokenStream,
    library: &Library,
    keyword: Span,
) -> Expr {
    let attrs = std::mem::take(&mut looping.attrs);
    let [items, pieces, piece] = ["items", "pieces", "piece"].map(|name| variable(name, keyword));
    let (probe, option) = (library.private("Probe", keyword), library.private("Option", keyword));
    let going = looping.expr.span();
    let into_iter = library.private_at("IntoIterator", going);
    let expr = std::mem::replace(&mut *looping.expr, Expr::Verbatim(piece.to_token_stream()));
    // All of the call has the span of what is gone through, unchanged: what is no iterator is told of once.
    let scrutinee = quote_spanned!(going=> #into_iter::into_iter(#expr));
    let body = quote_spanned!(at(keyword)=>
        match #probe::of(&#items).kind().pieces(#items, #every) {
            mut #pieces => while let #option::Some(#piece) = #pieces.next_piece() {
                #check
                #looping
                if !#pieces.more() { break; }
            },
        }
    );
    Expr::Match(ExprMatch {
        attrs,
        match_token: syn::token::Match(at(keyword)),
        expr: Box::new(Expr::Verbatim(scrutinee)),
        brace_token: syn::token::Brace(at(keyword)),
        arms: vec![syn::Arm {
            attrs: Vec::new(),
            pat: syn::Pat::Verbatim(items.to_token_stream()),
            fat_arrow_token: syn::token::FatArrow(at(keyword)),
            body: Box::new(Expr::Verbatim(body)),
            comma: Some(syn::token::Comma(at(keyword))),
        }],
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
    let items = block
        .stmts
        .iter()
        .take_while(|stmt| matches!(stmt, Stmt::Item(_)))
        .count();
    // With nothing else in the block, the statement would be its value, in braces that it does not need.
    let semicolon = block
        .stmts
        .is_empty()
        .then(|| syn::token::Semi(at(block.brace_token.span.open())));
    block
        .stmts
        .insert(items, Stmt::Expr(Expr::Verbatim(statement), semicolon));
}
