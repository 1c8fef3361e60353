//! What a token knows of its deadline.

use std::panic::Location;
use std::time::{Duration, Instant};

use crate::cause::Cause;
use crate::reason::CancelReason;
use crate::timer::Alarm;

/// When a token will be cancelled by itself, and what to say then.
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// The timeout it was set as, if it was.
    pub(crate) after: Option<Duration>,
    /// The line that set it.
    pub(crate) location: &'static Location<'static>,
    /// It goes by a clock of the runtime's (tokio's, paused), not by real time; the scope watches it itself.
    pub(crate) is_virtual: bool,
    pub(super) watch: Watch,
}

/// A moment of one of the two clocks. Ordered by the moment; the two are not mixed in practice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) is_virtual: bool,
}

/// Who watches a deadline.
pub(super) enum Watch {
    /// Nobody yet: the node wants attention (see `state.rs`).
    Nobody,
    /// The timer thread; dropping the alarm disarms it.
    #[expect(dead_code, reason = "held for its `Drop`")]
    Thread(Alarm),
}

impl Deadline {
    pub(crate) fn new(at: Instant, after: Option<Duration>, location: &'static Location<'static>) -> Self {
        Self {
            at,
            after,
            location,
            is_virtual: false,
            watch: Watch::Nobody,
        }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment {
            at: self.at,
            is_virtual: self.is_virtual,
        }
    }

    /// Of the cancel when it has passed.
    pub(super) fn cause(&self) -> Cause {
        let reason = CancelReason::timed_out(self.after, self.location);
        Cause::due(reason, self.at, self.is_virtual)
    }
}
