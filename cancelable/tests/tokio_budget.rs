//! L10: what tokio only makes look pending, for a task has used up its budget of 128 operations a poll, is not pending.
//!
//! To be run with the feature `tokio` and without it: how the library finds out differs.

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, Scope, StreamEnd, StreamExt as _, cancelable, check, guard,
    race,
};
use futures::FutureExt as _;
use futures::stream::{self, FuturesUnordered, Stream, StreamExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{consume_budget, yield_now};

/// What a task may do in one poll.
const BUDGET: usize = 128;

/// Runs a task to its end, on each kind of tokio's runtimes.
fn on_tokio<F, Fut>(test: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut one = tokio::runtime::Builder::new_current_thread();
    let runtime = one.build().unwrap();
    runtime.block_on(test());
    runtime.block_on(runtime.spawn(test())).unwrap();
    let mut many = tokio::runtime::Builder::new_multi_thread();
    let runtime = many.worker_threads(2).build().unwrap();
    runtime.block_on(test());
    runtime.block_on(runtime.spawn(test())).unwrap();
}

/// A channel in which so many messages have arrived, and whose sender is still there.
fn full(messages: usize) -> (tokio::sync::mpsc::UnboundedSender<usize>, UnboundedReceiver<usize>) {
    let (sender, receiver) = unbounded_channel();
    for n in 0..messages {
        sender.send(n).unwrap();
    }
    (sender, receiver)
}

fn messages(mut receiver: UnboundedReceiver<usize>) -> impl Stream<Item = usize> {
    stream::poll_fn(move |cx| receiver.poll_recv(cx))
}

/// A task mate: uses up this poll's budget, and that of so many polls.
async fn eat(polls: usize) {
    for _ in 0..polls * BUDGET {
        consume_budget().await;
    }
}

/// `future`, suspended once before it begins and cancelled in the meantime, as a member of a task that has no budget left
/// whenever it gets to the future.
async fn starved<F: Future>(token: &CancellationToken, polls: usize, future: F) -> F::Output {
    let mut eating = pin!(eat(polls).fuse());
    let mut future = pin!(token.scope(future));
    let mut is_first = true;
    poll_fn(|cx| {
        if !std::mem::take(&mut is_first) {
            let _ = eating.as_mut().poll(cx);
        }
        let poll = future.as_mut().poll(cx);
        token.cancel();
        poll
    })
    .await
}

#[test]
fn a_drain_of_tokio_s_channel_is_whole() {
    for count in [BUDGET - 1, BUDGET, 500, 20_000] {
        on_tokio(move || async move {
            let token = CancellationToken::new();
            let (_sender, receiver) = full(count);
            let all = messages(receiver).until_cancelled(StreamEnd::Drain { at_most: 100_000 });
            token.cancel();
            let got: Vec<_> = token.scope(all.collect()).await;
            assert!(got.into_iter().eq(0..count), "of {count}");
        });
    }
}

#[test]
fn a_drain_in_a_scope_and_in_an_annotated_function_is_whole() {
    #[cancelable]
    async fn drained(receiver: UnboundedReceiver<usize>, got: Arc<AtomicUsize>) -> Result<(), Cancelled> {
        let mut all = pin!(messages(receiver).until_cancelled(StreamEnd::Drain { at_most: 100_000 }));
        #[cancelable(skip)]
        while all.next().await.is_some() {
            got.fetch_add(1, Ordering::Relaxed);
            if got.load(Ordering::Relaxed) == 1 {
                cancelable::current().cancel();
            }
        }
        Ok(())
    }

    on_tokio(|| async {
        let (_sender, receiver) = full(20_000);
        let got = Arc::new(AtomicUsize::new(0));
        let result = Scope::new().run(async { guard(drained(receiver, Arc::clone(&got))).await? });
        let result: Result<(), Cancelled> = result.await;
        drop(result);
        assert_eq!(got.load(Ordering::Relaxed), 20_000);
    });
}

#[test]
fn a_drain_in_chunks_is_whole() {
    on_tokio(|| async {
        let token = CancellationToken::new();
        let (_sender, receiver) = full(500);
        let chunks = messages(receiver).until_cancelled_by(&token, StreamEnd::Drain { at_most: 1000 });
        token.cancel();
        let sizes: Vec<_> = chunks.chunked(100).map(|chunk| chunk.len()).collect().await;
        assert_eq!(sizes, [100; 5]);
    });
}

/// Cancels while what it guards is pending for the lack of budget, and expects the value. `polls`: how many polls the task
/// mate has nothing left in.
async fn expect<T, F: Future<Output = Option<T>>>(
    polls: usize,
    of: &str,
    guarded: impl FnOnce(CancellationToken) -> F,
) {
    let token = CancellationToken::new();
    let guarded = guarded(token.clone());
    assert!(starved(&token, polls, guarded).await.is_some(), "{of}, {polls}");
}

/// Pending in the first poll; then `future`.
async fn second<F: Future>(future: F) -> F::Output {
    futures::pending!();
    future.await
}

#[test]
fn a_value_that_has_arrived_arrives_beside_a_task_mate_that_eats_the_budget() {
    for polls in [1, 2, 20] {
        on_tokio(move || async move {
            expect(polls, "channel", |_| async {
                let (_sender, mut receiver) = full(1);
                guard(second(receiver.recv())).await.ok()
            })
            .await;
            expect(polls, "oneshot", |_| async {
                let (sender, receiver) = oneshot::channel();
                sender.send(1).unwrap();
                guard(second(receiver)).await.ok()
            })
            .await;
            let task = tokio::spawn(async { 1 });
            while !task.is_finished() {
                yield_now().await;
            }
            expect(polls, "task", |_| async { guard(second(task)).await.ok() }).await;
            expect(polls, "select", |_| async {
                let (_sender, mut receiver) = full(1);
                let chosen = second(async {
                    tokio::select! {
                        value = receiver.recv() => value,
                        () = pending() => None,
                    }
                });
                guard(chosen).await.ok()
            })
            .await;
            expect(polls, "race", |_| async {
                let (_sender, mut receiver) = full(1);
                let race = race((second(receiver.recv()), pending()));
                guard(race).await.ok()
            })
            .await;
            expect(polls, "scope", |_| async {
                let (_sender, mut receiver) = full(1);
                let scope = Scope::new().run(async { Ok::<_, Cancelled>(second(receiver.recv()).await) });
                scope.await.ok()
            })
            .await;
            expect(polls, "with_cancellation", |token| async move {
                let (_sender, mut receiver) = full(1);
                second(receiver.recv()).with_cancellation(&token).await.ok()
            })
            .await;
            expect(polls, "run_until_cancelled", |token| async move {
                let (_sender, mut receiver) = full(1);
                token.run_until_cancelled(second(receiver.recv())).await
            })
            .await;
            expect(polls, "with_cancellation_token", |token| async move {
                let (_sender, mut receiver) = full(1);
                second(receiver.recv()).with_cancellation_token(&token).await
            })
            .await;
            expect(polls, "members", |_| async {
                let (_sender, mut receiver) = full(1);
                let mut members: FuturesUnordered<_> = [guard(second(receiver.recv()))].into_iter().collect();
                members.next().await.unwrap().ok()
            })
            .await;
            expect(polls, "annotated", |_| async {
                #[cancelable]
                async fn inner(receiver: &mut UnboundedReceiver<usize>) -> Result<Option<usize>, Cancelled> {
                    Ok(second(receiver.recv()).await)
                }
                #[cancelable]
                async fn outer(receiver: &mut UnboundedReceiver<usize>) -> Result<Option<usize>, Cancelled> {
                    inner(receiver).await
                }
                let (_sender, mut receiver) = full(1);
                Scope::new().run(outer(&mut receiver)).await.ok()
            })
            .await;
        });
    }
}

/// `FuturesUnordered` and its like poll only the members that were woken, and tokio wakes those that it has made to wait when it
/// has run out of other tasks.
#[cfg(feature = "tokio")]
#[test]
fn what_polls_only_those_of_its_members_that_were_woken_is_whole() {
    use tokio::sync::Semaphore;

    fn jobs(semaphore: &Arc<Semaphore>) -> impl Stream<Item = impl Future<Output = usize>> {
        let semaphore = Arc::clone(semaphore);
        stream::iter(0..1000).map(move |n| {
            let semaphore = Arc::clone(&semaphore);
            async move {
                let _permit = semaphore.acquire().await.unwrap();
                n
            }
        })
    }

    on_tokio(|| async {
        let all = Arc::new(Semaphore::new(1000));
        let token = CancellationToken::new();
        token.cancel();
        let end = StreamEnd::Drain { at_most: 100_000 };
        let unordered = jobs(&all).buffer_unordered(50).until_cancelled_by(&token, end);
        assert_eq!(unordered.count().await, 1000);
        let ordered = jobs(&all).buffered(50).until_cancelled(end);
        assert_eq!(token.scope(ordered.count()).await, 1000);
    });
    for polls in [1, 2, 20] {
        on_tokio(move || async move {
            expect(polls, "join_all", |_| {
                guard(values(futures::future::join_all)).map(Result::ok)
            })
            .await;
            expect(polls, "guarded in join_all", |_| async {
                let values = values(|all| futures::future::join_all(all.into_iter().map(guard)));
                let values = guard(values).await.ok()?;
                values.into_iter().collect::<Result<Vec<_>, _>>().ok()
            })
            .await;
            expect(polls, "join_all in a scope", |_| {
                let values = values(futures::future::join_all).map(Ok::<_, Cancelled>);
                Scope::new().run(values).map(Result::ok)
            })
            .await;
        });
    }
}

/// All of many values, which are sent at the end of the first poll.
#[cfg(feature = "tokio")]
async fn values<F: Future + Unpin>(all: impl FnOnce(Vec<oneshot::Receiver<usize>>) -> F) -> F::Output {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..300).map(|_| oneshot::channel()).unzip();
    let mut senders = Some(senders);
    let mut all = all(receivers);
    poll_fn(|cx| {
        let poll = all.poll_unpin(cx);
        for sender in senders.take().into_iter().flatten() {
            sender.send(1).unwrap();
        }
        poll
    })
    .await
}

