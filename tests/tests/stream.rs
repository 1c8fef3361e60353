//! Streams that end when a token is cancelled, and loops over streams that know nothing of it.

use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cancelable::testing;
use cancelable::{
    CancelFutureExt as _, CancelReason, CancellationToken, Cancelled, ReasonKind, Scope, Spawn, StreamEnd,
    StreamExt as _, TaskGroup, UntilCancelled, cancelable, current, guard, shield,
};
use futures::channel::{mpsc, oneshot};
use futures::stream::{self, FusedStream as _, FuturesUnordered, Stream, StreamExt as _};
use tests::{CountingWaker, PollsInWaker, Runtime, on_every_runtime, poll_once, poll_with, ready_after};

const ALL_ENDS: [StreamEnd; 3] = [StreamEnd::Now, StreamEnd::AfterItem, StreamEnd::Drain { at_most: 3 }];

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

fn boxed<'a, T>(future: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(future)
}

/// A waker made of a closure.
struct WakeFn<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for WakeFn<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Polls for the next item, outside any scope.
fn poll_item<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    stream.poll_next_unpin(&mut Context::from_waker(Waker::noop()))
}

/// A channel that ends with a token of its own.
fn channel(
    end: StreamEnd,
) -> (
    CancellationToken,
    mpsc::UnboundedSender<u32>,
    UntilCancelled<mpsc::UnboundedReceiver<u32>>,
) {
    let token = CancellationToken::new();
    let (sender, receiver) = mpsc::unbounded();
    let stream = receiver.until_cancelled_by(&token, end);
    (token, sender, stream)
}

#[test]
fn without_a_cancel_the_stream_is_as_it_was() {
    on_every_runtime(|| async {
        for end in ALL_ENDS {
            let mut plain = stream::iter(1..=3).until_cancelled(end);
            assert_eq!(plain.by_ref().collect::<Vec<_>>().await, [1, 2, 3]);
            assert!(plain.is_terminated());
            assert!(plain.cancelled().is_none());
            let in_a_scope: Result<Vec<u32>, Cancelled> = Scope::new()
                .run(async move { Ok(stream::iter(1..=3).until_cancelled(end).collect().await) })
                .await;
            assert_eq!(in_a_scope.unwrap(), [1, 2, 3]);
        }
    });
}

#[test]
fn l10_an_item_that_is_ready_is_yielded_even_if_the_cancel_came_meanwhile() {
    for end in ALL_ENDS {
        let (token, sender, mut stream) = channel(end);
        assert!(poll_item(&mut stream).is_pending());
        sender.unbounded_send(1).unwrap();
        token.cancel();
        assert_eq!(poll_item(&mut stream), Poll::Ready(Some(1)), "{end:?}");
        assert_eq!(poll_item(&mut stream), Poll::Ready(None), "{end:?}");
        assert!(stream.cancelled().is_some());
    }
}

#[test]
fn between_two_items_now_and_after_item_ask_for_nothing_more() {
    for end in [StreamEnd::Now, StreamEnd::AfterItem] {
        let (token, sender, mut stream) = channel(end);
        for n in 1..=3 {
            sender.unbounded_send(n).unwrap();
        }
        assert_eq!(poll_item(&mut stream), Poll::Ready(Some(1)));
        token.cancel_with("enough");
        assert_eq!(poll_item(&mut stream), Poll::Ready(None));
        assert_eq!(stream.cancelled().unwrap().reason().to_string(), "enough");
        // What was not asked for is where it was.
        let mut rest = stream.into_inner();
        assert_eq!(poll_item(&mut rest), Poll::Ready(Some(2)));
        assert_eq!(poll_item(&mut rest), Poll::Ready(Some(3)));
    }
}

#[test]
fn a_stream_under_a_token_that_is_cancelled_already_is_empty() {
    let token = CancellationToken::new();
    token.cancel();
    for end in [StreamEnd::Now, StreamEnd::AfterItem, StreamEnd::Drain { at_most: 0 }] {
        let items: Vec<u32> =
            futures::executor::block_on(token.scope(stream::iter(1..).until_cancelled(end).collect()));
        assert!(items.is_empty(), "{end:?}");
    }
}

#[test]
fn the_end_is_for_good() {
    for end in ALL_ENDS {
        let (token, sender, mut stream) = channel(end);
        token.cancel();
        assert_eq!(poll_item(&mut stream), Poll::Ready(None));
        assert!(stream.is_terminated());
        sender.unbounded_send(1).unwrap();
        assert_eq!(poll_item(&mut stream), Poll::Ready(None), "{end:?}");
        assert_eq!(stream.size_hint(), (0, Some(0)));
    }
    // Also the stream's own: what is inside is not polled again.
    let mut once = stream::poll_fn({
        let mut polled = false;
        move |_| {
            assert!(!std::mem::replace(&mut polled, true), "polled after its end");
            Poll::Ready(None::<u32>)
        }
    })
    .until_cancelled(StreamEnd::Now);
    assert_eq!(poll_item(&mut once), Poll::Ready(None));
    assert_eq!(poll_item(&mut once), Poll::Ready(None));
    assert!(once.is_terminated());
}

#[test]
fn size_hints_allow_for_a_cancel_at_any_time() {
    let token = CancellationToken::new();
    let mut five = stream::iter(0..5).until_cancelled_by(&token, StreamEnd::Now);
    assert_eq!(five.size_hint(), (0, Some(5)));
    assert_eq!(poll_item(&mut five), Poll::Ready(Some(0)));
    assert_eq!(five.size_hint(), (0, Some(4)));
    let mut chunks = five.chunked(3);
    assert_eq!(chunks.size_hint(), (0, Some(2)));
    assert_eq!(poll_item(&mut chunks), Poll::Ready(Some(vec![1, 2, 3])));
    assert_eq!(chunks.size_hint(), (0, Some(1)));
    assert_eq!(stream::repeat(1).until_cancelled(StreamEnd::Now).size_hint(), (0, None));
    // Not even with as many items as can be counted do the sums overflow.
    let huge = stream::iter(0..usize::MAX).until_cancelled(StreamEnd::Now).chunked(1);
    assert_eq!(huge.size_hint(), (0, Some(usize::MAX)));
}

