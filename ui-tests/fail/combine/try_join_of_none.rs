//! Nothing to join.

use cancelable::try_join;

fn main() {
    let _all = try_join!();
}
