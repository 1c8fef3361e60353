//! Panics of tasks and bodies as values.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// How a closure or a future came out that may have panicked.
pub(crate) type Caught<T> = Result<T, Box<dyn Any + Send>>;

pin_project_lite::pin_project! {
    /// A future whose panic is a value.
    pub(in crate::scope) struct CatchUnwind<F> {
        #[pin]
        future: F,
    }
}

impl<F> CatchUnwind<F> {
    pub(in crate::scope) fn new(future: F) -> Self {
        Self { future }
    }
}

impl<F: Future> Future for CatchUnwind<F> {
    type Output = Caught<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        catch_poll(|| future.poll(cx))
    }
}

/// A future that has panicked is not polled again; what else it reached, its owner sees by the panic.
pub(in crate::scope) fn catch_poll<T>(poll: impl FnOnce() -> Poll<T>) -> Poll<Caught<T>> {
    match catch_unwind(AssertUnwindSafe(poll)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    }
}
