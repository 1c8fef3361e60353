//! A thread that cancels.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use cancelable::CancellationToken;

/// A thread that cancels one token after the other.
#[derive(Default)]
pub(crate) struct Canceller {
    next: Mutex<Option<CancellationToken>>,
    is_busy: AtomicBool,
    is_over: AtomicBool,
}

impl Canceller {
    /// Runs `f` with one.
    pub(crate) fn run<R>(f: impl FnOnce(&Self) -> R) -> R {
        struct Over<'a>(&'a Canceller);

        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.is_over.store(true, Ordering::SeqCst);
            }
        }

        let this = Self::default();
        std::thread::scope(|scope| {
            // Also if `f` panics.
            let over = Over(&this);
            scope.spawn(|| this.work());
            let result = f(over.0);
            drop(over);
            result
        })
    }

    fn work(&self) {
        let mut random = 1_u64;
        while !self.is_over.load(Ordering::SeqCst) {
            if !self.is_busy.load(Ordering::SeqCst) {
                std::thread::yield_now();
                continue;
            }
            if let Some(token) = self.next.lock().unwrap().take() {
                // Any length of time that such a program's first polls may take.
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                (0..random % 256).for_each(|_| std::hint::spin_loop());
                token.cancel();
            }
            self.is_busy.store(false, Ordering::SeqCst);
        }
    }

    pub(crate) fn cancel_soon(&self, token: CancellationToken) {
        *self.next.lock().unwrap() = Some(token);
        self.is_busy.store(true, Ordering::SeqCst);
    }

    /// Has it cancelled what it was given, and woken everyone?
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_busy.load(Ordering::SeqCst)
    }

    pub(crate) fn finish(&self) {
        while !self.is_idle() {
            std::thread::yield_now();
        }
    }
}
