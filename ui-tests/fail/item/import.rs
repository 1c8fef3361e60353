//! Not a function.

use cancelable::cancelable;

#[cancelable]
pub use std::fmt;

fn main() {}
