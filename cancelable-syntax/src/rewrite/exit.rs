//! How a check point leaves: with the function's own type, out of a loop, or to the code after the body.

use super::blocks::insert_after_items;
use super::shadows::may_shadow;
use crate::here;
use crate::lints;
use crate::paths::{Library, at, variable};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Arm, Block, Expr, Lifetime, Pat, Type, TypeInfer};

/// The type that a cancel has to be put in, as it may be written in an expression.
///
/// Every conversion names that type, with the user's own tokens: rustc then blames a type without `FromCancelled` on
/// the type itself, and once, since it reports one error per place and fact, however many check points there are.
#[derive(Clone)]
pub(crate) struct Edge {
    /// `_` where it is not known, or not to be written.
    ty: TokenStream,
    pub(crate) span: Span,
}

impl Edge {
    /// The type as written, except that `impl Trait`, which no expression may name, becomes `_`.
    pub(crate) fn of(ty: &Type) -> Self {
        let mut erased = ty.clone();
        EraseImplTrait.visit_type_mut(&mut erased);
        Edge {
            ty: erased.to_token_stream(),
            span: ty.span(),
        }
    }

    /// The `()` of a function that returns nothing, blamed on its name.
    pub(crate) fn unit(span: Span) -> Self {
        Edge {
            ty: quote_spanned!(at(span)=> ()),
            span,
        }
    }

    /// No type is written: what the body gives decides.
    pub(crate) fn inferred(span: Span) -> Self {
        Edge {
            ty: quote_spanned!(span=> _),
            span,
        }
    }

    /// The same type as it may be written inside `body`: inferred, where the body has items of its own by its names.
    pub(crate) fn within(&self, body: &mut Block) -> Self {
        if may_shadow(body, &self.ty) {
            Edge::inferred(self.span)
        } else {
            self.clone()
        }
    }

    /// Whether a body that ends without a value may be right.
    pub(crate) fn is_unit(&self) -> bool {
        self.ty.to_string() == "()"
    }

    /// The type, if it is written and is not `()`, to which nothing coerces.
    pub(super) fn known(&self) -> Option<TokenStream> {
        (self.ty.to_string() != "_" && !self.is_unit()).then(|| self.ty.clone())
    }

    pub(crate) fn ty(&self) -> &TokenStream {
        &self.ty
    }

