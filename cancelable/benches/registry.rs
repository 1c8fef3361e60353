//! What it takes to read the registry: a snapshot, a name and a number among a hundred thousand named scopes that are pending.
//!
//! `cargo bench -p cancelable --features registry --bench registry` prints a row for each, the best of `TURNS` (20 by default). What
//! scopes and awaits pay for it is in `turns.rs`; `.ci/registry` compares that with the feature and without.

use std::future::pending;
use std::hint::black_box;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use cancelable::{Cancelled, Scope, guard, registry};

const SCOPES: usize = 100_000;

/// The best turn, without dropping what comes of it.
fn measure<T>(turns: u32, name: &str, f: impl Fn() -> T) {
    let once = |_| {
        let start = Instant::now();
        let value = black_box(f());
        let took = start.elapsed();
        drop(value);
        took
    };
    let best = (0..turns).map(once).min().expect("a turn");
    println!("| {name} | {:.3} |", best.as_secs_f64() * 1e3);
}

fn main() {
    let turns: u32 = std::env::var("TURNS").map_or(20, |turns| turns.parse().expect("TURNS is a number"));
    let mut cx = Context::from_waker(Waker::noop());
    let scopes: Vec<_> = (0..SCOPES)
        .map(|_| {
            let mut scope = Box::pin(Scope::new().name("one of many").run(async {
                guard(pending::<()>()).await?;
                Ok::<_, Cancelled>(())
            }));
            assert!(scope.as_mut().poll(&mut cx).is_pending());
            scope
        })
        .collect();
    let all = registry::snapshot().scopes;
    assert_eq!(all.len(), SCOPES);
    let middle = all[SCOPES / 2].id;
    drop(all);

    println!("| {SCOPES} named scopes, best of {turns} turns | ms |\n|---|---:|");
    measure(turns, "`snapshot()`", registry::snapshot);
    measure(turns, "`snapshot()`, as text", || registry::snapshot().to_string());
    measure(turns, "`find(name)`, of which there is none", || {
        registry::find("no such scope")
    });
    measure(turns, "`stragglers(0s)`, of which there are none", || {
        registry::stragglers(Duration::ZERO)
    });
    measure(turns, "`cancel(id)`, of which there is none", || {
        registry::cancel(u64::MAX)
    });
    let start = Instant::now();
    assert!(registry::cancel(middle));
    println!("| `cancel(id)`, once | {:.3} |", start.elapsed().as_secs_f64() * 1e3);
    drop(scopes);
}
