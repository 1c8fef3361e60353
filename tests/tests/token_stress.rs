//! Two threads that do everything to the same few trees at once. What they check is little: the point is to run under
//! ThreadSanitizer, AddressSanitizer and LeakSanitizer (`.ci/token-proof`), which check the rest.
//!
//! Uses nothing but the library and std, so that the sanitizers have little to build.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use cancelable::{CancelCallback, CancelReason, CancellationToken, WaitForCancellationFutureOwned};

/// Marsaglia's xorshift: enough chance, the same at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What one thread holds, and does to it.
struct Player {
    dice: Dice,
    tokens: Vec<CancellationToken>,
    waiting: Vec<(Pin<Box<WaitForCancellationFutureOwned>>, Arc<Count>)>,
    callbacks: Vec<CancelCallback>,
    ran: Arc<AtomicUsize>,
    registered: usize,
    taken_back: usize,
}

impl Player {
    fn new(seed: u64, tokens: Vec<CancellationToken>) -> Self {
        Self {
            dice: Dice(seed * 2 + 1),
            tokens,
            waiting: Vec::new(),
            callbacks: Vec::new(),
            ran: Arc::default(),
            registered: 0,
            taken_back: 0,
        }
    }

    fn pick(&mut self) -> CancellationToken {
        let n = self.tokens.len();
        self.tokens[self.dice.roll(n)].clone()
    }

    fn turn(&mut self) {
        let token = self.pick();
        match self.dice.roll(16) {
            0..4 => self.tokens.push(token.child_token()),
            4..7 => {
                drop(token);
                if self.tokens.len() > 1 {
                    let at = self.dice.roll(self.tokens.len());
                    self.tokens.swap_remove(at);
                }
            }
            7 => {
                let other = self.pick();
                self.tokens.push(CancellationToken::any([&token, &other]));
            }
            8 => {
                let other = self.pick();
                self.tokens.push(CancellationToken::all([&token, &other]).child_token());
            }
            9 => {
                let count = Arc::new(Count::default());
                let mut future = Box::pin(token.cancelled_owned());
                let waker = Waker::from(Arc::clone(&count));
                if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    self.waiting.push((future, count));
                }
            }
            10 => {
                if !self.waiting.is_empty() {
                    let at = self.dice.roll(self.waiting.len());
                    let (future, count) = self.waiting.swap_remove(at);
                    drop(future);
                    assert!(count.0.load(Ordering::Relaxed) <= 1);
                }
            }
            11 => {
                let ran = Arc::clone(&self.ran);
                self.registered += 1;
                let captured = token.clone();
                self.callbacks.push(token.on_cancel(move |reason| {
                    assert!(captured.is_cancelled() && reason.message().is_none());
                    ran.fetch_add(1, Ordering::Relaxed);
                }));
            }
            12 => {
                if let Some(callback) = self.callbacks.pop() {
                    self.taken_back += usize::from(callback.unregister());
                }
            }
            13 => {
                let drops = token.child_token();
                drops.on_cancel(|_| ()).detach();
                assert!(token.check().is_ok() || drops.is_cancelled());
                let _ = format!("{token:?} {:?}", drops.deadline());
            }
            14 => token.cancel_after(Duration::from_micros(self.dice.roll(3_000) as u64)),
            _ => {
                if self.dice.roll(4) == 0 {
                    token.cancel_with(CancelReason::error("stress"));
                    assert!(token.child_token().is_cancelled());
                }
            }
        }
    }

    /// Every callback ran or was taken back, once.
    fn settle(mut self) {
        for callback in self.callbacks.drain(..) {
            self.taken_back += usize::from(callback.unregister());
        }
        // One that was neither taken back nor has run is running on the other thread or on the timer's.
        while self.taken_back + self.ran.load(Ordering::Relaxed) < self.registered {
            thread::yield_now();
        }
        assert_eq!(self.taken_back + self.ran.load(Ordering::Relaxed), self.registered);
    }
}

/// As the end of a `thread::scope` does, but in a way that ThreadSanitizer sees.
fn join<const N: usize>(threads: [thread::ScopedJoinHandle<'_, ()>; N]) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// More with `STRESS=n`.
fn rounds() -> u64 {
    std::env::var("STRESS").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}

#[test]
fn two_threads_play_with_the_same_trees() {
    for round in 0..rounds() {
        let roots: Vec<_> = (0..3).map(|_| CancellationToken::new()).collect();
        let start = Barrier::new(2);
        thread::scope(|s| {
            let players = [2 * round + 1, 2 * round + 2].map(|seed| {
                let (roots, start) = (roots.clone(), &start);
                s.spawn(move || {
                    let mut player = Player::new(seed * 0x9E37_79B9, roots);
                    start.wait();
                    for _ in 0..200 {
                        player.turn();
                    }
                    player.settle();
                })
            });
            join(players);
        });
    }
}

#[test]
fn a_thread_waits_while_another_cancels_and_drops() {
    for _ in 0..rounds() {
        let root = CancellationToken::new();
        let token = root.child_token();
        let waiting = token.clone();
        let start = Barrier::new(2);
        thread::scope(|s| {
            let waiter = s.spawn(|| {
                start.wait();
                waiting.wait();
                drop(waiting);
            });
            start.wait();
            drop(token);
            root.cancel();
            join([waiter]);
        });
    }
}

#[test]
fn both_drop_the_last_handles_at_once() {
    for _ in 0..rounds() {
        let root = CancellationToken::new();
        let fork = root.child_token();
        let (left, right) = (fork.child_token(), fork.child_token());
        left.on_cancel(|_| ()).detach();
        let start = Barrier::new(2);
        thread::scope(|s| {
            let start = &start;
            let dropper = s.spawn(move || {
                start.wait();
                drop(fork);
                drop(left);
            });
            start.wait();
            drop(right);
            root.cancel();
            join([dropper]);
        });
    }
}
