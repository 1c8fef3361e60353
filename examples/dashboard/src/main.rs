//! `cargo run -p dashboard --features registry -- [--listen ADDRESS] [--drain TIME]`
//!
//! A page that shows what a program does while it does it: the tree of its named scopes, what each of them waits for, why it was
//! cancelled, and how the last ones ended. A button cancels one.
//!
//! [`page`], with [`access`], [`feed`] and [`view`], is what a program of your own would take. [`busy`] is a service that is not there,
//! for the page to have something to show.

#![forbid(unsafe_code)]

mod access;
mod busy;
mod feed;
mod view;

mod page;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use cancelable::signal::{self, Signals};
use cancelable::{CancellationToken, Source as _, parse_duration};
use cancelable_tower::serve;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::runtime;

use crate::access::Access;
use crate::busy::{Busy, Patience};
use crate::page::Page;

/// Show on a page what a program does, and cancel parts of it with a button. The program is a service that is made up.
///
/// SIGINT and SIGTERM stop that: it takes no new work, what runs may go on for --drain, and then it is cancelled. The page shows it.
/// A second signal ends the program at once.
#[derive(Parser)]
#[command(version, after_help = EXIT_STATUS)]
struct Args {
    /// Where to listen, on this machine: the page has no login. Port 0 is any
    #[arg(long, value_name = "ADDRESS", value_parser = loopback, default_value = "127.0.0.1:3001")]
    listen: SocketAddr,

    /// How long the work that runs may go on at the end, as in 500ms, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "2s")]
    drain: Duration,
}

const EXIT_STATUS: &str = "\
Exit status:
    0  stopped, and all work has ended, by itself or at the cancel
    1  stopped, and some was dropped or left behind; or it could not start
    2  the arguments make no sense";

/// How long the work has to end once it has been cancelled.
const GRACE: Duration = Duration::from_secs(1);

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|error| format!("{error}"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("whoever reaches the page can cancel, so it listens on 127.0.0.1 or [::1] only".into())
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("dashboard: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `true`: all work has come to an end.
fn run(args: &Args) -> io::Result<bool> {
    let busy = Busy::new()?;
    // A runtime of its own, on this thread: the page is there also when every worker of the service is stuck.
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let has_ended = runtime.block_on(until_stopped(args, &busy));
    // What no cancel reaches is not waited for.
    busy.leave();
    has_ended
}

async fn until_stopped(args: &Args, busy: &Busy) -> io::Result<bool> {
    let mut stop = pin!(signals()?.fired());
    // It listens for the signal before anybody can know that it is there.
    let mut stopped = poll_fn(|cx| Poll::Ready(stop.as_mut().poll(cx))).await;
    let listener = TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;
    let closing = CancellationToken::new();
    let page = Page::new(Access::new(address)?, closing.clone())?;

    let work = async {
        let shop = busy.open(Patience {
            run_for: args.drain,
            grace: GRACE,
        });
        let reason = match &mut stopped {
            Poll::Ready(reason) => reason.clone(),
            Poll::Pending => stop.await,
        };
        eprintln!("dashboard: {reason}: no new work, {:?} for what runs", args.drain);
        let report = shop.close().await;
        eprintln!("dashboard: {report}");
        // Now the page may go, too.
        closing.cancel_with(reason);
        report.forced().is_empty() && report.running().is_empty()
    };
    let pages = async {
        eprintln!("listening on http://{address}");
        let server = serve(listener, page.router()).run_for(Duration::from_secs(1));
        server.grace(Duration::ZERO).until(closing.clone()).await
    };
    let feed = closing.run_until_cancelled(page.keep_up_to_date());
    let (has_ended, _, _) = tokio::join!(work, pages, feed);
    Ok(has_ended)
}

#[cfg(unix)]
fn signals() -> io::Result<Signals> {
    signal::unix([signal::SIGINT, signal::SIGTERM]).map_err(io::Error::other)
}

#[cfg(not(unix))]
fn signals() -> io::Result<Signals> {
    Ok(signal::ctrl_c())
}
