//! Signals as [sources](crate::Source): scopes that Ctrl-C cancels. Feature `signal`.
//!
//! ```
//! use cancelable::{Cancelled, ReasonKind, cancel_scope, check, signal};
//!
//! let outcome: Result<(), Cancelled> = cancel_scope!(until = signal::ctrl_c(), {
//! #   #[cfg(unix)] signal_hook::low_level::raise(signal::SIGINT).unwrap();
//! #   #[cfg(windows)] return check();
//!     loop {
//!         check()?; // or anything else that is a check point
//!     }
//! });
//! # #[cfg(unix)] {
//! let cancelled = outcome.unwrap_err();
//! assert_eq!(cancelled.kind(), ReasonKind::Signal);
//! assert_eq!(cancelled.reason().signal_number(), Some(2));
//! # }
//! ```
//!
//! # Ask, wait, force
//!
//! Any number of scopes may listen at once, for the same signal or for others, anywhere in the program. A signal brings
//! each of those that listen for it one step further:
//!
//! | the scope | async | sync |
//! |---|---|---|
//! | is running | it is cancelled, with kind [`Signal`](crate::ReasonKind::Signal) and the signal's number | the same |
//! | has been cancelled, by a signal or by anything else | its [grace](crate::Scope::grace) ends: the body is dropped where it stands, shields and all, and the error says so ([`was_forced`](crate::Cancelled::was_forced)) | default action |
//! | has been told to drop its body and is still there | default action | |
//!
//! A scope without a grace has all the time in the world, which the second signal ends like any other grace. A sync body
//! cannot be dropped from outside, so there the second signal is one too many already. *Default action* means that of the
//! signal: as without this library, Ctrl-C ends the process. So three times Ctrl-C ends it whatever it is stuck in, and
//! twice if no async scope listens. This is done in the signal handler itself and needs no thread to be responsive.
//!
//! Several signals of one source, or several sources of one scope, count together: SIGTERM after Ctrl-C is the second
//! signal. A signal counts once for nested scopes, and for one scope that listens twice.
//!
//! # Echoes
//!
//! One Ctrl-C may be two signals: the terminal sends SIGINT to all in the foreground, and a wrapper (`npm run`, `make`, a shell script)
//! passes the one it got on. Counted as two, they would end the grace at once. So [`ctrl_c`] takes what comes within 200 milliseconds as
//! one: nothing comes of the echo, also if nobody listens any more by then. [`echo`](Signals::echo) sets it, also for [`unix`], which
//! counts each. Of several that listen for a signal at the same time, the shortest counts.
//!
//! # Without a scope
//!
//! A scope round a server would cancel every request at the first signal. To stop accepting, and let the requests that run come
//! to their end, wait for the signal instead: `let reason = signal::ctrl_c().fired().await`. See
//! [`Source::fired`](crate::Source::fired), which has the whole example. It counts as one that listens until the first signal has
//! come; the second has its default action.
//!
//! # When nobody listens
//!
//! Before the first scope that listens begins, and again as soon as the last is over, signals have their default action. A
//! signal that arrives at the very end of a scope, too late to cancel it, has it too: none gets lost.
//!
//! # Other handlers
//!
//! A handler that is installed stays. Others who handle the same signal in this process get to see it as well, if they come
//! at the right time:
//!
//! - *Before* the first `ctrl_c()` or `unix(…)` for that signal: any of them. They stay the only ones to say what the signal
//!   does when no scope listens. Likewise a signal that the process was started with as ignored (SIGHUP by `nohup`, SIGINT
//!   by a script's `&`) is ignored again. A scope that listens hears it all the same: a program that wants to leave an ignored
//!   signal alone does not ask for it.
//! - *Later*: those who share the handlers of the crate `signal-hook`, as the runtimes tokio and smol do. They cannot keep
//!   the process from ending by the signal while no scope listens.
//! - *Later*, the crate `ctrlc`, a foreign runtime, or a plain `sigaction`: they put their handler in the place of ours, and
//!   scopes would be deaf. So the next scope that listens for this signal fails where it begins: it is cancelled, with kind
//!   [`Error`](crate::ReasonKind::Error) and a [`SignalError`] as the reason's [source](crate::CancelReason::source), and its
//!   body does not start. `unix(…)` returns the error. A scope that is running by then does not learn of it. The way out is to set
//!   the other handler first. We do not take the signal back, for whoever replaced the handler wanted it.
//!
//! # Forks
//!
//! A signal belongs to the process that it was sent to. In a forked child signals have their default action, also between
//! `fork` and `exec` (as in a [`Command`](std::process::Command) with a `pre_exec`), and whatever scopes the parent was in.
//! If somebody else handled a signal before, or it was ignored, that holds in the child as well. A child that does not
//! `exec` may listen itself: it makes a source, or begins a scope with one that its parent made. From then on it hears its
//! own signals, and the scopes of its parent, also those it is still inside, do not count in it.
//!
//! # How
//!
//! The handlers are registered with the crate `signal-hook`. They count the signal and ring a semaphore, or see to the
//! default action. A thread, `cancelable-signals`, one per process and started on first need, is woken by it and cancels the
//! scopes itself: no other source holds up a signal, however slow. But a callback that waits
//! ([`on_cancel`](crate::CancellationToken::on_cancel)) holds up the signals after it: two of a number wait for it, and the next
//! one has its default action. No file descriptor is used.
//!
//! On Windows there is only Ctrl-C (and Ctrl-Break, as the same), by way of the crate `ctrlc`; a program that has set a
//! handler of its own with that crate cannot have another.

