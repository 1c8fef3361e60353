//! The token beside its peers: tokio-util's `CancellationToken`, stop-token's `StopToken`, event-listener's `Event`, and a
//! bare `AtomicBool`, in one run. `.ci/ratios` makes a table of it.
//!
//! Every benchmark is named `operation/peer`; an iteration is one operation, or, where the operation is on a whole tree, one
//! node of it.

#![allow(dropping_copy_types, reason = "`drop` says that the answer is not wanted")]
#![allow(clippy::incompatible_msrv, reason = "benchmarks run on the stable toolchain")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use cancelable::CancellationToken as Ours;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use event_listener::{Event, Listener};
use stop_token::StopSource;
use tokio_util::sync::CancellationToken as TokioUtil;

/// Counts live bytes, for `bytes_per_child`; two relaxed additions per allocation, the same for everybody.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);
static COUNTS: AtomicBool = AtomicBool::new(false);

fn count(bytes: isize) {
    if COUNTS.load(Ordering::Relaxed) {
        LIVE.fetch_add(bytes, Ordering::Relaxed);
    }
}

// SAFETY: `System` does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    group
}

/// Times `run` on what `set_up` makes, in rounds of `nodes` iterations each.
fn per_node<T>(iterations: u64, nodes: u64, mut set_up: impl FnMut() -> T, mut run: impl FnMut(T) -> T) -> Duration {
    let rounds = iterations.div_ceil(nodes);
    let mut spent = Duration::ZERO;
    for _ in 0..rounds {
        let tree = set_up();
        let start = Instant::now();
        let tree = run(tree);
        spent += start.elapsed();
        drop(black_box(tree));
    }
    spent.mul_f64(iterations as f64 / (rounds * nodes) as f64)
}

fn ask(c: &mut Criterion) {
    let mut g = group(c, "is_cancelled");
    let flag = AtomicBool::new(false);
    g.bench_function("atomic", |b| b.iter(|| black_box(&flag).load(Ordering::Acquire)));
    let ours = Ours::new();
    g.bench_function("cancelable", |b| b.iter(|| black_box(&ours).is_cancelled()));
    g.bench_function("cancelable_check", |b| b.iter(|| black_box(&ours).check().is_err()));
    let theirs = TokioUtil::new();
    g.bench_function("tokio_util", |b| b.iter(|| black_box(&theirs).is_cancelled()));
    let source = StopSource::new();
    let mut token = source.token();
    g.bench_function("stop_token", |b| {
        b.iter(|| {
            Pin::new(black_box(&mut token))
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
        });
    });
    g.finish();
}

/// Runs `f` over and over on a second thread while `bench` runs.
fn beside<R>(f: impl Fn() + Sync, bench: impl FnOnce() -> R) -> R {
    let stop = AtomicBool::new(false);
    thread::scope(|s| {
        s.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..64 {
                    f();
                }
            }
        });
        let result = bench();
        stop.store(true, Ordering::Relaxed);
        result
    })
}

fn ask_two_threads(c: &mut Criterion) {
    let mut g = group(c, "is_cancelled_two_threads");
    let flag = AtomicBool::new(false);
    let ask = || drop(black_box(black_box(&flag).load(Ordering::Acquire)));
    beside(ask, || {
        g.bench_function("atomic", |b| b.iter(|| black_box(&flag).load(Ordering::Acquire)))
    });
    let ours = Ours::new();
    let ask = || drop(black_box(black_box(&ours).is_cancelled()));
    beside(ask, || {
        g.bench_function("cancelable", |b| b.iter(|| black_box(&ours).is_cancelled()))
    });
    let theirs = TokioUtil::new();
    let ask = || drop(black_box(black_box(&theirs).is_cancelled()));
    beside(ask, || {
        g.bench_function("tokio_util", |b| b.iter(|| black_box(&theirs).is_cancelled()))
    });
    g.finish();
}

fn make(c: &mut Criterion) {
    let mut g = group(c, "new_drop");
    g.bench_function("cancelable", |b| b.iter(|| drop(black_box(Ours::new()))));
    g.bench_function("tokio_util", |b| b.iter(|| drop(black_box(TokioUtil::new()))));
    g.bench_function("stop_token", |b| b.iter(|| drop(black_box(StopSource::new()))));
    g.bench_function("event_listener", |b| b.iter(|| drop(black_box(Event::<()>::new()))));
    g.bench_function("atomic", |b| {
        b.iter(|| drop(black_box(Arc::new(AtomicBool::new(false)))))
    });
    g.finish();

    let mut g = group(c, "clone_drop");
    let ours = Ours::new();
    g.bench_function("cancelable", |b| b.iter(|| drop(black_box(ours.clone()))));
    let theirs = TokioUtil::new();
    g.bench_function("tokio_util", |b| b.iter(|| drop(black_box(theirs.clone()))));
    g.finish();

    let mut g = group(c, "child_drop");
    let ours = Ours::new();
    g.bench_function("cancelable", |b| b.iter(|| drop(black_box(ours.child_token()))));
    let theirs = TokioUtil::new();
    g.bench_function("tokio_util", |b| b.iter(|| drop(black_box(theirs.child_token()))));
    g.finish();
}

