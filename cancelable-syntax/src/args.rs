//! Options, from one table: name, what its value is, how to write it.
//!
//! Every macro of the crate reads its options here, so that they agree on syntax (`name = value`, trailing commas,
//! durations) and on the words of their mistakes. A mistake costs the one option, not the rest.

use crate::diag::{Errors, nearest, one_of};
use crate::duration::DurationValue;
use crate::paths::variable;
use crate::turns::Turns;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, Lit, Path, Token};

/// What may stand after `name =`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// A duration literal, or an expression of type `Duration`.
    Duration,
    /// Any expression; the rest is up to the type checker.
    Expr,
    /// A whole number of loop turns, at least 1, or an expression of type `usize`.
    Turns,
    /// A path.
    Path,
    /// A new variable.
    Binding,
    /// How often somebody is to be asked, and what asks: a pair of both.
    Asking,
    /// `true` or `false`.
    Bool,
    /// Nothing: the name says it all.
    Flag,
}

/// One row of a table of options.
#[derive(Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    kind: Kind,
    /// How to write it, for messages.
    example: &'static str,
}

const fn spec(name: &'static str, kind: Kind, example: &'static str) -> Spec {
    Spec { name, kind, example }
}

const ASKING: &str = "asking = (\"10ms\", || host.says_stop())";

/// `#[cancelable(…)]`
pub(crate) const ATTRIBUTE: &[Spec] = &[
    spec("scope", Kind::Flag, "scope"),
    spec("name", Kind::Expr, "name = \"…\""),
    spec("timeout", Kind::Duration, "timeout = \"5s\""),
    spec("idle_timeout", Kind::Duration, "idle_timeout = \"30s\""),
    spec("heartbeat", Kind::Flag, "heartbeat"),
    spec("progress", Kind::Expr, "progress = &handle"),
    spec("weight", Kind::Expr, "weight = 3"),
    spec("deadline", Kind::Expr, "deadline = instant"),
    spec("grace", Kind::Duration, "grace = \"1s\""),
    spec("token", Kind::Expr, "token = &other_token"),
    spec("until", Kind::Expr, "until = source"),
    spec("asking", Kind::Asking, ASKING),
    spec("or", Kind::Expr, "or = value"),
    spec("every", Kind::Turns, "every = 1024"),
    spec("yield_every", Kind::Turns, "yield_every = 64"),
    spec("doc", Kind::Bool, "doc = false"),
    spec("crate", Kind::Path, "crate = path::to::cancelable"),
];

/// `cancel_scope!(…)`
pub(crate) const SCOPE: &[Spec] = &[
    spec("timeout", Kind::Duration, "timeout = \"5s\""),
    spec("idle_timeout", Kind::Duration, "idle_timeout = \"30s\""),
    spec("heartbeat", Kind::Flag, "heartbeat"),
    spec("progress", Kind::Expr, "progress = &handle"),
    spec("weight", Kind::Expr, "weight = 3"),
    spec("deadline", Kind::Expr, "deadline = instant"),
    spec("grace", Kind::Duration, "grace = \"1s\""),
    spec("parent", Kind::Expr, "parent = &token"),
    spec("detached", Kind::Flag, "detached"),
    spec("name", Kind::Expr, "name = \"…\""),
    spec("token", Kind::Binding, "token = variable"),
    spec("until", Kind::Expr, "until = source"),
    spec("asking", Kind::Asking, ASKING),
    spec("partial", Kind::Expr, "partial = Vec::new()"),
    spec("finally", Kind::Expr, "finally = async { … }"),
];

/// `shield!(…)`
pub(crate) const SHIELD: &[Spec] = &[spec("timeout", Kind::Duration, "timeout = \"5s\"")];

/// Words that are no options, each with what to say to someone who wrote one where options stand.
pub(crate) type Misplaced = &'static [(&'static str, &'static str)];

