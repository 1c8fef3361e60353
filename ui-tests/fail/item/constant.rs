//! Not a function.

use cancelable::{Cancelled, cancelable};

#[cancelable]
const WORK: Option<Cancelled> = None;

fn main() {}
