//! `#[cancelable(skip)]`, `#[cancelable(finish)]`, `#[cancelable(break)]`, `#[cancelable(every = N)]`,
//! `#[cancelable(shield)]` inside a body.

use crate::diag::{Errors, nearest, one_of};
use crate::duration::DurationValue;
use crate::paths::variable;
use crate::turns::Turns;
use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, Item, Meta, Token};

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Word {
    Skip,
    Finish,
    Break,
    Every,
    Shield,
}

#[derive(Clone)]
pub(crate) struct Helper {
    pub(crate) word: Word,
    pub(crate) span: Span,
    /// Turns between two checks of this loop; goes with `break`, too.
    pub(crate) every: Option<Turns>,
    /// How long a shield may take.
    pub(crate) limit: Option<DurationValue>,
}

const WORDS: [(&str, Word); 5] = [
    ("skip", Word::Skip),
    ("finish", Word::Finish),
    ("break", Word::Break),
    ("every", Word::Every),
    ("shield", Word::Shield),
];
/// How they are written.
const WRITTEN: [&str; 5] = ["skip", "finish", "break", "every = N", "shield"];

/// An attribute is ours by its last name: it may be written `#[cancelable::cancelable(skip)]` too.
pub(crate) fn is_ours(attr: &Attribute) -> bool {
    matches!(attr.style, syn::AttrStyle::Outer)
        && attr
            .path()
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "cancelable")
}

/// Whether an attribute inside a body is ours, by its name or by what it says: `use cancelable::cancelable as c` makes it
/// `#[c(skip)]`. Rustc lets nobody's macro stand there, and its own attributes do not say these words.
pub(super) fn is_helper(attr: &Attribute) -> bool {
    const RUSTC: [&str; 7] = ["cfg", "cfg_attr", "allow", "expect", "warn", "deny", "forbid"];
    is_ours(attr)
        || matches!(attr.style, syn::AttrStyle::Outer)
            && !RUSTC.iter().any(|name| attr.path().is_ident(name))
            && said(attr)
                .iter()
                .any(|said| WORDS.iter().any(|(word, _)| said.name == word))
}

/// Whether an attribute inside a body is ours and says `word`.
pub(crate) fn says(attr: &Attribute, word: &str) -> bool {
    is_helper(attr) && said(attr).iter().any(|said| said.name == word)
}

/// Whether an attribute inside a body keeps the function's check points out.
pub(super) fn is_apart(attr: &Attribute) -> bool {
    says(attr, "skip") || says(attr, "shield")
}

/// Whether it is a `shield = LIMIT`.
pub(crate) fn has_limit(attr: &Attribute) -> bool {
    said(attr)
        .iter()
        .any(|said| said.name == "shield" && said.value.is_some())
}

/// The words in its parentheses; none if it is something else that stands there.
fn said(attr: &Attribute) -> Vec<Said> {
    let said = attr.parse_args_with(Punctuated::<Said, Token![,]>::parse_terminated);
    said.map(|said| said.into_iter().collect()).unwrap_or_default()
}

/// Takes our attributes out of `attrs`. At most one stands on one thing; a second is refused.
pub(crate) fn take(attrs: &mut Vec<Attribute>, errors: &mut Errors) -> Option<Helper> {
    let mut found: Option<Helper> = None;
    attrs.retain(|attr| {
        if !is_helper(attr) {
            return true;
        }
        for helper in read(attr, errors) {
            found = Some(match found.take() {
                None => helper,
                Some(first) => first.and(helper, errors),
            });
        }
        false
    });
    found
}

/// Takes our attributes off a statement that is an expression. The parser puts them on the leftmost operand, rustc's
/// way; but whoever writes `#[cancelable(finish)] total = next().await;` means the statement.
pub(crate) fn take_from_statement(expr: &mut Expr, errors: &mut Errors) -> Option<Helper> {
    let mut found = None;
    let mut target = expr;
    loop {
        if let Some(attrs) = attrs_mut(target) {
            if let Some(helper) = take(attrs, errors) {
                found.get_or_insert(helper);
            }
        }
        target = match target {
            Expr::Assign(assign) => &mut assign.left,
            Expr::Binary(binary) => &mut binary.left,
            Expr::Cast(cast) => &mut cast.expr,
            _ => return found,
        };
    }
}

impl Helper {
    /// Both, on one thing: only `break` and `every` go together.
    fn and(self, other: Helper, errors: &mut Errors) -> Helper {
        match (self.word, other.word) {
            (Word::Break, Word::Every) => Helper {
                every: other.every,
                ..self
            },
            (Word::Every, Word::Break) if self.every.is_some() => Helper {
                every: self.every,
                ..other
            },
            _ => {
                errors.at(
                    other.span,
                    "only one of `skip`, `finish`, `shield` and `break` goes on one thing, and `every = N` only beside `break`; remove one of them",
                );
                self
            }
        }
    }
}

