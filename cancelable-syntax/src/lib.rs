//! What `#[cancelable]` and the macros of `cancelable` make of code, for those who read code with the same rules.
//!
//! `cancelable-macros` is a proc macro crate, and so exports nothing but its macros. What they do is in this one, which
//! [`cargo-cancelable`](https://docs.rs/cargo-cancelable) uses as well: so the compiler and the tool never disagree about where
//! a check point is. It follows the versions of these two, and promises nothing to others.
//!
//! # What expansions name
//!
//! Everything is in `cancelable::__private`:
//!
//! | path | what for |
//! |---|---|
//! | `Site` | calls whose caller's line is reported: `.is_cancelled()`, then `.cancelled(here)` in a loop; `.is_refused()`, then `.refused(here)` at an entry or `.refused_by_scope(here)` at that of a scope; `.in_loop(cancelled, here)`, `.in_scope(cancelled, here)`, `.asking()`, then `.before_each(iterator).items()` and `.ended_it()`, `.guard(future, here)`, `.finish(future, here)`, `.checkpoint(n)`, `.give_way_first(n, future)`, `.give_way_and_finish(n, future)`, `.scope()`, `.run(scope, future)`, `.run_or(scope, future, function)`, `.enter_sync(scope, closure)`, `.finally(&scope)`, then `.run(future)` or `.run_sync(closure)`; `.race(tuple)`, `.try_join(tuple)`, `.shield(future)`, `.shield_sync(closure)`, `.shield_sync_timeout(duration, closure)`, `.duration(value)` and `.instant(value)` for options that may be an `Option` |
//! | `Scope` (from `Site.scope()`) | the builder, as `Scope::new()` makes it: `.name()`, `.timeout()`, `.deadline()`, `.grace()`, `.parent()`, `.detached()`, `.until()`, `.link()` |
//! | `pin`, `Option`, `Lent` | `Lent::of(pin!(Some(future)))`: the body of a scope or shield, where it stays |
//! | `GaveUp` | `::new()`, `.watch(lent)`, `.give_up(cancelled)`, `.or_give_up(future)`, `.guard(future, here)`, `.finish(future, here)`: leaves an `async` block without a value |
//! | `Turns` | `::new(n)`, `.begin()`: every n-th turn of a `while` or `loop`; `::rounds(turns, n)` |
//! | `Probe` | `::of(&iterator).kind().pieces(iterator, n)`, then `.go_on()` and `.next_piece()`: a `for` in pieces of n |
//! | `from_cancelled::<R>` | a cancel as a value of the function's type |
//! | `Given` | `Given(&mut value).stands(_cancelable_here)`: what a `check()` has given is told where. This `here` is an item of the function, by which that is known |
//! | `token_parameter::<T>`, `linked`, `CancellationToken` | the ambient token, of the type that a `#[token]` parameter has; a token or a reference to one as a token; its type |
//! | `Stretch` | `::new()`, `.watch(lent)`, `.run(future)`, `.end(value)`, and what `GaveUp` has: a `#[cancelable(shield)]` |
//! | `Either` | which branch of a `select!` was chosen |
//! | `shield`, `shield_sync`, `shield_sync_timeout` | `shield!` |
//! | `Duration`, `Result`, `ControlFlow`, `IntoIterator` | those of `core`, whatever the user calls so |

#![deny(missing_docs)]

mod args;
mod attribute;
mod check;
mod describe;
mod diag;
mod duration;
mod ends;
mod expansion;
mod function_like;
mod half_typed;
mod here;
mod impl_block;
mod item;
mod lints;
mod module;
mod paths;
mod plan;
mod record;
mod recover;
mod rewrite;
mod shape;
#[cfg(test)]
mod snapshots;
mod tell;
mod turns;
mod twice;

pub mod expand;
pub mod reading;
pub mod survey;
