//! What is tried out: small programs of scopes, shields, awaits and cancels, and what can be seen of a run.

mod orderly;
mod random;
mod written;

use cancelable::ReasonKind;

pub(crate) use orderly::orderly_program;
pub(crate) use random::{actions, program, program_with_coroutines, program_with_values};

/// Tokens that are there before a program runs: the second is a child of the first, the third on its own.
pub(crate) const GIVEN: usize = 3;

/// An async computation. Each one is awaited by unannotated code, which says when it starts, ends or is dropped.
#[derive(Clone)]
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
    /// The body has a future of its own, which the awaits inside it poll by reference, as `&mut op` or, `shared`, as clones of
    /// a `Shared`. It is dropped when the body has ended.
    Own {
        shared: bool,
        value: Box<Node>,
        body: Box<Node>,
    },
    /// Awaits a future that a body round this node owns, counted from the inside; `take`: moves it in here first, so that it is
    /// dropped with this await; a shared one stays, for others may have clones. Where there is none, or no longer, it is ready.
    Use {
        which: usize,
        take: bool,
    },
    /// The same members as above, by a loop that awaits one result after the other.
    Crowd {
        per_poll: usize,
        members: Vec<Node>,
        turn: Turn,
    },
    /// An executor that each poll runs until it is stalled, under a waker that wakes nobody else.
    Executor(Box<Node>),
    /// A stackful coroutine, resumed by each poll; `inside`: suspended in a sync scope of the first given token, after which what is the
    /// ambient token is anybody's guess, as documented.
    Coroutine {
        inside: bool,
        body: Box<Node>,
    },
    /// A task of its own, outside all scopes, that nobody waits for.
    Spawn(Box<Node>),
}

/// One iteration of the loop over a crowd.
#[derive(Clone, Copy)]
pub(crate) struct Turn {
    /// The await is that of an annotated function.
    pub(crate) guarded: bool,
    /// An error ends the loop, as `?` does; otherwise the results are looked at and the loop goes on.
    pub(crate) leaves: bool,
    /// The other branch of a `select!` with the next result: pending for so many polls.
    pub(crate) tick: Option<usize>,
    /// The loop ends after so many.
    pub(crate) turns: usize,
}

/// A stretch of code with a token.
#[derive(Clone)]
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

pub(crate) fn plain(kind: Kind) -> Region {
    Region {
        kind,
        observed: false,
        named: false,
        deadline: Deadline::None,
        grace: Grace::None,
    }
}

/// What happens to the future from outside, between two polls.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    Cancel(usize),
    /// A poll that nobody has asked for.
    Poll,
    Drop,
}

/// One thing that can be seen.
#[derive(Clone, PartialEq, Eq)]
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

impl Node {
    /// Hands each node to `see`, with its number: a node's own comes before those of what is in it.
    pub(crate) fn number<'a>(&'a self, next_id: &mut usize, see: &mut dyn FnMut(usize, &'a Node)) {
        see(*next_id, self);
        *next_id += 1;
        match self {
            Self::Ready | Self::Yield(_) | Self::Forever | Self::Check | Self::Cancel(_) | Self::Use { .. } => {}
            Self::Guard(a)
            | Self::Finish(a)
            | Self::Swallow(a)
            | Self::In(_, a)
            | Self::Executor(a)
            | Self::Coroutine { body: a, .. }
            | Self::Spawn(a) => a.number(next_id, see),
            Self::Select(a, b) | Self::Parked(a, b) | Self::Own { value: a, body: b, .. } => {
                a.number(next_id, see);
                b.number(next_id, see);
            }
            Self::Seq(all)
            | Self::Join(all)
            | Self::Members { members: all, .. }
            | Self::Crowd { members: all, .. } => {
                all.iter().for_each(|node| node.number(next_id, see));
            }
            Self::Race { branches, .. } => {
                for branch in branches {
                    // The branch itself has one.
                    *next_id += 1;
                    branch.number(next_id, see);
                }
            }
        }
    }
}
