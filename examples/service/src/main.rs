//! `cargo run -p service -- [--listen ADDRESS] [--timeout TIME] [--drain TIME]`
//!
//! An HTTP service whose work ends when nobody wants it any more: its client has gone, its time is up, or the service
//! shuts down. Each request has a scope of its own, opened by [`scoped`]; handlers and their workers only listen to it.

#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, serve};
use cancelable::signal::{self, Signals};
use cancelable::{
    CancelReason, CancellationToken, Cancelled, ParseDurationError, ReasonKind, Source as _, cancel_scope, cancelable,
    parse_duration,
};
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
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(reason)) => reason.exit_code().into(),
        Err(error) => fail(&error),
    }
}

fn fail(error: &io::Error) -> ExitCode {
    eprintln!("service: {error}");
    ExitCode::FAILURE
}

/// Serves until a signal comes, and then drains. If requests had to be cancelled, says why they were.
async fn run(args: &Args) -> io::Result<Option<CancelReason>> {
    let app = App {
        requests: CancellationToken::new(),
        timeout: args.timeout,
    };
    let signals = signals()?;
    let stopping = CancellationToken::new();
    let serving = async {
        let listener = TcpListener::bind(args.listen).await?;
        println!("listening on http://{}", listener.local_addr()?);
        let stop = stopping.clone().cancelled_owned();
        serve(listener, router(&app)).with_graceful_shutdown(stop).await
    };
    let shutdown = async {
        let reason = signals.fired().await;
        eprintln!("{reason}; no new requests, {:?} for those that run", args.drain);
        stopping.cancel_with(reason);
        tokio::time::sleep(args.drain).await;
        app.requests.cancel_with(CancelReason::shutdown());
        // They answer within moments. A connection on which no request has come yet gets no answer.
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    tokio::select! {
        // It hears signals from its first poll on, so that comes before the first client does.
        biased;
        () = shutdown => {}
        served = serving => served?,
    }
    Ok(app.requests.reason())
}

#[cfg(unix)]
fn signals() -> io::Result<Signals> {
    signal::unix([signal::SIGINT, signal::SIGTERM]).map_err(io::Error::other)
}

#[cfg(not(unix))]
fn signals() -> io::Result<Signals> {
    Ok(signal::ctrl_c())
}

/// What all requests share.
#[derive(Clone)]
struct App {
    /// The parent of their scopes.
    requests: CancellationToken,
    timeout: Option<Duration>,
}

fn router(app: &App) -> Router {
    Router::new()
        .route("/primes/{below}", get(primes))
        .route("/size", post(size))
        .route("/blocking/{time}", get(blocking))
        .route_layer(middleware::from_fn_with_state(app.clone(), scoped))
}

/// Opens the scope of a request. When the client goes, axum drops this future, and the scope with it, which cancels it.
async fn scoped(State(app): State<App>, route: MatchedPath, request: Request, next: Next) -> Response {
    let name = format!("{} {}", request.method(), route.as_str());
    eprintln!("{name}: begun");
    let answer = cancel_scope!(
        name = name.clone(),
        timeout = app.timeout,
        parent = &app.requests,
        async { Ok::<_, Error>(next.run(request).await) }
    );
    let answer = answer.await.into_response();
    eprintln!("{name}: {}", answer.status());
    answer
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
    /// The short form: which lines of ours asked and noticed is none of the client's business.
    #[error("{}", .0.reason())]
    Cancelled(#[from] Cancelled),
    #[error("the worker failed")]
    Worker(#[from] JoinError),
    #[error(transparent)]
    Time(#[from] ParseDurationError),
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::Cancelled(cancelled) => match cancelled.kind() {
                ReasonKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
                ReasonKind::Shutdown | ReasonKind::Signal => StatusCode::SERVICE_UNAVAILABLE,
                // As nginx has it; nobody is left to read it.
                ReasonKind::Dropped => StatusCode::from_u16(499).expect("a number of three digits"),
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Worker(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Time(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status(), format!("{self}\n")).into_response()
    }
}
