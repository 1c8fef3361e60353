//! `#[cancelable] impl …`: which methods are annotated, and with which options.
//!
//! | method | what happens |
//! |---|---|
//! | `#[cancelable(skip)]` | left alone |
//! | `#[cancelable]`, `#[cancelable(…)]` | annotated, with the block's options or with these in their place |
//! | returns some `…Result` or `Option`, or a future of one | annotated, with the block's options (`yield_every` on async ones only) |
//! | `async`, of another type | an error: nobody would notice that it is not cancelable |
//! | `const`, or sync and of another type | left alone |

use crate::args::{self, Options};
use crate::check::{self, Refused};
use crate::diag::Errors;
use crate::expansion;
use crate::item::Function;
use crate::paths::Library;
use crate::recover;
use crate::rewrite::helpers::is_ours;
use crate::shape::{self, Shape};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{ImplItem, ImplItemFn, ItemImpl, Meta, Path, ReturnType, Signature, Type};

pub(crate) fn expand(arguments: TokenStream, mut item: ItemImpl) -> TokenStream {
    let mut errors = Errors::default();
    let options = args::parse_all(arguments, args::ATTRIBUTE, args::HELPERS_ON_FN, &mut errors);
    // Wrong options are told of once; the methods are then handed back as they are.
    annotate(&mut item, &options, errors.is_empty());
    let errors = errors.to_compile_errors();
    quote!(#errors #item)
}

/// Annotates the methods of a block, unless the options are not `sound`.
pub(crate) fn annotate(item: &mut ItemImpl, options: &Options, sound: bool) {
    for inner in &mut item.items {
        if let ImplItem::Fn(method) = inner {
            let tokens = one(method, options, sound);
            *inner = ImplItem::Verbatim(tokens);
        }
    }
}

/// What to do with one method.
enum Wish {
    Leave,
    Annotate(Options),
    /// It is `async` and cannot say that it was cancelled.
    Refuse,
}

/// One method, or one function of a module.
pub(crate) fn one(method: &ImplItemFn, options: &Options, sound: bool) -> TokenStream {
    let mut errors = Errors::default();
    let (wish, function) = read(method, options, &mut errors);
    let written = |refused: &Refused| {
        let (_, function) = read(method, options, &mut Errors::default());
        recover::without_check_points(function, refused)
    };
    let library = Library::default();
    if !sound || !errors.is_empty() {
        return written(&Refused { errors, library });
    }
    match wish {
        Wish::Leave => recover::stripped(function, &TokenStream::new()),
        Wish::Annotate(options) => match check::check(options, function, errors) {
            Ok(plan) => expansion::expand(plan),
            Err(refused) => written(&refused),
        },
        Wish::Refuse => {
            const REMEDY: &str = "return a `Result` or an `Option`, or write `#[cancelable(or = …)]` or \
                                  `#[cancelable(skip)]` on it";
            match &function.sig.output {
                ReturnType::Type(_, ty) => errors.on(
                    ty,
                    format!("this type is not written as a `Result` or an `Option`, so whether it has room for a cancel is not known; if it has, write `#[cancelable]` on it; if not, {REMEDY}"),
                ),
                ReturnType::Default => errors.at(
                    function.sig.ident.span(),
                    format!(
                        "`{}` returns nothing, and so has no room for a cancel, which an `async` function of a \
                         cancelable `impl` or module needs; {REMEDY}",
                        function.sig.ident
                    ),
                ),
            }
            written(&Refused { errors, library })
        }
    }
}

/// A method, less its own attribute, and what that asks for.
fn read(method: &ImplItemFn, options: &Options, errors: &mut Errors) -> (Wish, Function) {
    let ImplItemFn {
        attrs,
        vis,
        modifiers,
        sig,
        block,
    } = method.clone();
    let mut function = Function {
        attrs,
        vis,
        defaultness: modifiers.defaultness,
        sig,
        block,
    };
    (wish(&mut function, options, errors), function)
}

/// Takes the method's own attribute off, and says what it asks for.
fn wish(function: &mut Function, options: &Options, errors: &mut Errors) -> Wish {
    let own = function
        .attrs
        .iter()
        .position(is_ours)
        .map(|index| function.attrs.remove(index));
    if let Some(second) = function.attrs.iter().position(is_ours) {
        let second = function.attrs.remove(second);
        errors.on(
            second.path(),
            "this method has `#[cancelable]` already; remove one of the two",
        );
    }
    let Some(own) = own else {
        return match Taken::of(&function.sig) {
            Taken::Yes => Wish::Annotate(of_the_block(options, function)),
            Taken::Refused => Wish::Refuse,
            Taken::No => Wish::Leave,
        };
    };
    match own.meta {
        Meta::Path(_) => Wish::Annotate(of_the_block(options, function)),
        Meta::List(list) => {
            if list.parse_args_with(Ident::parse_any).is_ok_and(|word| word == "skip") {
                return Wish::Leave;
            }
            let mut own = args::parse_all(list.tokens, args::ATTRIBUTE, args::HELPERS_ON_FN, errors);
            own.inherit("crate", options);
            own.inherit("doc", options);
            Wish::Annotate(own)
        }
        Meta::NameValue(pair) => {
            errors.on(pair.eq_token, "expected `#[cancelable(…)]`");
            Wish::Leave
        }
    }
}

/// The block's options, as far as they mean something on this method.
fn of_the_block(options: &Options, function: &Function) -> Options {
    let mut options = options.clone();
    if matches!(check::shape_of(function), (Shape::Plain, _)) {
        options.take("yield_every");
    }
    options
}

/// Whether a method that says nothing about it is annotated.
pub(crate) enum Taken {
    Yes,
    No,
    /// Nobody would notice that it is not cancelable.
    Refused,
}

impl Taken {
    pub(crate) fn of(sig: &Signature) -> Self {
        match &sig.output {
            _ if sig.constness.is_some() => Taken::No,
            output if has_room(output) => Taken::Yes,
            _ if sig.asyncness.is_some() => Taken::Refused,
            _ => Taken::No,
        }
    }
}

/// Whether the type is written as some `…Result` or an `Option`, or as a future of one.
fn has_room(output: &ReturnType) -> bool {
    let named = |ty: &Type| match peel(ty) {
        Type::Path(path) => {
            path.path
                .segments
                .last()
                .is_some_and(|last| last.ident == "Option" || last.ident.to_string().ends_with("Result"))
                && !is_of_fmt(&path.path)
        }
        _ => false,
    };
    match output {
        ReturnType::Default => false,
        ReturnType::Type(_, ty) => named(ty) || shape::future_output(output).is_some_and(|output| named(&output)),
    }
}

/// `fmt::Result`, whose error says nothing.
fn is_of_fmt(path: &Path) -> bool {
    path.segments
        .iter()
        .rev()
        .nth(1)
        .is_some_and(|module| module.ident == "fmt")
}

fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::has_room;
    use syn::parse_quote;

    #[test]
    fn results_and_options_have_room_however_they_are_called() {
        assert!(has_room(&parse_quote!(-> Result<(), E>)));
        assert!(has_room(&parse_quote!(-> std::io::Result<()>)));
        assert!(has_room(&parse_quote!(-> QueryResult)));
        assert!(has_room(&parse_quote!(-> Option<u8>)));
        assert!(has_room(&parse_quote!(-> impl Future<Output = Result<(), E>> + Send)));
        assert!(has_room(&parse_quote!(-> Pin<Box<dyn Future<Output = Option<u8>>>>)));
        assert!(!has_room(&parse_quote!(-> std::fmt::Result)));
        assert!(!has_room(&parse_quote!(-> u8)));
        assert!(!has_room(&parse_quote!(-> Vec<Result<(), E>>)));
        assert!(!has_room(&parse_quote!(-> impl Future<Output = u8>)));
        assert!(!has_room(&syn::ReturnType::Default));
    }
}
