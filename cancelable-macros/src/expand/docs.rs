//! The line of rustdoc that says what an annotated function checks.

use crate::plan::Plan;
use crate::rewrite::Points;
use proc_macro2::{Ident, Span};
use syn::{AttrStyle, Attribute, Expr, ExprLit, Lit, LitStr, Meta, MetaNameValue, Token, token};

/// ```text
/// Output: #[doc = "\n\n**Cancelable.** Check points: entry, 2 awaits, 1 loop. Options: `timeout = \"5s\"`."]
/// ```
pub(crate) fn attribute(plan: &Plan) -> Attribute {
    let span = Span::call_site();
    let text = Lit::Str(LitStr::new(&text(plan.points, &plan.described), span));
    // Put together by hand: to parse it would be 3 % of a whole expansion, unoptimised.
    Attribute {
        pound_token: Token![#](span),
        style: AttrStyle::Outer,
        bracket_token: token::Bracket(span),
        meta: Meta::NameValue(MetaNameValue {
            path: Ident::new("doc", span).into(),
            eq_token: Token![=](span),
            value: Expr::Lit(ExprLit {
                attrs: Vec::new(),
                lit: text,
            }),
        }),
    }
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
