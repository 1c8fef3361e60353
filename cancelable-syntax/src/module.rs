//! `#[cancelable] mod name { … }`: the rules of an annotated `impl` block, for all functions in a module.
//!
//! | item | what happens |
//! |---|---|
//! | `#[cancelable(skip)]` on a function, block, trait or module | left alone, with all that is in it |
//! | `fn` | as a method of an annotated block |
//! | `impl` block | annotated, unless it says something itself |
//! | trait | its methods with a body are annotated likewise |
//! | `mod name { … }` | the same again |
//! | what is there for tests, or starts the program: `#[test]`, `#[cfg(test)]`, `#[tokio::main]` | left alone |
//! | anything else, macros too | left alone |

use crate::args::{self, Options};
use crate::diag::Errors;
use crate::impl_block;
use crate::rewrite::helpers::is_ours;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::{Attribute, ImplItemFn, Item, ItemFn, ItemMod, ItemTrait, Meta, TraitItem, Visibility};

pub(crate) fn expand(arguments: TokenStream, mut item: ItemMod) -> TokenStream {
    let mut errors = Errors::default();
    let options = args::parse_all(arguments, args::ATTRIBUTE, args::HELPERS_ON_FN, &mut errors);
    annotate(&mut item, &options, errors.is_empty());
    let errors = errors.to_compile_errors();
    quote!(#errors #item)
}

fn annotate(module: &mut ItemMod, options: &Options, sound: bool) {
    let items = module.content.iter_mut().flat_map(|(_, items)| items);
    for item in items {
        let goes_on = match item {
            Item::Fn(function) => !is_for_tests(&function.attrs),
            Item::Impl(block) => goes_on(&mut block.attrs),
            Item::Trait(declared) => goes_on(&mut declared.attrs),
            Item::Mod(inner) => goes_on(&mut inner.attrs),
            _ => false,
        };
        if !goes_on {
            continue;
        }
        match item {
            Item::Fn(function) => {
                let tokens = impl_block::one(&as_method(function.clone()), options, sound);
                *item = Item::Verbatim(tokens);
            }
            Item::Impl(block) => impl_block::annotate(block, options, sound),
            Item::Trait(declared) => annotate_trait(declared, options, sound),
            Item::Mod(inner) => annotate(inner, options, sound),
            _ => {}
        }
    }
}

fn annotate_trait(declared: &mut ItemTrait, options: &Options, sound: bool) {
    for inner in &mut declared.items {
        let TraitItem::Fn(method) = inner else { continue };
        let Some(block) = method.default.clone() else { continue };
        let method = ImplItemFn {
            attrs: method.attrs.clone(),
            vis: Visibility::Inherited,
            modifiers: method.modifiers.clone(),
            sig: method.sig.clone(),
            block,
        };
        *inner = TraitItem::Verbatim(impl_block::one(&method, options, sound));
    }
}

fn as_method(function: ItemFn) -> ImplItemFn {
    let ItemFn {
        attrs,
        vis,
        modifiers,
        sig,
        block,
    } = function;
    ImplItemFn {
        attrs,
        vis,
        modifiers,
        sig,
        block: *block,
    }
}

/// Whether what has these attributes is looked into. What says something of its own, other than `skip`, is left to that.
fn goes_on(attrs: &mut Vec<Attribute>) -> bool {
    let Some(index) = attrs.iter().position(is_ours) else {
        return !is_for_tests(attrs);
    };
    let says_skip = match &attrs[index].meta {
        Meta::List(list) => list.parse_args_with(Ident::parse_any).is_ok_and(|word| word == "skip"),
        _ => false,
    };
    if says_skip {
        attrs.remove(index);
    }
    false
}

/// Whether it is there for tests, or is what the program starts with.
pub(crate) fn is_for_tests(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let is_cfg = attr.path().is_ident("cfg") && attr.meta.to_token_stream().to_string() == "cfg (test)";
        let last = attr.path().segments.last();
        is_cfg || last.is_some_and(|last| ["test", "bench", "main"].iter().any(|name| last.ident == name))
    })
}
