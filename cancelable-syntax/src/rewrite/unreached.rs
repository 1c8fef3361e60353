//! Loops and awaits that no check point gets to, in what is left alone.
//!
//! Who annotates a function expects it to end when it is cancelled. One that has nothing but its entry to do so, and whose
//! loops or awaits are all in closures, `async` blocks or macros, would not, and nobody would notice: so it is told of.
//!
//! Not told of is code that is handed to some `spawn…`: it is not this function that it keeps from ending. Nor the body of a
//! `TaskGroup`: that is a scope, which ends it.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::{Expr, Macro};

/// The first of them.
#[derive(Clone)]
pub(crate) struct Unreached {
    pub(crate) span: Span,
    what: What,
    place: Place,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Loop,
    Await,
}

#[derive(Clone)]
pub(crate) enum Place {
    Closure,
    AsyncBlock,
    Macro(String),
}

impl Unreached {
    /// The first loop or await in `tokens`, which stand in such a place. `None` also if the code there asks by itself.
    pub(crate) fn find(tokens: TokenStream, place: Place) -> Option<Self> {
        if asks(tokens.clone()) {
            return None;
        }
        let (what, span) = first(tokens)?;
        Some(Self { span, what, place })
    }

    pub(crate) fn is_loop(&self) -> bool {
        self.what == What::Loop
    }

    pub(crate) fn message(&self, function: &impl std::fmt::Display) -> String {
        let what = match self.what {
            What::Loop => "loop",
            What::Await => "await",
        };
        const ANOTHER: &str = "; if another attribute has put it there, write `#[cancelable]` above that one";
        let (place, remedy, another) = match &self.place {
            Place::Closure => (
                "a closure".to_owned(),
                "call `cancelable::check()` in it, or move the code out",
                ANOTHER,
            ),
            Place::AsyncBlock => (
                "an `async` block".to_owned(),
                "make that `cancel_scope!(async { … })`, or move the code out",
                ANOTHER,
            ),
            Place::Macro(name) => (format!("`{name}!`"), "move the code out", ""),
        };
        format!(
            "this {what} is in {place}, where `#[cancelable]` puts no check points, and elsewhere `{function}` has none but its \
             entry; {remedy}, or write `#[cancelable(skip)]` on the whole statement if that is meant{another}"
        )
    }
}

/// Whether what is given to this call runs apart from the function, or in a scope of its own.
pub(crate) fn runs_elsewhere(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => name_of(&call.func).is_some_and(|name| name.contains("spawn")) || is_of_group(&call.func),
        Expr::MethodCall(call) => call.method.to_string().contains("spawn"),
        _ => false,
    }
}

/// `TaskGroup::run`, `TaskGroup::<_, _>::run_on`, and the like.
fn is_of_group(func: &Expr) -> bool {
    let Expr::Path(path) = func else { return false };
    path.path
        .segments
        .iter()
        .rev()
        .nth(1)
        .is_some_and(|segment| segment.ident == "TaskGroup")
}

/// Whether a call asks the token: `check()`, `token.is_cancelled()`, and the like.
pub(crate) fn is_question(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => name_of(&call.func).is_some_and(|name| QUESTIONS.contains(&name.as_str())),
        Expr::MethodCall(call) => QUESTIONS.iter().any(|name| call.method == name),
        _ => false,
    }
}

/// Whether a macro is ours, and so has check points of its own, or none on purpose.
pub(crate) fn is_ours(mac: &Macro) -> bool {
    last(&mac.path).is_some_and(|name| OURS.contains(&name.as_str()))
}

/// The name of a macro that is left alone, unless what looks like code in it is none.
pub(crate) fn left_alone(mac: &Macro) -> Option<Place> {
    const TEXT: [&str; 5] = [
        "quote",
        "quote_spanned",
        "parse_quote",
        "parse_quote_spanned",
        "stringify",
    ];
    let name = last(&mac.path)?;
    (!TEXT.contains(&name.as_str()) && !OURS.contains(&name.as_str())).then_some(Place::Macro(name))
}