#[test]
fn the_error_names_the_line_that_wrapped_the_stream() {
    let (token, _sender, receiver) = {
        let (sender, receiver) = mpsc::unbounded::<u32>();
        (CancellationToken::new(), sender, receiver)
    };
    let line = line!() + 1;
    let mut stream = receiver.until_cancelled_by(&token, StreamEnd::Now);
    assert!(poll_item(&mut stream).is_pending());
    token.cancel();
    assert_eq!(poll_item(&mut stream), Poll::Ready(None));
    let cancelled = stream.cancelled().unwrap();
    assert_eq!(
        (cancelled.observed_at().file(), cancelled.observed_at().line()),
        (file!(), line)
    );
    assert!(cancelled.belongs_to(&token));
}

#[test]
fn l11_a_pending_stream_is_woken_by_the_cancel_and_ends_on_that_poll() {
    // By the ambient token, and by one of its own; under the task's waker and under others; without a runtime.
    for by_token in [false, true] {
        for foreign in [false, true] {
            let token = CancellationToken::new();
            let inner = token.clone();
            let items = async move {
                let stream = stream::pending::<()>();
                let mut stream = if by_token {
                    stream.until_cancelled_by(&inner, StreamEnd::Now)
                } else {
                    stream.until_cancelled(StreamEnd::Now)
                };
                (stream.next().await, stream.cancelled().is_some())
            };
            let layer = if foreign { among_others } else { plainly };
            let mut task = boxed(token.scope(layer(boxed(items))));
            let (count, waker) = CountingWaker::new();
            assert!(poll_with(&mut task, &waker).is_pending());
            // (`FuturesUnordered` wakes itself once it has polled each of its futures.)
            let before = count.count();
            token.cancel();
            assert!(count.count() > before, "by_token: {by_token}, foreign: {foreign}");
            assert_eq!(poll_with(&mut task, &waker), Poll::Ready((None, true)));
        }
    }
}

#[test]
fn l11_a_cancel_from_another_thread_ends_it_on_every_runtime() {
    for end in [StreamEnd::Now, StreamEnd::Drain { at_most: usize::MAX }] {
        on_every_runtime(|| async move {
            let barrier = Arc::new(Barrier::new(2));
            let token = CancellationToken::new();
            let (sender, receiver) = mpsc::unbounded();
            let canceller = std::thread::spawn({
                let (token, barrier, sender) = (token.clone(), Arc::clone(&barrier), sender.clone());
                move || {
                    barrier.wait();
                    sender.unbounded_send(2).unwrap();
                    token.cancel_with(CancelReason::shutdown());
                }
            });
            sender.unbounded_send(1).unwrap();
            let mut stream = receiver.until_cancelled_by(&token, end);
            assert_eq!(stream.next().await, Some(1));
            barrier.wait();
            let rest: Vec<u32> = stream.by_ref().collect().await;
            assert_eq!(stream.cancelled().unwrap().kind(), ReasonKind::Shutdown);
            // Whether the second was in time or not, it is not lost.
            let mut left = stream.into_inner();
            left.close();
            let left: Vec<u32> = left.collect().await;
            assert_eq!([rest, left].concat(), [2]);
            canceller.join().unwrap();
        });
    }
}

#[test]
fn l05_no_cancel_is_missed_and_no_item_lost_in_a_race() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    for round in 0..600 {
        let end = [StreamEnd::Now, StreamEnd::Drain { at_most: 1 }][round % 2];
        let token = CancellationToken::new();
        let (sender, receiver) = mpsc::unbounded();
        let ambient = round % 3 == 0;
        let foreign = round % 5 < 2;
        let by = token.clone();
        let take = async move {
            let mut stream = if ambient {
                receiver.until_cancelled(end)
            } else {
                receiver.until_cancelled_by(&by, end)
            };
            let taken: Vec<u32> = stream.by_ref().collect().await;
            assert!(stream.cancelled().is_some());
            (taken, stream.into_inner())
        };
        let scope = token.clone();
        let task = runtime.spawn(async move {
            if foreign {
                let mut all = FuturesUnordered::new();
                all.push(take);
                scope.scope(all.next()).await.unwrap()
            } else {
                scope.scope(take).await
            }
        });
        let sent: Vec<u32> = (0..20).collect();
        for n in &sent {
            if *n == 10 {
                token.cancel();
            }
            sender.unbounded_send(*n).unwrap_or_default();
        }
        drop(sender);
        // Nothing but the cancel and the items wakes the task.
        let (mut got, left) = runtime.block_on(task).unwrap();
        got.extend(runtime.block_on(left.collect::<Vec<u32>>()));
        assert_eq!(got, sent, "round {round}");
    }
}

#[test]
fn l12_on_an_executor_that_polls_inside_the_waker() {
    for end in ALL_ENDS {
        for by_token in [false, true] {
            let token = CancellationToken::new();
            let by = token.clone();
            let (gates, opened): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel::<()>()).unzip();
            let cleaned = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&cleaned);
            let task = PollsInWaker::start(token.scope(guard(async move {
                let members = opened.into_iter().map(|gate| {
                    let (by, counter) = (by.clone(), Arc::clone(&counter));
                    async move {
                        let one = Box::pin(stream::once(fetches(1, gate, counter)));
                        let stream = if by_token {
                            one.until_cancelled_by(&by, end)
                        } else {
                            one.until_cancelled(end)
                        };
                        stream.collect::<Vec<u32>>().await
                    }
                });
                members.collect::<FuturesUnordered<_>>().collect::<Vec<_>>().await
            })));
            token.cancel();
            assert!(task.take_output().is_none(), "{end:?}, {by_token}: cleaning up");
            for gate in gates {
                gate.send(()).unwrap();
            }
            let items = task.take_output().expect("all are out").expect("and nothing was cut");
            assert_eq!(items, [[1], [1], [1]], "{end:?}, {by_token}");
            assert_eq!(cleaned.load(Ordering::SeqCst), 3);
        }
    }
}