#![cfg_attr(not(any(unix, windows)), allow(dead_code, reason = "no signal ever arrives"))]

mod default_action;
mod error;
mod owner;

mod listeners;

#[cfg(unix)]
#[allow(unsafe_code, reason = "the signal handler; see the head of the file")]
mod handler;

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(not(any(unix, windows)))]
#[path = "unsupported.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

use std::fmt;
use std::future::ready;
use std::panic::Location;
use std::time::Duration;

pub use error::SignalError;
#[cfg(unix)]
pub use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

use crate::reason::CancelReason;
use crate::scope::{Begun, Fired, Source, Watch};
use listeners::{Ear, Listening, Set};

/// Ctrl-C: SIGINT on Unix. See the [module](self) for what the first, the second and the third do.
///
/// Should the system refuse the thread, which takes a process that has run out of threads, or should somebody have
/// [replaced the handler](self#other-handlers), then the scope is cancelled as it begins, with a [`SignalError`] as the
/// reason's [source](crate::CancelReason::source), and its body does not start. The reason bears the line of this call.
///
/// ```
/// use cancelable::{Cancelled, Scope, shield, signal, sleep};
/// use std::time::Duration;
///
/// /// Ctrl-C has it stop; then it has ten seconds; a second Ctrl-C cuts these short.
/// async fn serve() -> Result<(), Cancelled> {
///     let scope = Scope::new().name("server").until(signal::ctrl_c()).grace(Duration::from_secs(10));
///     scope.run(async {
///         # return Ok(());
///         sleep(Duration::from_secs(3600)).await
///     }).await
/// }
/// # futures::executor::block_on(serve()).unwrap();
/// ```
#[track_caller]
pub fn ctrl_c() -> Signals {
    Signals::install(&[listeners::INTERRUPT], ECHO)
}

/// So long after a Ctrl-C comes no other, from a person.
const ECHO: Duration = Duration::from_millis(200);

/// Any of these signals, by number. Unix only. See the [module](self) for what the first, the second and the third do.
///
/// The handlers are there when this returns; they leave signals their default action until a scope begins that listens.
/// Which signal it was, the [reason](crate::CancelReason::signal_number) says; it bears the line of this call.
///
/// # Errors
///
/// [`SignalError`]: if none is named; if one of them cannot be handled (SIGKILL and SIGSTOP) or tells of a fault of the
/// program itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL); if there is none of this number, or it has no default action that
/// could be brought back (real-time signals); if the system refuses a handler or a thread; or if somebody else has
/// [replaced the handler](self#other-handlers).
///
/// ```
/// use cancelable::{Cancelled, Scope, check, signal};
///
/// let stop = signal::unix([signal::SIGINT, signal::SIGTERM])?;
/// let outcome: Result<(), Cancelled> = Scope::new().until(stop).run_sync(|| {
///     signal_hook::low_level::raise(signal::SIGTERM).unwrap(); // as `kill` would
///     loop { check()? }
/// });
/// assert!(outcome.unwrap_err().to_string().starts_with("cancelled: received SIGTERM, listened for at "));
///
/// assert_eq!(signal::unix([9]).unwrap_err().to_string(), "SIGKILL cannot be handled by a process");
/// # Ok::<(), signal::SignalError>(())
/// ```
#[cfg(unix)]
#[track_caller]
pub fn unix(signals: impl IntoIterator<Item = i32>) -> Result<Signals, SignalError> {
    let numbers: Vec<i32> = signals.into_iter().collect();
    let signals = Signals::install(&numbers, Duration::ZERO);
    match signals.set {
        Ok(_) => Ok(signals),
        Err(error) => Err(error),
    }
}

