//! Random sequences of operations, on tokens and on a naive model of them that forgets nothing and walks everything.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cancelable::{CancelCallback, CancellationToken, ReasonKind, WaitForCancellationFutureOwned};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tests::CountingWaker;

#[derive(Clone, Debug)]
enum Op {
    New,
    Child(Index),
    Clone(Index),
    Drop(Index),
    Cancel(Index),
    Expire(Index),
    DropGuard(Index),
    Any(Vec<Index>),
    All(Vec<Index>),
    OnCancel(Index),
    Unregister(Index),
    DropCallback(Index),
    Detach(Index),
    Wait(Index),
    Poll(Index),
    DropWait(Index),
}

fn op() -> impl Strategy<Value = Op> {
    let at = any::<Index>;
    prop_oneof![
        2 => Just(Op::New),
        8 => at().prop_map(Op::Child),
        2 => at().prop_map(Op::Clone),
        7 => at().prop_map(Op::Drop),
        2 => at().prop_map(Op::Cancel),
        1 => at().prop_map(Op::Expire),
        1 => at().prop_map(Op::DropGuard),
        2 => vec(at(), 0..4).prop_map(Op::Any),
        2 => vec(at(), 0..4).prop_map(Op::All),
        5 => at().prop_map(Op::OnCancel),
        1 => at().prop_map(Op::Unregister),
        1 => at().prop_map(Op::DropCallback),
        3 => at().prop_map(Op::Detach),
        4 => at().prop_map(Op::Wait),
        2 => at().prop_map(Op::Poll),
        2 => at().prop_map(Op::DropWait),
    ]
}

/// Why a token is cancelled: the number of the cancel that did it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cancelled {
    event: usize,
    kind: ReasonKind,
    inherited: bool,
}

/// A token that is never forgotten, with the callbacks and waiters that are to be told.
#[derive(Default)]
struct Node {
    parent: Option<usize>,
    cancelled: Option<Cancelled>,
    /// Tokens linked to this one; one for each time it was named.
    links: Vec<usize>,
    /// How many sources are still to be cancelled before this is; 0: none, or not linked.
    remaining: usize,
    is_linked: bool,
    callbacks: Vec<usize>,
    waiters: Vec<usize>,
}

#[derive(Default)]
struct Model {
    nodes: Vec<Node>,
    events: usize,
    ran: Vec<usize>,
    woken: HashMap<usize, usize>,
}

impl Model {
    fn add(&mut self, parent: Option<usize>) -> usize {
        let inherited = parent.and_then(|p| self.nodes[p].cancelled);
        self.nodes.push(Node {
            parent,
            cancelled: inherited.map(|c| Cancelled { inherited: true, ..c }),
            ..Node::default()
        });
        self.nodes.len() - 1
    }

    fn link(&mut self, sources: &[usize], all: bool) -> usize {
        let id = self.add(None);
        self.nodes[id].is_linked = true;
        self.nodes[id].remaining = if all { sources.len() } else { sources.len().min(1) };
        for &source in sources {
            match self.nodes[source].cancelled {
                Some(cancelled) => self.fire(id, cancelled),
                None => self.nodes[source].links.push(id),
            }
        }
        id
    }

    fn fire(&mut self, linked: usize, why: Cancelled) {
        let node = &mut self.nodes[linked];
        if node.remaining > 0 {
            node.remaining -= 1;
            if node.remaining == 0 {
                self.mark(linked, Cancelled { inherited: true, ..why });
            }
        }
    }

    fn is_below(&self, mut id: usize, ancestor: usize) -> bool {
        loop {
            match self.nodes[id].parent {
                _ if id == ancestor => return true,
                Some(parent) => id = parent,
                None => return false,
            }
        }
    }

    fn is_below_a_linked_one(&self, id: usize) -> bool {
        (0..self.nodes.len()).any(|ancestor| self.nodes[ancestor].is_linked && self.is_below(id, ancestor))
    }

    fn mark(&mut self, origin: usize, why: Cancelled) {
        for id in 0..self.nodes.len() {
            if self.nodes[id].cancelled.is_some() || !self.is_below(id, origin) {
                continue;
            }
            let inherited = why.inherited || id != origin;
            self.nodes[id].cancelled = Some(Cancelled { inherited, ..why });
            let callbacks = std::mem::take(&mut self.nodes[id].callbacks);
            self.ran.extend(callbacks);
            for waiter in std::mem::take(&mut self.nodes[id].waiters) {
                *self.woken.entry(waiter).or_default() += 1;
            }
            for linked in std::mem::take(&mut self.nodes[id].links) {
                self.fire(linked, why);
            }
        }
    }

