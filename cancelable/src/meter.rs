//! How long code runs from one check point to the next, of those who want to know. Feature `testing`; without it, nothing.
//!
//! Where somebody measures, the check points of a thread, and the beginnings and ends of what it runs, are *places*, and each
//! place that is passed ends a *stretch*, which began with the place before. Public is all this in `testing::stretches`.

#[cfg(feature = "testing")]
mod counts;
#[cfg(feature = "testing")]
mod place;
#[cfg(feature = "testing")]
mod recording;
#[cfg(feature = "testing")]
mod stopwatch;
#[cfg(feature = "testing")]
mod thread;

#[cfg(feature = "testing")]
pub(crate) use counts::{BOUNDS, Sums};
#[cfg(feature = "testing")]
pub(crate) use place::{Event, Pair, Place};
#[cfg(feature = "testing")]
pub(crate) use recording::Recording;
#[cfg(feature = "testing")]
pub(crate) use stopwatch::Time;
#[cfg(feature = "testing")]
pub(crate) use thread::{Everywhere, Origin, driving, enter, is_on, leave, pass, record, waiting};

#[cfg(not(feature = "testing"))]
pub(crate) use off::{Event, Origin, driving, enter, is_on, leave, pass, waiting};

#[cfg(not(feature = "testing"))]
mod off {
    use std::panic::Location;

    #[inline(always)]
    pub(crate) const fn is_on() -> bool {
        false
    }

    /// What a place is.
    #[derive(Clone, Copy)]
    pub(crate) enum Event {
        Point,
        Wait,
        Resume,
    }

    #[inline(always)]
    pub(crate) fn pass(_: Event, _: &'static Location<'static>) {}

    #[inline(always)]
    pub(crate) fn enter(_: impl FnOnce() -> bool) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn leave() {}

    #[derive(Clone, Copy)]
    pub(crate) struct Origin;

    impl Origin {
        #[inline(always)]
        pub(crate) fn caller() -> Self {
            Self
        }

        #[inline(always)]
        pub(crate) fn at(_: &'static Location<'static>) -> Self {
            Self
        }

        #[inline(always)]
        pub(crate) fn announce(self) -> Self {
            self
        }
    }

    pub(crate) struct Driving;

    #[inline(always)]
    pub(crate) fn driving() -> Driving {
        Driving
    }

    pub(crate) struct Waiting;

    #[inline(always)]
    pub(crate) fn waiting() -> Waiting {
        Waiting
    }
}
