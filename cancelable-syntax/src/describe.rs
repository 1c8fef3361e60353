//! Tokens as text for people: `Duration :: from_secs (5)` reads `Duration::from_secs(5)`.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// The tokens with spaces where a person would put them, near enough for a line of documentation.
pub(crate) fn tokens(tokens: TokenStream) -> String {
    let mut text = String::new();
    write(tokens, &mut text, &mut Gap::None);
    text
}

/// What the next token needs before it.
#[derive(PartialEq)]
enum Gap {
    None,
    Space,
    /// A space if a word follows.
    Words,
}

fn write(tokens: TokenStream, text: &mut String, gap: &mut Gap) {
    for tree in tokens {
        match tree {
            TokenTree::Group(group) => {
                let (open, close, spaced) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")", false),
                    Delimiter::Bracket => ("[", "]", false),
                    Delimiter::Brace => ("{ ", " }", true),
                    Delimiter::None => ("", "", false),
                };
                if *gap == Gap::Space || (spaced && *gap == Gap::Words) {
                    text.push(' ');
                }
                text.push_str(open);
                *gap = if open.is_empty() { Gap::Words } else { Gap::None };
                write(group.stream(), text, gap);
                text.push_str(close);
                *gap = Gap::Words;
            }
            TokenTree::Punct(punct) => {
                let sign = punct.as_char();
                // After a word they are operators of two sides, else of one.
                let binary = matches!(sign, '*' | '&' | '-') && *gap == Gap::Words;
                let tight = !binary
                    && matches!(
                        sign,
                        '.' | ':' | '&' | '?' | '!' | '\'' | ',' | ';' | '*' | '-' | '$' | '#'
                    );
                if *gap == Gap::Space || (!tight && *gap == Gap::Words) {
                    text.push(' ');
                }
                text.push(sign);
                let lone_colon = sign == ':' && !text.ends_with("::");
                *gap = match (sign, punct.spacing()) {
                    (_, Spacing::Joint) => Gap::None,
                    (',' | ';', _) => Gap::Space,
                    (':', _) if lone_colon => Gap::Space,
                    _ if tight => Gap::None,
                    _ => Gap::Space,
                };
            }
            word => {
                if *gap != Gap::None {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
                *gap = Gap::Words;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    #[test]
    fn common_expressions_read_as_written() {
        let text = |stream| super::tokens(stream);
        assert_eq!(text(quote!(Duration::from_secs(5))), "Duration::from_secs(5)");
        assert_eq!(text(quote!(&self.token)), "&self.token");
        assert_eq!(text(quote!(Err(Stop { why: 3 }))), "Err(Stop { why: 3 })");
        assert_eq!(text(quote!(())), "()");
        assert_eq!(text(quote!(-step * *n - 1)), "-step * *n - 1");
        assert_eq!(text(quote!(limits[0], "x")), "limits[0], \"x\"");
    }
}
