//! Plain threads that wait: for a while, for a cancel, for a channel, for each other; and I/O that a cancel ends.

use std::future::{Future, pending, poll_fn};
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Poll, Waker};
use std::thread::ThreadId;
use std::time::Duration;

use cancelable::thread::{self, block_on};
use cancelable::{
    CancelReason, CancellationToken, Cancelled, ReasonKind, Scope, blocking_sleep, cancelable, check, current, guard,
    propagate, shield, shield_sync, sleep,
};
use crossbeam_channel::select;
use tests::ready_after;

/// An hour: nothing here is to wait so long.
const LONG: Duration = Duration::from_secs(3600);

/// Runs `wait` on a thread under a token, has the token cancelled once `wait` has called what it is given, and hands out
/// what it returns. Whether the thread is asleep by then or about to go to sleep differs from run to run; either way it
/// has to be woken, or this never ends.
fn cancelled_while<T: Send + 'static>(wait: impl FnOnce(&dyn Fn()) -> T + Send + 'static) -> T {
    let token = CancellationToken::new();
    let barrier = Arc::new(Barrier::new(2));
    let there = Arc::clone(&barrier);
    let waiting = token.sync_scope(|| {
        thread::spawn(move || {
            wait(&|| {
                there.wait();
            })
        })
    });
    barrier.wait();
    token.cancel_with(CancelReason::shutdown());
    waiting.join().unwrap()
}

// sleeping, and waiting for the cancel --------------------------------------------------------------------------------

#[test]
fn l05_a_cancel_wakes_a_thread_that_sleeps() {
    for _ in 0..50 {
        let slept = cancelled_while(|begin| {
            begin();
            blocking_sleep(LONG)
        });
        assert_eq!(slept.unwrap_err().kind(), ReasonKind::Shutdown);
    }
}

#[test]
fn a_sleep_ends_by_itself_where_nothing_cancels_it() {
    assert!(blocking_sleep(Duration::from_millis(1)).is_ok());
    assert!(
        CancellationToken::new()
            .sync_scope(|| blocking_sleep(Duration::from_millis(1)))
            .is_ok()
    );
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    cancelled.sync_scope(|| {
        assert!(blocking_sleep(LONG).is_err());
        assert!(shield_sync(|| blocking_sleep(Duration::from_millis(1))).is_ok());
    });
}

#[test]
fn a_sleep_for_ever_ends_with_the_scope() {
    let slept: Result<(), Cancelled> = Scope::new()
        .timeout(Duration::from_millis(5))
        .run_sync(|| blocking_sleep(Duration::MAX));
    assert!(slept.unwrap_err().is_timeout());
}

#[test]
fn an_unpark_by_somebody_else_wakes_nobody_early() {
    // The unpark is there before the wait begins, so that the first park returns at once.
    std::thread::current().unpark();
    assert!(!CancellationToken::new().wait_timeout(Duration::from_millis(1)));
    let woken = cancelled_while(|begin| {
        std::thread::current().unpark();
        begin();
        current().wait();
        current().is_cancelled()
    });
    assert!(woken);
}

// block_on ------------------------------------------------------------------------------------------------------------

#[test]
fn block_on_gives_what_the_future_gives() {
    assert_eq!(block_on(ready_after(3, 7)).unwrap(), 7);
    let token = CancellationToken::new();
    token.sync_scope(|| {
        assert_eq!(block_on(ready_after(3, 7)).unwrap(), 7);
        assert_eq!(block_on(async { current() }).unwrap(), token);
    });
}

#[test]
fn l10_block_on_keeps_a_value_that_is_ready_though_the_cancel_came_meanwhile() {
    let token = CancellationToken::new();
    let value = token.sync_scope(|| {
        block_on(async {
            current().cancel();
            7
        })
    });
    assert_eq!(value.unwrap(), 7);
}

#[test]
fn l09_block_on_under_a_cancelled_token_does_not_poll() {
    let token = CancellationToken::new();
    token.cancel();
    token.sync_scope(|| {
        assert!(block_on(async { panic!("polled") }).is_err());
        assert_eq!(shield_sync(|| block_on(ready_after(3, 7))).unwrap(), 7);
    });
}

#[test]
fn the_error_of_block_on_names_its_line() {
    let token = CancellationToken::new();
    token.cancel();
    let (error, line) = token.sync_scope(|| (block_on(pending::<()>()).unwrap_err(), line!()));
    assert_eq!(
        (error.observed_at().file(), error.observed_at().line()),
        (file!(), line)
    );
    assert!(error.belongs_to(&token));
}

