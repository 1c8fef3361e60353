//! Loops of annotated functions: a turn is checked before it takes anything (L22).

#![allow(
    clippy::let_and_return,
    clippy::mut_mutex_lock,
    clippy::never_loop,
    clippy::redundant_pattern_matching,
    reason = "conditions and locks as users write them"
)]

use cancelable::{CancellationToken, Cancelled, cancel_scope, cancelable};
use std::cell::Cell;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::{Mutex, mpsc};

/// Runs `work` on the jobs 1 to 5 with the token cancelled in the turn of job 2: whatever it is that gives the jobs out, and whatever
/// form the loop has, 3 to 5 must be there yet.
fn l22_keeps<Q>(
    jobs: Q,
    work: impl FnOnce(&CancellationToken, &mut Q) -> Result<Vec<u32>, Cancelled>,
    rest: impl FnOnce(Q) -> Vec<u32>,
) {
    let token = CancellationToken::new();
    let mut jobs = jobs;
    let result = token.sync_scope(|| work(&token, &mut jobs));
    match result {
        Err(_) => {}
        // `break`
        Ok(done) => assert_eq!(done, [1, 2]),
    }
    assert_eq!(rest(jobs), [3, 4, 5]);
}

fn channel() -> mpsc::Receiver<u32> {
    let (sender, receiver) = mpsc::channel();
    (1..=5).for_each(|job| sender.send(job).unwrap());
    receiver
}

fn queue() -> VecDeque<u32> {
    (1..=5).collect()
}

fn run(job: u32, token: &CancellationToken, done: &mut Vec<u32>) {
    done.push(job);
    if job == 2 {
        token.cancel();
    }
}

/// The same loop in every form: plain, with `every = 1`, `every = 2` and marked `break`; in sync functions and async ones, and in async
/// ones that give way to other tasks.
macro_rules! l22 {
    ($($name:ident: $jobs:expr, $Q:ty, |$queue:ident, $token:ident, $done:ident| { $($loop:tt)* } $rest:expr;)*) => {$(
        #[test]
        fn $name() {
            #[cancelable]
            fn plain($token: &CancellationToken, $queue: &mut $Q) -> Result<Vec<u32>, Cancelled> {
                let mut $done = vec![];
                $($loop)*
                Ok($done)
            }

            #[cancelable(every = 1)]
            fn every_one($token: &CancellationToken, $queue: &mut $Q) -> Result<Vec<u32>, Cancelled> {
                let mut $done = vec![];
                $($loop)*
                Ok($done)
            }

            #[cancelable(every = 2)]
            fn every_two($token: &CancellationToken, $queue: &mut $Q) -> Result<Vec<u32>, Cancelled> {
                let mut $done = vec![];
                $($loop)*
                Ok($done)
            }

            #[cancelable]
            fn leaving($token: &CancellationToken, $queue: &mut $Q) -> Result<Vec<u32>, Cancelled> {
                let mut $done = vec![];
                #[cancelable(break)]
                $($loop)*
                Ok($done)
            }

            #[cancelable(every = 2)]
            fn leaving_every_two($token: &CancellationToken, $queue: &mut $Q) -> Result<Vec<u32>, Cancelled> {
                let mut $done = vec![];
                #[cancelable(break)]
                $($loop)*
                Ok($done)
            }

            fn in_a_scope($token: &CancellationToken, $queue: &mut $Q) -> Result<Vec<u32>, Cancelled> {
                cancel_scope!({
                    let mut $done = vec![];
                    $($loop)*
                    Ok($done)
                })
            }

            #[cancelable]
            async fn asynchronous($token: &CancellationToken, $queue: &mut $Q) -> Result<Vec<u32>, Cancelled> {
                let mut $done = vec![];
                $($loop)*
                Ok($done)
            }

            #[cancelable(yield_every = 1)]
            async fn giving_way($token: &CancellationToken, $queue: &mut $Q) -> Result<Vec<u32>, Cancelled> {
                let mut $done = vec![];
                $($loop)*
                Ok($done)
            }

            #[cancelable(yield_every = 1, every = 2)]
            async fn giving_way_every_two($token: &CancellationToken, $queue: &mut $Q) -> Result<Vec<u32>, Cancelled> {
                let mut $done = vec![];
                $($loop)*
                Ok($done)
            }

            l22_keeps($jobs, plain, $rest);
            l22_keeps($jobs, every_one, $rest);
            l22_keeps($jobs, every_two, $rest);
            l22_keeps($jobs, leaving, $rest);
            l22_keeps($jobs, leaving_every_two, $rest);
            l22_keeps($jobs, in_a_scope, $rest);
            l22_keeps($jobs, |token, jobs| futures::executor::block_on(token.scope(asynchronous(token, jobs))), $rest);
            l22_keeps($jobs, |token, jobs| futures::executor::block_on(token.scope(giving_way(token, jobs))), $rest);
            l22_keeps($jobs, |token, jobs| futures::executor::block_on(token.scope(giving_way_every_two(token, jobs))), $rest);
        }
    )*};
}

