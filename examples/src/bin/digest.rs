//! `cargo run --release -p examples --bin digest -- [--timeout 10s] [--jobs N] [PATH…]`
//!
//! The SHA-256 of every file below some folders, as `sha256sum` prints it; see `--help`. The work is in
//! [`examples::digest`]. Here is the scope that all of it runs in, and what may cancel that scope: the clock, signals,
//! and a reader who goes away.

#![forbid(unsafe_code)]

use std::io;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use cancelable::{CancelReason, Cancelled, ReasonKind, cancelable, current};
use clap::Parser as _;
use examples::digest::cli::Args;
use examples::digest::hash_trees;
use examples::digest::report::Report;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let args = Args::parse();
    let report = Arc::new(Report::new(io::stdout()));
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            report.say(&format_args!("digest: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(digest(&args, &report));
    report.progress().clear();
    let rest = report.write_rest();
    let code = match result {
        Err(cancelled) => {
            report.say(&format_args!("{cancelled}; {}", report.progress()));
            exit_code(&cancelled)
        }
        Ok(()) if rest.is_err() || report.progress().has_failures() => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
    };
    // Not earlier, since whatever is printed may have to wait for its reader, and Ctrl-C must work until then. Not by
    // dropping it, since that would wait for a folder that the disk does not answer for.
    runtime.shutdown_background();
    code
}

/// The scope that everything runs in, and that everything stops with.
#[cancelable(name = "digest", timeout = args.timeout.unwrap_or(Duration::MAX))]
async fn digest(args: &Args, report: &Arc<Report>) -> Result<(), Cancelled> {
    stop_on_signals();
    #[cfg(target_os = "linux")]
    stop_when_unread();
    hash_trees(&args.paths, args.jobs.into(), report).await
}

/// Cancels the scope at the first SIGINT or SIGTERM. At the next, or if the scope has been stopped by something else and
/// is taking its time, ends the process there and then.
fn stop_on_signals() {
    let scope = current();
    let signals = Signals::new().expect("the runtime has its signal driver");
    // Not `cancelable::tokio::spawn`: this task has work to do after the cancel, too.
    tokio::spawn(async move {
        let mut signals = signals;
        loop {
            let signal = signals.next().await;
            if !scope.cancel_with(CancelReason::signal(signal)) {
                process::exit(128 + signal);
            }
        }
    });
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => libc::SIGINT,
            _ = self.terminate.recv() => libc::SIGTERM,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> i32 {
        match tokio::signal::ctrl_c().await {
            Ok(()) => 2,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Cancels the scope as soon as nobody is left to read the output, which may be long before the next line is due.
/// Elsewhere than on Linux, that line has to find out.
#[cfg(target_os = "linux")]
fn stop_when_unread() {
    use std::os::fd::AsFd as _;
    use tokio::io::Interest;
    use tokio::net::unix::pipe::Sender;

    let scope = current();
    // A second handle, never written to, on whatever the output is: tokio can watch all but regular files, and these
    // do not lose their reader.
    let output = io::stdout().as_fd().try_clone_to_owned();
    if let Ok(output) = output.and_then(Sender::from_owned_fd_unchecked) {
        tokio::spawn(async move {
            if output.ready(Interest::ERROR).await.is_ok() {
                scope.cancel_with(CancelReason::error(io::Error::from(io::ErrorKind::BrokenPipe)));
            }
        });
    }
}

/// What a shell makes of the same end brought about by the system: 128 and the signal's number, SIGPIPE's for a reader
/// that went away; 124 is how `timeout` says it.
fn exit_code(cancelled: &Cancelled) -> ExitCode {
    let is_broken_pipe = || {
        let source = cancelled.reason().source()?;
        Some(source.downcast_ref::<io::Error>()?.kind() == io::ErrorKind::BrokenPipe)
    };
    match cancelled.kind() {
        ReasonKind::Timeout => ExitCode::from(124),
        ReasonKind::Signal => {
            let number = cancelled.reason().signal_number().unwrap_or(0);
            u8::try_from(128 + number).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        ReasonKind::Error if is_broken_pipe() == Some(true) => ExitCode::from(141),
        _ => ExitCode::FAILURE,
    }
}
