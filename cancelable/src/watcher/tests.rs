//! Futures that are given up, wake themselves, or panic while they are being polled.

use std::sync::mpsc;
use std::task::Poll;

use super::*;

/// Says when it is dropped.
struct Tells(mpsc::Sender<()>);

impl Drop for Tells {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn a_future_whose_poll_ends_its_own_watch_is_dropped_and_not_polled_again() {
    for is_inline in [true, false] {
        let (drops, dropped) = mpsc::channel();
        let (wakers, waker) = mpsc::channel::<Waker>();
        let own: Arc<Mutex<Option<Vigil>>> = Arc::default();
        let (slot, tells) = (Arc::clone(&own), Tells(drops));
        let mut polls = 0;
        let future = std::future::poll_fn(move |cx| {
            let _tells = &tells;
            polls += 1;
            match polls {
                1 => wakers.send(cx.waker().clone()).unwrap(),
                2 => drop(lock(&slot).take()),
                _ => panic!("polled after it was given up"),
            }
            Poll::Pending
        });
        let vigil = watch(future, is_inline, |error| panic!("{error}"));
        let waker = waker.recv().unwrap();
        *lock(&own) = Some(vigil);
        waker.wake_by_ref();
        dropped.recv().unwrap();
        waker.wake();
        assert!(lock(&own).is_none());
    }
}

#[test]
fn a_future_that_wakes_itself_while_it_is_polled_is_polled_again() {
    for is_inline in [true, false] {
        let (polls, polled) = mpsc::channel();
        let mut is_first = true;
        let future = std::future::poll_fn(move |cx| {
            polls.send(()).unwrap();
            if std::mem::replace(&mut is_first, false) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        });
        let _vigil = watch(future, is_inline, |error| panic!("{error}"));
        if is_inline {
            assert_eq!(polled.try_iter().count(), 2);
        } else {
            assert_eq!(polled.iter().count(), 2, "and then it is over");
        }
    }
}

/// Panics whatever is done to it.
struct Panics;

impl Future for Panics {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        panic!("polled");
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn l21_a_future_that_panics_in_its_first_poll_and_again_as_it_is_dropped_takes_nothing_along() {
    for is_inline in [true, false] {
        let vigil = SHARED.watch(Box::pin(Panics), is_inline, Box::new(|error| panic!("{error}")));
        assert!(lock(&vigil.0.state).is_over);
    }
}

#[test]
fn a_future_that_is_woken_several_times_before_it_is_polled_is_queued_once() {
    // Its thread is this one.
    let watcher: &'static Watcher = Box::leak(Box::new(Watcher::new(|_, _| Ok(()))));
    let queued = || lock(&watcher.queue).tasks.len();
    let (wakers, woken_by) = mpsc::channel();
    let future = std::future::poll_fn(move |cx| {
        cx.waker().wake_by_ref();
        cx.waker().wake_by_ref();
        wakers.send(cx.waker().clone()).unwrap();
        Poll::Pending
    });
    let _vigil = watcher.watch(Box::pin(future), false, Box::new(|error| panic!("{error}")));
    for waker in woken_by.iter().take(3) {
        assert_eq!(queued(), 1, "for the wakes in its poll");
        waker.wake_by_ref();
        assert_eq!(queued(), 1);
        watcher.next().poll();
    }
}

#[test]
fn all_that_is_queued_while_the_thread_is_busy_is_polled_after_that() {
    let watcher: &'static Watcher = Box::leak(Box::new(Watcher::new(spawn)));
    // In its second poll, `then` is what it does.
    let watch = |then: Box<dyn FnOnce() + Send>| {
        let (wakers, waker) = mpsc::channel::<Waker>();
        let mut then = Some(then);
        let mut is_first = true;
        let future = std::future::poll_fn(move |cx| {
            if std::mem::replace(&mut is_first, false) {
                wakers.send(cx.waker().clone()).unwrap();
                return Poll::Pending;
            }
            then.take().unwrap()();
            Poll::Ready(())
        });
        let vigil = watcher.watch(Box::pin(future), false, Box::new(|error| panic!("{error}")));
        (vigil, waker.recv().unwrap())
    };
    let (begun, is_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let (busy, wake_busy) = watch(Box::new(move || {
        begun.send(()).unwrap();
        may_go.recv().unwrap();
    }));
    let (polls, polled) = mpsc::channel();
    let others = [1, 2].map(|n| {
        let polls = polls.clone();
        watch(Box::new(move || polls.send(n).unwrap()))
    });
    wake_busy.wake();
    is_begun.recv().unwrap();
    others.iter().for_each(|(_, waker)| waker.wake_by_ref());
    go.send(()).unwrap();
    assert_eq!(polled.iter().take(2).collect::<Vec<_>>(), [1, 2]);
    drop(busy);
}

#[test]
fn what_is_ready_at_once_starts_no_thread() {
    let watcher: &'static Watcher = Box::leak(Box::new(Watcher::new(|_, _| panic!("a thread is started"))));
    let vigil = watcher.watch(Box::pin(async {}), false, Box::new(|error| panic!("{error}")));
    assert!(lock(&vigil.0.state).is_over && !watcher.post.is_held());
}
