//! Blocks: what is put into one of the user's, and what is put in the place of an expression.

use super::helpers;
use crate::lints;
use crate::paths::at;
use proc_macro2::{Delimiter, Group, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Block, Expr, Stmt};

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

/// `{ STATEMENTS }` as an expression.
pub(super) fn block_expr(statements: TokenStream) -> Expr {
    Expr::Block(syn::ExprBlock {
        attrs: Vec::new(),
        label: None,
        block: syn::Block {
            brace_token: syn::token::Brace::default(),
            stmts: vec![syn::Stmt::Expr(Expr::Verbatim(statements), None)],
        },
    })
}

/// ```text
/// Input:  join!(a, b);
/// Output: #[allow(…)] ({ … },).0;
/// ```
/// A value that must be used is told of where the statement comes from, which for a generated block would be the attribute. So it
/// is made to reach from its `first` to its `last` token, and to be of a kind that no lint finds fault with.
pub(super) fn as_statement(mut expr: Expr, first: Span, last: Span) -> Expr {
    let attrs = helpers::attrs_mut(&mut expr).map(std::mem::take).unwrap_or_default();
    let allow = lints::on_macro(last);
    let mut tuple = Group::new(Delimiter::Parenthesis, quote_spanned!(at(last)=> #expr,));
    tuple.set_span(first);
    let mut member = Literal::usize_unsuffixed(0);
    member.set_span(last);
    let dot = quote_spanned!(at(last)=> .);
    Expr::Verbatim(quote!(#(#attrs)* #allow #tuple #dot #member))
}