fn read(attr: &Attribute, errors: &mut Errors) -> Vec<Helper> {
    let Meta::List(list) = &attr.meta else {
        errors.on(
            attr.path(),
            format!(
                "inside an annotated function, expected `#[cancelable(…)]` with one of {}",
                one_of(&WRITTEN)
            ),
        );
        return Vec::new();
    };
    let said = match list.parse_args_with(Punctuated::<Said, Token![,]>::parse_terminated) {
        Ok(said) if !said.is_empty() && said.iter().all(Said::may_be) => said,
        _ => {
            errors.on(
                if list.tokens.is_empty() { list.path.to_token_stream() } else { list.tokens.clone() },
                format!(
                    "inside an annotated function, expected one of {}; options go on the function, or on `cancel_scope!`",
                    one_of(&WRITTEN)
                ),
            );
            return Vec::new();
        }
    };
    said.into_iter().filter_map(|said| said.helper(errors)).collect()
}

/// `word` or `word = value`
struct Said {
    name: Ident,
    value: Option<Expr>,
}

impl Parse for Said {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(Said { name, value })
    }
}

impl Said {
    /// Whether it has a value only where there may be one.
    fn may_be(&self) -> bool {
        self.value.is_none() || self.name == "every" || self.name == "shield"
    }

    fn helper(self, errors: &mut Errors) -> Option<Helper> {
        let (text, span) = (self.name.to_string(), self.name.span());
        let Some((_, word)) = WORDS.iter().find(|(name, _)| text == *name) else {
            let hint = nearest(&text, &WORDS.map(|(name, _)| name))
                .map(|near| format!("did you mean `{near}`? "))
                .unwrap_or_default();
            errors.at(
                span,
                format!(
                    "unknown word `{text}` inside an annotated function; {hint}expected one of {}",
                    one_of(&WRITTEN)
                ),
            );
            return None;
        };
        let mut helper = Helper {
            word: *word,
            span,
            every: None,
            limit: None,
        };
        match (word, self.value) {
            (Word::Every, Some(value)) => {
                let name = variable("every_here", span);
                helper.every = Some(Turns::from_expr("every", "every = 1024", name, value, errors)?);
            }
            (Word::Every, None) => {
                errors.at(span, "expected `every = 1024`, found `every`");
                return None;
            }
            (Word::Shield, Some(value)) => helper.limit = Some(DurationValue::from_expr("shield", value, errors)?),
            _ => {}
        }
        Some(helper)
    }
}

/// Clears a stretch of code that no check point goes into of our attributes, and says that they mean nothing there.
pub(crate) struct Clear<'a> {
    pub(crate) errors: &'a mut Errors,
    /// What the stretch is, in the plural: "closures".
    pub(crate) what: &'static str,
}

impl VisitMut for Clear<'_> {
    fn visit_attributes_mut(&mut self, attrs: &mut Vec<Attribute>) {
        let what = self.what;
        attrs.retain(|attr| {
            if is_helper(attr) {
                let remedy = if has_limit(attr) {
                    "for the limit, put a `shield!(timeout = …, …)` here"
                } else {
                    "remove it"
                };
                self.errors.on(
                    attr.path(),
                    format!("{what}, so this attribute has no effect here; {remedy}"),
                );
                return false;
            }
            true
        });
    }

    // An item's attributes are its own, and `#[cancelable]` on a nested function means that function.
    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// Clears without a word: for code that is handed back because of other mistakes.
pub(crate) struct Strip;

impl VisitMut for Strip {
    fn visit_attributes_mut(&mut self, attrs: &mut Vec<Attribute>) {
        attrs.retain(|attr| !is_helper(attr));
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// Whether our attribute stands anywhere in code that is about to be left alone.
pub(crate) fn clear_expr(expr: &mut Expr, what: &'static str, errors: &mut Errors) {
    visit_mut::visit_expr_mut(&mut Clear { errors, what }, expr);
}

/// The attributes of an expression, where its kind can have some.
pub(crate) fn attrs_mut(expr: &mut Expr) -> Option<&mut Vec<Attribute>> {
    each_variant!(expr, &mut)
}

/// The same, to read.
pub(crate) fn attrs(expr: &Expr) -> Option<&Vec<Attribute>> {
    each_variant!(expr, &)
}

macro_rules! each_variant {
    ($expr:ident, $($borrow:tt)+) => {
        each_variant!(@ $expr ($($borrow)+)
            Array Assign Async Await Binary Block Break Call Cast Closure Const Continue Field ForLoop Group If Index Infer
            Let Lit Loop Macro Match MethodCall Paren Path Range RawAddr Reference Repeat Return Struct Try TryBlock Tuple
            Unary Unsafe While Yield
        )
    };
    (@ $expr:ident $borrow:tt $($variant:ident)*) => {
        match $expr {
            $(Expr::$variant(inner) => Some(each_variant!(# $borrow inner)),)*
            _ => None,
        }
    };
    (# ($($borrow:tt)+) $inner:ident) => { $($borrow)+ $inner.attrs };
}
use each_variant;
