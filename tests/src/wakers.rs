//! Wakers as the standard library allows them and few expect them: each clone another one, and panicking. And one that counts
//! its clones, and one that looks what has been dropped.

use std::mem::ManuallyDrop;
use std::panic::{self, panic_any};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};

/// What the wakers of one task do and count.
#[derive(Debug, Default)]
pub struct Task {
    wakes: AtomicUsize,
    /// Clones, drops and wakes so far.
    acts: AtomicUsize,
    /// Which of these is to panic.
    panics_at: Option<usize>,
    alive: AtomicIsize,
}

/// What a [`Task`] panics with; not reported.
#[derive(Debug)]
pub struct WakerPanic;

impl Task {
    /// A task whose wakers only count.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A task of whose wakers the `n`th clone, drop or wake panics, counted from 0.
    #[must_use]
    pub fn panicking_at(n: usize) -> Arc<Self> {
        static QUIET: Once = Once::new();
        QUIET.call_once(|| {
            let report = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if !info.payload().is::<WakerPanic>() {
                    report(info);
                }
            }));
        });
        Arc::new(Self {
            panics_at: Some(n),
            ..Self::default()
        })
    }

    /// How often it has been woken.
    #[must_use]
    pub fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }

    /// Has it come to the panic?
    #[must_use]
    pub fn has_panicked(&self) -> bool {
        self.panics_at.is_some_and(|at| self.acts.load(Ordering::SeqCst) > at)
    }

    /// How many wakers there are.
    #[must_use]
    pub fn alive(&self) -> isize {
        self.alive.load(Ordering::SeqCst)
    }

    /// A waker of this task. Each clone has data of its own.
    #[must_use]
    pub fn waker(self: &Arc<Self>) -> Waker {
        self.alive.fetch_add(1, Ordering::SeqCst);
        let one = Box::into_raw(Box::new(Arc::clone(self)));
        // SAFETY: the table treats the pointer as the box that it is.
        unsafe { Waker::from_raw(RawWaker::new(one.cast(), &ONE)) }
    }

    fn act(&self) {
        if self.panics_at == Some(self.acts.fetch_add(1, Ordering::SeqCst)) {
            panic_any(WakerPanic);
        }
    }

    fn wake(&self) {
        self.act();
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }
}

const ONE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: made by `Task::waker`, and kept by the waker that is being cloned.
        let task = unsafe { &*data.cast::<Arc<Task>>() };
        task.act();
        let clone = ManuallyDrop::new(task.waker());
        RawWaker::new(clone.data(), &ONE)
    },
    |data| {
        let task = take(data);
        task.wake();
    },
    // SAFETY: made by `Task::waker`, and kept by the waker.
    |data| unsafe { &*data.cast::<Arc<Task>>() }.wake(),
    |data| {
        let task = take(data);
        task.act();
    },
);

/// Takes the waker's memory.
fn take(data: *const ()) -> Arc<Task> {
    // SAFETY: called where a waker is given up, with what `Task::waker` made.
    let task = *unsafe { Box::from_raw(data.cast_mut().cast::<Arc<Task>>()) };
    task.alive.fetch_sub(1, Ordering::SeqCst);
    task
}

/// A place where wakers of different tasks come to lie one after the other, as freed memory is used again. Each is another
/// one when it is cloned.
#[derive(Debug)]
pub struct Place(Mutex<Arc<Task>>);

impl Place {
    /// A place with a waker of this task. (It is leaked: tests are short.)
    #[must_use]
    pub fn new(task: &Arc<Task>) -> &'static Self {
        Box::leak(Box::new(Self(Mutex::new(Arc::clone(task)))))
    }

    /// From now on a waker of this task lies here.
    pub fn set(&self, task: &Arc<Task>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(task);
    }

    fn task(&self) -> Arc<Task> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The waker that lies here.
    #[must_use]
    pub fn waker(&'static self) -> Waker {
        let here: *const Self = self;
        // SAFETY: the table treats the pointer as the reference that it is; the place is never freed.
        unsafe { Waker::from_raw(RawWaker::new(here.cast(), &HERE)) }
    }
}

const HERE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: made by `Place::waker`, and never freed.
        let task = unsafe { &*data.cast::<Place>() }.task();
        let clone = ManuallyDrop::new(task.waker());
        RawWaker::new(clone.data(), &ONE)
    },
    // SAFETY: as above.
    |data| unsafe { &*data.cast::<Place>() }.task().wake(),
    // SAFETY: as above.
    |data| unsafe { &*data.cast::<Place>() }.task().wake(),
    |_| {},
);

/// Counts how often its wakers, which are all alike, are cloned.
#[derive(Debug, Default)]
pub struct Clones(AtomicUsize);

impl Clones {
    /// Nothing has been cloned yet. (It is leaked: tests are short.)
    #[must_use]
    pub fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    /// How many so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A waker that wakes nobody.
    #[must_use]
    pub fn waker(&'static self) -> Waker {
        let this: *const Self = self;
        // SAFETY: the table treats the pointer as the reference that it is, which is never freed.
        unsafe { Waker::from_raw(RawWaker::new(this.cast(), &ALIKE)) }
    }
}

static ALIKE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: made by `Clones::waker`, and never freed.
        let clones = unsafe { &*data.cast::<Clones>() };
        clones.0.fetch_add(1, Ordering::SeqCst);
        RawWaker::new(data, &ALIKE)
    },
    |_| {},
    |_| {},
    |_| {},
);

/// Adds up, each time it is woken, how many [`DropFlag`](crate::DropFlag)s had been dropped by then.
#[derive(Debug)]
pub struct Looks {
    dropped: Arc<AtomicUsize>,
    seen: AtomicUsize,
}

impl Looks {
    /// At the flags that count here.
    #[must_use]
    pub fn at(dropped: Arc<AtomicUsize>) -> Arc<Self> {
        let seen = AtomicUsize::new(0);
        Arc::new(Self { dropped, seen })
    }

    /// What all looks have seen.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        self.seen
            .fetch_add(self.dropped.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}
