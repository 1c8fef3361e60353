//! What works on a token's behalf, and ways back to a token that do not keep it.

use std::any::Any;
use std::ops::ControlFlow;

use super::handle::CancellationToken;
use super::tree::WeakHandle;

impl CancellationToken {
    /// Keeps something that works on this token's behalf until it is cancelled, or gone.
    pub(crate) fn keep(&self, work: impl Any + Send) {
        let mut work = Some(Box::new(work) as Box<dyn Any + Send>);
        self.node.with_extras(|extras| extras.kept.extend(work.take()));
        // Cancelled already: dropped here, outside the lock.
        drop(work);
    }

    /// Looks at what is kept by this token, or by one whose cancel reaches it, the nearest first, until it has seen enough. Under a lock:
    /// no code of the user's may run.
    pub(crate) fn look_at_kept_above(&self, mut look: impl FnMut(&dyn Any) -> ControlFlow<()>) {
        self.node.look_above(false, |kept| look(kept));
    }

    /// Looks at the first thing of this type that is kept.
    #[cfg(feature = "tokio-util")]
    pub(crate) fn kept<T: Any, R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.node
            .with_extras(|extras| extras.kept.iter().find_map(|kept| kept.downcast_ref()).map(f))
            .flatten()
    }

    /// Is it linked to other tokens, and below none?
    #[cfg(feature = "tokio-util")]
    pub(crate) fn is_linked_root(&self) -> bool {
        let mut listens = Vec::new();
        self.node
            .for_each_upwards(|_, extras| listens.push(extras.is_some_and(|extras| extras.has_sources())));
        listens == [true]
    }

    /// A way back to this token that does not keep it.
    pub(crate) fn downgrade(&self) -> WeakToken {
        WeakToken(self.node.downgrade())
    }
}

/// Knows a token without keeping it.
pub(crate) struct WeakToken(WeakHandle);

impl WeakToken {
    /// The token, if somebody still holds it and it is not cancelled.
    pub(crate) fn upgrade(&self) -> Option<CancellationToken> {
        self.0.upgrade().map(|node| CancellationToken { node })
    }
}
