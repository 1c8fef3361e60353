//! Calls that nobody can interrupt, and the threads that are left behind. In a file of its own, since they are counted for the process;
//! and as one test after the other, for the same reason.

use std::future::{Future, poll_fn};
use std::pin::pin;
#[cfg(unix)]
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

#[cfg(unix)]
use cancelable::process;
use cancelable::thread::{ABANDON_LIMIT, abandon, abandon_async, abandoned};
use cancelable::{CancellationToken, Cancelled, check, current, thread};

fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call that says when it has begun, and returns when it is told to.
struct Stuck {
    begun: Receiver<()>,
    end: Sender<u32>,
}

fn stuck() -> (Stuck, impl FnOnce() -> Option<u32> + Send + 'static) {
    let (begin, begun) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    let call = move || {
        begin.send(()).unwrap();
        ended.recv().ok()
    };
    (Stuck { begun, end }, call)
}

fn wait_until_none_is_left() {
    while abandoned() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_call_that_returns_is_as_if_it_was_made_here() {
    let _alone = alone();
    assert_eq!(abandon(|| 6 * 7).unwrap(), 42);
    assert_eq!(futures::executor::block_on(abandon_async(|| 6 * 7)).unwrap(), 42);
    let panicked = std::panic::catch_unwind(|| abandon(|| panic!("as it was"))).unwrap_err();
    assert_eq!(*panicked.downcast_ref::<&str>().unwrap(), "as it was");
    assert_eq!(abandoned(), 0);
}

#[test]
fn a_cancel_leaves_the_call_behind_and_it_is_counted_until_it_returns() {
    let _alone = alone();
    let (stuck, call) = stuck();
    let token = CancellationToken::new();
    let waiting = token.sync_scope(|| thread::spawn(|| abandon(call)));
    stuck.begun.recv().unwrap();
    assert_eq!(abandoned(), 0);
    token.cancel_with("enough");
    let cancelled = waiting.join().unwrap().unwrap_err();
    assert_eq!(cancelled.reason().to_string(), "enough");
    assert_eq!(cancelled.observed_at().file(), file!());
    assert_eq!(abandoned(), 1);
    stuck.end.send(1).unwrap();
    wait_until_none_is_left();
}

#[test]
fn l09_under_a_cancelled_scope_nothing_is_started() {
    let _alone = alone();
    let token = CancellationToken::new();
    token.cancel();
    let outcome: Result<(), Cancelled> = token.sync_scope(|| abandon(|| panic!("it is started")));
    assert!(outcome.is_err());
}

#[test]
fn the_call_has_the_scope_and_may_check() {
    let _alone = alone();
    let token = CancellationToken::new();
    assert_eq!(token.sync_scope(|| abandon(current)).unwrap(), token);
    let (begin, begun) = mpsc::channel();
    let waiting = token.sync_scope(|| {
        thread::spawn(|| {
            abandon(move || {
                begin.send(()).unwrap();
                while check().is_ok() {}
            })
        })
    });
    begun.recv().unwrap();
    token.cancel();
    // Whichever is first.
    drop(waiting.join().unwrap());
    wait_until_none_is_left();
}

#[test]
fn a_future_that_is_dropped_leaves_the_call_behind() {
    let _alone = alone();
    let (stuck, call) = stuck();
    {
        let mut future = pin!(abandon_async(call));
        assert!(
            future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        stuck.begun.recv().unwrap();
    }
    assert_eq!(abandoned(), 1);
    drop(stuck);
    wait_until_none_is_left();
}

#[test]
fn what_a_call_that_was_left_behind_returns_is_dropped_also_if_that_panics() {
    struct Bomb(Sender<()>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            panic!("no harm is done");
        }
    }

    let _alone = alone();
    let (dropped, is_dropped) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    {
        let mut future = pin!(abandon_async(move || {
            ended.recv().unwrap();
            Bomb(dropped)
        }));
        assert!(
            future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    end.send(()).unwrap();
    is_dropped.recv().unwrap();
    wait_until_none_is_left();
}

/// <https://github.com/tokio-rs/tokio/issues/2318>, <https://github.com/tokio-rs/tokio/issues/589>,
/// <https://github.com/timescale/rsigma/pull/164>: a program in tokio's runtime that has read from standard input does not end before
/// somebody presses Enter.
#[test]
#[cfg(unix)]
fn a_program_that_waits_for_standard_input_ends_without_a_line() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asks"));
    let mut asks = process::tree(command.arg("50ms").stdin(Stdio::piped()))
        .spawn()
        .unwrap();
    // Or else the wait would close it.
    let _open = asks.stdin.take();
    assert_eq!(asks.wait().unwrap().code(), Some(124));
}

/// As many as may run do, and are left behind; one more waits, with a scope that can still be cancelled, until one returns.
#[test]
fn their_number_is_bounded() {
    let _alone = alone();
    let token = CancellationToken::new();
    let all: Vec<_> = (0..ABANDON_LIMIT).map(|_| stuck()).collect();
    let (all, calls): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    let waiting: Vec<_> = calls
        .into_iter()
        .map(|call| token.sync_scope(|| thread::spawn(|| abandon(call))))
        .collect();
    for stuck in &all {
        stuck.begun.recv().unwrap();
    }
    token.cancel();
    for thread in waiting {
        assert!(thread.join().unwrap().is_err());
    }
    assert_eq!(abandoned(), ABANDON_LIMIT);

    let impatient = CancellationToken::new();
    impatient.cancel_after(std::time::Duration::from_millis(10));
    assert!(impatient.sync_scope(|| abandon(|| ())).unwrap_err().is_timeout());

    futures::executor::block_on(async {
        let mut patient = pin!(abandon_async(|| 42));
        let is_ready = poll_fn(|cx| Poll::Ready(patient.as_mut().poll(cx).is_ready())).await;
        assert!(!is_ready);
        all[0].end.send(0).unwrap();
        assert_eq!(patient.await.unwrap(), 42);
    });
    drop(all);
    wait_until_none_is_left();
}
