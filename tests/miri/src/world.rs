//! Random families of tokens.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use cancelable::{CancelCallback, CancelReason, CancellationToken, WaitForCancellationFutureOwned};

use crate::{Count, Numbers, poll, sized};

/// A family of tokens, and who waits for some of them.
#[derive(Debug)]
pub struct World {
    /// All tokens that are held.
    pub tokens: Vec<CancellationToken>,
    /// Futures that have been pending.
    pub waiting: Vec<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Callbacks that can be taken back.
    pub callbacks: Vec<CancelCallback>,
    /// How often one of them, or a waker, ran.
    pub ran: Arc<Count>,
}

impl World {
    fn step(&mut self, numbers: &mut Numbers, deadlines: bool) {
        let at = numbers.below(self.tokens.len());
        let token = self.tokens[at].clone();
        let also = self.tokens[numbers.below(self.tokens.len())].clone();
        let ran = Arc::clone(&self.ran);
        match numbers.below(17) {
            0..=3 => self.tokens.push(token.child_token()),
            4 => self.tokens.push(token),
            5 | 6 if self.tokens.len() > 1 => drop(self.tokens.swap_remove(at)),
            7 => token.cancel(),
            8 => {
                token.cancel_with(CancelReason::error("why"));
            }
            9 => self.tokens.push(CancellationToken::any([&token, &also])),
            10 => self.tokens.push(CancellationToken::all([&token, &also])),
            11 => token.on_cancel(move |_| ran.up()).detach(),
            12 => self.callbacks.push(token.on_cancel(move |reason| {
                drop(reason.to_string());
                ran.up();
            })),
            13 if !self.callbacks.is_empty() => {
                let callback = self.callbacks.swap_remove(numbers.below(self.callbacks.len()));
                if numbers.below(2) == 0 {
                    callback.unregister();
                }
            }
            14 => {
                let mut future = Box::pin(token.cancelled_owned());
                if poll(future.as_mut(), &Waker::from(ran)).is_pending() {
                    self.waiting.push(future);
                }
            }
            15 if !self.waiting.is_empty() => {
                let n = numbers.below(self.waiting.len());
                if poll(self.waiting[n].as_mut(), Waker::noop()).is_ready() {
                    drop(self.waiting.swap_remove(n));
                }
            }
            16 if deadlines => token.cancel_after(Duration::from_secs(1_000_000)),
            _ => {}
        }
    }

    /// Made by random steps; with deadlines, which start the timer's thread, if so wished.
    #[must_use]
    pub fn random(seed: usize, deadlines: bool) -> Self {
        let mut numbers = Numbers::new(seed);
        let mut world = Self {
            tokens: vec![CancellationToken::new()],
            waiting: Vec::new(),
            callbacks: Vec::new(),
            ran: Count::new(),
        };
        for _ in 0..sized(120, 600) {
            world.step(&mut numbers, deadlines);
        }
        world
    }
}
