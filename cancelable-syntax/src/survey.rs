//! Where the attribute and the macros put check points, without the code that they make.

pub use crate::record::{Point, PointKind, Under};

use crate::args::{self, ATTRIBUTE, HELPERS_ON_FN};
use crate::check;
use crate::diag::Errors;
use crate::ends;
use crate::function_like;
use crate::impl_block::Taken;
use crate::item::Function;
use crate::record::Record;
use proc_macro2::{Span, TokenStream};
use syn::{Block, Macro, ReturnType, Signature, Visibility};

/// What the attribute does to one function, or a macro to its body.
#[derive(Debug)]
#[non_exhaustive]
pub struct Survey {
    /// Check points other than the entry, in the order in which they are written, but for loops, which come behind their bodies.
    pub points: Vec<Point>,
    /// Where closures, `async` blocks and unknown macros begin, which are left alone: at the first `|`, at `async`, at the name.
    pub left_alone: Vec<Span>,
    /// Awaits behind a loop marked `#[cancelable(break)]`, at which a cancel loses what that loop has found.
    pub lost: Vec<Span>,
}

impl From<Record> for Survey {
    fn from(record: Record) -> Self {
        let Record {
            points,
            left_alone,
            lost,
        } = record;
        Survey {
            points,
            left_alone,
            lost,
        }
    }
}

/// What `#[cancelable(ARGUMENTS)]` does to a function.
///
/// # Errors
///
/// Why it is refused.
pub fn function(arguments: TokenStream, sig: &Signature, block: &Block) -> Result<Survey, syn::Error> {
    let mut errors = Errors::default();
    let options = args::parse_all(arguments, ATTRIBUTE, HELPERS_ON_FN, &mut errors);
    let function = Function {
        attrs: Vec::new(),
        vis: Visibility::Inherited,
        defaultness: None,
        sig: sig.clone(),
        block: block.clone(),
    };
    match check::check(options, function, errors) {
        Ok(plan) => Ok(plan.record.into()),
        Err(refused) => Err(refused.errors.into_error().expect("it is refused for a reason")),
    }
}

/// A `cancel_scope!` or a `shield!`.
#[allow(missing_debug_implementations)] // syntax trees have none without a feature that macros would pay for
#[non_exhaustive]
pub struct Scope {
    /// The names of its options.
    pub options: Vec<&'static str>,
    /// Whether it gives a future.
    pub asynchronous: bool,
    /// Its body, without the check points.
    pub block: Block,
    /// `None` where there are none: in a `shield!` without `timeout`.
    pub survey: Option<Survey>,
}

/// Reads a call of `cancel_scope!` or `shield!`. `None` if it is something else, or not written right.
#[must_use]
pub fn scope(mac: &Macro) -> Option<Scope> {
    let name = mac.path.segments.last()?.ident.to_string();
    let name = ["cancel_scope", "shield"].into_iter().find(|known| name == *known)?;
    let read = function_like::read(name, mac.tokens.clone())?;
    Some(Scope {
        options: read.options,
        asynchronous: read.asynchronous,
        block: read.block,
        survey: read.record.map(Survey::from),
    })
}

/// What an annotated `impl` block or module does with a function that says nothing about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Wish {
    /// It is annotated.
    Annotate,
    /// It is left alone.
    Leave,
    /// It is an error: an `async fn` that cannot say that it was cancelled.
    Refuse,
}

/// What an annotated `impl` block does with a method of this signature that says nothing about it.
#[must_use]
pub fn wish(sig: &Signature) -> Wish {
    match Taken::of(sig) {
        Taken::Yes => Wish::Annotate,
        Taken::No => Wish::Leave,
        Taken::Refused => Wish::Refuse,
    }
}

/// Whether the `None` of such a function means that nothing is left, so that it takes the attribute only with an `or`.
#[must_use]
pub fn ends(sig: &Signature) -> bool {
    match &sig.output {
        ReturnType::Type(_, ty) => ends::refusal(sig, ty).is_some(),
        ReturnType::Default => false,
    }
}
