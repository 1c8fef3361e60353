//! What the attribute was put on.
//!
//! A function's body is parsed only when the item is known to be a function, and one that does not parse is handed back as
//! it is: code that is half typed must not cost the user rustc's own message about it.

use crate::half_typed;
use proc_macro2::{Delimiter, Group, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt as _};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Block, ItemImpl, ItemMod, Signature, Token, Visibility};

pub(crate) enum Item {
    Function(Box<Function>),
    /// A function of a trait or an `extern` block that has no body.
    Bodyless {
        name: Span,
    },
    Impl(Box<ItemImpl>),
    /// An inline module.
    Module(Box<ItemMod>),
    /// Some other item, with the token that says so and what it is called in messages.
    Other {
        keyword: Span,
        what: &'static str,
    },
    /// Nothing that parses.
    Broken,
}

/// A function or method with a body that parses.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) sig: Signature,
    pub(crate) block: Block,
}

impl Function {
    pub(crate) fn inner_attrs(&self) -> impl Iterator<Item = &Attribute> {
        self.attrs
            .iter()
            .filter(|attr| matches!(attr.style, syn::AttrStyle::Inner(_)))
    }

    pub(crate) fn outer_attrs(&self) -> impl Iterator<Item = &Attribute> {
        self.attrs
            .iter()
            .filter(|attr| matches!(attr.style, syn::AttrStyle::Outer))
    }

    /// The item with `body` between the user's own braces.
    pub(crate) fn with_body(&self, body: impl ToTokens) -> TokenStream {
        let mut tokens = TokenStream::new();
        tokens.append_all(self.outer_attrs());
        self.vis.to_tokens(&mut tokens);
        self.defaultness.to_tokens(&mut tokens);
        self.sig.to_tokens(&mut tokens);
        self.block.brace_token.surround(&mut tokens, |tokens| {
            tokens.append_all(self.inner_attrs());
            body.to_tokens(tokens);
        });
        tokens
    }
}

pub(crate) fn parse(tokens: TokenStream) -> Item {
    let read = |tokens| {
        (|input: ParseStream<'_>| Ok(parse_item(input)))
            .parse2(tokens)
            .unwrap_or(Item::Broken)
    };
    match read(tokens.clone()) {
        // Its signature is half typed.
        Item::Other { .. } if half_typed::is_function(tokens.clone()) => Item::Broken,
        Item::Broken => {
            let mut changed = false;
            let separated = separate(tokens, false, &mut changed);
            if changed { read(separated) } else { Item::Broken }
        }
        item => item,
    }
}

/// Statements that a `macro_rules!` hands on as `$s:stmt` have no semicolon, which rustc does not miss, and the parser does.
fn separate(tokens: TokenStream, is_block: bool, changed: &mut bool) -> TokenStream {
    let mut separated = TokenStream::new();
    let mut starts = true;
    // The `#` of an attribute, behind which a statement starts as well.
    let mut in_attribute = false;
    let mut trees = tokens.into_iter().peekable();
    while let Some(tree) = trees.next() {
        let TokenTree::Group(group) = tree else {
            let is = |sign| matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == sign);
            in_attribute = starts && is('#');
            starts = in_attribute || is(';');
            separated.append(tree);
            continue;
        };
        let inner = separate(group.stream(), group.delimiter() == Delimiter::Brace, changed);
        let binds = matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(word)) if word == "let");
        let is_statement = is_block && starts && group.delimiter() == Delimiter::None;
        let is_open = match trees.peek() {
            Some(TokenTree::Group(next)) => next.delimiter() == Delimiter::None,
            Some(TokenTree::Ident(word)) => word != "as",
            // Part of the same expression, unless an attribute of the next one begins; or there is one.
            Some(TokenTree::Punct(sign)) => sign.as_char() == '#',
            Some(TokenTree::Literal(_)) => false,
            // `let` has no value to be the last of.
            None => binds,
        };
        starts = group.delimiter() == Delimiter::Brace || (in_attribute && group.delimiter() == Delimiter::Bracket);
        in_attribute = false;
        let mut copy = Group::new(group.delimiter(), inner);
        copy.set_span(group.span());
        separated.append(copy);
        if is_statement && is_open {
            *changed = true;
            separated.append(Punct::new(';', Spacing::Alone));
            starts = true;
        }
    }
    separated
}

