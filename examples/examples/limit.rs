//! `timeout(1)` for a whole tree of processes: a build, a test run, a server with its workers. All of it ends at the time limit and at
//! Ctrl-C, and the exit code says why.
//!
//! `cargo run -p examples --example limit -- --timeout 10s -- make -j8`

use std::ffi::OsString;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use cancelable::{cancelable, parse_duration, process, signal};
use clap::Parser;

/// Run a command, and end it with all that it has started when the time is up or Ctrl-C is pressed.
///
/// They are asked first, with SIGTERM. What is left after the grace, or at a second Ctrl-C, is killed.
#[derive(Parser)]
#[command(after_help = EXIT_STATUS)]
struct Args {
    /// Stop after this long, as in 500ms, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,

    /// How long the command has to clean up
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s")]
    grace: Duration,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const EXIT_STATUS: &str = "\
Exit status:
  that of the command, 128 + n if signal n has ended it; or
  124  stopped by --timeout
  127  there is no such command
  130  stopped by Ctrl-C
  143  stopped by SIGTERM";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args).await {
        Ok(status) => code(status).into(),
        Err(error) => match error.cancelled() {
            Some(cancelled) => {
                eprintln!("limit: {}", cancelled.reason());
                cancelled.exit_code().into()
            }
            None => {
                eprintln!("limit: {error}");
                127.into()
            }
        },
    }
}

/// The scope that the command ends with. The first Ctrl-C cancels it, and the second ends its grace, and so the command's.
#[cancelable(timeout = args.timeout, until = signals())]
async fn run(args: &Args) -> Result<ExitStatus, process::Error> {
    let [program, arguments @ ..] = &args.command[..] else {
        unreachable!("clap has seen to it");
    };
    // In a group of its own a command is in the background of the terminal, which it cannot read.
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    process::tree(&mut command).grace(args.grace).status_async().await
}

#[cfg(unix)]
fn signals() -> signal::Signals {
    signal::unix([signal::SIGINT, signal::SIGTERM]).expect("these two can be handled")
}

#[cfg(not(unix))]
fn signals() -> signal::Signals {
    signal::ctrl_c()
}

/// What a shell would say.
fn code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    let code = status.code().or(signal.map(|signal: i32| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
