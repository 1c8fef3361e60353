//! Try again, but not for ever: each attempt has its time, all together have theirs, and Ctrl-C ends it at once.
//!
//! `cargo run -p examples --example retry -- example.org:22 --attempts 5 --timeout 1m`

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use cancelable::{Cancelled, cancelable, check, parse_duration, signal};
use clap::Parser;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

/// Print the line with which a server greets.
#[derive(Parser)]
struct Args {
    /// Host and port
    server: String,
    /// How often to try
    #[arg(long, value_name = "N", default_value_t = 5)]
    attempts: u32,
    /// How long one attempt may take
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s")]
    patience: Duration,
    /// How long to wait before the second attempt; twice as long before the third, and so on
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "500ms")]
    pause: Duration,
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
    let Err(error) = greet(&Args::parse()).await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("retry: {error}");
    match error {
        Error::Cancelled(cancelled) => cancelled.exit_code().into(),
        Error::Io(_) => ExitCode::FAILURE,
    }
}

#[cancelable(timeout = args.timeout, until = signal::ctrl_c())]
async fn greet(args: &Args) -> Result<(), Error> {
    let (mut n, mut pause) = (1, args.pause);
    loop {
        match attempt(args).await {
            Ok(()) => return Ok(()),
            Err(error) if n >= args.attempts => return Err(error),
            Err(error) => {
                // Was it this scope that was cancelled, and not the attempt's? Then there is no other attempt.
                check()?;
                eprintln!("attempt {n}: {error}; the next one in {pause:?}");
            }
        }
        tokio::time::sleep(pause).await;
        (n, pause) = (n + 1, pause * 2);
    }
}

/// Has a scope of its own, below that of all attempts.
#[cancelable(name = "attempt", timeout = args.patience)]
async fn attempt(args: &Args) -> Result<(), Error> {
    let stream = TcpStream::connect(&args.server).await?;
    let greeting = BufReader::new(stream).lines().next_line().await?;
    println!("{}", greeting.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?);
    Ok(())
}