/// The helpers, written on the function instead of inside it.
pub(crate) const HELPERS_ON_FN: Misplaced = &[
    (
        "skip",
        "`skip` goes on a loop, statement or expression inside an annotated function, or on a method of an annotated \
         `impl`; to leave a whole function alone, remove the attribute",
    ),
    (
        "finish",
        "`finish` goes on a statement or expression with an `.await`, inside the function",
    ),
    ("break", "`break` goes on a loop inside the function"),
    (
        "shield",
        "`shield` goes on a statement or block inside the function, whose clean-up a cancel is not to skip",
    ),
    (
        "finally",
        "a function has no `finally`; put its body into `cancel_scope!(finally = async { … }, async { … })`, or write \
         `#[cancelable(shield)]` on the clean-up",
    ),
    (
        "partial",
        "a function has no `partial`; put its body into `cancel_scope!(partial = Vec::new(), async |so_far| { … })`",
    ),
    (
        "parent",
        "an annotated function runs in its caller's scope; to link one more token, write `token = …`",
    ),
];

pub(crate) const NO_MISPLACED: Misplaced = &[];

/// A value that stood where its kind is expected.
#[derive(Clone)]
pub(crate) enum Value {
    Duration(DurationValue),
    Expr(Box<Expr>),
    Turns(Turns),
    Path(Path),
    Binding(Ident),
    Asking(Asking),
    Bool(bool),
    Flag,
}

/// Somebody whom check points ask.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) every: DurationValue,
    pub(crate) host: Box<Expr>,
}

impl Asking {
    fn from_expr(spec: Spec, expr: Expr, errors: &mut Errors) -> Option<Self> {
        match expr {
            Expr::Tuple(pair) if pair.elems.len() == 2 => {
                let mut both = pair.elems.into_iter();
                let (every, host) = (both.next()?, both.next()?);
                let every = DurationValue::from_expr("every", every, errors)?;
                Some(Self {
                    every,
                    host: Box::new(host),
                })
            }
            other => {
                errors.on(
                    &other,
                    format!("expected how often to ask, and what asks, as in `{}`", spec.example),
                );
                None
            }
        }
    }
}

#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) spec: Spec,
    /// The name as written: its span is where messages about the option go, and the line it reports.
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// The options found, in the order in which they were written, each at most once.
#[derive(Clone, Default)]
pub(crate) struct Options(Vec<Given>);

impl Options {
    pub(crate) fn take(&mut self, name: &str) -> Option<Given> {
        let index = self.0.iter().position(|given| given.spec.name == name)?;
        Some(self.0.remove(index))
    }

    /// Takes over one option of `outer`, unless it is given here.
    pub(crate) fn inherit(&mut self, name: &str, outer: &Options) {
        if !self.has(name) {
            self.0
                .extend(outer.0.iter().find(|given| given.spec.name == name).cloned());
        }
    }

    pub(crate) fn span_of(&self, name: &str) -> Option<Span> {
        self.0
            .iter()
            .find(|given| given.spec.name == name)
            .map(|given| given.span)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Given> {
        self.0.iter()
    }

    pub(crate) fn into_vec(self) -> Vec<Given> {
        self.0
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|given| given.spec.name == name)
    }
}

/// Reads everything as options: an attribute's arguments.
pub(crate) fn parse_all(tokens: TokenStream, table: &[Spec], misplaced: Misplaced, errors: &mut Errors) -> Options {
    let mut options = Options::default();
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            parse_one(input, table, misplaced, &mut options, errors);
        }
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens) {
        errors.push(error);
    }
    options
}

/// Reads options as long as they look like some, and leaves what follows: a function-like macro's body.
///
/// What looks like an option is `name =` (but not `==`), or a flag of the table, or a lone name before a comma.
pub(crate) fn parse_leading(input: ParseStream<'_>, table: &[Spec], errors: &mut Errors) -> Options {
    let mut options = Options::default();
    while looks_like_option(input, table) {
        parse_one(input, table, NO_MISPLACED, &mut options, errors);
    }
    options
}

fn looks_like_option(input: ParseStream<'_>, table: &[Spec]) -> bool {
    if !input.peek(syn::Ident::peek_any) {
        return false;
    }
    let ahead = input.fork();
    let Ok(name) = Ident::parse_any(&ahead) else {
        return false;
    };
    if ahead.peek(Token![=]) && !ahead.peek(Token![==]) && !ahead.peek(Token![=>]) {
        return true;
    }
    let known = table.iter().any(|spec| name == spec.name);
    ahead.peek(Token![,]) || (ahead.is_empty() && known)
}

