//! Errors: collected rather than returned at the first, worded like rustc's own.
//!
//! The form is `fact; remedy`: lower-case start, backticked code, no full stop, the smallest token.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes found so far. A user who made three is told of three, in one build.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn append(&mut self, other: Errors) {
        if let Some(error) = other.0 {
            self.push(error);
        }
    }

    /// Reports `message` on one token.
    pub(crate) fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Reports `message` on everything from the first to the last token of `what`.
    pub(crate) fn on(&mut self, what: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(what, message));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn into_error(self) -> Option<syn::Error> {
        self.0
    }

    #[cfg(test)]
    pub(crate) fn messages(self) -> Vec<String> {
        self.0.into_iter().flatten().map(|error| error.to_string()).collect()
    }

    /// One `compile_error!` per mistake; nothing where there is none.
    pub(crate) fn to_compile_errors(&self) -> TokenStream {
        self.0.as_ref().map(syn::Error::to_compile_error).unwrap_or_default()
    }
}

/// "`a`", "`a` or `b`", "`a`, `b` or `c`".
pub(crate) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [init @ .., last] => format!("{} or {last}", init.join(", ")),
    }
}

/// The candidate that `typed` was most likely meant to be, if one is near enough to be worth naming.
pub(crate) fn nearest<'a>(typed: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|candidate| {
            // `time` is a `timeout` cut short rather than a `name` with two slips.
            let is_begun = typed.len() >= 3 && candidate.starts_with(typed);
            (!is_begun, distance(typed, candidate), *candidate)
        })
        .filter(|(is_other, distance, candidate)| !is_other || *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, _, candidate)| candidate)
}

/// Edit distance in which swapping two neighbours is one edit: `naem` is a slip for `name`, not two mistakes.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut table = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replace = table[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
                let mut best = replace.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                    best = best.min(table[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    table[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_like_a_sentence() {
        assert_eq!(one_of(&["a"]), "`a`");
        assert_eq!(one_of(&["a", "b"]), "`a` or `b`");
        assert_eq!(one_of(&["a", "b", "c"]), "`a`, `b` or `c`");
    }

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_finds_none() {
        let names = ["name", "timeout", "grace", "token", "or", "every", "crate"];
        assert_eq!(nearest("timeuot", &names), Some("timeout"));
        assert_eq!(nearest("ro", &names), Some("or"));
        assert_eq!(nearest("naem", &names), Some("name"));
        assert_eq!(nearest("time", &names), Some("timeout"));
        assert_eq!(nearest("priority", &names), None);
    }
}
