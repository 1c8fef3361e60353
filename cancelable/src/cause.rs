//! One cancellation event, shared by every token it reached.

use std::collections::HashSet;
use std::ptr;
use std::task::Waker;
use std::time::Instant;

use crate::primitive::{AtomicBool, Mutex, Ordering, lock};
use crate::reason::CancelReason;

/// What all tokens cancelled by one call have in common. Two causes are the same event exactly if they are the same
/// allocation; that is what `Cancelled::belongs_to` compares.
pub(crate) struct Cause {
    reason: CancelReason,
    /// The deadline that passed, if that is what happened.
    deadline: Option<Instant>,
    /// Opens once everyone who had registered under a foreign waker has been woken (contract §5). Until then a check point
    /// must not drop what is inside it: some of it may not have been told.
    told: Gate,
    /// Opens once those who waited for that, under wakers of their own, have been woken in turn. What is outside them, under
    /// the waker of its scope, waits for this.
    all_told: Gate,
}

impl Cause {
    pub(crate) fn new(reason: CancelReason, deadline: Option<Instant>) -> Self {
        Self {
            reason,
            deadline,
            told: Gate::new(),
            all_told: Gate::new(),
        }
    }

    pub(crate) fn reason(&self) -> &CancelReason {
        &self.reason
    }

    /// The deadline that passed, if that is what happened: tokens forget their own when they are cancelled.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Has everyone under a foreign waker been woken?
    pub(crate) fn is_told(&self) -> bool {
        self.told.is_open()
    }

    /// And those who waited for that, under foreign wakers too?
    pub(crate) fn is_all_told(&self) -> bool {
        self.all_told.is_open()
    }

    /// Asks to be woken when everyone is [told](Self::is_told); `false` if they are.
    pub(crate) fn wake_when_told(&self, waker: &Waker) -> bool {
        self.told.wake_when_open(waker)
    }

    /// Asks to be woken when [all are told](Self::is_all_told); `false` if they are.
    pub(crate) fn wake_when_all_told(&self, waker: &Waker) -> bool {
        self.all_told.wake_when_open(waker)
    }

    /// Marks the first round as over and hands out those who waited for that.
    pub(crate) fn tell(&self) -> Vec<Waker> {
        self.told.open()
    }

    /// Says that those have been woken, and hands out who waited for that.
    pub(crate) fn tell_all(&self) -> Vec<Waker> {
        self.all_told.open()
    }
}

/// A moment to wait for.
struct Gate {
    open: AtomicBool,
    late: Mutex<Vec<Waker>>,
}

impl Gate {
    fn new() -> Self {
        Self {
            open: AtomicBool::new(false),
            late: Mutex::new(Vec::new()),
        }
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    fn wake_when_open(&self, waker: &Waker) -> bool {
        // Cloned before the lock is taken and, if too late, dropped after it is released: wakers are user code.
        let waker = waker.clone();
        let mut late = lock(&self.late);
        let open = self.open.load(Ordering::Relaxed);
        if !open {
            late.push(waker);
        }
        !open
    }

    /// Opens, and hands out who waited, each once, in the order in which they asked last: whoever was polled inside another
    /// asked before it, and has to be woken before it.
    fn open(&self) -> Vec<Waker> {
        let mut wakers = {
            let mut late = lock(&self.late);
            self.open.store(true, Ordering::Release);
            std::mem::take(&mut *late)
        };
        if wakers.len() > 1 {
            let mut seen = HashSet::new();
            wakers.reverse();
            wakers.retain(|waker| seen.insert((waker.data(), ptr::from_ref(waker.vtable()))));
            wakers.reverse();
        }
        wakers
    }
}
