//! Macro calls in a body: which are looked into, and how. The list is closed: any other macro is left alone, since
//! nobody knows what its tokens mean.
//!
//! | macro | how |
//! |---|---|
//! | `vec!`, `format!`, `format_args!`, `print!`, `println!`, `eprint!`, `eprintln!`, `write!`, `writeln!`, `panic!`, `todo!`, `unimplemented!`, `unreachable!`, `assert_eq!`, `assert_ne!`, `debug_assert_eq!`, `debug_assert_ne!`, `pin!`, `race!`; `bail!`, `anyhow!`, `eyre!` | arguments are expressions, perhaps with a name, as in `println!("{x}", x = get().await)` |
//! | `assert!`, `debug_assert!`, `ensure!`, `dbg!` | the same; the first argument, whose text they show, is [quoted](Rewriter::quoting) |
//! | `matches!` | the first argument is an expression; the pattern is left alone |
//! | `join!`, `try_join!` (of `tokio`, `futures`, or imported) | an await: see [`super::join`] |
//! | `select!`, `select_biased!` (likewise) | an await: see [`super::select`] |
//!
//! A macro whose tokens do not have that form is left alone. Only one in which a check point was put is changed.
//!
//! Nobody can tell here whether a macro is the well-known one of its name, or the user's own. So the call stays what it is,
//! of the same macro with as many arguments: expressions are changed within, and nothing is assumed of what it makes of them.

use super::blocks::block_expr;
use super::{Rewriter, join, select};
use crate::paths::{at, name_span, variable};
use proc_macro2::{Punct, Spacing, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::visit_mut::VisitMut;
use syn::{Expr, Macro, Path, Token};

/// The expressions in a macro call that is looked into, as they are written; none in any other.
pub(crate) fn expressions(mac: &Macro) -> Vec<Expr> {
    let Some(name) = mac.path.segments.last().map(|segment| segment.ident.to_string()) else {
        return Vec::new();
    };
    let name = if name == "select_biased" { "select" } else { &name };
    let Some((_, known)) = KNOWN.iter().find(|(known, _)| name == *known) else {
        return Vec::new();
    };
    let parser = |input: ParseStream<'_>| {
        let mut found = Vec::new();
        while !input.is_empty() {
            found.push(input.parse::<Expr>()?);
            if input.is_empty() {
                break;
            }
            if *known == Known::Matches {
                input.parse::<TokenStream>()?;
            } else if input.peek(Token![;]) {
                input.parse::<Token![;]>()?;
            } else {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(found)
    };
    match known {
        Known::Select => select::parse(mac)
            .map(select::Select::into_expressions)
            .unwrap_or_default(),
        Known::Join => join::parse(mac)
            .map(|(_, futures)| futures.into_iter().collect())
            .unwrap_or_default(),
        _ => parser.parse2(mac.tokens.clone()).unwrap_or_default(),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Known {
    /// Comma-separated expressions.
    Arguments,
    /// A condition, whose text is shown when it fails.
    Condition,
    /// A value, shown with its text.
    Dbg,
    /// An expression and a pattern.
    Matches,
    /// Futures.
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
    ("ensure", Known::Condition),
    ("anyhow", Known::Arguments),
    ("eyre", Known::Arguments),
    ("assert", Known::Condition),
    ("debug_assert", Known::Condition),
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
            Known::Condition | Known::Dbg => return self.quoting(mac, known),
            Known::Matches => self.matches(mac),
            Known::Join => return self.join(mac, gives_way),
            Known::Select => return self.select(mac, gives_way),
        }
        None
    }

    /// Whether a call is a check point by itself, for it is an await.
    pub(super) fn is_await(&self, mac: &Macro) -> bool {
        match self.known(&mac.path, false) {
            Some(Known::Join) => join::parse(mac).is_some(),
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
    /// Input:  assert!(ready().await, "not yet")
    /// Output: {
    ///             let value = REWRITTEN;
    ///             macro_rules! cancelable { ($($written:tt)*) => { value } }
    ///             assert!(cancelable!(ready().await), "not yet")
    ///         }
    /// Input:  dbg!(get().await)
    /// Output: match REWRITTEN {
    ///             value => {
    ///                 macro_rules! cancelable { ($($written:tt)*) => { value } }
    ///                 dbg!(cancelable!(get().await))
    ///             }
    ///         }
    /// ```
    /// So what is shown is the user's text. A condition has done with its temporaries before its macro goes on; what `dbg!`
    /// gives back may borrow from them.
    fn quoting(&mut self, mac: &mut Macro, known: Known) -> Option<Expr> {
        let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
        let mut list = parser.parse2(mac.tokens.clone()).ok()?;
        let written = list.first().to_token_stream();
        let before = self.touched;
        self.visit_expr_mut(list.first_mut()?);
        let is_quoted = self.touched != before;
        for argument in list.iter_mut().skip(1) {
            self.visit_argument(argument);
        }
        if self.touched == before {
            return None;
        }
        if !is_quoted {
            mac.tokens = list.into_token_stream();
            return None;
        }
        let span = at(name_span(&mac.path));
        let value = variable("value", span);
        // Joint, so that it is shown without a space behind it.
        let mut bang = Punct::new('!', Spacing::Joint);
        bang.set_span(span);
        let quoted = quote_spanned!(span=> cancelable #bang (#written));
        let rewritten = std::mem::replace(list.first_mut()?, Expr::Verbatim(quoted));
        let path = &mac.path;
        let shown = quote_spanned!(span=>
            macro_rules! cancelable { ($($written:tt)*) => { #value } }
            #path!(#list)
        );
        Some(match known {
            Known::Dbg => parenthesized(quote_spanned!(span=> match #rewritten { #value => { #shown } })),
            _ => block_expr(quote_spanned!(span=> let #value = #rewritten; #shown)),
        })
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
}

fn parenthesized(tokens: TokenStream) -> Expr {
    syn::parse2(tokens.clone()).unwrap_or(Expr::Verbatim(tokens))
}
