//! Losers of `select!` and of a failed `try_join!`: programs that people asked about in public, with `race!` and `try_join!` in their
//! place.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use cancelable::{Cancelled, cancelable, guard, race, shield, try_join};
use futures::channel::oneshot;
use tests::step::{Driven, Log};
use tests::{paused_tokio, poll_once, ready_after};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, mpsc};

/// <https://github.com/Quantus-Network/chain/issues/674>: a frame is read with two `read_exact`s; the other branch wins when it is read
/// half, and from then on the stream is out of step.
#[test]
fn l12_a_frame_that_is_half_read_when_another_branch_wins_is_read_to_its_end() {
    #[cancelable]
    async fn read_frame(from: &mut tokio::io::DuplexStream, frames: &RefCell<VecDeque<u8>>) -> Result<(), Cancelled> {
        let mut head = [0];
        #[cancelable(finish)]
        from.read_exact(&mut head).await.unwrap();
        let mut body = vec![0; usize::from(head[0])];
        // Once there is a head, there will be a body.
        #[cancelable(shield)]
        from.read_exact(&mut body).await.unwrap();
        frames.borrow_mut().extend(body);
        Ok(())
    }
    paused_tokio().block_on(async {
        let (mut miner, mut node) = tokio::io::duplex(64);
        let frames = RefCell::default();
        let (job, has_job) = oneshot::channel::<()>();
        let mut first = Box::pin(race!(read_frame(&mut node, &frames), async {
            has_job.await.unwrap();
            Ok(())
        }));
        assert!(futures::poll!(&mut first).is_pending());
        miner.write_all(&[2, 7]).await.unwrap();
        assert!(futures::poll!(&mut first).is_pending());
        job.send(()).unwrap();
        // The job has won, and half a frame is on its way.
        assert!(futures::poll!(&mut first).is_pending());
        miner.write_all(&[8, 1, 9]).await.unwrap();
        first.await.unwrap();
        read_frame(&mut node, &frames).await.unwrap();
        assert_eq!(frames.into_inner(), [7, 8, 9]);
    });
}

/// <https://github.com/rust-lang/wg-async/issues/65>: an event is taken from one queue, and put into another one. Between the two the
/// future is dropped, and the event with it.
#[test]
fn l12_an_event_that_a_loser_has_taken_is_handed_on() {
    #[cancelable]
    async fn push_event(from: &mut mpsc::Receiver<u32>, to: &mpsc::Sender<u32>) -> Result<(), Cancelled> {
        if let Some(event) = from.recv().await {
            #[cancelable(shield)]
            to.send(event).await.unwrap();
        }
        Ok(())
    }
    paused_tokio().block_on(async {
        let (events, mut from) = mpsc::channel(4);
        let (to, mut handled) = mpsc::channel(1);
        to.send(1).await.unwrap();
        events.send(2).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut both = Box::pin(race!(push_event(&mut from, &to), async {
            stopped.await.unwrap();
            Ok(())
        }));
        assert!(futures::poll!(&mut both).is_pending());
        stop.send(()).unwrap();
        assert!(futures::poll!(&mut both).is_pending(), "the event is in nobody's hands");
        assert_eq!(handled.recv().await, Some(1));
        both.await.unwrap();
        assert_eq!(handled.recv().await, Some(2));
    });
}

/// <https://github.com/tokio-rs/tokio/issues/2542>: tokio's budget makes a condition look pending while its branch has work. Here the
/// branch that has lost is plain code that drains a queue: it is pending only for its budget, and so goes on in the next poll.
#[test]
fn l10_a_loser_that_has_used_up_the_budget_is_not_dropped_for_that() {
    let drain = |drained: Rc<RefCell<u32>>, mut queue: mpsc::UnboundedReceiver<u32>| async move {
        while queue.recv().await.is_some() {
            *drained.borrow_mut() += 1;
        }
    };
    for (wins_in_poll, wins_first) in [(1, false), (2, false), (2, true)] {
        let (fill, queue) = mpsc::unbounded_channel();
        (0..1000).for_each(|n| fill.send(n).unwrap());
        let drained = Rc::default();
        let loser = drain(Rc::clone(&drained), queue);
        let wins = ready_after(wins_in_poll - 1, ());
        paused_tokio().block_on(async {
            if wins_first {
                // It is decided with a new budget: the loser was pending for want of one in the poll before.
                race!(wins, loser).await;
            } else {
                race!(loser, wins).await;
            }
        });
        assert_eq!(
            *drained.borrow(),
            1000,
            "won in poll {wins_in_poll}, first: {wins_first}"
        );
        drop(fill);
    }
}

