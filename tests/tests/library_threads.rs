//! The library's own threads run user code: wakers, callbacks, futures, conditions. None of it ends them, and none of it holds
//! up the others for ever (L21).

use std::future::{Future, pending, poll_fn};
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use cancelable::{CancellationToken, Cancelled, ReasonKind, Scope, any, check, condition, sleep};
use tests::poll_with;

type Outcome = Result<(), Cancelled>;

const MOMENT: Duration = Duration::from_millis(1);

fn spin() -> Outcome {
    loop {
        check()?;
    }
}

/// Blocks for ever.
fn block() {
    loop {
        thread::park();
    }
}

/// Panics when it is dropped; as the payload of a panic, too. It does so `.0` times over.
struct Bomb(u8);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 && !thread::panicking() {
            panic_any(Bomb(self.0 - 1));
        }
    }
}

/// The timer's thread and the watcher's are there, and do what they are for.
fn all_is_well() {
    let token = CancellationToken::new();
    token.cancel_after(MOMENT);
    let (told, is_told) = mpsc::channel();
    token.on_cancel(move |_| told.send(()).unwrap()).detach();
    is_told.recv().unwrap();
    let asked = Scope::new().until(condition(MOMENT, || true)).run_sync(spin);
    assert_eq!(asked.unwrap_err().kind(), ReasonKind::Condition);
    let done = Scope::new().until(sleep(MOMENT)).run_sync(spin);
    assert_eq!(done.unwrap_err().kind(), ReasonKind::Condition);
}

// Panics --------------------------------------------------------------------------------------------------------------

/// Pending for ever. It says when it is polled the second time, which the library's thread does, and goes on in there when
/// it is told to.
struct Held {
    polls: usize,
    polled: mpsc::Sender<Waker>,
    go_on: Mutex<mpsc::Receiver<()>>,
    _bomb: Bomb,
    dropped: mpsc::Sender<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.dropped.send(()).unwrap();
    }
}

impl Future for Held {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.polls += 1;
        if self.polls == 1 {
            cx.waker().wake_by_ref();
        } else {
            self.polled.send(cx.waker().clone()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
        }
        Poll::Pending
    }
}

/// A scope with a source that is being polled as the scope ends; dropped by the thread, therefore, which has happened when
/// this returns.
fn end_a_scope_while_its_source_is_polled(bomb: Bomb) {
    let (polled, is_polled) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel();
    let (dropped, is_dropped) = mpsc::channel();
    let held = Held {
        polls: 0,
        polled,
        go_on: Mutex::new(goes_on),
        _bomb: bomb,
        dropped,
    };
    let waker: Result<Waker, Cancelled> = Scope::new().until(held).run_sync(|| Ok(is_polled.recv().unwrap()));
    // Whoever keeps a waker does not keep the future.
    let _waker = waker.unwrap();
    assert!(is_dropped.try_recv().is_err(), "it is being polled");
    go_on.send(()).unwrap();
    is_dropped.recv_timeout(Duration::from_secs(60)).unwrap();
}

#[test]
fn a_source_that_is_given_up_while_it_is_polled_is_dropped_by_who_polls_it() {
    end_a_scope_while_its_source_is_polled(Bomb(0));
}

#[test]
fn l21_a_source_that_panics_when_it_is_dropped_by_the_thread_ends_nothing() {
    for n in 1..4 {
        end_a_scope_while_its_source_is_polled(Bomb(n));
        all_is_well();
    }
}

