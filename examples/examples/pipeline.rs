//! Producers, a channel and a consumer. Whatever ends them, no item is lost on the way.
//!
//! `cargo run -p examples --example pipeline -- --items 1000000`

use std::process::ExitCode;
use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering::Relaxed};

use cancelable::{Cancelled, cancelable, shield, signal, tokio::TaskGroup};
use clap::Parser;
use tokio::sync::mpsc::{self, Sender};

/// Pass numbers from three tasks to one, until all are handled or Ctrl-C is pressed.
#[derive(Parser)]
struct Args {
    /// How many numbers each of the three makes
    #[arg(long, value_name = "N", default_value_t = 10)]
    items: usize,
    /// A number that cannot be handled
    #[arg(long, value_name = "N")]
    bad: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{}", .0.reason())]
    Cancelled(#[from] Cancelled),
    #[error("{0} cannot be handled")]
    Bad(u64),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run(&Args::parse()).await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("pipeline: {error}");
    match error {
        Error::Cancelled(cancelled) => cancelled.exit_code().into(),
        Error::Bad(_) => ExitCode::FAILURE,
    }
}

#[cancelable(until = signal::ctrl_c())]
async fn run(args: &Args) -> Result<(), Error> {
    let (tx, mut rx) = mpsc::channel(100);
    let (made, mut taken) = (Arc::new(AtomicU64::new(0)), 0);
    // A group waits for all its tasks. An error of one of them, or of the body, ends the others, and so does a cancel.
    let result = TaskGroup::run(async |group| {
        for first in 0..3 {
            group.spawn(produce(first, args.items, tx.clone(), made.clone()));
        }
        drop(tx);
        // Not ended by a cancel, but when the producers have ended and the channel is empty.
        shield(async {
            while let Some(item) = rx.recv().await {
                taken += 1;
                if Some(item) == args.bad {
                    return Err(Error::Bad(item));
                }
                println!("item {item}");
            }
            Ok(())
        })
        .await
    })
    .await;
    println!("{} made, {taken} taken, {} left", made.load(Relaxed), rx.len());
    result
}

#[cancelable]
async fn produce(first: u64, items: usize, tx: Sender<u64>, made: Arc<AtomicU64>) -> Result<(), Error> {
    for item in (first..).step_by(3).take(items) {
        // First room, then the item: a cancel that comes while it waits for room costs no item.
        let Ok(room) = tx.reserve().await else { break };
        made.fetch_add(1, Relaxed);
        room.send(item);
    }
    Ok(())
}
