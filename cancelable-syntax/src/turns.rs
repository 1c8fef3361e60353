//! Turns of a loop between two checks: `every = N` and `yield_every = N`, a number or an expression of type `usize`.

use crate::diag::Errors;
use crate::duration::peel;
use crate::paths::at;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, Lit, LitInt};

#[derive(Clone)]
pub(crate) enum Turns {
    /// A number, repeated where it is needed.
    Literal(LitInt),
    /// An expression, evaluated once.
    Computed { variable: Ident, value: Box<Expr> },
}

impl Turns {
    /// Reads the value of option `name`, which goes to the variable `own` if it is no number; a mistake is reported on it.
    pub(crate) fn from_expr(name: &str, example: &str, own: Ident, value: Expr, errors: &mut Errors) -> Option<Self> {
        let message =
            || format!("`{name}` counts iterations of a loop; write a whole number from 1 up, such as `{example}`");
        match peel(&value) {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Int(number) if number.base10_parse::<usize>().is_ok_and(|count| count > 0) => {
                    Some(Turns::Literal(number.clone()))
                }
                other => {
                    errors.on(other, message());
                    None
                }
            },
            Expr::Unary(negative) if matches!(negative.op, syn::UnOp::Neg(_)) => {
                errors.on(&value, message());
                None
            }
            _ => Some(Turns::Computed {
                variable: own,
                value: Box::new(value),
            }),
        }
    }

    /// The number, where it is needed.
    pub(crate) fn number(&self) -> TokenStream {
        match self {
            Turns::Literal(number) => number.to_token_stream(),
            Turns::Computed { variable, .. } => variable.to_token_stream(),
        }
    }

    /// ```text
    /// Output: let every: usize = N;
    /// ```
    pub(crate) fn binding(&self) -> TokenStream {
        match self {
            Turns::Literal(_) => TokenStream::new(),
            Turns::Computed { variable, value } => {
                quote_spanned!(at(variable.span())=> let #variable: usize = #value;)
            }
        }
    }

    /// As it was written.
    pub(crate) fn written(&self) -> TokenStream {
        match self {
            Turns::Literal(number) => number.to_token_stream(),
            Turns::Computed { value, .. } => value.to_token_stream(),
        }
    }
}