#[test]
fn l12_streams_that_carry_their_scope_get_out_one_by_one_though_the_executor_polls_inside_the_waker() {
    let token = CancellationToken::new();
    let unwound = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&unwound);
    let task = PollsInWaker::start(token.scope(guard(async move {
        let members = (0..3).map(|_| {
            let counter = Arc::clone(&counter);
            let item = async move {
                assert!(guard(pending::<()>()).await.is_err());
                counter.fetch_add(1, Ordering::SeqCst);
            };
            stream::once(item).in_current_scope().count()
        });
        members.collect::<FuturesUnordered<_>>().collect::<Vec<_>>().await
    })));
    token.cancel();
    let counts = task.take_output().expect("all are out").expect("and nothing was cut");
    assert_eq!((counts, unwound.load(Ordering::SeqCst)), (vec![1, 1, 1], 3));
}

#[test]
fn a_stream_that_is_always_ready_ends_at_the_deadline_of_its_scope() {
    for end in ALL_ENDS {
        on_every_runtime(|| async move {
            // However little was counted on a busy machine.
            let cut: Result<Option<Cancelled>, Cancelled> = Scope::new()
                .timeout(Duration::from_millis(5))
                .run(async move {
                    let mut busy = stream::repeat(()).until_cancelled(end);
                    busy.by_ref().count().await;
                    Ok(busy.cancelled().cloned())
                })
                .await;
            assert!(cut.unwrap().unwrap().is_timeout());
        });
    }
}

#[test]
fn a_deadline_of_the_token_ends_a_pending_stream() {
    on_every_runtime(|| async {
        let soon = CancellationToken::new();
        soon.cancel_after(Duration::from_millis(5));
        let mut never = stream::pending::<()>().until_cancelled_by(&soon, StreamEnd::Now);
        assert_eq!(never.next().await, None);
        assert!(never.cancelled().unwrap().is_timeout());

        // Also one that is set when the stream is pending, and of a parent.
        let parent = CancellationToken::new();
        let mut never = stream::pending::<()>().until_cancelled_by(&parent.child_token(), StreamEnd::Now);
        assert!(poll_item(&mut never).is_pending());
        let (end, ()) = futures::join!(never.next(), async { parent.cancel_after(Duration::from_millis(5)) });
        assert_eq!(end, None);
        assert!(never.cancelled().unwrap().is_timeout());
    });
}

#[test]
fn after_item_waits_for_the_item_that_was_asked_for() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        let inner = token.clone();
        let produced: Vec<u32> = stream::unfold(1, move |n| {
            let token = inner.clone();
            async move {
                if n == 3 {
                    token.cancel();
                }
                ready_after(3, Some((n, n + 1))).await
            }
        })
        .until_cancelled_by(&token, StreamEnd::AfterItem)
        .collect()
        .await;
        assert_eq!(produced, [1, 2, 3]);
    });
}

#[test]
fn after_item_a_stream_that_ends_instead_was_not_cut() {
    let (token, sender, mut stream) = channel(StreamEnd::AfterItem);
    assert!(poll_item(&mut stream).is_pending());
    token.cancel();
    assert!(poll_item(&mut stream).is_pending());
    assert!(stream.cancelled().is_none() && !stream.is_terminated());
    assert_eq!(stream.size_hint(), (0, Some(1)));
    drop(sender);
    assert_eq!(poll_item(&mut stream), Poll::Ready(None));
    assert!(stream.cancelled().is_none());
}

/// What the tests below put between a stream and a scope: nothing,
fn plainly<T>(future: Boxed<T>) -> Boxed<T> {
    future
}

/// or others that it is one of, under a waker of its own.
fn among_others<T: 'static>(future: Boxed<T>) -> Boxed<T> {
    Box::pin(async move {
        let mut all: FuturesUnordered<Boxed<T>> = FuturesUnordered::new();
        all.push(Box::pin(pending()));
        all.push(future);
        all.next().await.unwrap()
    })
}

#[test]
fn l12_after_item_holds_off_the_check_points_outside() {
    // The ambient token of the scope, or the same by hand, or a parent of it; guards and scopes outside; wakers of theirs
    // or not.
    for (how, layer) in [("plainly", plainly as fn(_) -> _), ("among others", among_others)] {
        for which in ["ambient", "by token", "by parent"] {
            let parent = CancellationToken::new();
            let (gate, opened) = oneshot::channel::<u32>();
            let above = parent.clone();
            let body = Scope::new().parent(&parent).run_with(|token| async move {
                let work = async move {
                    let pages = stream::once(opened).map(Result::unwrap).chain(stream::pending());
                    let pages = Box::pin(pages);
                    let pages = match which {
                        "ambient" => pages.until_cancelled(StreamEnd::AfterItem),
                        "by token" => pages.until_cancelled_by(&token, StreamEnd::AfterItem),
                        _ => pages.until_cancelled_by(&above, StreamEnd::AfterItem),
                    };
                    pages.collect::<Vec<u32>>().await
                };
                Ok::<_, Cancelled>(guard(layer(boxed(work))).await.unwrap_or_default())
            });
            let mut task = boxed(body);
            assert!(poll_once(&mut task).is_pending());
            parent.cancel();
            for _ in 0..3 {
                assert!(poll_once(&mut task).is_pending(), "{how}, {which}");
            }
            gate.send(7).unwrap();
            let Poll::Ready(Ok(pages)) = poll_once(&mut task) else {
                panic!("not ended: {how}, {which}");
            };
            assert_eq!(pages, [7], "{how}, {which}");
        }
    }
}

