//! `Requests`: all requests that run, to be counted, cancelled and drained.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cancelable::{CancelReason, CancellationToken, shield, sleep};

/// The requests of one or several [`CancelLayer`](crate::CancelLayer)s, from their beginning to the end of their bodies: a handle
/// to count, cancel and drain them. Cheap to clone.
///
/// Work that goes on though its client has left is among them.
///
/// With `serve` that is done in one call. With a server of another kind:
///
/// ```no_run
/// use cancelable::{Source as _, signal};
/// use cancelable_tower::{CancelLayer, Requests};
/// use std::time::Duration;
///
/// # async fn run(listener: tokio::net::TcpListener, router: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
/// let requests = Requests::new();
/// let router = router.layer(CancelLayer::new().requests(&requests));
/// let stop = signal::unix([signal::SIGTERM])?;
///
/// let (stopping, stopped) = tokio::sync::oneshot::channel();
/// let server = axum::serve(listener, router).with_graceful_shutdown(async { stopped.await.unwrap_or(()) });
/// let server = tokio::spawn(async { server.await });
/// let reason = stop.fired().await;
/// let _ = stopping.send(());                              // accept no more
/// let drained = requests.drain(reason, Duration::from_secs(10), Duration::from_secs(1)).await;
/// eprintln!("{drained}");
/// server.abort();                                         // connections on which nothing runs
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Requests(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Above the scopes of all requests.
    token: CancellationToken,
    /// Cancelled once nobody waits for them any more. Tasks that the library starts are dropped then.
    force: CancellationToken,
    roster: Mutex<Roster>,
}

#[derive(Default)]
struct Roster {
    /// A place for each request that runs, and those that are free.
    places: Vec<Option<Entry>>,
    free: Vec<usize>,
    ended: usize,
    connections: usize,
    /// Cancelled as soon as there is nobody left.
    waiting: Vec<CancellationToken>,
}

struct Entry {
    name: Arc<str>,
    since: Instant,
}

impl Roster {
    fn is_empty(&self) -> bool {
        self.len() == 0 && self.connections == 0
    }

    fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    fn enter(&mut self, entry: Entry) -> usize {
        if let Some(place) = self.free.pop() {
            self.places[place] = Some(entry);
            place
        } else {
            self.places.push(Some(entry));
            self.places.len() - 1
        }
    }

    fn leave(&mut self, place: usize) -> Option<Entry> {
        self.ended += 1;
        self.free.push(place);
        self.places[place].take()
    }

    /// Who is to be told that there is nobody left.
    #[must_use]
    fn told(&mut self) -> Vec<CancellationToken> {
        if self.is_empty() {
            std::mem::take(&mut self.waiting)
        } else {
            Vec::new()
        }
    }
}

