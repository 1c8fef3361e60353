//! Durations as options take them: `"5s"`, or any expression of type `Duration` or `Option<Duration>`.

use crate::diag::Errors;
use crate::paths::{Library, at, located_call};
use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, Lit};

/// Units, longest first so that `ms` is not taken for `s`; each with its length in milliseconds.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

#[derive(Clone)]
pub(crate) enum DurationValue {
    Millis { millis: u64, span: Span },
    Expr(Box<Expr>),
}

impl DurationValue {
    /// Reads the value of option `name`; a mistake is reported on the literal.
    pub(crate) fn from_expr(name: &str, expr: Expr, errors: &mut Errors) -> Option<Self> {
        match peel(&expr) {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => match millis(&text.value()) {
                    Ok(millis) => Some(DurationValue::Millis {
                        millis,
                        span: text.span(),
                    }),
                    Err(Fault::Shape) => {
                        errors.on(
                            &literal.lit,
                            format!(
                                "`{}` is not a duration; write one whole number with one unit (`ms`, `s`, `m` or `h`), \
                                 such as `{name} = \"5s\"`",
                                text.token()
                            ),
                        );
                        None
                    }
                    Err(Fault::Range) => {
                        errors.on(
                            &literal.lit,
                            format!(
                                "`{}` is longer than a duration can be; for no limit write `{name} = Duration::MAX`",
                                text.token()
                            ),
                        );
                        None
                    }
                },
                other => {
                    let found = other.to_token_stream();
                    let suggestion = match other {
                        Lit::Int(number) if number.suffix().is_empty() => format!("{}s", number.base10_digits()),
                        _ => "5s".to_owned(),
                    };
                    errors.on(
                        other,
                        format!(
                            "`{found}` is not a duration; write `{name} = \"{suggestion}\"`, or an expression of type \
                             `Duration`"
                        ),
                    );
                    None
                }
            },
            _ => Some(DurationValue::Expr(Box::new(expr))),
        }
    }

    /// ```text
    /// Input:  "5s"                              limit
    /// Output: Duration::from_millis(5000u64)    Site.duration(limit)
    /// ```
    pub(crate) fn to_tokens(&self, library: &Library, option: Span) -> TokenStream {
        match self {
            DurationValue::Millis { millis, span } => {
                let duration = library.private("Duration", *span);
                let millis = Literal::u64_suffixed(*millis);
                quote_spanned!(at(*span)=> #duration::from_millis(#millis))
            }
            DurationValue::Expr(expr) => perhaps("duration", expr, library, option),
        }
    }

    /// The same for what takes a `Duration` and nothing else.
    pub(crate) fn to_plain_tokens(&self, library: &Library) -> TokenStream {
        match self {
            DurationValue::Millis { span, .. } => self.to_tokens(library, *span),
            DurationValue::Expr(expr) => expr.to_token_stream(),
        }
    }

    /// As the user wrote it, for the generated documentation.
    pub(crate) fn describe(&self) -> String {
        match self {
            DurationValue::Millis { millis, .. } => {
                let (unit, length) = UNITS
                    .iter()
                    .rev()
                    .find(|(_, length)| *millis != 0 && millis % length == 0)
                    .unwrap_or(&UNITS[0]);
                format!("\"{}{unit}\"", millis / length)
            }
            DurationValue::Expr(expr) => crate::describe::tokens(expr.to_token_stream()),
        }
    }
}

/// ```text
/// Output: Site.duration(limit)
/// ```
/// A value that may be an `Option`. A wrong one is told of as what the `option`, a method by its span, was given.
pub(crate) fn perhaps(what: &str, value: &Expr, library: &Library, option: Span) -> TokenStream {
    // Not by `located`, whose closure a `?` in the value could not leave.
    let (site, call) = (library.private("Site", option), located_call(what, value, option));
    quote!(#site #call)
}

enum Fault {
    Shape,
    Range,
}

fn millis(text: &str) -> Result<u64, Fault> {
    let (digits, length) = UNITS
        .iter()
        .find_map(|(unit, length)| Some((text.strip_suffix(unit)?, length)))
        .ok_or(Fault::Shape)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Shape);
    }
    digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(*length))
        .ok_or(Fault::Range)
}

/// The expression inside parentheses and the invisible groups of `macro_rules!` fragments.
pub(crate) fn peel(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => peel(&group.expr),
        Expr::Paren(paren) => peel(&paren.expr),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn what_the_table_says_is_read_and_nothing_else() {
        for (text, expected) in include!("../../tests/durations.in") {
            assert_eq!(millis(text).ok(), expected, "{text:?}");
        }
    }
}
