//! Loops: a check before each turn, or before every n-th, takes anything.

use super::blocks::insert_after_items;
use super::exit::Exit;
use super::helpers;
use super::rules::Rules;
use crate::paths::{Library, at, first_span, last_span, located_call, variable};
use crate::turns::Turns;
use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Block, Expr, ExprBlock, ExprForLoop, ExprIf, ExprLoop, ExprMatch, Label, Stmt};

/// What a turn that checks begins with, or what comes before it: `CHECK` below.
///
/// ```text
/// Output: if Site.is_cancelled() { return from_cancelled::<R>(Site.cancelled(here)); }
/// ```
/// Under `yield_every`, it lets other tasks run now and then:
/// ```text
/// Output: if let Err(cancelled) = Site.checkpoint(YIELD_EVERY).await { return from_cancelled::<R>(Site.in_loop(cancelled, here)); }
/// ```
/// or with `Turns::rounds(YIELD_EVERY, EVERY)`, if it is to be called in every EVERY-th turn only.
pub(crate) fn check(rules: &Rules<'_>, every: Option<&TokenStream>, exit: &Exit, keyword: Span) -> TokenStream {
    let library = rules.library;
    let Some(turns) = &rules.yield_every else {
        return exit.if_cancelled(library, keyword);
    };
    let calls = match every {
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
/// Input:  'label: for PAT in EXPR { BODY }
/// Output: {
///             let mut asking = Site.asking();
///             'label: for PAT in IntoIterator::into_iter(asking.before_each(IntoIterator::into_iter(EXPR)).items()) { BODY }
///             if asking.ended_it() { LEAVE }
///         }
/// ```
/// The loop stays the user's own, with its label, `break`s and `continue`s. The check is the iterator's, before it gives an
/// item out; a loop marked `break` is left by that alone.
pub(crate) fn ask_before_each(
    mut looping: ExprForLoop,
    header: Header,
    exit: Option<&Exit>,
    library: &Library,
    keyword: Span,
) -> Expr {
    let attrs = std::mem::take(&mut looping.attrs);
    let asking = variable("asking", keyword);
    let items = header.into_iter(&looping.expr, library);
    let asked = quote_spanned!(at(header.first)=> #asking.before_each(#items).items());
    // Once more, for what is told of where the header comes from: items of another type than the pattern is for.
    *looping.expr = Expr::Verbatim(header.into_iter(asked, library));
    let made = library.located("asking", TokenStream::new(), keyword);
    let start = quote_spanned!(at(keyword)=> let mut #asking = #made;);
    let end = exit.map(|exit| {
        let leave = exit.leave_cancelled(library, keyword);
        quote_spanned!(at(keyword)=> if #asking.ended_it() { #leave; })
    });
    let mut stmts = vec![
        Stmt::Expr(Expr::Verbatim(start), None),
        Stmt::Expr(Expr::ForLoop(looping), None),
    ];
    stmts.extend(end.map(|end| Stmt::Expr(Expr::Verbatim(end), None)));
    block(attrs, stmts)
}

/// ```text
/// Input:  'label: while COND { BODY }
/// Output: 'label: loop { DUE if COND { BODY } else { break; } }
/// ```
/// which is what a `while` is to the compiler, but for what comes before the condition; and
/// ```text
/// Input:  loop { BODY }
/// Output: loop { DUE BODY }
/// ```
/// `DUE` is the check, or what makes it in some turns.
pub(crate) fn check_each_turn(looping: Expr, due: TokenStream) -> Expr {
    match looping {
        Expr::While(inner) => {
            let keyword = inner.while_token.span;
            let leave = Stmt::Expr(Expr::Verbatim(quote_spanned!(at(keyword)=> break;)), None);
            let turn = ExprIf {
                attrs: Vec::new(),
                if_token: syn::token::If(at(keyword)),
                cond: inner.cond,
                then_branch: inner.body,
                else_branch: Some((syn::token::Else(at(keyword)), Box::new(block(Vec::new(), vec![leave])))),
            };
            Expr::Loop(ExprLoop {
                attrs: inner.attrs,
                label: inner.label,
                loop_token: syn::token::Loop(at(keyword)),
                body: Block {
                    // Not those of the user's body: lints would find that the `if` wants a semicolon.
                    brace_token: syn::token::Brace(at(keyword)),
                    stmts: vec![Stmt::Expr(Expr::Verbatim(due), None), Stmt::Expr(Expr::If(turn), None)],
                },
            })
        }
        Expr::Loop(mut inner) => {
            insert_after_items(&mut inner.body, due);
            Expr::Loop(inner)
        }
        other => other,
    }
}

/// ```text
/// Input:  while COND { BODY }
/// Output: { let mut turns = Turns::new(N); loop { if turns.begin() { CHECK } if COND { BODY } else { break; } } }
/// ```
pub(crate) fn check_some_turns(
    looping: Expr,
    every: &TokenStream,
    check: &TokenStream,
    library: &Library,
    keyword: Span,
) -> Expr {
    let turns = variable("turns", keyword);
    let begin = located_call("begin", TokenStream::new(), keyword);
    let due = quote_spanned!(at(keyword)=> if #turns #begin { #check });
    let path = library.private("Turns", keyword);
    let counter = quote_spanned!(at(keyword)=> let mut #turns = #path::new(#every););
    after(counter, check_each_turn(looping, due))
}

/// ```text
/// Input:  'label: for PAT in EXPR { BODY }
/// Output: {
///             match IntoIterator::into_iter(EXPR) {
///                 items => match Probe::of(&items).kind().pieces(items, N) {
///                     mut pieces => while pieces.go_on() {
///                         if pieces.is_check_due() { CHECK }
///                         'label: for PAT in pieces.next_piece() { BODY }
///                     },
///                 },
///             };
///         }
/// ```
/// (The semicolon is there because up to edition 2021, what EXPR borrows from would outlive the block that the loop ends.)
///
/// The loop over a piece is a plain counted one, which vectorises. A `break` in the body leaves it before its piece
/// has said that it was gone through, and so leaves the outer loop too; `continue` goes on within the piece.
///
/// The check is made between the pieces, where the user's labels are not in scope.
pub(crate) fn check_between_pieces(
    mut looping: ExprForLoop,
    header: Header,
    every: &TokenStream,
    check: &TokenStream,
    library: &Library,
    keyword: Span,
) -> Expr {
    let attrs = std::mem::take(&mut looping.attrs);
    let [items, pieces] = ["items", "pieces"].map(|name| variable(name, keyword));
    let probe = library.private("Probe", keyword);
    let scrutinee = header.into_iter(&looping.expr, library);
    let next_piece = quote_spanned!(at(header.first)=> #pieces.next_piece());
    *looping.expr = Expr::Verbatim(header.into_iter(next_piece, library));
    let body = quote_spanned!(at(keyword)=>
        match #probe::of(&#items).kind().pieces(#items, #every) {
            mut #pieces => while #pieces.go_on() {
                if #pieces.is_check_due() { #check }
                #looping
            },
        }
    );
    let pieces = Expr::Match(ExprMatch {
        attrs: Vec::new(),
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
    });
    block(attrs, vec![Stmt::Expr(pieces, Some(syn::token::Semi(at(keyword))))])
}

/// ```text
/// Output: { let every: usize = N; LOOP }
/// ```
/// If it is no number that can be repeated.
pub(crate) fn evaluate_before(looping: &mut Expr, every: &Turns) {
    let binding = every.binding();
    if !binding.is_empty() {
        *looping = after(binding, std::mem::replace(looping, Expr::PLACEHOLDER));
    }
}

/// ```text
/// Output: { STATEMENT LOOP }
/// ```
fn after(statement: TokenStream, mut looping: Expr) -> Expr {
    let attrs = helpers::attrs_mut(&mut looping).map(std::mem::take).unwrap_or_default();
    block(
        attrs,
        vec![Stmt::Expr(Expr::Verbatim(statement), None), Stmt::Expr(looping, None)],
    )
}

/// Where what a `for` goes through comes from: its first and its last token.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    first: Span,
    last: Span,
}

impl Header {
    /// As the user has written it.
    pub(crate) fn of(items: &Expr) -> Self {
        Header {
            first: first_span(items),
            last: last_span(items),
        }
    }

    /// ```text
    /// Output: IntoIterator::into_iter(EXPR)
    /// ```
    /// Reaches from the first to the last token, as the user's: what is no iterator is told of once, for rustc says the same of one
    /// stretch of code only once.
    fn into_iter(self, items: impl ToTokens, library: &Library) -> TokenStream {
        let path = library.private_at("IntoIterator", self.first);
        let mut arguments = Group::new(Delimiter::Parenthesis, items.to_token_stream());
        arguments.set_span(self.last);
        quote_spanned!(self.first=> #path::into_iter #arguments)
    }
}

fn block(attrs: Vec<Attribute>, stmts: Vec<Stmt>) -> Expr {
    Expr::Block(ExprBlock {
        attrs,
        label: None,
        block: Block {
            brace_token: syn::token::Brace::default(),
            stmts,
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

pub(crate) fn label(looping: &Expr) -> Option<&Label> {
    match looping {
        Expr::ForLoop(inner) => inner.label.as_ref(),
        Expr::While(inner) => inner.label.as_ref(),
        Expr::Loop(inner) => inner.label.as_ref(),
        _ => None,
    }
}