/// One option and the comma after it. Whatever is wrong with it, the input moves on behind that comma.
fn parse_one(input: ParseStream<'_>, table: &[Spec], misplaced: Misplaced, options: &mut Options, errors: &mut Errors) {
    let names: Vec<&str> = table.iter().map(|spec| spec.name).collect();
    if !input.peek(syn::Ident::peek_any) {
        let found = input.cursor().token_tree().map(|(tree, _)| tree);
        match found {
            Some(TokenTree::Literal(literal)) if literal.to_string().starts_with('"') && names.contains(&"name") => {
                errors.on(
                    &literal,
                    format!("expected an option, found a string; write `name = {literal}`"),
                );
            }
            Some(tree) => errors.at(tree.span(), format!("expected one of {}", one_of(&names))),
            None => return,
        }
        skip_to_comma(input);
        return;
    }
    let Ok(name) = Ident::parse_any(input) else { return };
    let text = name.unraw().to_string();
    let Some(spec) = table.iter().find(|spec| text == spec.name).copied() else {
        let message = match misplaced.iter().find(|(word, _)| text == *word) {
            Some((_, message)) => (*message).to_owned(),
            None => {
                let all = format!(
                    "expected {}{}",
                    if names.len() > 1 { "one of " } else { "" },
                    one_of(&names)
                );
                match nearest(&text, &names) {
                    Some(near) => format!("unknown option `{text}`; did you mean `{near}`? {all}"),
                    None => format!("unknown option `{text}`; {all}"),
                }
            }
        };
        errors.at(name.span(), message);
        skip_to_comma(input);
        return;
    };

    if input.is_empty() || input.peek(Token![,]) {
        if spec.kind == Kind::Flag {
            store(
                Given {
                    spec,
                    span: name.span(),
                    value: Value::Flag,
                },
                options,
                errors,
            );
        } else {
            errors.at(name.span(), format!("expected `{}`, found `{text}`", spec.example));
        }
        skip_to_comma(input);
        return;
    }
    if !input.peek(Token![=]) {
        let message = match spec.kind {
            Kind::Flag => format!("`{text}` takes no value"),
            _ => format!("expected `{}`", spec.example),
        };
        match input.cursor().token_tree() {
            Some((tree, _)) => errors.at(tree.span(), message),
            None => errors.at(name.span(), message),
        }
        skip_to_comma(input);
        return;
    }
    let equals = input
        .parse::<Token![=]>()
        .map_or_else(|_| name.span(), |equals| equals.span);
    if spec.kind == Kind::Flag {
        errors.at(equals, format!("`{text}` takes no value"));
        skip_to_comma(input);
        return;
    }
    if input.is_empty() || input.peek(Token![,]) {
        errors.at(equals, format!("expected `{}`, found no value", spec.example));
        skip_to_comma(input);
        return;
    }
    match parse_value(input, spec, name.span(), errors) {
        Ok(Some(value)) => {
            store(
                Given {
                    spec,
                    span: name.span(),
                    value,
                },
                options,
                errors,
            );
            if !input.is_empty() && !input.peek(Token![,]) {
                if let Some((tree, _)) = input.cursor().token_tree() {
                    errors.at(tree.span(), format!("expected `,` after the value of `{text}`"));
                }
            }
        }
        Ok(None) => {}
        Err(error) => errors.push(error),
    }
    skip_to_comma(input);
}

fn store(given: Given, options: &mut Options, errors: &mut Errors) {
    if options.has(given.spec.name) {
        let name = given.spec.name;
        let remedy = match name {
            "until" => "for the first of several sources, write `until = cancelable::any([a, b])`",
            _ => "remove one of the two",
        };
        errors.at(given.span, format!("duplicate option `{name}`; {remedy}"));
    } else {
        options.0.push(given);
    }
}

