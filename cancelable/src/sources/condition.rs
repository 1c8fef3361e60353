//! A condition that is looked at now and then.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::Location;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::clock::{self, InForce};
use crate::delay::Delay;
use crate::reason::CancelReason;
use crate::scope::{Begun, Fired, Source, Watch};

/// The timer is no finer than this.
const TICK: Duration = Duration::from_millis(1);

/// Cancels a scope when `predicate` says so, with kind [`Condition`](crate::ReasonKind::Condition): a [`Source`] for what
/// can only be asked. Is the disk full, has the file appeared, has the parent process gone?
///
/// The predicate is asked when the scope begins, and then always `every` after it has answered, until it says `true` or
/// the scope is over. Less than a millisecond counts as one; [`Duration::MAX`] is never again.
///
/// It is asked on a thread of the library, which all sources of the process share, and keeps no executor and no sync body
/// waiting. It should answer soon. One that takes long, or for ever, holds up the other sources for at most 20 milliseconds;
/// then another thread goes on with them. (With more than eight that wait at the same time, the others have to wait for one of
/// them.) If it panics, the panic hook reports that, and the condition never comes true.
///
/// If the system has no thread to give, the scope is cancelled as it begins, with kind
/// [`Error`](crate::ReasonKind::Error), and its body does not run. In a process made by `fork`, conditions of scopes that begin
/// there are asked as ever. Those of scopes that had begun before may not be.
///
/// What can be asked on its own thread alone, and is not `Send`, goes to [`Scope::asking`](crate::Scope::asking).
///
/// The reason bears the line of this call, which is also its name, unless it is given [another](Condition::named).
///
/// Where scopes go by a virtual clock (tokio's while it is paused, or
#[cfg_attr(feature = "testing", doc = "[`testing::Clock`](crate::testing::Clock)),")]
#[cfg_attr(not(feature = "testing"), doc = "the one of the feature `testing`),")]
/// so does `every`, and the predicate is asked by whoever moves the clock, before that returns.
///
/// ```
/// use cancelable::{Cancelled, ReasonKind, cancel_scope, check, condition};
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::time::Duration;
///
/// static BYTES: AtomicUsize = AtomicUsize::new(0);
/// let too_much = condition(Duration::from_millis(1), || BYTES.load(Ordering::Relaxed) > 1_000_000);
/// let outcome: Result<(), Cancelled> = cancel_scope!(until = too_much.named("quota used up"), {
///     loop {
///         BYTES.fetch_add(1000, Ordering::Relaxed);
///         check()?;
///     }
/// });
/// let cancelled = outcome.unwrap_err();
/// assert_eq!(cancelled.kind(), ReasonKind::Condition);
/// assert_eq!(cancelled.reason().to_string(), "condition \"quota used up\" came true");
/// ```
#[track_caller]
pub fn condition<P>(every: Duration, predicate: P) -> Condition<P>
where
    P: FnMut() -> bool + Send + 'static,
{
    Condition {
        every: every.max(TICK),
        predicate,
        name: None,
        location: Location::caller(),
    }
}

/// A condition that cancels a scope; made by [`condition`].
#[must_use = "a condition does nothing unless a scope is told of it"]
pub struct Condition<P> {
    every: Duration,
    predicate: P,
    name: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
}

impl<P> Condition<P> {
    /// Gives it a name, for the reason; instead of file and line.
    ///
    /// ```
    /// use cancelable::condition;
    /// use std::time::Duration;
    ///
    /// let hopeless = condition(Duration::from_secs(1), || false).named("no worker is left");
    /// ```
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl<P: FnMut() -> bool + Send + 'static> Condition<P> {
    async fn comes_true(mut self, is_inline: bool) -> CancelReason {
        if !is_inline {
            // The first poll is the scope's own, which is not to wait for the predicate.
            to_the_thread().await;
        }
        while !(self.predicate)() {
            Delay::after(self.every).await;
        }
        let location = self.location;
        let name = self.name.take();
        let name = name.unwrap_or_else(|| format!("{}:{}", location.file(), location.line()).into());
        CancelReason::condition_at(name, location)
    }
}

/// Pending once, and woken at once.
async fn to_the_thread() {
    let mut is_there = false;
    poll_fn(|cx| {
        if mem::replace(&mut is_there, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl<P: FnMut() -> bool + Send + 'static> Source for Condition<P> {
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static {
        self.comes_true(false)
    }

    fn attach(self, to: &mut Watch) {
        to.add(false, move |_| {
            let clock = InForce::here();
            let is_inline = clock::now().is_virtual;
            Begun {
                is_inline,
                fired: Box::pin(async move {
                    let mut reason = pin!(self.comes_true(is_inline));
                    Fired::once(poll_fn(|cx| clock.apply(|| reason.as_mut().poll(cx))).await)
                }),
                guard: None,
            }
        });
    }
}

impl<P> fmt::Debug for Condition<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("every", &self.every)
            .field("name", &self.name)
            .field("location", &format_args!("{}", self.location))
            .finish_non_exhaustive()
    }
}
