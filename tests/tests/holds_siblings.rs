//! A shield that waits for the code beside it to let go of something must not keep that code from ending: that would be a dead
//! lock (L12). A table: how the two are put together × which is polled first × when the shield began.

use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use cancelable::{CancelFutureExt as _, CancellationToken, Cancelled, Scope, cancelable, check, guard, shield};
use futures::channel::mpsc::{self, Receiver, Sender};
use futures::future::{self, BoxFuture, FutureExt as _};
use futures::stream::{self, FuturesOrdered, FuturesUnordered, StreamExt as _};
use tests::step::{Driven, Log, two_halves};

type Outcome = Result<(), Cancelled>;
type Boxed = BoxFuture<'static, Outcome>;

/// Clean-up that waits until all senders are gone.
fn waits(receiver: Receiver<u32>, log: Log) -> Boxed {
    shield(two_halves(log, receiver.count())).map(Ok).boxed()
}

#[cancelable]
async fn listens(sender: Sender<u32>) -> Outcome {
    let _sender = sender;
    pending::<()>().await;
    Ok(())
}

/// Has a sender and waits for what never comes.
type Listener = fn(Sender<u32>) -> Boxed;

const LISTENERS: [(&str, Listener); 5] = [
    ("annotated", |sender| listens(sender).boxed()),
    ("calls annotated", |sender| async { listens(sender).await }.boxed()),
    ("in a scope", |sender| Scope::new().run(listens(sender)).boxed()),
    ("a scope round foreign code", |sender| {
        let foreign = async {
            let _sender = sender;
            pending::<Outcome>().await
        };
        Scope::new().run(foreign).boxed()
    }),
    ("in the current scope", |sender| {
        async { listens(sender).in_current_scope().await }.boxed()
    }),
];

/// Two futures side by side, until both have ended, whatever they end with.
type Together = fn(Boxed, Boxed) -> Boxed;

#[cancelable]
async fn join(a: Boxed, b: Boxed) -> Outcome {
    let (a, b) = tokio::join!(a, b);
    a.and(b)
}

#[cancelable]
async fn join_all(a: Boxed, b: Boxed) -> Outcome {
    future::join_all([a, b]).await.into_iter().collect()
}

/// So many that they are polled under wakers of their own.
#[cancelable]
async fn join_many(a: Boxed, b: Boxed) -> Outcome {
    let others = (0..40).map(|_| ready(Ok(())).boxed());
    future::join_all([a].into_iter().chain(others).chain([b]))
        .await
        .into_iter()
        .collect()
}

#[cancelable]
async fn collected(a: Boxed, b: Boxed) -> Outcome {
    let crowd = FuturesUnordered::from_iter([a, b]);
    crowd.collect::<Vec<_>>().await.into_iter().collect()
}

#[cancelable]
async fn unordered(a: Boxed, b: Boxed) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter([a, b]);
    while let Some(ended) = crowd.next().await {
        drop(ended);
    }
    check()
}

#[cancelable]
async fn ordered(a: Boxed, b: Boxed) -> Outcome {
    let mut crowd = FuturesOrdered::from_iter([a, b]);
    while let Some(ended) = crowd.next().await {
        drop(ended);
    }
    check()
}

#[cancelable]
async fn buffered(a: Boxed, b: Boxed) -> Outcome {
    let mut crowd = stream::iter([a, b]).buffer_unordered(2);
    while let Some(ended) = crowd.next().await {
        drop(ended);
    }
    check()
}

#[cancelable]
async fn for_each(a: Boxed, b: Boxed) -> Outcome {
    stream::iter([a, b])
        .for_each_concurrent(None, |each| each.map(drop))
        .await;
    check()
}

#[cancelable]
async fn select(a: Boxed, b: Boxed) -> Outcome {
    let (mut a, mut b) = (a.fuse(), b.fuse());
    for _ in 0..2 {
        tokio::select! {
            biased;
            ended = &mut a => drop(ended),
            ended = &mut b => drop(ended),
        }
    }
    check()
}

#[cancelable]
async fn crowd_in_a_crowd(a: Boxed, b: Boxed) -> Outcome {
    let mut outer = FuturesUnordered::from_iter([unordered(ready(Ok(())).boxed(), a).boxed(), b]);
    while let Some(ended) = outer.next().await {
        drop(ended);
    }
    check()
}

/// Both in scopes of their own.
#[cancelable]
async fn scopes(a: Boxed, b: Boxed) -> Outcome {
    let (a, b) = tokio::join!(Scope::new().run(a), Scope::new().run(b));
    a.and(b)
}

/// In calls that are awaited side by side.
#[cancelable]
async fn calls(a: Boxed, b: Boxed) -> Outcome {
    #[cancelable]
    async fn call(future: Boxed) -> Outcome {
        future.await
    }
    let (a, b) = futures::join!(call(a), call(b));
    a.and(b)
}

fn by_hand(a: Boxed, b: Boxed) -> Boxed {
    guard(future::join(a, b))
        .map(|both| both.and_then(|(a, b)| a.and(b)))
        .boxed()
}

/// No check point but the scope, or none at all.
fn unannotated(a: Boxed, b: Boxed) -> Boxed {
    future::join(a, b).map(|(a, b)| a.and(b)).boxed()
}

fn unannotated_in_a_scope(a: Boxed, b: Boxed) -> Boxed {
    Scope::new().run(unannotated(a, b)).boxed()
}

