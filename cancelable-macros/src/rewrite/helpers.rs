//! `#[cancelable(skip)]`, `#[cancelable(finish)]`, `#[cancelable(break)]` inside a body.

use crate::diag::{Errors, nearest, one_of};
use proc_macro2::{Ident, Span};
use syn::ext::IdentExt as _;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, Item, Meta};

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Word {
    Skip,
    Finish,
    Break,
}

#[derive(Clone, Copy)]
pub(crate) struct Helper {
    pub(crate) word: Word,
    pub(crate) span: Span,
}

const WORDS: [(&str, Word); 3] = [("skip", Word::Skip), ("finish", Word::Finish), ("break", Word::Break)];

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
            && WORDS
                .iter()
                .any(|(word, _)| said(attr).is_some_and(|said| said == word))
}

/// Whether an attribute inside a body is ours and says `word`.
pub(crate) fn says(attr: &Attribute, word: &str) -> bool {
    is_helper(attr) && said(attr).is_some_and(|said| said == word)
}

/// The one word in its parentheses.
fn said(attr: &Attribute) -> Option<Ident> {
    attr.parse_args_with(Ident::parse_any).ok()
}

/// Takes our attributes out of `attrs`. At most one stands on one thing; a second is refused.
pub(crate) fn take(attrs: &mut Vec<Attribute>, errors: &mut Errors) -> Option<Helper> {
    let mut found = None;
    attrs.retain(|attr| {
        if !is_helper(attr) {
            return true;
        }
        if let Some(helper) = read(attr, errors) {
            if found.is_some() {
                errors.at(
                    helper.span,
                    "only one of `skip`, `finish` and `break` goes on one thing; remove one of them",
                );
            } else {
                found = Some(helper);
            }
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

fn read(attr: &Attribute, errors: &mut Errors) -> Option<Helper> {
    let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    let Meta::List(list) = &attr.meta else {
        errors.on(
            attr.path(),
            format!(
                "inside an annotated function, expected `#[cancelable(…)]` with one of {}",
                one_of(&words)
            ),
        );
        return None;
    };
    let word = match list.parse_args_with(Ident::parse_any) {
        Ok(word) => word,
        Err(_) => {
            errors.on(
                if list.tokens.is_empty() { quote::ToTokens::to_token_stream(&list.path) } else { list.tokens.clone() },
                format!(
                    "inside an annotated function, expected one of {}; options go on the function, or on `cancel_scope!`",
                    one_of(&words)
                ),
            );
            return None;
        }
    };
    let text = word.to_string();
    match WORDS.iter().find(|(name, _)| text == *name) {
        Some((_, found)) => Some(Helper {
            word: *found,
            span: word.span(),
        }),
        None => {
            let hint = nearest(&text, &words)
                .map(|near| format!("did you mean `{near}`? "))
                .unwrap_or_default();
            errors.at(
                word.span(),
                format!(
                    "unknown word `{text}` inside an annotated function; {hint}expected one of {}",
                    one_of(&words)
                ),
            );
            None
        }
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
                self.errors.on(
                    attr.path(),
                    format!("{what}, so this attribute has no effect here; remove it"),
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
    macro_rules! attrs {
        ($($variant:ident)*) => {
            match expr {
                $(Expr::$variant(inner) => Some(&mut inner.attrs),)*
                _ => None,
            }
        };
    }
    attrs! {
        Array Assign Async Await Binary Block Break Call Cast Closure Const Continue Field ForLoop Group If Index Infer
        Let Lit Loop Macro Match MethodCall Paren Path Range RawAddr Reference Repeat Return Struct Try TryBlock Tuple
        Unary Unsafe While Yield
    }
}
