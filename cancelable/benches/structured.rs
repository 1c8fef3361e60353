//! What structures cost beside tokio's: scopes in scopes, races, calls in calls, tasks, crowds.
//!
//! `cargo bench -p cancelable --features tokio --bench structured` prints a table. Measured as in `turns`: by turns, and what counts is
//! the best turn of each. `.ci/instructions` counts the instructions of the same.

#![recursion_limit = "2048"]

#[allow(dead_code, reason = "the others use the rest")]
mod common;
#[path = "common/measure.rs"]
mod measure;

use std::future::{Future, pending, ready};
use std::hint::black_box;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use cancelable::tokio::{TaskGroup, TaskOwner};
use cancelable::{CancellationToken, Cancelled, cancel_scope, cancelable, race, shield, try_join};
use common::{HOUR, Once, poll_to_the_end};
use futures::stream::{FuturesUnordered, StreamExt};
use measure::{Entry, best, counts, runtime, turns, within};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken as Theirs;
use tokio_util::task::TaskTracker;

/// Pending so many times, and wakes itself, as a member of a crowd must.
struct Times(u32);

impl Future for Times {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        if self.0 == 0 {
            return Poll::Ready(1);
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A branch, pending once.
async fn once() -> Result<u32, Cancelled> {
    Ok(Once(black_box(false)).await)
}

/// Scopes in scopes, one for each star; the innermost is pending once.
macro_rules! scopes {
    () => { Once(black_box(false)) };
    (* $($rest:tt)*) => {
        cancel_scope!(timeout = HOUR, async { Ok::<_, Cancelled>(scopes!(@ $($rest)*)) })
    };
    (@) => { scopes!().await };
    (@ $($rest:tt)+) => { scopes!($($rest)+).await? };
}

/// The same of theirs: a token, a timeout and a wait for both.
macro_rules! theirs {
    ($parent:ident) => { async { Some(Once(black_box(false)).await) } };
    ($parent:ident * $($rest:tt)*) => {
        async {
            let token = $parent.child_token();
            timeout(HOUR, token.run_until_cancelled(theirs!(token $($rest)*))).await.ok()??
        }
    };
}

/// Calls in calls, each a function of its own: the optimiser makes one function of the plain ones.
trait Call {
    async fn ours(pending: bool) -> Result<u32, Cancelled>;
    async fn by_hand(token: &Theirs, pending: bool) -> Option<u32>;
    async fn plain(pending: bool) -> Result<u32, Cancelled>;
}

/// What the last one awaits.
struct Bottom;

impl Call for Bottom {
    #[cancelable]
    async fn ours(pending: bool) -> Result<u32, Cancelled> {
        Ok(Once(!pending).await)
    }

    async fn by_hand(token: &Theirs, pending: bool) -> Option<u32> {
        tokio::select! {
            value = Once(!pending) => Some(value),
            () = token.cancelled() => None,
        }
    }

    async fn plain(pending: bool) -> Result<u32, Cancelled> {
        Ok(Once(!pending).await)
    }
}

struct Calls<C>(PhantomData<C>);

impl<C: Call> Call for Calls<C> {
    #[cancelable]
    async fn ours(pending: bool) -> Result<u32, Cancelled> {
        Ok(C::ours(pending).await? + 1)
    }

    async fn by_hand(token: &Theirs, pending: bool) -> Option<u32> {
        tokio::select! {
            value = C::by_hand(token, pending) => Some(value? + 1),
            () = token.cancelled() => None,
        }
    }

