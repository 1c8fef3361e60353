//! What awaits and scopes cost, beside the peers, on a machine that others use too: each is run two thousand times by
//! turns, again and again, and what counts is each one's best turn. (Medians are those of the neighbours, on such a machine.)
//!
//! `cargo bench -p cancelable --bench turns` prints the README's rows. `TURNS` in the environment says how many turns; by
//! default a hundred. (What two threads do at once takes a tenth as many, but fifty times as long each.)

mod common;
#[path = "common/measure.rs"]
mod measure;

use std::future::{Future, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Waker};
use std::time::Instant;

use cancelable::{CancellationToken, Cancelled, Scope, cancel_scope, check, guard};
use common::{HOUR, Once, drive, poll_to_the_end};
use measure::{Entry, RUNS, best, counts, runtime, turns, within};
use tokio_util::sync::CancellationToken as Theirs;

/// Sums up the awaits of a future, each in a function of its own.
macro_rules! awaits {
    ($i:ident => $future:expr, $ours:ident, $theirs:ident) => {
        [
            Box::new(|runs: u32| {
                black_box(drive(async {
                    let mut sum = 0;
                    for $i in 0..runs {
                        sum += $future.await;
                    }
                    sum
                }));
            }) as Box<dyn Fn(u32) + '_>,
            Box::new(|runs: u32| {
                let all = drive($ours.scope(async {
                    let mut sum = 0;
                    for $i in 0..runs {
                        sum += guard($future).await?;
                    }
                    Ok::<_, Cancelled>(sum)
                }));
                assert!(black_box(all).is_ok());
            }),
            Box::new(|runs: u32| {
                let all = drive(async {
                    let mut sum = 0;
                    for $i in 0..runs {
                        sum += $theirs.run_until_cancelled($future).await?;
                    }
                    Some(sum)
                });
                assert!(black_box(all).is_some());
            }),
        ]
    };
}

fn one_scope(cx: &mut Context<'_>, pending: bool) {
    let scope = Scope::new().timeout(HOUR);
    let output = poll_to_the_end(
        cx,
        scope.run(async { Ok::<_, Cancelled>(Once(!black_box(pending)).await) }),
    );
    black_box(output.expect("not cancelled"));
}

fn one_cancel_scope(cx: &mut Context<'_>, pending: bool) {
    let scope = cancel_scope!(timeout = HOUR, async {
        Ok::<_, Cancelled>(Once(!black_box(pending)).await)
    });
    black_box(poll_to_the_end(cx, scope).expect("not cancelled"));
}

/// What observers are told of, if there are any.
fn one_named(cx: &mut Context<'_>, pending: bool) {
    let scope = Scope::new().timeout(HOUR).name("named");
    let output = poll_to_the_end(
        cx,
        scope.run(async { Ok::<_, Cancelled>(Once(!black_box(pending)).await) }),
    );
    black_box(output.expect("not cancelled"));
}

/// Awaits in a scope that has a name.
fn awaits_in_named(runs: u32, pending: bool) {
    let scope = Scope::new().name("named").run(async {
        let mut sum = 0;
        for _ in 0..runs {
            sum += guard(Once(!black_box(pending))).await?;
        }
        Ok::<_, Cancelled>(sum)
    });
    assert!(black_box(drive(scope)).is_ok());
}

fn two_nested(cx: &mut Context<'_>, pending: bool) {
    let scope = Scope::new().timeout(HOUR).run(async {
        let inner = async { guard(Once(!black_box(pending))).await };
        guard(Scope::new().timeout(HOUR).run(inner)).await?
    });
    black_box(poll_to_the_end(cx, scope).expect("not cancelled"));
}

fn one_of_theirs(cx: &mut Context<'_>, parent: &Theirs, pending: bool) {
    let child = parent.child_token();
    let timeout = tokio::time::timeout(HOUR, child.run_until_cancelled(Once(!black_box(pending))));
    black_box(
        poll_to_the_end(cx, timeout)
            .expect("no timeout")
            .expect("not cancelled"),
    );
}

/// A wait that a cancel on the same thread ends: what telling costs without the operating system's part.
macro_rules! woken {
    ($token:ty) => {
        Box::new(|runs| {
            for _ in 0..runs {
                let token = <$token>::new();
                let mut cx = Context::from_waker(Waker::noop());
                let mut waiting = pin!(token.cancelled());
                assert!(waiting.as_mut().poll(&mut cx).is_pending());
                token.cancel();
                assert!(waiting.poll(&mut cx).is_ready());
            }
        })
    };
}

