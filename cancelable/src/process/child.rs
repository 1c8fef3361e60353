//! A child that runs, for whoever started it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::Location;
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus, Output};

use super::error::{Error, Problem};
use super::gather::Gather;
use super::kept::Keep;
use super::supervisor::{Supervised, Why};
use crate::context::{check_at, current};
use crate::error::Cancelled;
use crate::park;
use crate::primitive::Arc;
use crate::scope::{WithCancellation, shield};
use crate::token::{CancelCallback, CancellationToken};

/// A child that runs, with all its descendants; made by [`Tree::spawn`](super::Tree::spawn).
///
/// They end with the scope in which they were started. Dropping this tells them to end as well, without waiting: they have their grace,
/// then SIGKILL, and the child is reaped.
///
/// ```
/// # #[cfg(unix)] {
/// use cancelable::process;
/// use std::io::{BufRead as _, BufReader, Write as _};
/// use std::process::{Command, Stdio};
///
/// let mut cat = process::tree(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped())).spawn().unwrap();
/// let (mut stdin, stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
/// writeln!(stdin, "hello").unwrap();
/// assert_eq!(BufReader::new(stdout).lines().next().unwrap().unwrap(), "hello");
/// drop(stdin);                                // or else it would wait for more
/// assert!(cat.wait().unwrap().success());
/// # }
/// ```
///
/// In tokio, its pipes become tokio's, and read as those of tokio's own `Child` do:
///
/// ```
/// # #[cfg(unix)] {
/// use cancelable::{cancelable, process};
/// use std::process::{Command, Stdio};
/// use tokio::io::{AsyncBufReadExt as _, BufReader};
///
/// #[cancelable(timeout = "200ms", grace = "5s")]
/// async fn watch(seen: &mut Vec<String>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///     let script = "echo one; echo two; sleep 1000";
///     let mut child = process::tree(Command::new("sh").args(["-c", script]).stdout(Stdio::piped())).spawn()?;
///     let stdout = child.stdout.take().expect("it is a pipe");
///     let mut lines = BufReader::new(tokio::process::ChildStdout::from_std(stdout)?).lines();
///     while let Some(line) = lines.next_line().await? {
///         seen.push(line);
///     }
///     child.wait_async().await?;
///     Ok(())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let mut seen = Vec::new();
/// watch(&mut seen).await.unwrap_err();
/// assert_eq!(seen, ["one", "two"]);
/// # });
/// # }
/// ```
#[must_use = "dropping this tells the child to end"]
pub struct Child {
    /// Where it reads from, if that is a pipe. Every wait for the child closes it first.
    pub stdin: Option<ChildStdin>,
    /// What it writes, if that is a pipe. What is not [collected](Self::wait_with_output) has to be read, or else the child waits.
    pub stdout: Option<ChildStdout>,
    /// What it writes to its standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    program: OsString,
    id: u32,
    supervised: Arc<Supervised>,
    /// Of the scope in which it was started.
    token: CancellationToken,
    keep: Keep,
    _ending: CancelCallback,
}

type Pipes = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

impl Child {
    pub(super) fn new(
        program: &OsStr,
        id: u32,
        (stdin, stdout, stderr): Pipes,
        supervised: Arc<Supervised>,
        token: CancellationToken,
        keep: Keep,
    ) -> Self {
        let ended = Arc::clone(&supervised);
        let ending = token.on_cancel(move |_| {
            ended.end(Why::Cancelled);
        });
        Self {
            stdin,
            stdout,
            stderr,
            program: program.to_owned(),
            id,
            supervised,
            token,
            keep,
            _ending: ending,
        }
    }

    /// Its process id, and on Unix that of its group.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Tells it and its descendants to end: asks, and ends the rest after the [grace](super::Tree::grace). Does not wait.
    ///
    /// Who waits then gets its status: to be told to end by hand is no error.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use cancelable::process;
    /// use std::process::Command;
    ///
    /// let mut server = process::tree(Command::new("sleep").arg("1000")).spawn().unwrap();
    /// server.terminate();
    /// assert!(!server.wait().unwrap().success());
    /// # }
    /// ```
    pub fn terminate(&self) {
        self.supervised.end(Why::Asked);
    }

    /// As [`terminate`](Self::terminate), without a grace.
    pub fn kill(&self) {
        self.supervised.end(Why::Asked);
        self.supervised.kill();
    }

