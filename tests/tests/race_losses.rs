//! What the losers of a race or join wait for is not taken by them once they have lost, for nobody would get it; in whatever shape they
//! wait. (<https://github.com/fereidani/kanal/issues/50>, <https://github.com/embassy-rs/embassy/issues/5484>: messages that a `select`
//! had lost.)

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use cancelable::testing::Clock;
use cancelable::testing::stretches::Recorder;
use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, Scope, StreamEnd, StreamExt as _, cancel_scope, cancelable,
    check, current, guard, race, shield, try_join,
};
use futures::stream::{self, FuturesUnordered, StreamExt as _};
use tests::{on_every_runtime, poll_once, ready_after};

type Outcome = Result<u32, Cancelled>;
type Boxed = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A channel with a place for one message.
#[derive(Clone, Default)]
struct Post {
    is_there: Arc<AtomicBool>,
    polls: Arc<AtomicUsize>,
}

impl Post {
    fn send(&self) {
        self.is_there.store(true, Relaxed);
    }

    fn has_message(&self) -> bool {
        self.is_there.load(Relaxed)
    }

    async fn receive(self) -> u32 {
        poll_fn(|cx| {
            self.polls.fetch_add(1, Relaxed);
            if self.is_there.swap(false, Relaxed) {
                return Poll::Ready(7);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

#[cancelable]
async fn annotated(post: Post) -> Outcome {
    Ok(post.receive().await)
}

#[cancelable]
async fn two_deep(post: Post) -> Outcome {
    annotated(post).await
}

#[cancelable]
async fn boxed(post: Post, depth: usize) -> Outcome {
    match depth {
        0 => annotated(post).await,
        _ => Box::pin(boxed(post, depth - 1)).await,
    }
}

#[cancelable]
async fn crowd(post: Post) -> Outcome {
    let mut members: FuturesUnordered<Boxed> = FuturesUnordered::new();
    members.push(Box::pin(annotated(Post::default())));
    members.push(Box::pin(annotated(post)));
    let mut sum = 0;
    while let Some(value) = members.next().await {
        sum += value?;
    }
    Ok(sum)
}

#[cancelable]
async fn in_a_join(post: Post) -> Outcome {
    let (a, _) = futures::join!(annotated(post), annotated(Post::default()));
    a
}

#[cancelable]
async fn in_a_select(post: Post) -> Outcome {
    tokio::select! {
        value = annotated(post) => value,
        value = annotated(Post::default()) => value,
    }
}

#[cancelable]
async fn in_a_scope(post: Post) -> Outcome {
    let value = cancel_scope!(timeout = "1h", async { annotated(post).await }).await?;
    Ok(value)
}

#[cancelable(scope, timeout = "1h")]
async fn as_a_scope(post: Post) -> Outcome {
    Ok(post.receive().await)
}

#[cancelable]
async fn later(post: Post) -> Outcome {
    ready_after(1, ()).await;
    let value = post.receive().await;
    Ok(value)
}

#[cancelable]
async fn with_its_token(post: Post) -> Outcome {
    let _token = current();
    Ok(post.receive().await)
}

/// Receives, in some way.
type Shape = fn(Post) -> Boxed;

const SHAPES: &[(&str, Shape)] = &[
    ("plain code", |post| Box::pin(async { Ok(post.receive().await) })),
    ("a guard", |post| Box::pin(async { guard(post.receive()).await })),
    ("an annotated function", |post| Box::pin(annotated(post))),
    ("two of them", |post| Box::pin(two_deep(post))),
    ("boxed ones", |post| Box::pin(boxed(post, 5))),
    ("one in plain code", |post| Box::pin(async { annotated(post).await })),
    ("a crowd", |post| Box::pin(crowd(post))),
    ("a crowd of guards", |post| {
        Box::pin(async {
            let mut crowd = FuturesUnordered::from_iter([guard(post.receive())]);
            crowd.next().await.unwrap()
        })
    }),
    ("a crowd of scopes", |post| {
        Box::pin(async {
            let scope = Scope::new().run(async { Ok(post.receive().await) });
            FuturesUnordered::from_iter([scope]).next().await.unwrap()
        })
    }),
    ("a crowd of guards in a guard", |post| {
        Box::pin(async {
            let mut crowd = FuturesUnordered::from_iter([guard(post.receive())]);
            guard(crowd.next()).await?.unwrap()
        })
    }),
    ("a join", |post| Box::pin(in_a_join(post))),
    ("a select", |post| Box::pin(in_a_select(post))),
    ("a scope of plain code", |post| {
        Box::pin(Scope::new().run(async { Ok(post.receive().await) }))
    }),
    ("a scope with a timeout", |post| {
        Box::pin(cancel_scope!(timeout = "1h", async { Ok(post.receive().await) }))
    }),
    ("scopes in scopes", |post| {
        Box::pin(Scope::new().run(Scope::new().timeout(Duration::from_secs(3600)).run(two_deep(post))))
    }),
    ("an annotated function with a scope", |post| Box::pin(in_a_scope(post))),
    ("a function that is a scope", |post| Box::pin(as_a_scope(post))),
    ("not its first await", |post| Box::pin(later(post))),
    ("one that has its token", |post| Box::pin(with_its_token(post))),
    ("in the scope at hand", |post| {
        Box::pin(annotated(post).in_current_scope())
    }),
    ("a stream that is cut", |post| {
        Box::pin(async {
            let mut items = pin!(stream::once(post.receive()).until_cancelled(StreamEnd::Now));
            let item = items.next().await;
            item.map_or_else(|| Err(check().unwrap_err()), Ok)
        })
    }),
    ("a race in a race", |post| {
        Box::pin(async { race!(annotated(post), annotated(Post::default())).await })
    }),
    ("a join in a race", |post| {
        Box::pin(async {
            let (value, _) = try_join!(annotated(post), annotated(Post::default())).await?;
            Ok(value)
        })
    }),
];

/// Wins with the message having come.
async fn winner(post: Post) -> Outcome {
    ready_after(4, ()).await;
    post.send();
    Ok(1)
}

#[test]
fn losers_of_a_race_take_nothing() {
    on_every_runtime(|| async {
        for (name, shape) in SHAPES {
            let post = Post::default();
            assert_eq!(
                race!(Box::pin(winner(post.clone())) as Boxed, shape(post.clone()))
                    .await
                    .unwrap(),
                1
            );
            assert!(post.has_message(), "{name}, behind the winner");
            let post = Post::default();
            assert_eq!(
                race!(shape(post.clone()), Box::pin(winner(post.clone())) as Boxed)
                    .await
                    .unwrap(),
                1
            );
            assert!(post.has_message(), "{name}, before the winner");
            assert!(post.polls.load(Relaxed) >= 2, "{name} has waited");
        }
    });
}

#[test]
fn so_they_do_in_a_scope_with_a_timeout() {
    on_every_runtime(|| async {
        for (name, shape) in SHAPES {
            let post = Post::default();
            let both = || async { race!(shape(post.clone()), Box::pin(winner(post.clone())) as Boxed).await };
            let scope = Scope::new().timeout(Duration::from_secs(3600));
            assert_eq!(scope.run(both()).await.unwrap(), 1);
            assert!(post.has_message(), "{name}");
        }
    });
}

/// Then all awaits look closer.
#[test]
fn so_they_do_while_their_stretches_are_measured() {
    for (name, shape) in SHAPES {
        let post = Post::default();
        let both = async { race!(shape(post.clone()), Box::pin(winner(post.clone())) as Boxed).await };
        let mut both = Box::pin(Recorder::by(&Clock::new()).scope(both));
        let won = loop {
            if let Poll::Ready(won) = poll_once(&mut both) {
                break won;
            }
        };
        assert_eq!(won.unwrap(), 1, "{name}");
        assert!(post.has_message(), "{name}");
        assert!(post.polls.load(Relaxed) >= 2, "{name} has waited");
    }
}

#[test]
fn those_that_an_error_ends_take_nothing() {
    on_every_runtime(|| async {
        for (name, shape) in SHAPES {
            let post = Post::default();
            let fails = async {
                winner(post.clone()).await?;
                Err::<u32, _>(io::Error::other("disk full"))
            };
            let waits = async { shape(post.clone()).await.map_err(io::Error::from) };
            assert_eq!(try_join!(waits, fails).await.unwrap_err().to_string(), "disk full");
            assert!(post.has_message(), "{name}");
        }
    });
}

/// L10, as everywhere else: somebody wants it.
#[test]
fn l10_what_has_come_when_all_are_cancelled_is_not_thrown_away() {
    for (name, shape) in SHAPES {
        let (token, post) = (CancellationToken::new(), Post::default());
        let mut all =
            Box::pin(token.scope(async { race!(shape(post.clone()), async { guard(pending::<u32>()).await }).await }));
        for _ in 0..3 {
            assert!(poll_once(&mut all).is_pending());
        }
        post.send();
        token.cancel();
        // A crowd, join or scope may be polled more than once, and one that waits for others is cancelled.
        let outcome = loop {
            if let Poll::Ready(outcome) = poll_once(&mut all) {
                break outcome;
            }
        };
        // (Of these the other one may fail first.)
        if !matches!(*name, "a crowd" | "a select" | "a join in a race") {
            assert!(!post.has_message(), "{name}");
            assert_eq!(outcome.unwrap(), 7, "{name}");
        }
    }
}

/// It has something to do when it has lost, as before.
#[test]
fn a_loser_that_cleans_up_does_so() {
    #[cancelable]
    async fn cleans_up(post: Post, is_clean: Arc<AtomicBool>) -> Outcome {
        let value = async { annotated(post).await }.await;
        shield(async {
            ready_after(3, ()).await;
            is_clean.store(true, Relaxed);
        })
        .await;
        value
    }
    on_every_runtime(|| async {
        let (post, is_clean) = (Post::default(), Arc::new(AtomicBool::new(false)));
        let loser = cleans_up(post.clone(), Arc::clone(&is_clean));
        assert_eq!(race!(loser, winner(post.clone())).await.unwrap(), 1);
        assert!(post.has_message());
        assert!(is_clean.load(Relaxed));
    });
}

/// Cleans up by hand, when it hears of the cancel.
type ByHand = for<'a> fn(&'a AtomicUsize) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

#[cancelable]
async fn listens(cleaned: &AtomicUsize) -> Outcome {
    let token = current();
    tokio::select! {
        () = token.cancelled() => { cleaned.fetch_add(1, Relaxed); }
        () = pending() => {}
    }
    Ok(0)
}

#[cancelable]
async fn listens_in_a_block(cleaned: &AtomicUsize) -> Outcome {
    let token = current();
    let outcome = async {
        token.cancelled().await;
        cleaned.fetch_add(1, Relaxed);
    };
    outcome.await;
    Ok(0)
}

/// Asks in each poll, and cleans up once it hears of the cancel.
fn asking(cleaned: &AtomicUsize, hears: fn() -> bool) -> impl Future<Output = ()> + Send {
    poll_fn(move |_| {
        if !hears() {
            return Poll::Pending;
        }
        cleaned.fetch_add(1, Relaxed);
        Poll::Ready(())
    })
}

#[cancelable]
async fn asks_in_its_polls(cleaned: &AtomicUsize) -> Outcome {
    asking(cleaned, cancelable::is_cancelled).await;
    Ok(0)
}

#[cancelable]
async fn calls_an_annotated_function_in_its_polls(cleaned: &AtomicUsize) -> Outcome {
    #[cancelable]
    fn step() -> Result<(), Cancelled> {
        Ok(())
    }
    asking(cleaned, || step().is_err()).await;
    Ok(0)
}

#[cancelable]
async fn asks_its_token_in_its_polls(cleaned: &AtomicUsize) -> Outcome {
    asking(cleaned, || current().is_cancelled()).await;
    Ok(0)
}

#[cancelable]
async fn runs_until_it_is_cancelled(cleaned: &AtomicUsize) -> Outcome {
    if current().run_until_cancelled(pending::<()>()).await.is_none() {
        cleaned.fetch_add(1, Relaxed);
    }
    Ok(0)
}

/// What is polled first has asked by then.
#[cancelable]
async fn asks_beside_another_that_asks(cleaned: &AtomicUsize) -> Outcome {
    let both = async {
        let mut other = pin!(guard(asking(cleaned, cancelable::is_cancelled)));
        poll_fn(|cx| {
            let _is_known_already = cancelable::is_cancelled();
            other.as_mut().poll(cx).map(drop)
        })
        .await;
    };
    both.await;
    Ok(0)
}

const BY_HAND: [(&str, ByHand); 8] = [
    ("listens", |cleaned| Box::pin(listens(cleaned))),
    ("listens in a block", |cleaned| Box::pin(listens_in_a_block(cleaned))),
    ("listens in a scope", |cleaned| {
        Box::pin(Scope::new().run(async { listens(cleaned).await }))
    }),
    ("asks", |cleaned| Box::pin(asks_in_its_polls(cleaned))),
    ("calls", |cleaned| {
        Box::pin(calls_an_annotated_function_in_its_polls(cleaned))
    }),
    ("asks its token", |cleaned| {
        Box::pin(asks_its_token_in_its_polls(cleaned))
    }),
    ("runs until", |cleaned| Box::pin(runs_until_it_is_cancelled(cleaned))),
    ("asks, and not alone", |cleaned| {
        Box::pin(asks_beside_another_that_asks(cleaned))
    }),
];

#[test]
fn losers_that_listen_by_hand_clean_up() {
    on_every_runtime(|| async move {
        for (name, loser) in BY_HAND {
            let cleaned = AtomicUsize::new(0);
            let branches: [Pin<Box<dyn Future<Output = Outcome> + Send + '_>>; 2] =
                [loser(&cleaned), Box::pin(winner(Post::default()))];
            let won = race(branches).await;
            assert_eq!((won.unwrap(), cleaned.load(Relaxed)), (1, 1), "{name}");
        }
    });
}

#[test]
fn so_they_do_while_they_are_measured() {
    for (name, loser) in BY_HAND {
        let cleaned = AtomicUsize::new(0);
        let branches: [Pin<Box<dyn Future<Output = Outcome> + Send + '_>>; 2] =
            [loser(&cleaned), Box::pin(winner(Post::default()))];
        let mut both = Box::pin(Recorder::by(&Clock::new()).scope(race(branches)));
        let won = loop {
            if let Poll::Ready(won) = poll_once(&mut both) {
                break won;
            }
        };
        assert_eq!((won.unwrap(), cleaned.load(Relaxed)), (1, 1), "{name}");
    }
}

/// A future that asks by hand is no await of an annotated function, and is polled once more under none.
#[test]
fn a_loser_that_asks_by_hand_is_asked_once_more() {
    let is_told = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_told);
    let by_hand = poll_fn(move |cx| {
        if cancelable::is_cancelled() {
            told.store(true, Relaxed);
            return Poll::Ready(Ok(2));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    let mut race = Box::pin(race((by_hand, winner(Post::default()))));
    while poll_once(&mut race).is_pending() {}
    assert!(is_told.load(Relaxed));
}

/// A scope round a shield is not plain: what is in the shield is not cut.
#[test]
fn a_loser_in_whose_scope_something_is_shielded_gets_to_its_end() {
    let is_done = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&is_done);
    on_every_runtime(move || {
        let done = Arc::clone(&done);
        async move {
            done.store(false, Relaxed);
            let shields = Scope::new().run(async {
                let work = async {
                    ready_after(9, ()).await;
                    done.store(true, Relaxed);
                };
                Scope::new()
                    .run(async {
                        shield(work).await;
                        Ok::<_, Cancelled>(())
                    })
                    .await?;
                Ok(2_u32)
            });
            assert_eq!(race!(shields, winner(Post::default())).await.unwrap(), 1);
            assert!(done.load(Relaxed));
        }
    });
    assert!(is_done.load(Relaxed));
}

/// What is awaited inside is not asked in each poll, as in a join that polls what has been woken.
#[test]
fn a_loser_with_its_token_in_which_nothing_was_awaited_in_its_last_poll_cleans_up() {
    let has_cleaned = AtomicBool::new(false);
    let loser = async {
        let _token = current();
        let mut waits = pin!(guard(pending::<()>()));
        let mut polls = 0;
        let noticed = poll_fn(|cx| {
            polls += 1;
            if polls == 2 {
                Poll::Pending
            } else {
                waits.as_mut().poll(cx)
            }
        });
        let outcome = noticed.await;
        has_cleaned.store(outcome.is_err(), Relaxed);
        outcome.map(|()| 2)
    };
    let wins = async {
        ready_after(2, ()).await;
        Ok::<u32, Cancelled>(1)
    };
    let mut race = Box::pin(async { race!(loser, wins).await });
    for _ in 0..2 {
        assert!(poll_once(&mut race).is_pending());
    }
    while poll_once(&mut race).is_pending() {}
    assert!(has_cleaned.load(Relaxed));
}

/// L12: the innermost check point is the one to notice.
#[test]
fn l12_a_scope_in_a_loser_notices_before_the_await_round_it() {
    let noticed_by_scope = AtomicBool::new(false);
    let post = Post::default();
    let loser = async {
        let scope = Scope::new().run(async { Ok::<_, Cancelled>(post.clone().receive().await) });
        let outcome = guard(scope).await;
        noticed_by_scope.store(matches!(outcome, Ok(Err(_))), Relaxed);
        outcome?
    };
    let mut race = Box::pin(async { race!(loser, winner(post.clone())).await });
    while poll_once(&mut race).is_pending() {}
    assert!(post.has_message());
    assert!(noticed_by_scope.load(Relaxed));
}
