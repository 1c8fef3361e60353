//! What scenarios are made of: code that stops only when it is told to, and what is asked of the way it stops.

use std::convert::Infallible;
use std::hint::spin_loop;
use std::time::{Duration, Instant};

use cancelable::{CancellationToken, Cancelled, ReasonKind, cancelable, current};
use futures::channel::oneshot;

use crate::runtime::{Code, Lost};

/// The time from the cancel to the stop, in one run of a scenario; or why there is none.
pub type Checked = Result<Duration, Miss>;

/// Why there is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// The scenario makes no sense on this runtime.
    #[error("{0}")]
    NotHere(&'static str),
    /// What came out is not what was promised.
    #[error("{0}")]
    Failed(String),
    /// Something never began. Once in a while that is as it should be: on a busy machine a short deadline may have passed
    /// before the body of its scope was to start.
    #[error("something ended before it had begun or reported")]
    NotBegun,
}

impl From<Lost> for Miss {
    fn from(lost: Lost) -> Self {
        Self::Failed(lost.to_string())
    }
}

impl From<oneshot::Canceled> for Miss {
    fn from(_: oneshot::Canceled) -> Self {
        Self::NotBegun
    }
}

/// A stop at some check point that nothing but this was to see.
impl From<Stopped> for Miss {
    fn from(stopped: Stopped) -> Self {
        Self::Failed(format!("a stop where there should be none: {}", stopped.why))
    }
}

/// # Errors
///
/// Unless it `holds`, that it does not.
pub fn ensure(holds: bool, law: impl FnOnce() -> String) -> Result<(), Miss> {
    if holds { Ok(()) } else { Err(Miss::Failed(law())) }
}

/// How code ends that does not end by itself.
pub type Stop = Result<Infallible, Stopped>;

/// It has been stopped, and the time was taken there and then: a [`Cancelled`] becomes this at the check point.
#[derive(Debug)]
pub struct Stopped {
    /// When.
    pub at: Instant,
    /// Why.
    pub why: Cancelled,
}

impl From<Cancelled> for Stopped {
    fn from(why: Cancelled) -> Self {
        let at = Instant::now();
        Self { at, why }
    }
}

impl Stopped {
    /// The time from the cancel.
    ///
    /// # Errors
    ///
    /// If it stopped before there was one.
    pub fn since(&self, cancel: Instant) -> Checked {
        self.at
            .checked_duration_since(cancel)
            .ok_or_else(|| Miss::Failed(format!("stopped {:?} before the cancel", cancel - self.at)))
    }
}

/// Takes the stop apart, which must be of this kind and due to this very token.
///
/// # Errors
///
/// If it is not.
pub fn stopped_by(stop: Stop, kind: ReasonKind, owner: &CancellationToken) -> Result<Stopped, Miss> {
    let Err(stopped) = stop;
    let why = &stopped.why;
    ensure(why.kind() == kind, || {
        format!("kind {:?} instead of {kind:?}: {why}", why.kind())
    })?;
    ensure(why.belongs_to(owner), || format!("blamed on another token: {why}"))?;
    ensure(!why.was_forced(), || {
        format!("dropped after a grace that nobody gave: {why}")
    })?;
    Ok(stopped)
}

/// Told by code that has begun.
#[derive(Debug)]
pub struct Begun(oneshot::Sender<CancellationToken>);

/// Hears of it, with the token that was ambient there.
pub type Began = oneshot::Receiver<CancellationToken>;

/// A way to know that code has begun.
pub fn begun() -> (Begun, Began) {
    let (tell, told) = oneshot::channel();
    (Begun(tell), told)
}

impl Begun {
    /// Here it is.
    pub fn say(self) {
        // Nobody listens any more when the scenario has failed elsewhere.
        drop(self.0.send(current()));
    }
}

/// The message that goes along with cancels by hand.
pub const ENOUGH: &str = "enough";

/// Cancels by hand, and says when.
pub fn cancel(token: &CancellationToken) -> Instant {
    let now = Instant::now();
    token.cancel_with(ENOUGH);
    now
}

/// Long enough to be for ever.
pub const FOR_EVER: Duration = Duration::from_secs(1000 * 3600);

/// Waits for ever, suspended or blocked. That it has begun is said even if it is stopped at once.
///
/// # Errors
///
/// When it is stopped.
pub async fn wait<C: Code>(begun: Begun) -> Stop {
    begun.say();
    sleep_on::<C>().await
}

#[cancelable]
async fn sleep_on<C: Code>() -> Stop {
    loop {
        C::sleep(FOR_EVER).await?;
    }
}

/// Keeps its thread busy for ever: stopped at the turns of its loop. That it has begun is said even if it is stopped at
/// once.
///
/// # Errors
///
/// When it is stopped.
pub fn spin(begun: Begun) -> Stop {
    begun.say();
    spin_on()
}

#[cancelable]
fn spin_on() -> Stop {
    loop {
        spin_loop();
    }
}

/// A plain thread that cancels the token as soon as something has begun, and says when.
pub fn cancel_from_a_thread(token: &CancellationToken, began: Began) -> oneshot::Receiver<Instant> {
    let (tell, when) = oneshot::channel();
    let token = token.clone();
    std::thread::spawn(move || {
        // Something that ends before it begins is cancelled too, so that nobody waits for it.
        drop(pollster::block_on(began));
        let _ = tell.send(cancel(&token));
    });
    when
}