const WIDE: u64 = 1_000_000;
const DEEP: u64 = 100_000;

fn wide(c: &mut Criterion) {
    let mut g = group(c, "cancel_wide");
    g.sample_size(10);
    g.bench_function("cancelable", |b| {
        let set_up = || {
            let root = Ours::new();
            let children: Vec<_> = (0..WIDE).map(|_| root.child_token()).collect();
            (root, children)
        };
        b.iter_custom(|n| {
            per_node(n, WIDE, set_up, |tree| {
                tree.0.cancel();
                tree
            })
        });
    });
    g.bench_function("tokio_util", |b| {
        let set_up = || {
            let root = TokioUtil::new();
            let children: Vec<_> = (0..WIDE).map(|_| root.child_token()).collect();
            (root, children)
        };
        b.iter_custom(|n| {
            per_node(n, WIDE, set_up, |tree| {
                tree.0.cancel();
                tree
            })
        });
    });
    g.finish();
}

/// A chain, root first.
fn chain<T>(root: T, child: impl Fn(&T) -> T) -> Vec<T> {
    let mut chain = Vec::with_capacity(DEEP as usize);
    chain.push(root);
    for i in 1..DEEP as usize {
        chain.push(child(&chain[i - 1]));
    }
    chain
}

fn deep(c: &mut Criterion) {
    let ours = || chain(Ours::new(), Ours::child_token);
    let theirs = || chain(TokioUtil::new(), TokioUtil::child_token);
    let mut g = group(c, "cancel_deep");
    g.bench_function("cancelable", |b| {
        b.iter_custom(|n| {
            per_node(n, DEEP, ours, |t| {
                t[0].cancel();
                t
            })
        })
    });
    g.bench_function("tokio_util", |b| {
        b.iter_custom(|n| {
            per_node(n, DEEP, theirs, |t| {
                t[0].cancel();
                t
            })
        })
    });
    g.finish();
    let mut g = group(c, "drop_deep");
    g.bench_function("cancelable", |b| {
        b.iter_custom(|n| {
            per_node(n, DEEP, ours, |mut t| {
                t.clear();
                t
            })
        })
    });
    g.bench_function("tokio_util", |b| {
        b.iter_custom(|n| {
            per_node(n, DEEP, theirs, |mut t| {
                t.clear();
                t
            })
        })
    });
    g.finish();
}

fn register(c: &mut Criterion) {
    fn once<F: Future>(future: F) {
        let pending = pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_pending();
        assert!(black_box(pending));
    }
    let mut g = group(c, "register_drop");
    let ours = Ours::new();
    g.bench_function("cancelable", |b| b.iter(|| once(ours.cancelled())));
    let theirs = TokioUtil::new();
    g.bench_function("tokio_util", |b| b.iter(|| once(theirs.cancelled())));
    let event = Event::<()>::new();
    g.bench_function("event_listener", |b| b.iter(|| once(event.listen())));
    let source = StopSource::new();
    g.bench_function("stop_token", |b| b.iter(|| once(source.token())));
    g.finish();

    let mut g = group(c, "callback_drop");
    g.bench_function("cancelable", |b| b.iter(|| drop(black_box(ours.on_cancel(|_| ())))));
    g.finish();
}

/// From the line before the cancel on this thread to the first line after the await on another, which is blocked in it.
fn latency<T: Send>(
    n: u64,
    new: impl Fn() -> T,
    wait: impl Fn(T) + Sync,
    cancel: impl Fn(&T),
    clone: impl Fn(&T) -> T,
) -> Duration {
    let mut spent = Duration::ZERO;
    for _ in 0..n {
        let token = new();
        let waiting = clone(&token);
        let ready = AtomicBool::new(false);
        spent += thread::scope(|s| {
            let waiter = s.spawn(|| {
                ready.store(true, Ordering::Release);
                wait(waiting);
                Instant::now()
            });
            while !ready.load(Ordering::Acquire) {
                std::hint::spin_loop();
            }
            // It parks meanwhile: a sleep, not a spin, for the waiter needs the processor too.
            thread::sleep(Duration::from_micros(100));
            let start = Instant::now();
            cancel(&token);
            waiter.join().map_or(Duration::ZERO, |woken| woken - start)
        });
    }
    spent
}