/// Polls `future`, cancels, and counts the polls until it is done. (`yield_now` and the budget need tokio to go on.)
async fn polls_after_the_cancel<F: Future>(token: &CancellationToken, future: F) -> usize {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|cx| {
        let poll = future.as_mut().poll(cx);
        polls += usize::from(token.is_cancelled());
        token.cancel();
        poll.map(drop)
    })
    .await;
    polls
}

#[test]
fn a_cancel_gets_through_to_what_never_stops_waking_itself() {
    on_tokio(|| async {
        let token = CancellationToken::new();
        let busy = token.scope(guard(async {
            loop {
                yield_now().await;
            }
        }));
        assert!(polls_after_the_cancel(&token, busy).await < 1000);

        let token = CancellationToken::new();
        let busy = token.scope(guard(async {
            loop {
                consume_budget().await;
            }
        }));
        assert!(polls_after_the_cancel(&token, busy).await < 1000);

        let token = CancellationToken::new();
        let busy = async {
            let _: Result<(), Cancelled> = Scope::new()
                .parent(&token)
                .run(async {
                    let (sender, mut receiver) = full(1);
                    loop {
                        let n = receiver.recv().await.unwrap();
                        sender.send(n).unwrap();
                    }
                })
                .await;
        };
        assert!(polls_after_the_cancel(&token, busy).await < 1000);
    });
}