#[test]
fn l21_a_source_that_panics_when_its_scope_drops_it_takes_nothing_from_the_scope() {
    struct Never(#[expect(dead_code, reason = "dropped")] Bomb);

    impl Future for Never {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }

    for n in 1..3 {
        let outcome: Result<u32, Cancelled> = Scope::new()
            .until(any((Never(Bomb(n)), Never(Bomb(n)))))
            .run_sync(|| Ok(7));
        assert_eq!(outcome.unwrap(), 7);
        let outcome: Result<u32, Cancelled> =
            futures::executor::block_on(Scope::new().until(Never(Bomb(n))).run(async { Ok(7) }));
        assert_eq!(outcome.unwrap(), 7);
    }
    all_is_well();
}

#[test]
fn l21_payloads_that_panic_when_they_are_dropped_end_no_thread() {
    for n in 0..3 {
        let mut is_first = true;
        let bomb = poll_fn(move |cx| {
            if !std::mem::take(&mut is_first) {
                panic_any(Bomb(n));
            }
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        let later = condition(MOMENT, || true).named("later");
        let error = Scope::new().until(any((bomb, later))).run_sync(spin).unwrap_err();
        assert_eq!(error.reason().to_string(), "condition \"later\" came true");
        let mut asked = Some(Bomb(n));
        let bomb = condition(MOMENT, move || match asked.take() {
            Some(bomb) => panic_any(bomb),
            None => true,
        });
        let later = condition(MOMENT, || true).named("later");
        let error = Scope::new().until(any((bomb, later))).run_sync(spin).unwrap_err();
        assert_eq!(error.reason().to_string(), "condition \"later\" came true");

        let token = CancellationToken::new();
        let (told, is_told) = mpsc::channel();
        let bomb = token.on_cancel(move |_| panic_any(Bomb(n)));
        let _last = token.on_cancel(move |_| told.send(()).unwrap());
        token.cancel_after(MOMENT);
        is_told.recv().unwrap();
        assert!(!bomb.unregister());
        all_is_well();
    }
}

#[test]
fn l21_wakers_that_panic_when_they_are_dropped_do_not_end_the_timer() {
    struct Woken(mpsc::Sender<()>, #[expect(dead_code, reason = "dropped")] Bomb);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.send(()).unwrap();
        }
    }

    for n in 1..3 {
        let (woken, is_woken) = mpsc::channel();
        let waker = Waker::from(Arc::new(Woken(woken, Bomb(n))));
        let mut sleeping = Box::pin(sleep(MOMENT));
        assert!(poll_with(&mut sleeping, &waker).is_pending());
        // From here on the timer has the last one.
        drop(waker);
        is_woken.recv().unwrap();
        all_is_well();
    }
}

// Slow code -----------------------------------------------------------------------------------------------------------

#[test]
fn a_callback_that_never_returns_does_not_hold_up_the_deadlines_of_others() {
    let (stuck, is_stuck) = mpsc::channel();
    let token = CancellationToken::new();
    let _callback = token.on_cancel(move |_| {
        stuck.send(()).unwrap();
        block();
    });
    token.cancel_after(MOMENT);
    is_stuck.recv().unwrap();
    all_is_well();
    // Those that were there before.
    let tokens: Vec<_> = (0..100).map(|_| CancellationToken::new()).collect();
    let (told, is_told) = mpsc::channel();
    let mut callbacks = Vec::new();
    for (n, token) in tokens.iter().enumerate() {
        let told = told.clone();
        callbacks.push(token.on_cancel(move |_| {
            if n == 50 {
                block();
            }
            told.send(()).unwrap();
        }));
        token.cancel_after(2 * MOMENT);
    }
    assert_eq!(is_told.iter().take(99).count(), 99);
}

#[test]
fn a_condition_that_never_answers_does_not_hold_up_other_sources() {
    let (stuck, is_stuck) = mpsc::channel();
    let patient = condition(MOMENT, move || {
        stuck.send(()).unwrap();
        block();
        false
    });
    let outcome: Outcome = Scope::new().until(patient).run_sync(|| {
        is_stuck.recv().unwrap();
        all_is_well();
        Ok(())
    });
    outcome.unwrap();
    let blocking = poll_fn({
        let mut polls = 0;
        move |cx| {
            polls += 1;
            if polls > 1 {
                block();
            }
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }
    });
    let (fire, fires) = futures::channel::oneshot::channel::<()>();
    let outcome: Outcome = Scope::new().until(blocking).until(fires).run_sync(|| {
        fire.send(()).unwrap();
        spin()
    });
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
}

#[cfg(unix)]
#[test]
fn a_condition_that_never_answers_does_not_hold_up_signals() {
    use cancelable::signal;
    use rustix::process::{Signal, getpid, kill_process};

    let (stuck, is_stuck) = mpsc::channel();
    let patient = condition(MOMENT, move || {
        stuck.send(()).unwrap();
        block();
        false
    });
    let signal = signal::unix([signal::SIGUSR2]).unwrap();
    let outcome: Outcome = Scope::new().until(any((patient, signal))).run_sync(|| {
        is_stuck.recv().unwrap();
        kill_process(getpid(), Signal::USR2).unwrap();
        spin()
    });
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Signal);
}

#[test]
fn a_source_that_is_slow_once_is_polled_again_by_whoever_is_on_duty_and_never_by_two() {
    let is_polled = Arc::new(AtomicBool::new(false));
    let (waker_out, wakers) = mpsc::channel::<Waker>();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let mut polls = 0;
    let slow = poll_fn(move |cx| {
        assert!(!is_polled.swap(true, Ordering::SeqCst), "polled by two");
        polls += 1;
        waker_out.send(cx.waker().clone()).unwrap();
        if polls == 2 {
            goes_on.recv().unwrap();
        }
        is_polled.store(false, Ordering::SeqCst);
        if polls < 3 { Poll::Pending } else { Poll::Ready(()) }
    });
    // Rust's receivers cannot be shared; a future that moves to another thread can have one.
    let outcome: Outcome = Scope::new().until(slow).run_sync(|| {
        wakers.recv().unwrap().wake();
        let waker = wakers.recv().unwrap();
        // It is stuck. What wakes it now is not lost, also if somebody else takes over meanwhile.
        waker.wake();
        all_is_well();
        go_on.send(()).unwrap();
        spin()
    });
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
}

// Where they are polled -----------------------------------------------------------------------------------------------

#[test]
fn l23_a_source_that_is_ready_at_once_keeps_the_body_from_starting() {
    let here = thread::current().id();
    let ready = poll_fn(move |_| {
        assert_eq!(thread::current().id(), here);
        Poll::Ready(())
    });
    let outcome: Outcome = Scope::new().until(ready).run_sync(|| unreachable!("it is cancelled"));
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
    let body = async { unreachable!("it is cancelled") };
    let outcome: Outcome = futures::executor::block_on(Scope::new().until(async {}).run(body));
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
}

#[test]
fn the_first_poll_of_a_source_has_no_ambient_token_just_as_the_others() {
    let token = CancellationToken::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seeing = Arc::clone(&seen);
    let mut polls = 0;
    let source = poll_fn(move |cx| {
        seeing.lock().unwrap().push(cancelable::current());
        polls += 1;
        cx.waker().wake_by_ref();
        if polls < 3 { Poll::Pending } else { Poll::Ready(()) }
    });
    let outcome: Outcome = token.sync_scope(|| Scope::new().until(source).run_sync(spin));
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
    assert_eq!(*seen.lock().unwrap(), vec![CancellationToken::never(); 3]);
}

#[test]
fn a_source_that_is_never_ready_changes_nothing() {
    let outcome: Outcome = Scope::new().until(pending::<()>()).run_sync(|| Ok(()));
    outcome.unwrap();
}