/// One turn of two threads at once, that have nothing in common but what the library has for all: the slower one's time.
fn two_threads(f: impl Fn(&mut Context<'_>, &Theirs) + Sync) -> f64 {
    let barrier = Barrier::new(2);
    let work = || {
        let (runtime, ours, theirs) = (runtime(), CancellationToken::new(), Theirs::new());
        let run = within(&runtime, &ours, |cx| f(cx, &theirs));
        barrier.wait();
        let start = Instant::now();
        run(50 * RUNS);
        start.elapsed().as_nanos() as f64 / f64::from(50 * RUNS)
    };
    std::thread::scope(|threads| {
        let both = [threads.spawn(work), threads.spawn(work)].map(|thread| thread.join().expect("no panic"));
        both[0].max(both[1])
    })
}

fn main() {
    let (ours, theirs, runtime) = (CancellationToken::new(), Theirs::new(), runtime());
    let [ready_plain, ready_guard, ready_theirs] = awaits!(i => ready(black_box(i)), ours, theirs);
    let [pending_plain, pending_guard, pending_theirs] = awaits!(_i => Once(black_box(false)), ours, theirs);
    let flag = std::sync::atomic::AtomicBool::new(false);
    // Who observes has a thread of its own from then on.
    awaits_in_named(1, false);
    let mut entries: Vec<Entry<'_>> = vec![
        ("await, ready: plain", ready_plain),
        ("await, ready: guard", ready_guard),
        ("await, ready: run_until_cancelled", ready_theirs),
        ("await, pending once: plain", pending_plain),
        ("await, pending once: guard", pending_guard),
        ("await, pending once: run_until_cancelled", pending_theirs),
        (
            "an atomic load",
            Box::new(|runs| {
                for _ in 0..runs {
                    black_box(black_box(&flag).load(std::sync::atomic::Ordering::Acquire));
                }
            }),
        ),
        (
            "await, ready: guard, named scope",
            Box::new(|runs| awaits_in_named(runs, false)),
        ),
        (
            "await, pending once: guard, named scope",
            Box::new(|runs| awaits_in_named(runs, true)),
        ),
        (
            "scope, ready: named",
            within(&runtime, &ours, |cx| one_named(cx, false)),
        ),
        (
            "scope, pending: named",
            within(&runtime, &ours, |cx| one_named(cx, true)),
        ),
        ("new, wait, cancel, woken, drop", woken!(CancellationToken)),
        ("new, wait, cancel, woken, drop: theirs", woken!(Theirs)),
        (
            "sync scope, one check",
            Box::new(|runs| {
                ours.sync_scope(|| {
                    for _ in 0..runs {
                        let output = Scope::new().timeout(HOUR).run_sync(|| {
                            check()?;
                            Ok::<_, Cancelled>(black_box(1))
                        });
                        assert!(output.is_ok());
                    }
                });
            }),
        ),
    ];
    for (pending, names) in [
        (
            false,
            [
                "scope, ready",
                "cancel_scope!, ready",
                "two nested, ready",
                "theirs, ready",
            ],
        ),
        (
            true,
            [
                "scope, pending",
                "cancel_scope!, pending",
                "two nested, pending",
                "theirs, pending",
            ],
        ),
    ] {
        let theirs = &theirs;
        entries.push((names[0], within(&runtime, &ours, move |cx| one_scope(cx, pending))));
        entries.push((
            names[1],
            within(&runtime, &ours, move |cx| one_cancel_scope(cx, pending)),
        ));
        entries.push((names[2], within(&runtime, &ours, move |cx| two_nested(cx, pending))));
        entries.push((
            names[3],
            within(&runtime, &ours, move |cx| one_of_theirs(cx, theirs, pending)),
        ));
    }
    if counts(&entries) {
        return;
    }
    let turns = turns();
    let best = best(turns, &entries);
    println!("| best of {turns} turns | ns |\n|---|---:|");
    for ((name, _), best) in entries.iter().zip(&best) {
        println!("| {name} | {best:.2} |");
    }
    let (mut two_ours, mut two_theirs) = (f64::MAX, f64::MAX);
    for _ in 0..turns.div_ceil(10) {
        two_ours = two_ours.min(two_threads(|cx, _| one_scope(cx, true)));
        two_theirs = two_theirs.min(two_threads(|cx, theirs| one_of_theirs(cx, theirs, true)));
    }
    println!("| scope, pending, on two threads at once | {two_ours:.2} |\n| theirs, the same | {two_theirs:.2} |\n");

    let ns = |name: &str| best[entries.iter().position(|entry| entry.0 == name).expect("an entry")];
    println!("| figure | wanted | here |\n|---|---|---|");
    for (kind, addition, times) in [("ready", 1.5, 15.0), ("pending once", 5.0, 12.0)] {
        let of = |who| ns(&format!("await, {kind}: {who}"));
        let (ours, theirs) = (of("guard") - of("plain"), of("run_until_cancelled") - of("plain"));
        println!(
            "| await, {kind} | ≤ +{addition} ns, ≥ {times} × | {ours:+.2} ns, {:.0} × |",
            theirs / ours
        );
    }
    for (kind, ratio) in [("ready", 0.5), ("pending", 0.7)] {
        let here = ns(&format!("scope, {kind}")) / ns(&format!("theirs, {kind}"));
        println!("| scope, {kind} | ≤ {ratio} | {here:.2} |");
    }
    let woken = "new, wait, cancel, woken, drop";
    let here = ns(woken) / ns(&format!("{woken}: theirs"));
    println!("| {woken} | ≤ 1.0 | {here:.2} |");
    println!("| scope, pending, two threads | | {:.2} |", two_ours / two_theirs);
}
