//! `cargo run --release -p validation -- [--json] [--runs N] [--only TEXT]`
//!
//! Runs every scenario of cancellation on every runtime, really, and prints the table; see `--help`. The work is in
//! [`validation`]. Here is the scope that all of it runs in, and what cancels it.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use cancelable::{Cancelled, cancelable, signal};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use validation::apart::run_apart;
use validation::cli::Args;
use validation::matrix::{Cell, cells};
use validation::table::Results;

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
        code = cancelled.exit_code().into();
    }
    Ok(code)
}

/// One cell after the other: two at a time would get in the way of each other's times. Cells do not get the Ctrl-C that
/// this scope listens for: each is in a process group of its own.
#[cancelable(name = "validation", until = signals())]
async fn validate(cells: &[Cell], limit: Duration, results: &mut Results, bar: &ProgressBar) -> Result<(), Cancelled> {
    for cell in cells {
        bar.set_message(cell.name());
        let outcome = run_apart(cell, results.runs, limit).await?;
        results.add(cell, outcome);
        bar.inc(1);
    }
    Ok(())
}

#[cfg(unix)]
fn signals() -> signal::Signals {
    signal::unix([signal::SIGINT, signal::SIGTERM]).expect("these two can be handled")
}

#[cfg(not(unix))]
fn signals() -> signal::Signals {
    signal::ctrl_c()
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
