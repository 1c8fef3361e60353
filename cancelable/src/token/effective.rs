//! The deadline that counts for a node: the earliest of its own, its ancestors' and those of what any of these are linked to.

use std::collections::HashMap;

use super::deadline::{Deadline, Moment};
use super::tree::Handle;

/// The sooner of two deadlines, where `None` is never.
fn sooner(a: Option<Moment>, b: Option<Moment>) -> Option<Moment> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// When this node will be cancelled by a deadline: its own, an ancestor's, or one of what any of these are linked to.
pub(super) fn effective_deadline(node: Handle) -> Option<Moment> {
    let mut earliest = None;
    let mut has_sources = false;
    node.for_each_upwards(|_, extras| {
        let Some(extras) = extras else { return };
        earliest = sooner(earliest, extras.deadline.as_ref().map(Deadline::moment));
        has_sources |= extras.has_sources();
    });
    if !has_sources {
        return earliest;
    }
    let mut known = Known::default();
    let first = known.find_all(node);
    known.evaluate(first)
}

/// The nodes that a deadline depends on, each once, whether it was found as an ancestor or as a source, and along however
/// many paths. Found and evaluated in loops, for links can be nested as deep as trees.
#[derive(Default)]
struct Known {
    nodes: Vec<KnownNode>,
    by_address: HashMap<usize, usize>,
}

struct KnownNode {
    /// So that its address is not given to another meanwhile. `None`: nobody holds it, and it cannot be found again.
    _kept: Option<Handle>,
    own: Option<Moment>,
    is_cancelled: bool,
    /// `true`: it is cancelled when all that it is linked to are.
    needs_all: bool,
    /// What has to be known first: the parent, if there is one, and what it is linked to.
    parent: Option<usize>,
    sources: Vec<usize>,
    /// How often it has been asked which of these is next: 0 before the first time.
    progress: usize,
    /// What came of it.
    earliest: Option<Moment>,
}

impl Known {
    /// Finds whatever the deadline of `node` depends on; says which one that is.
    fn find_all(&mut self, node: Handle) -> usize {
        let mut unasked = Vec::new();
        let first = self.find(&node, &mut unasked);
        while let Some((listener, sources)) = unasked.pop() {
            for source in sources {
                let source = self.find(&source, &mut unasked);
                self.nodes[listener].sources.push(source);
            }
        }
        first
    }

    /// Goes up from `node` to the root, or to what is known; what is found to be linked is still to be asked.
    fn find(&mut self, node: &Handle, unasked: &mut Vec<(usize, Vec<Handle>)>) -> usize {
        if node.is_never() {
            return self.add(None);
        }
        let mut first = None;
        let mut below: Option<usize> = None;
        node.climb(|node, extras| {
            let known = self.by_address.get(&node.address()).copied();
            let found = known.unwrap_or_else(|| self.add(node.try_clone()));
            first.get_or_insert(found);
            if let Some(below) = below.replace(found) {
                self.nodes[below].parent = Some(found);
            }
            if known.is_some() {
                return false;
            }
            #[cfg(test)]
            ASKED.set(ASKED.get() + 1);
            let this = &mut self.nodes[found];
            this.is_cancelled = node.state().is_cancelled();
            if let Some(extras) = extras {
                this.own = extras.deadline.as_ref().map(Deadline::moment);
                let (sources, needs_all) = extras.sources();
                this.needs_all = needs_all;
                if !sources.is_empty() {
                    unasked.push((found, sources));
                }
            }
            true
        });
        match first {
            Some(first) => first,
            None => unreachable!("it begins with the node itself"),
        }
    }

    fn add(&mut self, kept: Option<Handle>) -> usize {
        let at = self.nodes.len();
        if let Some(kept) = &kept {
            self.by_address.insert(kept.address(), at);
        }
        self.nodes.push(KnownNode {
            _kept: kept,
            own: None,
            is_cancelled: false,
            needs_all: false,
            parent: None,
            sources: Vec::new(),
            progress: 0,
            earliest: None,
        });
        at
    }

    fn evaluate(&mut self, first: usize) -> Option<Moment> {
        let mut stack = vec![first];
        while let Some(&at) = stack.last() {
            let node = &mut self.nodes[at];
            let next = match node.progress.checked_sub(node.sources.len()) {
                None => Some(node.sources[node.progress]),
                Some(0) => node.parent,
                Some(_) => None,
            };
            node.progress += 1;
            match next {
                // Known already, or on its way to be: nothing listens to itself, so it is not on the stack.
                Some(next) if self.nodes[next].progress == 0 => stack.push(next),
                Some(_) => {}
                None => {
                    let node = &self.nodes[at];
                    let asked = node.sources.len() + usize::from(node.parent.is_some());
                    debug_assert_eq!(node.progress, asked + 1, "it is worked out once");
                    self.nodes[at].earliest = self.earliest(node);
                    stack.pop();
                }
            }
        }
        self.nodes[first].earliest
    }

    /// Of a node all of whose sources are known, and its parent.
    fn earliest(&self, node: &KnownNode) -> Option<Moment> {
        let sources = node.sources.iter().map(|&source| &self.nodes[source]);
        // What is cancelled already is not waited for.
        let sources = sources
            .filter(|source| !source.is_cancelled)
            .map(|source| source.earliest);
        let linked = if node.needs_all {
            // No deadline among them means that it may never be cancelled.
            sources.reduce(|a, b| Some(a?.max(b?))).flatten()
        } else {
            sources.fold(None, sooner)
        };
        let above = node.parent.and_then(|parent| self.nodes[parent].earliest);
        sooner(node.own, sooner(linked, above))
    }
}

#[cfg(test)]
thread_local! {
    /// How many nodes were asked for their deadlines.
    pub(super) static ASKED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(all(test, not(cancelable_loom)))]
#[path = "tests/effective.rs"]
mod tests;
