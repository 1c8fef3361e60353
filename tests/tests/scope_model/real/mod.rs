//! The same programs, made of the library.

mod build;
#[cfg(all(unix, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod coroutine;
mod executor;
mod members;
mod values;

use std::collections::HashMap;
use std::future::Future;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cancelable::{CancellationToken, Cancelled, current, is_cancelled};

use super::program::{End, Event, Node, Notice, What};
use build::Build;

pub(crate) type Output = Result<(), Cancelled>;
pub(crate) type Fut = Pin<Box<dyn Future<Output = Output> + Send>>;

pub(crate) struct World {
    known: Mutex<Vec<CancellationToken>>,
    asked: AtomicUsize,
    log: Mutex<Vec<Event>>,
    /// Which sort of check point each line below has.
    sites: Mutex<HashMap<u32, &'static str>>,
    /// Tasks that nobody has polled yet.
    spawned: Mutex<Vec<Fut>>,
}

/// The program as a future.
pub(crate) fn build(node: &Node, world: &Arc<World>) -> Fut {
    Build::new(world).node(node, false)
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        let first = CancellationToken::new();
        let second = first.child_token();
        Arc::new(Self {
            known: Mutex::new(vec![first, second, CancellationToken::new()]),
            asked: AtomicUsize::new(0),
            log: Mutex::default(),
            sites: Mutex::default(),
            spawned: Mutex::default(),
        })
    }

    pub(crate) fn ask(&self, known: usize) -> (usize, bool) {
        let (known, token) = {
            let all = self.known.lock().unwrap();
            (known % all.len(), all[known % all.len()].clone())
        };
        let message = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        (known, token.cancel_with(message.to_string()))
    }

    pub(crate) fn given(&self, token: usize) -> CancellationToken {
        self.known.lock().unwrap()[token].clone()
    }

    pub(crate) fn log(&self) -> Vec<Event> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn ends(&self) -> Vec<Option<End>> {
        let known = self.known.lock().unwrap();
        let end = |token: &CancellationToken| {
            token.reason().map(|reason| End {
                kind: reason.kind(),
                message: reason.message().map(Into::into),
                inherited: token.is_inherited(),
            })
        };
        known.iter().map(end).collect()
    }

    /// The tasks that were spawned since the last call.
    pub(crate) fn take_spawned(&self) -> Vec<Fut> {
        mem::take(&mut self.spawned.lock().unwrap())
    }

    fn spawn(&self, task: Fut) {
        self.spawned.lock().unwrap().push(task);
    }

    fn learn(&self, token: &CancellationToken) {
        assert_eq!(*token, current());
        let mut known = self.known.lock().unwrap();
        if !known.contains(token) {
            known.push(token.clone());
        }
    }

    fn say(&self, node: usize, observed: bool, what: What) {
        let ambient = || {
            let token = current();
            self.known.lock().unwrap().iter().position(|known| *known == token)
        };
        let event = Event {
            node,
            what,
            ambient: if observed { ambient() } else { None },
            cancelled: is_cancelled(),
        };
        self.log.lock().unwrap().push(event);
    }

    fn notice(&self, error: &Cancelled) -> Notice {
        let known = self.known.lock().unwrap();
        Notice {
            kind: error.kind(),
            message: error.reason().message().map(Into::into),
            belongs_to: (0..known.len()).filter(|&at| error.belongs_to(&known[at])).collect(),
            noticed_by: self.sort(error.observed_at()),
            scope_name: error.scope_path().iter().next_back().map(Into::into),
            forced: error.was_forced(),
        }
    }

    /// Notes that the check point on this line of `build.rs` is of this sort.
    fn site(&self, line: u32, sort: &'static str) {
        self.sites.lock().unwrap().insert(line, sort);
    }

    fn sort(&self, location: &Location<'_>) -> &'static str {
        assert_eq!(location.file(), build::FILE);
        self.sites.lock().unwrap()[&location.line()]
    }
}

/// Says so if the node is dropped before its end.
struct Witness<'a> {
    world: &'a World,
    node: usize,
    observed: bool,
    over: bool,
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.world.say(self.node, self.observed, What::Dropped);
        }
    }
}
