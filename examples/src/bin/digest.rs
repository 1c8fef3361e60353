//! `cargo run --release -p examples --bin digest -- [--timeout 10s] [--jobs N] [--stretches] [PATH…]`
//!
//! The SHA-256 of every file below some folders, as `sha256sum` prints it; see `--help`. The work is in
//! [`examples::digest`]. Here is the scope that all of it runs in, and what may cancel that scope: the clock, signals,
//! and a reader who goes away.

#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use cancelable::testing::stretches::Recorder;
use cancelable::{CancelReason, Cancelled, Source, any, cancelable, signal};
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
    let recorder = args.stretches.is_some().then(Recorder::new);
    let measuring = recorder.as_ref().map(Recorder::everywhere);
    let result = runtime.block_on(digest(&args, &report));
    drop(measuring);
    let mut code = end(&args, &report, result);
    if let Some(recorder) = recorder {
        let stretches = recorder.report();
        report.say(&stretches);
        let drawn = args
            .stretches
            .iter()
            .flatten()
            .map(|path| (path, stretches.write_svg(path)));
        for (path, error) in drawn.filter_map(|(path, drawn)| Some((path, drawn.err()?))) {
            report.complain(path, &error);
            code = ExitCode::FAILURE;
        }
    }
    // Not by dropping it, since that would wait for a folder that the disk does not answer for.
    runtime.shutdown_background();
    code
}

/// The scope that everything runs in, and that everything stops with.
#[cancelable(name = "digest", timeout = args.timeout, until = any((signals(), Reader)))]
async fn digest(args: &Args, report: &Arc<Report>) -> Result<(), Cancelled> {
    hash_trees(&args.paths, args.jobs.into(), report).await
}

#[cfg(unix)]
fn signals() -> signal::Signals {
    signal::unix([signal::SIGINT, signal::SIGTERM]).expect("these two can be handled")
}

#[cfg(not(unix))]
fn signals() -> signal::Signals {
    signal::ctrl_c()
}

/// Whoever reads the output. Fires when nobody is left, which may be long before the next line is due. Elsewhere than on
/// Linux, that line has to find out.
struct Reader;

impl Source for Reader {
    #[cfg(target_os = "linux")]
    async fn fired(self) -> CancelReason {
        use std::os::fd::AsFd as _;
        use tokio::io::Interest;
        use tokio::net::unix::pipe::Sender;

        // A second handle, never written to, on whatever the output is: tokio can watch all but regular files, and these
        // do not lose their reader.
        let output = io::stdout().as_fd().try_clone_to_owned();
        let Ok(output) = output.and_then(Sender::from_owned_fd_unchecked) else {
            return std::future::pending().await;
        };
        match output.ready(Interest::ERROR).await {
            Ok(_) => CancelReason::error(io::Error::from(io::ErrorKind::BrokenPipe)),
            Err(_) => std::future::pending().await,
        }
    }

    #[cfg(not(target_os = "linux"))]
    async fn fired(self) -> CancelReason {
        std::future::pending().await
    }
}

/// What is left to be said, and the exit code.
fn end(args: &Args, report: &Report, result: Result<(), Cancelled>) -> ExitCode {
    report.end_status();
    // After a second Ctrl-C there is no time for it, and no way perhaps: somebody may not be reading.
    if let Some(forced) = result.as_ref().err().filter(|cancelled| cancelled.was_forced()) {
        return exit_code(forced);
    }
    let rest = report.write_rest();
    match result {
        Err(cancelled) => {
            let progress = report.progress();
            if args.verbose {
                report.say(&format_args!("digest: {cancelled}; {progress}"));
            } else {
                report.say(&format_args!("digest: {}; {progress}", cancelled.reason()));
            }
            exit_code(&cancelled)
        }
        Ok(()) if rest.is_err() || report.progress().has_failures() => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
    }
}

/// 141 is what a shell says of a program that SIGPIPE has ended, as it ends others whose reader goes away.
fn exit_code(cancelled: &Cancelled) -> ExitCode {
    let error = cancelled.reason().source();
    let error = error.and_then(|error| error.downcast_ref::<io::Error>());
    if error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::from(141);
    }
    cancelled.exit_code().into()
}