    /// Waits until it and its descendants have ended.
    ///
    /// # Errors
    ///
    /// [`Error`], when the scope in which it was started has been cancelled, after all of them have ended. If only a scope inside that
    /// one is cancelled, it comes at once, and the child runs on: that is how to wait for some time.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use cancelable::{Scope, process};
    /// use std::{process::Command, time::Duration};
    ///
    /// let mut child = process::tree(Command::new("sleep").arg("1000")).spawn().unwrap();
    /// let waited = Scope::new().timeout(Duration::from_millis(10)).run_sync(|| child.wait());
    /// assert!(waited.unwrap_err().cancelled().is_some());
    /// child.kill();
    /// child.wait().unwrap();
    /// # }
    /// ```
    #[track_caller]
    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        self.wait_here(Location::caller())
    }

    /// As [`wait`](Self::wait), in async code.
    ///
    /// An annotated `.await` under a scope that is cancelled already fails before it waits. The child has its grace all the same, and is
    /// reaped; to see that, wait in a [shield](crate::shield!).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the child runs on. If it is dropped while it waits in the grace, that ends.
    #[track_caller]
    pub fn wait_async(&mut self) -> impl Future<Output = Result<ExitStatus, Error>> + Send {
        self.wait_at(Location::caller())
    }

    /// Collects what it writes to those of its streams that are pipes (and have not been taken), and waits until it and its
    /// descendants have ended.
    ///
    /// # Errors
    ///
    /// As [`Tree::output`](super::Tree::output). If only a scope inside that of the child is cancelled, the child is told to end, too.
    #[track_caller]
    pub fn wait_with_output(self) -> Result<Output, Error> {
        self.output_here(Location::caller())
    }

    /// As [`wait_with_output`](Self::wait_with_output), in async code.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the child is told to end, and what was collected is lost.
    #[track_caller]
    pub fn wait_with_output_async(self) -> impl Future<Output = Result<Output, Error>> + Send {
        self.output_at(Location::caller())
    }

    pub(super) fn wait_here(&mut self, location: &'static Location<'static>) -> Result<ExitStatus, Error> {
        let (supervised, token) = (Arc::clone(&self.supervised), current());
        park::block_on_until(self.wait_at(location), || look_at(&supervised, &token))
    }

    pub(super) fn output_here(self, location: &'static Location<'static>) -> Result<Output, Error> {
        let (supervised, token) = (Arc::clone(&self.supervised), current());
        park::block_on_until(self.output_at(location), || look_at(&supervised, &token))
    }

    pub(super) async fn wait_at(&mut self, location: &'static Location<'static>) -> Result<ExitStatus, Error> {
        drop(self.stdin.take());
        let waited = self.until_over(location).await;
        if waited.is_err() && self.token.is_cancelled() {
            self.until_gone().await;
        }
        self.settle(waited, location)
    }

    pub(super) async fn output_at(mut self, location: &'static Location<'static>) -> Result<Output, Error> {
        drop(self.stdin.take());
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let gather = Gather::begin(stdout, stderr, self.keep, &self.supervised)
            .map_err(|error| Problem::Read(error).of(&self.program))?;
        let waited = self.until_over(location).await;
        if waited.is_err() {
            self.supervised.end(Why::Cancelled);
            self.until_gone().await;
        }
        shield(gather.done().cancelled()).await;
        let exceeded = gather.exceeded();
        let (streams, failure) = gather.take();
        match (self.settle(waited, location), failure) {
            (Ok(status), None) => {
                if let Some(limit) = exceeded {
                    let error = Problem::TooMuch { limit }.of(&self.program);
                    return Err(error.with_status(Some(status)).with_streams(streams));
                }
                let [stdout, stderr] = streams;
                Ok(Output { status, stdout, stderr })
            }
            (Ok(status), Some(failure)) => {
                let error = Problem::Read(failure).of(&self.program);
                Err(error.with_status(Some(status)).with_streams(streams))
            }
            (Err(error), _) => Err(error.with_streams(streams)),
        }
    }

    /// Waits until nobody is left, or until the ambient token is cancelled.
    async fn until_over(&self, location: &'static Location<'static>) -> Result<(), Cancelled> {
        WithCancellation::here(self.supervised.over(), location).await
    }

    /// Waits for those that have been told to end, whatever is cancelled. Who gives that up ends their grace.
    async fn until_gone(&self) {
        let given_up = GivenUp(&self.supervised);
        shield(self.supervised.gone()).await;
        mem::forget(given_up);
    }

    /// What has come of it.
    fn settle(&self, waited: Result<(), Cancelled>, location: &'static Location<'static>) -> Result<ExitStatus, Error> {
        let (why, status) = self.supervised.outcome();
        let problem = match (why, waited) {
            // It had ended by itself, or runs on.
            (None, Ok(())) => None,
            (None, Err(_)) if self.supervised.is_over() => None,
            (_, Err(cancelled)) => Some(Problem::Cancelled(cancelled)),
            (Some(Why::Cancelled), Ok(())) => {
                // It was quicker than whoever waited for it.
                let cancelled = check_at(location).and_then(|()| self.token.check_at(location));
                cancelled.err().map(Problem::Cancelled)
            }
            (Some(Why::TooMuch { limit }), Ok(())) => Some(Problem::TooMuch { limit }),
            (Some(Why::Asked), Ok(())) => None,
        };
        match (problem, status) {
            (None, Some(Ok(status))) => Ok(status),
            (None, Some(Err(error))) => Err(Problem::Wait(error).of(&self.program)),
            (None, None) => unreachable!("nobody is left, and the child has not been reaped"),
            (Some(problem), status) => {
                let status = status.and_then(Result::ok);
                Err(problem.of(&self.program).with_status(status))
            }
        }
    }
}

/// When whoever waits has to look again, if nobody wakes him.
fn look_at(supervised: &Supervised, token: &CancellationToken) -> Option<std::time::Instant> {
    [supervised.look_at(), token.look_at()].into_iter().flatten().min()
}

/// Nobody waits in the grace any more.
struct GivenUp<'a>(&'a Supervised);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.0.kill();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.supervised.end(Why::Asked);
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("program", &self.program)
            .field("id", &self.id)
            .field("is_over", &self.supervised.is_over())
            .finish_non_exhaustive()
    }
}