/// A set of signals, as a [`Source`]; made by [`ctrl_c`] and [`unix`].
#[derive(Clone)]
#[must_use = "signals are listened for by scopes that are told of them"]
pub struct Signals {
    set: Result<Set, SignalError>,
    echo: Duration,
    location: &'static Location<'static>,
}

impl Signals {
    #[track_caller]
    fn install(numbers: &[i32], echo: Duration) -> Self {
        Self {
            set: install(numbers),
            echo,
            location: Location::caller(),
        }
    }

    /// For how long after a signal another one of the same number is its [echo](crate::signal#echoes), and not counted. Zero: each counts.
    ///
    /// ```
    /// use cancelable::{Cancelled, cancel_scope, check, signal};
    /// use std::time::Duration;
    ///
    /// # #[cfg(unix)] {
    /// let stop = signal::unix([signal::SIGINT, signal::SIGTERM])?.echo(Duration::from_secs(1));
    /// let outcome: Result<(), Cancelled> = cancel_scope!(until = stop, {
    ///     signal_hook::low_level::raise(signal::SIGINT).unwrap();
    ///     signal_hook::low_level::raise(signal::SIGINT).unwrap(); // by a wrapper; or else it would end the process
    ///     loop { check()? }
    /// });
    /// assert_eq!(outcome.unwrap_err().exit_code(), 130);
    /// # }
    /// # Ok::<(), signal::SignalError>(())
    /// ```
    pub fn echo(mut self, within: Duration) -> Self {
        self.echo = within;
        self
    }
}

fn install(numbers: &[i32]) -> Result<Set, SignalError> {
    if numbers.is_empty() {
        return Err(SignalError::none_named());
    }
    let mut set = Set::default();
    for &number in numbers {
        system::accept(number)?;
        set.insert(number);
    }
    system::install(set)?;
    Ok(set)
}

impl Signals {
    /// Begins to listen; for a scope, if it is told which. What was there when the source was made may be gone: it may have
    /// been made by the parent of this process, and somebody else may have taken the handler away.
    fn listen(self, scope: Option<usize>) -> Result<(Listening, Ear), CancelReason> {
        let listening = self
            .set
            .and_then(|set| Ok(system::install(set)?.listen(set, self.echo, scope)));
        listening.map_err(|error| CancelReason::error_at(error, self.location))
    }
}

impl Source for Signals {
    /// The first signal from the first poll on.
    async fn fired(self) -> CancelReason {
        let location = self.location;
        match self.listen(None) {
            Ok((_listening, mut ear)) => CancelReason::signal_at(ear.next().await, location),
            Err(reason) => reason,
        }
    }

    /// Polled where the scope begins, so that it never starts if nothing can be heard; and then by the thread that hears
    /// signals, so that no other source, however slow, holds them up.
    fn attach(self, to: &mut Watch) {
        let location = self.location;
        to.add(true, move |scope| match self.listen(scope) {
            Ok((listening, mut ear)) => Begun {
                fired: Box::pin(async move {
                    let reason = CancelReason::signal_at(ear.next().await, location);
                    let again = async move {
                        ear.next().await;
                    };
                    Fired {
                        reason,
                        again: if scope.is_some() { Some(Box::pin(again)) } else { None },
                    }
                }),
                guard: Some(Box::new(listening)),
                is_inline: true,
            },
            Err(reason) => Begun {
                fired: Box::pin(ready(Fired::once(reason))),
                guard: None,
                is_inline: true,
            },
        });
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.set {
            Ok(set) => f
                .debug_struct("Signals")
                .field("set", set)
                .field("echo", &self.echo)
                .finish(),
            Err(error) => f.debug_tuple("Signals").field(error).finish(),
        }
    }
}
