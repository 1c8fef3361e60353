//! Programs of which it is known, whenever a cancel comes, that nothing in them is dropped.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Kind, Node, Turn, plain};

/// Some of each of the two kinds.
pub(crate) fn orderly_program() -> impl Strategy<Value = Node> {
    let body = prop_oneof![trees(), with_values()];
    body.prop_map(|body| Node::In(plain(Kind::WithCancellation(0)), Box::new(body)))
}

/// Programs in which unannotated code never gives an annotated await up: nothing selects, parks, or looks at another token
/// than the first of the given ones, soon after whose cancel they end.
fn trees() -> BoxedStrategy<Node> {
    // What is held has to end by itself.
    let held = orderly(finite().boxed(), None);
    let leaf = prop_oneof![3 => Just(Node::Forever), 2 => finite()].boxed();
    orderly(leaf, Some(held))
}

/// The same with futures that outlive an await. Whoever owns one polls it to its end, in several awaits; and as long as it is
/// pending, no other await of the same function is without end.
fn with_values() -> BoxedStrategy<Node> {
    let held = orderly_with_values(finite().boxed(), None, 3);
    let leaf = prop_oneof![3 => Just(Node::Forever), 2 => finite()].boxed();
    orderly_with_values(leaf, Some(held), 4)
}

fn finite() -> impl Strategy<Value = Node> {
    prop_oneof![
        2 => Just(Node::Ready),
        3 => (1_usize..4).prop_map(Node::Yield),
        1 => Just(Node::Check),
        1 => Just(Node::Cancel(0)),
    ]
}

fn orderly(leaf: BoxedStrategy<Node>, held: Option<BoxedStrategy<Node>>) -> BoxedStrategy<Node> {
    let node = leaf.prop_recursive(5, 24, 4, move |node| one_round(&node, held.as_ref()));
    node.boxed()
}

fn orderly_with_values(
    leaf: BoxedStrategy<Node>,
    held: Option<BoxedStrategy<Node>>,
    depth: u32,
) -> BoxedStrategy<Node> {
    let node = leaf.prop_recursive(depth, 24, 4, move |node| {
        let held = || held.clone().unwrap_or(node.clone().boxed());
        // What is loose and held: no guard in it is pending under the task's own waker, for such a one is dropped by the next
        // await of its owner, which does not know of it.
        let value = || {
            prop_oneof![
                held().prop_map(|body| Node::In(plain(Kind::Shield), Box::new(body))),
                held().prop_map(|body| Node::Finish(Box::new(body))),
            ]
        };
        prop_oneof![
            4 => one_round(&node, Some(&held())),
            2 => (any::<bool>(), value(), vec(while_it_runs(), 0..4)).prop_map(|(shared, value, mut awaits)| {
                awaits.push(Node::Guard(Box::new(USE)));
                Node::Own { shared, value: Box::new(value), body: Box::new(Node::Seq(awaits)) }
            }),
            3 => (0_usize..4, vec(node.clone(), 1..5), any::<bool>()).prop_map(|(per_poll, members, guarded)| {
                let turn = Turn { guarded, leaves: false, tick: None, turns: usize::MAX };
                Node::Crowd { per_poll, members, turn }
            }),
        ]
    });
    node.boxed()
}

const USE: Node = Node::Use { which: 0, take: false };

/// An await of a function that has a future on its way.
fn while_it_runs() -> impl Strategy<Value = Node> {
    let a_while = || (0_usize..3).prop_map(Node::Yield);
    let scope = |node| Node::In(plain(Kind::Scope), Box::new(Node::Guard(Box::new(node))));
    let with_it = a_while().prop_map(|tick| Node::Select(Box::new(USE), Box::new(tick)));
    prop_oneof![
        3 => with_it.clone().prop_map(|both| Node::Guard(Box::new(both))),
        1 => with_it.prop_map(scope),
        2 => a_while().prop_map(|other| Node::Guard(Box::new(other))),
        1 => a_while().prop_map(scope),
        1 => a_while().prop_map(|other| Node::Guard(Box::new(Node::Guard(Box::new(other))))),
        1 => Just(Node::Check),
    ]
}

fn one_round(node: &BoxedStrategy<Node>, held: Option<&BoxedStrategy<Node>>) -> BoxedStrategy<Node> {
    let boxed = || node.clone().prop_map(Box::new);
    let held = || held.cloned().unwrap_or(node.clone().boxed()).prop_map(Box::new);
    prop_oneof![
        3 => vec(node.clone(), 1..4).prop_map(Node::Seq),
        8 => boxed().prop_map(Node::Guard),
        1 => held().prop_map(Node::Finish),
        2 => held().prop_map(|body| Node::In(plain(Kind::Shield), body)),
        2 => boxed().prop_map(Node::Swallow),
        3 => boxed().prop_map(|body| Node::In(plain(Kind::Scope), body)),
        2 => vec(node.clone(), 1..4).prop_map(Node::Join),
        5 => (0_usize..4, vec(node.clone(), 1..5))
            .prop_map(|(per_poll, members)| Node::Members { per_poll, members }),
        2 => vec(node.clone(), 1..4).prop_map(|branches| Node::Race { observed: false, branches }),
    ]
    .boxed()
}
