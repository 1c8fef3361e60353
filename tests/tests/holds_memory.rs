//! What is remembered of holds and of check points under other wakers is forgotten when it is over: by an allocator that counts
//! per thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use cancelable::{CancellationToken, Cancelled, Scope, cancelable, guard, shield};
use futures::channel::{mpsc, oneshot};
use futures::future::{self, FutureExt as _, LocalBoxFuture};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tests::step::Driven;

type Outcome = Result<(), Cancelled>;
type Boxed = LocalBoxFuture<'static, Outcome>;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(bytes: isize) {
    // A thread that is ending has no counter any more; nobody reads it then.
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

// SAFETY: `System` does the work; counting touches no memory of the allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What lists and tables may keep for later.
const SLACK: isize = 8 * 1024;

// Turns ---------------------------------------------------------------------------------------------------------------

/// Ends a turn of a loop, from outside.
type Tick = mpsc::UnboundedSender<()>;
type Ticks = mpsc::UnboundedReceiver<()>;

/// Does nothing but wait for ticks of its own, and never ends: a member that is polled now and then.
async fn guarded(mut ticks: Ticks) -> Outcome {
    loop {
        guard(ticks.next()).await?;
    }
}

/// The same, and must not be dropped.
fn shielded(mut ticks: Ticks) -> Boxed {
    shield(async move { while ticks.next().await.is_some() {} })
        .map(Ok)
        .boxed_local()
}

/// A task in a loop, and who makes it turn: `turn` ends the turn, `member` has the member polled.
struct Turning {
    task: Driven<'static, Outcome>,
    turn: Tick,
    member: Tick,
}

type Member = fn(Ticks) -> Boxed;
type Loop = fn(Boxed, Ticks) -> Boxed;

const MEMBERS: [(&str, Member); 2] = [
    ("guarded", |ticks| guarded(ticks).boxed_local()),
    ("shielded", shielded),
];

#[cancelable]
async fn crowd(member: Boxed, mut turns: Ticks) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter([member]);
    loop {
        tokio::select! {
            biased;
            result = crowd.next() => result.unwrap()?,
            turn = turns.next() => {
                if turn.is_none() {
                    return Ok(());
                }
            }
        }
    }
}

#[cancelable]
async fn by_reference(mut member: Boxed, mut turns: Ticks) -> Outcome {
    loop {
        tokio::select! {
            biased;
            result = &mut member => result?,
            turn = turns.next() => {
                if turn.is_none() {
                    return Ok(());
                }
            }
        }
    }
}

#[cancelable]
async fn calls(member: Boxed, mut turns: Ticks) -> Outcome {
    #[cancelable]
    async fn turn(crowd: &mut FuturesUnordered<Boxed>, turns: &mut Ticks) -> Result<bool, Cancelled> {
        Ok(tokio::select! {
            biased;
            result = crowd.next() => result.unwrap().map(|()| true)?,
            turn = turns.next() => turn.is_some(),
        })
    }
    let mut crowd = FuturesUnordered::from_iter([member]);
    while turn(&mut crowd, &mut turns).await? {}
    Ok(())
}

#[cancelable]
async fn scopes(mut member: Boxed, mut turns: Ticks) -> Outcome {
    loop {
        let scope = Scope::new()
            .run(async { Ok::<_, Cancelled>(guard(future::select(&mut member, turns.next())).await?.factor_second()) });
        if let future::Either::Right((None, ())) = scope.await? {
            return Ok(());
        }
    }
}

/// Drops what an `Either` of two futures borrows.
trait FactorSecond {
    type Of;
    fn factor_second(self) -> Self::Of;
}

impl<A, B, C, D> FactorSecond for future::Either<(A, B), (C, D)> {
    type Of = future::Either<(A, ()), (C, ())>;

    fn factor_second(self) -> Self::Of {
        match self {
            future::Either::Left((value, _)) => future::Either::Left((value, ())),
            future::Either::Right((value, _)) => future::Either::Right((value, ())),
        }
    }
}

/// In code that has no check point but its scope.
fn unannotated(member: Boxed, mut turns: Ticks) -> Boxed {
    Scope::new()
        .run(async move {
            let mut crowd = FuturesUnordered::from_iter([member]);
            while let future::Either::Right((Some(()), ())) =
                future::select(crowd.next(), turns.next()).await.factor_second()
            {}
            Ok(())
        })
        .boxed_local()
}

