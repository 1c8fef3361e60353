//! What is not wrong, but not what its author expects either: told as a warning.
//!
//! A stable macro can give errors, but no warnings. A use of something deprecated is the nearest to one: it is told of at
//! the user's token, in their own crates only, it does not come on top of an error, it can be allowed, and is an error where they
//! ask for that with `-D warnings`. An error of ours would keep code from compiling that is right.

use crate::paths::at;
use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{TokenStreamExt as _, quote_spanned};

/// Something to tell, and the token that it is told of.
pub(crate) struct Told {
    pub(crate) span: Span,
    pub(crate) message: String,
}

impl Told {
    /// ```text
    /// Output: const _: () = { #[deprecated(note = "…")] const not_cancelable: () = (); not_cancelable };
    /// ```
    pub(crate) fn item(&self) -> TokenStream {
        let span = at(self.span);
        let note = &self.message;
        quote_spanned!(span=>
            const _: () = {
                #[allow(non_upper_case_globals)]
                #[deprecated(note = #note)]
                const not_cancelable: () = ();
                not_cancelable
            };
        )
    }
}

/// An item that we cannot read, and rustc perhaps can: nightly has syntax that the parser does not know. If it cannot either,
/// its errors come first, and this is not told.
pub(crate) fn unread(item: TokenStream) -> TokenStream {
    let is_impl = item
        .clone()
        .into_iter()
        .take_while(|tree| !matches!(tree, TokenTree::Ident(word) if word == "fn"))
        .any(|tree| matches!(tree, TokenTree::Ident(word) if word == "impl"));
    let error = if is_impl {
        syn::parse2::<syn::ItemImpl>(item.clone()).err()
    } else {
        syn::parse2::<syn::ItemFn>(item.clone()).err()
    };
    let told = Told {
        span: error.map_or_else(Span::call_site, |error| error.span()),
        message:
            "this syntax cannot be read by `#[cancelable]`, so there is no check point in here and nothing that can be \
                  cancelled; move it into a function without the attribute"
                .to_owned(),
    };
    let told = told.item();
    if is_impl {
        return quote_spanned!(Span::call_site()=> #item #told);
    }
    // Within the function: beside a method, nothing of the kind may stand.
    let mut trees: Vec<TokenTree> = item.into_iter().collect();
    if let Some(TokenTree::Group(body)) = trees.last_mut() {
        if body.delimiter() == Delimiter::Brace {
            let mut stream = told;
            stream.extend(body.stream());
            let mut with = Group::new(Delimiter::Brace, stream);
            with.set_span(body.span());
            *body = with;
        }
    }
    let mut item = TokenStream::new();
    item.append_all(trees);
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn what_cannot_be_read_is_told_of_within_a_function_and_behind_an_impl() {
        let function = unread(quote!(
            pub fn f(&self) -> Option<u32> {
                super let x = 3;
                Some(x)
            }
        ))
        .to_string();
        assert!(function.starts_with("pub fn f"));
        assert!(function.find("not_cancelable") < function.find("super let"));

        let block = unread(quote!(impl S { fn f(&self) -> Option<u32> { super let x = 3; Some(x) } })).to_string();
        assert!(block.starts_with("impl S"));
        assert!(block.find("not_cancelable") > block.find("super let"));
    }
}
