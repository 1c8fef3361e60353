//! `cargo run -p service -- [front|backend] [--listen ADDRESS] [--backend URL] [--database URL] [--timeout TIME] …`
//!
//! A service whose work ends when nobody wants it any more: its client has gone, its time is up, or the service shuts down. Each
//! request has a scope of its own, opened by a [`CancelLayer`]; handlers, workers and queries only listen to it.

#![forbid(unsafe_code)]

mod error;
mod log;
mod stats;

mod database;

mod operations;
mod rpc;

mod backend;

mod front;

mod args;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use cancelable::signal::{self, Signals};
use cancelable_tonic::ServerLayer;
use cancelable_tower::{CancelLayer, Drained, OnDisconnect, RequestEnd, Requests, TimeoutHeader, serve};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use args::{Args, Role};
use backend::Remote;
use database::Database;
use front::Front;
use stats::Stats;

fn main() -> ExitCode {
    let args = Args::get();
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

/// How long a handler may take to clean up once it is cancelled.
const GRACE: Duration = Duration::from_secs(1);

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
    let on_end = move |end: &RequestEnd| {
        counted.ended(end);
        log.write(end);
    };
    let router = match args.role {
        Role::Front => {
            if args.backend.is_none() {
                log::line("no --backend: all in one process");
            }
            let layer = CancelLayer::new()
                .requests(&requests)
                .timeout(args.timeout)
                .timeout_headers([TimeoutHeader::x_request_timeout()])
                .max_timeout(args.max_timeout)
                .grace(GRACE)
                .on_end(on_end);
            let backend = args.backend.as_ref().map(|at| Remote::new(at, log));
            let front = Front {
                database,
                backend,
                stats,
            };
            front::router(front, layer)
        }
        Role::Backend => {
            let layer = ServerLayer::new()
                .requests(&requests)
                // The front is ours, and writes it to its log.
                .reports(true)
                .timeout(args.timeout)
                .max_timeout(args.max_timeout)
                .on_disconnect(OnDisconnect::Cancel)
                .grace(GRACE)
                .on_end(on_end);
            backend::router(database, stats, layer)
        }
    };

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
