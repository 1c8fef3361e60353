//! Why something was cancelled, and by which line of code.
//!
//! A leaf: it knows nothing of tokens, only the words in which a cancellation is told.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::shown::Shown;
use crate::trampoline;

/// The error carried by a reason of kind [`ReasonKind::Error`].
type Source = dyn Error + Send + Sync + 'static;

/// The machine-readable part of a [`CancelReason`]: what sort of event asked for the cancellation.
///
/// ```
/// use cancelable::{CancelReason, CancellationToken, ReasonKind};
///
/// let token = CancellationToken::new();
/// token.cancel_with(CancelReason::shutdown());
/// assert_eq!(token.reason().unwrap().kind(), ReasonKind::Shutdown);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ReasonKind {
    /// Somebody called `cancel`.
    Manual,
    /// A timeout ran out, a deadline passed, or nothing moved for as long as an idle timeout says.
    Timeout,
    /// The process received a signal, Ctrl-C for one.
    Signal,
    /// A watched condition came true.
    Condition,
    /// The program or a part of it is shutting down.
    Shutdown,
    /// Another part of the work failed with an error.
    Error,
    /// The scope, or the guard that stood for it, was dropped before it finished.
    Dropped,
    /// The scope returned; whatever still held its token has been left behind.
    ScopeEnded,
    /// Another branch of a race has won, or a sibling in a join has failed.
    Superseded,
}

/// Why a token was cancelled: a kind, perhaps a message or an error, and the line that asked for it.
///
/// One pointer wide and cheap to clone; all tokens cancelled by one event share one reason.
///
/// ```
/// use cancelable::{CancelReason, ReasonKind};
///
/// let reason = CancelReason::manual().with_message("user pressed stop");
/// assert_eq!(reason.kind(), ReasonKind::Manual);
/// assert_eq!(reason.to_string(), "user pressed stop");
/// assert!(reason.location().file().ends_with(".rs"));
/// ```
#[derive(Clone)]
pub struct CancelReason(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    detail: Detail,
    message: Option<Cow<'static, str>>,
    /// The name of the scope that was cancelled for it. It belongs to the cancel: one value that cancels two scopes names each.
    scope: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
}

/// What each kind knows beyond its name.
#[derive(Clone)]
enum Detail {
    Manual,
    Timeout(Option<Duration>),
    /// Nothing moved for so long.
    Idle(Duration),
    /// A signal, somebody says.
    Signal(i32),
    /// One that was listened for.
    #[cfg_attr(not(feature = "signal"), expect(dead_code, reason = "nobody listens"))]
    Received(i32),
    Condition(Cow<'static, str>),
    /// A future that was a source.
    Completed,
    Shutdown,
    Error(CarriedError),
    Dropped,
    ScopeEnded,
    /// With the error of what failed, if it can be shared.
    Superseded(Option<CarriedError>),
}

/// An error and whoever shares it. It may carry a `Cancelled` or another reason, with an error of its own, and so on: it is
/// dropped so that the length of such a chain does not matter.
#[derive(Clone)]
struct CarriedError(
    /// Until it is dropped.
    Option<Arc<Source>>,
);

impl CarriedError {
    fn new(error: Box<Source>) -> Self {
        Self(Some(Arc::from(error)))
    }

    fn get(&self) -> &Source {
        match &self.0 {
            Some(error) => &**error,
            None => unreachable!("only its destructor takes it"),
        }
    }
}

impl Drop for CarriedError {
    fn drop(&mut self) {
        trampoline::drop(self.0.take());
    }
}

impl CancelReason {
    fn new(detail: Detail, location: &'static Location<'static>) -> Self {
        Self(Arc::new(Inner {
            detail,
            message: None,
            scope: None,
            location,
        }))
    }

    /// Cancelled on request; the reason behind [`CancellationToken::cancel`](crate::CancellationToken::cancel).
    #[must_use]
    #[track_caller]
    pub fn manual() -> Self {
        Self::new(Detail::Manual, Location::caller())
    }

    /// Cancelled because `after` had passed.
    #[must_use]
    #[track_caller]
    pub fn timeout(after: Duration) -> Self {
        Self::new(Detail::Timeout(Some(after)), Location::caller())
    }

    /// Cancelled by the signal with this number (`SIGINT` is 2, `SIGTERM` 15).
    #[must_use]
    #[track_caller]
    pub fn signal(number: i32) -> Self {
        Self::new(Detail::Signal(number), Location::caller())
    }

    /// Cancelled because the condition of this name came true.
    #[must_use]
    #[track_caller]
    pub fn condition(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Detail::Condition(name.into()), Location::caller())
    }

