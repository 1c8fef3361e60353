//! Why a child did not come to its end by itself, and what there was so far.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::process::ExitStatus;

use crate::error::Cancelled;

/// A child that could not be started or read, or did not come to its end by itself; and what it had written so far.
///
/// A child that fails is not an error here: that is in its [`ExitStatus`], as in the standard library.
///
/// An annotated function and a scope may return it, for a [`Cancelled`] becomes one.
///
/// ```
/// # #[cfg(unix)] {
/// use cancelable::{Cancelled, cancelable, process};
/// use std::process::Command;
///
/// #[cancelable(timeout = "100ms")]
/// fn greet() -> Result<(), process::Error> {
///     process::tree(Command::new("sh").args(["-c", "echo hello; sleep 1000"])).output()?;
///     Ok(())
/// }
///
/// let error = greet().unwrap_err();
/// assert_eq!(error.stdout(), b"hello\n");
/// assert!(error.to_string().starts_with("sh: cancelled: timed out after 100ms"), "{error}");
/// assert_eq!(error.cancelled().map(Cancelled::exit_code), Some(124));
/// # }
/// ```
pub struct Error(Box<Failure>);

struct Failure {
    program: Option<String>,
    problem: Problem,
    status: Option<ExitStatus>,
    streams: [Vec<u8>; 2],
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("cannot be started: {0}")]
    Start(#[source] io::Error),
    #[error("cannot be waited for: {0}")]
    Wait(#[source] io::Error),
    #[error("its output cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("ended, since it wrote more than {limit} bytes; see `limit` and `keep_last`")]
    TooMuch { limit: usize },
    #[error(transparent)]
    Cancelled(Cancelled),
}

impl Problem {
    pub(super) fn of(self, program: &OsStr) -> Error {
        Error(Box::new(Failure {
            program: Some(program.to_string_lossy().into_owned()),
            problem: self,
            status: None,
            streams: [Vec::new(), Vec::new()],
        }))
    }
}

impl Error {
    pub(super) fn with_status(mut self, status: Option<ExitStatus>) -> Self {
        self.0.status = status;
        self
    }

    pub(super) fn with_streams(mut self, streams: [Vec<u8>; 2]) -> Self {
        self.0.streams = streams;
        self
    }

    /// The cancel, if that was it.
    #[must_use]
    pub fn cancelled(&self) -> Option<&Cancelled> {
        match &self.0.problem {
            Problem::Cancelled(cancelled) => Some(cancelled),
            _ => None,
        }
    }

    /// The error of the system, if that was it: there is no such program, its output could not be read.
    #[must_use]
    pub fn io_error(&self) -> Option<&io::Error> {
        match &self.0.problem {
            Problem::Start(error) | Problem::Wait(error) | Problem::Read(error) => Some(error),
            _ => None,
        }
    }

    /// How it ended: of what was cancelled mostly by SIGTERM or SIGKILL. `None` if it had not been started, or runs on.
    #[must_use]
    pub fn status(&self) -> Option<ExitStatus> {
        self.0.status
    }

    /// What it had written to its standard output, if that was [collected](crate::process::Tree::output).
    #[must_use]
    pub fn stdout(&self) -> &[u8] {
        &self.0.streams[0]
    }

    /// What it had written to its standard error, if that was [collected](crate::process::Tree::output).
    #[must_use]
    pub fn stderr(&self) -> &[u8] {
        &self.0.streams[1]
    }

    /// Standard output and standard error so far.
    #[must_use]
    pub fn into_streams(self) -> (Vec<u8>, Vec<u8>) {
        let [stdout, stderr] = self.0.streams;
        (stdout, stderr)
    }
}

/// Nothing has been started.
impl From<Cancelled> for Error {
    fn from(cancelled: Cancelled) -> Self {
        Self(Box::new(Failure {
            program: None,
            problem: Problem::Cancelled(cancelled),
            status: None,
            streams: [Vec::new(), Vec::new()],
        }))
    }
}

/// Its kind is that of what has happened; of a cancel, as [`Cancelled`]'s.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error.0.problem {
            Problem::Cancelled(cancelled) => io::Error::from(cancelled.clone()).kind(),
            Problem::Start(error) | Problem::Wait(error) | Problem::Read(error) => error.kind(),
            Problem::TooMuch { .. } => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(program) = &self.0.program {
            write!(f, "{program}: ")?;
        }
        fmt::Display::fmt(&self.0.problem, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.problem {
            Problem::Cancelled(cancelled) => Some(cancelled),
            problem => problem.source(),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("program", &self.0.program)
            .field("problem", &self.0.problem)
            .field("status", &self.0.status)
            .field("stdout", &format_args!("{} bytes", self.0.streams[0].len()))
            .field("stderr", &format_args!("{} bytes", self.0.streams[1].len()))
            .finish()
    }
}
