//! `select!`: an await whose branches are this function's code.
//!
//! ```text
//! Input:  tokio::select! {
//!             biased;
//!             Some(x) = rx.recv(), if open => HANDLER0,
//!             _ = &mut sleep => HANDLER1,
//!             else => HANDLER2,
//!         }
//! Output: {
//!             let (condition0,) = (open,);
//!             let (future0, future1) = (rx.recv(), &mut sleep);
//!             match Site.guard(async {
//!                 let (mut future0, mut future1) = (future0, future1);
//!                 tokio::select! {
//!                     biased;
//!                     value @ Some(_) = future0, if condition0 => Left(value),
//!                     value @ _ = future1 => Right(Left(value)),
//!                     else => Right(Right(())),
//!                 }
//!             })
//!             .await
//!             {
//!                 Ok(Left(Some(x))) => HANDLER0,
//!                 Ok(Right(Left(_))) => HANDLER1,
//!                 Ok(Right(Right(()))) => HANDLER2,
//!                 Ok(_) => unreachable!(),
//!                 Err(cancelled) => return from_cancelled::<R>(cancelled),
//!             }
//!         }
//! ```
//!
//! The inner `select!` decides as it would have: which branches are disabled, by condition or by pattern, and so when
//! `else` runs. A cancel is one more way for it to end, as a whole, when every branch is pending. Conditions, futures
//! and handlers stay outside the block, so that `?`, `return`, `break` and `.await` in them are this function's.
//!
//! A future that is a plain variable is not moved out beforehand: `futures::select!` polls such a one where it is, and
//! a loop goes on with it.

use super::Rewriter;
use super::blocks::block_expr;
use super::exit::Exit;
use crate::duration::peel;
use crate::paths::{at, name_span, variable};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprBlock, Macro, Pat, Token};

pub(super) struct Select {
    biased: Option<TokenStream>,
    branches: Vec<Branch>,
}

impl Select {
    /// Futures, conditions and what handles them.
    pub(super) fn into_expressions(self) -> Vec<Expr> {
        let branches = self.branches.into_iter().flat_map(|branch| match branch {
            Branch::Future(branch) => {
                let FutureBranch {
                    future,
                    condition,
                    handler,
                    ..
                } = *branch;
                [Some(future), condition, Some(handler)]
            }
            Branch::Otherwise { handler, .. } => [Some(*handler), None, None],
        });
        branches.flatten().collect()
    }
}

enum Branch {
    Future(Box<FutureBranch>),
    /// `else`, `complete` or `default`: `WORD => HANDLER`
    Otherwise {
        word: Ident,
        handler: Box<Expr>,
    },
}

/// `PAT = FUTURE, if CONDITION => HANDLER`
struct FutureBranch {
    pat: Pat,
    /// The pattern without its variables.
    asked: TokenStream,
    future: Expr,
    condition: Option<Expr>,
    handler: Expr,
}