#[test]
fn l14_after_item_is_bounded_by_the_grace_of_the_scope() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        let inner = token.clone();
        let outcome: Result<usize, Cancelled> = Scope::new()
            .parent(&token)
            .grace(Duration::from_millis(5))
            .run(async move {
                let never = stream::poll_fn(|_| -> Poll<Option<u32>> {
                    inner.cancel();
                    Poll::Pending
                });
                Ok(never.until_cancelled(StreamEnd::AfterItem).count().await)
            })
            .await;
        assert!(outcome.unwrap_err().was_forced());
    });
}

#[test]
fn a_cancel_of_the_ambient_token_alone_cuts_what_the_other_token_would_wait_for() {
    for stop_first in [false, true] {
        for layer in [plainly as fn(_) -> _, among_others] {
            let stop = CancellationToken::new();
            let hard = CancellationToken::new();
            let dropped = Arc::new(AtomicUsize::new(0));
            let flag = tests::DropFlag(Arc::clone(&dropped));
            let inner = stop.clone();
            let mut task = boxed(hard.scope(async move {
                guard(layer(boxed(async move {
                    let produced = stream::once(async move {
                        let _flag = flag;
                        pending::<u32>().await
                    });
                    let stream = Box::pin(produced).until_cancelled_by(&inner, StreamEnd::AfterItem);
                    drop(stream.collect::<Vec<u32>>().await);
                })))
                .await
            }));
            assert!(poll_once(&mut task).is_pending());
            if stop_first {
                stop.cancel();
                assert!(poll_once(&mut task).is_pending());
            }
            hard.cancel_with("hard");
            let mut outcome = Poll::Pending;
            for _ in 0..3 {
                if outcome.is_pending() {
                    outcome = poll_once(&mut task);
                }
            }
            let Poll::Ready(Err(cancelled)) = outcome else {
                panic!("held up: {stop_first}");
            };
            assert_eq!(cancelled.reason().to_string(), "hard");
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
        }
    }
}

#[test]
fn drain_takes_what_is_there_up_to_its_bound() {
    let (token, sender, stream) = channel(StreamEnd::Drain { at_most: 2 });
    for n in 1..=5 {
        sender.unbounded_send(n).unwrap();
    }
    let mut stream = stream;
    assert_eq!(poll_item(&mut stream), Poll::Ready(Some(1)));
    token.cancel();
    assert_eq!(poll_item(&mut stream), Poll::Ready(Some(2)));
    assert_eq!(poll_item(&mut stream), Poll::Ready(Some(3)));
    assert_eq!(poll_item(&mut stream), Poll::Ready(None));
    assert_eq!(poll_item(&mut stream.into_inner()), Poll::Ready(Some(4)));

    let (token, sender, mut stream) = channel(StreamEnd::Drain { at_most: usize::MAX });
    assert!(poll_item(&mut stream).is_pending());
    for n in 1..=5 {
        sender.unbounded_send(n).unwrap();
    }
    token.cancel();
    for n in 1..=5 {
        assert_eq!(poll_item(&mut stream), Poll::Ready(Some(n)));
    }
    assert_eq!(poll_item(&mut stream), Poll::Ready(None));
}

/// Waits for a cancel, cleans up behind a gate, and says so.
#[cancelable(or = n)]
async fn fetches(n: u32, gate: oneshot::Receiver<()>, cleaned: Arc<AtomicUsize>) -> u32 {
    #[cancelable(skip)]
    {
        let result = guard(pending::<()>()).await;
        assert!(result.is_err());
        let _ = shield(gate).await;
        cleaned.fetch_add(1, Ordering::SeqCst);
    }
    n
}

#[test]
fn l12_everything_annotated_gets_out_before_the_stream_ends() {
    on_every_runtime(|| async {
        for end in [StreamEnd::Drain { at_most: 100 }, StreamEnd::Now, StreamEnd::AfterItem] {
            let token = CancellationToken::new();
            let cleaned = Arc::new(AtomicUsize::new(0));
            let (gates, opened): (Vec<_>, Vec<_>) = (0..4).map(|_| oneshot::channel::<()>()).unzip();
            let (done, canceller) = oneshot::channel::<()>();
            let counter = Arc::clone(&cleaned);
            let work = token.scope(async move {
                let pages = stream::iter((1..).zip(opened))
                    .map(|(n, gate)| fetches(n, gate, Arc::clone(&counter)))
                    .buffer_unordered(4);
                let mut pages = Box::pin(pages).until_cancelled(end);
                let mut got: Vec<u32> = pages.by_ref().collect().await;
                got.sort_unstable();
                assert!(pages.cancelled().is_some() || got.len() == 4);
                let _ = done.send(());
                (got, counter.load(Ordering::SeqCst))
            });
            let cancel = {
                let token = token.clone();
                async move {
                    token.cancel();
                    // Nothing of them is dropped while it is cleaning up, however long that takes.
                    ready_after(3, ()).await;
                    for gate in gates {
                        let _ = gate.send(());
                    }
                    let _ = canceller.await;
                }
            };
            // The work first, so that all are under way.
            let ((got, cleaned_at_end), ()) = futures::join!(work, cancel);
            assert_eq!((got, cleaned_at_end), (vec![1, 2, 3, 4], 4), "{end:?}");
        }
    });
}