const OURS: [&str; 4] = ["cancel_scope", "shield", "race", "try_join"];
const QUESTIONS: [&str; 7] = [
    "check",
    "checkpoint",
    "is_cancelled",
    "guard",
    "cancelled",
    "wait",
    "wait_timeout",
];

/// What else looks, and says so by an error, or by ending.
const LOOKING: [&str; 4] = [
    "blocking_sleep",
    "check_unwinding",
    "take_until_cancelled",
    "until_cancelled",
];

pub(super) fn name_of(func: &Expr) -> Option<String> {
    match func {
        Expr::Path(path) => last(&path.path),
        _ => None,
    }
}

pub(super) fn last(path: &syn::Path) -> Option<String> {
    path.segments.last().map(|segment| segment.ident.to_string())
}

pub(crate) fn asks(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Group(group) => asks(group.stream()),
        TokenTree::Ident(word) => QUESTIONS.iter().chain(&LOOKING).chain(&OURS).any(|name| word == name),
        _ => false,
    })
}

fn first(tokens: TokenStream) -> Option<(What, Span)> {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let is_block = |tree: &TokenTree| matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    let mut after_dot = false;
    for (index, tree) in trees.iter().enumerate() {
        let behind = &trees[index + 1..];
        match tree {
            TokenTree::Group(group) => {
                if let Some(found) = first(group.stream()) {
                    return Some(found);
                }
            }
            TokenTree::Ident(word) => {
                let is_loop = match word.to_string().as_str() {
                    "loop" => behind.first().is_some_and(is_block),
                    "while" => behind.iter().any(is_block),
                    // Not `for<'a>`, nor `impl Trait for Type`.
                    "for" => {
                        behind.iter().any(is_block)
                            && behind
                                .iter()
                                .take_while(|tree| !is_block(tree))
                                .any(|tree| matches!(tree, TokenTree::Ident(word) if word == "in"))
                    }
                    "await" if after_dot => return Some((What::Await, word.span())),
                    _ => false,
                };
                if is_loop && !after_dot {
                    return Some((What::Loop, word.span()));
                }
            }
            _ => {}
        }
        after_dot = matches!(tree, TokenTree::Punct(dot) if dot.as_char() == '.');
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn found(tokens: TokenStream) -> Option<bool> {
        Unreached::find(tokens, Place::Closure).map(|found| found.is_loop())
    }

    #[test]
    fn loops_and_awaits_are_found_and_what_looks_like_them_is_not() {
        assert_eq!(
            found(quote!(|x| for y in x {
                f(y)
            })),
            Some(true)
        );
        assert_eq!(found(quote!(|x| { loop {} })), Some(true));
        assert_eq!(found(quote!(|x| while let Some(y) = x.next() {})), Some(true));
        assert_eq!(found(quote!(async move { f().await })), Some(false));
        assert_eq!(found(quote!(|f: &dyn for<'a> Fn(&'a u8)| { f(&1) })), None);
        assert_eq!(
            found(quote!(|| {
                impl A for B {}
            })),
            None
        );
        assert_eq!(found(quote!(looping(await_it, 3))), None);
        assert_eq!(
            found(quote!(move || loop {
                check()?;
            })),
            None
        );
    }

    #[test]
    fn what_is_spawned_or_given_to_a_group_is_not_told_of() {
        let elsewhere: [Expr; 4] = [
            syn::parse_quote!(tokio::spawn(async { loop {} })),
            syn::parse_quote!(pool.spawn_blocking(|| loop {})),
            syn::parse_quote!(TaskGroup::run(async |group| for job in jobs {
                group.spawn(job)
            })),
            syn::parse_quote!(cancelable::tokio::TaskGroup::<(), Error>::run_on(
                tokio,
                async |group| loop {}
            )),
        ];
        assert!(elsewhere.iter().all(runs_elsewhere));
        let here: [Expr; 3] = [
            syn::parse_quote!(run(async |group| loop {})),
            syn::parse_quote!(Task::run(|| loop {})),
            syn::parse_quote!(jobs.run(|| loop {})),
        ];
        assert!(!here.iter().any(runs_elsewhere));
    }
}