/// <https://github.com/yoshuawuyts/futures-concurrency/issues/126>: when is a loser dropped that waits for something foreign? As with
/// `select!`, before the race is over, and not with what is round it.
#[test]
fn l16_a_loser_is_gone_before_the_race_is_over() {
    async fn work(log: Log, says: &'static str, polls: usize) {
        struct Gone(Log, &'static str);
        impl Drop for Gone {
            fn drop(&mut self) {
                self.0.add(self.1);
            }
        }
        let _gone = Gone(log, says);
        ready_after(polls, ()).await;
    }
    let log = Log::default();
    let mut all = Driven::new(futures::future::join(
        async {
            race!(work(log.clone(), "winner", 1), work(log.clone(), "loser", 9)).await;
            log.add("race");
        },
        work(log.clone(), "beside", 3),
    ));
    assert!(all.run().is_ready());
    assert_eq!(log.all(), ["winner", "loser", "race", "beside"]);
}

/// <https://github.com/tokio-rs/tokio/issues/1830>: two servers are joined. When one fails, the program is to end, and the other server
/// before that, in good order.
#[test]
fn l24_when_one_server_fails_the_other_one_is_shut_down_and_the_failure_comes_out() {
    #[cancelable]
    async fn accept(connection: oneshot::Receiver<()>) -> Result<(), Cancelled> {
        let _ = connection.await;
        Ok(())
    }
    async fn serve(log: Log, connection: oneshot::Receiver<()>, last: oneshot::Receiver<()>) -> Result<(), String> {
        let stopped = accept(connection).await;
        shield(async {
            last.await.unwrap();
            log.add("last answer");
        })
        .await;
        stopped.map_err(|cancelled| cancelled.to_string())
    }
    let (_never, connection) = oneshot::channel();
    let (answered, last) = oneshot::channel();
    let (breaks, broken) = oneshot::channel::<()>();
    let log = Log::default();
    let both = try_join!(serve(log.clone(), connection, last), async {
        broken.await.unwrap();
        Err::<(), _>("address in use".to_owned())
    });
    let mut both = Driven::new(both);
    assert!(both.run().is_pending());
    breaks.send(()).unwrap();
    assert!(both.run().is_pending());
    answered.send(()).unwrap();
    assert_eq!(both.run(), Poll::Ready(Err("address in use".to_owned())));
    assert_eq!(log.all(), ["last answer"]);
}

/// <https://github.com/Lonami/grammers/issues/282>: a future that has lost a `select` is kept, unpolled, with a lock in its hands, and
/// everybody waits. A loser of `race!` is over when the race is, whatever it waits for.
#[test]
fn l12_a_lock_that_a_loser_holds_is_free_after_the_race() {
    #[cancelable]
    async fn annotated(lock: &tokio::sync::Mutex<u32>) -> Result<(), Cancelled> {
        let mut held = lock.lock().await;
        *held += 1;
        pending().await
    }
    async fn plain(lock: &tokio::sync::Mutex<u32>) -> Result<(), Cancelled> {
        let mut held = lock.lock().await;
        *held += 1;
        pending().await
    }
    async fn wins() -> Result<(), Cancelled> {
        ready_after(2, Ok(())).await
    }
    paused_tokio().block_on(async {
        let lock = tokio::sync::Mutex::new(0);
        race!(annotated(&lock), wins()).await.unwrap();
        race!(plain(&lock), wins()).await.unwrap();
        assert_eq!(*lock.try_lock().unwrap(), 2);
    });
}

/// <https://github.com/apache/asyncband/issues/10>: who waits, and is dropped by `select!`, takes somebody else's wake-up along. A plain
/// loser is not polled again when another branch has won, so it takes nothing that it could not give back.
#[test]
fn l22_what_a_plain_loser_has_been_offered_is_for_the_next_one() {
    async fn wins(polls: usize) -> u32 {
        ready_after(polls, 0).await
    }
    paused_tokio().block_on(async {
        let notify = Notify::new();
        let (offers, mut offered) = mpsc::channel(1);
        let mut race = Box::pin(race!(
            wins(1),
            async {
                notify.notified().await;
                1
            },
            async { offered.recv().await.unwrap() }
        ));
        assert!(futures::poll!(&mut race).is_pending());
        let mut next = pin!(notify.notified());
        assert!(futures::poll!(&mut next).is_pending());
        notify.notify_one();
        offers.send(2).await.unwrap();
        assert_eq!(race.await, 0);
        assert!(futures::poll!(&mut next).is_ready());
        assert_eq!(offered.recv().await, Some(2));
    });
}

/// Not from a thread: what a destructor of each kind of loser sees.
#[test]
fn l20_a_destructor_in_a_branch_sees_why_it_ends() {
    struct Sees(Arc<Mutex<Vec<String>>>, &'static str);
    impl Drop for Sees {
        fn drop(&mut self) {
            let reason = cancelable::current().reason().map(|reason| reason.to_string());
            let what = format!("{}: {}", self.1, reason.unwrap_or_default());
            self.0.lock().unwrap().push(what);
        }
    }
    let seen = Arc::default();
    let sees = |who| Sees(Arc::clone(&seen), who);
    async fn waits(_sees: Sees) -> u32 {
        pending().await
    }
    async fn asks(_sees: Sees) -> u32 {
        drop(guard(pending::<()>()).await);
        pending().await
    }
    fn ready(race: impl Future<Output = u32>) -> u32 {
        match Driven::new(race).run() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it is won"),
        }
    }
    assert_eq!(
        ready(race!(waits(sees("plain")), asks(sees("asks")), ready_after(1, 3))),
        3
    );
    assert_eq!(
        ready(race!(
            waits(sees("first poll")),
            ready_after(0, 2),
            waits(sees("not begun"))
        )),
        2
    );
    let mut given_up = Box::pin(race!(waits(sees("given up")), asks(sees("asks, given up"))));
    assert!(poll_once(&mut given_up).is_pending());
    drop(given_up);
    let superseded = "superseded: another branch of the race finished first";
    let seen: Vec<_> = std::mem::take(&mut *seen.lock().unwrap());
    let [plain, asks, not_begun, first_poll, given_up, asks_given_up] = &seen[..] else {
        panic!("{seen:#?}")
    };
    assert_eq!(*plain, format!("plain: {superseded}"));
    assert_eq!(*asks, format!("asks: {superseded}"));
    assert_eq!(*not_begun, "not begun: ");
    assert_eq!(*first_poll, format!("first poll: {superseded}"));
    assert!(given_up.starts_with("given up: dropped"), "{given_up}");
    assert!(asks_given_up.starts_with("asks, given up: dropped"), "{asks_given_up}");
}
