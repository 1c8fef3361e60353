//! Any program at all.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{Action, Deadline, GIVEN, Grace, Kind, Node, Region, Turn, plain};

fn region() -> impl Strategy<Value = Region> {
    let kind = prop_oneof![
        6 => Just(Kind::Scope),
        1 => Just(Kind::Detached),
        1 => (0..GIVEN).prop_map(Kind::Below),
        4 => Just(Kind::Shield),
        1 => (0..GIVEN).prop_map(Kind::Ambient),
        1 => (0..GIVEN).prop_map(Kind::WithCancellation),
    ];
    let deadline = prop_oneof![6 => Just(Deadline::None), 2 => Just(Deadline::Far), 1 => Just(Deadline::Past)];
    let grace = prop_oneof![8 => Just(Grace::None), 1 => Just(Grace::Far), 1 => Just(Grace::Zero)];
    (kind, any::<bool>(), any::<bool>(), deadline, grace).prop_map(|(kind, observed, named, deadline, grace)| {
        let is_scope = matches!(kind, Kind::Scope | Kind::Detached | Kind::Below(_));
        Region {
            kind,
            observed,
            named: named && is_scope,
            deadline: if is_scope || kind == Kind::Shield {
                deadline
            } else {
                Deadline::None
            },
            grace: if is_scope { grace } else { Grace::None },
        }
    })
}

/// Programs that are trees: what an await has begun ends with it.
pub(crate) fn program() -> impl Strategy<Value = Node> {
    let node = leaf().prop_recursive(6, 32, 3, |node| one_round(&node));
    under_a_token(node)
}

/// Programs with futures that outlive an await, wander, or are driven by somebody else; and what is done to them: nearly always
/// a cancel while they run.
pub(crate) fn program_with_values() -> impl Strategy<Value = (Node, Vec<(usize, Action)>)> {
    with_values(1, |body| Just(Node::Executor(body)).boxed())
}

/// The same with coroutines in place of executors.
pub(crate) fn program_with_coroutines() -> impl Strategy<Value = (Node, Vec<(usize, Action)>)> {
    with_values(8, |body| {
        let inside = prop::bool::weighted(0.1);
        let coroutine = inside.prop_map(move |inside| Node::Coroutine {
            inside,
            body: body.clone(),
        });
        coroutine.boxed()
    })
}

/// `driven`: awaits somebody who runs the body, and how many there are.
fn with_values(
    weight: u32,
    driven: fn(Box<Node>) -> BoxedStrategy<Node>,
) -> impl Strategy<Value = (Node, Vec<(usize, Action)>)> {
    let tree = leaf().prop_recursive(2, 8, 3, |node| one_round(&node));
    let leaf = prop_oneof![
        3 => (0_usize..6).prop_map(Node::Yield),
        2 => Just(Node::Forever),
        2 => Just(Node::Check),
        3 => (0_usize..2, prop::bool::weighted(0.1)).prop_map(|(which, take)| Node::Use { which, take }),
        1 => tree,
    ];
    let node = leaf.prop_recursive(3, 20, 3, move |node| {
        let boxed = || node.clone().prop_map(Box::new);
        prop_oneof![
            8 => one_round(&node),
            16 => outlived(&node),
            weight => boxed().prop_flat_map(driven),
            1 => boxed().prop_map(Node::Spawn),
        ]
    });
    let node = node.boxed();
    let root = prop_oneof![
        4 => outlived(&node),
        1 => node.clone(),
        1 => (region(), outlived(&node)).prop_map(|(region, body)| Node::In(region, Box::new(body))),
        1 => vec(outlived(&node), 1..4).prop_map(Node::Join),
        1 => (1_usize..4, vec(outlived(&node), 1..4))
            .prop_map(|(per_poll, members)| Node::Members { per_poll, members }),
        1 => (outlived(&node), node).prop_map(|(first, then)| Node::Seq(vec![first, then])),
    ];
    let first = (1_usize..8, prop::bool::weighted(0.95));
    (root, first, actions()).prop_map(|(root, (polls, is_cancelled), mut actions)| {
        let region = Region {
            observed: true,
            ..plain(Kind::WithCancellation(0))
        };
        if is_cancelled {
            actions.insert(0, (polls, Action::Cancel(0)));
        }
        (Node::In(region, Box::new(root)), actions)
    })
}

/// An annotated function with a future of its own, or a loop over a crowd.
fn outlived(node: &BoxedStrategy<Node>) -> BoxedStrategy<Node> {
    let function = (any::<bool>(), outliving(node), function(node)).prop_map(|(shared, value, body)| {
        let (value, body) = (Box::new(value), Box::new(body));
        Node::Guard(Box::new(Node::Own { shared, value, body }))
    });
    let crowd = (1_usize..4, vec(outliving(node), 1..4), turn()).prop_map(|(per_poll, members, turn)| Node::Crowd {
        per_poll,
        members,
        turn,
    });
    prop_oneof![3 => function, 2 => crowd].boxed()
}