#[test]
fn l12_what_was_shielded_in_the_stream_before_the_last_item_still_is_after_it() {
    // By the ambient token, or by one that has nothing to do with that.
    for (end, by_token) in [
        (StreamEnd::Drain { at_most: 5 }, false),
        (StreamEnd::Drain { at_most: 5 }, true),
        (StreamEnd::Now, false),
        (StreamEnd::Now, true),
    ] {
        let (token, stop) = (CancellationToken::new(), CancellationToken::new());
        let (gate, opened) = oneshot::channel::<()>();
        let out = Arc::new(AtomicBool::new(false));
        let is_out = Arc::clone(&out);
        // Yields one item while something shielded is on its way in there, and another when that is out.
        let mut saving = Box::pin(shield(async move {
            let _ = opened.await;
            is_out.store(true, Ordering::SeqCst);
        }));
        let mut polls = 0;
        let pages = stream::poll_fn(move |cx| {
            polls += 1;
            match saving.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Some(2)),
                Poll::Pending if polls == 1 => Poll::Ready(Some(1)),
                Poll::Pending => Poll::Pending,
            }
        });
        let mut pages = if by_token {
            pages.until_cancelled_by(&stop, end)
        } else {
            pages.until_cancelled(end)
        };
        let mut task = boxed(token.scope(async move { (pages.next().await, pages.next().await) }));
        assert!(poll_once(&mut task).is_pending());
        if by_token { &stop } else { &token }.cancel();
        assert!(poll_once(&mut task).is_pending(), "{end:?}, {by_token}");
        gate.send(()).unwrap();
        assert_eq!(
            poll_once(&mut task),
            Poll::Ready((Some(1), Some(2))),
            "{end:?}, {by_token}"
        );
        assert!(out.load(Ordering::SeqCst));
    }
}

#[test]
fn l13_within_a_shield_the_stream_goes_on() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        token.cancel();
        token
            .scope(async {
                let mut numbers = stream::iter(1..=3).until_cancelled(StreamEnd::Now);
                assert_eq!(shield(numbers.by_ref().take(2).collect::<Vec<_>>()).await, [1, 2]);
                assert_eq!(numbers.next().await, None);
                assert!(numbers.cancelled().is_some());
            })
            .await;
    });
}

#[test]
fn the_token_of_the_stream_is_not_ambient_in_it() {
    let stop = CancellationToken::new();
    let seen = |scope: Option<&CancellationToken>| {
        let all = stream::repeat_with(current)
            .until_cancelled_by(&stop, StreamEnd::Now)
            .take(1)
            .collect();
        let seen: Vec<CancellationToken> = match scope {
            Some(scope) => futures::executor::block_on(scope.scope(all)),
            None => futures::executor::block_on(all),
        };
        seen[0].clone()
    };
    assert_eq!(seen(None), CancellationToken::never());
    let scope = CancellationToken::new();
    assert_eq!(seen(Some(&scope)), scope);
}

#[test]
fn l20_a_stream_with_a_token_of_its_own_that_is_handed_on_is_in_the_scope_that_polls_it() {
    let stop = CancellationToken::new();
    let [first, second] = [CancellationToken::new(), CancellationToken::new()];
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let pages = stream::poll_fn(move |_| -> Poll<Option<()>> {
        log.lock().unwrap().push(current());
        Poll::Pending
    });
    let mut pages = pages.until_cancelled_by(&stop, StreamEnd::AfterItem);
    let mut poll_in = |scope: &CancellationToken| {
        assert!(scope.sync_scope(|| poll_item(&mut pages)).is_pending());
        let mut seen = std::mem::take(&mut *seen.lock().unwrap());
        seen.dedup();
        assert_eq!(seen, std::slice::from_ref(scope));
    };
    poll_in(&first);
    poll_in(&second);
    // From here on it waits for its last item.
    stop.cancel();
    poll_in(&second);
    poll_in(&first);
}

#[test]
fn check_points_in_a_stream_with_a_token_of_its_own_see_the_ambient_one() {
    for layer in [plainly as fn(_) -> _, among_others] {
        let stop = CancellationToken::new();
        let scope = CancellationToken::new();
        let mut task = boxed(scope.scope(layer(boxed(async move {
            let inside = stream::once(guard(pending::<()>()));
            let mut stream = Box::pin(inside.until_cancelled_by(&stop, StreamEnd::Now));
            let first = stream.next().await.map(|item| item.unwrap_err().reason().to_string());
            (first, stream.cancelled().is_some())
        }))));
        let (count, waker) = CountingWaker::new();
        assert!(poll_with(&mut task, &waker).is_pending());
        let before = count.count();
        scope.cancel_with("outside");
        assert!(count.count() > before);
        assert_eq!(
            poll_with(&mut task, &waker),
            Poll::Ready((Some("outside".to_owned()), false))
        );
    }
}

