//! Macro calls in a body: which are looked into, and how. The list is closed: any other macro is left alone, since
//! nobody knows what its tokens mean.
//!
//! | macro | how |
//! |---|---|
//! | `vec!`, `format!`, `format_args!`, `print!`, `println!`, `eprint!`, `eprintln!`, `write!`, `writeln!`, `panic!`, `todo!`, `unimplemented!`, `unreachable!`, `assert_eq!`, `assert_ne!`, `debug_assert_eq!`, `debug_assert_ne!`, `pin!`, `race!`; `bail!`, `anyhow!`, `eyre!` | arguments are expressions, perhaps with a name, as in `println!("{x}", x = get().await)` |
//! | `assert!`, `debug_assert!`, `ensure!` | the same; the message goes on quoting the condition as it was written |
//! | `dbg!` | the same, of one argument |
//! | `matches!` | the first argument is an expression; the pattern is left alone |
//! | `join!`, `try_join!` (of `tokio`, `futures`, or imported) | an await: see [`join`](Known::Join) |
//! | `select!`, `select_biased!` (likewise) | an await: see [`super::select`] |
//!
//! A macro whose tokens do not have that form is left alone. Only one in which a check point was put is changed.

use super::Rewriter;
use super::awaits::guard;
use super::exit::Exit;
use super::{helpers, select};
use crate::duration::peel;
use crate::lints;
use crate::paths::{at, variable};
use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::visit_mut::VisitMut;
use syn::{Arm, Expr, Macro, Path, Token};

#[derive(Clone, Copy, PartialEq)]
enum Known {
    /// Comma-separated expressions.
    Arguments,
    /// A condition, whose text is shown when it fails.
    Assert,
    /// The same, of `anyhow` and `eyre`.
    Ensure,
    /// A value, shown with its text.
    Dbg,
    /// An expression and a pattern.
    Matches,
    /// ```text
    /// Input:  tokio::join!(a(), b)
    /// Output: {
    ///             let (future0, future1) = (a(), b);
    ///             match Site.guard(async move { tokio::join!(future0, future1) }).await { … }
    ///         }
    /// ```
    /// The futures are made outside the block, so that `?` and `.await` in their expressions are this function's.
    Join,
    /// Branches.
    Select,
}

const KNOWN: [(&str, Known); 30] = [
    ("vec", Known::Arguments),
    ("format", Known::Arguments),
    ("format_args", Known::Arguments),
    ("print", Known::Arguments),
    ("println", Known::Arguments),
    ("eprint", Known::Arguments),
    ("eprintln", Known::Arguments),
    ("write", Known::Arguments),
    ("writeln", Known::Arguments),
    ("panic", Known::Arguments),
    ("todo", Known::Arguments),
    ("unimplemented", Known::Arguments),
    ("unreachable", Known::Arguments),
    ("assert_eq", Known::Arguments),
    ("assert_ne", Known::Arguments),
    ("debug_assert_eq", Known::Arguments),
    ("debug_assert_ne", Known::Arguments),
    ("pin", Known::Arguments),
    ("race", Known::Arguments),
    ("bail", Known::Arguments),
    ("ensure", Known::Ensure),
    ("anyhow", Known::Arguments),
    ("eyre", Known::Arguments),
    ("assert", Known::Assert),
    ("debug_assert", Known::Assert),
    ("dbg", Known::Dbg),
    ("matches", Known::Matches),
    ("join", Known::Join),
    ("try_join", Known::Join),
    ("select", Known::Select),
];

/// Crates whose `join!` and `select!` these are; imported ones stand alone.
const FUTURE_CRATES: [&str; 5] = ["tokio", "futures", "futures_util", "futures_lite", "future"];

