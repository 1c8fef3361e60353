//! `#[cancelable]`, whatever it stands on.

use crate::diag::Errors;
use crate::item::{self, Item};
use crate::{args, check, expansion, impl_block, module, recover, twice};
use proc_macro2::{Span, TokenStream};

pub(crate) fn attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match item::parse(item.clone()) {
        Item::Function(function) if twice::is_expanded(&function.block) => {
            let mut errors = Errors::default();
            errors.at(Span::call_site(), twice::MESSAGE);
            recover::untouched(&item, &errors)
        }
        Item::Function(function) => {
            let mut errors = Errors::default();
            let options = args::parse_all(arguments, args::ATTRIBUTE, args::HELPERS_ON_FN, &mut errors);
            match check::check(options, *function, errors) {
                Ok(plan) => expansion::expand(plan),
                Err(refused) => match item::parse(item) {
                    Item::Function(written) => recover::without_check_points(*written, &refused),
                    _ => unreachable!("it was a function before"),
                },
            }
        }
        Item::Impl(block) => impl_block::expand(arguments, *block),
        Item::Module(module) => module::expand(arguments, *module),
        Item::Broken => {
            let mut options = args::parse_all(arguments, args::ATTRIBUTE, args::HELPERS_ON_FN, &mut Errors::default());
            recover::unread(item, &check::library(&mut options))
        }
        Item::Bodyless { name } => {
            let mut errors = Errors::default();
            errors.at(
                name,
                "this function has no body to put check points in; put the attribute on the functions that implement it",
            );
            recover::untouched(&item, &errors)
        }
        Item::Other { keyword, what } => {
            let mut errors = Errors::default();
            check::refuse_other(&arguments, keyword, what, &mut errors);
            recover::untouched(&item, &errors)
        }
    }
}
