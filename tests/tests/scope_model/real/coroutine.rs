//! Stackful coroutines.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use cancelable::CancellationToken;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::members::MemberWaker;
use super::{Fut, Output};

type Running = Coroutine<(), (), Output>;

thread_local! {
    /// They cannot be sent, and what holds one can: each stays on the thread that has begun it.
    static RUNNING: RefCell<HashMap<usize, Running>> = RefCell::default();
    static BEGUN: Cell<usize> = const { Cell::new(0) };
}

/// Each poll resumes it, to poll the future once, under a waker that wakes who polls here; or, `inside`, in a scope of that token,
/// in which it is suspended as well.
pub(super) async fn in_coroutine(future: Fut, inside: Option<CancellationToken>) -> Output {
    let waker = MemberWaker::new();
    let this = Suspended::new(future, Arc::clone(&waker), inside);
    poll_fn(|cx| {
        waker.set_owner(cx);
        this.resume()
    })
    .await
}

/// The number of one. Dropped, it unwinds it.
struct Suspended(usize);

impl Suspended {
    fn new(mut future: Fut, waker: Arc<MemberWaker>, inside: Option<CancellationToken>) -> Self {
        let number = BEGUN.replace(BEGUN.get() + 1);
        let coroutine = Running::new(move |yielder: &Yielder<(), ()>, ()| {
            let mut run = || loop {
                match waker.poll(&mut future) {
                    Poll::Ready(output) => return output,
                    Poll::Pending => yielder.suspend(()),
                }
            };
            match inside {
                Some(token) => token.sync_scope(run),
                None => run(),
            }
        });
        RUNNING.with_borrow_mut(|running| running.insert(number, coroutine));
        Self(number)
    }

    fn resume(&self) -> Poll<Output> {
        // What runs in there may begin and end others.
        let mut coroutine = RUNNING
            .with_borrow_mut(|running| running.remove(&self.0))
            .expect("it is on this thread");
        match coroutine.resume(()) {
            CoroutineResult::Return(output) => Poll::Ready(output),
            CoroutineResult::Yield(()) => {
                RUNNING.with_borrow_mut(|running| running.insert(self.0, coroutine));
                Poll::Pending
            }
        }
    }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        let coroutine = RUNNING.with_borrow_mut(|running| running.remove(&self.0));
        drop(coroutine);
    }
}
