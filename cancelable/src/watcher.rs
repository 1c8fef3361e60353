//! A thread that polls futures which belong to no task: those that watch for what should cancel a scope.
//!
//! A scope's own task cannot poll them: a sync scope has none, and an async one may hog its thread. One thread per
//! process, started on first need, serves all scopes. It knows nothing of tokens.
//!
//! A future is polled for the first time where it is given to [`watch`]. What is ready at once so needs no thread. After
//! that the thread polls it whenever it has been woken. A future that blocks holds up the others for 10 to 20 ms; then another
//! thread takes over the queue ([`crew`](crate::crew)).
//!
//! A paused clock of tokio's moves as soon as its runtime has nothing to do. So what was begun there is not polled by the
//! thread, but by a blocking task of the runtime, for which the clock waits.
//!
//! # A future's states
//!
//! All under the lock of its [`Task`]. No user code runs under it, and no other lock is taken.
//!
//! - Q1. Who polls takes the future out, and puts it back if it is pending and has not been given up: one hold of the lock.
//!   Who gives it up while it is out leaves it to the poller to drop.
//! - Q2. A task is queued once for each time that `is_woken` is set while nobody polls it. If somebody does, the poller queues
//!   it as it puts the future back. So no wake is lost, and the future is never polled by two threads.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::crew::{self, Crew, Held, Post, Shift};
use crate::primitive::{Condvar, Mutex, MutexGuard, lock};
use crate::runtime::Runtime;
use crate::unwind::caught;

type Watched = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Called if the future can no longer be watched.
type Lost = Box<dyn FnOnce(io::Error) + Send>;