/// `Ok(None)`: wrong, and already reported.
fn parse_value(input: ParseStream<'_>, spec: Spec, span: Span, errors: &mut Errors) -> syn::Result<Option<Value>> {
    Ok(match spec.kind {
        Kind::Duration => DurationValue::from_expr(spec.name, input.parse()?, errors).map(Value::Duration),
        Kind::Expr => Some(Value::Expr(Box::new(input.parse()?))),
        Kind::Turns => Turns::from_expr(
            spec.name,
            spec.example,
            variable(spec.name, span),
            input.parse()?,
            errors,
        )
        .map(Value::Turns),
        Kind::Path => {
            if let Ok(Lit::Str(text)) = input.fork().parse::<Lit>() {
                errors.on(
                    &text,
                    format!(
                        "expected a path, found a string; write `{} = {}`",
                        spec.name,
                        text.value()
                    ),
                );
                input.parse::<Lit>()?;
                return Ok(None);
            }
            let start = input.span();
            match input.call(Path::parse_mod_style) {
                Ok(path) => Some(Value::Path(path)),
                Err(_) => {
                    errors.at(start, format!("expected a path, as in `{}`", spec.example));
                    None
                }
            }
        }
        Kind::Binding => {
            let start = input.span();
            let ahead = input.fork();
            match ahead.parse::<Ident>() {
                Ok(_) if ahead.is_empty() || ahead.peek(Token![,]) => Some(Value::Binding(input.parse()?)),
                _ => {
                    errors.at(
                        start,
                        format!(
                            "`{0} = …` names a new variable for the scope's own token, as in `{0} = token`; to choose \
                             the scope above, write `parent = &token`",
                            spec.name
                        ),
                    );
                    None
                }
            }
        }
        Kind::Asking => Asking::from_expr(spec, input.parse()?, errors).map(Value::Asking),
        Kind::Bool => {
            let start = input.span();
            match input.parse::<Expr>()? {
                Expr::Lit(syn::ExprLit {
                    lit: Lit::Bool(said), ..
                }) => Some(Value::Bool(said.value)),
                _ => {
                    errors.at(start, format!("expected `true` or `false`, as in `{}`", spec.example));
                    None
                }
            }
        }
        Kind::Flag => Some(Value::Flag),
    })
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        // Infallible: a token tree is there.
        let _ = input.parse::<TokenTree>();
    }
    let _ = input.parse::<Option<Token![,]>>();
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn mistakes(tokens: TokenStream) -> Vec<String> {
        let mut errors = Errors::default();
        let _ = parse_all(tokens, ATTRIBUTE, HELPERS_ON_FN, &mut errors);
        errors.messages()
    }

    #[test]
    fn all_options_are_read_in_order_with_a_trailing_comma() {
        let mut errors = Errors::default();
        let options = parse_all(
            quote!(
                scope,
                name = "n",
                timeout = "5s",
                deadline = at,
                grace = d,
                token = &t,
                until = s,
                or = Err(E),
                every = 8,
                yield_every = 64,
                doc = false,
                crate = crate::c,
            ),
            ATTRIBUTE,
            HELPERS_ON_FN,
            &mut errors,
        );
        assert!(errors.is_empty());
        let names: Vec<_> = options.0.iter().map(|given| given.spec.name).collect();
        assert_eq!(
            names,
            [
                "scope",
                "name",
                "timeout",
                "deadline",
                "grace",
                "token",
                "until",
                "or",
                "every",
                "yield_every",
                "doc",
                "crate"
            ]
        );
    }

    #[test]
    fn each_mistake_is_told_once_and_costs_only_its_option() {
        assert_eq!(
            mistakes(quote!(timeuot = "5s", every = 0, name = "a", name = "b")).len(),
            3
        );
        assert_eq!(
            mistakes(quote!(timeout)),
            ["expected `timeout = \"5s\"`, found `timeout`"]
        );
        assert_eq!(
            mistakes(quote!(timeout = )),
            ["expected `timeout = \"5s\"`, found no value"]
        );
        assert_eq!(
            mistakes(quote!(timeout = 5))[0],
            "`5` is not a duration; write `timeout = \"5s\"`, or an expression of type `Duration`"
        );
        assert_eq!(
            mistakes(quote!("fetch")),
            ["expected an option, found a string; write `name = \"fetch\"`"]
        );
        assert_eq!(
            mistakes(quote!(crate = "c")),
            ["expected a path, found a string; write `crate = c`"]
        );
    }

    #[test]
    fn a_comparison_is_a_body_and_no_option() {
        let mut errors = Errors::default();
        let parser = |input: ParseStream<'_>| {
            let options = parse_leading(input, SCOPE, &mut errors);
            assert!(options.0.is_empty());
            input.parse::<TokenStream>()
        };
        assert_eq!(parser.parse2(quote!(timeout == 3)).unwrap().to_string(), "timeout == 3");
    }
}
