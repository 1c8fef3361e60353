//! Wakers and callbacks that panic, cancel, register, drop and ask while a cancel is under way.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use cancelable::{CancellationToken, WaitForCancellationFutureOwned};
use miri_tests::{Count, poll};

/// Does something when it is woken.
struct Does(Box<dyn Fn() + Send + Sync>);

impl Wake for Does {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn does(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Does(Box::new(f))))
}

fn waiting(token: &CancellationToken, waker: &Waker) -> Pin<Box<WaitForCancellationFutureOwned>> {
    let mut future = Box::pin(token.clone().cancelled_owned());
    assert!(poll(future.as_mut(), waker).is_pending());
    future
}

#[test]
fn l06_a_panic_stops_nobody_else() {
    for at in 0..4 {
        let root = CancellationToken::new();
        let child = root.child_token();
        let linked = CancellationToken::any([&child]);
        let count = Count::new();
        let mut futures = Vec::new();
        let mut callbacks = Vec::new();
        for (n, token) in [&root, &child, &linked, &root].into_iter().enumerate() {
            let waker = if n == at {
                does(|| panic!("waker"))
            } else {
                Waker::from(Arc::clone(&count))
            };
            futures.push(waiting(token, &waker));
            let ran = Arc::clone(&count);
            callbacks.push(token.on_cancel(move |_| {
                ran.up();
                assert!(n != at, "callback");
            }));
        }
        assert!(catch_unwind(AssertUnwindSafe(|| root.cancel())).is_err());
        assert_eq!(count.get(), 3 + 4);
        assert!(linked.is_cancelled());
        for mut future in futures {
            assert!(poll(future.as_mut(), Waker::noop()).is_ready());
        }
    }
}

#[test]
fn l04_a_waker_may_do_anything() {
    let root = CancellationToken::new();
    let child = root.child_token();
    let other = CancellationToken::new();
    let slot = Arc::new(Mutex::new(None));
    let count = Count::new();

    let (again, wider, ran) = (root.clone(), other.clone(), Arc::clone(&count));
    let first = does(move || {
        again.cancel();
        wider.cancel();
        assert!(again.child_token().is_cancelled());
        let ran = Arc::clone(&ran);
        again.on_cancel(move |_| ran.up()).detach();
        drop(CancellationToken::any([&again, &wider]));
    });
    let (kept, ran) = (Arc::clone(&slot), Arc::clone(&count));
    let second = does(move || {
        // A future of the same token, listed when the cancel began, goes while the cancel is under way.
        drop(kept.lock().unwrap().take());
        ran.up();
    });
    let futures = [
        waiting(&root, &first),
        waiting(&child, &second),
        waiting(&other, &second),
    ];
    *slot.lock().unwrap() = Some(waiting(&root, &Waker::from(Arc::clone(&count))));
    let handle = root.clone();
    drop(root);
    handle.cancel();
    assert!(count.get() >= 3);
    drop(futures);
    assert!(child.is_cancelled() && other.is_cancelled());
}

/// The last handles go inside callbacks, one of them that of the token which is being cancelled.
#[test]
fn l04_a_callback_may_drop_the_last_handle() {
    for links in [false, true] {
        let root = CancellationToken::new();
        let child = root.child_token();
        let linked = links.then(|| CancellationToken::any([&child]));
        let slot = Arc::new(Mutex::new(Some((root.clone(), child.clone(), linked))));
        let taken = Arc::clone(&slot);
        child.on_cancel(move |_| drop(taken.lock().unwrap().take())).detach();
        drop(child);
        let canceller = root.clone();
        drop(root);
        canceller.cancel();
        assert!(slot.lock().unwrap().is_none());
    }
}

#[test]
fn l06_a_callback_takes_back_a_later_one() {
    let token = CancellationToken::new();
    let later = Arc::new(Mutex::new(None));
    let taken = Arc::clone(&later);
    let count = Count::new();
    let (first, second) = (Arc::clone(&count), Arc::clone(&count));
    let _first = token.on_cancel(move |_| {
        let later: Option<cancelable::CancelCallback> = taken.lock().unwrap().take();
        assert!(later.unwrap().unregister());
        first.up();
    });
    *later.lock().unwrap() = Some(token.on_cancel(move |_| second.up()));
    token.cancel();
    assert_eq!(count.get(), 1);
}
