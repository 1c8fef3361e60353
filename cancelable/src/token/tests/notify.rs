//! How many wakers are taken off the lists at a time.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake};

use super::*;
use crate::token::{CancellationToken, WaitForCancellationFutureOwned};

/// Drops all futures when the first of them is woken.
#[derive(Default)]
struct DropAll {
    futures: Mutex<Vec<Pin<Box<WaitForCancellationFutureOwned>>>>,
    woken: AtomicUsize,
}

impl Wake for DropAll {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::Relaxed);
        let futures = mem::take(&mut *self.futures.lock().unwrap());
        drop(futures);
    }
}

#[test]
fn wakers_are_taken_a_batch_at_a_time_whichever_tokens_they_wait_for() {
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let all = Arc::new(DropAll::default());
    let waker = Waker::from(Arc::clone(&all));
    for (token, waiting) in [(&child, BATCH / 2), (&parent, 2 * BATCH)] {
        for _ in 0..waiting {
            let mut future = Box::pin(token.clone().cancelled_owned());
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            all.futures.lock().unwrap().push(future);
        }
    }
    parent.cancel();
    // The others were still listed, and so are not woken after they have been dropped.
    assert_eq!(all.woken.load(Ordering::Relaxed), BATCH);
}
