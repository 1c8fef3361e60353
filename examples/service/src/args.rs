//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use cancelable::parse_duration;
use clap::Parser;

use crate::database::Connect;
use crate::log::Format;

/// An HTTP front and a database, whose work stops when nobody waits for it any more: the client has left, the time is up, or the
/// service shuts down.
///
/// GET /primes/{n} counts the primes below n, in a worker. GET /rows/{n} streams n rows of the database, one a millisecond.
/// GET /slow/{ms} has the database wait. GET /detached/{ms} does so too, and goes on when its client leaves.
/// GET /health and GET /stats tell how it is, and what runs.
///
/// A request says by the header x-request-timeout (300ms, 2s) how long it may take.
///
/// SIGINT and SIGTERM shut the service down: it takes no new requests, those that run may go on for --drain, and then they
/// are cancelled. A second signal ends it at once.
#[derive(Parser)]
#[command(version, after_help = EXIT_STATUS)]
pub(crate) struct Args {
    /// Where to listen; port 0 is any that is free, and said on stderr
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,

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

const EXIT_STATUS: &str = "\
Exit status:
    0  shut down, and every request had ended by itself
    1  shut down, and some were cancelled; or it could not start
    2  the arguments make no sense";