/// Somebody's own way of polling two.
fn polled_by_turns(mut a: Boxed, mut b: Boxed) -> Boxed {
    let (mut has_a_ended, mut has_b_ended, mut turn) = (false, false, false);
    let both = poll_fn(move |cx| {
        turn = !turn;
        for is_a in [turn, !turn] {
            let (future, ended) = if is_a {
                (&mut a, &mut has_a_ended)
            } else {
                (&mut b, &mut has_b_ended)
            };
            *ended = *ended || future.poll_unpin(cx).is_ready();
        }
        if has_a_ended && has_b_ended {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    guard(both).boxed()
}

/// When the shield began.
#[derive(Clone, Copy, Debug)]
enum Began {
    /// With the other.
    Together,
    /// In an await of its own, before.
    Before,
    /// In a plain await, before.
    Plainly,
    /// In a scope of its own, which has ended.
    InAScope,
    /// Under no scope at all.
    Nowhere,
}

const BEGAN: [Began; 5] = [
    Began::Together,
    Began::Before,
    Began::Plainly,
    Began::InAScope,
    Began::Nowhere,
];

async fn poll_once(future: &mut Boxed) {
    assert!(futures::poll!(future).is_pending());
}

fn play(together: Together, listener: Listener, is_shield_first: bool, began: Began) {
    let (token, log) = (CancellationToken::new(), Log::default());
    let (sender, receiver) = mpsc::channel(1);
    let (mut waits, listens) = (waits(receiver, log.clone()), listener(sender));
    if let Began::Nowhere = began {
        assert!(tests::poll_once(&mut waits).is_pending());
    }
    let mut task = Driven::new(token.scope(async move {
        match began {
            Began::Together | Began::Nowhere => {}
            Began::Before => guard(poll_once(&mut waits)).await?,
            Began::Plainly => poll_once(&mut waits).await,
            Began::InAScope => {
                let begins = poll_once(&mut waits).map(Ok::<_, Cancelled>);
                Scope::new().run(begins).await?;
            }
        }
        if is_shield_first {
            together(waits, listens).await
        } else {
            together(listens, waits).await
        }
    }));
    assert!(task.run().is_pending());
    assert_eq!(log.all(), ["begun"]);
    token.cancel();
    let ended = task.run();
    assert!(ended.is_ready(), "a dead lock: {:?}", log.all());
    drop(task);
    assert_eq!(log.all(), ["begun", "done"]);
}

fn nobody_waits_for_ever(together: Together) {
    let mut failed = Vec::new();
    for (name, listener) in LISTENERS {
        for is_shield_first in [true, false] {
            for began in BEGAN {
                let played = || play(together, listener, is_shield_first, began);
                if catch_unwind(AssertUnwindSafe(played)).is_err() {
                    failed.push(format!("{name}, shield first: {is_shield_first}, began: {began:?}"));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} failed: {failed:#?}", failed.len());
}

macro_rules! nobody_waits_for_ever {
    ($($test:ident: $together:ident,)*) => { $(
        #[test]
        fn $test() {
            nobody_waits_for_ever(|a, b| $together(a, b).boxed());
        }
    )* };
}

nobody_waits_for_ever! {
    l12_a_shield_that_waits_for_its_sibling_in_join: join,
    l12_a_shield_that_waits_for_its_sibling_in_join_all: join_all,
    l12_a_shield_that_waits_for_its_sibling_among_many: join_many,
    l12_a_shield_that_waits_for_its_sibling_in_a_collected_crowd: collected,
    l12_a_shield_that_waits_for_its_sibling_in_futures_unordered: unordered,
    l12_a_shield_that_waits_for_its_sibling_in_futures_ordered: ordered,
    l12_a_shield_that_waits_for_its_sibling_in_buffer_unordered: buffered,
    l12_a_shield_that_waits_for_its_sibling_in_for_each_concurrent: for_each,
    l12_a_shield_that_waits_for_its_sibling_in_select: select,
    l12_a_shield_that_waits_for_its_sibling_of_another_crowd: crowd_in_a_crowd,
    l12_a_shield_that_waits_for_its_sibling_in_another_scope: scopes,
    l12_a_shield_that_waits_for_its_sibling_in_another_call: calls,
    l12_a_shield_that_waits_for_its_sibling_in_a_join_by_hand: by_hand,
    l12_a_shield_that_waits_for_its_sibling_in_an_unannotated_join: unannotated,
    l12_a_shield_that_waits_for_its_sibling_in_an_unannotated_join_in_a_scope: unannotated_in_a_scope,
    l12_a_shield_that_waits_for_its_sibling_that_is_polled_by_turns: polled_by_turns,
}

/// What a `finish` has inside is inside it from its first poll on, and not loose beside it.
#[test]
fn l12_the_sibling_of_an_await_that_finishes_a_shield_fails_in_the_first_poll_after_the_cancel() {
    #[cancelable]
    async fn finishes(future: Boxed) -> Outcome {
        #[cancelable(finish)]
        let outcome = future.await;
        outcome
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let (sender, receiver) = mpsc::channel(1);
    let sibling = {
        let log = log.clone();
        async move {
            let outcome = listens(sender).await;
            log.add("sibling");
            outcome
        }
    };
    let both = by_hand(sibling.boxed(), finishes(waits(receiver, log.clone())).boxed());
    let mut both = token.scope(both).boxed();
    assert!(tests::poll_once(&mut both).is_pending());
    token.cancel();
    let _ = tests::poll_once(&mut both);
    assert_eq!(log.all()[..2], ["begun", "sibling"]);
}