impl Rewriter<'_> {
    /// Looks into a macro call. `Some` is what takes the place of the whole call.
    ///
    /// `awaited`: the call is what an `.await` is on, and so makes a future: `try_join!` is then this library's.
    /// `gives_way`: if it is an await itself, other tasks run before it now and then.
    pub(super) fn visit_macro(&mut self, mac: &mut Macro, awaited: bool, gives_way: bool) -> Option<Expr> {
        let known = self.known(&mac.path, awaited)?;
        match known {
            Known::Arguments => self.arguments(mac),
            Known::Assert => self.assertion(mac, "assertion failed: ", ""),
            Known::Ensure => self.assertion(mac, "Condition failed: `", "`"),
            Known::Dbg => return self.debugged(mac),
            Known::Matches => self.matches(mac),
            Known::Join => return self.join(mac, gives_way),
            Known::Select => return self.select(mac, gives_way),
        }
        None
    }

    /// Whether a call is a check point by itself, for it is an await.
    pub(super) fn is_await(&self, mac: &Macro) -> bool {
        match self.known(&mac.path, false) {
            Some(Known::Join) => joined(mac).is_some(),
            Some(Known::Select) => select::parse(mac).is_some(),
            _ => false,
        }
    }

    fn known(&self, path: &Path, awaited: bool) -> Option<Known> {
        let mut names = path.segments.iter().rev().map(|segment| segment.ident.to_string());
        let name = names.next()?;
        let qualifier = names.next();
        let name = if name == "select_biased" { "select" } else { &name };
        let (_, known) = KNOWN.iter().find(|(known, _)| name == *known)?;
        match known {
            Known::Join | Known::Select => {
                let ours = awaited || qualifier.as_deref() == Some("cancelable");
                if ours && *known == Known::Join {
                    return Some(Known::Arguments);
                }
                let theirs = qualifier.is_none_or(|name| FUTURE_CRATES.contains(&name.as_str()));
                (self.rules.asynchronous && theirs).then_some(*known)
            }
            other => Some(*other),
        }
    }

    /// Visits each of the arguments that is an expression; gives back the changed tokens, if any changed.
    fn arguments(&mut self, mac: &mut Macro) {
        let parser = |input: ParseStream<'_>| {
            let first: Expr = if input.is_empty() {
                return Ok(None);
            } else {
                input.parse()?
            };
            if input.peek(Token![;]) {
                // `vec![element; length]`
                let semicolon: Token![;] = input.parse()?;
                let length: Expr = input.parse()?;
                return Ok(Some((
                    vec![first, length],
                    Punctuated::<Expr, Token![,]>::new(),
                    Some(semicolon),
                )));
            }
            let mut rest = Punctuated::<Expr, Token![,]>::new();
            rest.push_value(first);
            while !input.is_empty() {
                rest.push_punct(input.parse()?);
                if input.is_empty() {
                    break;
                }
                rest.push_value(input.parse()?);
            }
            Ok(Some((Vec::new(), rest, None)))
        };
        let Ok(Some((mut pair, mut list, semicolon))) = parser.parse2(mac.tokens.clone()) else {
            return;
        };
        let before = self.touched;
        for expr in pair.iter_mut().chain(list.iter_mut()) {
            self.visit_argument(expr);
        }
        if self.touched == before {
            return;
        }
        mac.tokens = match (pair.as_slice(), semicolon) {
            ([element, length], Some(semicolon)) => quote!(#element #semicolon #length),
            _ => list.into_token_stream(),
        };
    }

    /// An argument, or the value of a named one.
    fn visit_argument(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Assign(named) if matches!(&*named.left, Expr::Path(_)) => self.visit_expr_mut(&mut named.right),
            other => self.visit_expr_mut(other),
        }
    }

    /// ```text
    /// Input:  assert!(ready().await)
    /// Output: assert!(match … { … }, "{}", concat!("assertion failed: ", stringify!(ready().await), ""))
    /// ```
    fn assertion(&mut self, mac: &mut Macro, before: &str, after: &str) {
        let list = Punctuated::<Expr, Token![,]>::parse_terminated;
        let Ok(parsed) = list.parse2(mac.tokens.clone()) else {
            return;
        };
        let written = (parsed.len() == 1).then(|| parsed.first().to_token_stream());
        let untouched = self.touched;
        self.arguments(mac);
        if let Some(written) = written.filter(|_| self.touched != untouched) {
            let span = at(name_span(&mac.path));
            let condition = list
                .parse2(mac.tokens.clone())
                .map(|list| list.first().to_token_stream());
            let condition = condition.unwrap_or_else(|_| mac.tokens.clone());
            mac.tokens = quote_spanned!(span=>
                #condition, "{}", ::core::concat!(#before, ::core::stringify!(#written), #after)
            );
        }
    }

    /// ```text
    /// Input:  dbg!(get().await)
    /// Output: match REWRITTEN {
    ///             value => {
    ///                 eprintln!("[{}:{}:{}] {} = {:#?}", file!(), line!(), column!(), stringify!(get().await), &value);
    ///                 value
    ///             }
    ///         }
    /// ```
    /// What `dbg!` itself does; but it would show the rewritten expression.
    fn debugged(&mut self, mac: &Macro) -> Option<Expr> {
        let mut list = Punctuated::<Expr, Token![,]>::parse_terminated
            .parse2(mac.tokens.clone())
            .ok()?;
        let before = self.touched;
        let written = match &list {
            list if list.len() == 1 => list.first().to_token_stream(),
            _ => return None,
        };
        let expr = list.first_mut()?;
        self.visit_expr_mut(expr);
        if self.touched == before {
            return None;
        }
        let span = name_span(&mac.path);
        let value = variable("value", span);
        // `line!()` tells the line of its own call: the user's.
        let [file, line, column] = ["file", "line", "column"].map(|name| {
            let name = Ident::new(name, span);
            let bang = quote_spanned!(span=> !());
            quote_spanned!(span=> ::core::#name #bang)
        });
        let shown = quote_spanned!(at(span)=>
            match #expr {
                #value => {
                    ::std::eprintln!(
                        "[{}:{}:{}] {} = {:#?}", #file, #line, #column, ::core::stringify!(#written), &#value
                    );
                    #value
                }
            }
        );
        Some(parenthesized(shown))
    }

    fn matches(&mut self, mac: &mut Macro) {
        let parser = |input: ParseStream<'_>| {
            let expr: Expr = input.parse()?;
            let comma: Token![,] = input.parse()?;
            Ok((expr, comma, input.parse::<TokenStream>()?))
        };
        let Ok((mut expr, comma, pattern)) = parser.parse2(mac.tokens.clone()) else {
            return;
        };
        let before = self.touched;
        self.visit_expr_mut(&mut expr);
        if self.touched != before {
            mac.tokens = quote!(#expr #comma #pattern);
        }
    }

    fn join(&mut self, mac: &Macro, gives_way: bool) -> Option<Expr> {
        let (biased, mut futures) = joined(mac)?;
        for future in &mut futures {
            self.visit_expr_mut(future);
        }
        let span = name_span(&mac.path);
        let names: Vec<Ident> = (0..futures.len())
            .map(|index| variable(&format!("future{index}"), span))
            .collect();
        let futures = futures.iter();
        let path = &mac.path;
        let block = quote_spanned!(at(span)=> async move { #path!(#biased #(#names),*) });
        let (awaited, arms) = self.await_block(block, gives_way, span);
        let awaited = match arms {
            Some(arms) => quote_spanned!(at(span)=> match #awaited { #(#arms)* }),
            None => awaited,
        };
        Some(block_expr(quote_spanned!(at(span)=>
            let (#(#names,)*) = (#(#futures,)*);
            #awaited
        )))
    }

    fn select(&mut self, mac: &Macro, gives_way: bool) -> Option<Expr> {
        let select = select::parse(mac)?;
        Some(self.select_branches(select, &mac.path, gives_way))
    }

    /// The guarded await of a block that a macro was put in, to be matched by the arms; without arms, it is the value.
    pub(super) fn await_block(
        &mut self,
        block: TokenStream,
        gives_way: bool,
        span: Span,
    ) -> (TokenStream, Option<[Arm; 2]>) {
        self.points.awaits += 1;
        self.touched += 1;
        let call = guard(block, self.manner, gives_way, self.rules, span);
        match &self.exit {
            // As in `awaits::guarded`: an `.await` in an arm would hold the value.
            Exit::GiveUp(slot) => (quote_spanned!(at(span)=> #slot.or_give_up(#call).await), None),
            exit => {
                let arms = exit.arms(self.rules.library, span);
                (quote_spanned!(at(span)=> #call.await), Some(arms))
            }
        }
    }
}

/// The word `biased` and the futures of a `join!`. `None` if these are none.
fn joined(mac: &Macro) -> Option<(Option<TokenStream>, Punctuated<Expr, Token![,]>)> {
    let parser = |input: ParseStream<'_>| {
        let biased = select::biased(input)?;
        let futures = Punctuated::<Expr, Token![,]>::parse_terminated(input)?;
        Ok((biased, futures))
    };
    let (biased, futures) = parser.parse2(mac.tokens.clone()).ok()?;
    (!futures.is_empty()).then_some((biased, futures))
}

pub(super) fn name_span(path: &Path) -> Span {
    path.segments
        .last()
        .map_or_else(Span::call_site, |segment| segment.ident.span())
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

fn parenthesized(tokens: TokenStream) -> Expr {
    match syn::parse2::<Expr>(tokens.clone()) {
        Ok(expr) => peel(&expr).clone(),
        Err(_) => Expr::Verbatim(tokens),
    }
}
