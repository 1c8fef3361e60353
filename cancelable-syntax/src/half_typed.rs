//! Code that does not parse yet, less what would be an error of its own in it: our helpers, which mean nothing to rustc, and
//! `#[token]` parameters, which callers do not pass. All by tokens, for there is nothing else; what is not recognised is left.

use crate::paths::{Library, at};
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use std::iter::Peekable;
use syn::ImplItem;

type Trees = Peekable<proc_macro2::token_stream::IntoIter>;

/// An item that does not parse.
pub(crate) fn item(tokens: TokenStream, library: &Library) -> TokenStream {
    let is_impl = |tree: &TokenTree| matches!(tree, TokenTree::Ident(word) if word == "impl");
    if is_function(tokens.clone()) || !tokens.clone().into_iter().any(|tree| is_impl(&tree)) {
        return cleared(tokens, library);
    }
    let methods = tokens.into_iter().map(|tree| match tree {
        TokenTree::Group(block) if block.delimiter() == Delimiter::Brace => {
            TokenTree::Group(ending_like(&block, methods(block.stream(), library)))
        }
        other => other,
    });
    methods.collect()
}

/// The items of an `impl` block, those that are no items yet left out: rustc has told of them, and would once more, for it names
/// the block's beginning as well.
fn methods(tokens: TokenStream, library: &Library) -> TokenStream {
    let mut kept = TokenStream::new();
    let (mut written, mut outline) = (TokenStream::new(), TokenStream::new());
    let mut is_function = false;
    for tree in tokens {
        let (ends, outlined) = match &tree {
            TokenTree::Ident(word) => {
                is_function |= word == "fn";
                (false, tree.clone())
            }
            // What is wrong within these is told of there.
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => (is_function, empty(body)),
            TokenTree::Group(list) if list.delimiter() == Delimiter::Parenthesis && is_function => (false, empty(list)),
            TokenTree::Punct(punct) => (punct.as_char() == ';', tree.clone()),
            _ => (false, tree.clone()),
        };
        written.extend([tree]);
        outline.extend([outlined]);
        if ends {
            let (written, outline) = (std::mem::take(&mut written), std::mem::take(&mut outline));
            if syn::parse2::<ImplItem>(outline).is_ok() {
                kept.extend(cleared(written, library));
            }
            is_function = false;
        }
    }
    // A last method without a body yet, which rustc takes for one.
    let body = quote!({ loop {} });
    if is_function && syn::parse2::<ImplItem>(quote!(#outline #body)).is_ok() {
        kept.extend(cleared(unannotated(quote!(#written #body)), library));
    }
    kept
}

/// The tokens without our attributes, but for those that annotate a function of their own.
fn cleared(tokens: TokenStream, library: &Library) -> TokenStream {
    let mut cleared = TokenStream::new();
    // What the next body is to begin with.
    let mut bindings = TokenStream::new();
    let mut awaits_parameters = false;
    // Behind a dot a brace or an attribute is the mistake, which rustc has told of where that begins.
    let mut is_behind_dot = false;
    let mut trees = tokens.into_iter().peekable();
    while let Some(tree) = trees.next() {
        let was_behind_dot = std::mem::replace(&mut is_behind_dot, is_dot(&tree));
        match tree {
            TokenTree::Punct(pound) if pound.as_char() == '#' => {
                let attribute = trees.next_if(is_bracket);
                let ours = attribute.as_ref().is_some_and(is_ours);
                if !ours || (!is_helper(attribute.as_ref()) && leads_to_function(&trees)) {
                    cleared.extend([TokenTree::Punct(pound)]);
                    cleared.extend(attribute);
                } else if was_behind_dot {
                    // Without it, what follows would be the method.
                    cleared.extend([TokenTree::Punct(pound)]);
                    cleared.extend(quote!([allow(unused)]));
                }
            }
            TokenTree::Ident(word) => {
                if word == "fn" {
                    (awaits_parameters, bindings) = (true, TokenStream::new());
                }
                cleared.extend([TokenTree::Ident(word)]);
            }
            TokenTree::Group(group) => {
                let is_body = group.delimiter() == Delimiter::Brace && !bindings.is_empty();
                if !is_body && !has_ours(group.stream()) {
                    awaits_parameters &= group.delimiter() != Delimiter::Parenthesis;
                    // As it is, with both its spans.
                    cleared.extend([TokenTree::Group(group)]);
                    continue;
                }
                let mut inner = TokenStream::new();
                match group.delimiter() {
                    Delimiter::Parenthesis if awaits_parameters => {
                        awaits_parameters = false;
                        inner.extend(parameters(group.stream(), library, &mut bindings));
                    }
                    Delimiter::Brace => {
                        inner.extend(std::mem::take(&mut bindings));
                        inner.extend(self::cleared(group.stream(), library));
                    }
                    _ => inner.extend(self::cleared(group.stream(), library)),
                }
                let mut copy = ending_like(&group, inner);
                if was_behind_dot {
                    copy.set_span(group.span_open());
                }
                cleared.extend([TokenTree::Group(copy)]);
            }
            other => {
                if matches!(&other, TokenTree::Punct(punct) if punct.as_char() == ';') {
                    bindings = TokenStream::new();
                }
                cleared.extend([other]);
            }
        }
    }
    cleared
}

/// Without our attributes at all: nothing is to be said of a function that is not there yet.
fn unannotated(tokens: TokenStream) -> TokenStream {
    let mut trees: Vec<TokenTree> = Vec::new();
    for tree in tokens {
        if is_bracket(&tree) && is_ours(&tree) {
            // Its `#`.
            trees.pop();
        } else {
            trees.push(tree);
        }
    }
    trees.into_iter().collect()
}

fn empty(group: &Group) -> TokenTree {
    TokenTree::Group(ending_like(group, TokenStream::new()))
}

/// A group has but one span to set. Rustc has read the item before, and has told of its end if that came too early; at the same
/// place, it does not say so again.
fn ending_like(group: &Group, inner: TokenStream) -> Group {
    let mut copy = Group::new(group.delimiter(), inner);
    copy.set_span(group.span_close());
    copy
}

fn is_dot(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == '.')
}

/// Whether there is something of ours in them, however deep: an attribute, or a mark on a parameter.
fn has_ours(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|tree| match &tree {
        TokenTree::Group(group) => is_ours(&tree) || is_mark(&tree) || has_ours(group.stream()),
        _ => false,
    })
}

fn is_bracket(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket)
}

/// `[cancelable]`, `[cancelable(…)]`, `[path::to::cancelable…]`.
fn is_ours(attribute: &TokenTree) -> bool {
    let TokenTree::Group(attribute) = attribute else {
        return false;
    };
    let mut last = None;
    for tree in attribute.stream() {
        match tree {
            TokenTree::Ident(word) => last = Some(word),
            TokenTree::Punct(colon) if colon.as_char() == ':' => {}
            _ => break,
        }
    }
    last.is_some_and(|word| word == "cancelable")
}

/// `[cancelable(skip)]` and its like, which is no annotation also where a function follows: a method of an `impl`.
fn is_helper(attribute: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(attribute)) = attribute else {
        return false;
    };
    let arguments = attribute.stream().into_iter().last();
    matches!(arguments, Some(TokenTree::Group(arguments))
        if ["skip", "finish", "break"].contains(&arguments.stream().to_string().as_str()))
}

/// Whether what comes next is a function, behind other attributes.
fn leads_to_function(trees: &Trees) -> bool {
    is_function(trees.clone())
}

/// Whether these are the beginning of a function, behind attributes.
pub(crate) fn is_function(trees: impl IntoIterator<Item = TokenTree>) -> bool {
    let mut ahead = trees.into_iter().peekable();
    while let Some(tree) = ahead.next() {
        match tree {
            TokenTree::Punct(pound) if pound.as_char() == '#' => {
                ahead.next_if(is_bracket);
            }
            TokenTree::Ident(word) => {
                let word = word.to_string();
                match word.as_str() {
                    "fn" => return true,
                    // `async { }` and `unsafe { }` come to a brace, and not to `fn`.
                    "async" | "const" | "crate" | "default" | "extern" | "pub" | "unsafe" => {}
                    _ => return false,
                }
            }
            // `pub(crate)`, `extern "C"`
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {}
            TokenTree::Literal(_) => {}
            _ => return false,
        }
    }
    false
}

/// The parameters but those marked `#[token]`, for which there will be variables.
fn parameters(tokens: TokenStream, library: &Library, bindings: &mut TokenStream) -> TokenStream {
    let mut kept = TokenStream::new();
    let mut parameter = Vec::new();
    let mut depth = 0usize;
    let mut trees = tokens.into_iter().peekable();
    while let Some(tree) = trees.next() {
        let mut ends = trees.peek().is_none();
        if let TokenTree::Punct(punct) = &tree {
            match punct.as_char() {
                '<' => depth += 1,
                '>' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => ends = true,
                _ => {}
            }
        }
        parameter.push(tree);
        if ends {
            let parameter = std::mem::take(&mut parameter);
            if is_marked(&parameter) {
                bindings.extend(binding(parameter, library));
            } else {
                kept.extend(parameter);
            }
        }
    }
    kept
}

fn is_marked(parameter: &[TokenTree]) -> bool {
    parameter.windows(2).any(|pair| match pair {
        [TokenTree::Punct(pound), mark] => pound.as_char() == '#' && is_mark(mark),
        _ => false,
    })
}

/// `[token]`
fn is_mark(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Group(mark) if mark.stream().to_string() == "token")
}

/// ```text
/// Input:  #[token] token: &CancellationToken,
/// Output: let token: &CancellationToken = &token_parameter::<CancellationToken>();
/// ```
/// Nothing, if it has no type yet.
fn binding(parameter: Vec<TokenTree>, library: &Library) -> Option<TokenStream> {
    let is = |tree: &TokenTree, sign: char| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == sign);
    let colon = parameter.iter().position(|tree| is(tree, ':'))?;
    let name: Ident = parameter[..colon].iter().rev().find_map(|tree| match tree {
        TokenTree::Ident(name) => Some(name.clone()),
        _ => None,
    })?;
    let mut ty: Vec<TokenTree> = parameter[colon + 1..]
        .iter()
        .filter(|tree| !is(tree, ','))
        .cloned()
        .collect();
    let borrow = ty.first().is_some_and(|tree| is(tree, '&')).then(|| ty.remove(0));
    let span = ty.first()?.span();
    let ambient = library.private("token_parameter", span);
    let ty: TokenStream = ty.into_iter().collect();
    let borrow = borrow.map(|borrow| borrow.to_token_stream());
    Some(quote_spanned!(at(span)=> let #name: #borrow #ty = #borrow #ambient::<#ty>();))
}
