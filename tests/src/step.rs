//! Work that must not be cut, which says so if it is; and a task that is polled by hand, as an executor would.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::CountingWaker;

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    /// It happened.
    pub fn add(&self, what: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// All that has happened.
    #[must_use]
    pub fn all(&self) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often it has happened.
    #[must_use]
    pub fn count(&self, what: &str) -> usize {
        self.all().iter().filter(|entry| **entry == what).count()
    }

    /// Writes `cut` when what is returned is dropped, unless that was [ended](Uncut::end).
    #[must_use]
    pub fn uncut(&self) -> Uncut {
        Uncut(Some(self.clone()))
    }
}

/// Made by [`Log::uncut`].
#[derive(Debug)]
pub struct Uncut(Option<Log>);

impl Uncut {
    /// It has not been cut.
    pub fn end(mut self, what: &'static str) {
        if let Some(log) = self.0.take() {
            log.add(what);
        }
    }
}

impl Drop for Uncut {
    fn drop(&mut self) {
        if let Some(log) = self.0.take() {
            log.add("cut");
        }
    }
}

/// Writes `begun`, waits for `gate`, writes `done`; or `cut`, if it is dropped in between.
pub async fn two_halves<G: Future>(log: Log, gate: G) {
    log.add("begun");
    let uncut = log.uncut();
    gate.await;
    uncut.end("done");
}

/// A task that is polled when it has been woken, and not otherwise.
pub struct Driven<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    counter: Arc<CountingWaker>,
    waker: Waker,
    /// How often it had been woken when it was polled last; `None` before that.
    seen: Option<usize>,
}

impl<'a, T> Driven<'a, T> {
    /// A task that has not been polled.
    pub fn new(future: impl Future<Output = T> + 'a) -> Self {
        let (counter, waker) = CountingWaker::new();
        Self {
            future: Box::pin(future),
            counter,
            waker,
            seen: None,
        }
    }

    /// Polls it until it is ready, or waits to be woken.
    ///
    /// # Panics
    ///
    /// If it wakes itself without end.
    pub fn run(&mut self) -> Poll<T> {
        for _ in 0..10_000 {
            if !self.is_woken() {
                return Poll::Pending;
            }
            if let ready @ Poll::Ready(_) = self.poll() {
                return ready;
            }
        }
        panic!("it wakes itself without end");
    }

    /// Has it been woken since it was polled last?
    #[must_use]
    pub fn is_woken(&self) -> bool {
        self.seen != Some(self.counter.count())
    }

    /// Polls it once, woken or not.
    pub fn poll(&mut self) -> Poll<T> {
        self.seen = Some(self.counter.count());
        self.future.as_mut().poll(&mut Context::from_waker(&self.waker))
    }
}

impl<T> std::fmt::Debug for Driven<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driven").finish_non_exhaustive()
    }
}
