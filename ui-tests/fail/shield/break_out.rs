//! Would leave a closure.

use cancelable::shield;

fn main() {
    loop {
        shield!({ break });
    }
}
