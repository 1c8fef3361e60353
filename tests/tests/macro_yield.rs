//! `yield_every = n`: the loops of an async function give way to other tasks, on any executor, and still check at every turn.

use std::cell::Cell;
use std::future::{Future, ready};
use std::task::Poll;
use std::time::Duration;

use cancelable::{CancellationToken, Cancelled, Scope, cancelable};
use futures::future::{Either, join, select};
use tests::{CountingWaker, on_every_runtime, poll_once, poll_with};

/// Runs on a thread of its own, whose turns nobody else counts.
fn on_a_fresh_thread(test: impl FnOnce() + Send + 'static) {
    std::thread::spawn(test)
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Polls to the end; says how often it was pending, each time after it has woken its task.
fn pauses<F: Future>(future: F) -> (usize, F::Output) {
    let mut future = Box::pin(future);
    let (counter, waker) = CountingWaker::new();
    let mut pauses = 0;
    loop {
        match poll_with(&mut future, &waker) {
            Poll::Ready(output) => return (pauses, output),
            Poll::Pending => {
                pauses += 1;
                assert_eq!(counter.count(), pauses);
            }
        }
    }
}

#[cancelable(yield_every = 10)]
async fn goes_through(turns: u32) -> Result<u32, Cancelled> {
    let mut sum = 0;
    for n in 0..turns {
        sum += n;
    }
    Ok(sum)
}

#[cancelable(yield_every = 10)]
async fn counts_down(turns: u32) -> Result<u32, Cancelled> {
    let (mut left, mut sum) = (turns, 0);
    while left > 0 {
        left -= 1;
        sum += left;
    }
    Ok(sum)
}

#[cancelable(yield_every = 10)]
async fn breaks_out(turns: u32) -> Result<u32, Cancelled> {
    let (mut n, mut sum) = (0, 0);
    Ok(loop {
        if n == turns {
            break sum;
        }
        sum += n;
        n += 1;
    })
}

#[test]
fn every_nth_turn_of_each_kind_of_loop_is_a_pause() {
    for (turns, expected) in [(0, 0), (9, 0), (10, 1), (29, 2), (100, 10)] {
        on_a_fresh_thread(move || {
            let (paused, sum) = pauses(goes_through(turns));
            assert_eq!((paused, sum.unwrap()), (expected, (0..turns).sum()));
        });
        on_a_fresh_thread(move || {
            let (paused, sum) = pauses(counts_down(turns));
            // One condition more than turns: the one that is not true.
            assert_eq!((paused, sum.unwrap()), ((turns as usize + 1) / 10, (0..turns).sum()));
        });
        on_a_fresh_thread(move || {
            let (paused, sum) = pauses(breaks_out(turns));
            // One turn more: the one that leaves.
            assert_eq!((paused, sum.unwrap()), ((turns as usize + 1) / 10, (0..turns).sum()));
        });
    }
}

const LINE_OF_THE_LOOP: u32 = line!() + 5;

/// Each turn says so, to whom runs in between.
#[cancelable(yield_every = 1)]
async fn tells(turns: &Cell<u32>) -> Result<(), Cancelled> {
    loop {
        turns.set(turns.get() + 1);
    }
}

#[test]
fn a_neighbour_on_the_same_thread_gets_its_turn_and_ends_the_loop() {
    let turns = Cell::new(0);
    let token = CancellationToken::new();
    let neighbour = async {
        let mut seen = Vec::new();
        while seen.len() < 3 {
            seen.push(turns.get());
            cancelable::checkpoint().every(1).await?;
        }
        token.cancel();
        Ok::<_, Cancelled>(seen)
    };
    let (looped, seen) = futures::executor::block_on(join(token.scope(tells(&turns)), neighbour));
    assert_eq!(seen.unwrap(), [0, 1, 2]);
    assert_eq!(looped.unwrap_err().observed_at().line(), LINE_OF_THE_LOOP);
    assert_eq!(turns.get(), 3);
}

#[cancelable(yield_every = 64)]
async fn spins() -> Result<(), Cancelled> {
    loop {}
}

#[test]
fn a_loop_is_cancelled_by_another_task_of_its_thread_on_every_runtime() {
    on_every_runtime(|| async {
        let outcome: Result<(), Cancelled> = Scope::new()
            .run_with(|token| async move { join(spins(), async { token.cancel() }).await.0 })
            .await;
        assert!(outcome.is_err());
    });
}

#[test]
fn tokio_runs_another_task_of_the_same_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("tokio");
    runtime.block_on(async {
        let token = CancellationToken::new();
        let looping = tokio::spawn({
            let token = token.clone();
            async move { token.scope(spins()).await }
        });
        // Without a turn, the second task would never run.
        tokio::spawn(async move { token.cancel() }).await.expect("no panic");
        assert!(looping.await.expect("no panic").is_err());
    });
}

