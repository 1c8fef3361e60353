//! What check points, guarded awaits and scopes cost, beside the peers, as a ladder from "no cancellation".
//!
//! Each group is one figure of the README; the last part of a name says who. The async ones are polled by hand, so that
//! no executor's cost is in them.

#![allow(missing_docs, reason = "criterion's macros")]

use std::future::{Future, poll_fn, ready};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cancelable::{CancellationToken, Cancelled, Scope, check, guard};
use criterion::{Criterion, criterion_group, criterion_main};

/// How many awaits one measured future makes.
const AWAITS: u32 = 1000;

/// Drives a future that wakes itself, without an executor.
fn drive<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

/// Pending once.
struct Once(bool);

impl Future for Once {
    type Output = u32;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        if self.0 {
            return Poll::Ready(1);
        }
        self.0 = true;
        Poll::Pending
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

fn awaits(c: &mut Criterion) {
    let mut group = c.benchmark_group("await_ready");
    group.bench_function("plain", |b| {
        b.iter(|| {
            drive(async {
                let mut sum = 0;
                for i in 0..AWAITS {
                    sum += ready(black_box(i)).await;
                }
                sum
            })
        });
    });
    let token = CancellationToken::new();
    group.bench_function("guard", |b| {
        b.iter(|| {
            drive(token.scope(async {
                let mut sum = 0;
                for i in 0..AWAITS {
                    sum += guard(ready(black_box(i))).await?;
                }
                Ok::<_, Cancelled>(sum)
            }))
        });
    });
    let theirs = tokio_util::sync::CancellationToken::new();
    group.bench_function("run_until_cancelled", |b| {
        b.iter(|| {
            drive(async {
                let mut sum = 0;
                for i in 0..AWAITS {
                    sum += theirs.run_until_cancelled(ready(black_box(i))).await?;
                }
                Some(sum)
            })
        });
    });
    group.finish();

    let mut group = c.benchmark_group("await_pending_once");
    group.bench_function("plain", |b| {
        b.iter(|| {
            drive(async {
                let mut sum = 0;
                for _ in 0..AWAITS {
                    sum += Once(black_box(false)).await;
                }
                sum
            })
        });
    });
    group.bench_function("guard", |b| {
        b.iter(|| {
            drive(token.scope(async {
                let mut sum = 0;
                for _ in 0..AWAITS {
                    sum += guard(Once(black_box(false))).await?;
                }
                Ok::<_, Cancelled>(sum)
            }))
        });
    });
    group.bench_function("run_until_cancelled", |b| {
        b.iter(|| {
            drive(async {
                let mut sum = 0;
                for _ in 0..AWAITS {
                    sum += theirs.run_until_cancelled(Once(black_box(false))).await?;
                }
                Some(sum)
            })
        });
    });
    group.finish();
}

fn scopes(c: &mut Criterion) {
    const HOUR: Duration = Duration::from_secs(3600);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    for (name, pending) in [("scope_ready", false), ("scope_pending_once", true)] {
        let body = move || Once(!black_box(pending));
        let mut group = c.benchmark_group(name);
        let parent = CancellationToken::new();
        group.bench_function("scope", |b| {
            runtime.block_on(parent.scope(poll_fn(|cx| {
                b.iter(|| {
                    let mut scope = pin!(
                        Scope::new()
                            .timeout(HOUR)
                            .run(async { Ok::<_, Cancelled>(body().await) })
                    );
                    loop {
                        if let Poll::Ready(output) = scope.as_mut().poll(cx) {
                            return output.ok();
                        }
                    }
                });
                Poll::Ready(())
            })));
        });
        let parent = tokio_util::sync::CancellationToken::new();
        group.bench_function("timeout_child_run_until", |b| {
            runtime.block_on(poll_fn(|cx| {
                b.iter(|| {
                    let child = parent.child_token();
                    let mut scope = pin!(tokio::time::timeout(HOUR, child.run_until_cancelled(body())));
                    loop {
                        if let Poll::Ready(output) = scope.as_mut().poll(cx) {
                            return output.ok();
                        }
                    }
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
    targets = ask, awaits, scopes
}
criterion_main!(benches);
