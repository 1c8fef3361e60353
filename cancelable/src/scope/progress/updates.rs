//! What changes of a scope's progress, as a stream.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::info::ProgressInfo;
use super::node::Node;

/// The changes of a scope's progress; made by [`Progress::updates`](crate::Progress::updates).
///
/// It has the latest only: who is slow misses what was in between, and nobody waits for it. Its last item is how the scope ended. It is on no
/// runtime, and no check point.
#[must_use = "streams do nothing unless polled"]
pub struct ProgressUpdates {
    node: Arc<Node>,
    /// Among those who wait.
    number: u64,
    seen: Option<u64>,
}

impl ProgressUpdates {
    pub(super) fn of(node: &Arc<Node>) -> Self {
        Self {
            number: node.waiter(),
            node: Arc::clone(node),
            seen: None,
        }
    }

    /// The next change, or, the first time, how it stands. `None` once the scope is over, and that has been told.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, nothing is lost.
    #[expect(
        clippy::should_implement_trait,
        reason = "what is awaited is called so with every stream"
    )]
    pub fn next(&mut self) -> impl Future<Output = Option<ProgressInfo>> + '_ {
        poll_fn(move |cx| self.poll_update(cx))
    }

    fn poll_update(&mut self, cx: &mut Context<'_>) -> Poll<Option<ProgressInfo>> {
        loop {
            if let Some(update) = self.node.newer(&mut self.seen) {
                return Poll::Ready(update);
            }
            if self.node.wake(self.number, self.seen, cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

impl Stream for ProgressUpdates {
    type Item = ProgressInfo;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ProgressInfo>> {
        self.get_mut().poll_update(cx)
    }
}

impl Drop for ProgressUpdates {
    fn drop(&mut self) {
        self.node.forget(self.number);
    }
}

impl fmt::Debug for ProgressUpdates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressUpdates").finish_non_exhaustive()
    }
}