    async fn plain(pending: bool) -> Result<u32, Cancelled> {
        Ok(C::plain(pending).await? + 1)
    }
}

type Ten<C> = Calls<Calls<Calls<Calls<Calls<Calls<Calls<Calls<Calls<Calls<C>>>>>>>>>>;
type Hundred = Ten<Ten<Ten<Ten<Ten<Ten<Ten<Ten<Ten<Ten<Bottom>>>>>>>>>>;

/// Calls in calls that are in boxes, through which the optimiser does not see.
#[cancelable]
async fn recursion(depth: u32, pending: bool) -> Result<u32, Cancelled> {
    if depth == 0 {
        return Ok(Once(!pending).await);
    }
    Ok(Box::pin(recursion(depth - 1, pending)).await? + 1)
}

async fn recursion_by_hand(depth: u32, token: &Theirs, pending: bool) -> Option<u32> {
    if depth == 0 {
        return tokio::select! {
            value = Once(!pending) => Some(value),
            () = token.cancelled() => None,
        };
    }
    tokio::select! {
        value = Box::pin(recursion_by_hand(depth - 1, token, pending)) => Some(value? + 1),
        () = token.cancelled() => None,
    }
}

async fn plain_recursion(depth: u32, pending: bool) -> Result<u32, Cancelled> {
    if depth == 0 {
        return Ok(Once(!pending).await);
    }
    Ok(Box::pin(plain_recursion(depth - 1, pending)).await? + 1)
}

/// The members of a crowd.
#[cancelable]
async fn member() -> Result<u32, Cancelled> {
    Ok(Times(1).await)
}

async fn member_of_theirs(token: &Theirs) -> Option<u32> {
    token.run_until_cancelled(Times(1)).await
}

fn crowd<F: Future>(member: impl Fn() -> F) -> FuturesUnordered<F> {
    (0..100).map(|_| member()).collect()
}

#[cancelable]
async fn crowd_in_one_await() -> Result<usize, Cancelled> {
    Ok(crowd(member).count().await)
}

#[cancelable]
async fn crowd_in_a_loop() -> Result<u32, Cancelled> {
    let mut crowd = crowd(member);
    let mut sum = 0;
    while let Some(one) = crowd.next().await {
        sum += one?;
    }
    Ok(sum)
}

async fn crowd_of_theirs_in_one_await(token: &Theirs) -> Option<usize> {
    token
        .run_until_cancelled(crowd(|| member_of_theirs(token)).count())
        .await
}

async fn crowd_of_theirs_in_a_loop(token: &Theirs) -> Option<u32> {
    let mut crowd = crowd(|| member_of_theirs(token));
    let mut sum = 0;
    while let Some(one) = token.run_until_cancelled(crowd.next()).await? {
        sum += one?;
    }
    Some(sum)
}

/// Three calls, round a future that is pending a hundred times.
macro_rules! three_calls {
    ($(#[$attribute:meta])* $outside:ident, $around:ident, $inside:ident: $future:expr) => {
        $(#[$attribute])*
        async fn $inside() -> Result<u32, Cancelled> {
            Ok($future.await)
        }

        $(#[$attribute])*
        async fn $around() -> Result<u32, Cancelled> {
            $inside().await
        }

        $(#[$attribute])*
        async fn $outside() -> Result<u32, Cancelled> {
            $around().await
        }
    };
}

three_calls!(#[cancelable] shielded_outside, shielded_around, shielded: shield!(async { Times(black_box(100)).await }));
three_calls!(#[cancelable] annotated_outside, annotated_around, annotated: Times(black_box(100)));
three_calls!(plain_outside, plain_around, plain: Times(black_box(100)));

async fn tasks_of_ours<F>(runs: u32, at_once: u32, task: impl Fn() -> F)
where
    F: Future<Output = Result<u32, Cancelled>> + Send + 'static,
{
    let mut group = TaskGroup::new();
    for _ in 0..runs {
        for _ in 0..at_once {
            group.spawn(task());
        }
        while let Some(one) = group.next().await {
            assert!(one.is_ok());
        }
    }
}

/// Whose results nobody asks for.
async fn tasks_of_an_owner<F>(runs: u32, at_once: u32, task: impl Fn() -> F)
where
    F: Future<Output = Result<u32, Cancelled>> + Send + 'static,
{
    let owner = TaskOwner::new();
    for _ in 0..runs {
        for _ in 0..at_once {
            drop(owner.spawn(task()));
        }
        owner.wait().await;
    }
}

/// Nor here.
async fn tasks_of_a_tracker<F>(runs: u32, at_once: u32, parent: &Theirs, task: impl Fn() -> F)
where
    F: Future<Output = Result<u32, Cancelled>> + Send + 'static,
{
    let tracker = TaskTracker::new();
    for _ in 0..runs {
        for _ in 0..at_once {
            let (token, task) = (parent.child_token(), task());
            drop(tracker.spawn(async move { token.run_until_cancelled(task).await }));
        }
        tracker.close();
        tracker.wait().await;
        tracker.reopen();
    }
}

async fn tasks_of_theirs<F>(runs: u32, at_once: u32, parent: &Theirs, task: impl Fn() -> F)
where
    F: Future<Output = Result<u32, Cancelled>> + Send + 'static,
{
    let mut set = JoinSet::new();
    for _ in 0..runs {
        for _ in 0..at_once {
            let (token, task) = (parent.child_token(), task());
            set.spawn(async move { token.run_until_cancelled(task).await });
        }
        while let Some(one) = set.join_next().await {
            assert!(one.is_ok());
        }
    }
}

/// What is compared: ours, the other's, and how much of its time ours may take.
const FIGURES: [(&str, &str, Option<f64>); 25] = [
    ("2 scopes, pending once", "timeout + token", Some(0.6)),
    ("5 scopes, pending once", "timeout + token", Some(0.6)),
    ("race of 2, one pending", "select!", Some(1.3)),
    ("race of 2, both pending once", "select!", None),
    ("try_join of 2, pending once", "try_join!", Some(1.2)),
    ("100 calls, ready", "select!", Some(0.5)),
    ("100 calls, ready", "plain", Some(1.05)),
    ("100 calls, pending once", "select!", Some(0.5)),
    ("100 calls, pending once", "plain", Some(1.05)),
    ("100 boxed calls, ready", "select!", Some(0.5)),
    ("100 boxed calls, ready", "plain", Some(1.05)),
    ("100 boxed calls, pending once", "select!", Some(0.5)),
    ("100 boxed calls, pending once", "plain", Some(1.05)),
    ("a task, joined", "JoinSet", Some(1.0)),
    ("a task, pending once, joined", "JoinSet", Some(1.0)),
    ("100 tasks, joined", "JoinSet", Some(1.0)),
    ("a task of an owner", "JoinSet", Some(1.2)),
    ("a task of an owner, pending once", "JoinSet", Some(1.3)),
    ("100 tasks of an owner", "JoinSet", Some(1.2)),
    ("crowd of 100, one await", "run_until_cancelled", None),
    ("crowd of 100, one await", "plain", None),
    ("crowd of 100, in a loop", "run_until_cancelled", None),
    ("crowd of 100, in a loop", "plain", None),
    ("shield, pending 100 times, in 3 calls", "no shield", None),
    ("shield, pending 100 times, in 3 calls", "plain", None),
];

fn main() {
    let (ours, theirs, runtime) = (CancellationToken::new(), Theirs::new(), runtime());
    let token = &theirs;
    let mut entries: Vec<Entry<'_>> = Vec::new();
    /// What a future costs that is polled to its end within one poll of a task.
    macro_rules! polled {
        ($name:literal, $future:expr) => {
            entries.push((
                $name,
                within(&runtime, &ours, move |cx| {
                    // (Of an option or a result.)
                    assert!(
                        black_box(poll_to_the_end(cx, $future))
                            .into_iter()
                            .next()
                            .is_some()
                    );
                }),
            ))
        };
    }
    /// What a future costs that does it so many times, and has other tasks run.
    macro_rules! awaited {
        ($name:literal, $runs:ident => $future:expr) => {
            entries.push((
                $name,
                Box::new(|$runs| runtime.block_on(ours.scope($future))) as Box<dyn Fn(u32)>,
            ))
        };
    }

    polled!("2 scopes, pending once", scopes!(* *));
    polled!("2 scopes, pending once: timeout + token", theirs!(token * *));
    polled!("5 scopes, pending once", scopes!(* * * * *));
    polled!("5 scopes, pending once: timeout + token", theirs!(token * * * * *));

    polled!(
        "race of 2, one pending",
        race!(pending(), ready(Ok::<_, Cancelled>(black_box(1))))
    );
    polled!("race of 2, one pending: select!", async {
        tokio::select! {
            value = pending() => Some(value),
            value = ready(black_box(1)) => Some(value),
            () = token.cancelled() => None,
        }
    });
    polled!("race of 2, both pending once", race!(once(), once()));
    polled!("race of 2, both pending once: select!", async {
        tokio::select! {
            value = once() => value.ok(),
            value = once() => value.ok(),
            () = token.cancelled() => None,
        }
    });
    polled!("try_join of 2, pending once", try_join!(once(), once()));
    polled!(
        "try_join of 2, pending once: try_join!",
        token.run_until_cancelled(async { tokio::try_join!(once(), once()) })
    );

    polled!("100 calls, ready", Hundred::ours(black_box(false)));
    polled!("100 calls, ready: select!", Hundred::by_hand(token, black_box(false)));
    polled!("100 calls, ready: plain", Hundred::plain(black_box(false)));
    polled!("100 calls, pending once", Hundred::ours(black_box(true)));
    polled!(
        "100 calls, pending once: select!",
        Hundred::by_hand(token, black_box(true))
    );
    polled!("100 calls, pending once: plain", Hundred::plain(black_box(true)));

    polled!("100 boxed calls, ready", recursion(100, black_box(false)));
    polled!(
        "100 boxed calls, ready: select!",
        recursion_by_hand(100, token, black_box(false))
    );
    polled!("100 boxed calls, ready: plain", plain_recursion(100, black_box(false)));
    polled!("100 boxed calls, pending once", recursion(100, black_box(true)));
    polled!(
        "100 boxed calls, pending once: select!",
        recursion_by_hand(100, token, black_box(true))
    );
    polled!(
        "100 boxed calls, pending once: plain",
        plain_recursion(100, black_box(true))
    );

    awaited!("a task, joined", runs => tasks_of_ours(runs, 1, || async { Ok(1) }));
    awaited!("a task, joined: JoinSet", runs => tasks_of_theirs(runs, 1, token, || async { Ok(1) }));
    awaited!("a task, pending once, joined", runs => tasks_of_ours(runs, 1, member));
    awaited!(
        "a task, pending once, joined: JoinSet",
        runs => tasks_of_theirs(runs, 1, token, async || Ok(Times(1).await))
    );
    awaited!("a task of an owner", runs => tasks_of_an_owner(runs, 1, || async { Ok(1) }));
    awaited!("a task of an owner: JoinSet", runs => tasks_of_theirs(runs, 1, token, || async { Ok(1) }));
    awaited!("a task of an owner: TaskTracker", runs => tasks_of_a_tracker(runs, 1, token, || async { Ok(1) }));
    awaited!("a task of an owner, pending once", runs => tasks_of_an_owner(runs, 1, member));
    awaited!(
        "a task of an owner, pending once: JoinSet",
        runs => tasks_of_theirs(runs, 1, token, async || Ok(Times(1).await))
    );
    awaited!("100 tasks of an owner", runs => tasks_of_an_owner(runs, 100, || async { Ok(1) }));
    awaited!("100 tasks of an owner: JoinSet", runs => tasks_of_theirs(runs, 100, token, || async { Ok(1) }));
    awaited!("100 tasks of an owner: TaskTracker", runs => tasks_of_a_tracker(runs, 100, token, || async { Ok(1) }));
    awaited!("100 tasks, joined", runs => tasks_of_ours(runs, 100, || async { Ok(1) }));
    awaited!("100 tasks, joined: JoinSet", runs => tasks_of_theirs(runs, 100, token, || async { Ok(1) }));

    polled!("crowd of 100, one await", crowd_in_one_await());
    polled!(
        "crowd of 100, one await: run_until_cancelled",
        crowd_of_theirs_in_one_await(token)
    );
    polled!("crowd of 100, one await: plain", async {
        Some(crowd(|| Times(1)).count().await)
    });
    polled!("crowd of 100, in a loop", crowd_in_a_loop());
    polled!(
        "crowd of 100, in a loop: run_until_cancelled",
        crowd_of_theirs_in_a_loop(token)
    );
    polled!("crowd of 100, in a loop: plain", async {
        let mut crowd = crowd(|| Times(1));
        let mut sum = 0;
        while let Some(one) = crowd.next().await {
            sum += one;
        }
        Some(sum)
    });

    polled!("shield, pending 100 times, in 3 calls", shielded_outside());
    polled!("shield, pending 100 times, in 3 calls: no shield", annotated_outside());
    polled!("shield, pending 100 times, in 3 calls: plain", plain_outside());

    if counts(&entries) {
        return;
    }
    let turns = turns();
    let best = best(turns, &entries);
    let ns = |name: &str| best[entries.iter().position(|entry| entry.0 == name).expect("an entry")];
    println!("| best of {turns} turns | beside | ns | its ns | wanted | here |\n|---|---|---:|---:|---:|---:|");
    for (name, other, at_most) in FIGURES {
        let (ours, theirs) = (ns(name), ns(&format!("{name}: {other}")));
        let wanted = at_most.map_or(String::new(), |ratio| format!("≤ {ratio}"));
        println!(
            "| {name} | {other} | {ours:.0} | {theirs:.0} | {wanted} | {:.2} |",
            ours / theirs
        );
    }
}
