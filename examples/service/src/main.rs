//! `cargo run -p service -- [--listen ADDRESS] [--database URL] [--timeout TIME] …`
//!
//! A service whose work ends when nobody wants it any more: its client has gone, its time is up, or the service shuts down. Each
//! request has a scope of its own, opened by a [`CancelLayer`]; handlers, workers and queries only listen to it.

#![forbid(unsafe_code)]

mod error;
mod log;
mod stats;

mod database;

mod front;

mod args;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use cancelable::signal::{self, Signals};
use cancelable_tower::{CancelLayer, Drained, Requests, TimeoutHeader, serve};
use clap::Parser as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use args::Args;
use database::Database;
use front::Front;
use stats::Stats;

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let end = runtime.block_on(run(&args));
    // A worker that has been cancelled has a moment to end. Dropping the runtime would wait for all, also for one that no
    // cancel can reach.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match end {
        Ok(drained) => {
            log::line(&drained.to_string());
            if drained.is_clean() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &Failed) -> ExitCode {
    log::line(&format!("service: {error}"));
    ExitCode::FAILURE
}

/// Why it could not start.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Database(#[from] error::Error),
}

/// Serves until a signal comes, and then drains.
async fn run(args: &Args) -> Result<Drained, Failed> {
    let signals = signals()?;
    let requests = Requests::new();
    let stats = Stats::new(&requests);
    let database = Database::open(args.database.as_ref(), &stats).await?;
    if args.database.is_none() {
        log::line("no --database: SQLite, in memory");
    }

    let log = args.log;
    let counted = stats.clone();
    let layer = CancelLayer::new()
        .requests(&requests)
        .timeout(args.timeout)
        .timeout_headers([TimeoutHeader::x_request_timeout()])
        .max_timeout(args.max_timeout)
        .grace(Duration::from_secs(1))
        .on_end(move |end| {
            counted.ended(end);
            log.write(end);
        });
    let router = front::router(Front { database, stats }, layer);

    let listener = TcpListener::bind(args.listen).await?;
    log::line(&format!("listening on {}", listener.local_addr()?));
    let drain = args.drain;
    let drained = serve(listener, router)
        .requests(&requests)
        .run_for(drain)
        .on_drain(move |reason| log::line(&format!("{reason}; no new requests, {drain:?} for those that run")))
        .force(signals.clone())
        .until(signals)
        .await;
    Ok(drained)
}

#[cfg(unix)]
fn signals() -> io::Result<Signals> {
    signal::unix([signal::SIGINT, signal::SIGTERM]).map_err(io::Error::other)
}

#[cfg(not(unix))]
fn signals() -> io::Result<Signals> {
    Ok(signal::ctrl_c())
}
