//! A plain thread that stops with the function that has started it. Nothing here is async, and there is no runtime.
//!
//! `cargo run -p examples --example worker -- --below 100000000 --timeout 3s`

use std::panic;
use std::process::ExitCode;
use std::time::Duration;

use cancelable::{Cancelled, cancelable, parse_duration, signal};
use clap::Parser;

/// Count primes on a thread, until all are found, the time is up or Ctrl-C is pressed.
#[derive(Parser)]
struct Args {
    /// Those below this number
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    below: u64,

    /// Stop after this long, as in 500ms, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(found) => {
            println!("{found} primes");
            ExitCode::SUCCESS
        }
        Err(cancelled) => {
            eprintln!("worker: {}", cancelled.reason());
            cancelled.exit_code().into()
        }
    }
}

/// Opens a scope, starts the worker in it, and waits for it. A cancel ends the worker, and so this function.
#[cancelable(timeout = args.timeout, until = signal::ctrl_c())]
fn run(args: &Args) -> Result<u64, Cancelled> {
    let below = args.below;
    // Not `std::thread::spawn`: that would not take the scope along, and the worker would hear of nothing.
    let worker = cancelable::thread::spawn(move || count_primes(below));
    worker.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
}

/// Asks at each iteration of its loops whether to go on.
#[cancelable]
fn count_primes(below: u64) -> Result<u64, Cancelled> {
    let mut found = 0;
    for n in 2..below {
        let mut d = 2;
        while d * d <= n && n % d != 0 {
            d += 1;
        }
        if d * d > n {
            found += 1;
            if found % 1000 == 0 {
                println!("{found} primes up to {n}");
            }
        }
    }
    Ok(found)
}