impl Requests {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The token above the scopes of all requests. Once it is cancelled, those that run are, and new ones are not run.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.0.token
    }

    /// How many run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.roster().len()
    }

    /// Does none run?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets the requests that run go on for `run_for`, then cancels them with kind [`Shutdown`](cancelable::ReasonKind::Shutdown),
    /// gives them `grace` to answer and clean up, and tells of those that are still there.
    ///
    /// It returns as soon as none is left. That no new ones come is the server's business; those that do after the cancel are
    /// answered with 503, and not run. What the drain is for, `reason`, is only told in the report.
    ///
    /// Requests that are still there behind the grace go on if their connection does; but tasks of this library (of clients that have
    /// left) are dropped.
    ///
    /// It is not cancelled by the scope that it runs in: it is a clean-up. If it is dropped, the requests run on.
    pub async fn drain(&self, reason: CancelReason, run_for: Duration, grace: Duration) -> Drained {
        self.drain_until(&CancellationToken::never(), reason, run_for, grace)
            .await
    }

    /// As [`drain`](Self::drain), which waits no longer once `hurry` is cancelled.
    pub async fn drain_until(
        &self,
        hurry: &CancellationToken,
        reason: CancelReason,
        run_for: Duration,
        grace: Duration,
    ) -> Drained {
        let ended_before = self.roster().ended;
        self.wait(run_for, hurry).await;
        let ended_alone = self.roster().ended;
        if !self.roster().is_empty() {
            self.0.token.cancel_with(CancelReason::shutdown());
            self.wait(grace, hurry).await;
        }
        let drained = {
            let roster = self.roster();
            let straggler = |entry: &Entry| Straggler {
                name: entry.name.to_string(),
                age: entry.since.elapsed(),
            };
            let mut oldest: Vec<_> = roster.places.iter().flatten().collect();
            oldest.sort_by_key(|entry| entry.since);
            Drained {
                reason,
                finished: ended_alone - ended_before,
                cancelled: roster.ended - ended_alone,
                stragglers: oldest.into_iter().map(straggler).collect(),
                connections: roster.connections,
            }
        };
        self.0.force.cancel_with(CancelReason::shutdown());
        drained
    }

    /// Until none is left, but no longer than this.
    async fn wait(&self, at_most: Duration, hurry: &CancellationToken) {
        let empty = CancellationToken::new();
        {
            let mut roster = self.roster();
            if roster.is_empty() {
                return;
            }
            roster.waiting.push(empty.clone());
        }
        let enough = CancellationToken::any([&empty, hurry]);
        shield(enough.run_until_cancelled(sleep(at_most))).await;
        self.roster().waiting.retain(|waiting| *waiting != empty);
    }

    /// A request begins.
    pub(crate) fn enter(&self, name: Arc<str>, since: Instant) -> Seat {
        let place = self.roster().enter(Entry { name, since });
        Seat {
            requests: self.clone(),
            place,
        }
    }

    /// A connection begins.
    #[cfg(feature = "hyper")]
    pub(crate) fn connect(&self) -> Connected {
        self.roster().connections += 1;
        Connected(self.clone())
    }

    /// Cancelled when what is left has to be dropped.
    #[cfg(feature = "tokio")]
    pub(crate) fn force(&self) -> &CancellationToken {
        &self.0.force
    }

    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.0.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self, leave: impl FnOnce(&mut Roster)) {
        let told = {
            let mut roster = self.roster();
            leave(&mut roster);
            roster.told()
        };
        // (Without the lock: it wakes somebody.)
        told.iter().for_each(CancellationToken::cancel);
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests")
            .field("len", &self.len())
            .field("token", &self.0.token)
            .finish()
    }
}

/// A request's place among those that run.
pub(crate) struct Seat {
    requests: Requests,
    place: usize,
}

impl Seat {
    #[cfg(feature = "tokio")]
    pub(crate) fn requests(&self) -> &Requests {
        &self.requests
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.requests.left(|roster| {
            roster.leave(self.place);
        });
    }
}

/// A connection, as long as it is there.
#[cfg(feature = "hyper")]
pub(crate) struct Connected(Requests);

#[cfg(feature = "hyper")]
impl Drop for Connected {
    fn drop(&mut self) {
        self.0.left(|roster| roster.connections -= 1);
    }
}

/// How a drain went. Its text, by `{}`, is one line.
#[derive(Clone, Debug)]
#[must_use]
pub struct Drained {
    reason: CancelReason,
    finished: usize,
    cancelled: usize,
    stragglers: Vec<Straggler>,
    connections: usize,
}

/// A request that was still there at the end of a drain.
#[derive(Clone, Debug)]
pub struct Straggler {
    name: String,
    age: Duration,
}

impl Straggler {
    /// The name of its scope.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long it had run.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.age
    }
}

impl Drained {
    /// What the drain was for.
    #[must_use]
    pub fn reason(&self) -> &CancelReason {
        &self.reason
    }

    /// How many requests ended by themselves while it went on.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.finished
    }

    /// How many ended after they had been cancelled.
    #[must_use]
    pub fn cancelled(&self) -> usize {
        self.cancelled
    }

    /// Those that were still there at the end, the oldest first.
    #[must_use]
    pub fn stragglers(&self) -> &[Straggler] {
        &self.stragglers
    }

    /// How many connections were still open at the end; 0 with a server of another kind than `serve`.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// Has every request ended by itself?
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.cancelled == 0 && self.stragglers.is_empty()
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} finished, {} cancelled",
            self.reason, self.finished, self.cancelled
        )?;
        if !self.stragglers.is_empty() {
            write!(f, ", {} dropped", self.stragglers.len())?;
        }
        for (n, Straggler { name, age }) in self.stragglers.iter().enumerate() {
            write!(f, "{} {name:?} after {age:?}", if n == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}
