//! Clean-up that is done whichever way the work ends: finished, failed, timed out, or Ctrl-C.
//!
//! `cargo run -p examples --example clean_up -- /tmp/numbers --lines 5`

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use cancelable::{Cancelled, cancel_scope, cancelable, parse_duration, signal};
use clap::Parser;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;

/// Write a line each second into FILE.part, and call it FILE when all are there. If not, nothing is left.
#[derive(Parser)]
struct Args {
    /// What to write
    file: PathBuf,
    /// How many lines
    #[arg(long, value_name = "N", default_value_t = 10)]
    lines: u32,
    /// Stop after this long, as in 500ms, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{}", .0.reason())]
    Cancelled(#[from] Cancelled),
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = export(&Args::parse()).await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("clean_up: {error}");
    match error {
        Error::Cancelled(cancelled) => cancelled.exit_code().into(),
        Error::Io(_) => ExitCode::FAILURE,
    }
}

async fn export(args: &Args) -> Result<(), Error> {
    let mut part = args.file.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    cancel_scope!(
        timeout = args.timeout,
        until = signal::ctrl_c(),
        grace = "5s", // in case the disk does not answer
        // Runs under a shield: a cancel does not skip its awaits.
        finally = async {
            if fs::remove_file(&part).await.is_ok() {
                println!("{} removed", part.display());
            }
        },
        async {
            write_lines(&part, args.lines).await?;
            fs::rename(&part, &args.file).await?;
            Ok(())
        }
    )
    .await
}

#[cancelable]
async fn write_lines(path: &Path, lines: u32) -> Result<(), Error> {
    let mut file = File::create(path).await?;
    for n in 1..=lines {
        file.write_all(format!("{n}\n").as_bytes()).await?;
        println!("line {n}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(file.flush().await?)
}