const LOOPS: [(&str, Loop); 5] = [
    ("crowd", |member, turns| crowd(member, turns).boxed_local()),
    ("by reference", |member, turns| {
        by_reference(member, turns).boxed_local()
    }),
    ("calls", |member, turns| calls(member, turns).boxed_local()),
    ("scopes", |member, turns| scopes(member, turns).boxed_local()),
    ("unannotated", unannotated),
];

impl Turning {
    fn new(token: &CancellationToken, turns: Loop, member: Member) -> Self {
        let (member_tick, member_ticks) = mpsc::unbounded();
        let (turn_tick, turn_ticks) = mpsc::unbounded();
        Self {
            task: Driven::new(token.scope(turns(member(member_ticks), turn_ticks))),
            turn: turn_tick,
            member: member_tick,
        }
    }

    /// A turn in which the member is polled, or not.
    fn turn(&mut self, is_member_polled: bool) {
        if is_member_polled {
            self.member.unbounded_send(()).unwrap();
        }
        self.turn.unbounded_send(()).unwrap();
        assert!(self.task.run().is_pending());
    }
}

/// How much more there is after many repetitions than after some.
fn growth(mut f: impl FnMut()) -> isize {
    (0..200).for_each(|_| f());
    let before = LIVE.get();
    (0..5_000).for_each(|_| f());
    LIVE.get() - before
}

