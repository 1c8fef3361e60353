//! What a waiting thread leaves behind, what a fork does to the list of those that wait, and when one polls.

use std::cell::Cell;
use std::future::poll_fn;

use super::*;

#[test]
fn a_thread_that_waits_polls_again_when_it_is_woken_and_not_before() {
    let waker = RefCell::new(None::<Waker>);
    let is_woken = Cell::new(false);
    let mut is_first = true;
    let future = poll_fn(|cx| {
        if std::mem::replace(&mut is_first, false) {
            *waker.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        assert!(is_woken.get(), "polled before it was woken");
        Poll::Ready(())
    });
    // Asked when the thread is about to go to sleep.
    block_on_until(future, || {
        is_woken.set(true);
        waker.take().unwrap().wake();
        None
    });
}

#[test]
fn a_thread_that_has_waited_is_listed_no_longer() {
    let list = List::add();
    let number = list.0;
    assert!(lock(&LISTED).contains_key(&number));
    drop(list);
    assert!(!lock(&LISTED).contains_key(&number));
}

#[test]
fn l23_a_fork_keeps_the_list_of_those_that_wait_and_gives_it_back() {
    let is_kept = || FORKING.with_borrow(Option::is_some);
    before();
    assert!(is_kept());
    after(false);
    assert!(!is_kept());
    drop(List::add());
}
