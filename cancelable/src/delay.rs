//! A moment to wait for, by whichever clock is in force.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::clock::{self, VirtualSleep, virtual_sleep};
use crate::timer::{self, Alarm};

/// Completes at a moment: by the timer thread, or, by a virtual clock, when that is moved.
pub(crate) enum Delay {
    /// Too far away for the clock.
    Never,
    Wall {
        at: Instant,
        alarm: Option<Alarm>,
    },
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

    /// Is it certainly not time yet? Looks, without a lock, whether the alarm has come; a virtual clock has to be polled.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        match self {
            Self::Never => true,
            Self::Wall { alarm, .. } => alarm.as_ref().is_some_and(|alarm| !alarm.has_come()),
            Self::Virtual(_) => false,
        }
    }

    /// One that wakes `waker` from now on, without a look at the clock first: what has come already wakes it soon.
    /// (By a virtual clock: from the first poll on.)
    pub(crate) fn armed(at: Instant, is_virtual: bool, waker: &Waker) -> Self {
        if is_virtual {
            // To be polled.
            return Self::until(at, true);
        }
        let alarm = Some(timer::arm(at, waker.clone()));
        Self::Wall { at, alarm }
    }

    /// Ready at once.
    pub(crate) fn over() -> Self {
        Self::until(Instant::now(), false)
    }

    pub(crate) fn until(at: Instant, is_virtual: bool) -> Self {
        if is_virtual {
            Self::Virtual(virtual_sleep(at))
        } else {
            Self::Wall { at, alarm: None }
        }
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.get_mut() {
            Self::Never => Poll::Pending,
            Self::Virtual(sleep) => sleep.as_mut().poll(cx),
            // The alarm says when it is time; the clock is asked only before there is one.
            Self::Wall { at, alarm } => match alarm {
                Some(armed) => {
                    if armed.update(cx.waker()) {
                        return Poll::Ready(());
                    }
                    Poll::Pending
                }
                None if Instant::now() >= *at => Poll::Ready(()),
                None => {
                    *alarm = Some(timer::arm(*at, cx.waker().clone()));
                    Poll::Pending
                }
            },
        }
    }
}
