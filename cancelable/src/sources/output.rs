//! A future whose output says whether to cancel.

use std::fmt;
use std::future::{Future, pending};

use crate::reason::CancelReason;
use crate::scope::Source;

/// Cancels a scope when a future completes, if its output says so, and for the reason that it gives: a [`Source`].
///
/// A plain future given to `until` cancels with whatever it returns, an error or the end of a channel included. Here `reason` looks at it.
/// `None`: the scope is not cancelled, now or later. It is called where the future is [polled](Source#who-polls).
///
/// ```
/// use cancelable::{CancelReason, Cancelled, cancel_scope, check, on_output};
///
/// // A sender that goes away says nothing.
/// let (sender, stop) = futures::channel::oneshot::channel::<String>();
/// let stop = on_output(stop, |said| Some(said.ok()?.into()));
/// sender.send("the operator has asked for it".to_string()).unwrap();
/// let outcome: Result<(), Cancelled> = cancel_scope!(until = stop, { loop { check()? } });
/// assert_eq!(outcome.unwrap_err().reason().to_string(), "the operator has asked for it");
///
/// let (sender, stop) = futures::channel::oneshot::channel::<CancelReason>();
/// drop(sender);
/// let outcome = cancel_scope!(until = on_output(stop, |said| said.ok()), { check() });
/// assert!(outcome.is_ok());
/// ```
pub fn on_output<F, C>(future: F, reason: C) -> OnOutput<F, C>
where
    F: Future + Send + 'static,
    C: FnOnce(F::Output) -> Option<CancelReason> + Send + 'static,
{
    OnOutput { future, reason }
}

/// A future whose output says whether to cancel; made by [`on_output`].
#[must_use = "sources do nothing unless a scope is told of them"]
pub struct OnOutput<F, C> {
    future: F,
    reason: C,
}

impl<F, C> Source for OnOutput<F, C>
where
    F: Future + Send + 'static,
    C: FnOnce(F::Output) -> Option<CancelReason> + Send + 'static,
{
    async fn fired(self) -> CancelReason {
        let output = self.future.await;
        match (self.reason)(output) {
            Some(reason) => reason,
            None => pending().await,
        }
    }
}

impl<F, C> fmt::Debug for OnOutput<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnOutput").finish_non_exhaustive()
    }
}
