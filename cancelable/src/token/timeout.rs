//! Deadlines of tokens: setting them, and asking for them.

use std::panic::Location;
use std::time::{Duration, Instant};

use super::deadline::{Deadline, Watch};
use super::effective::effective_deadline;
use super::expiry::{expire, is_unwatched};
use super::handle::CancellationToken;
use super::notify::cancel;
use super::watch::watch_by_thread;
use crate::clock;
use crate::primitive::Arc;

impl CancellationToken {
    /// Cancels the token when `after` has passed, with kind [`Timeout`](crate::ReasonKind::Timeout).
    ///
    /// It goes by real time, also in a test that pauses tokio's clock: a token belongs to no runtime. In such a test, set the
    /// [timeout](crate::Scope::timeout) of a scope, which follows that clock.
    ///
    /// A timer thread, one per process and started on first need, does it, whatever the token's holders are doing. Zero
    /// cancels at once. A duration too long for the clock ([`Duration::MAX`] for one) is no deadline. Of several, the
    /// earliest counts. A token whose last handle is dropped takes its timer along.
    ///
    /// # Without a timer thread
    ///
    /// The system may have no thread to give, and a process made by `fork` has none until it needs one. Then whoever asks the
    /// token, or waits for it, looks at the clock. A task that waits is polled once a millisecond for that. So the deadline
    /// comes all the same, but callbacks run only when somebody looks. A task that was waiting before the deadline was set does
    /// not know of it: it looks when it is polled next.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    /// use std::time::Duration;
    ///
    /// let token = CancellationToken::new();
    /// token.cancel_after(Duration::from_millis(5));
    /// token.wait();
    /// assert!(token.check().unwrap_err().is_timeout());
    /// ```
    #[track_caller]
    pub fn cancel_after(&self, after: Duration) {
        if let Some(at) = Instant::now().checked_add(after) {
            self.set_deadline(Deadline::new(at, Some(after), Location::caller()));
        }
    }

    /// Cancels the token at `at`, as [`cancel_after`](Self::cancel_after) does; at once if that is past.
    #[track_caller]
    pub fn cancel_at(&self, at: Instant) {
        self.set_deadline(Deadline::new(at, None, Location::caller()));
    }

    fn set_deadline(&self, deadline: Deadline) {
        if deadline.at <= Instant::now() {
            cancel(&self.node, Arc::new(deadline.cause()));
            return;
        }
        let at = deadline.at;
        let earlier = self.node.with_extras(|extras| match &extras.deadline {
            Some(old) if old.at <= at => None,
            // What it replaces is dropped outside the lock: its alarm takes another.
            _ => Some(extras.deadline.replace(deadline)),
        });
        if earlier.flatten().is_some() && !watch_by_thread(&self.node, at) {
            is_unwatched(&self.node);
        }
    }

    /// When it will be cancelled by a deadline: the earliest of its own, its ancestors' and those of what it is linked
    /// to. (For a token made by [`all`](Self::all), its sources count as the latest among them, and only if all have
    /// one.) Of a cancelled token: the deadline that cancelled it, if one did.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if let Some(cause) = self.node.cause() {
            return cause.deadline();
        }
        effective_deadline(self.node.clone()).map(|moment| moment.at)
    }

    /// How long until the [deadline](Self::deadline): zero once it has passed, `None` if there is none.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        if let Some(cause) = self.node.cause() {
            return cause.deadline().map(|_| Duration::ZERO);
        }
        let deadline = effective_deadline(self.node.clone())?;
        let now = if deadline.is_virtual {
            clock::now().at
        } else {
            Instant::now()
        };
        Some(deadline.at.saturating_duration_since(now))
    }

    /// If no timer thread watches a deadline that this token relies on: when somebody has to look, by the real clock.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        if !self.node.state().wants_attention() {
            return None;
        }
        let deadline = effective_deadline(self.node.clone())?;
        (!deadline.is_virtual).then_some(deadline.at)
    }

    /// The token's own deadline, if no timer thread watches it, and whether it goes by a virtual clock.
    pub(crate) fn own_unwatched_deadline(&self) -> Option<(Instant, bool)> {
        self.node
            .with_extras(|extras| {
                let deadline = extras.deadline.as_ref()?;
                matches!(deadline.watch, Watch::Nobody).then_some((deadline.at, deadline.is_virtual))
            })
            .flatten()
    }

    /// Cancels because of its deadline, which has passed.
    pub(crate) fn expire(&self) {
        expire(&self.node);
    }
}