#[test]
fn l11_what_is_pending_with_budget_left_is_dropped_on_that_very_poll() {
    on_tokio(|| async {
        let token = CancellationToken::new();
        let (_sender, mut receiver) = full(0);
        assert_eq!(
            polls_after_the_cancel(&token, token.scope(guard(receiver.recv()))).await,
            1
        );
        let token = CancellationToken::new();
        let scoped = async {
            let _ = Scope::new()
                .parent(&token)
                .run(async { Ok::<_, Cancelled>(receiver.recv().await) })
                .await;
        };
        assert_eq!(polls_after_the_cancel(&token, scoped).await, 1);
        let token = CancellationToken::new();
        assert_eq!(
            polls_after_the_cancel(&token, token.run_until_cancelled(receiver.recv())).await,
            1
        );
        assert!(check().is_ok());
    });
}

#[derive(Default)]
struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Without the feature nobody knows whether tokio woke it or it woke itself.
#[cfg(not(feature = "tokio"))]
#[test]
fn what_wakes_itself_as_it_is_polled_is_polled_again_whichever_way_it_does_so() {
    for by_value in [false, true] {
        let token = CancellationToken::new();
        let mut polls = 0;
        let busy = poll_fn(|cx| {
            polls += 1;
            if polls == 5 {
                return Poll::Ready(7);
            }
            if by_value {
                let own = cx.waker().clone();
                own.wake();
            } else {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        });
        let mut waiting = pin!(token.run_until_cancelled(busy));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        token.cancel();
        // And twice more, to find out.
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        assert_eq!(waiting.as_mut().poll(&mut cx), Poll::Ready(Some(7)));
    }
}

/// Polls what ends with a cancel several times within one poll of a task.
#[cfg(feature = "tokio")]
fn in_one_poll(test: impl AsyncFnOnce(&CancellationToken, &mut dyn FnMut(&Arc<Counting>) -> Poll<Option<()>>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let token = CancellationToken::new();
    let mut waiting = pin!(token.run_until_cancelled(pending::<()>()));
    let mut poll = |waker: &Arc<Counting>| {
        let waker = Waker::from(Arc::clone(waker));
        waiting.as_mut().poll(&mut Context::from_waker(&waker))
    };
    runtime.block_on(test(&token, &mut poll));
}

#[cfg(feature = "tokio")]
#[test]
fn l11_what_was_polled_before_the_cancel_in_the_same_poll_of_the_task_is_not_put_off() {
    in_one_poll(async |token, poll| {
        let count = Arc::default();
        assert!(poll(&count).is_pending());
        token.cancel();
        assert_eq!(poll(&count), Poll::Ready(None));
    });
}

#[cfg(feature = "tokio")]
#[test]
fn l11_what_is_polled_before_tokio_has_woken_others_is_woken_when_it_has() {
    in_one_poll(async |token, poll| {
        let [first, last] = [(); 2].map(|()| Arc::<Counting>::default());
        assert!(poll(&first).is_pending());
        token.cancel();
        while tokio::task::coop::has_budget_remaining() {
            let _ = pin!(consume_budget()).poll(&mut Context::from_waker(Waker::noop()));
        }
        assert!(poll(&first).is_pending(), "there is no budget");
        // Here there is.
        tokio::task::unconstrained(async { assert!(poll(&last).is_pending()) }).await;
        assert_eq!(last.0.load(Ordering::SeqCst), 0, "it is not polled for nothing");
        yield_now().await;
        assert_eq!(last.0.load(Ordering::SeqCst), 1);
        assert_eq!(poll(&last), Poll::Ready(None));
    });
}

#[test]
fn l11_without_a_runtime_what_is_pending_is_dropped_on_that_very_poll_and_keeps_no_waker() {
    let count = Arc::new(Counting::default());
    let waker = Waker::from(Arc::clone(&count));
    let token = CancellationToken::new();
    let (_sender, mut receiver) = futures::channel::mpsc::unbounded::<u32>();
    let mut waiting: Pin<Box<dyn Future<Output = bool> + '_>> =
        Box::pin(token.scope(async { guard(receiver.next()).await.is_err() }));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    token.cancel();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert_eq!(
        waiting.as_mut().poll(&mut Context::from_waker(&waker)),
        Poll::Ready(true)
    );
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
}

#[test]
fn what_has_not_begun_when_the_cancel_comes_is_not_begun_for_the_lack_of_budget() {
    #[cancelable(yield_every = 1)]
    async fn takes(receiver: &mut UnboundedReceiver<usize>) -> Result<(), Cancelled> {
        while receiver.recv().await.is_some() {}
        Ok(())
    }

    on_tokio(|| async {
        let token = CancellationToken::new();
        let (_sender, mut receiver) = full(10);
        assert!(starved(&token, 3, takes(&mut receiver)).await.is_err());
        assert_eq!(receiver.len(), 10);
    });
}