fn wake(c: &mut Criterion) {
    let mut g = group(c, "wake_thread_to_task");
    g.measurement_time(Duration::from_secs(3));
    g.bench_function("cancelable", |b| {
        b.iter_custom(|n| {
            let wait = |token: Ours| futures::executor::block_on(token.cancelled());
            latency(n, Ours::new, wait, Ours::cancel, Ours::clone)
        });
    });
    g.bench_function("tokio_util", |b| {
        b.iter_custom(|n| {
            let wait = |token: TokioUtil| futures::executor::block_on(token.cancelled());
            latency(n, TokioUtil::new, wait, TokioUtil::cancel, TokioUtil::clone)
        });
    });
    g.bench_function("event_listener", |b| {
        b.iter_custom(|n| {
            let new = || {
                let event = Arc::new(Event::<()>::new());
                (Arc::clone(&event), Some(event.listen()))
            };
            let wait = |(_, listener): (Arc<Event>, Option<event_listener::EventListener>)| {
                futures::executor::block_on(async {
                    if let Some(listener) = listener {
                        listener.await
                    }
                });
            };
            latency(
                n,
                new,
                wait,
                |(event, _)| drop(event.notify(usize::MAX)),
                |(event, _)| (Arc::clone(event), Some(event.listen())),
            )
        });
    });
    g.finish();
    let mut g = group(c, "wake_thread_to_thread");
    g.measurement_time(Duration::from_secs(3));
    g.bench_function("cancelable", |b| {
        b.iter_custom(|n| latency(n, Ours::new, |token| token.wait(), Ours::cancel, Ours::clone));
    });
    g.bench_function("event_listener", |b| {
        b.iter_custom(|n| {
            let new = || {
                let event = Arc::new(Event::<()>::new());
                (Arc::clone(&event), Some(event.listen()))
            };
            let wait = |(_, listener): (Arc<Event>, Option<event_listener::EventListener>)| {
                if let Some(listener) = listener {
                    listener.wait();
                }
            };
            latency(
                n,
                new,
                wait,
                |(event, _)| drop(event.notify(usize::MAX)),
                |(event, _)| (Arc::clone(event), Some(event.listen())),
            )
        });
    });
    g.finish();
}

/// A task woken on the thread that cancels it: what telling costs without the operating system's part.
fn wake_same_thread(c: &mut Criterion) {
    fn told<F: Future>(mut waiting: Pin<&mut F>, cancel: impl FnOnce()) {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        cancel();
        assert!(matches!(waiting.as_mut().poll(&mut cx), Poll::Ready(_)));
    }
    let mut g = group(c, "new_wait_cancel");
    g.bench_function("cancelable", |b| {
        b.iter(|| {
            let token = Ours::new();
            told(pin!(token.cancelled()), || token.cancel())
        });
    });
    g.bench_function("tokio_util", |b| {
        b.iter(|| {
            let token = TokioUtil::new();
            told(pin!(token.cancelled()), || token.cancel())
        });
    });
    g.finish();
}

/// Not a time: one "nanosecond" is a byte.
fn bytes(c: &mut Criterion) {
    fn live<T>(root: T, child: impl Fn(&T) -> T) -> f64 {
        COUNTS.store(true, Ordering::Relaxed);
        let before = LIVE.load(Ordering::Relaxed);
        let children: Box<[_]> = (0..WIDE).map(|_| child(&root)).collect();
        let bytes = LIVE.load(Ordering::Relaxed) - before;
        COUNTS.store(false, Ordering::Relaxed);
        drop(children);
        bytes as f64 / WIDE as f64
    }
    let ours = live(Ours::new(), Ours::child_token);
    let theirs = live(TokioUtil::new(), TokioUtil::child_token);
    let mut g = group(c, "bytes_per_child");
    g.sample_size(10);
    for (peer, bytes) in [("cancelable", ours), ("tokio_util", theirs)] {
        g.bench_function(peer, |b| {
            b.iter_custom(|n| {
                // Criterion doubles `n` until time has passed.
                thread::sleep(Duration::from_millis(20));
                Duration::from_nanos((bytes * n as f64) as u64)
            });
        });
    }
    g.finish();
}

criterion_group!(
    benches,
    ask,
    ask_two_threads,
    make,
    wide,
    deep,
    register,
    wake,
    wake_same_thread,
    bytes
);
criterion_main!(benches);