#[test]
fn a_future_that_is_lent_to_block_on_survives_the_cancel() {
    let (sender, receiver) = futures::channel::oneshot::channel();
    let mut receiver = pin!(receiver);
    let token = CancellationToken::new();
    token.cancel_after(Duration::from_millis(1));
    token.sync_scope(|| {
        assert!(block_on(receiver.as_mut()).is_err());
        sender.send(7).unwrap();
        assert_eq!(shield_sync(|| block_on(receiver.as_mut())).unwrap(), Ok(7));
    });
}

#[test]
fn l12_block_on_lets_what_is_annotated_out() {
    let cleaned = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cleaned);
    let result = cancelled_while(move |begin| {
        block_on(async {
            let result = guard(async {
                begin();
                pending::<()>().await;
            })
            .await;
            shield(sleep(Duration::from_millis(1))).await.unwrap();
            flag.store(true, Ordering::SeqCst);
            result
        })
    });
    assert!(result.unwrap().is_err(), "what the future returned on its way out");
    assert!(cleaned.load(Ordering::SeqCst));
}

#[test]
fn a_wake_up_is_not_lost_to_a_future_that_parks_the_thread_itself() {
    let mut polls = 0;
    let twice = poll_fn(|cx| {
        polls += 1;
        if polls == 2 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        // Uses up the unpark, as a contended lock or a channel of the standard library may.
        std::thread::park();
        Poll::Pending
    });
    block_on(twice).unwrap();
    assert_eq!(polls, 2);
}

#[test]
fn block_on_is_not_woken_to_poll_for_nothing() {
    // Stray unparks, as other code on this thread leaves them behind, do not count as wake-ups.
    let polls = Arc::new(AtomicUsize::new(0));
    let (wakers, waker) = mpsc::channel::<(std::thread::Thread, Waker)>();
    let other = std::thread::spawn(move || {
        let (thread, waker) = waker.recv().unwrap();
        for _ in 0..1000 {
            thread.unpark();
        }
        waker.wake();
    });
    let count = Arc::clone(&polls);
    block_on(poll_fn(move |cx| {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            wakers.send((std::thread::current(), cx.waker().clone())).unwrap();
            return Poll::Pending;
        }
        Poll::Ready(())
    }))
    .unwrap();
    assert_eq!(polls.load(Ordering::SeqCst), 2);
    other.join().unwrap();
}

// channels ------------------------------------------------------------------------------------------------------------

#[test]
fn l05_a_receive_of_any_channel_is_woken_by_the_cancel() {
    // The sender outlives the wait: nothing but the cancel can end it.
    for _ in 0..50 {
        let (sender, receiver) = flume::unbounded::<u32>();
        let received = cancelled_while(move |begin| {
            begin();
            block_on(receiver.recv_async())
        });
        assert_eq!(received.unwrap_err().kind(), ReasonKind::Shutdown);
        drop(sender);

        let (sender, mut receiver) = tokio::sync::mpsc::channel::<u32>(1);
        let received = cancelled_while(move |begin| {
            begin();
            block_on(receiver.recv())
        });
        assert_eq!(received.unwrap_err().kind(), ReasonKind::Shutdown);
        drop(sender);

        let (sender, receiver) = smol::channel::unbounded::<u32>();
        let received = cancelled_while(move |begin| {
            begin();
            block_on(receiver.recv())
        });
        assert_eq!(received.unwrap_err().kind(), ReasonKind::Shutdown);
        drop(sender);

        let (sender, mut receiver) = futures::channel::mpsc::unbounded::<u32>();
        let received = cancelled_while(move |begin| {
            begin();
            block_on(futures::StreamExt::next(&mut receiver))
        });
        assert_eq!(received.unwrap_err().kind(), ReasonKind::Shutdown);
        drop(sender);
    }
}

#[test]
fn a_receive_that_is_cancelled_takes_no_message() {
    let (sender, receiver) = flume::unbounded();
    let token = CancellationToken::new();
    let worker = token.sync_scope(|| {
        thread::spawn(move || {
            let mut got = Vec::new();
            while let Ok(Ok(n)) = block_on(receiver.recv_async()) {
                got.push(n);
            }
            got.extend(receiver.drain());
            got
        })
    });
    let sending = std::thread::spawn(move || {
        for n in 0..10_000_u32 {
            if n == 5_000 {
                token.cancel();
            }
            let _ = sender.send(n);
        }
    });
    let got = worker.join().unwrap();
    sending.join().unwrap();
    // All that were sent while it listened, without a gap.
    assert!(got.len() >= 5_000);
    assert!(got.iter().copied().eq(0..u32::try_from(got.len()).unwrap()));
}

/// An annotated sync function that waits: every turn of the loop and every receive is a check point.
#[cancelable]
fn sum(numbers: &flume::Receiver<u32>, begin: &dyn Fn()) -> Result<u32, Cancelled> {
    let mut sum = 0;
    begin();
    while let Ok(n) = block_on(numbers.recv_async())? {
        sum += n;
    }
    Ok(sum)
}

