//! Programs that have failed, as the test prints them.

use crate::pair::run;
use crate::program::Node::*;
use crate::program::{Action, Kind, Node, Turn, plain};

fn check(node: &Node, actions: &[(usize, Action)]) {
    assert!(!run(node, actions).is_open);
}

/// In a scope of the first of the given tokens.
fn under_a_token(body: Node) -> Node {
    In(plain(Kind::WithCancellation(0)), Box::new(body))
}

#[test]
fn a_shield_that_began_in_an_earlier_iteration_is_not_cut() {
    let shielded = In(plain(Kind::Shield), Box::new(Yield(3)));
    let turn = Turn {
        guarded: true,
        leaves: false,
        tick: None,
        turns: 5,
    };
    let crowd = Crowd {
        per_poll: 2,
        members: vec![Yield(1), shielded],
        turn,
    };
    check(&under_a_token(crowd), &[(1, Action::Cancel(0))]);
}
