//! What would it return?

use cancelable::shield;

fn main() {
    let _n: u32 = shield!(timeout = "5s", { 3 });
}
