//! Child processes that end with their scope, and all their descendants with them. Feature `process`; Unix and Windows.
//!
//! `std::process` and tokio end the child alone, if at all: a shell dies, and the compiler that it started goes on, and keeps the
//! pipe open that somebody reads. Here a child gets a process group of its own (on Windows a job object), and the whole group
//! ends with the scope:
//!
//! ```
//! # #[cfg(unix)] {
//! use cancelable::{Scope, process};
//! use std::process::{Command, Output};
//! use std::time::Duration;
//!
//! fn build() -> Result<Output, process::Error> {
//!     let script = "echo compiling; sleep 1000 & sleep 1000; echo done";
//!     process::tree(Command::new("sh").args(["-c", script])).output()
//! }
//!
//! let error = Scope::new().timeout(Duration::from_millis(200)).run_sync(build).unwrap_err();
//! assert!(error.cancelled().unwrap().is_timeout());
//! assert_eq!(error.stdout(), b"compiling\n");     // what there was so far
//! // The shell is gone, and so are both its `sleep`s.
//! # }
//! ```
//!
//! | to … | a thread waits | async code, on any runtime |
//! |---|---|---|
//! | run it and have its output | [`output`](Tree::output) | [`output_async`](Tree::output_async) |
//! | run it and see how it ended | [`status`](Tree::status) | [`status_async`](Tree::status_async) |
//! | start it, and talk to it | [`spawn`](Tree::spawn), [`wait`](Child::wait) | [`spawn`](Tree::spawn), [`wait_async`](Child::wait_async) |
//!
//! # How a child ends
//!
//! When the scope is cancelled, or is over, or the [`Child`] is dropped:
//!
//! 1. Its group gets SIGTERM ([`ask_with`](Tree::ask_with) has it another signal), and SIGCONT, for those that were stopped.
//! 2. It has the [`grace`](Tree::grace), five seconds unless told otherwise. Whoever waits for it goes on waiting, also under the
//!    cancelled scope, and in async code as if in a shield.
//! 3. What is left then gets SIGKILL.
//! 4. The child is reaped, by a thread of the library: it leaves no zombie, whether or not anybody waits. (Its descendants are
//!    the system's to reap. If they come to this process, because it is PID 1 of a container or a subreaper, they are reaped, too.)
//!
//! Whoever waited then gets an [`Error`] with the [`Cancelled`](crate::Cancelled), the [status](Error::status) and the
//! [output so far](Error::stdout).
//!
//! Those that are left when the child has ended are asked then, also if they were before: some may have been started since. So a child
//! that ends by itself takes its group along. Nothing outlives a call of `output` or `status`, and a background process that keeps the
//! pipe open (`sh -c 'server & echo ready'`) holds nobody up for longer than the grace.
//!
//! Windows has no SIGTERM. There the job is terminated at once, without a grace.
//!
//! # What gets away
//!
//! - *A process that makes a session or a group of its own* (`setsid`, `daemon(3)`, a shell with job control, `set -m`) has left.
//!   So has a daemon that was started on purpose (`pg_ctl start`). If it keeps a pipe open, what it wrote until the others had ended
//!   counts; nobody waits for more. On Windows nothing gets out of the job, but what the child starts in the first moment, before it
//!   is put there.
//! - *A process of another user* (`sudo`) cannot be signalled.
//! - *If this process ends first*, by `exit` or SIGKILL, nobody is left to send SIGKILL. What has not obeyed SIGTERM goes on. So wait
//!   for the child before `main` returns. (On Windows the job ends with this process.)
//! - *tokio's paused clock* moves on while a child runs, since a child is not tokio's. Use real time with real children.
//!
//! # Terminals
//!
//! A group of its own is in the background of a terminal. A typed Ctrl-C reaches this program alone, whose scope
//! (`until = signal::ctrl_c()`) passes it on as SIGTERM: the child is asked once, and not twice. But a child that *reads* the terminal is
//! stopped by the system. Give it `.stdin(Stdio::null())`, or start an editor or a pager with plain `std::process`.
//!
//! # Threads
//!
//! Each child has one thread, that waits for it, and while its output is collected a second one (on Windows one for each pipe).
//! No signal handler is installed, and no runtime is needed.

mod child;
mod error;
#[cfg_attr(windows, path = "gather_windows.rs")]
mod gather;
#[cfg_attr(windows, path = "group_windows.rs")]
mod group;
mod kept;
mod supervisor;
mod tree;

pub use child::Child;
pub use error::Error;
pub use tree::{Tree, tree};
