//! The requests that are kept for clients that may come back. Feature `tokio`.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The requests that are kept, one `Kept<W>` for each kind of work. It is the layer's: axum may make a service of it for each request.
#[derive(Clone, Default)]
pub(crate) struct AllKept(Arc<Mutex<HashMap<TypeId, Box<dyn Any + Send>>>>);

impl AllKept {
    pub(crate) fn of<W: Send + 'static>(&self) -> Kept<W> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all
            .entry(TypeId::of::<W>())
            .or_insert_with(|| Box::new(Kept::<W>::default()));
        match kept.downcast_ref::<Kept<W>>() {
            Some(kept) => kept.clone(),
            None => unreachable!("it is found by its type"),
        }
    }
}

/// Who comes back for a request: it is sent there.
pub(crate) type Returning<W> = oneshot::Sender<W>;

/// The requests that are kept for clients that may come back.
pub(crate) struct Kept<W>(Arc<Mutex<HashMap<String, oneshot::Sender<Returning<W>>>>>);

impl<W> Clone for Kept<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> Default for Kept<W> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<W> Kept<W> {
    fn map(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Returning<W>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request under this key, until it is asked for.
    pub(crate) fn insert(&self, key: String, asked: oneshot::Sender<Returning<W>>) {
        let earlier = self.map().insert(key, asked);
        // Without the lock, for it wakes a task.
        drop(earlier);
    }

    /// Asks for the request that is kept under this key, if there is one.
    pub(crate) fn ask(&self, key: &str) -> Option<oneshot::Receiver<W>> {
        let kept = self.map().remove(key)?;
        let (returning, back) = oneshot::channel();
        // It may have been given up meanwhile.
        kept.send(returning).ok()?;
        Some(back)
    }

    /// Takes back what has been given up, if it is not another's by now.
    pub(crate) fn clean(&self, key: &str) {
        let mut map = self.map();
        if map.get(key).is_some_and(oneshot::Sender::is_closed) {
            map.remove(key);
        }
    }
}
