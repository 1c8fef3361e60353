//! Holds that several threads poll at once, while others cancel: none is cut, and nobody waits for ever.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use cancelable::{CancellationToken, Cancelled, cancelable, check, guard, shield};
use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::{self, BoxFuture, Shared};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tests::step::{Log, two_halves};
use tokio::runtime::{Builder, Runtime};

type Outcome = Result<(), Cancelled>;
type Flight = Shared<BoxFuture<'static, ()>>;

const FLIGHTS: usize = 3;
const TASKS: usize = 4;

/// Random numbers, the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    /// Takes some time, or none.
    fn dawdle(&mut self) {
        for _ in 0..self.below(200) {
            std::hint::spin_loop();
        }
        if self.below(4) == 0 {
            thread::yield_now();
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(3)
        .enable_time()
        .build()
        .unwrap()
}

#[cancelable]
async fn in_a_crowd(flights: Vec<Flight>) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter(flights);
    while let Some(()) = crowd.next().await {}
    check()
}

#[cancelable]
async fn by_reference(mut flights: Vec<Flight>) -> Outcome {
    while !flights.is_empty() {
        let ((), which, _) = future::select_all(&mut flights).await;
        drop(flights.remove(which));
    }
    check()
}

/// All in one await.
async fn at_once(flights: Vec<Flight>) -> Outcome {
    guard(future::join_all(flights)).await.map(drop)
}

type Waits = fn(Vec<Flight>) -> BoxFuture<'static, Outcome>;

const WAYS: [Waits; 3] = [
    |flights| in_a_crowd(flights).boxed(),
    |flights| by_reference(flights).boxed(),
    |flights| at_once(flights).boxed(),
];

/// Tasks that wait for the same shields; their tokens are cancelled and the shields end in any order.
fn play(runtime: &Runtime, seed: u64) {
    let (log, mut numbers) = (Log::default(), Numbers(seed));
    let (gates, flights): (Vec<_>, Vec<Flight>) = (0..FLIGHTS)
        .map(|_| {
            let (open, gate) = oneshot::channel::<()>();
            (open, shield(two_halves(log.clone(), gate)).boxed().shared())
        })
        .unzip();
    let tokens = [(); TASKS].map(|()| CancellationToken::new());
    let tasks: Vec<_> = tokens
        .iter()
        .enumerate()
        .map(|(number, token)| {
            let mut flights = flights.clone();
            flights.rotate_left(number % FLIGHTS);
            let way = WAYS[numbers.below(WAYS.len() as u64) as usize];
            runtime.spawn(token.scope(way(flights)))
        })
        .collect();
    while log.count("begun") < FLIGHTS {
        thread::yield_now();
    }
    drop(flights);
    let together = Barrier::new(2);
    thread::scope(|threads| {
        let mut others = Numbers(!seed);
        let (tokens, together) = (&tokens, &together);
        threads.spawn(move || {
            together.wait();
            for token in tokens {
                others.dawdle();
                token.cancel();
            }
            together.wait();
        });
        together.wait();
        let is_behind = numbers.below(2) == 0;
        if is_behind {
            together.wait();
        }
        for gate in gates {
            numbers.dawdle();
            // Nobody waits for it, if all have been cancelled: then there would be nothing to send it to.
            assert!(gate.send(()).is_ok(), "seed {seed}: cut");
        }
        if !is_behind {
            together.wait();
        }
    });
    runtime.block_on(async {
        // A task that hangs is a fault to be told, not to be waited for.
        let all = tokio::time::timeout(Duration::from_secs(60), future::join_all(tasks)).await;
        for outcome in all.unwrap_or_else(|_| panic!("seed {seed}: somebody waits for ever: {:?}", log.all())) {
            drop(outcome.unwrap());
        }
    });
    let counts = ["begun", "done", "cut"].map(|what| log.count(what));
    assert_eq!(counts, [FLIGHTS, FLIGHTS, 0], "seed {seed}");
}

