//! What is not wrong, but not what its author expects either: told as a warning.
//!
//! A stable macro can give errors, but no warnings. A use of something deprecated is the nearest to one: it is told of at
//! the user's token, in their own crates only, it can be allowed, and it is an error where they ask for that with `-D warnings`.
//! An error of ours would keep code from compiling that is right.

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

/// An item that we cannot read, and rustc perhaps can: nightly has syntax that the parser does not know. Told of is only where
/// such a word is found. Elsewhere it is rustc that says what is wrong, most often that the code is half typed.
pub(crate) fn unread(item: TokenStream) -> TokenStream {
    let Some(span) = nightly(item.clone()) else {
        return item;
    };
    let is_impl = item
        .clone()
        .into_iter()
        .take_while(|tree| !matches!(tree, TokenTree::Ident(word) if word == "fn"))
        .any(|tree| matches!(tree, TokenTree::Ident(word) if word == "impl"));
    let told = Told {
        span,
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

/// The first word of syntax that only nightly knows: `super let`, `for await`, `gen { }`, `yield`, `become`, `do yeet`, `x.use`.
fn nightly(tokens: TokenStream) -> Option<Span> {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let is_word = |tree: Option<&TokenTree>, text: &str| matches!(tree, Some(TokenTree::Ident(word)) if word == text);
    trees.iter().enumerate().find_map(|(index, tree)| {
        let next = trees.get(index + 1);
        match tree {
            TokenTree::Group(group) => nightly(group.stream()),
            TokenTree::Ident(word) => {
                let starts_block = is_word(next, "move")
                    || matches!(next, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace);
                let after_dot = matches!(index.checked_sub(1).map(|before| &trees[before]), Some(TokenTree::Punct(dot)) if dot.as_char() == '.');
                let is_new = match word.to_string().as_str() {
                    "super" => is_word(next, "let"),
                    "for" => is_word(next, "await"),
                    "gen" => starts_block,
                    "do" => is_word(next, "yeet"),
                    "yield" | "become" => true,
                    "use" => after_dot,
                    _ => false,
                };
                is_new.then(|| word.span())
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn what_only_nightly_reads_is_told_of_within_a_function_and_behind_an_impl() {
        let function = unread(quote!(
            pub fn f(&self) -> Option<u32> {
                super let x = 3;
                Some(x)
            }
        ))
        .to_string();
        assert!(function.starts_with("pub fn f"));
        assert!(function.find("not_cancelable") < function.find("super let"));

        for half_typed in [quote!(fn f() { let x = ; }), quote!(fn f() { self. })] {
            assert_eq!(unread(half_typed.clone()).to_string(), half_typed.to_string());
        }

        let block = unread(quote!(impl S { fn f(&self) -> Option<u32> { super let x = 3; Some(x) } })).to_string();
        assert!(block.starts_with("impl S"));
        assert!(block.find("not_cancelable") > block.find("super let"));
    }
}