#[test]
fn an_annotated_worker_waits_for_messages_or_the_cancel() {
    let (sender, receiver) = flume::unbounded();
    (1..=4).for_each(|n| sender.send(n).unwrap());
    let summed = cancelled_while({
        let receiver = receiver.clone();
        move |begin| sum(&receiver, begin)
    });
    assert!(summed.is_err());
    (1..=4).for_each(|n| sender.send(n).unwrap());
    drop(sender);
    assert!(sum(&receiver, &|| {}).is_ok());
}

#[test]
fn crossbeams_select_listens_to_a_channel_that_the_cancel_closes() {
    let (sender, receiver) = crossbeam_channel::unbounded::<u32>();
    sender.send(7).unwrap();
    let (first, second) = cancelled_while(move |begin| {
        let (open, cancelled) = crossbeam_channel::bounded::<()>(0);
        let _closing = current().on_cancel(move |_| drop(open));
        let receive = || -> Result<u32, Cancelled> {
            check()?;
            select! {
                recv(receiver) -> n => Ok(n.unwrap()),
                recv(cancelled) -> _ => Err(check().unwrap_err()),
            }
        };
        let first = receive();
        begin();
        (first, receive())
    });
    assert_eq!(first.unwrap(), 7);
    assert_eq!(second.unwrap_err().kind(), ReasonKind::Shutdown);
    drop(sender);
}

#[test]
fn a_channel_of_the_standard_library_is_woken_by_a_last_message() {
    enum Message {
        Number(u32),
        Cancelled,
    }
    let (sender, receiver) = mpsc::channel();
    let own = sender.clone();
    sender.send(Message::Number(7)).unwrap();
    let (sum, end) = cancelled_while(move |begin| {
        let _waking = current().on_cancel(move |_| drop(own.send(Message::Cancelled)));
        let mut sum = 0;
        while let Ok(Message::Number(n)) = receiver.recv() {
            sum += n;
            begin();
        }
        (sum, check())
    });
    assert_eq!(sum, 7);
    assert_eq!(end.unwrap_err().kind(), ReasonKind::Shutdown);
    drop(sender);
}

// threads -------------------------------------------------------------------------------------------------------------

#[test]
fn l05_a_cancel_wakes_a_thread_that_waits_for_another() {
    let (release, released) = mpsc::channel::<()>();
    // Not of the scope that is cancelled: it goes on.
    let worker = thread::spawn(move || released.recv().map(|()| 7));
    let (waited, worker) = cancelled_while(move |begin| {
        begin();
        (worker.wait(), worker)
    });
    assert_eq!(waited.unwrap_err().kind(), ReasonKind::Shutdown);
    // Nothing is lost: it can be waited for again, and joined.
    assert!(!worker.is_finished());
    release.send(()).unwrap();
    worker.wait().unwrap();
    assert_eq!(worker.join().unwrap(), Ok(7));
}

#[test]
fn waiting_for_a_thread_ends_when_it_returns_and_when_it_panics() {
    let returns = thread::spawn(|| "value");
    returns.wait().unwrap();
    assert_eq!(returns.join().unwrap(), "value");
    let panics = thread::spawn(|| std::panic::resume_unwind(Box::new("payload")));
    panics.wait().unwrap();
    let payload: Box<dyn std::any::Any + Send> = match panics.join() {
        Ok(never) => never,
        Err(payload) => payload,
    };
    assert_eq!(*payload.downcast::<&str>().unwrap(), "payload");
}

#[test]
fn a_thread_can_be_waited_for_by_several_and_in_async_code() {
    let barrier = Arc::new(Barrier::new(3));
    let there = Arc::clone(&barrier);
    let worker = Arc::new(thread::spawn(move || {
        there.wait();
        7
    }));
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                barrier.wait();
                worker.wait().unwrap();
            });
        }
        tests::Runtime::TokioCurrentThread.run({
            let worker = Arc::clone(&worker);
            async move { worker.finished().await }
        });
    });
    let worker = Arc::into_inner(worker).unwrap();
    assert_eq!(worker.join().unwrap(), 7);
}

#[test]
fn join_pays_no_heed_to_the_token() {
    let token = CancellationToken::new();
    token.cancel();
    token.sync_scope(|| {
        let worker = thread::spawn(|| check().is_err());
        assert!(worker.wait().is_err());
        assert!(worker.join().unwrap(), "cleanup collects what is cancelled");
    });
}

