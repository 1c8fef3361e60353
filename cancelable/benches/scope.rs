//! What check points, guarded awaits and scopes cost, beside the peers, as a ladder from "no cancellation".
//!
//! Each group is one figure of the README; the last part of a name says who. The async ones are polled by hand, so that
//! no executor's cost is in them; but they are polled as executors do, through a pointer to a future that the caller does not
//! know. Otherwise the plain ones dissolve into their caller, loop and all, and what is compared is not what a task costs.
//! (The groups `…_inlined` show that as well.)

#![allow(missing_docs, reason = "criterion's macros")]

mod common;

use std::future::{Future, poll_fn, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cancelable::{CancellationToken, Cancelled, Scope, cancel_scope, check, guard};
use common::{HOUR, Once, drive, poll_to_the_end};
use criterion::{Criterion, criterion_group, criterion_main};

/// How many awaits one measured future makes.
const AWAITS: u32 = 1000;

/// The same, as seen by an optimiser that knows the future.
fn drive_inlined<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

fn ask(c: &mut Criterion) {
    let mut group = c.benchmark_group("ask");
    let flag = AtomicBool::new(false);
    group.bench_function("atomic", |b| b.iter(|| black_box(&flag).load(Ordering::Acquire)));
    let token = CancellationToken::new();
    token.sync_scope(|| {
        group.bench_function("ambient", |b| b.iter(|| check().is_ok()));
    });
    let theirs = tokio_util::sync::CancellationToken::new();
    group.bench_function("tokio_util", |b| b.iter(|| black_box(&theirs).is_cancelled()));
    let trigger = cancel_this::CancelAtomic::default();
    cancel_this::on_trigger(trigger, || {
        group.bench_function("cancel_this", |b| {
            b.iter(|| {
                let asked: Result<(), cancel_this::Cancelled> = cancel_this::is_cancelled!();
                asked.is_ok()
            });
        });
        Ok::<(), cancel_this::Cancelled>(())
    })
    .expect("nobody cancels");
    group.finish();
}

/// What makes the awaits, as a macro: an `async` block that was passed in would be one future in all groups.
macro_rules! awaits {
    ($c:expr, $name:literal, $drive:ident, $i:ident => $future:expr) => {{
        let mut group = $c.benchmark_group($name);
        group.bench_function("plain", |b| {
            b.iter(|| {
                $drive(async {
                    let mut sum = 0;
                    for $i in 0..AWAITS {
                        sum += $future.await;
                    }
                    sum
                })
            });
        });
        let token = CancellationToken::new();
        group.bench_function("guard", |b| {
            b.iter(|| {
                $drive(token.scope(async {
                    let mut sum = 0;
                    for $i in 0..AWAITS {
                        sum += guard($future).await?;
                    }
                    Ok::<_, Cancelled>(sum)
                }))
            });
        });
        let theirs = tokio_util::sync::CancellationToken::new();
        group.bench_function("run_until_cancelled", |b| {
            b.iter(|| {
                $drive(async {
                    let mut sum = 0;
                    for $i in 0..AWAITS {
                        sum += theirs.run_until_cancelled($future).await?;
                    }
                    Some(sum)
                })
            });
        });
        group.finish();
    }};
}

fn awaits(c: &mut Criterion) {
    awaits!(c, "await_ready", drive, i => ready(black_box(i)));
    awaits!(c, "await_pending_once", drive, _i => Once(black_box(false)));
    awaits!(c, "await_ready_inlined", drive_inlined, i => ready(black_box(i)));
    awaits!(c, "await_pending_once_inlined", drive_inlined, _i => Once(black_box(false)));
}

/// A sync scope with a deadline and a check point in it.
fn sync_scope(c: &mut Criterion) {
    CancellationToken::new().sync_scope(|| {
        c.bench_function("sync_scope/scope", |b| {
            b.iter(|| {
                Scope::new().timeout(HOUR).run_sync(|| {
                    check()?;
                    Ok::<_, Cancelled>(black_box(1))
                })
            });
        });
    });
}

fn scopes(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    for (name, pending) in [("scope_ready", false), ("scope_pending_once", true)] {
        let body = move || Once(!black_box(pending));
        let mut group = c.benchmark_group(name);
        let parent = CancellationToken::new();
        let within_parent = |run: &mut dyn FnMut(&mut Context<'_>)| {
            runtime.block_on(parent.scope(poll_fn(|cx| {
                run(cx);
                Poll::Ready(())
            })));
        };
        group.bench_function("scope", |b| {
            within_parent(&mut |cx| {
                b.iter(|| {
                    let scope = Scope::new().timeout(HOUR);
                    poll_to_the_end(cx, scope.run(async { Ok::<_, Cancelled>(body().await) }))
                });
            });
        });
        // As `cancel_scope!` has it: with a check point inside.
        group.bench_function("cancel_scope", |b| {
            within_parent(&mut |cx| {
                b.iter(|| {
                    poll_to_the_end(
                        cx,
                        cancel_scope!(timeout = HOUR, async { Ok::<_, Cancelled>(body().await) }),
                    )
                });
            });
        });
        let parent = tokio_util::sync::CancellationToken::new();
        group.bench_function("timeout_child_run_until", |b| {
            runtime.block_on(poll_fn(|cx| {
                b.iter(|| {
                    let child = parent.child_token();
                    poll_to_the_end(cx, tokio::time::timeout(HOUR, child.run_until_cancelled(body())))
                });
                Poll::Ready(())
            }));
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = ask, awaits, scopes, sync_scope
}
criterion_main!(benches);
