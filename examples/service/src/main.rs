//! `cargo run -p service -- [--listen ADDRESS] [--timeout TIME] [--drain TIME]`
//!
//! An HTTP service whose work ends when nobody wants it any more: its client has gone, its time is up, or the service
//! shuts down. Each request has a scope of its own, opened by a [`CancelLayer`]; handlers and their workers only listen to it.

#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{MatchedPath, Path, Request};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cancelable::signal::{self, Signals};
use cancelable::{Cancelled, ParseDurationError, cancelable, parse_duration};
use cancelable_tower::{CancelLayer, CancelledResponse, Drained, serve};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinError;

/// Serve a few routes, and stop the work behind them when nobody waits for it any more.
///
/// GET /primes/{below} counts primes, POST /size measures the body, and GET /blocking/{time} blocks a thread.
///
/// SIGINT and SIGTERM shut the service down: it takes no new requests, those that run may go on for --drain, and then they
/// are cancelled. A second signal ends it at once.
#[derive(Parser)]
#[command(version, after_help = EXIT_STATUS)]
struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,

    /// How long a request may take, as in 500ms, 10s or 2m [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,

    /// How long the requests that run may go on when the service shuts down
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    drain: Duration,
}

const EXIT_STATUS: &str = "\
Exit status:
    0  shut down, and all requests had their answer
    1  shut down, and some were cancelled; or it could not start
    2  the arguments make no sense";

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let end = runtime.block_on(run(&args));
    // A worker that has been cancelled has a moment to end. Dropping the runtime would wait for all, also for one that no
    // cancel can reach.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match end {
        Ok(drained) => {
            eprintln!("{drained}");
            if drained.is_clean() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &io::Error) -> ExitCode {
    eprintln!("service: {error}");
    ExitCode::FAILURE
}

/// Serves until a signal comes, and then drains.
async fn run(args: &Args) -> io::Result<Drained> {
    let signals = signals()?;
    let layer = CancelLayer::new()
        .timeout(args.timeout)
        .on_end(|end| eprintln!("{end}"));
    let requests = layer.all().clone();
    let listener = TcpListener::bind(args.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let drain = args.drain;
    let drained = serve(listener, router(layer))
        .requests(&requests)
        .run_for(drain)
        .on_drain(move |reason| eprintln!("{reason}; no new requests, {drain:?} for those that run"))
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

fn router(layer: CancelLayer) -> Router {
    Router::new()
        .route("/primes/{below}", get(primes))
        .route("/size", post(size))
        .route("/blocking/{time}", get(blocking))
        .route_layer(middleware::map_request(begun))
        // The only place that opens scopes.
        .route_layer(layer)
}

async fn begun(route: MatchedPath, request: Request) -> Request {
    eprintln!("{} {}: begun", request.method(), route.as_str());
    request
}

/// The primes below a number, counted by a worker, which the client's departure stops.
#[cancelable]
async fn primes(Path(below): Path<u64>) -> Result<String, Error> {
    let worker = cancelable::tokio::spawn_blocking(move || {
        eprintln!("worker: begun");
        let count = count_primes(below);
        match &count {
            Ok(count) => eprintln!("worker: found {count}"),
            Err(cancelled) => eprintln!("worker: stopped, {}", cancelled.reason()),
        }
        count
    });
    Ok(format!("{}\n", worker.await??))
}

#[cancelable]
fn count_primes(below: u64) -> Result<u64, Cancelled> {
    let mut found = 0;
    for n in 2..below {
        let mut d = 2;
        while d * d <= n && n % d != 0 {
            d += 1;
        }
        found += u64::from(d * d > n);
    }
    Ok(found)
}

/// How long the body is. That it takes its time is up to the client; the scope's timeout holds all the same.
async fn size(body: Bytes) -> String {
    format!("{}\n", body.len())
}

/// A call that knows nothing of cancellation. Its client has an answer in time, but its thread goes on to the end.
#[cancelable]
async fn blocking(Path(time): Path<String>) -> Result<&'static str, Error> {
    let time = parse_duration(&time)?;
    cancelable::tokio::spawn_blocking(move || {
        eprintln!("worker: begun");
        thread::sleep(time);
    })
    .await?;
    Ok("done\n")
}

/// Why a request has no proper answer.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    #[error("the worker failed")]
    Worker(#[from] JoinError),
    #[error(transparent)]
    Time(#[from] ParseDurationError),
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Cancelled(cancelled) => return CancelledResponse(cancelled).into_response(),
            Self::Worker(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Time(_) => StatusCode::BAD_REQUEST,
        };
        (status, format!("{self}\n")).into_response()
    }
}