fn parse_item(input: ParseStream<'_>) -> Item {
    let whole = input.fork();
    // Whatever is returned below has been looked at: the parser need not be told that tokens are left over.
    let _ = input.step(|cursor| {
        let mut rest = *cursor;
        while let Some((_, next)) = rest.token_tree() {
            rest = next;
        }
        Ok(((), rest))
    });

    let head = whole.fork();
    let Ok(attrs) = head.call(Attribute::parse_outer) else {
        return Item::Broken;
    };
    let Ok(vis) = head.parse::<Visibility>() else {
        return Item::Broken;
    };
    let function = head.fork();
    if let Some(item) = parse_function(&function, attrs, vis) {
        return item;
    }
    if head.peek(Token![impl])
        || (head.peek(Token![unsafe]) && head.peek2(Token![impl]))
        || (head.peek(Token![default]) && (head.peek2(Token![impl]) || head.peek2(Token![unsafe])))
    {
        return match whole.parse::<ItemImpl>() {
            Ok(item) => Item::Impl(Box::new(item)),
            Err(_) => Item::Broken,
        };
    }
    if head.peek(Token![mod]) || (head.peek(Token![unsafe]) && head.peek2(Token![mod])) {
        let module = whole.fork();
        match module.parse::<ItemMod>() {
            Ok(item) if item.content.is_some() => return Item::Module(Box::new(item)),
            // `mod name;`
            Ok(_) => {}
            Err(_) => return Item::Broken,
        }
    }
    other(&head)
}

fn parse_function(input: ParseStream<'_>, mut attrs: Vec<Attribute>, vis: Visibility) -> Option<Item> {
    // `default` is a name too: it qualifies a function only where one follows.
    let ahead = input.fork();
    let defaultness = match ahead.parse::<Token![default]>() {
        Ok(defaultness) if ahead.parse::<Signature>().is_ok() => {
            input.parse::<Token![default]>().ok()?;
            Some(defaultness)
        }
        _ => None,
    };
    let sig: Signature = input.parse().ok()?;
    if input.peek(Token![;]) {
        return Some(Item::Bodyless { name: sig.ident.span() });
    }
    // Parsed where it stands: a stream of its own would be copied in once more.
    let mut body = || {
        let content;
        let brace_token = syn::braced!(content in input);
        attrs.extend(content.call(Attribute::parse_inner)?);
        let stmts = content.call(Block::parse_within)?;
        Ok::<_, syn::Error>(Block { brace_token, stmts })
    };
    let Ok(block) = body() else {
        return Some(Item::Broken);
    };
    Some(Item::Function(Box::new(Function {
        attrs,
        vis,
        defaultness,
        sig,
        block,
    })))
}

/// Names what is not a function, by its first telling keyword.
fn other(input: ParseStream<'_>) -> Item {
    const WHAT: [(&str, &str); 16] = [
        ("struct", "a struct"),
        ("enum", "an enum"),
        ("union", "a union"),
        ("trait", "a trait"),
        ("mod", "a module"),
        ("static", "a static"),
        ("const", "a constant"),
        ("type", "a type alias"),
        ("use", "an import"),
        ("macro_rules", "a macro"),
        ("extern", "an `extern` block"),
        ("let", "a statement"),
        ("for", "a loop"),
        ("while", "a loop"),
        ("loop", "a loop"),
        ("match", "an expression"),
    ];
    let ahead = input.fork();
    while let Ok(word) = ahead.call(syn::Ident::parse_any) {
        if word == "unsafe" || word == "auto" || word == "async" {
            continue;
        }
        if let Some((_, what)) = WHAT.iter().find(|(keyword, _)| word == keyword) {
            return Item::Other {
                keyword: word.span(),
                what,
            };
        }
        break;
    }
    match input.cursor().token_tree() {
        Some((first, _)) => Item::Other {
            keyword: first.span(),
            what: "an expression",
        },
        None => Item::Broken,
    }
}
