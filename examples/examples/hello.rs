//! The first program: one function, with a timeout and Ctrl-C.
//!
//! `cargo run -p examples --example hello -- --timeout 3s`

use std::process::ExitCode;
use std::time::Duration;

use cancelable::{Cancelled, cancelable, parse_duration, signal};
use clap::Parser;

/// Say hello once a second, until the time is up or Ctrl-C is pressed.
#[derive(Parser)]
struct Args {
    /// How often
    #[arg(long, value_name = "N", default_value_t = 10)]
    times: u32,

    /// Stop after this long, as in 500ms, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match hello(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(cancelled) => {
            eprintln!("hello: {}", cancelled.reason());
            cancelled.exit_code().into()
        }
    }
}

/// `timeout` and `until` open a scope, which they cancel. Each `.await` in the function then ends it with an error.
#[cancelable(timeout = args.timeout, until = signal::ctrl_c())]
async fn hello(args: &Args) -> Result<(), Cancelled> {
    for n in 1..=args.times {
        println!("hello, {n}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
