//! What code means to the macros, as far as that can be seen.

use crate::module;
use crate::rewrite::{awaits, helpers, opaque, unreached};
use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Expr, Macro};

/// Whether it is `#[cancelable]`, however it is qualified, with or without arguments.
#[must_use]
pub fn is_attribute(attr: &Attribute) -> bool {
    helpers::is_ours(attr)
}

/// Whether an attribute inside of a body is `#[cancelable(WORD)]`, by whatever name it was imported.
#[must_use]
pub fn says(attr: &Attribute, word: &str) -> bool {
    helpers::says(attr, word)
}

/// Whether an attribute inside of a body is `#[cancelable(shield = LIMIT)]`.
#[must_use]
pub fn has_limit(attr: &Attribute) -> bool {
    helpers::has_limit(attr)
}

/// The attributes of an expression, of whatever kind it is.
#[must_use]
pub fn attributes(expr: &Expr) -> &[Attribute] {
    helpers::attrs(expr).map_or(&[], Vec::as_slice)
}

/// The first loop or `await` in tokens of which nothing else is known; `true` for a loop.
#[must_use]
pub fn first_loop_or_await(tokens: TokenStream) -> Option<(bool, Span)> {
    unreached::Unreached::find(tokens, unreached::Place::AsyncBlock).map(|found| (found.is_loop(), found.span))
}

/// Whether an annotated module leaves a function, block, trait or module with these attributes alone, since it is there for tests or is
/// what the program starts with.
#[must_use]
pub fn is_for_tests(attrs: &[Attribute]) -> bool {
    module::is_for_tests(attrs)
}

/// Whether the code asks by itself whether it is cancelled, or opens a scope.
#[must_use]
pub fn asks(tokens: TokenStream) -> bool {
    unreached::asks(tokens)
}

/// Whether a call asks the token: `check()`, `token.is_cancelled()`, and the like.
#[must_use]
pub fn is_question(expr: &Expr) -> bool {
    unreached::is_question(expr)
}

/// Whether what is given to this call runs apart from the function, or in a scope of its own.
#[must_use]
pub fn runs_elsewhere(expr: &Expr) -> bool {
    unreached::runs_elsewhere(expr)
}

/// Whether awaiting this is no check point, since it is a shield, or a scope with a `finally`.
#[must_use]
pub fn is_shield(base: &Expr) -> bool {
    awaits::is_shield(base)
}

/// Whether a macro is this library's.
#[must_use]
pub fn is_of_the_library(mac: &Macro) -> bool {
    unreached::is_ours(mac)
}

/// Whether a macro that is not looked into holds code, as far as anyone can tell: `quote!` and its like do not.
#[must_use]
pub fn holds_code(mac: &Macro) -> bool {
    unreached::left_alone(mac).is_some()
}

/// The expressions that a macro call is given, where the macros look into it; else none.
#[must_use]
pub fn expressions(mac: &Macro) -> Vec<Expr> {
    opaque::expressions(mac)
}
