//! What has been measured, by all threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::counts::{Counts, Sums};
use super::place::{BuildAddressHasher, Pair, Place};
use super::stopwatch::Time;

/// What one recorder has measured.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(super) time: Time,
    /// The counts of all tables.
    all: Mutex<Vec<(Pair, Arc<Counts>)>>,
    /// The tables that no thread has. So there are never more than there were threads at one time.
    unused: Mutex<Vec<Table>>,
}

impl Recording {
    pub(crate) fn new(time: Time) -> Arc<Self> {
        Arc::new(Self {
            time,
            all: Mutex::default(),
            unused: Mutex::default(),
        })
    }

    /// Nobody is going to ask for it.
    pub(crate) fn end(&self) {
        self.time.end();
    }

    pub(super) fn take_table(&self) -> Table {
        lock(&self.unused).pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, table: Table) {
        lock(&self.unused).push(table);
    }

    /// What there is so far, of each pair as often as there are tables.
    pub(crate) fn sums(&self) -> Vec<(Pair, Sums)> {
        lock(&self.all)
            .iter()
            .map(|(pair, counts)| (*pair, counts.read()))
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The counts of one thread: a graph, for what comes after a place is most often what came after it before.
#[derive(Debug, Default)]
pub(super) struct Table {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    node_of: HashMap<Place, usize, BuildAddressHasher>,
    edge_of: HashMap<(usize, usize), usize, BuildAddressHasher>,
}

#[derive(Debug)]
struct Node {
    place: Place,
    /// The edge by which it was left last; none has the number [`usize::MAX`].
    last: usize,
}

/// From one place to another.
#[derive(Debug)]
pub(super) struct Edge {
    to: Place,
    /// The number of that.
    pub(super) node: usize,
    /// `None`: it is no stretch.
    pub(super) counts: Option<Arc<Counts>>,
}

impl Table {
    pub(super) fn place(&self, node: usize) -> Option<Place> {
        self.nodes.get(node).map(|node| node.place)
    }

    /// The number of a place.
    pub(super) fn node(&mut self, place: Place) -> usize {
        *self.node_of.entry(place).or_insert_with(|| {
            self.nodes.push(Node {
                place,
                last: usize::MAX,
            });
            self.nodes.len() - 1
        })
    }

    /// The edge from the place of this number. `None`: there is no such place.
    #[inline]
    pub(super) fn edge(&mut self, from: usize, to: Place, recording: &Recording) -> Option<&Edge> {
        let mut last = self.nodes.get(from)?.last;
        if self.edges.get(last).is_none_or(|edge| edge.to != to) {
            last = self.find(from, to, recording);
        }
        self.edges.get(last)
    }

    #[inline(never)]
    fn find(&mut self, from: usize, to: Place, recording: &Recording) -> usize {
        let node = self.node(to);
        let pair = Pair {
            from: self.nodes[from].place,
            to,
        };
        let edge = *self.edge_of.entry((from, node)).or_insert_with(|| {
            let counts = pair.is_stretch().then(Arc::<Counts>::default);
            if let Some(counts) = &counts {
                lock(&recording.all).push((pair, Arc::clone(counts)));
            }
            self.edges.push(Edge { to, node, counts });
            self.edges.len() - 1
        });
        self.nodes[from].last = edge;
        edge
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_has_ended_leaves_no_thread() {
        let recording = Recording::new(Time::real());
        recording.end();
        if let Time::Real(Some(ticks)) = &recording.time {
            while Arc::strong_count(ticks) > 1 {
                std::thread::yield_now();
            }
        }
    }
}
