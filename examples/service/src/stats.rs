//! What runs now, and what has run so far: for `/stats`.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use cancelable::{Cancelled, FromCancelled, ReasonKind, Scope};
use cancelable_tower::{RequestEnd, Requests};
use serde::Serialize;

/// Counters of this process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Stats(Arc<Counters>);

struct Counters {
    requests: Requests,
    workers: AtomicUsize,
    queries: AtomicUsize,
    /// Workers begun so far.
    started: AtomicU64,
    cancelled: [AtomicU64; KINDS.len()],
}

/// Every kind of reason there is, by the name that it has in `/stats`.
const KINDS: [(ReasonKind, &str); 9] = [
    (ReasonKind::Manual, "manual"),
    (ReasonKind::Timeout, "timeout"),
    (ReasonKind::Signal, "signal"),
    (ReasonKind::Condition, "condition"),
    (ReasonKind::Shutdown, "shutdown"),
    (ReasonKind::Error, "error"),
    (ReasonKind::Dropped, "dropped"),
    (ReasonKind::ScopeEnded, "scope_ended"),
    (ReasonKind::Superseded, "superseded"),
];

/// What `/stats` says.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    workers: usize,
    queries: usize,
    requests: usize,
    scopes: usize,
    started: u64,
    cancelled: BTreeMap<&'static str, u64>,
}

impl Stats {
    /// Of a service whose requests are these.
    pub(crate) fn new(requests: &Requests) -> Self {
        Self(Arc::new(Counters {
            requests: requests.clone(),
            workers: AtomicUsize::new(0),
            queries: AtomicUsize::new(0),
            started: AtomicU64::new(0),
            cancelled: Default::default(),
        }))
    }

    /// Runs a worker in a scope of its own, on this thread.
    pub(crate) fn worker<T>(&self, work: impl FnOnce() -> Result<T, Cancelled>) -> Result<T, Cancelled> {
        Scope::new().name("worker").run_sync(|| {
            self.0.started.fetch_add(1, Relaxed);
            let _running = Running::new(&self.0.workers);
            work()
        })
    }

    /// Runs a query in a scope of its own. It counts until it is over, not until it is cancelled.
    pub(crate) async fn query<T: FromCancelled>(&self, query: impl Future<Output = T>) -> T {
        let counted = async {
            let _running = Running::new(&self.0.queries);
            query.await
        };
        Scope::new().name("query").run(counted).await
    }

    /// The same of one that blocks this thread.
    pub(crate) fn blocking_query<T: FromCancelled>(&self, query: impl FnOnce() -> T) -> T {
        Scope::new().name("query").run_sync(|| {
            let _running = Running::new(&self.0.queries);
            query()
        })
    }

    /// A request's scope has ended.
    pub(crate) fn ended(&self, end: &RequestEnd) {
        let Some(reason) = end.reason() else { return };
        for ((kind, _), count) in KINDS.iter().zip(&self.0.cancelled) {
            if *kind == reason.kind() {
                count.fetch_add(1, Relaxed);
            }
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let counters = &*self.0;
        let requests = counters.requests.len();
        let workers = counters.workers.load(Relaxed);
        let queries = counters.queries.load(Relaxed);
        let named = KINDS.iter().zip(&counters.cancelled);
        Snapshot {
            workers,
            queries,
            requests,
            // Each of these has one, and nothing else here opens any.
            scopes: requests + workers + queries,
            started: counters.started.load(Relaxed),
            cancelled: named.map(|((_, name), count)| (*name, count.load(Relaxed))).collect(),
        }
    }
}

/// Something that runs, as long as this is there.
struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
