//! The runtimes.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;

use cancelable::testing::Clock;
use cancelable::{CancelFutureExt as _, propagate};
use futures::FutureExt as _;
use futures::executor::{LocalPool, ThreadPool};
use futures::task::{LocalSpawn as _, Spawn as _};

use crate::runtime::{
    Blocks, Paused, Runtime, Shutdown, Suspends, Task, VirtualClock, at_once, on_a_thread, sending, telling,
};

// tokio ---------------------------------------------------------------------------------------------------------------

/// Which of tokio's runtimes.
pub trait Flavor: 'static {
    /// What it is called beside "tokio".
    const NAME: &'static str;
    /// How it is built.
    fn builder() -> tokio::runtime::Builder;
    /// See [`Runtime::virtual_clock`].
    #[must_use]
    fn virtual_clock() -> VirtualClock {
        VirtualClock::Hand(Clock::new())
    }
}

/// tokio, in one of its flavors.
#[derive(Debug)]
pub struct Tokio<F>(tokio::runtime::Runtime, PhantomData<F>);

/// Two workers.
#[derive(Debug)]
pub enum MultiThread {}

/// Everything on one thread.
#[derive(Debug)]
pub enum CurrentThread {}

/// Everything on one thread, without the time driver (and the I/O driver).
#[derive(Debug)]
pub enum WithoutTime {}

impl Flavor for MultiThread {
    const NAME: &'static str = "multi";

    fn builder() -> tokio::runtime::Builder {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all();
        builder
    }
}

impl Flavor for CurrentThread {
    const NAME: &'static str = "current";

    fn builder() -> tokio::runtime::Builder {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all();
        builder
    }

    /// The only one that tokio itself can pause.
    fn virtual_clock() -> VirtualClock {
        VirtualClock::Tokio(Paused::new())
    }
}

impl Flavor for WithoutTime {
    const NAME: &'static str = "no time";

    fn builder() -> tokio::runtime::Builder {
        tokio::runtime::Builder::new_current_thread()
    }
}

impl<F: Flavor> Runtime for Tokio<F> {
    const NAME: [&'static str; 2] = ["tokio", F::NAME];
    type Code = Suspends;

    fn start() -> Self {
        Self(F::builder().build().expect("a runtime"), PhantomData)
    }

    fn run<M>(&self, main: M) -> M::Output
    where
        M: Future<Output: Send> + Send,
    {
        self.0.block_on(main)
    }

    fn spawn<T>(task: T) -> Task<T::Output>
    where
        T: Future<Output: Send> + Send + 'static,
    {
        let (task, output) = sending(task);
        let handle = cancelable::tokio::spawn(task);
        Task::new(output, move || handle.abort())
    }

    fn spawn_blocking<T, B>(f: B) -> Task<T>
    where
        T: Send + 'static,
        B: FnOnce() -> T + Send + 'static,
    {
        let (f, task) = telling(f);
        cancelable::tokio::spawn_blocking(f);
        task
    }

    fn virtual_clock() -> VirtualClock {
        F::virtual_clock()
    }
}

// Executors that their tasks cannot find by themselves ----------------------------------------------------------------

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts a task, and returns what drops it.
type Spawner = Rc<dyn Fn(Work) -> Box<dyn FnOnce() + Send>>;

thread_local! {
    /// The spawner of the executor that runs a main future on this thread.
    static SPAWNER: RefCell<Option<Spawner>> = const { RefCell::new(None) };
}

/// Runs `f`; what it [spawns](spawn_here), `spawner` starts.
fn with_spawner<R>(spawner: Spawner, f: impl FnOnce() -> R) -> R {
    /// Puts back the outer one, also after a panic.
    struct Restore(Option<Spawner>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SPAWNER.set(self.0.take());
        }
    }

    let _restore = Restore(SPAWNER.replace(Some(spawner)));
    f()
}

/// Spawns a task with the ambient token of this code on the executor of this thread, if there is one.
fn spawn_here<F>(task: F) -> Result<Task<F::Output>, F>
where
    F: Future<Output: Send> + Send + 'static,
{
    let Some(spawner) = SPAWNER.with_borrow(Clone::clone) else {
        return Err(task);
    };
    let (task, output) = sending(task.in_current_scope());
    Ok(Task::new(output, spawner(Box::pin(task))))
}

// smol ----------------------------------------------------------------------------------------------------------------

/// smol: its global executor, or, to be shut down, one that can be.
#[derive(Debug)]
pub struct Smol {
    own: Option<Rc<smol::Executor<'static>>>,
}

