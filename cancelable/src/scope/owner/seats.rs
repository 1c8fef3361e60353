//! How many tasks of an owner may run at once: a semaphore whose permits go to those who wait, in order of arrival. No user code
//! runs under the lock.

use std::mem;
use std::task::{Context, Poll};

use super::queue::{Queue, Ticket};
use crate::primitive::{Arc, Mutex, lock};
use crate::unwind::caught;

pub(super) struct Seats(Mutex<State>);

struct State {
    /// None, while somebody waits.
    free: usize,
    waiting: Queue,
}

impl Seats {
    pub(super) fn new(free: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            free,
            waiting: Queue::default(),
        })))
    }

    /// A seat, if one is free and nobody waits.
    pub(super) fn try_take(self: &Arc<Self>) -> Option<Seat> {
        let is_free = lock(&self.0).take();
        is_free.then(|| self.seat(Hold::Held))
    }

    /// One that has to be waited for.
    pub(super) fn queue(self: &Arc<Self>) -> Seat {
        self.seat(Hold::None)
    }

    fn seat(self: &Arc<Self>, hold: Hold) -> Seat {
        Seat {
            seats: Arc::clone(self),
            hold,
        }
    }

    fn give_back(&self) {
        let mut state = lock(&self.0);
        match state.waiting.pop() {
            // It is the seat of that one, who finds that it no longer waits.
            Some(waker) => {
                drop(state);
                // A panic in it has been reported by the panic hook, and is nobody's here.
                caught(|| waker.wake());
            }
            None => state.free += 1,
        }
    }
}

impl State {
    fn take(&mut self) -> bool {
        let is_free = self.free > 0;
        self.free -= usize::from(is_free);
        is_free
    }
}

/// The right to run, or the wait for it.
pub(super) struct Seat {
    seats: Arc<Seats>,
    hold: Hold,
}

#[derive(Clone, Copy)]
enum Hold {
    None,
    Waiting(Ticket),
    Held,
}

impl Seat {
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if let Hold::Held = self.hold {
            return Poll::Ready(());
        }
        // Cloned, and what is not needed dropped, without the lock.
        let waker = cx.waker().clone();
        let mut state = lock(&self.seats.0);
        let (hold, unused) = match self.hold {
            Hold::Waiting(ticket) => match state.waiting.get_mut(ticket) {
                Some(kept) => (self.hold, Some(mem::replace(kept, waker))),
                None => (Hold::Held, Some(waker)),
            },
            _ if state.take() => (Hold::Held, Some(waker)),
            _ => (Hold::Waiting(state.waiting.push(waker)), None),
        };
        drop(state);
        self.hold = hold;
        drop(unused);
        match hold {
            Hold::Held => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let is_held = match self.hold {
            Hold::None => false,
            Hold::Held => true,
            Hold::Waiting(ticket) => {
                let left = lock(&self.seats.0).waiting.remove(ticket);
                // It has got one and not noticed: that is for the next.
                left.is_none()
            }
        };
        if is_held {
            self.seats.give_back();
        }
    }
}