    /// Cancelled because the program, or this part of it, is shutting down.
    #[must_use]
    #[track_caller]
    pub fn shutdown() -> Self {
        Self::new(Detail::Shutdown, Location::caller())
    }

    /// Cancelled because something else failed; the error is kept as [`source`](Self::source).
    ///
    /// ```
    /// use cancelable::CancelReason;
    ///
    /// let reason = CancelReason::error(std::io::Error::other("disk full"));
    /// assert_eq!(reason.source().unwrap().to_string(), "disk full");
    /// ```
    #[must_use]
    #[track_caller]
    pub fn error(error: impl Into<Box<Source>>) -> Self {
        Self::new(Detail::Error(CarriedError::new(error.into())), Location::caller())
    }

    /// An error that came up on behalf of `location`.
    pub(crate) fn error_at(error: impl Into<Box<Source>>, location: &'static Location<'static>) -> Self {
        Self::new(Detail::Error(CarriedError::new(error.into())), location)
    }

    /// The timeout (`Some`) or absolute deadline (`None`) that was set at `location`.
    pub(crate) fn timed_out(after: Option<Duration>, location: &'static Location<'static>) -> Self {
        Self::new(Detail::Timeout(after), location)
    }

    /// The idle timeout that was set at `location`.
    pub(crate) fn idle_for(after: Duration, location: &'static Location<'static>) -> Self {
        Self::new(Detail::Idle(after), location)
    }

    /// A condition that was set at `location`.
    pub(crate) fn condition_at(name: Cow<'static, str>, location: &'static Location<'static>) -> Self {
        Self::new(Detail::Condition(name), location)
    }

    /// A signal that was listened for at `location`.
    #[cfg(feature = "signal")]
    pub(crate) fn signal_at(number: i32, location: &'static Location<'static>) -> Self {
        Self::new(Detail::Received(number), location)
    }

    /// The same reason, for the cancel of the scope that is called so; or of none, or of one without a name.
    pub(crate) fn of_scope(mut self, name: Option<Cow<'static, str>>) -> Self {
        if self.0.scope != name {
            Arc::make_mut(&mut self.0).scope = name;
        }
        self
    }

    /// The name of the scope that it was the cancel of.
    pub(crate) fn scope(&self) -> Option<&str> {
        self.0.scope.as_deref()
    }

    /// As it stands in its text: ` (scope "import")`, or nothing.
    pub(crate) fn fmt_scope(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope() {
            Some(scope) => write!(f, " (scope {:?})", Shown(scope)),
            None => Ok(()),
        }
    }

    /// What its line has to do with it.
    pub(crate) fn line(&self) -> &'static str {
        match self.0.detail {
            Detail::Received(_) => "listened for at",
            Detail::Dropped | Detail::ScopeEnded | Detail::Superseded(_) => "begun at",
            _ => "requested at",
        }
    }

    /// A scope, a guard or a future that went away unfinished.
    pub(crate) fn dropped_at(location: &'static Location<'static>) -> Self {
        Self::plain(ReasonKind::Dropped, location)
    }

    /// A source that is a future has completed; it was given as one at the caller's line.
    #[track_caller]
    pub(crate) fn completed() -> Self {
        Self::new(Detail::Completed, Location::caller())
    }

    /// Of what belongs together at `location`, another part has won or failed: `why`, perhaps with its error.
    pub(crate) fn superseded(
        why: &'static str,
        error: Option<Box<Source>>,
        location: &'static Location<'static>,
    ) -> Self {
        Self::new(Detail::Superseded(error.map(CarriedError::new)), location).with_message(why)
    }

    /// Of a kind that knows no more than its line.
    pub(crate) fn plain(kind: ReasonKind, location: &'static Location<'static>) -> Self {
        let detail = match kind {
            ReasonKind::Shutdown => Detail::Shutdown,
            ReasonKind::Dropped => Detail::Dropped,
            ReasonKind::ScopeEnded => Detail::ScopeEnded,
            ReasonKind::Superseded => Detail::Superseded(None),
            _ => {
                debug_assert_eq!(kind, ReasonKind::Manual, "it knows more than its line");
                Detail::Manual
            }
        };
        Self::new(detail, location)
    }

    /// The same reason with a message for people; an earlier message is replaced.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        Arc::make_mut(&mut self.0).message = Some(message.into());
        self
    }

    /// What sort of event this was.
    #[must_use]
    pub fn kind(&self) -> ReasonKind {
        match self.0.detail {
            Detail::Manual => ReasonKind::Manual,
            Detail::Timeout(_) | Detail::Idle(_) => ReasonKind::Timeout,
            Detail::Signal(_) | Detail::Received(_) => ReasonKind::Signal,
            Detail::Condition(_) | Detail::Completed => ReasonKind::Condition,
            Detail::Shutdown => ReasonKind::Shutdown,
            Detail::Error(_) => ReasonKind::Error,
            Detail::Dropped => ReasonKind::Dropped,
            Detail::ScopeEnded => ReasonKind::ScopeEnded,
            Detail::Superseded(_) => ReasonKind::Superseded,
        }
    }

    /// The number of the signal, for a reason of kind [`ReasonKind::Signal`]: what an exit code is made of.
    ///
    /// ```
    /// use cancelable::CancelReason;
    ///
    /// assert_eq!(CancelReason::signal(15).signal_number(), Some(15));
    /// assert_eq!(CancelReason::shutdown().signal_number(), None);
    /// ```
    #[must_use]
    pub fn signal_number(&self) -> Option<i32> {
        match self.0.detail {
            Detail::Signal(number) | Detail::Received(number) => Some(number),
            _ => None,
        }
    }

    /// The message given with [`with_message`](Self::with_message), if any.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// The error behind a reason of kind [`ReasonKind::Error`]; or of kind [`ReasonKind::Superseded`], if that was the failure
    /// of a task whose error can be shared: a [`Cancelled`](crate::Cancelled), or the text of an [`io::Error`](std::io::Error),
    /// of a `Box<dyn Error + Send + Sync>` or of a panic.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match &self.0.detail {
            Detail::Error(error) | Detail::Superseded(Some(error)) => Some(error.get()),
            _ => None,
        }
    }

    /// The line that asked for the cancellation; for a timeout, the line that set it.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.0.location
    }
}