#[test]
fn the_handle_has_what_the_standard_librarys_has() {
    let worker = thread::spawn(|| std::thread::current().id());
    let id: ThreadId = worker.thread().id();
    let plain: std::thread::JoinHandle<ThreadId> = worker.into();
    assert_eq!(plain.join().unwrap(), id);
    assert!(format!("{:?}", thread::spawn(|| {})).starts_with("JoinHandle"));
}

#[test]
fn the_scoped_threads_of_the_standard_library_take_the_token_along() {
    let token = CancellationToken::new();
    let text = String::from("borrowed");
    token.sync_scope(|| {
        std::thread::scope(|s| {
            let seen = s.spawn(propagate(|| (current(), text.len())));
            assert_eq!(seen.join().unwrap(), (token.clone(), 8));
        });
    });
}

// I/O -----------------------------------------------------------------------------------------------------------------

/// Bytes for as long as nobody cancels. Counts how often it is asked once it has failed: a caller that tries again would
/// do so for ever.
struct Endless {
    failures: usize,
}

impl Endless {
    fn check(&mut self) -> io::Result<()> {
        if let Err(cancelled) = check() {
            self.failures += 1;
            assert_eq!(self.failures, 1, "asked again");
            return Err(cancelled.into());
        }
        Ok(())
    }
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        buffer.fill(b'x');
        Ok(buffer.len())
    }
}

impl Write for Endless {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.check()?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.check()
    }
}

#[test]
fn no_loop_of_the_standard_library_tries_again_after_a_cancel() {
    let causes: [fn(&CancellationToken); 8] = [
        CancellationToken::cancel,
        |token| assert!(token.cancel_with(CancelReason::timeout(Duration::from_secs(1)))),
        |token| assert!(token.cancel_with(CancelReason::signal(2))),
        |token| assert!(token.cancel_with(CancelReason::condition("full"))),
        |token| assert!(token.cancel_with(CancelReason::shutdown())),
        // Not even if that was the cause.
        |token| assert!(token.cancel_with(CancelReason::error(io::Error::from(io::ErrorKind::Interrupted)))),
        |token| drop(token.clone().drop_guard()),
        |token| token.cancel_after(Duration::ZERO),
    ];
    let loops: [fn(&mut Endless) -> io::Result<()>; 11] = [
        |endless| endless.read_exact(&mut [0; 64]),
        |endless| endless.read_to_end(&mut Vec::new()).map(drop),
        |endless| endless.read_to_string(&mut String::new()).map(drop),
        |endless| io::copy(endless, &mut io::sink()).map(drop),
        |endless| io::copy(&mut io::repeat(b'x').take(64), endless).map(drop),
        |endless| endless.write_all(&[b'x'; 64]),
        |endless| endless.write_fmt(format_args!("{}", 64)),
        |endless| BufReader::new(endless).bytes().try_for_each(|byte| byte.map(drop)),
        |endless| BufReader::new(endless).lines().try_for_each(|line| line.map(drop)),
        |endless| BufReader::new(endless).skip_until(b'\n').map(drop),
        |endless| io::BufWriter::new(endless).flush(),
    ];
    for cause in causes {
        let token = CancellationToken::new();
        cause(&token);
        assert!(token.is_cancelled());
        for run in loops {
            let mut endless = Endless { failures: 0 };
            let error = token.sync_scope(|| run(&mut endless)).unwrap_err();
            assert_ne!(error.kind(), io::ErrorKind::Interrupted);
            assert_eq!(endless.failures, 1);
            let cancelled = error.get_ref().unwrap().downcast_ref::<Cancelled>().unwrap();
            assert_eq!(Some(cancelled.kind()), token.reason().map(|reason| reason.kind()));
            assert_eq!(cancelled.observed_at().file(), file!());
            let cancelled = *error.into_inner().unwrap().downcast::<Cancelled>().unwrap();
            assert!(cancelled.belongs_to(&token));
        }
    }
}

#[test]
fn a_copy_that_is_under_way_ends_with_its_scope() {
    let copied: io::Result<u64> = Scope::new()
        .timeout(Duration::from_millis(5))
        .run_sync(|| io::copy(&mut Endless { failures: 0 }, &mut io::sink()));
    let error = copied.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.get_ref().unwrap().is::<Cancelled>());
}

/// Nothing in here is async, and yet futures are: they are `Send`, so a worker can be given one.
#[test]
fn what_blocks_goes_from_thread_to_thread() {
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    fn is_send(_: &impl Send) {}
    let worker = thread::spawn(|| {});
    is_send_and_sync(&worker);
    is_send(&worker.finished());
    worker.join().unwrap();
    let given: Box<dyn Future<Output = u32> + Send + Unpin> = Box::new(ready_after(1, 7));
    assert_eq!(thread::spawn(|| block_on(given)).join().unwrap().unwrap(), 7);
}
