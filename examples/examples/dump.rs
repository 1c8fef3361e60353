//! What a program is doing, on demand: `kill -USR1`, or `t` and Enter, prints the tree of its named scopes, and, once it has been
//! cancelled, what ignores that. It is answered by a plain thread, so also when all workers of the runtime are stuck.
//!
//! `cargo run -p examples --features registry --example dump -- --call 1h`; type `t`, press Ctrl-C, and type `t` again.

use std::io::{self, BufRead as _};
use std::process::{self, ExitCode};
use std::time::Duration;

use cancelable::tokio::TaskGroup;
use cancelable::{Cancelled, cancel_scope, cancelable, parse_duration, progress, registry, signal, sleep};
use clap::Parser;

/// Download some files and make a call that nobody can interrupt.
#[derive(Parser)]
struct Args {
    /// So many files
    #[arg(long, value_name = "N", default_value_t = 3)]
    files: u32,

    /// How long a part of a file takes; each has ten
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "500ms")]
    part: Duration,

    /// How long the call takes
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    call: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    dump_on_demand();
    println!("running: kill -USR1 {}, or t and Enter", process::id());
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(cancelled) => {
            eprintln!("dump: {}", cancelled.reason());
            cancelled.exit_code().into()
        }
    }
}

#[cancelable(name = "run", until = signal::ctrl_c())]
async fn run(args: &Args) -> Result<(), Cancelled> {
    let (part, call) = (args.part, args.call);
    TaskGroup::run(async |group| {
        for number in 1..=args.files {
            group.spawn(cancel_scope!(name = format!("file {number}"), async move {
                download(part).await
            }));
        }
        group.spawn_blocking(move || cancel_scope!(name = "call", { legacy(call) }));
        Ok(())
    })
    .await
}

#[cancelable]
async fn download(part: Duration) -> Result<(), Cancelled> {
    for done in 0..10 {
        progress(done, 10);
        sleep(part).await?;
    }
    Ok(())
}

/// It has no check points but its entry: the registry says where it was last seen.
#[cancelable]
fn legacy(takes: Duration) -> Result<(), Cancelled> {
    std::thread::sleep(takes);
    Ok(())
}

/// Threads of their own, that need nothing of the runtime.
fn dump_on_demand() {
    #[cfg(unix)]
    {
        // Before anybody is told to send it.
        let mut signals =
            signal_hook::iterator::Signals::new([signal_hook::consts::SIGUSR1]).expect("a signal to listen for");
        std::thread::spawn(move || signals.forever().for_each(|_| dump()));
    }
    std::thread::spawn(|| {
        let lines = io::stdin().lock().lines().map_while(Result::ok);
        lines.filter(|line| line == "t").for_each(|_| dump());
    });
}

fn dump() {
    eprintln!("{}", registry::snapshot());
    eprintln!("{}", registry::stragglers(Duration::ZERO));
}
