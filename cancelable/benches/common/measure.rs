//! Measuring by turns: each thing is run some thousand times, again and again, beside the others. On a machine that others
//! use too, what counts is the best turn of each; or how many instructions it takes, which `.ci/instructions` prints.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use cancelable::CancellationToken;
use tokio::runtime::{Builder, Runtime};
use tokio::task::unconstrained;

/// How often one is run in a turn; what takes long, less often.
pub(crate) const RUNS: u32 = 2_000;

/// How long a turn may take.
const TURN: Duration = Duration::from_millis(5);

/// What is measured: a name, and what runs it so many times.
pub(crate) type Entry<'a> = (&'static str, Box<dyn Fn(u32) + 'a>);

/// How many turns there are.
pub(crate) fn turns() -> u32 {
    std::env::var("TURNS").map_or(100, |turns| turns.parse().expect("TURNS is a number"))
}

/// The best turn of each, in ns a run.
pub(crate) fn best(turns: u32, entries: &[Entry<'_>]) -> Vec<f64> {
    let once = |run: &dyn Fn(u32), runs: u32| {
        let start = Instant::now();
        run(runs);
        start.elapsed().as_secs_f64() / f64::from(runs)
    };
    let runs: Vec<u32> = entries
        .iter()
        .map(|(_, run)| (TURN.as_secs_f64() / once(run, 10)) as u32)
        .map(|runs| runs.clamp(10, RUNS))
        .collect();
    let mut best = vec![f64::MAX; entries.len()];
    for _ in 0..turns {
        for (((_, run), runs), best) in entries.iter().zip(&runs).zip(&mut best) {
            *best = best.min(once(run, *runs) * 1e9);
        }
    }
    best
}

/// Under `.ci/instructions` (`INSTRUCTIONS` in the environment says how many runs, `ONLY` of what) callgrind counts what
/// `measured` does and writes a file for each call of it. What is printed names these files, in order.
pub(crate) fn counts(entries: &[Entry<'_>]) -> bool {
    #[inline(never)]
    fn measured(run: &dyn Fn(u32), runs: u32) {
        run(runs);
    }
    let Ok(runs) = std::env::var("INSTRUCTIONS") else {
        return false;
    };
    let runs: u32 = runs.parse().expect("INSTRUCTIONS is a number");
    let only = std::env::var("ONLY").unwrap_or_default();
    for (name, run) in entries.iter().filter(|(name, _)| name.contains(&only)) {
        // What is done once for all is done.
        run(runs.min(10));
        measured(run, runs);
        println!("{name}");
    }
    true
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// Runs `f` so many times within one poll of a task, without tokio's budget for one: beyond it the competitors' timers would not
/// be set.
pub(crate) fn within<'a>(
    runtime: &'a Runtime,
    parent: &'a CancellationToken,
    f: impl Fn(&mut Context<'_>) + 'a,
) -> Box<dyn Fn(u32) + 'a> {
    Box::new(move |runs| {
        runtime.block_on(unconstrained(parent.scope(poll_fn(|cx| {
            (0..runs).for_each(|_| f(cx));
            Poll::Ready(())
        }))));
    })
}