#[test]
fn a_stream_that_went_leaves_nothing_behind() {
    let scope = CancellationToken::new();
    let stop = CancellationToken::new();
    let (count, waker) = CountingWaker::new();
    for end in ALL_ENDS {
        let mut task = boxed(scope.scope(async {
            let mut stream = stream::pending::<()>().until_cancelled_by(&stop, end);
            stream.next().await
        }));
        assert!(poll_with(&mut task, &waker).is_pending());
    }
    // And one that goes from task to task wakes the last.
    let mut moved = stream::pending::<()>().until_cancelled_by(&stop, StreamEnd::Now);
    let (last, last_waker) = CountingWaker::new();
    assert!(moved.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
    assert!(
        moved
            .poll_next_unpin(&mut Context::from_waker(&last_waker))
            .is_pending()
    );
    // One that has come to its end may be kept.
    let (sender, receiver) = mpsc::unbounded::<()>();
    let mut ended = receiver.until_cancelled_by(&stop, StreamEnd::Now);
    let (own, own_waker) = CountingWaker::new();
    assert!(ended.poll_next_unpin(&mut Context::from_waker(&own_waker)).is_pending());
    drop(sender);
    assert!(ended.poll_next_unpin(&mut Context::from_waker(&own_waker)).is_ready());
    let before = own.count();
    stop.cancel();
    scope.cancel();
    assert_eq!(count.count(), 0);
    assert_eq!(last.count(), 1);
    assert_eq!(own.count(), before);
}

#[test]
fn l12_a_stream_changes_its_place_among_the_woken_when_the_same_waker_becomes_foreign_or_stops_being() {
    // In a sync scope no waker is the scope's; outside any scope, all are.
    for becomes_foreign in [true, false] {
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| {
            let order = Arc::clone(&order);
            move || order.lock().unwrap().push(name)
        };
        let (token, _sender, mut stream) = channel(StreamEnd::Now);
        let call = note("the callback");
        let _callback = token.on_cancel(move |_| call());
        let ambient = CancellationToken::new();
        let waker = Waker::from(Arc::new(WakeFn(note("the stream"))));
        let mut poll = |is_foreign: bool| {
            let mut poll = || stream.poll_next_unpin(&mut Context::from_waker(&waker));
            assert!(if is_foreign { ambient.sync_scope(poll) } else { poll() }.is_pending());
        };
        poll(!becomes_foreign);
        poll(becomes_foreign);
        token.cancel();
        let mut expected = ["the callback", "the stream"];
        if becomes_foreign {
            expected.reverse();
        }
        let order = order.lock().unwrap().clone();
        assert_eq!(order, expected, "{becomes_foreign}");
    }
}

#[test]
fn a_panic_in_the_stream_passes_and_the_context_comes_back() {
    let stop = CancellationToken::new();
    let mut bad =
        stream::poll_fn(|_| -> Poll<Option<u32>> { panic!("in the stream") }).until_cancelled_by(&stop, StreamEnd::Now);
    assert!(catch_unwind(AssertUnwindSafe(|| poll_item(&mut bad))).is_err());
    assert_eq!(current(), CancellationToken::never());
}

// chunks ------------------------------------------------------------------------------------------------------------

#[test]
fn the_last_chunk_is_delivered_and_then_the_stream_ends() {
    for end in ALL_ENDS {
        let (token, sender, stream) = channel(end);
        let mut chunks = stream.chunked(3);
        assert!(!chunks.is_terminated());
        for n in 1..=5 {
            sender.unbounded_send(n).unwrap();
        }
        assert_eq!(poll_item(&mut chunks), Poll::Ready(Some(vec![1, 2, 3])));
        assert!(poll_item(&mut chunks).is_pending());
        assert_eq!(chunks.partial(), [4, 5]);
        assert_eq!(chunks.size_hint().0, 1, "they come, whatever happens");
        assert!(!chunks.is_terminated());
        token.cancel();
        if end == StreamEnd::AfterItem {
            assert!(poll_item(&mut chunks).is_pending());
            sender.unbounded_send(6).unwrap();
            assert_eq!(poll_item(&mut chunks), Poll::Ready(Some(vec![4, 5, 6])));
        } else {
            assert_eq!(poll_item(&mut chunks), Poll::Ready(Some(vec![4, 5])));
        }
        assert!(chunks.cancelled().is_some());
        assert!(chunks.is_terminated());
        assert_eq!(poll_item(&mut chunks), Poll::Ready(None));
    }
}

#[test]
fn no_chunk_is_empty() {
    let (token, sender, stream) = channel(StreamEnd::Now);
    let mut chunks = stream.chunked(2);
    sender.unbounded_send(1).unwrap();
    sender.unbounded_send(2).unwrap();
    assert_eq!(poll_item(&mut chunks), Poll::Ready(Some(vec![1, 2])));
    token.cancel();
    assert_eq!(poll_item(&mut chunks), Poll::Ready(None));
    let none = stream::empty::<u32>().until_cancelled(StreamEnd::Now).chunked(2);
    assert_eq!(futures::executor::block_on(none.count()), 0);
}

#[test]
fn chunks_give_back_what_they_have() {
    let (_token, sender, stream) = channel(StreamEnd::Now);
    let mut chunks = stream.chunked(3);
    sender.unbounded_send(1).unwrap();
    assert!(poll_item(&mut chunks).is_pending());
    sender.unbounded_send(2).unwrap();
    let (mut receiver, partial) = chunks.into_inner();
    assert_eq!(partial, [1]);
    assert_eq!(poll_item(&mut receiver), Poll::Ready(Some(2)));
}

#[test]
#[should_panic(expected = "chunks of no items")]
fn chunks_of_no_items_are_refused() {
    drop(stream::empty::<u32>().until_cancelled(StreamEnd::Now).chunked(0));
}

#[test]
fn wherever_the_cancel_hits_no_item_is_lost() {
    for end in ALL_ENDS {
        testing::inject(async || {
            let items = stream::iter(1..=9).then(|n| ready_after(usize::from(n % 3 == 0), n));
            let mut chunks = Box::pin(items).until_cancelled(end).chunked(2);
            let mut written: Vec<i32> = Vec::new();
            while let Some(chunk) = chunks.next().await {
                written.extend(shield(async move { ready_after(1, chunk).await }).await);
            }
            let was_cut = chunks.cancelled().is_some();
            let (stream, partial) = chunks.into_inner();
            assert!(partial.is_empty());
            (written, was_cut, shield(stream.collect::<Vec<i32>>()).await)
        })
        .assert(|outcome| {
            let (written, was_cut, left) = &outcome.value;
            assert_eq!([&written[..], left].concat(), [1, 2, 3, 4, 5, 6, 7, 8, 9], "{end:?}");
            // A stream that came to its end in spite of the cancel was not cut.
            assert!(*was_cut || left.is_empty());
            assert!(!*was_cut || outcome.noticed_at().is_some());
        });
    }
}

// loops that know nothing of it -------------------------------------------------------------------------------------

#[cancelable]
async fn sum_of_futures_channel(mut numbers: mpsc::UnboundedReceiver<u32>) -> Result<u32, Cancelled> {
    let mut sum = 0;
    while let Some(n) = numbers.next().await {
        sum += n;
    }
    Ok(sum)
}

#[cancelable]
async fn sum_of_tokio_channel(mut numbers: tokio::sync::mpsc::UnboundedReceiver<u32>) -> Result<u32, Cancelled> {
    let mut sum = 0;
    while let Some(n) = numbers.recv().await {
        sum += n;
    }
    Ok(sum)
}

#[cancelable]
async fn sum_of_ready(numbers: impl Stream<Item = u32>) -> Result<u32, Cancelled> {
    let mut numbers = std::pin::pin!(numbers);
    let mut sum = 0_u32;
    while let Some(n) = numbers.next().await {
        sum = sum.wrapping_add(n);
    }
    Ok(sum)
}

#[test]
fn an_annotated_loop_over_a_channel_needs_nothing() {
    on_every_runtime(|| async {
        // Uncancelled, the sum.
        let (tx, rx) = mpsc::unbounded();
        (1..=4).for_each(|n| tx.unbounded_send(n).unwrap());
        drop(tx);
        assert_eq!(sum_of_futures_channel(rx).await.unwrap(), 10);
        let (tx, rx) = tokio::sync::mpsc::unbounded_channel();
        (1..=4).for_each(|n| tx.send(n).unwrap());
        drop(tx);
        assert_eq!(sum_of_tokio_channel(rx).await.unwrap(), 10);

        // Waiting for a message when the cancel comes from another thread.
        let (tx, rx) = mpsc::unbounded();
        tx.unbounded_send(1).unwrap();
        let failed = cancelled_from_outside(sum_of_futures_channel(rx)).await.unwrap_err();
        assert_eq!(failed.kind(), ReasonKind::Shutdown);
        assert!(tx.is_closed(), "the receiver went with the function");
        let (tx, rx) = tokio::sync::mpsc::unbounded_channel();
        tx.send(1).unwrap();
        let failed = cancelled_from_outside(sum_of_tokio_channel(rx)).await.unwrap_err();
        assert_eq!(failed.kind(), ReasonKind::Shutdown);
        assert!(tx.is_closed());

        // Never waiting.
        let token = CancellationToken::new();
        let busy = stream::iter(1..).inspect(|n| {
            if *n == 100 {
                token.cancel_with(CancelReason::shutdown());
            }
        });
        let failed = token.scope(sum_of_ready(busy)).await.unwrap_err();
        assert_eq!(failed.kind(), ReasonKind::Shutdown);
    });
}

/// Runs `future` under a token that another thread cancels while the future is pending.
async fn cancelled_from_outside<T>(future: impl Future<Output = T>) -> T {
    let token = CancellationToken::new();
    let barrier = Arc::new(Barrier::new(2));
    let canceller = std::thread::spawn({
        let (token, barrier) = (token.clone(), Arc::clone(&barrier));
        move || {
            barrier.wait();
            token.cancel_with(CancelReason::shutdown());
        }
    });
    let is_pending = async move {
        barrier.wait();
    };
    // Polled in this order.
    let (output, ()) = token.scope(async move { futures::join!(future, is_pending) }).await;
    canceller.join().unwrap();
    output
}

#[cancelable]
async fn sum_so_far(mut numbers: mpsc::UnboundedReceiver<u32>) -> Result<u32, Cancelled> {
    let mut sum = 0;
    #[cancelable(break)]
    while let Some(n) = numbers.next().await {
        sum += n;
    }
    Ok(sum)
}

#[test]
fn an_annotated_loop_that_breaks_keeps_what_it_has_got() {
    on_every_runtime(|| async {
        let (tx, rx) = mpsc::unbounded();
        (1..=4).for_each(|n| tx.unbounded_send(n).unwrap());
        assert_eq!(cancelled_from_outside(sum_so_far(rx)).await.unwrap(), 10);
        drop(tx);
    });
}

#[cancelable]
async fn drains_in_spite_of_the_cancel(
    numbers: mpsc::UnboundedReceiver<u32>,
    written: &Mutex<Vec<u32>>,
) -> Result<(), Cancelled> {
    let mut chunks = numbers.until_cancelled(StreamEnd::Drain { at_most: 100 }).chunked(4);
    #[cancelable(skip)]
    while let Some(chunk) = chunks.next().await {
        shield(async { written.lock().unwrap().extend(chunk) }).await;
    }
    match chunks.cancelled() {
        Some(cancelled) => Err(cancelled.clone()),
        None => Ok(()),
    }
}

#[test]
fn an_annotated_function_may_drain_a_stream_in_a_loop_that_is_skipped() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        let (tx, rx) = mpsc::unbounded();
        (1..=6).for_each(|n| tx.unbounded_send(n).unwrap());
        let written = Mutex::new(Vec::new());
        let work = token.scope(drains_in_spite_of_the_cancel(rx, &written));
        let cancel = async {
            tx.unbounded_send(7).unwrap();
            token.cancel_with("stop");
        };
        let (outcome, ()) = futures::join!(work, cancel);
        assert_eq!(outcome.unwrap_err().reason().to_string(), "stop");
        assert_eq!(*written.lock().unwrap(), [1, 2, 3, 4, 5, 6, 7]);
    });
}

