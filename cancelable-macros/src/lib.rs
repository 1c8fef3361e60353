//! The attribute and the macros of `cancelable`; use them through that crate.
//!
//! # What expansions name
//!
//! Everything is in `cancelable::__private`:
//!
//! | path | what for |
//! |---|---|
//! | `Site` | calls whose caller's line is reported: `.check()`, `.guard(future)`, `.finish(future)`, `.scope()`, `.run(scope, future)`, `.run_as(scope, future, conversion)`, `.enter_sync(scope, closure)`, `.race(tuple)`, `.try_join(tuple)`, `.shield_sync_timeout(duration, closure)` |
//! | `Scope` (from `Site.scope()`) | the builder, as `Scope::new()` makes it: `.name()`, `.timeout()`, `.deadline()`, `.grace()`, `.parent()`, `.detached()`, `.until()`, `.link()` |
//! | `GaveUp` | `::new()`, `.watch(future)`, `.give_up(cancelled)`: leaves an `async` block without a value |
//! | `Turns` | `::new(n)`, `.begin()`: every n-th turn of a `while` or `loop` |
//! | `Probe` | `::of(&iterator).kind().pieces(iterator, n)`, then `.next_piece()` and `.more()`: a `for` in pieces of n |
//! | `from_cancelled::<R>` | a cancel as a value of the function's type |
//! | `token_parameter::<T>`, `linked`, `CancellationToken` | the ambient token, of the type that a `#[token]` parameter has; a token or a reference to one as a token; its type |
//! | `Either` | which branch of a `select!` was chosen |
//! | `shield`, `shield_sync`, `shield_sync_timeout` | `shield!` |
//! | `Duration`, `Result`, `Option`, `IntoIterator` | those of `core`, whatever the user calls so |

mod args;
mod check;
mod describe;
mod diag;
mod duration;
mod expand;
mod function_like;
mod impl_block;
mod item;
mod lints;
mod paths;
mod plan;
mod recover;
mod rewrite;
mod shape;

use diag::Errors;
use item::Item;
use proc_macro::TokenStream;

/// Makes a function cancelable. See the documentation in `cancelable`.
#[proc_macro_attribute]
pub fn cancelable(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute(arguments.into(), item.into()).into()
}

#[doc(hidden)]
#[proc_macro]
pub fn cancel_scope(input: TokenStream) -> TokenStream {
    function_like::cancel_scope(input.into()).into()
}

#[doc(hidden)]
#[proc_macro]
pub fn shield(input: TokenStream) -> TokenStream {
    function_like::shield(input.into()).into()
}

#[doc(hidden)]
#[proc_macro]
pub fn race(input: TokenStream) -> TokenStream {
    function_like::combine(input.into(), "race").into()
}

#[doc(hidden)]
#[proc_macro]
pub fn try_join(input: TokenStream) -> TokenStream {
    function_like::combine(input.into(), "try_join").into()
}

fn attribute(arguments: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    match item::parse(item.clone()) {
        Item::Function(function) => {
            let mut errors = Errors::default();
            let options = args::parse_all(arguments, args::ATTRIBUTE, args::HELPERS_ON_FN, &mut errors);
            match check::check(options, function, errors) {
                Ok(plan) => expand::expand(plan),
                Err(recovered) => recovered.0.item(&recovered.1),
            }
        }
        Item::Impl(block) => impl_block::expand(arguments, *block),
        // Rustc says what is wrong with it.
        Item::Broken => item,
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
