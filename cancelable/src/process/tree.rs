//! How a child is to be run.

use std::future::Future;
use std::panic::Location;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use super::child::Child;
use super::error::{Error, Problem};
use super::group::{self, Ask};
use super::kept::Keep;
use super::supervisor::Supervised;
use crate::context::{check_at, current};

/// Has a command's child end with the scope, and all its descendants with it. See the [module](super).
///
/// ```
/// # #[cfg(unix)] {
/// use cancelable::process;
/// use std::process::Command;
///
/// let output = process::tree(Command::new("echo").arg("hello")).output().unwrap();
/// assert_eq!(output.stdout, b"hello\n");
/// # }
/// ```
///
/// For a command of tokio: `process::tree(command.as_std_mut())`.
pub fn tree(command: &mut Command) -> Tree<'_> {
    Tree {
        command,
        ask: group::DEFAULT_ASK,
        grace: Duration::from_secs(5),
        keep: Keep::All { limit: 64 << 20 },
    }
}

/// A child with all its descendants, to be started; made by [`tree`].
#[derive(Debug)]
#[must_use = "nothing is started yet"]
pub struct Tree<'a> {
    command: &'a mut Command,
    ask: Ask,
    grace: Duration,
    keep: Keep,
}

impl<'a> Tree<'a> {
    /// How long they have between being asked to end and SIGKILL: five seconds unless told otherwise.
    ///
    /// Of zero they are not asked. [`Duration::MAX`]: they have for ever. The [grace](crate::Scope::grace) of an async scope that ends
    /// earlier, as every drop of what waits for them meanwhile, ends this one (and then nobody is left to be told their output). That
    /// of a sync scope does not: nothing can drop its body. On Windows there is none.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use cancelable::{Scope, process};
    /// use std::{os::unix::process::ExitStatusExt as _, process::Command, time::Duration};
    ///
    /// let error = Scope::new()
    ///     .timeout(Duration::from_millis(100))
    ///     .run_sync(|| {
    ///         let deaf = "trap '' TERM; while :; do sleep 1; done";
    ///         process::tree(Command::new("sh").args(["-c", deaf])).grace(Duration::from_millis(50)).status()
    ///     })
    ///     .unwrap_err();
    /// assert_eq!(error.status().unwrap().signal(), Some(9));
    /// # }
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The signal that asks them to end, by number, instead of SIGTERM; SIGINT for what saves its work at a Ctrl-C. Unix only.
    ///
    /// # Panics
    ///
    /// If there is no signal of this number and name.
    ///
    /// ```
    /// use cancelable::process;
    /// use std::process::Command;
    ///
    /// # const SIGINT: i32 = 2;
    /// let mut command = Command::new("ffmpeg");
    /// let tree = process::tree(&mut command).ask_with(SIGINT);
    /// ```
    #[cfg(unix)]
    #[track_caller]
    pub fn ask_with(mut self, signal: i32) -> Self {
        self.ask = Ask::from_named_raw(signal).expect("a signal's number");
        self
    }

    /// How many bytes of each stream are collected at most: 64 MiB unless told otherwise.
    ///
    /// A child that writes more is ended, and the error has these first bytes. Nothing is cut off in silence. For more,
    /// [keep the last](Self::keep_last), give it a file (`.stdout(File::create(…)?)` and [`status`](Self::status)), or
    /// [`spawn`](Self::spawn) it and read.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use cancelable::process;
    /// use std::process::Command;
    ///
    /// let error = process::tree(&mut Command::new("yes")).limit(4).output().unwrap_err();
    /// assert_eq!(error.to_string(), "yes: ended, since it wrote more than 4 bytes; see `limit` and `keep_last`");
    /// assert_eq!(error.stdout(), b"y\ny\n");
    /// # }
    /// ```
    pub fn limit(mut self, bytes: usize) -> Self {
        self.keep = Keep::All { limit: bytes };
        self
    }

    /// Collects only the last bytes of each stream, as many as that: the end of a log. Needs memory for twice as many.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use cancelable::process;
    /// use std::process::Command;
    ///
    /// let output = process::tree(Command::new("sh").args(["-c", "echo a lot; echo error"])).keep_last(6).output();
    /// assert_eq!(output.unwrap().stdout, b"error\n");
    /// # }
    /// ```
    pub fn keep_last(mut self, bytes: usize) -> Self {
        self.keep = Keep::Last(bytes);
        self
    }

