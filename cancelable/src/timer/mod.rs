//! The shared timer: wakes a [`Waker`](std::task::Waker) at an [`Instant`](std::time::Instant).
//!
//! One thread per process, `cancelable-timer`, started by the first [`arm`], serves every deadline
//! of the library: those of sync scopes, plain threads and executors without timers of their own.
//! It knows nothing of tokens; what a deadline means is the waker's business.
//!
//! # What it promises
//!
//! 1. *Never early.* When a waker is woken, `Instant::now() >= at` holds. Deadlines are rounded
//!    *up* to whole ticks of 1 ms, counted from the timer's first use.
//! 2. *Never lost.* Every alarm that is not dropped is woken, once, also if arming raced with the
//!    thread going to sleep, if other wakers panic or block, and if the thread ends and another takes over.
//!    Where no thread can be had, or `fork` has lost it, the alarm says so, and its owner looks at the clock.
//! 3. *O(1).* [`arm`] and dropping an [`Alarm`] touch a fixed number of entries, however many are
//!    armed. Firing is O(1) amortised: an entry is moved at most once per level of the wheel, and listed anew at most once per
//!    timeout's length, however often its slot has been armed meanwhile.
//! 4. *No lock is held while a waker is cloned, woken or dropped*, so a waker may arm, update or
//!    drop alarms, or cancel a whole tree of tokens.
//! 5. *Bounded.* A dropped or fired alarm frees its waker at once, and its slot too, except that a thread keeps up to 8 of
//!    those that were dropped on it, in the wheel until their tick or its own end. What a burst of a million took is given
//!    back as they go (see [`slab`] for how, and for what is kept).
//!
//! What it does not promise: punctuality beyond the scheduler's, an order among alarms of the same
//! tick, and that a waker stays silent once its alarm is dropped (a wake may be under way on the
//! timer's thread). Wakers run one after another on that thread. One that blocks holds up the rest for 10 to 20 ms; then
//! another thread takes over. With more than eight wakers that block at the same time the rest has to wait for one of them.
//! (See [`crew`](crate::crew).)
//!
//! # Parts, in order of reading
//!
//! - [`slab`]: entries in pages that never move, keys that go stale, lists threaded through them;
//! - [`wheel`]: the hierarchical timing wheel; no clock, no lock, no thread;
//! - [`driver`]: a mutex, a condition variable, the clock and the thread round a wheel;
//! - [`alarm`]: the driver of this process, and what each thread keeps of it;
//! - [`turns`]: what tasks do without a thread.
#![deny(unsafe_code)]

mod alarm;
mod driver;
mod slab;
mod turns;
mod wheel;

#[cfg(test)]
mod tests;

pub(crate) use alarm::{Alarm, arm, arm_for_token, is_served, serve};
#[cfg(all(test, cancelable_loom))]
pub(crate) use alarm::{listed, turn};
pub(crate) use turns::wake_by_turns;
