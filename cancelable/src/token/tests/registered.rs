//! A registration whose waker panics as it is dropped, or that comes too late.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::token::{CancellationToken, Registered};

/// Panics when the last of its wakers is dropped.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

#[test]
fn another_token_is_adopted_though_the_waker_of_the_one_before_panics_as_it_is_dropped() {
    let (before, after) = (CancellationToken::new(), CancellationToken::new());
    let mut registered = pin!(Registered::new(before.clone()));
    let waker = Waker::from(Arc::new(Panics));
    assert!(registered.as_mut().register(&waker, false));
    // The one that is registered is the last.
    drop(waker);
    assert!(catch_unwind(AssertUnwindSafe(|| registered.as_mut().adopt(after.clone()))).is_err());
    assert_eq!(registered.token(), &after);
    assert!(!registered.has_waker());
    assert!(registered.as_mut().register(Waker::noop(), false));
    before.cancel();
    after.cancel();
}

#[test]
fn a_waker_that_came_too_late_is_given_back_when_it_is_unregistered() {
    struct Unused;
    impl Wake for Unused {
        fn wake(self: Arc<Self>) {}
    }
    let token = CancellationToken::new();
    token.cancel();
    let mut registered = pin!(Registered::new(token));
    let unused = Arc::new(Unused);
    assert!(!registered.as_mut().register(&Waker::from(Arc::clone(&unused)), false));
    assert!(!registered.as_mut().unregister());
    assert_eq!(Arc::strong_count(&unused), 1);
}