    /// ```text
    /// Output: from_cancelled::<R>(cancelled)
    /// ```
    pub(crate) fn convert(&self, library: &Library, cancelled: impl ToTokens) -> TokenStream {
        let private = library.private("from_cancelled", self.span);
        let ty = &self.ty;
        let argument = quote_spanned!(at(self.span)=> (#cancelled));
        quote_spanned!(self.span=> #private::<#ty> #argument)
    }

    /// ```text
    /// Output: |cancelled| { from_cancelled::<R>(Site.in_scope(cancelled, here)) }
    /// ```
    /// The function itself, handed on, would have its type blamed twice: where it is named, and as what it is called with.
    pub(crate) fn converter(&self, library: &Library, span: Span) -> TokenStream {
        let cancelled = variable("cancelled", span);
        let here = here::name(span);
        let told = library.located("in_scope", quote_spanned!(at(span)=> #cancelled, #here), span);
        let converted = self.convert(library, told);
        // In braces of the expansion's own, or coverage would have it that the user never calls this.
        quote_spanned!(at(span)=> |#cancelled| { #converted })
    }

    /// ```text
    /// Output: if let Some(dead) = None::<R> { return dead; }
    /// ```
    /// Tells an `async` block its type. Spanned at that type, so that a mismatch in the body is told of the user's
    /// expression and of this type, and so that what coerces in a function coerces here.
    pub(crate) fn dead_return(&self, library: &Library) -> TokenStream {
        let span = self.span;
        let option = library.private("Option", span);
        let ty = &self.ty;
        // With the user's span unchanged, as in `Exit::arms`.
        let mut dead = variable("dead", span);
        dead.set_span(span);
        let allow = lints::on_dead_return(span);
        quote_spanned!(at(span)=> #allow if let #option::Some(#dead) = #option::None::<#ty> { return #dead; })
    }

    /// The same, put into a body; or, if that has items by the names of the type, handed back to be put before it. A body of one
    /// expression would be a block with unneeded braces behind a statement.
    pub(crate) fn tell(&self, library: &Library, body: &mut Block) -> TokenStream {
        let dead = self.dead_return(library);
        if may_shadow(body, &self.ty) {
            return dead;
        }
        insert_after_items(body, dead);
        TokenStream::new()
    }
}

struct EraseImplTrait;

impl VisitMut for EraseImplTrait {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::ImplTrait(written) = ty {
            let span = written.impl_token.span;
            *ty = Type::Infer(TypeInfer {
                attrs: Vec::new(),
                underscore_token: syn::token::Underscore(span),
            });
        } else {
            visit_mut::visit_type_mut(self, ty);
        }
    }
}

#[derive(Clone)]
pub(crate) enum Exit {
    /// `return from_cancelled::<R>(cancelled)`
    Return(Edge),
    /// `break 'label`: out of a loop marked `break`, or to the value of `or`.
    Leave(Lifetime),
    /// `break`
    LeaveInnermost,
    /// Stop here for good, having told the future round the body, which drops it and goes on to the value of `or`:
    /// from an `async` block within the function no `break` gets out, and no value of the function's type is at hand.
    GiveUp(Ident),
}

impl Exit {
    /// How to leave with `cancelled`, an expression.
    fn leave(&self, cancelled: &TokenStream, library: &Library, span: Span) -> TokenStream {
        match self {
            Exit::Return(edge) => {
                let value = edge.convert(library, cancelled);
                quote_spanned!(at(span)=> return #value)
            }
            Exit::Leave(label) => quote_spanned!(at(span)=> break #label),
            Exit::LeaveInnermost => quote_spanned!(at(span)=> break),
            Exit::GiveUp(slot) => quote_spanned!(at(span)=> return #slot.give_up(#cancelled).await),
        }
    }

    /// The `Err` arm of a check point: pattern and expression.
    fn arm(&self, library: &Library, span: Span) -> (TokenStream, TokenStream) {
        let cancelled = variable("cancelled", span);
        let leave = self.leave(&cancelled.to_token_stream(), library, span);
        (self.pattern(cancelled, span), leave)
    }

    /// What the error is called, if it is taken along.
    fn pattern(&self, cancelled: Ident, span: Span) -> TokenStream {
        match self {
            Exit::Return(_) | Exit::GiveUp(_) => cancelled.into_token_stream(),
            Exit::Leave(_) | Exit::LeaveInnermost => quote_spanned!(at(span)=> _),
        }
    }

    /// ```text
    /// Output: if Site.is_cancelled() { return from_cancelled::<R>(Site.cancelled(here)); }
    /// ```
    /// Two calls, for a `Result` with an error in it would have to be dropped on every way out, and so costs a fifth more
    /// LLVM lines in a sync function.
    pub(crate) fn if_cancelled(&self, library: &Library, span: Span) -> TokenStream {
        self.if_so("is_cancelled", self.leave_cancelled(library, span), library, span)
    }

    /// ```text
    /// Output: if Site.is_refused() { return from_cancelled::<R>(Site.refused(here)); }
    /// ```
    /// The same at the entry of a function, or, with `refused_by_scope`, at that of a scope.
    pub(crate) fn if_refused(&self, by_scope: bool, library: &Library, span: Span) -> TokenStream {
        let refused = if by_scope { "refused_by_scope" } else { "refused" };
        let refused = library.located(refused, here::name(span), span);
        self.if_so("is_refused", self.leave(&refused, library, span), library, span)
    }

    fn if_so(&self, ask: &str, leave: TokenStream, library: &Library, span: Span) -> TokenStream {
        let asked = library.located(ask, TokenStream::new(), span);
        quote_spanned!(at(span)=> if #asked { #leave; })
    }

    /// ```text
    /// Output: return from_cancelled::<R>(Site.cancelled(here))
    /// ```
    /// Where a loop has found its token cancelled.
    pub(crate) fn leave_cancelled(&self, library: &Library, span: Span) -> TokenStream {
        let cancelled = library.located("cancelled", here::name(span), span);
        self.leave(&cancelled, library, span)
    }

    /// ```text
    /// Output: if let Err(cancelled) = CHECK { return from_cancelled::<R>(Site.in_loop(cancelled, here)) }
    /// ```
    /// Of a loop that also yields.
    pub(crate) fn unless_ok(&self, check: &TokenStream, library: &Library, span: Span) -> TokenStream {
        let result = library.private("Result", span);
        let (cancelled, here) = (variable("cancelled", span), here::name(span));
        let in_loop = library.located("in_loop", quote_spanned!(at(span)=> #cancelled, #here), span);
        let leave = self.leave(&in_loop, library, span);
        let pattern = self.pattern(cancelled, span);
        quote_spanned!(at(span)=> if let #result::Err(#pattern) = #check { #leave; })
    }

    /// ```text
    /// Output: Err(cancelled) => return from_cancelled::<R>(cancelled),
    /// ```
    pub(super) fn err_arm(&self, library: &Library, span: Span) -> Arm {
        let result = library.private("Result", span);
        let (pattern, leave) = self.arm(library, span);
        arm(quote_spanned!(at(span)=> #result::Err(#pattern)), leave, span)
    }

    /// The two arms of
    /// ```text
    /// Output: match CHECKED { Ok(value) => value, Err(cancelled) => return from_cancelled::<R>(cancelled) }
    /// ```
    pub(crate) fn arms(&self, library: &Library, span: Span) -> [Arm; 2] {
        let result = library.private("Result", span);
        // With the user's span unchanged, so that a value of the wrong type is told of the `.await` and nothing else.
        let mut value = variable("value", span);
        value.set_span(span);
        [
            arm(
                quote_spanned!(at(span)=> #result::Ok(#value)),
                value.to_token_stream(),
                span,
            ),
            self.err_arm(library, span),
        ]
    }
}

pub(super) fn arm(pattern: TokenStream, body: TokenStream, span: Span) -> Arm {
    Arm {
        attrs: Vec::new(),
        pat: Pat::Verbatim(pattern),
        fat_arrow_token: syn::token::FatArrow(at(span)),
        body: Box::new(Expr::Verbatim(body)),
        comma: Some(syn::token::Comma(at(span))),
    }
}
