//! A moment to wait for, by whichever clock is in force.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use crate::clock::{self, VirtualSleep, virtual_sleep};
use crate::timer::{self, Alarm};

/// Completes at a moment: by the timer thread, or, by a virtual clock, when that is moved.
pub(crate) enum Delay {
    /// Too far away for the clock.
    Never,
    /// Nobody watches it yet.
    Wall(Instant),
    /// Watched by the timer thread.
    Armed(Alarm),
    Virtual(VirtualSleep),
}

impl Delay {
    pub(crate) fn after(duration: Duration) -> Self {
        let now = clock::now();
        match now.at.checked_add(duration) {
            Some(at) => Self::until(at, now.is_virtual),
            None => Self::Never,
        }
    }

    /// Is it certainly not time yet? Looks, without a lock, whether the alarm has come; a virtual clock has to be polled, and so
    /// has an alarm that no thread watches.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        match self {
            Self::Never => true,
            Self::Armed(alarm) => !alarm.has_come(),
            Self::Wall(_) | Self::Virtual(_) => false,
        }
    }

    /// Puts one into `slot` that wakes `waker` from now on, without a look at the clock first: what has come already wakes
    /// it soon. (By a virtual clock: from the first poll on.) Made where it is to be, which is cheaper than to move it there.
    pub(crate) fn arm(slot: &mut Option<Self>, at: Instant, is_virtual: bool, waker: &Waker) {
        *slot = Some(if is_virtual {
            // To be polled.
            Self::until(at, true)
        } else {
            Self::Armed(timer::arm(at, waker.clone()))
        });
    }

    /// Ready at once.
    pub(crate) fn over() -> Self {
        Self::until(Instant::now(), false)
    }

    pub(crate) fn until(at: Instant, is_virtual: bool) -> Self {
        if is_virtual {
            virtual_sleep(at).map_or(Self::Wall(at), Self::Virtual)
        } else {
            Self::Wall(at)
        }
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if let Self::Virtual(sleep) = this {
            let left = ready!(sleep.as_mut().poll(cx));
            if left.is_zero() {
                return Poll::Ready(());
            }
            // The clock is gone, and the moment is still to come.
            *this = Instant::now().checked_add(left).map_or(Self::Never, Self::Wall);
        }
        let is_over = match this {
            Self::Never | Self::Virtual(_) => false,
            // The alarm says when it is time; the clock is asked only before there is one.
            Self::Armed(alarm) => {
                let has_fired = alarm.update(cx.waker());
                if !has_fired && alarm.has_come() && !timer::is_served() {
                    timer::wake_by_turns(cx.waker());
                }
                has_fired
            }
            Self::Wall(at) if Instant::now() >= *at => true,
            &mut Self::Wall(at) => {
                // If no thread can be had, this wakes the waker.
                *this = Self::Armed(timer::arm(at, cx.waker().clone()));
                false
            }
        };
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    }
}