/// Starts a thread that serves a watcher from this turn on, or says why it could not.
type Spawn = fn(&'static Watcher, usize) -> io::Result<()>;

/// Futures that have been woken, and the thread that is to poll them.
pub(crate) struct Watcher {
    queue: Mutex<Queue>,
    /// Held by whoever holds the lock of a task, round it: a fork takes this one, and so finds none of them taken.
    tasks: Mutex<()>,
    /// The thread's.
    post: Post,
    spawn: Spawn,
}

struct Queue {
    tasks: VecDeque<Arc<Task>>,
    /// Rung when a task is queued. A forked child gets another one.
    bell: Arc<Condvar>,
}

/// The watcher of this process.
static SHARED: LazyLock<Watcher> = LazyLock::new(|| Watcher::new(spawn));

impl Watcher {
    fn new(spawn: Spawn) -> Self {
        let queue = Queue {
            tasks: VecDeque::new(),
            bell: Arc::new(Condvar::new()),
        };
        Self {
            queue: Mutex::new(queue),
            tasks: Mutex::new(()),
            post: Post::new(),
            spawn,
        }
    }

    /// Sees to it that there is a thread.
    fn serve(&'static self) -> io::Result<()> {
        if self.post.is_held() { Ok(()) } else { crew::staff(self) }
    }

    fn push(&'static self, task: Arc<Task>) {
        let is_served = self.serve();
        let mut queue = lock(&self.queue);
        if is_served.is_ok() {
            queue.tasks.push_back(task);
            let bell = Arc::clone(&queue.bell);
            drop(queue);
            bell.notify_one();
        } else if let Err(error) = is_served {
            drop(queue);
            task.lose(error);
        }
    }

    /// Waits for the next task that has been woken.
    fn next(&self) -> Arc<Task> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(task) = queue.tasks.pop_front() {
                return task;
            }
            let bell = Arc::clone(&queue.bell);
            queue = bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next one, if there is one now.
    #[cfg(all(test, cancelable_loom))]
    fn try_next(&self) -> Option<Arc<Task>> {
        lock(&self.queue).tasks.pop_front()
    }

    /// What the thread does, until somebody else has taken over.
    fn run(&self, shift: &Shift<'_>) {
        loop {
            let task = self.next();
            if !shift.run(|| task.poll()) {
                return;
            }
        }
    }
}

fn spawn(watcher: &'static Watcher, turn: usize) -> io::Result<()> {
    crew::spawn("cancelable-watcher", move || {
        watcher.run(&Shift::begin(&watcher.post, turn))
    })
    .map(drop)
}

impl Crew for Watcher {
    fn post(&self) -> &Post {
        &self.post
    }

    fn start(&'static self, turn: usize) -> io::Result<()> {
        (self.spawn)(self, turn)
    }

    fn hold(&'static self) -> Box<dyn Held> {
        Box::new(Locks {
            _tasks: lock(&self.tasks),
            queue: lock(&self.queue),
        })
    }
}

/// A watcher while its process forks.
struct Locks {
    _tasks: MutexGuard<'static, ()>,
    queue: MutexGuard<'static, Queue>,
}

impl Held for Locks {
    /// What is queued is polled by the next thread.
    fn in_child(mut self: Box<Self>) -> Vec<Waker> {
        self.queue.bell = Arc::new(Condvar::new());
        Vec::new()
    }
}

struct Task {
    watcher: &'static Watcher,
    /// Polled where it is woken.
    is_inline: bool,
    /// In which it is polled, and dropped, wherever that happens.
    runtime: Runtime,
    state: Mutex<State>,
}

struct State {
    /// `None` while it is being polled, and once it is over.
    future: Option<Watched>,
    lost: Option<Lost>,
    /// Since the last poll began.
    is_woken: bool,
    is_polled: bool,
    /// Done, panicked, or given up.
    is_over: bool,
}

impl State {
    /// Nobody is interested any more: what there is to drop, which is user code.
    fn end(&mut self) -> (Option<Watched>, Option<Lost>) {
        self.is_over = true;
        (self.future.take(), self.lost.take())
    }
}

/// A task's state, while it is locked.
struct Locked<'a> {
    // In this order: given back first.
    state: MutexGuard<'a, State>,
    _tasks: MutexGuard<'static, ()>,
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Task {
    fn lock(&self) -> Locked<'_> {
        // Or else a thread that a fork has lost could leave the task locked for ever, and its scope could not be left.
        let tasks = lock(&self.watcher.tasks);
        Locked {
            state: lock(&self.state),
            _tasks: tasks,
        }
    }

    fn poll(self: &Arc<Self>) {
        if self.poll_once() {
            self.queue();
        }
    }

    /// Polls the future, if it is there. `true`: it has been woken meanwhile, and is to be polled again.
    fn poll_once(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        let Some(mut future) = state.future.take() else {
            return false;
        };
        (state.is_woken, state.is_polled) = (false, true);
        drop(state);
        let waker = Waker::from(Arc::clone(self));
        // A panic has been reported by the panic hook; the future is over, and the others go on.
        let poll = self
            .runtime
            .enter(|| caught(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        let mut state = self.lock();
        state.is_polled = false;
        if matches!(poll, Some(Poll::Pending)) && !state.is_over {
            state.future = Some(future);
            return state.is_woken;
        }
        let rest = state.end();
        drop(state);
        self.runtime.enter(|| caught(|| drop((future, rest))));
        false
    }

    /// Has it polled, by whoever's business that is.
    fn queue(self: &Arc<Self>) {
        if self.is_inline {
            while self.poll_once() {}
        } else {
            let turn = Turn(Some(Arc::clone(self)));
            drop(self.runtime.run_at_this_moment(turn, Turn::take));
        }
    }

    /// There is no thread to poll it.
    #[cold]
    fn lose(&self, error: io::Error) {
        let (future, lost) = self.lock().end();
        self.runtime.enter(|| caught(|| drop(future)));
        if let Some(lost) = lost {
            lost(error);
        }
    }
}

/// A task that is to be polled: by whoever takes it; or, if nobody does, because a runtime has been shut down, by the
/// watcher's thread.
struct Turn(Option<Arc<Task>>);

impl Turn {
    fn take(mut self) {
        if let Some(task) = self.0.take() {
            task.poll();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.watcher.push(Arc::clone(&task));
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let mut state = self.lock();
        let is_news = !state.is_over && !std::mem::replace(&mut state.is_woken, true);
        if is_news && !state.is_polled {
            drop(state);
            self.queue();
        }
    }
}

/// A future that is being watched; dropping this drops the future.
pub(crate) struct Vigil(Arc<Task>);

impl Drop for Vigil {
    /// A panic of the future's destructors ends here, as those of its polls do. The scope is going away, perhaps by a panic of
    /// its own.
    fn drop(&mut self) {
        let rest = self.0.lock().end();
        self.0.runtime.enter(|| caught(|| drop(rest)));
    }
}

/// Has `future` polled until it is done or the result is dropped: here and now for the first time; then by the thread, or, if
/// `is_inline`, by whoever wakes it. If there is no thread and the future needs one, it is dropped, and `lost` is called.
pub(crate) fn watch(
    future: impl Future<Output = ()> + Send + 'static,
    is_inline: bool,
    lost: impl FnOnce(io::Error) + Send + 'static,
) -> Vigil {
    SHARED.watch(Box::pin(future), is_inline, Box::new(lost))
}

impl Watcher {
    fn watch(&'static self, future: Watched, is_inline: bool, lost: Lost) -> Vigil {
        let task = Arc::new(Task {
            watcher: self,
            is_inline,
            runtime: Runtime::current(),
            state: Mutex::new(State {
                future: Some(future),
                lost: Some(lost),
                is_woken: false,
                is_polled: false,
                is_over: false,
            }),
        });
        task.poll();
        let needs_thread = !is_inline && !task.lock().is_over;
        if needs_thread {
            // Now, where it can be reported, and not when it is woken.
            if let Err(error) = self.serve() {
                task.lose(error);
            }
        }
        Vigil(task)
    }
}

#[cfg(all(test, cancelable_loom))]
#[path = "watcher/loom.rs"]
mod loom;

#[cfg(all(test, not(cancelable_loom)))]
mod tests;
