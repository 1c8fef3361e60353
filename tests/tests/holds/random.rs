//! Random programs: tasks that take shared holds up in any order, are cancelled and polled. None is cut, and all come to rest.

use super::*;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::Shared;

type Flight = Shared<BoxFuture<'static, Outcome>>;

const TASKS: usize = 3;
const FLIGHTS: usize = 2;

/// The same numbers for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// Something for a task to do in its next turn.
enum Step {
    /// From now on it polls this as well.
    Take(Flight),
    /// It polls this once, in an await of its own, and keeps it.
    PollOnce(Flight),
    /// It opens a scope for its next turn.
    InAScope,
    End,
}

/// Ready with the next of those that are.
async fn any(flights: &mut [Flight]) -> usize {
    if flights.is_empty() {
        return pending().await;
    }
    let (ended, which, _) = future::select_all(flights.iter_mut()).await;
    ended.unwrap();
    which
}

/// A task: each turn ends with a step or with a hold.
async fn turns(mut steps: UnboundedReceiver<Step>) -> Outcome {
    let mut flights = Vec::new();
    let mut kept = Vec::new();
    let mut is_in_a_scope = false;
    loop {
        let turn = future::select(steps.next(), any(&mut flights).boxed());
        let turn = turn.map(|either| match either {
            Either::Left((step, _)) => Either::Left(step),
            Either::Right((ended, _)) => Either::Right(ended),
        });
        let turn = if std::mem::take(&mut is_in_a_scope) {
            Scope::new().run(guard(turn)).await?
        } else {
            guard(turn).await?
        };
        match turn {
            Either::Left(Some(Step::Take(flight))) => flights.push(flight),
            Either::Left(Some(Step::PollOnce(mut flight))) => {
                let polls = future::select(&mut flight, ready(()));
                drop(guard(polls).await?);
                kept.push(flight);
            }
            Either::Left(Some(Step::InAScope)) => is_in_a_scope = true,
            Either::Left(Some(Step::End) | None) => break,
            Either::Right(ended) => drop(flights.remove(ended)),
        }
    }
    for flight in kept.into_iter().chain(flights) {
        guard(flight).await??;
    }
    check()
}

struct Running {
    token: CancellationToken,
    task: Option<Driven<'static, Outcome>>,
    steps: UnboundedSender<Step>,
}

impl Running {
    fn run(&mut self) {
        if self.task.as_mut().is_some_and(|task| task.run().is_ready()) {
            self.task = None;
        }
    }

    fn is_woken(&self) -> bool {
        self.task.as_ref().is_some_and(Driven::is_woken)
    }
}

/// Runs all until nobody is woken.
fn come_to_rest(tasks: &mut [Running]) {
    for _ in 0..1_000 {
        tasks.iter_mut().for_each(Running::run);
        if !tasks.iter().any(Running::is_woken) {
            return;
        }
    }
    panic!("they wake each other for ever");
}

fn play(seed: u64) {
    let (mut numbers, log) = (Numbers(seed), Log::default());
    let (mut gates, flights): (Vec<_>, Vec<Flight>) = (0..FLIGHTS)
        .map(|_| {
            let (open, gate) = oneshot::channel::<()>();
            (Some(open), shielded(log.clone(), gate).shared())
        })
        .unzip();
    let mut tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (token, (steps, received)) = (CancellationToken::new(), unbounded());
            let body = turns(received);
            let task = if numbers.below(2) == 0 {
                Driven::new(token.scope(body))
            } else {
                Driven::new(Scope::new().parent(&token).run(body))
            };
            let task = Some(task);
            Running { token, task, steps }
        })
        .collect();
    // Each has each of them in some way.
    for _ in 0..12 {
        let task = &mut tasks[numbers.below(TASKS)];
        let flight = flights[numbers.below(FLIGHTS)].clone();
        let step = match numbers.below(6) {
            0 | 1 => Step::Take(flight),
            2 => Step::PollOnce(flight),
            3 => Step::InAScope,
            _ => {
                task.run();
                continue;
            }
        };
        drop(task.steps.unbounded_send(step));
    }
    come_to_rest(&mut tasks);
    let begun = log.count("begun");
    drop(flights);
    let cut_by_nobody = log.count("cut");
    assert_eq!(cut_by_nobody, 0);
    for _ in 0..12 {
        let task = numbers.below(TASKS);
        match numbers.below(5) {
            0 => tasks[task].token.cancel(),
            1 => tasks[task].run(),
            2 => {
                if let Some(gate) = gates[numbers.below(FLIGHTS)].take() {
                    let _ = gate.send(());
                }
            }
            3 => drop(tasks[task].steps.unbounded_send(Step::InAScope)),
            _ => come_to_rest(&mut tasks),
        }
    }
    come_to_rest(&mut tasks);
    assert_eq!(log.count("cut"), 0, "seed {seed}: a hold has been cut: {:?}", log.all());
    for gate in gates.into_iter().flatten() {
        let _ = gate.send(());
    }
    for task in &mut tasks {
        task.token.cancel();
        drop(task.steps.unbounded_send(Step::End));
    }
    come_to_rest(&mut tasks);
    assert_eq!(log.count("cut"), 0, "seed {seed}: a hold has been cut: {:?}", log.all());
    assert_eq!(log.count("done"), begun, "seed {seed}");
    let waiting = tasks.iter().filter(|task| task.task.is_some()).count();
    assert_eq!(waiting, 0, "seed {seed}: somebody waits for ever: {:?}", log.all());
}

#[test]
fn l12_shared_holds_in_random_programs_are_not_cut_and_hold_nobody_for_ever() {
    let mut failed = Vec::new();
    for seed in 0..3_000 {
        if catch_unwind(|| play(seed)).is_err() {
            failed.push(seed);
        }
    }
    assert!(
        failed.is_empty(),
        "{} failed: {:?}",
        failed.len(),
        &failed[..failed.len().min(10)]
    );
}
