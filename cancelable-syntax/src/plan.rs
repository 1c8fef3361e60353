//! All that expansion needs to know of one function. Whoever holds a `Plan` can expand it: nothing in it can be wrong.

use crate::args::Asking;
use crate::diag::Errors;
use crate::duration::{DurationValue, perhaps};
use crate::item::Function;
use crate::paths::{Library, at, located_call};
use crate::record::Record;
use crate::rewrite::Points;
use crate::rewrite::exit::Edge;
use crate::shape::Shape;
use crate::tell::Told;
use crate::turns::Turns;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Token, Type};

pub(crate) struct Plan {
    pub(crate) library: Library,
    /// The item, its body already rewritten and its `#[token]` parameters already gone from the signature.
    pub(crate) function: Function,
    pub(crate) shape: Shape,
    /// The type that cancels are put in.
    pub(crate) edge: Edge,
    /// The same, as it may be written inside the body.
    pub(crate) inside: Edge,
    pub(crate) scope: Option<OwnScope>,
    pub(crate) or: Option<Box<Expr>>,
    pub(crate) every: Option<Turns>,
    /// In async functions only.
    pub(crate) yield_every: Option<Turns>,
    pub(crate) tokens: Vec<TokenParameter>,
    /// What the body knows its function's caller by, if it is moved away from where that can be asked.
    pub(crate) caller: Option<Ident>,
    pub(crate) points: Points,
    pub(crate) record: Record,
    /// The options as written, for the documentation.
    pub(crate) described: Vec<String>,
    /// What the user is to be warned of.
    pub(crate) told: Option<Told>,
    /// Whether documentation may be added to the user's.
    pub(crate) documented: bool,
}

/// Steps that build the function's own scope, in the order in which they were written.
pub(crate) struct OwnScope {
    pub(crate) steps: Vec<Step>,
}

/// One call on the scope's builder; the span is that of the option's name, and the line a timeout is reported with.
pub(crate) struct Step {
    pub(crate) span: Span,
    pub(crate) kind: StepKind,
}

pub(crate) enum StepKind {
    Name(Box<Expr>),
    Timeout(DurationValue),
    IdleTimeout(DurationValue),
    Heartbeat,
    Progress(Box<Expr>),
    Weight(Box<Expr>),
    Deadline(Box<Expr>),
    Grace(DurationValue),
    Link(Box<Expr>),
    Parent(Box<Expr>),
    Detached,
    Until(Box<Expr>),
    /// What is built from then on is not a `Scope` any more, so this is the last one.
    Asking(Asking),
}

/// A parameter marked `#[token]`, which becomes a variable.
pub(crate) struct TokenParameter {
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) mutability: Option<Token![mut]>,
    pub(crate) name: Ident,
    /// Without the `&`.
    pub(crate) ty: Type,
    pub(crate) by_reference: bool,
}

impl TokenParameter {
    /// ```text
    /// Input:  #[token] token: &CancellationToken
    /// Output: let token: &CancellationToken = &token_parameter::<CancellationToken>();
    /// ```
    /// The type is the user's, so that a wrong one is blamed on it; the borrowed token lives as long as the block.
    pub(crate) fn binding(&self, library: &Library) -> TokenStream {
        let span = self.name.span();
        let TokenParameter {
            cfgs,
            mutability,
            name,
            ty,
            by_reference,
        } = self;
        let ambient = library.private("token_parameter", ty.span());
        let borrow = by_reference.then(|| quote_spanned!(at(span)=> &));
        quote_spanned!(at(span)=> #(#cfgs)* let #mutability #name: #borrow #ty = #borrow #ambient::<#ty>();)
    }
}

impl OwnScope {
    /// Those that were found, in the order in which they can be taken.
    pub(crate) fn new(mut steps: Vec<Step>, asynchronous: bool, errors: &mut Errors) -> Self {
        steps.sort_by_key(|step| matches!(step.kind, StepKind::Asking(_)));
        for step in &steps {
            let is_idle = |step: &Step| matches!(step.kind, StepKind::IdleTimeout(_));
            match step.kind {
                StepKind::Heartbeat if !steps.iter().any(is_idle) => errors.at(
                    step.span,
                    "`heartbeat` has check points put off an idle timeout; write `idle_timeout = \"30s\"` as well",
                ),
                StepKind::Asking(_) if asynchronous => errors.at(
                    step.span,
                    "`asking` asks on one thread, and what is `async` may be polled on any; write it on sync code, or ask from \
                     anywhere by `until = cancelable::condition(…)`",
                ),
                _ => {}
            }
        }
        if asynchronous {
            // Has been told of once.
            steps.retain(|step| !matches!(step.kind, StepKind::Asking(_)));
        }
        Self { steps }
    }

    /// What runs a future in it, and a closure. If somebody follows its progress, it is told of its value whether that is an error.
    pub(crate) fn runners(&self) -> [&'static str; 2] {
        let is_followed = |step: &Step| matches!(step.kind, StepKind::Progress(_) | StepKind::Weight(_));
        if self.steps.iter().any(is_followed) {
            ["run_or_tell", "enter_sync_and_tell"]
        } else {
            ["run_or", "enter_sync"]
        }
    }

    /// ```text
    /// Output: Site.scope().name("fetch").timeout(Duration::from_millis(5000u64))
    /// ```
    /// `span` is what the scope is known by; each call reports its option's line.
    pub(crate) fn builder(&self, library: &Library, span: Span) -> TokenStream {
        let mut builder = library.located("scope", TokenStream::new(), span);
        for Step { span, kind } in &self.steps {
            let call = match kind {
                StepKind::Name(expr) => located_call("name", expr, *span),
                StepKind::Timeout(duration) => located_call("timeout", duration.to_tokens(library, *span), *span),
                StepKind::IdleTimeout(duration) => {
                    located_call("idle_timeout", duration.to_tokens(library, *span), *span)
                }
                StepKind::Heartbeat => located_call("heartbeat", TokenStream::new(), *span),
                StepKind::Progress(expr) => located_call("progress", expr, *span),
                StepKind::Weight(expr) => located_call("weight", expr, *span),
                StepKind::Deadline(expr) => located_call("deadline", perhaps("instant", expr, library, *span), *span),
                StepKind::Grace(duration) => located_call("grace", duration.to_tokens(library, *span), *span),
                StepKind::Link(expr) => {
                    let linked = library.private("linked", *span);
                    // Generic, so that no lint finds the borrow needless; the user's span, for a wrong type.
                    let borrow = quote_spanned!(expr.span()=> &);
                    located_call("link", quote_spanned!(at(*span)=> #linked(#borrow #expr)), *span)
                }
                StepKind::Parent(expr) => {
                    // A token, a reference to one, or a place that holds either: a reference to all of them coerces.
                    let borrow = quote_spanned!(at(expr.span())=> &);
                    located_call("parent", quote!(#borrow #expr), *span)
                }
                StepKind::Detached => located_call("detached", TokenStream::new(), *span),
                StepKind::Until(expr) => located_call("until", expr, *span),
                StepKind::Asking(Asking { every, host }) => {
                    let every = every.to_plain_tokens(library);
                    located_call("asking", quote!(#every, #host), *span)
                }
            };
            builder.extend(call);
        }
        builder
    }
}