impl Runtime for Smol {
    const NAME: [&'static str; 2] = ["smol", ""];
    type Code = Suspends;

    fn start() -> Self {
        Self { own: None }
    }

    fn start_own() -> Self {
        Self {
            own: Some(Rc::default()),
        }
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future<Output: Send> + Send,
    {
        let Some(own) = &self.own else {
            return smol::block_on(main);
        };
        let spawner = {
            let own = Rc::clone(own);
            move |task| -> Box<dyn FnOnce() + Send> {
                let task = own.spawn(task);
                Box::new(move || drop(task))
            }
        };
        with_spawner(Rc::new(spawner), || smol::block_on(own.run(main)))
    }

    fn spawn<F>(task: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        spawn_here(task).unwrap_or_else(|task| {
            let (task, output) = sending(task);
            let handle = cancelable::smol::spawn(task);
            Task::new(output, move || drop(handle))
        })
    }

    fn spawn_blocking<T, F>(f: F) -> Task<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (f, task) = telling(f);
        cancelable::smol::spawn_blocking(f).detach();
        task
    }
}

// futures' executors --------------------------------------------------------------------------------------------------

/// `futures::executor::ThreadPool`, two threads.
#[derive(Debug)]
pub struct FuturesThreadPool(ThreadPool);

impl Runtime for FuturesThreadPool {
    const NAME: [&'static str; 2] = ["futures", "ThreadPool"];
    type Code = Suspends;

    /// Each task holds a handle of the pool.
    const SHUTDOWN: Shutdown = Shutdown::LetsTasksRun;

    fn start() -> Self {
        Self(ThreadPool::builder().pool_size(2).create().expect("a pool"))
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future<Output: Send> + Send,
    {
        let pool = self.0.clone();
        let spawner = move |task: Work| -> Box<dyn FnOnce() + Send> {
            let (task, handle) = task.remote_handle();
            pool.spawn_obj(Box::pin(task).into()).expect("the pool is there");
            Box::new(move || drop(handle))
        };
        with_spawner(Rc::new(spawner), || futures::executor::block_on(main))
    }

    fn spawn<F>(task: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        spawn_here(task).unwrap_or_else(|_| panic!("only `main` spawns"))
    }
}

/// `futures::executor::LocalPool`.
#[derive(Debug)]
pub struct FuturesLocalPool(RefCell<LocalPool>);

impl Runtime for FuturesLocalPool {
    const NAME: [&'static str; 2] = ["futures", "LocalPool"];
    type Code = Suspends;

    fn start() -> Self {
        Self(RefCell::default())
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future<Output: Send> + Send,
    {
        let mut pool = self.0.borrow_mut();
        let to_pool = pool.spawner();
        let spawner = move |task: Work| -> Box<dyn FnOnce() + Send> {
            let (task, handle) = task.remote_handle();
            to_pool
                .spawn_local_obj(Box::pin(task).into())
                .expect("the pool is there");
            Box::new(move || drop(handle))
        };
        with_spawner(Rc::new(spawner), || pool.run_until(main))
    }

    fn spawn<F>(task: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        spawn_here(task).unwrap_or_else(|_| panic!("only `main` spawns"))
    }
}

// No executor ---------------------------------------------------------------------------------------------------------

/// `block_on` and no executor: a task is a thread that polls one future.
#[derive(Debug)]
pub struct BlockOn;

impl Runtime for BlockOn {
    const NAME: [&'static str; 2] = ["pollster", "block_on"];
    type Code = Suspends;
    const SHUTDOWN: Shutdown = Shutdown::Impossible("there is no runtime to shut down");

    fn start() -> Self {
        Self
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future<Output: Send> + Send,
    {
        pollster::block_on(main)
    }

    fn spawn<F>(task: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        // Nobody else could drop the future: it does so itself when told.
        let (task, output) = sending(task.in_current_scope());
        let (task, handle) = futures::future::abortable(task);
        std::thread::spawn(move || pollster::block_on(task));
        Task::new(output, move || handle.abort())
    }
}

// No futures ----------------------------------------------------------------------------------------------------------

const NO_HANDLE: &str = "a thread cannot be dropped from outside, and nothing else is there to abort";

/// Plain threads and blocking code.
#[derive(Debug)]
pub struct Threads;

impl Runtime for Threads {
    const NAME: [&'static str; 2] = ["plain", "threads"];
    type Code = Blocks;
    const NO_ABORT: Option<&'static str> = Some(NO_HANDLE);
    const SHUTDOWN: Shutdown = BlockOn::SHUTDOWN;

    fn start() -> Self {
        Self
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future<Output: Send> + Send,
    {
        at_once(main)
    }

    fn spawn<F>(task: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        on_a_thread(|| at_once(task))
    }
}

/// A pool of rayon and blocking code.
pub struct Rayon(rayon::ThreadPool);

impl Runtime for Rayon {
    const NAME: [&'static str; 2] = ["rayon", ""];
    type Code = Blocks;
    const NO_ABORT: Option<&'static str> = Some(NO_HANDLE);

    /// Its threads go when they have nothing left to do.
    const SHUTDOWN: Shutdown = Shutdown::LetsTasksRun;

    fn start() -> Self {
        // A task that waits holds on to its thread.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(6).build();
        Self(pool.expect("a pool"))
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future<Output: Send> + Send,
    {
        self.0.install(propagate(|| at_once(main)))
    }

    fn spawn<F>(task: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        Self::spawn_blocking(|| at_once(task))
    }

    fn spawn_blocking<T, F>(f: F) -> Task<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (f, task) = telling(f);
        rayon::spawn(propagate(f));
        task
    }
}

impl fmt::Debug for Rayon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rayon").finish_non_exhaustive()
    }
}

// A thread per core ---------------------------------------------------------------------------------------------------

/// compio, on io_uring (or, where that is forbidden, on epoll).
#[derive(Debug)]
pub struct Compio(compio::runtime::Runtime);

impl Runtime for Compio {
    const NAME: [&'static str; 2] = ["compio", ""];
    type Code = Suspends;

    fn start() -> Self {
        Self(compio::runtime::Runtime::new().expect("a runtime"))
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future<Output: Send> + Send,
    {
        self.0.block_on(main)
    }

    fn spawn<F>(task: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (task, output) = sending(task.in_current_scope());
        let handle = compio::runtime::spawn(task);
        Task::new(output, move || drop(handle))
    }

    fn spawn_blocking<T, F>(f: F) -> Task<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (f, task) = telling(f);
        compio::runtime::spawn_blocking(propagate(f)).detach();
        task
    }
}