#[test]
fn l12_shields_that_several_threads_poll_are_ended_and_hold_nobody_for_ever() {
    let runtime = runtime();
    for seed in 0..1_000 {
        play(&runtime, seed);
    }
}

#[test]
fn l12_tasks_that_are_aborted_leave_nobody_waiting() {
    // Whoever aborts the last task that has a shield cuts it; but nobody waits for what is gone.
    let runtime = runtime();
    for seed in 0..500 {
        let (log, mut numbers) = (Log::default(), Numbers(seed));
        let (gates, flights): (Vec<_>, Vec<Flight>) = (0..FLIGHTS)
            .map(|_| {
                let (open, gate) = oneshot::channel::<()>();
                (open, shield(two_halves(log.clone(), gate)).boxed().shared())
            })
            .unzip();
        let tokens = [(); TASKS].map(|()| CancellationToken::new());
        let mut tasks: Vec<_> = tokens
            .iter()
            .map(|token| {
                let way = WAYS[numbers.below(WAYS.len() as u64) as usize];
                runtime.spawn(token.scope(way(flights.clone())))
            })
            .collect();
        while log.count("begun") < FLIGHTS {
            thread::yield_now();
        }
        drop(flights);
        let stay = tasks.split_off(TASKS / 2);
        thread::scope(|threads| {
            let (mut others, tokens) = (Numbers(!seed), &tokens);
            threads.spawn(move || {
                for token in tokens {
                    others.dawdle();
                    token.cancel();
                }
            });
            for task in &tasks {
                numbers.dawdle();
                task.abort();
            }
        });
        for gate in gates {
            // It is not there any more, if it was cut.
            let _ = gate.send(());
        }
        runtime.block_on(async {
            let all = tokio::time::timeout(Duration::from_secs(60), future::join_all(stay)).await;
            assert!(all.is_ok(), "seed {seed}: somebody waits for ever: {:?}", log.all());
            future::join_all(tasks).await;
        });
        assert_eq!(log.count("done") + log.count("cut"), FLIGHTS, "seed {seed}");
    }
}

#[test]
fn l12_a_shield_goes_from_thread_to_thread_and_each_lets_go_of_its_scope() {
    // A ring: each task polls the hold once and hands it on. Then it waits, and is cancelled.
    let runtime = runtime();
    for seed in 0..300 {
        let log = Log::default();
        let (open, gate) = oneshot::channel::<()>();
        let hold = shield(two_halves(log.clone(), gate)).boxed();
        let (first, mut hands_on) = oneshot::channel::<BoxFuture<'static, ()>>();
        let mut tasks = Vec::new();
        let tokens = [(); TASKS].map(|()| CancellationToken::new());
        for token in &tokens {
            let (next, receives) = oneshot::channel();
            let received = std::mem::replace(&mut hands_on, receives);
            tasks.push(runtime.spawn(token.scope(async move {
                let mut hold = received.await.unwrap();
                let polls = future::select(&mut hold, future::ready(()));
                drop(guard(polls).await);
                drop(next.send(hold));
                guard(std::future::pending::<()>()).await
            })));
        }
        first.send(hold).unwrap_or_else(|_| panic!("it waits for it"));
        thread::scope(|threads| {
            let mut others = Numbers(seed);
            let tokens = &tokens;
            threads.spawn(move || {
                for token in tokens {
                    others.dawdle();
                    token.cancel();
                }
            });
        });
        runtime.block_on(async {
            let waits = async {
                // At the end of the ring it is polled to its end, under no scope.
                let hold = hands_on.await.unwrap();
                open.send(()).unwrap();
                hold.await;
                future::join_all(tasks).await
            };
            let all = tokio::time::timeout(Duration::from_secs(60), waits).await;
            for outcome in all.unwrap_or_else(|_| panic!("seed {seed}: somebody waits for ever")) {
                assert!(outcome.unwrap().is_err(), "seed {seed}");
            }
        });
        assert_eq!(log.all(), ["begun", "done"], "seed {seed}");
    }
}
