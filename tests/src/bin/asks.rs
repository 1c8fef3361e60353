//! Waits for a line of standard input, for as long as its first argument says; started by `tests/abandoned.rs`. Nobody writes that line,
//! and standard input stays open.

use std::io;
use std::process::ExitCode;

use cancelable::{Cancelled, cancel_scope, parse_duration, thread};

#[tokio::main]
async fn main() -> ExitCode {
    let patience = std::env::args().nth(1).expect("an argument");
    let patience = parse_duration(&patience).expect("a duration");
    let asked: Result<_, Cancelled> = cancel_scope!(timeout = patience, async {
        thread::abandon_async(|| io::stdin().lines().next()).await
    })
    .await;
    match asked {
        Ok(_) => ExitCode::SUCCESS,
        Err(cancelled) => cancelled.exit_code().into(),
    }
    // Here tokio's own standard input, and its blocking tasks, would be waited for.
}