/// The name of a signal number where POSIX fixes it, and of this system's others if signals are listened for.
fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        6 => "SIGABRT",
        9 => "SIGKILL",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        #[cfg(all(feature = "signal", unix))]
        _ => return signal_hook::low_level::signal_name(number),
        #[cfg(not(all(feature = "signal", unix)))]
        _ => return None,
    })
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        match (&inner.detail, &inner.message) {
            // A message on a plain request says it all.
            (Detail::Manual, Some(message)) => write!(f, "{}", Shown(message))?,
            (Detail::Manual, None) => f.write_str("cancelled on request")?,
            (Detail::Timeout(Some(Duration::ZERO)) | Detail::Idle(Duration::ZERO), _) => {
                f.write_str("timed out at once")?
            }
            (Detail::Timeout(Some(after)), _) => write!(f, "timed out after {after:?}")?,
            (Detail::Idle(after), _) => write!(f, "nothing moved for {after:?}")?,
            (Detail::Timeout(None), _) => f.write_str("deadline passed")?,
            (Detail::Signal(number) | Detail::Received(number), _) => match signal_name(*number) {
                Some(name) => write!(f, "received {name}")?,
                None => write!(f, "received signal {number}")?,
            },
            (Detail::Condition(name), _) => write!(f, "condition {:?} came true", Shown(name))?,
            (Detail::Completed, _) => f.write_str("the future given to `until` has completed")?,
            (Detail::Shutdown, _) => f.write_str("shutting down")?,
            (Detail::Error(_), _) => f.write_str("stopped by an error")?,
            (Detail::Dropped, _) => f.write_str("dropped before it finished")?,
            (Detail::ScopeEnded, _) => f.write_str("its scope has ended")?,
            (Detail::Superseded(_), _) => f.write_str("superseded")?,
        }
        self.fmt_scope(f)?;
        if let Detail::Error(error) = &inner.detail {
            write!(f, ": {}", Shown(error.get()))?;
        }
        if let (Some(message), false) = (&inner.message, matches!(inner.detail, Detail::Manual)) {
            write!(f, ": {}", Shown(message))?;
        }
        if let Detail::Superseded(Some(error)) = &inner.detail {
            write!(f, ": {}", Shown(error.get()))?;
        }
        Ok(())
    }
}

impl fmt::Debug for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelReason")
            .field("kind", &self.kind())
            .field("reason", &format_args!("{self}"))
            .field("location", &format_args!("{}", self.0.location))
            .finish()
    }
}

impl From<&'static str> for CancelReason {
    #[track_caller]
    fn from(message: &'static str) -> Self {
        Self::manual().with_message(message)
    }
}

impl From<String> for CancelReason {
    #[track_caller]
    fn from(message: String) -> Self {
        Self::manual().with_message(message)
    }
}

const _: () = assert!(size_of::<CancelReason>() == size_of::<usize>());

/// A reason as it leaves the process: kind and message. The location and the error stay behind.
#[cfg(feature = "serde")]
impl serde::Serialize for CancelReason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut s = serializer.serialize_struct("CancelReason", 2)?;
        s.serialize_field("kind", &self.kind())?;
        s.serialize_field("message", &self.message())?;
        s.end()
    }
}
