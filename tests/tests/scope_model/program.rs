//! What is tried out: small programs of scopes, shields, awaits and cancels, and what can be seen of a run.

use cancelable::ReasonKind;
use proptest::collection::vec;
use proptest::prelude::*;

/// Tokens that are there before a program runs: the second is a child of the first, the third on its own.
pub(crate) const GIVEN: usize = 3;

/// An async computation. Each one is awaited by unannotated code, which says when it starts, ends or is dropped.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Ready,
    /// Foreign: pending for so many polls, each of which wakes its task.
    Yield(usize),
    /// Foreign: pending for ever.
    Forever,
    /// An explicit check point.
    Check,
    /// Cancels one of the tokens known by then.
    Cancel(usize),
    /// One after the other, up to the first error.
    Seq(Vec<Node>),
    Guard(Box<Node>),
    Finish(Box<Node>),
    /// Takes an error for a value.
    Swallow(Box<Node>),
    In(Region, Box<Node>),
    /// All of them, under the task's own waker.
    Join(Vec<Node>),
    /// The first to be ready; the other is dropped.
    Select(Box<Node>, Box<Node>),
    /// All of them, each under a waker of its own, and only so many in one poll; 0: in a `FuturesUnordered`, which the
    /// reference does not know, for it polls its members in the order in which they were woken.
    Members {
        per_poll: usize,
        members: Vec<Node>,
    },
    /// The first is polled once, under a waker of its own, and then kept while the second runs.
    Parked(Box<Node>, Box<Node>),
    Race {
        observed: bool,
        branches: Vec<Node>,
    },
}

/// A stretch of code with a token.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    pub(crate) kind: Kind,
    /// Its body makes its token known. Otherwise nobody ever asks for it, which the library may make use of.
    pub(crate) observed: bool,
    pub(crate) named: bool,
    pub(crate) deadline: Deadline,
    pub(crate) grace: Grace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `Scope`, below the ambient token.
    Scope,
    /// `Scope::detached`.
    Detached,
    /// `Scope::parent`.
    Below(usize),
    /// `shield`; with `timeout` if there is a deadline.
    Shield,
    /// `token.scope`.
    Ambient(usize),
    /// `with_cancellation`.
    WithCancellation(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadline {
    None,
    Far,
    Past,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grace {
    None,
    Far,
    Zero,
}

/// What happens to the future from outside, between two polls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Cancel(usize),
    /// A poll that nobody has asked for.
    Poll,
    Drop,
}

/// One thing that can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) node: usize,
    pub(crate) what: What,
    /// Which known token was the ambient one, where that is asked for.
    pub(crate) ambient: Option<usize>,
    /// What `is_cancelled()` said.
    pub(crate) cancelled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Started,
    Cancelled { known: usize, by_this_call: bool },
    Dropped,
    Value,
    Error(Notice),
}

/// All that an error says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) kind: ReasonKind,
    pub(crate) message: Option<String>,
    /// The known tokens that it belongs to: one or none.
    pub(crate) belongs_to: Vec<usize>,
    /// The sort of check point that noticed.
    pub(crate) noticed_by: &'static str,
    pub(crate) scope_name: Option<String>,
    pub(crate) forced: bool,
}

/// How a known token ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) kind: ReasonKind,
    pub(crate) message: Option<String>,
    pub(crate) inherited: bool,
}

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

/// Any program at all.
pub(crate) fn program() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        2 => Just(Node::Ready),
        3 => (1_usize..4).prop_map(Node::Yield),
        4 => Just(Node::Forever),
        1 => Just(Node::Check),
        2 => (0_usize..8).prop_map(Node::Cancel),
    ];
    let node = leaf.prop_recursive(6, 32, 3, |node| {
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
    });
    // Most of them under one of the given tokens, which most cancels are of.
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

/// Programs in which unannotated code never gives an annotated await up: nothing selects, parks, or looks at another token
/// than the first of the given ones, soon after whose cancel they end.
pub(crate) fn orderly_program() -> impl Strategy<Value = Node> {
    let finite = prop_oneof![
        2 => Just(Node::Ready),
        3 => (1_usize..4).prop_map(Node::Yield),
        1 => Just(Node::Check),
        1 => Just(Node::Cancel(0)),
    ];
    // What is held has to end by itself.
    let held = orderly(finite.clone().boxed(), None);
    let leaf = prop_oneof![3 => Just(Node::Forever), 2 => finite].boxed();
    orderly(leaf, Some(held)).prop_map(|body| Node::In(plain(Kind::WithCancellation(0)), Box::new(body)))
}

fn orderly(leaf: BoxedStrategy<Node>, held: Option<BoxedStrategy<Node>>) -> BoxedStrategy<Node> {
    let node = leaf.prop_recursive(5, 24, 4, move |node| {
        let boxed = || node.clone().prop_map(Box::new);
        let held = || held.clone().unwrap_or(node.clone().boxed()).prop_map(Box::new);
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
    });
    node.boxed()
}

pub(crate) fn plain(kind: Kind) -> Region {
    Region {
        kind,
        observed: false,
        named: false,
        deadline: Deadline::None,
        grace: Grace::None,
    }
}

impl Node {
    /// The numbers of the guards in here, where this node's own is `next_id`.
    pub(crate) fn guards(&self, next_id: &mut usize, guards: &mut Vec<usize>) {
        if let Self::Guard(_) = self {
            guards.push(*next_id);
        }
        *next_id += 1;
        match self {
            Self::Ready | Self::Yield(_) | Self::Forever | Self::Check | Self::Cancel(_) => {}
            Self::Guard(a) | Self::Finish(a) | Self::Swallow(a) | Self::In(_, a) => a.guards(next_id, guards),
            Self::Select(a, b) | Self::Parked(a, b) => {
                a.guards(next_id, guards);
                b.guards(next_id, guards);
            }
            Self::Seq(all) | Self::Join(all) | Self::Members { members: all, .. } => {
                all.iter().for_each(|node| node.guards(next_id, guards));
            }
            Self::Race { branches, .. } => {
                for branch in branches {
                    *next_id += 1;
                    branch.guards(next_id, guards);
                }
            }
        }
    }
}
