//! `cargo run --release -p examples --bin validation -- [--json] [--runs N] [--only TEXT]`
//!
//! Runs every scenario of cancellation on every runtime, really, and prints the table; see `--help`. The work is in
//! [`examples::validation`]. Here is the scope that all of it runs in, and what cancels it.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use cancelable::{CancelReason, Cancelled, cancelable, current};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use examples::validation::apart::run_apart;
use examples::validation::cli::Args;
use examples::validation::matrix::{Cell, cells};
use examples::validation::table::Results;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

fn main() -> ExitCode {
    let args = Args::parse();
    let cells = args.choose(cells());
    if cells.is_empty() {
        let asked = args.cell.as_ref().or(args.only.as_ref());
        let message = format!("no cell has {:?} in its name", asked.map_or("", String::as_str));
        Args::command().error(ErrorKind::InvalidValue, message).exit();
    }
    let outcome = match &args.cell {
        Some(_) => run_here(&args, &cells),
        None => run_all(&args, &cells),
    };
    outcome.unwrap_or_else(|error| {
        say(&format!("{error}"));
        ExitCode::FAILURE
    })
}

/// The process is that of one cell.
fn run_here(args: &Args, cells: &[Cell]) -> io::Result<ExitCode> {
    for cell in cells {
        let outcome = cell.run(args.runs as usize);
        writeln!(io::stdout(), "{}", serde_json::to_string(&outcome)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn run_all(args: &Args, cells: &[Cell]) -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut results = Results::new(args.runs);
    let bar = progress_bar(cells.len());
    let ended = runtime.block_on(validate(cells, args.limit(), &mut results, &bar));
    bar.finish_and_clear();

    let text = if args.json { results.json() } else { results.text() };
    io::stdout().write_all(text.as_bytes())?;
    let mut code = ExitCode::SUCCESS;
    for failure in results.failures() {
        say(&failure);
        code = ExitCode::FAILURE;
    }
    if let Err(cancelled) = ended {
        say(&format!("{cancelled}; {} of {} cells done", results.len(), cells.len()));
        let signal = cancelled.reason().signal_number();
        let signalled = signal.and_then(|number| u8::try_from(128 + number).ok());
        code = signalled.map_or(ExitCode::FAILURE, ExitCode::from);
    }
    Ok(code)
}

/// One cell after the other: two at a time would get in the way of each other's times.
#[cancelable(name = "validation")]
async fn validate(cells: &[Cell], limit: Duration, results: &mut Results, bar: &ProgressBar) -> Result<(), Cancelled> {
    stop_on_signals();
    for cell in cells {
        bar.set_message(cell.name());
        let outcome = run_apart(cell, results.runs, limit).await?;
        results.add(cell, outcome);
        bar.inc(1);
    }
    Ok(())
}

/// Cancels the scope at the first SIGINT or SIGTERM.
fn stop_on_signals() {
    let scope = current();
    let signal = next_signal();
    // Not `cancelable::tokio::spawn`: the scope is what it cancels.
    tokio::spawn(async move {
        scope.cancel_with(CancelReason::signal(signal.await));
    });
}

#[cfg(unix)]
fn next_signal() -> impl Future<Output = i32> + Send + 'static {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).expect("the runtime has its signal driver");
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt()), listen(SignalKind::terminate()));
    async move {
        tokio::select! {
            _ = interrupt.recv() => libc::SIGINT,
            _ = terminate.recv() => libc::SIGTERM,
        }
    }
}

#[cfg(not(unix))]
async fn next_signal() -> i32 {
    match tokio::signal::ctrl_c().await {
        Ok(()) => 2,
        Err(_) => std::future::pending().await,
    }
}

/// On standard error, if that is a terminal.
fn progress_bar(cells: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(cells as u64), ProgressDrawTarget::stderr());
    if !bar.is_hidden() {
        let style = ProgressStyle::with_template("{spinner} {wide_bar} {pos} of {len} cells  {elapsed}  {msg}");
        bar.set_style(style.expect("the template is well-formed"));
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    bar
}

/// A line on stderr. If that is gone, nobody is there to be told.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "validation: {line}");
}
