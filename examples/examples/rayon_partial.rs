//! rayon, and what has been found when it is stopped early.
//!
//! `cargo run -p examples --example rayon_partial -- --blocks 100000`

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cancelable::rayon::ParallelIteratorExt as _;
use cancelable::{Cancelled, cancelable, parse_duration, signal};
use clap::Parser;
use rayon::prelude::*;

/// Count primes on all cores, until all are found, the time is up or Ctrl-C is pressed.
#[derive(Parser)]
struct Args {
    /// How many blocks of 10,000 numbers
    #[arg(long, value_name = "N", default_value_t = 1000)]
    blocks: u64,

    /// Stop after this long, as in 500ms, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// What has been found so far.
#[derive(Default)]
struct Found {
    blocks: AtomicU64,
    primes: AtomicU64,
}

fn main() -> ExitCode {
    let (args, found) = (Args::parse(), Found::default());
    let result = search(&args, &found);
    let (blocks, primes) = (found.blocks.load(Relaxed), found.primes.load(Relaxed));
    println!("{primes} primes in {blocks} of {} blocks", args.blocks);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(cancelled) => {
            eprintln!("rayon_partial: {}", cancelled.reason());
            cancelled.exit_code().into()
        }
    }
}

#[cancelable(timeout = args.timeout, until = signal::ctrl_c())]
fn search(args: &Args, found: &Found) -> Result<(), Cancelled> {
    // What is behind `until_cancelled` runs in this scope, on all threads. After a cancel none begins with another block, and this
    // returns when those that run have ended.
    (0..args.blocks)
        .into_par_iter()
        .until_cancelled()
        .try_for_each(|block| {
            let primes = count_primes(block? * 10_000)?;
            found.primes.fetch_add(primes, Relaxed);
            if found.blocks.fetch_add(1, Relaxed) == 0 {
                println!("the first block is done");
            }
            Ok(())
        })
}

/// Those of one block. When it is cancelled in the middle, the block does not count.
#[cancelable]
fn count_primes(from: u64) -> Result<u64, Cancelled> {
    let mut found = 0;
    for n in from.max(2)..from + 10_000 {
        let mut d = 2;
        while d * d <= n && n % d != 0 {
            d += 1;
        }
        found += u64::from(d * d > n);
    }
    Ok(found)
}