    /// Starts it, for those who talk to it while it runs. It ends with the ambient token's scope, or when the [`Child`] is dropped.
    ///
    /// # Errors
    ///
    /// [`Error`], if the scope has been cancelled, and nothing is started; or if the system cannot start it.
    #[track_caller]
    pub fn spawn(self) -> Result<Child, Error> {
        self.spawn_at(Location::caller())
    }

    fn spawn_at(self, location: &'static Location<'static>) -> Result<Child, Error> {
        let command = self.command;
        check_at(location).map_err(|cancelled| Problem::Cancelled(cancelled).of(command.get_program()))?;
        group::prepare(command);
        let token = current();
        let started = command.spawn().and_then(|mut child| {
            let id = child.id();
            let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            Ok((id, pipes, Supervised::new(child, self.ask, self.grace)?))
        });
        let program = command.get_program();
        match started {
            Ok((id, pipes, supervised)) => Ok(Child::new(program, id, pipes, supervised, token, self.keep)),
            Err(error) => Err(Problem::Start(error).of(program)),
        }
    }

    /// Runs it, and waits for it and all its descendants. Its standard streams are what the command says.
    ///
    /// # Errors
    ///
    /// [`Error`]: when it was cancelled, after all of them have ended; or what the system says.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use cancelable::process;
    /// use std::process::Command;
    ///
    /// assert!(process::tree(&mut Command::new("true")).status().unwrap().success());
    /// assert_eq!(process::tree(Command::new("sh").args(["-c", "exit 3"])).status().unwrap().code(), Some(3));
    /// # }
    /// ```
    #[track_caller]
    pub fn status(self) -> Result<ExitStatus, Error> {
        let location = Location::caller();
        self.spawn_at(location)?.wait_here(location)
    }

    /// As [`status`](Self::status), in async code. The child is started by the first poll.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the child and its descendants are told to end, as by a cancel, and the grace goes on without it.
    /// If it is dropped while it waits in that grace, the grace ends, too.
    ///
    /// ```
    /// # #[cfg(unix)] futures::executor::block_on(async {
    /// use cancelable::process;
    /// use std::process::Command;
    ///
    /// assert!(process::tree(&mut Command::new("true")).status_async().await.unwrap().success());
    /// # });
    /// ```
    #[track_caller]
    pub fn status_async(self) -> impl Future<Output = Result<ExitStatus, Error>> + Send + use<'a> {
        let location = Location::caller();
        async move { self.spawn_at(location)?.wait_at(location).await }
    }

    /// Runs it, waits for it and all its descendants, and collects what they write to standard output and standard error.
    /// These two are pipes then, whatever the command says; standard input is what it says.
    ///
    /// # Errors
    ///
    /// [`Error`], with the output so far: when it was cancelled, after all of them have ended; when there is more than the
    /// [limit](Self::limit); or what the system says.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use cancelable::process;
    /// use std::process::Command;
    ///
    /// let output = process::tree(Command::new("sh").args(["-c", "echo hello; echo oops >&2; exit 3"])).output().unwrap();
    /// assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"hello\n"[..], &b"oops\n"[..]));
    /// assert_eq!(output.status.code(), Some(3));
    /// # }
    /// ```
    #[track_caller]
    pub fn output(self) -> Result<Output, Error> {
        let location = Location::caller();
        self.with_pipes().spawn_at(location)?.output_here(location)
    }

    /// As [`output`](Self::output), in async code. The child is started by the first poll.
    ///
    /// # Cancel safety
    ///
    /// As that of [`status_async`](Self::status_async); what was collected goes with the future.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use cancelable::{cancelable, process};
    /// use std::process::Command;
    ///
    /// #[cancelable(timeout = "100ms")]
    /// async fn log() -> Result<Vec<u8>, process::Error> {
    ///     let output = process::tree(Command::new("sh").args(["-c", "echo begun; sleep 1000"])).output_async().await?;
    ///     Ok(output.stdout)
    /// }
    ///
    /// let error = futures::executor::block_on(log()).unwrap_err();
    /// assert_eq!(error.stdout(), b"begun\n");
    /// # }
    /// ```
    #[track_caller]
    pub fn output_async(self) -> impl Future<Output = Result<Output, Error>> + Send + use<'a> {
        let location = Location::caller();
        async move { self.with_pipes().spawn_at(location)?.output_at(location).await }
    }

    fn with_pipes(self) -> Self {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self
    }
}