/// Something that check points may have to reckon with.
fn outliving(node: &BoxedStrategy<Node>) -> BoxedStrategy<Node> {
    let node =
        prop_oneof![1 => node.clone(), 2 => (1_usize..9).prop_map(Node::Yield), 1 => Just(Node::Forever)].boxed();
    let boxed = || node.clone().prop_map(Box::new);
    prop_oneof![
        3 => boxed().prop_map(|body| Node::In(plain(Kind::Shield), body)),
        2 => boxed().prop_map(Node::Finish),
        3 => boxed().prop_map(Node::Guard),
        1 => vec(node.clone(), 1..4).prop_map(|members| Node::Members { per_poll: 1, members }),
        1 => node.clone(),
    ]
    .boxed()
}

fn leaf() -> impl Strategy<Value = Node> {
    prop_oneof![
        2 => Just(Node::Ready),
        3 => (1_usize..4).prop_map(Node::Yield),
        4 => Just(Node::Forever),
        1 => Just(Node::Check),
        2 => (0_usize..8).prop_map(Node::Cancel),
    ]
}

fn one_round(node: &BoxedStrategy<Node>) -> BoxedStrategy<Node> {
    let boxed = || node.clone().prop_map(Box::new);
    prop_oneof![
        3 => vec(node.clone(), 1..4).prop_map(Node::Seq),
        8 => boxed().prop_map(Node::Guard),
        2 => boxed().prop_map(Node::Finish),
        2 => boxed().prop_map(Node::Swallow),
        8 => (region(), boxed()).prop_map(|(region, body)| Node::In(region, body)),
        2 => vec(node.clone(), 1..4).prop_map(Node::Join),
        1 => (boxed(), boxed()).prop_map(|(a, b)| Node::Select(a, b)),
        3 => (1_usize..4, vec(node.clone(), 1..4))
            .prop_map(|(per_poll, members)| Node::Members { per_poll, members }),
        1 => (boxed(), boxed()).prop_map(|(a, b)| Node::Parked(a, b)),
        2 => (any::<bool>(), vec(node.clone(), 1..4))
            .prop_map(|(observed, branches)| Node::Race { observed, branches }),
    ]
    .boxed()
}

/// The body of a function that polls a future of its own in several awaits, which may do other things as well.
fn function(node: &BoxedStrategy<Node>) -> BoxedStrategy<Node> {
    let use_it = || {
        let takes = prop::bool::weighted(0.1);
        takes.prop_map(|take| Box::new(Node::Use { which: 0, take }))
    };
    let a_while = || (0_usize..3).prop_map(Node::Yield).prop_map(Box::new);
    let one_await = prop_oneof![
        4 => (use_it(), a_while()).prop_map(|(value, tick)| Node::Guard(Box::new(Node::Select(value, tick)))),
        2 => (use_it(), node.clone().prop_map(Box::new))
            .prop_map(|(value, other)| Node::Guard(Box::new(Node::Select(value, other)))),
        2 => use_it().prop_map(Node::Guard),
        1 => use_it().prop_map(Node::Finish),
        1 => use_it().prop_map(|value| *value),
        1 => ended_in_a_task(),
        1 => (region(), use_it()).prop_map(|(region, value)| {
            Node::Guard(Box::new(Node::In(region, Box::new(Node::Guard(value)))))
        }),
        4 => node.clone(),
    ]
    .boxed();
    let handed_on = (a_while(), ended_in_a_task(), node.clone()).prop_map(|(tick, task, then)| {
        let use_it = Box::new(Node::Use { which: 0, take: false });
        Node::Seq(vec![Node::Guard(Box::new(Node::Select(use_it, tick))), task, then])
    });
    prop_oneof![1 => node.clone(), 12 => vec(one_await, 2..6).prop_map(Node::Seq), 2 => handed_on].boxed()
}

/// A task that awaits the future to its end, as a rule under a token.
fn ended_in_a_task() -> impl Strategy<Value = Node> {
    (any::<bool>(), prop::bool::weighted(0.7)).prop_map(|(take, is_cancelled)| {
        let value = Node::Guard(Box::new(Node::Use { which: 0, take }));
        let task = if is_cancelled {
            Node::In(plain(Kind::WithCancellation(0)), Box::new(value))
        } else {
            value
        };
        Node::Spawn(Box::new(task))
    })
}

fn turn() -> impl Strategy<Value = Turn> {
    let tick = option::weighted(0.3, 0_usize..3);
    (prop::bool::weighted(0.8), prop::bool::weighted(0.3), tick, 1_usize..6).prop_map(
        |(guarded, leaves, tick, turns)| Turn {
            guarded,
            leaves,
            tick,
            turns,
        },
    )
}

/// Most of them under one of the given tokens, which most cancels are of.
fn under_a_token(node: impl Strategy<Value = Node> + Clone + 'static) -> impl Strategy<Value = Node> {
    prop_oneof![
        1 => node.clone(),
        3 => (0..GIVEN, any::<bool>(), node).prop_map(|(token, is_check_point, body)| {
            let kind = if is_check_point { Kind::WithCancellation(token) } else { Kind::Ambient(token) };
            let region = Region { observed: true, ..plain(kind) };
            Node::In(region, Box::new(body))
        }),
    ]
}

/// What is done to it, and after how many polls each.
pub(crate) fn actions() -> impl Strategy<Value = Vec<(usize, Action)>> {
    let action = prop_oneof![
        4 => (0..GIVEN).prop_map(Action::Cancel),
        2 => (0_usize..8).prop_map(Action::Cancel),
        2 => Just(Action::Poll),
        1 => Just(Action::Drop),
    ];
    vec((0_usize..4, action), 0..4)
}