l22! {
    l22_for_over_a_receiver: channel(), mpsc::Receiver<u32>,
        |jobs, token, done| { for job in jobs.try_iter() { run(job, token, &mut done); } }
        |jobs| jobs.try_iter().collect();
    l22_while_let_ok_of_a_receiver: channel(), mpsc::Receiver<u32>,
        |jobs, token, done| { while let Ok(job) = jobs.try_recv() { run(job, token, &mut done); } }
        |jobs| jobs.try_iter().collect();
    l22_while_let_some_of_a_queue: queue(), VecDeque<u32>,
        |jobs, token, done| { while let Some(job) = jobs.pop_front() { run(job, token, &mut done); } }
        |jobs| jobs.into_iter().collect();
    l22_a_queue_behind_a_lock: Mutex::new(queue()), Mutex<VecDeque<u32>>,
        |jobs, token, done| { while let Some(job) = { let job = jobs.lock().unwrap().pop_front(); job } { run(job, token, &mut done); } }
        |jobs| jobs.into_inner().unwrap().into_iter().collect();
    l22_a_loop_that_takes_by_hand: queue(), VecDeque<u32>,
        |jobs, token, done| { loop { let Some(job) = jobs.pop_front() else { break }; run(job, token, &mut done); } }
        |jobs| jobs.into_iter().collect();
    l22_a_condition_that_takes: (queue(), 0), (VecDeque<u32>, u32),
        |jobs, token, done| { while { jobs.1 = jobs.0.pop_front().unwrap_or(0); jobs.1 != 0 } { run(jobs.1, token, &mut done); } }
        |jobs| jobs.0.into_iter().collect();
    l22_for_by_reference: (1..=5_u32).collect::<Vec<_>>().into_iter(), std::vec::IntoIter<u32>,
        |jobs, token, done| { for job in jobs.by_ref() { run(job, token, &mut done); } }
        Iterator::collect;
    l22_for_over_what_takes_as_it_goes: queue(), VecDeque<u32>,
        |jobs, token, done| { for job in std::iter::from_fn(|| jobs.pop_front()) { run(job, token, &mut done); } }
        |jobs| jobs.into_iter().collect();
    l22_a_heap: (1..=5).map(std::cmp::Reverse).collect(), BinaryHeap<std::cmp::Reverse<u32>>,
        |jobs, token, done| { while let Some(std::cmp::Reverse(job)) = jobs.pop() { run(job, token, &mut done); } }
        |jobs| jobs.into_sorted_vec().into_iter().rev().map(|job| job.0).collect();
}

#[test]
fn l22_a_receiver_that_blocks_is_not_waited_for() {
    #[cancelable]
    fn work(jobs: &mpsc::Receiver<u32>, token: &CancellationToken) -> Result<(), Cancelled> {
        for job in jobs {
            run(job, token, &mut vec![]);
        }
        Ok(())
    }
    // The sender lives: after the fifth job, `next()` would block for ever.
    let (sender, receiver) = mpsc::channel();
    sender.send(2).unwrap();
    let token = CancellationToken::new();
    let error = token.sync_scope(|| work(&receiver, &token)).unwrap_err();
    assert_eq!(error.observed_at().line(), line!() - 10);
}

#[test]
fn l22_a_condition_that_blocks_on_a_future_keeps_what_its_async_twin_keeps() {
    #[cancelable]
    fn work(
        jobs: &mut futures::channel::mpsc::UnboundedReceiver<u32>,
        token: &CancellationToken,
    ) -> Result<u32, Cancelled> {
        use futures::StreamExt as _;
        let mut sum = 0;
        while let Some(job) = cancelable::thread::block_on(jobs.next())? {
            sum += job;
            run(job, token, &mut vec![]);
        }
        Ok(sum)
    }
    let (sender, mut receiver) = futures::channel::mpsc::unbounded();
    (1..=5).for_each(|job| sender.unbounded_send(job).unwrap());
    let token = CancellationToken::new();
    token.sync_scope(|| work(&mut receiver, &token)).unwrap_err();
    assert_eq!(receiver.try_recv().unwrap(), 3);
}

