//! A cell in a process of its own.

use std::env;
use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use cancelable::{Cancelled, ReasonKind, cancelable};
use tokio::process::Command;

use crate::matrix::{Cell, Outcome};

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
enum Apart {
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Runs a cell in a process of its own, which is killed when it takes longer than `limit`. Whatever becomes of that
/// process is an outcome.
///
/// # Errors
///
/// [`Cancelled`] when the scope round it is; the process is killed.
///
/// # Panics
///
/// Outside a tokio runtime that has its I/O driver.
pub async fn run_apart(cell: &Cell, runs: u32, limit: Duration) -> Result<Outcome, Cancelled> {
    let why = match output(cell, runs, limit).await {
        Ok(output) if output.status.success() => match serde_json::from_slice(&output.stdout) {
            Ok(outcome) => return Ok(outcome),
            Err(error) => format!("its process told nothing: {error}"),
        },
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let first = stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
            format!("its process died, {}: {first}", output.status)
        }
        Err(Apart::Cancelled(cancelled)) if cancelled.kind() == ReasonKind::Timeout => {
            format!("still running after {limit:?}")
        }
        Err(Apart::Cancelled(cancelled)) => return Err(cancelled),
        Err(Apart::Failed(error)) => format!("its process could not be run: {error}"),
    };
    Ok(Outcome::Failed { why })
}

#[cancelable(name = "cell", timeout = limit)]
async fn output(cell: &Cell, runs: u32, limit: Duration) -> Result<Output, Apart> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args(["--cell", &cell.name(), "--runs", &runs.to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // Whoever presses Ctrl-C means us; a cell would take it for its own signal.
    #[cfg(unix)]
    command.process_group(0);
    Ok(command.output().await?)
}
