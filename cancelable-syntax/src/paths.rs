//! The path to the library, and the spans that generated tokens carry.
//!
//! Two rules keep hygiene and blame apart:
//!
//! - A generated token is resolved at the macro ([`Span::mixed_site`]), so no local of the user's can be meant by
//!   it, and *located* at the user's token it stands for, so a message lands on that token.
//! - The name and the parentheses of a call whose `#[track_caller]` line matters carry the user's span unchanged:
//!   `Location::caller()` walks out of expansions, and would report the attribute's line otherwise. That is why such
//!   calls are methods of `__private::Site`: a method call's location is that of its name and arguments, whatever
//!   the path before it says (it may start with a `$crate` whose span must be left alone).

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::Path;

/// Resolved at the macro, located at `span`.
pub(crate) fn at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// The path to the library: `::cancelable`, the user's `crate = …`, or the `$crate` of a wrapping `macro_rules!`.
#[derive(Clone)]
pub(crate) struct Library {
    root: Root,
    /// Whether the calls stand in a `#[track_caller]` function, and so would report its caller.
    tracked: bool,
}

#[derive(Clone)]
enum Root {
    Default,
    Given(TokenStream),
}

impl Default for Library {
    fn default() -> Self {
        Root::Default.into()
    }
}

impl From<Root> for Library {
    fn from(root: Root) -> Self {
        Library { root, tracked: false }
    }
}

impl Library {
    pub(crate) fn named(path: &Path) -> Self {
        Root::Given(path.to_token_stream()).into()
    }

    /// What a `macro_rules!` wrapper handed on: `$crate`.
    pub(crate) fn handed(tokens: TokenStream) -> Self {
        Root::Given(tokens).into()
    }

    /// The same, for calls that may stand in a `#[track_caller]` function.
    pub(crate) fn tracked(self, tracked: bool) -> Self {
        Library { tracked, ..self }
    }

    pub(crate) fn is_tracked(&self) -> bool {
        self.tracked
    }

    /// `::cancelable::__private::name`, all of it with the user's `span` unchanged, if nobody has said where the library is.
    pub(crate) fn private_at(&self, name: &str, span: Span) -> TokenStream {
        let root: TokenStream = match &self.root {
            Root::Default => quote_spanned!(span=> ::cancelable),
            Root::Given(root) => root.clone(),
        };
        let name = Ident::new(name, span);
        quote_spanned!(span=> #root::__private::#name)
    }

    /// `::cancelable::__private::name`
    pub(crate) fn private(&self, name: &str, span: Span) -> TokenStream {
        let root = match &self.root {
            // Absolute: a module, a `use` or an item of the user's called `cancelable` is not it.
            Root::Default => &quote_spanned!(Span::mixed_site()=> ::cancelable),
            Root::Given(root) => root,
        };
        let name = Ident::new(name, at(span));
        quote_spanned!(at(span)=> #root::__private::#name)
    }

    /// `::cancelable::__private::Site.method(arguments)`, reporting `span` as its caller. A closure does not hand its caller on.
    pub(crate) fn located(&self, method: &str, arguments: impl ToTokens, span: Span) -> TokenStream {
        self.located_on(self.private("Site", span), method, arguments, span)
    }

    /// The same of what has such a method as well.
    pub(crate) fn located_on(
        &self,
        receiver: impl ToTokens,
        method: &str,
        arguments: impl ToTokens,
        span: Span,
    ) -> TokenStream {
        let call = located_call(method, arguments, span);
        if self.tracked {
            quote_spanned!(at(span)=> (|| #receiver #call)())
        } else {
            quote_spanned!(at(span)=> #receiver #call)
        }
    }
}

/// `let place = pin!(Some(future));`, and the future as it is lent to what runs it. It stays in the state of the code round it.
pub(crate) fn pinned(library: &Library, future: impl ToTokens, span: Span) -> (TokenStream, TokenStream) {
    let [pin, some, lent] = ["pin", "Option", "Lent"].map(|name| library.private(name, span));
    let place = variable("place", span);
    (
        quote_spanned!(at(span)=> let #place = #pin!(#some::Some(#future));),
        quote_spanned!(at(span)=> #lent::of(#place)),
    )
}

/// `.method(arguments)`, reporting `span` as its caller.
pub(crate) fn located_call(method: &str, arguments: impl ToTokens, span: Span) -> TokenStream {
    let method = Ident::new(method, span);
    let arguments = parenthesized(arguments, span);
    let dot = quote_spanned!(at(span)=> .);
    quote!(#dot #method #arguments)
}

/// A variable of the expansion's own. Variables are told apart by where they come from, but a constant of the user's is
/// found by its name alone, and would be a pattern where a variable is meant: hence a name that nobody gives one.
pub(crate) fn variable(name: &str, span: Span) -> Ident {
    Ident::new(&format!("cancelable_{name}"), at(span))
}

fn parenthesized(arguments: impl ToTokens, span: Span) -> Group {
    let mut group = Group::new(Delimiter::Parenthesis, arguments.to_token_stream());
    group.set_span(span);
    group
}

/// The span of the first token.
pub(crate) fn first_span(tokens: impl ToTokens) -> Span {
    let first = tokens.into_token_stream().into_iter().next();
    first.map_or_else(Span::call_site, |token| token.span())
}

/// The span of the last token.
pub(crate) fn last_span(tokens: impl ToTokens) -> Span {
    let last = tokens.into_token_stream().into_iter().last();
    last.map_or_else(Span::call_site, |token| match token {
        TokenTree::Group(group) => group.span_close(),
        other => other.span(),
    })
}

/// The span of a macro's name, without the path before it.
pub(crate) fn name_span(path: &Path) -> Span {
    path.segments
        .last()
        .map_or_else(Span::call_site, |segment| segment.ident.span())
}