#[test]
fn l22_what_drains_is_drained_of_what_was_used_only() {
    #[cancelable]
    fn work(jobs: &mut Vec<u32>, token: &CancellationToken, done: &mut Vec<u32>) -> Result<(), Cancelled> {
        for job in jobs.extract_if(.., |_| true) {
            run(job, token, done);
        }
        Ok(())
    }
    let (mut jobs, mut done) = ((1..=5).collect::<Vec<u32>>(), vec![]);
    let token = CancellationToken::new();
    token.sync_scope(|| work(&mut jobs, &token, &mut done)).unwrap_err();
    assert_eq!((done, jobs), (vec![1, 2], vec![3, 4, 5]));
}

#[test]
fn l22_a_loop_that_knows_that_nothing_is_left_ends_as_it_would_have() {
    #[cancelable]
    fn last(items: &[u32], token: &CancellationToken) -> Result<u32, Cancelled> {
        let mut last = 0;
        for item in items {
            last = *item;
            if last == 5 {
                token.cancel();
            }
        }
        Ok(last)
    }

    #[cancelable]
    fn none(token: &CancellationToken) -> Result<u32, Cancelled> {
        token.cancel();
        for item in std::iter::empty::<u32>() {
            return Ok(item);
        }
        Ok(7)
    }
    let token = CancellationToken::new();
    assert_eq!(token.sync_scope(|| last(&[1, 3, 5], &token)).unwrap(), 5);
    let token = CancellationToken::new();
    assert_eq!(token.sync_scope(|| none(&token)).unwrap(), 7);
}

#[test]
fn what_a_loop_goes_through_is_asked_no_more_than_it_would_have_been() {
    struct Asked<'a>(&'a Cell<u32>);

    impl Iterator for Asked<'_> {
        type Item = u32;

        fn next(&mut self) -> Option<u32> {
            self.0.set(self.0.get() + 1);
            (self.0.get() < 4).then(|| self.0.get())
        }
    }

    #[cancelable]
    fn each(asked: &Cell<u32>) -> Option<()> {
        for _ in Asked(asked) {}
        Some(())
    }

    #[cancelable(every = 2)]
    fn pieces(asked: &Cell<u32>) -> Option<()> {
        for _ in Asked(asked) {}
        Some(())
    }
    for function in [each, pieces] {
        let asked = Cell::new(0);
        function(&asked).unwrap();
        assert_eq!(asked.get(), 4);
    }
}

#[test]
fn temporaries_of_a_condition_live_as_long_as_they_did() {
    struct Noted<'a>(&'a Mutex<Vec<&'static str>>);

    impl Noted<'_> {
        fn turns(&self, left: &mut u32) -> Option<u32> {
            *left = left.checked_sub(1)?;
            Some(*left)
        }
    }

    impl Drop for Noted<'_> {
        fn drop(&mut self) {
            self.0.lock().unwrap().push("dropped");
        }
    }

    fn plain(log: &Mutex<Vec<&'static str>>) -> Option<()> {
        let mut left = 2;
        while let Some(_) = Noted(log).turns(&mut left) {
            log.lock().unwrap().push("turn");
        }
        while Noted(log).turns(&mut left).is_some() {
            log.lock().unwrap().push("turn");
        }
        for _ in Noted(log).turns(&mut left).into_iter().chain([1]) {
            log.lock().unwrap().push("turn");
        }
        Some(())
    }

    #[cancelable]
    fn annotated(log: &Mutex<Vec<&'static str>>) -> Option<()> {
        let mut left = 2;
        while let Some(_) = Noted(log).turns(&mut left) {
            log.lock().unwrap().push("turn");
        }
        while Noted(log).turns(&mut left).is_some() {
            log.lock().unwrap().push("turn");
        }
        for _ in Noted(log).turns(&mut left).into_iter().chain([1]) {
            log.lock().unwrap().push("turn");
        }
        Some(())
    }
    let [first, second] = [plain, annotated].map(|function| {
        let log = Mutex::new(vec![]);
        function(&log);
        log.into_inner().unwrap()
    });
    assert_eq!(first, second);
}
