//! One cancellation event, shared by every token it reached.

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
    /// Set once everyone who had registered under a foreign waker has been woken (contract §5). Until then an outer
    /// check point must not drop what is inside it: some of it may not have been told.
    told: AtomicBool,
    /// Check points that had to stay pending because `told` was not yet set, to be woken right after it is.
    late: Mutex<Vec<Waker>>,
}

impl Cause {
    pub(crate) fn new(reason: CancelReason, deadline: Option<Instant>) -> Self {
        Self {
            reason,
            deadline,
            told: AtomicBool::new(false),
            late: Mutex::new(Vec::new()),
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
        self.told.load(Ordering::Acquire)
    }

    /// Asks to be woken when the first round is over; `false` if it is over already.
    pub(crate) fn wake_when_told(&self, waker: &Waker) -> bool {
        // Cloned before the lock is taken and, if too late, dropped after it is released: wakers are user code.
        let waker = waker.clone();
        let mut late = lock(&self.late);
        let told = self.told.load(Ordering::Relaxed);
        if !told {
            late.push(waker);
        }
        !told
    }

    /// Marks the first round as over and hands out those who waited for that.
    pub(crate) fn tell(&self) -> Vec<Waker> {
        let mut late = lock(&self.late);
        self.told.store(true, Ordering::Release);
        std::mem::take(&mut *late)
    }
}