    fn cancel(&mut self, id: usize, kind: ReasonKind) -> bool {
        self.events += 1;
        if self.nodes[id].cancelled.is_some() {
            return false;
        }
        let event = self.events;
        self.mark(
            id,
            Cancelled {
                event,
                kind,
                inherited: false,
            },
        );
        true
    }
}

struct Callback {
    number: usize,
    id: usize,
    handle: CancelCallback,
}

struct Wait {
    number: usize,
    id: usize,
    future: Pin<Box<WaitForCancellationFutureOwned>>,
    waker: Waker,
}

/// The real thing beside the model.
#[derive(Default)]
struct Pair {
    model: Model,
    tokens: Vec<(CancellationToken, usize)>,
    callbacks: Vec<Callback>,
    /// Which token each callback was registered with, by its number.
    registered_with: Vec<usize>,
    waits: Vec<Wait>,
    counts: Vec<(usize, Arc<CountingWaker>)>,
    ran: Arc<Mutex<Vec<usize>>>,
    /// The event each reason's text stands for.
    events: HashMap<usize, CancellationToken>,
}

impl Pair {
    fn pick<'a, T>(items: &'a [T], index: &Index) -> Option<&'a T> {
        (!items.is_empty()).then(|| index.get(items))
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::New => self.push(CancellationToken::new(), |model| model.add(None)),
            Op::Child(at) => {
                if let Some((token, id)) = self.token(at) {
                    self.push(token.child_token(), |model| model.add(Some(id)));
                }
            }
            Op::Clone(at) => {
                if let Some(pair) = self.token(at) {
                    self.tokens.push(pair);
                }
            }
            Op::Drop(at) => {
                if !self.tokens.is_empty() {
                    self.tokens.swap_remove(at.index(self.tokens.len()));
                }
            }
            Op::Cancel(at) => {
                if let Some((token, id)) = self.token(at) {
                    let won = self.model.cancel(id, ReasonKind::Manual);
                    assert_eq!(token.cancel_with(self.model.events.to_string()), won);
                    self.events.insert(self.model.events, token);
                }
            }
            Op::Expire(at) => {
                if let Some((token, id)) = self.token(at) {
                    self.model.cancel(id, ReasonKind::Timeout);
                    token.cancel_after(Duration::ZERO);
                    self.events.insert(self.model.events, token);
                }
            }
            Op::DropGuard(at) => {
                if let Some((token, id)) = self.token(at) {
                    self.model.cancel(id, ReasonKind::Dropped);
                    drop(token.clone().drop_guard());
                    self.events.insert(self.model.events, token);
                }
            }
            Op::Any(at) => self.combine(at, false),
            Op::All(at) => self.combine(at, true),
            Op::OnCancel(at) => {
                if let Some((token, id)) = self.token(at) {
                    let number = self.registered_with.len();
                    self.registered_with.push(id);
                    match self.model.nodes[id].cancelled {
                        Some(_) => self.model.ran.push(number),
                        None => self.model.nodes[id].callbacks.push(number),
                    }
                    let ran = Arc::clone(&self.ran);
                    let handle = token.on_cancel(move |_| ran.lock().unwrap().push(number));
                    self.callbacks.push(Callback { number, id, handle });
                }
            }
            Op::Unregister(at) => {
                if let Some(callback) = self.take_callback(at) {
                    let in_time = self.forget_callback(&callback);
                    assert_eq!(callback.handle.unregister(), in_time);
                }
            }
            Op::DropCallback(at) => {
                if let Some(callback) = self.take_callback(at) {
                    self.forget_callback(&callback);
                }
            }
            Op::Detach(at) => {
                if let Some(callback) = self.take_callback(at) {
                    // When a linked token is dropped, and takes what was detached on it or below it along, depends on what
                    // hangs on it, which the model does not know.
                    if self.model.is_below_a_linked_one(callback.id) {
                        self.forget_callback(&callback);
                    } else {
                        callback.handle.detach();
                    }
                }
            }
            Op::Wait(at) => {
                if let Some((token, id)) = self.token(at) {
                    let number = self.counts.len();
                    let (count, waker) = CountingWaker::new();
                    self.counts.push((number, count));
                    let future = Box::pin(token.cancelled_owned());
                    self.waits.push(Wait {
                        number,
                        id,
                        future,
                        waker,
                    });
                    self.poll(self.waits.len() - 1);
                }
            }
            Op::Poll(at) => {
                if !self.waits.is_empty() {
                    self.poll(at.index(self.waits.len()));
                }
            }
            Op::DropWait(at) => {
                if !self.waits.is_empty() {
                    let wait = self.waits.swap_remove(at.index(self.waits.len()));
                    self.model.nodes[wait.id]
                        .waiters
                        .retain(|&number| number != wait.number);
                }
            }
        }
    }

    fn token(&self, at: &Index) -> Option<(CancellationToken, usize)> {
        Self::pick(&self.tokens, at).cloned()
    }

    fn push(&mut self, token: CancellationToken, add: impl FnOnce(&mut Model) -> usize) {
        let id = add(&mut self.model);
        self.tokens.push((token, id));
    }

    fn combine(&mut self, at: &[Index], all: bool) {
        let sources: Vec<_> = at.iter().filter_map(|at| self.token(at)).collect();
        let ids: Vec<_> = sources.iter().map(|(_, id)| *id).collect();
        let tokens = sources.iter().map(|(token, _)| token);
        let combined = if all {
            CancellationToken::all(tokens)
        } else {
            CancellationToken::any(tokens)
        };
        self.push(combined, |model| model.link(&ids, all));
    }

    fn take_callback(&mut self, at: &Index) -> Option<Callback> {
        let n = self.callbacks.len();
        (n > 0).then(|| self.callbacks.swap_remove(at.index(n)))
    }

    /// Takes it back in the model; did it come in time?
    fn forget_callback(&mut self, callback: &Callback) -> bool {
        let waiting = &mut self.model.nodes[callback.id].callbacks;
        let before = waiting.len();
        waiting.retain(|&number| number != callback.number);
        waiting.len() < before
    }

    fn poll(&mut self, index: usize) {
        let wait = &mut self.waits[index];
        let node = &mut self.model.nodes[wait.id];
        let ready = wait.future.as_mut().poll(&mut Context::from_waker(&wait.waker));
        assert_eq!(
            ready,
            if node.cancelled.is_some() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        );
        if node.cancelled.is_none() && !node.waiters.contains(&wait.number) {
            node.waiters.push(wait.number);
        }
    }

    fn compare(&self) {
        for (token, id) in &self.tokens {
            let expected = self.model.nodes[*id].cancelled;
            assert_eq!(token.is_cancelled(), expected.is_some(), "token {id}");
            assert_eq!(token.check().is_err(), expected.is_some());
            let Some(expected) = expected else {
                assert!(token.reason().is_none() && !token.is_inherited());
                continue;
            };
            let reason = token.reason().unwrap();
            assert_eq!(reason.kind(), expected.kind);
            if expected.kind == ReasonKind::Manual {
                assert_eq!(reason.message(), Some(&*expected.event.to_string()));
            }
            assert_eq!(token.is_inherited(), expected.inherited, "token {id}");
            let error = token.check().unwrap_err();
            assert!(
                error.belongs_to(&self.events[&expected.event]),
                "it belongs to the token that was cancelled"
            );
            assert_eq!(error.belongs_to(token), !expected.inherited);
        }
        for (number, count) in &self.counts {
            assert_eq!(
                count.count(),
                self.model.woken.get(number).copied().unwrap_or(0),
                "waiter {number}"
            );
        }
        let ran = self.ran.lock().unwrap();
        let of = |ran: &[usize], id: usize| -> Vec<usize> {
            let own = ran.iter().filter(|&&number| self.registered_with[number] == id);
            own.copied().collect()
        };
        assert_eq!(ran.len(), self.model.ran.len(), "each once");
        for id in 0..self.model.nodes.len() {
            assert_eq!(
                of(&ran, id),
                of(&self.model.ran, id),
                "callbacks of token {id}, in order"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_behave_as_the_naive_model(ops in vec(op(), 1..80)) {
        let mut pair = Pair::default();
        for op in &ops {
            pair.step(op);
            pair.compare();
        }
    }

    #[test]
    fn tokens_of_one_tree_behave_as_the_naive_model(
        shape in vec(any::<Index>(), 1..30),
        ops in vec(op(), 1..60),
    ) {
        let mut pair = Pair::default();
        pair.step(&Op::New);
        for at in shape {
            pair.step(&Op::Child(at));
        }
        for op in &ops {
            pair.step(op);
            pair.compare();
        }
    }
}
