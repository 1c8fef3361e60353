//! A thread that polls futures which belong to no task: those that watch for what should cancel a scope.
//!
//! A scope's own task cannot poll them: a sync scope has none, and an async one may hog its thread. One thread per
//! process, started on first need, serves all scopes. It knows nothing of tokens.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::thread;

type Watched = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Futures that have been woken, and the thread that is to poll them.
struct Watcher {
    queue: Mutex<Queue>,
    woken: Condvar,
}

struct Queue {
    tasks: VecDeque<Arc<Task>>,
    is_running: bool,
}

static WATCHER: Watcher = Watcher {
    queue: Mutex::new(Queue {
        tasks: VecDeque::new(),
        is_running: false,
    }),
    woken: Condvar::new(),
};

/// No user code runs under these locks, so a poisoned one guards data as whole as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher {
    fn push(&'static self, task: Arc<Task>) {
        let mut queue = lock(&self.queue);
        queue.tasks.push_back(task);
        if !queue.is_running {
            // If the system has no thread to give, whoever is woken next tries again.
            let thread = thread::Builder::new().name("cancelable-watcher".into());
            queue.is_running = thread.spawn(|| self.run()).is_ok();
        }
        drop(queue);
        self.woken.notify_one();
    }

    fn run(&self) {
        loop {
            let mut queue = lock(&self.queue);
            let task = loop {
                match queue.tasks.pop_front() {
                    Some(task) => break task,
                    None => queue = self.woken.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(queue);
            task.poll();
        }
    }
}

struct Task {
    /// `None` while it is being polled, and once it is over.
    future: Mutex<Option<Watched>>,
    is_queued: AtomicBool,
    is_given_up: AtomicBool,
    /// Polled where it is woken.
    is_inline: bool,
}

impl Task {
    fn poll(self: &Arc<Self>) {
        let Some(mut future) = lock(&self.future).take() else {
            return;
        };
        self.is_queued.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(self));
        // A panic has been reported by the panic hook; the future is over, and the others go on.
        let poll = catch_unwind(AssertUnwindSafe(|| {
            future.as_mut().poll(&mut Context::from_waker(&waker))
        }));
        if poll.is_ok_and(|poll| poll.is_pending()) && !self.is_given_up.load(Ordering::Acquire) {
            *lock(&self.future) = Some(future);
            // Given up since the question above: whoever did so found nothing to drop.
            if self.is_given_up.load(Ordering::Acquire) {
                let future = lock(&self.future).take();
                drop(future);
            }
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if self.is_queued.swap(true, Ordering::AcqRel) {
            return;
        }
        if !self.is_inline {
            return WATCHER.push(self);
        }
        // Whoever is polling at this moment has put the future back before it looks here again; or takes it from us.
        while self.is_queued.load(Ordering::Acquire) && lock(&self.future).is_some() {
            self.poll();
        }
    }
}

/// A future that is being polled; dropping this drops the future.
pub(crate) struct Vigil(Arc<Task>);

impl Drop for Vigil {
    fn drop(&mut self) {
        self.0.is_given_up.store(true, Ordering::Release);
        let future = lock(&self.0.future).take();
        drop(future);
    }
}

/// Has `future` polled until it is done or the result is dropped: by the thread, or, if `is_inline`, here and now and by
/// whoever wakes it.
pub(crate) fn watch(future: impl Future<Output = ()> + Send + 'static, is_inline: bool) -> Vigil {
    let task = Arc::new(Task {
        future: Mutex::new(Some(Box::pin(in_this_runtime(future)))),
        is_queued: AtomicBool::new(false),
        is_given_up: AtomicBool::new(false),
        is_inline,
    });
    Arc::clone(&task).wake();
    Vigil(task)
}

/// Polls (and drops) `future` in the context of the runtime that this thread is in, wherever that happens.
#[cfg(feature = "tokio")]
fn in_this_runtime(future: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> + Send + 'static {
    let handle = tokio::runtime::Handle::try_current().ok();
    let mut future = Some(Box::pin(future));
    std::future::poll_fn(move |cx| {
        let _context = handle.as_ref().map(tokio::runtime::Handle::enter);
        let Some(running) = &mut future else {
            return std::task::Poll::Ready(());
        };
        let poll = running.as_mut().poll(cx);
        if poll.is_ready() {
            future = None;
        }
        poll
    })
}

#[cfg(not(feature = "tokio"))]
fn in_this_runtime(future: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> + Send + 'static {
    future
}

#[cfg(test)]
mod tests;