// groups as streams -------------------------------------------------------------------------------------------------

/// Keeps tasks in a list, to be polled to order.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<Vec<Task>>>);

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Spawn for ByHand {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        self.0.lock().unwrap().push(Box::pin(task));
    }
}

impl ByHand {
    fn poll(&self, task: usize) -> Poll<()> {
        poll_once(&mut self.0.lock().unwrap()[task])
    }
}

#[test]
fn a_group_is_the_stream_of_its_results_in_order_of_completion() {
    let on = ByHand::default();
    let mut group = TaskGroup::<u32, Cancelled, ByHand>::on(on.clone());
    for n in 0..3 {
        group.spawn(async move { Ok(n) });
    }
    assert_eq!(group.size_hint(), (3, None));
    let (count, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    assert!(group.poll_next_unpin(&mut cx).is_pending());
    assert!(on.poll(2).is_ready());
    assert_eq!(count.count(), 1);
    assert!(matches!(group.poll_next_unpin(&mut cx), Poll::Ready(Some(Ok(2)))));
    assert!(on.poll(0).is_ready() && on.poll(1).is_ready());
    assert!(matches!(group.poll_next_unpin(&mut cx), Poll::Ready(Some(Ok(0)))));
    assert!(matches!(group.poll_next_unpin(&mut cx), Poll::Ready(Some(Ok(1)))));
    assert!(matches!(group.poll_next_unpin(&mut cx), Poll::Ready(None)));
    // It goes on.
    group.spawn(async { Ok(9) });
    assert!(on.poll(3).is_ready());
    assert!(matches!(group.poll_next_unpin(&mut cx), Poll::Ready(Some(Ok(9)))));
}

#[test]
fn l12_a_group_as_a_stream_waits_for_tasks_that_are_getting_out() {
    let token = CancellationToken::new();
    let on = ByHand::default();
    let (gate, opened) = oneshot::channel::<()>();
    let spawn_on = on.clone();
    let mut task = boxed(token.scope(async move {
        guard(async move {
            let group = TaskGroup::<(), Cancelled, ByHand>::on(spawn_on);
            group.spawn(async move {
                let result = guard(pending::<()>()).await;
                let _ = shield(opened).await;
                result
            });
            group.map(|result| result.is_err()).collect::<Vec<bool>>().await
        })
        .await
    }));
    assert!(poll_once(&mut task).is_pending());
    assert!(on.poll(0).is_pending());
    token.cancel();
    assert!(on.poll(0).is_pending(), "in its shield");
    assert!(poll_once(&mut task).is_pending(), "its owner waits");
    gate.send(()).unwrap();
    assert!(on.poll(0).is_ready());
    let Poll::Ready(Ok(failed)) = poll_once(&mut task) else {
        panic!("the owner has its result");
    };
    assert_eq!(failed, [true]);
}

#[test]
fn a_group_that_was_a_stream_holds_nobody_up_afterwards() {
    let token = CancellationToken::new();
    let on = ByHand::default();
    let spawn_on = on.clone();
    let is_past = Arc::new(AtomicBool::new(false));
    let past = Arc::clone(&is_past);
    let mut task = boxed(token.scope(async move {
        guard(async move {
            let mut group = TaskGroup::<(), Cancelled, ByHand>::on(spawn_on);
            group.spawn(ready(Ok(())));
            current().cancel();
            assert!(poll_item(&mut group).is_pending());
            // The same result, taken the other way.
            assert!(group.next().await.is_some());
            past.store(true, Ordering::SeqCst);
            pending::<()>().await;
        })
        .await
    }));
    assert!(poll_once(&mut task).is_pending());
    assert!(on.poll(0).is_ready());
    let mut outcome = Poll::Pending;
    for _ in 0..3 {
        if outcome.is_pending() {
            outcome = poll_once(&mut task);
        }
    }
    assert!(is_past.load(Ordering::SeqCst));
    assert!(matches!(outcome, Poll::Ready(Err(_))), "the cancel gets through");
}

#[test]
fn streams_and_futures_go_from_thread_to_thread() {
    fn is_send<T: Send>(_: &T) {}
    let token = CancellationToken::new();
    let stream = stream::iter(1..=3).until_cancelled_by(&token, StreamEnd::Now);
    is_send(&stream);
    is_send(&stream.chunked(2));
    Runtime::TokioMultiThread.run(async {
        let items = stream::iter(1..=3).until_cancelled(StreamEnd::Now).collect::<Vec<_>>();
        let task = tokio::spawn(items.in_current_scope());
        assert_eq!(task.await.unwrap(), [1, 2, 3]);
    });
}

/// A waker that writes down when it is woken.
fn waker_that_logs(name: &'static str, log: &Arc<Mutex<Vec<&'static str>>>) -> Waker {
    struct Logs(&'static str, Arc<Mutex<Vec<&'static str>>>);
    impl std::task::Wake for Logs {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    Waker::from(Arc::new(Logs(name, Arc::clone(log))))
}

#[test]
fn a_stream_that_comes_to_be_polled_under_a_foreign_waker_is_told_in_the_first_round() {
    let log = Arc::default();
    let token = CancellationToken::new();
    let (other, own) = (waker_that_logs("other", &log), waker_that_logs("stream", &log));
    let mut waiting = boxed(token.cancelled());
    assert!(poll_with(&mut waiting, &other).is_pending());

    let mut items = stream::pending::<()>().until_cancelled_by(&token, StreamEnd::Now);
    let mut polls = 0;
    let mut task = boxed(CancellationToken::new().scope(std::future::poll_fn(move |cx| {
        polls += 1;
        if polls == 1 {
            return items.poll_next_unpin(cx).map(drop);
        }
        // The same waker, and yet not the one that the scope has woken.
        let clone = cx.waker().clone();
        items.poll_next_unpin(&mut Context::from_waker(&clone)).map(drop)
    })));
    assert!(poll_with(&mut task, &own).is_pending());
    assert!(poll_with(&mut task, &own).is_pending());
    token.cancel();
    assert_eq!(*log.lock().unwrap(), ["stream", "other"]);
}