#[test]
fn a_deadline_ends_a_loop_that_gives_way() {
    on_every_runtime(|| async {
        let outcome: Result<(), Cancelled> = Scope::new().timeout(Duration::from_millis(2)).run(spins()).await;
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn a_turn_in_between_checks_too() {
    #[cancelable(yield_every = 1_000_000)]
    async fn cancels_itself(token: &CancellationToken, turns: &Cell<u32>) -> Result<(), Cancelled> {
        loop {
            turns.set(turns.get() + 1);
            if turns.get() == 5 {
                token.cancel();
            }
        }
    }
    let (token, turns) = (CancellationToken::new(), Cell::new(0));
    let Poll::Ready(outcome) = poll_once(&mut Box::pin(token.scope(cancels_itself(&token, &turns)))) else {
        panic!("it has not reached a pause")
    };
    assert!(outcome.is_err());
    assert_eq!(turns.get(), 5);
}

#[test]
fn an_expression_may_say_how_often_and_sees_the_arguments() {
    #[cancelable(yield_every = often, timeout = "1h")]
    async fn work(often: usize, turns: usize) -> Result<usize, Cancelled> {
        let mut done = 0;
        for _ in 0..turns {
            done += 1;
        }
        Ok(done)
    }
    for (often, expected) in [(1, 12), (3, 4), (5, 2), (100, 0), (usize::MAX, 0)] {
        on_a_fresh_thread(move || {
            let (paused, done) = pauses(work(often, 12));
            assert_eq!((paused, done.unwrap()), (expected, 12));
        });
    }
}

mod with_every {
    use super::*;

    #[cancelable(every = every, yield_every = yields)]
    async fn in_pieces(every: usize, yields: usize, numbers: &[u32], turns: &Cell<usize>) -> Result<u32, Cancelled> {
        let mut sum = 0;
        for n in numbers {
            turns.set(turns.get() + 1);
            sum += n;
        }
        Ok(sum)
    }

    #[cancelable(every = 8, yield_every = 16)]
    async fn counted(turns: usize) -> Result<usize, Cancelled> {
        let mut done = 0;
        while done < turns {
            done += 1;
        }
        Ok(done)
    }

    #[test]
    fn turns_are_counted_in_pieces() {
        let numbers: Vec<u32> = (0..64).collect();
        // Turns, and how many pieces of them two pauses are apart, rounded up.
        for (every, yields, expected) in [(8, 16, 4), (8, 8, 8), (8, 1, 8), (8, 17, 2), (1, 16, 4), (100, 1, 1)] {
            let numbers = numbers.clone();
            on_a_fresh_thread(move || {
                let turns = Cell::new(0);
                let (paused, sum) = pauses(in_pieces(every, yields, &numbers, &turns));
                assert_eq!(
                    (paused, sum.unwrap()),
                    (expected, 2016),
                    "every {every}, yield_every {yields}"
                );
                assert_eq!(turns.get(), 64);
            });
        }
        on_a_fresh_thread(|| assert_eq!(pauses(counted(64)).0, 4));
    }

    #[test]
    fn a_cancel_in_a_pause_ends_it_between_two_pieces() {
        on_a_fresh_thread(|| {
            let (token, turns) = (CancellationToken::new(), Cell::new(0));
            let mut work = Box::pin(token.scope(in_pieces(8, 16, &[1; 64], &turns)));
            assert!(poll_once(&mut work).is_pending());
            token.cancel();
            assert!(matches!(poll_once(&mut work), Poll::Ready(Err(_))));
            assert_eq!(turns.get(), 8);
        });
    }
}

/// `while let Some(job) = jobs.next().await`: the pause, and the cancel in it, come before the job is taken.
mod awaiting_condition {
    use super::*;

    struct Jobs {
        left: Cell<u32>,
        asked: Cell<u32>,
    }

    impl Jobs {
        fn new(left: u32) -> Self {
            Self {
                left: Cell::new(left),
                asked: Cell::new(0),
            }
        }

        async fn next(&self) -> Option<u32> {
            self.asked.set(self.asked.get() + 1);
            let left = self.left.get().checked_sub(1)?;
            self.left.set(left);
            Some(left)
        }
    }

    #[cancelable(yield_every = 10)]
    async fn drains(jobs: &Jobs, done: &Cell<u32>) -> Result<(), Cancelled> {
        while let Some(_job) = jobs.next().await {
            done.set(done.get() + 1);
        }
        Ok(())
    }

    #[test]
    fn a_stream_that_is_always_ready_gives_way() {
        on_a_fresh_thread(|| {
            let (jobs, done) = (Jobs::new(100), Cell::new(0));
            let (paused, outcome) = pauses(drains(&jobs, &done));
            assert!(outcome.is_ok());
            // The 101st says that there are no more.
            assert_eq!((paused, done.get()), (10, 100));
        });
    }

    #[test]
    fn a_cancel_in_a_pause_loses_no_job() {
        on_a_fresh_thread(|| {
            let (jobs, done, token) = (Jobs::new(100), Cell::new(0), CancellationToken::new());
            let mut work = Box::pin(token.scope(drains(&jobs, &done)));
            assert!(poll_once(&mut work).is_pending());
            token.cancel();
            let Poll::Ready(outcome) = poll_once(&mut work) else {
                panic!("not woken for the cancel")
            };
            assert!(outcome.is_err());
            assert_eq!((jobs.asked.get(), jobs.left.get(), done.get()), (9, 91, 9));
        });
    }

    #[cancelable(yield_every = 1)]
    async fn finishes(jobs: &Jobs, done: &Cell<u32>) -> Result<(), Cancelled> {
        #[cancelable(finish)]
        while let Some(_job) = jobs.next().await {
            done.set(done.get() + 1);
        }
        Ok(())
    }

    #[test]
    fn one_marked_finish_ends_what_it_has_begun() {
        let (jobs, done, token) = (Jobs::new(3), Cell::new(0), CancellationToken::new());
        let mut work = Box::pin(token.scope(finishes(&jobs, &done)));
        assert!(poll_once(&mut work).is_pending());
        token.cancel();
        let mut polls = 1;
        let outcome = loop {
            if let Poll::Ready(outcome) = poll_once(&mut work) {
                break outcome;
            }
            polls += 1;
            assert!(polls < 5, "hangs");
        };
        // The await that had begun before the cancel took its job, and the next one did not begin.
        assert!(outcome.is_err());
        assert_eq!((jobs.asked.get(), done.get()), (1, 1));
    }

    #[cancelable(yield_every = 1)]
    async fn two_in_a_condition(a: &Jobs, b: &Jobs) -> Option<u32> {
        let mut turns = 0;
        while a.next().await.is_some() && b.next().await.is_some() {
            turns += 1;
        }
        Some(turns)
    }

    #[test]
    fn the_first_of_two_is_the_beginning_of_the_turn() {
        let (paused, turns) = pauses(two_in_a_condition(&Jobs::new(5), &Jobs::new(7)));
        assert_eq!((paused, turns), (6, Some(5)));
    }
}

#[test]
fn what_cannot_pause_does_not() {
    #[cancelable(yield_every = 1)]
    async fn inside() -> Result<u32, Cancelled> {
        let mut sum = 0;
        #[cancelable(skip)]
        for n in 0..4 {
            sum += n;
        }
        let closure = || {
            let mut more = 0;
            for n in 0..4 {
                more += n;
            }
            more
        };
        sum += closure();
        sum += ready(1).await;
        Ok(sum)
    }
    assert!(matches!(poll_once(&mut Box::pin(inside())), Poll::Ready(Ok(13))));
}

#[test]
fn a_marked_loop_is_left_in_its_pause_with_the_best_so_far() {
    #[cancelable(yield_every = 5)]
    async fn best(token: &CancellationToken) -> Result<u32, Cancelled> {
        let mut best = 0;
        #[cancelable(break)]
        for n in 1.. {
            best = n;
        }
        let _ = token;
        Ok(best)
    }
    on_a_fresh_thread(|| {
        let token = CancellationToken::new();
        let mut work = Box::pin(token.scope(best(&token)));
        assert!(poll_once(&mut work).is_pending());
        token.cancel();
        assert!(matches!(poll_once(&mut work), Poll::Ready(Ok(4))));
    });
}

#[test]
fn a_value_of_or_is_returned_from_a_pause() {
    #[cancelable(yield_every = 1, or = 7)]
    async fn in_place() -> u32 {
        loop {}
    }
    #[cancelable(yield_every = 1, or = 7, name = "own")]
    async fn in_scope() -> u32 {
        loop {}
    }
    fn ends<F: Future<Output = u32>>(future: F) {
        let token = CancellationToken::new();
        let mut work = Box::pin(token.scope(future));
        assert!(poll_once(&mut work).is_pending());
        token.cancel();
        assert!(matches!(poll_once(&mut work), Poll::Ready(7)));
    }
    ends(in_place());
    ends(in_scope());
}

#[test]
fn without_a_scope_it_gives_way_all_the_same() {
    let idle = async { "the other" };
    let first = futures::executor::block_on(async {
        match select(Box::pin(spins()), Box::pin(idle)).await {
            Either::Left(_) => "the loop",
            Either::Right((said, _)) => said,
        }
    });
    assert_eq!(first, "the other");
}

struct Store(Vec<u32>);

/// A block's option is for those of its methods that can give way.
#[cancelable(yield_every = 2)]
impl Store {
    async fn sum(&self) -> Result<u32, Cancelled> {
        let mut sum = 0;
        for n in &self.0 {
            sum += n;
        }
        Ok(sum)
    }

    fn max(&self) -> Option<u32> {
        let mut max = None;
        for n in &self.0 {
            max = max.max(Some(*n));
        }
        max
    }
}

#[test]
fn on_an_impl_block_it_is_for_async_methods() {
    on_a_fresh_thread(|| {
        let store = Store(vec![1, 2, 3, 4]);
        let (paused, sum) = pauses(store.sum());
        assert_eq!((paused, sum.unwrap(), store.max()), (2, 10, Some(4)));
    });
}

#[test]
fn futures_stay_send() {
    fn send<T: Send>(_: &T) {}
    let numbers = [1, 2];
    send(&goes_through(1));
    send(&spins());
    send(&Store(vec![]).sum());
    let turns = std::sync::atomic::AtomicU32::new(0);
    #[cancelable(yield_every = 2, every = 4)]
    async fn both(numbers: &[u32], turns: &std::sync::atomic::AtomicU32) -> Option<()> {
        for n in numbers {
            turns.fetch_add(*n, std::sync::atomic::Ordering::SeqCst);
        }
        while turns.load(std::sync::atomic::Ordering::SeqCst) < 3 {}
        Some(())
    }
    send(&both(&numbers, &turns));
    assert_eq!(futures::executor::block_on(both(&numbers, &turns)), Some(()));
}
