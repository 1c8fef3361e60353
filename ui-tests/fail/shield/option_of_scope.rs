//! It has no name.

use cancelable::shield;

fn main() {
    let _n = shield!(name = "cleanup", { 3 });
}
