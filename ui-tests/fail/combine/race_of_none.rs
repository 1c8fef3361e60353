//! Nobody wins.

use cancelable::race;

fn main() {
    let _winner = race!();
}
