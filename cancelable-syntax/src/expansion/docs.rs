//! The line of rustdoc that says what an annotated function checks.

use crate::plan::Plan;
use crate::rewrite::Points;
use proc_macro2::{Ident, Span};
use quote::quote;
use syn::{AttrStyle, Attribute, LitStr, MacroDelimiter, Meta, MetaList, Token, token};

/// ```text
/// Output: #[cfg_attr(doc, doc = "\n\n**Cancelable.** Check points: entry, 2 awaits, 1 loop. Options: `timeout = \"5s\"`.")]
/// ```
/// Only where the user wrote documentation: alone, the line would stand in place of what a trait says of its method, and
/// would be all that `missing_docs` asks for. In a `cfg_attr`, so that attributes which expand after ours, and publish what
/// `doc` says (`utoipa::path`), do not see it.
pub(crate) fn attribute(plan: &Plan) -> Option<Attribute> {
    if !plan.documented || !plan.function.attrs.iter().any(is_documentation) {
        return None;
    }
    let span = Span::call_site();
    let text = LitStr::new(&text(plan.points, &plan.described), span);
    // Put together by hand: to parse it would be 3 % of a whole expansion, unoptimised.
    Some(Attribute {
        pound_token: Token![#](span),
        style: AttrStyle::Outer,
        bracket_token: token::Bracket(span),
        meta: Meta::List(MetaList {
            path: Ident::new("cfg_attr", span).into(),
            delimiter: MacroDelimiter::Paren(token::Paren(span)),
            tokens: quote!(doc, doc = #text),
        }),
    })
}

/// `/// text` and `#[doc = …]`, not `#[doc(hidden)]`.
fn is_documentation(attr: &Attribute) -> bool {
    attr.path().is_ident("doc") && matches!(attr.meta, Meta::NameValue(_))
}

fn text(points: Points, options: &[String]) -> String {
    let mut checks = vec!["entry".to_owned()];
    checks.extend(count(points.awaits, "await"));
    checks.extend(count(points.loops, "loop"));
    // An attribute of its own starts a new line, not a new paragraph.
    let mut text = format!("\n\n**Cancelable.** Check points: {}.", checks.join(", "));
    if !options.is_empty() {
        let options: Vec<String> = options.iter().map(|option| code(option)).collect();
        text.push_str(&format!(" Options: {}.", options.join(", ")));
    }
    text
}

fn count(number: usize, what: &str) -> Option<String> {
    match number {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{number} {what}s")),
    }
}

/// Inline code, fenced by more backticks than it holds.
fn code(text: &str) -> String {
    let longest = text.split(|other| other != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_and_quotes() {
        assert_eq!(text(Points::default(), &[]), "\n\n**Cancelable.** Check points: entry.");
        assert_eq!(
            text(
                Points { awaits: 2, loops: 1 },
                &["timeout = \"5s\"".to_owned(), "or = f(\"`\")".to_owned()]
            ),
            "\n\n**Cancelable.** Check points: entry, 2 awaits, 1 loop. Options: `timeout = \"5s\"`, `` or = f(\"`\") ``."
        );
    }
}