#[test]
fn l07_turns_that_are_over_leave_nothing_behind() {
    let mut failed = Vec::new();
    for (turns, a_loop) in LOOPS {
        for (name, member) in MEMBERS {
            for is_member_polled in [true, false] {
                let token = CancellationToken::new();
                let mut turning = Turning::new(&token, a_loop, member);
                let grown = growth(|| turning.turn(is_member_polled));
                if grown > SLACK {
                    failed.push(format!("{turns}, {name}, polled: {is_member_polled}: {grown} bytes"));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn l07_turns_that_are_over_leave_nothing_behind_under_a_cancel() {
    let mut failed = Vec::new();
    for (turns, a_loop) in LOOPS {
        let token = CancellationToken::new();
        let mut turning = Turning::new(&token, a_loop, shielded);
        turning.turn(true);
        token.cancel();
        let grown = growth(|| turning.turn(true));
        if grown > SLACK {
            failed.push(format!("{turns}: {grown} bytes"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn l07_turns_in_one_poll_of_the_task_leave_nothing_behind() {
    async fn polls(member: &mut Boxed) {
        poll_fn(|cx| {
            assert!(member.poll_unpin(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    let mut failed = Vec::new();
    for is_guarded in [true, false] {
        for (name, member) in MEMBERS {
            let grown = Rc::new(Cell::new(0));
            let grows = Rc::clone(&grown);
            let token = CancellationToken::new();
            let mut task = Driven::new(token.scope(async move {
                let (_tick, ticks) = mpsc::unbounded();
                let mut member = member(ticks);
                let mut before = 0;
                for turn in 0..5_000 {
                    if turn == 200 {
                        before = LIVE.get();
                    }
                    if is_guarded {
                        guard(polls(&mut member)).await.unwrap();
                    } else {
                        polls(&mut member).await;
                    }
                }
                grows.set(LIVE.get() - before);
            }));
            assert!(task.run().is_ready());
            if grown.get() > SLACK {
                failed.push(format!("{name}, guarded: {is_guarded}: {} bytes", grown.get()));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn l07_a_hold_that_goes_to_and_fro_leaves_nothing_behind() {
    let [a, b] = [CancellationToken::new(), CancellationToken::new()];
    let (member, ticks) = mpsc::unbounded();
    let shared = shielded(ticks).shared();
    let [mut task_a, mut task_b] = [&a, &b].map(|token| {
        let shared = shared.clone();
        Driven::new(token.scope(guard(async move { guard(shared).await? })))
    });
    let grown = growth(|| {
        member.unbounded_send(()).unwrap();
        assert!(task_a.run().is_pending());
        assert!(task_a.poll().is_pending());
        assert!(task_b.run().is_pending());
        assert!(task_b.poll().is_pending());
    });
    assert!(grown <= SLACK, "{grown} bytes");
}

#[test]
fn l07_members_that_come_and_go_leave_nothing_behind() {
    // A server: each request is a member for a while, beside one that stays.
    #[cancelable]
    async fn server(stays: Boxed, mut requests: mpsc::UnboundedReceiver<Boxed>) -> Outcome {
        let mut crowd = FuturesUnordered::from_iter([stays]);
        loop {
            tokio::select! {
                biased;
                result = crowd.next() => result.unwrap()?,
                request = requests.next() => match request {
                    Some(request) => crowd.push(request),
                    None => return Ok(()),
                },
            }
        }
    }
    fn guarded_request(ended: oneshot::Receiver<()>) -> Boxed {
        async { guard(ended).await.map(drop) }.boxed_local()
    }
    fn shielded_request(ended: oneshot::Receiver<()>) -> Boxed {
        shield(ended).map(|_| Ok(())).boxed_local()
    }
    for (name, stays) in MEMBERS {
        for request in [guarded_request, shielded_request] {
            let token = CancellationToken::new();
            let (_tick, ticks) = mpsc::unbounded();
            let (come, requests) = mpsc::unbounded();
            let mut task = Driven::new(token.scope(server(stays(ticks), requests)));
            let grown = growth(|| {
                let (end, ended) = oneshot::channel();
                come.unbounded_send(request(ended)).unwrap();
                assert!(task.run().is_pending());
                end.send(()).unwrap();
                assert!(task.run().is_pending());
            });
            assert!(grown <= SLACK, "{name}: {grown} bytes");
        }
    }
}

// Ends ----------------------------------------------------------------------------------------------------------------

#[test]
fn l17_tasks_that_are_over_leave_nothing_behind() {
    let mut failed = Vec::new();
    for (turns, a_loop) in LOOPS {
        for (name, member) in MEMBERS {
            for end in ["dropped", "returned", "cancelled"] {
                let grown = growth_of_few(|| {
                    let token = CancellationToken::new();
                    let mut turning = Turning::new(&token, a_loop, member);
                    (0..3).for_each(|_| turning.turn(true));
                    match end {
                        "returned" => {
                            turning.turn.close_channel();
                            assert!(turning.task.run().is_ready());
                        }
                        "cancelled" => {
                            token.cancel();
                            drop(turning.task.run());
                        }
                        _ => {}
                    }
                });
                if grown > SLACK {
                    failed.push(format!("{turns}, {name}, {end}: {grown} bytes"));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// As [`growth`], for what takes its time.
fn growth_of_few(mut f: impl FnMut()) -> isize {
    (0..20).for_each(|_| f());
    let before = LIVE.get();
    (0..500).for_each(|_| f());
    LIVE.get() - before
}

#[test]
fn l17_holds_that_wander_leave_nothing_behind_when_all_are_gone() {
    /// Begins in the first, goes on in the second, comes back, in whichever order they end.
    fn wanders(order: [usize; 3]) {
        let tokens = [CancellationToken::new(), CancellationToken::new()];
        let (_tick, ticks) = mpsc::unbounded();
        let shared = shielded(ticks).shared();
        let [mut a, mut b] = [&tokens[0], &tokens[1]].map(|token| {
            let shared = shared.clone();
            Some(Driven::new(token.scope(async move {
                let outer = guard(async move { guard(shared).await? });
                let mut crowd = FuturesUnordered::from_iter([outer.boxed_local()]);
                guard(crowd.next()).await.map(drop)
            })))
        });
        for task in [0, 1, 0] {
            let task = if task == 0 { &mut a } else { &mut b };
            assert!(task.as_mut().unwrap().poll().is_pending());
        }
        let mut shared = Some(shared);
        for which in order {
            match which {
                0 => drop(a.take()),
                1 => drop(b.take()),
                _ => drop(shared.take()),
            }
            tokens[0].cancel();
            for task in [&mut a, &mut b].into_iter().flatten() {
                drop(task.run());
            }
        }
    }
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let grown = growth_of_few(|| wanders(order));
        assert!(grown <= SLACK, "{order:?}: {grown} bytes");
    }
}
