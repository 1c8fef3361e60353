//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Uri;
use cancelable::parse_duration;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, ValueEnum};

use crate::database::Connect;
use crate::log::Format;

/// An HTTP front, a gRPC back end and a database, whose work stops when nobody waits for it any more: the client has left, the time is up, or the
/// service shuts down.
///
/// GET /primes/{n} counts the primes below n, in a worker. GET /rows/{n} streams n rows of the database, one a millisecond.
/// GET /slow/{ms} has the back end's database wait. GET /detached/{ms} has its own do so, and goes on when its client leaves.
/// GET /health and GET /stats tell how it is, and what runs; in both processes.
///
/// A request says by the header x-request-timeout (300ms, 2s) how long it may take.
///
/// SIGINT and SIGTERM shut the service down: it takes no new requests, those that run may go on for --drain, and then they
/// are cancelled. A second signal ends it at once.
#[derive(Parser)]
#[command(version, after_help = EXIT_STATUS)]
pub(crate) struct Args {
    /// What this process is
    #[arg(value_enum, default_value = "front")]
    pub(crate) role: Role,

    /// Where to listen; port 0 is any that is free, and said on stderr
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,

    /// The back end that a front asks, as http://HOST:PORT [default: none, it does all in one process]
    #[arg(long, value_name = "URL", value_parser = backend)]
    pub(crate) backend: Option<Uri>,

    /// PostgreSQL, as postgres://USER@HOST/DATABASE [default: SQLite, in memory]
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<Connect>,

    /// How long a request may take that does not say so itself
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "30s")]
    pub(crate) timeout: Duration,

    /// The most that is believed of one that does
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "60s")]
    pub(crate) max_timeout: Duration,

    /// How long the requests that run may go on when the service shuts down
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s")]
    pub(crate) drain: Duration,

    /// What the lines of the log are, one for each request's end, on stderr
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(crate) log: Format,
}

/// One of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Serves HTTP
    Front,
    /// Serves gRPC to a front, and /health and /stats
    Backend,
}

impl Args {
    /// The arguments of this process. Ends it if they make no sense.
    pub(crate) fn get() -> Self {
        let args = Self::parse();
        if args.role == Role::Backend && args.backend.is_some() {
            let text = "a back end has no --backend";
            Self::command().error(ErrorKind::ArgumentConflict, text).exit();
        }
        args
    }
}

fn backend(url: &str) -> Result<Uri, &'static str> {
    match url.parse::<Uri>() {
        Ok(uri) if uri.scheme_str() == Some("http") && uri.authority().is_some() => Ok(uri),
        _ => Err("write http://HOST:PORT"),
    }
}

const EXIT_STATUS: &str = "\
Exit status:
    0  shut down, and every request had ended by itself
    1  shut down, and some were cancelled; or it could not start
    2  the arguments make no sense";