/// `biased;`
pub(super) fn biased(input: ParseStream<'_>) -> syn::Result<Option<TokenStream>> {
    let ahead = input.fork();
    if ahead.parse::<Ident>().is_ok_and(|word| word == "biased") && ahead.peek(Token![;]) {
        let word: Ident = input.parse()?;
        let semicolon: Token![;] = input.parse()?;
        return Ok(Some(quote!(#word #semicolon)));
    }
    Ok(None)
}

/// `None` if these are not the branches of a `select!`.
pub(super) fn parse(mac: &Macro) -> Option<Select> {
    let parser = |input: ParseStream<'_>| {
        let biased = biased(input)?;
        let mut branches = Vec::new();
        while !input.is_empty() {
            branches.push(parse_branch(input)?);
        }
        Ok(Select { biased, branches })
    };
    let select = parser.parse2(mac.tokens.clone()).ok()?;
    select
        .branches
        .iter()
        .any(|branch| matches!(branch, Branch::Future(_)))
        .then_some(select)
}

fn parse_branch(input: ParseStream<'_>) -> syn::Result<Branch> {
    let ahead = input.fork();
    let word = ahead.call(<Ident as syn::ext::IdentExt>::parse_any);
    if let Ok(word) = word {
        if ["else", "complete", "default"].iter().any(|other| word == other) && ahead.peek(Token![=>]) {
            let word = input.call(<Ident as syn::ext::IdentExt>::parse_any)?;
            input.parse::<Token![=>]>()?;
            return Ok(Branch::Otherwise {
                word,
                handler: Box::new(parse_handler(input)?),
            });
        }
    }
    let pat = Pat::parse_multi_with_leading_vert(input)?;
    let asked = asked(&pat).ok_or_else(|| input.error("a pattern that cannot be asked twice"))?;
    input.parse::<Token![=]>()?;
    let future = input.parse()?;
    let condition = if input.peek(Token![,]) {
        input.parse::<Token![,]>()?;
        input.parse::<Token![if]>()?;
        Some(input.parse()?)
    } else {
        None
    };
    input.parse::<Token![=>]>()?;
    let handler = parse_handler(input)?;
    Ok(Branch::Future(Box::new(FutureBranch {
        pat,
        asked,
        future,
        condition,
        handler,
    })))
}

/// A block ends by itself; anything else ends with a comma, or with the macro.
fn parse_handler(input: ParseStream<'_>) -> syn::Result<Expr> {
    if input.peek(syn::token::Brace) {
        let block: ExprBlock = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        return Ok(Expr::Block(block));
    }
    let handler = input.parse()?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(handler)
}

/// The pattern without its variables, which matches the same values and moves nothing: `Some(_)` of `Some(ref mut x)`.
fn asked(pat: &Pat) -> Option<TokenStream> {
    let mut pat = pat.clone();
    let mut forget = Forget { possible: true };
    forget.visit_pat_mut(&mut pat);
    forget.possible.then(|| match &pat {
        Pat::Or(_) => quote!((#pat)),
        other => other.to_token_stream(),
    })
}

struct Forget {
    possible: bool,
}

impl VisitMut for Forget {
    fn visit_pat_mut(&mut self, pat: &mut Pat) {
        match pat {
            Pat::Ident(ident) => {
                if let Some((_, subpattern)) = ident.subpat.take() {
                    *pat = *subpattern;
                    self.visit_pat_mut(pat);
                } else if !ident.ident.to_string().starts_with(|first: char| first.is_uppercase()) {
                    // A variable; with a capital it is a constant or a unit variant, and is asked for.
                    let span = ident.ident.span();
                    *pat = Pat::Wild(syn::PatWild {
                        attrs: Vec::new(),
                        underscore_token: Token![_](span),
                    });
                }
            }
            // What these bind, nobody can tell.
            Pat::Macro(_) | Pat::Verbatim(_) | Pat::Guard(_) => self.possible = false,
            other => visit_mut::visit_pat_mut(self, other),
        }
    }

    fn visit_field_pat_mut(&mut self, field: &mut syn::FieldPat) {
        if field.colon_token.is_none() {
            // `Message { id, .. }` to `Message { id: _, .. }`
            field.colon_token = Some(<Token![:]>::default());
        }
        self.visit_pat_mut(&mut field.pat);
    }
}

impl Rewriter<'_> {
    pub(super) fn select(&mut self, mac: &Macro, gives_way: bool) -> Option<Expr> {
        let select = parse(mac)?;
        let path = &mac.path;
        let span = name_span(path);
        let last = select.branches.len() - 1;
        let value = variable("value", span);
        let result = self.rules.library.private("Result", span);
        // Without a value to leave with, the await has the value itself.
        let is_result = !matches!(self.exit, Exit::GiveUp(_));
        let given = |chosen: TokenStream| {
            if is_result {
                quote_spanned!(at(span)=> #result::Ok(#chosen))
            } else {
                chosen
            }
        };

        let before = self.left.place();
        let mut ends = Vec::new();
        let (mut conditions, mut condition_names) = (Vec::new(), Vec::new());
        let (mut futures, mut future_names) = (Vec::new(), Vec::new());
        let (mut asked, mut handled) = (TokenStream::new(), TokenStream::new());
        for (index, branch) in select.branches.into_iter().enumerate() {
            match branch {
                Branch::Future(branch) => {
                    let FutureBranch {
                        pat,
                        asked: shape,
                        mut future,
                        condition,
                        mut handler,
                    } = *branch;
                    let condition = condition.map(|mut condition| {
                        self.visit_expr_mut(&mut condition);
                        let name = variable(&format!("condition{index}"), span);
                        conditions.push(condition);
                        condition_names.push(name.clone());
                        quote_spanned!(at(span)=> , if #name)
                    });
                    let polled = if matches!(peel(&future), Expr::Path(_)) {
                        future.to_token_stream()
                    } else {
                        self.visit_expr_mut(&mut future);
                        let name = variable(&format!("future{index}"), span);
                        futures.push(future);
                        future_names.push(name.clone());
                        name.to_token_stream()
                    };
                    self.visit_expr_mut(&mut handler);
                    ends.push(self.left.back_to(before));
                    let chosen = self.position(index, last, &value.to_token_stream(), span);
                    let bound = match pat {
                        Pat::Ident(_) | Pat::Wild(_) if shape.to_string() == "_" => value.to_token_stream(),
                        _ => quote_spanned!(at(span)=> #value @ #shape),
                    };
                    asked.extend(quote_spanned!(at(span)=> #bound = #polled #condition => #chosen,));
                    let pat = match pat {
                        Pat::Or(_) => quote!((#pat)),
                        other => other.to_token_stream(),
                    };
                    let chosen = self.position(index, last, &pat, span);
                    let chosen = given(chosen);
                    handled.extend(quote_spanned!(at(span)=> #chosen => #handler,));
                }
                Branch::Otherwise { word, mut handler } => {
                    self.visit_expr_mut(&mut handler);
                    ends.push(self.left.back_to(before));
                    let chosen = self.position(index, last, &quote_spanned!(at(span)=> ()), span);
                    asked.extend(quote_spanned!(at(span)=> #word => #chosen,));
                    let chosen = given(chosen);
                    handled.extend(quote_spanned!(at(span)=> #chosen => #handler,));
                }
            }
        }

        let biased = select.biased;
        let block = quote_spanned!(at(span)=> async {
            #[allow(unused_mut)] // `futures::select!` needs it, `tokio::select!` does not
            let (#(mut #future_names,)*) = (#(#future_names,)*);
            #path! { #biased #asked }
        });
        let (awaited, arms) = self.await_block(block, gives_way, span);
        self.left.ends();
        ends.into_iter().for_each(|end| self.left.or_from(end));
        // The arm of the value becomes the arms of the branches.
        let failed = arms.map(|[_, failed]| failed);
        let others = given(quote_spanned!(at(span)=> _));
        Some(block_expr(quote_spanned!(at(span)=>
            let (#(#condition_names,)*) = (#(#conditions,)*);
            let (#(#future_names,)*) = (#(#futures,)*);
            match #awaited {
                #handled
                #[allow(unreachable_patterns)] // where no pattern can fail
                #others => ::core::unreachable!(),
                #failed
            }
        )))
    }

    /// The `index`-th of the alternatives up to `last`: `Left(x)`, `Right(Left(x))`, … and `Right(Right(x))`.
    fn position(&self, index: usize, last: usize, inner: &TokenStream, span: Span) -> TokenStream {
        let either = self.rules.library.private("Either", span);
        let mut tokens = if index == last {
            inner.clone()
        } else {
            quote_spanned!(at(span)=> #either::Left(#inner))
        };
        for _ in 0..index {
            tokens = quote_spanned!(at(span)=> #either::Right(#tokens));
        }
        tokens
    }
}
