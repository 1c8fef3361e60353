//! What scopes take and give back, by an allocator that counts per thread.
//!
//! The timer's thread allocates for itself, so nothing here waits for it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cancelable::{CancellationToken, Cancelled, Scope, check, guard, race, shield, sleep};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tests::{poll_once, ready_after};

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// One test at a time, also where they are threads of one process: the timer's pages are everybody's.
static TURN: Mutex<()> = Mutex::new(());

fn my_turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
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

type Outcome = Result<(), Cancelled>;
type Running = Pin<Box<dyn Future<Output = Outcome>>>;

/// An hour: a deadline that no test is to see.
const LONG: Duration = Duration::from_secs(3600);
const MANY: usize = 100_000;

/// Polls once: from then on it is suspended, with a token and a deadline.
fn suspended(scope: impl Future<Output = Outcome> + 'static) -> Running {
    let mut scope: Running = Box::pin(scope);
    assert!(poll_once(&mut scope).is_pending());
    scope
}

fn under(parent: &CancellationToken) -> Running {
    suspended(
        Scope::new()
            .parent(parent)
            .timeout(LONG)
            .run(async { guard(pending()).await? }),
    )
}

/// Runs `end` on a hundred thousand live scopes, and says what they took and what is left of them. Whatever is kept for
/// good (a thread's stacks, the timer's tables) is there from a first round.
fn many(end: fn(&CancellationToken, Vec<Running>)) -> (isize, isize) {
    let parent = CancellationToken::new();
    end(&parent, (0..MANY).map(|_| under(&parent)).collect());
    let parent = CancellationToken::new();
    let mut scopes = Vec::with_capacity(MANY);
    let before = LIVE.get();
    scopes.extend((0..MANY).map(|_| under(&parent)));
    let taken = LIVE.get() - before;
    let vector = (MANY * size_of::<Running>()).cast_signed();
    end(&parent, scopes);
    if !parent.is_cancelled() {
        assert!(format!("{parent:?}").contains("children: 0"), "{parent:?}");
    }
    (taken, LIVE.get() - before + vector)
}

#[test]
fn scopes_that_were_dropped_give_everything_back() {
    let _turn = my_turn();
    let (taken, left) = many(|_, scopes| drop(scopes));
    println!(
        "a live scope with a deadline: {} bytes, {} of them its future",
        taken / MANY.cast_signed(),
        size_of_val(&*under(&CancellationToken::new())),
    );
    assert_eq!(left, 0);
    // Half of it is the future; the rest is the token, its deadline and the timer's entry.
    assert!(taken < 1024 * MANY.cast_signed(), "{taken}");
}

#[test]
fn scopes_that_were_cancelled_give_everything_back_but_the_reason() {
    let _turn = my_turn();
    let (_, left) = many(|parent, mut scopes| {
        parent.cancel();
        for scope in &mut scopes {
            assert!(poll_once(scope).is_ready());
        }
    });
    let before = LIVE.get();
    let reason = CancellationToken::new();
    reason.cancel();
    assert!(left <= LIVE.get() - before, "{left}");
}

#[test]
fn scopes_that_returned_give_everything_back() {
    let _turn = my_turn();
    let parent = CancellationToken::new();
    let scope = |parent: &CancellationToken| {
        let scope = Scope::new().parent(parent).timeout(LONG);
        suspended(scope.run(async { guard(ready_after(1, ())).await }))
    };
    let finish = |mut scopes: Vec<Running>| assert!(scopes.iter_mut().all(|scope| poll_once(scope).is_ready()));
    finish((0..MANY).map(|_| scope(&parent)).collect());
    let before = LIVE.get();
    finish((0..MANY).map(|_| scope(&parent)).collect());
    assert_eq!(LIVE.get() - before, 0);
    assert!(format!("{parent:?}").contains("children: 0"), "{parent:?}");
}

#[test]
fn nothing_grows_over_a_million_scopes_entered_and_left() {
    let _turn = my_turn();
    let parent = CancellationToken::new();
    let cycle = |number: usize| {
        parent.sync_scope(|| match number % 4 {
            // Ready at once, pending once, dropped, sync.
            0 => assert!(
                poll_once(&mut (Box::pin(Scope::new().timeout(LONG).run(async { check() })) as Running)).is_ready()
            ),
            1 => assert!(
                poll_once(&mut suspended(
                    Scope::new().run(async { guard(ready_after(1, ())).await })
                ))
                .is_ready()
            ),
            2 => drop(suspended(Scope::new().timeout(LONG).run(async { sleep(LONG).await }))),
            _ => Scope::new().timeout(LONG).run_sync(check).unwrap(),
        });
    };
    (0..1000).for_each(cycle);
    let before = LIVE.get();
    // A million takes a while in a debug build, which has grown by then if it grows at all.
    (0..if cfg!(debug_assertions) { 100_000 } else { 1_000_000 }).for_each(cycle);
    assert_eq!(LIVE.get() - before, 0);
}

#[test]
fn shields_races_and_members_under_wakers_of_their_own_give_everything_back() {
    let _turn = my_turn();
    let everything = |parent: &CancellationToken| {
        suspended(Scope::new().parent(parent).timeout(LONG).grace(LONG).run(async {
            let members: FuturesUnordered<_> = (0..10).map(|_| guard(pending::<()>())).collect();
            let members = members.collect::<Vec<_>>();
            let shielded = shield(async { guard(pending::<()>()).await });
            race((async { members.await.len() }, async { shielded.await.is_ok().into() })).await;
            Ok(())
        }))
    };
    let parent = CancellationToken::new();
    drop(everything(&parent));
    let before = LIVE.get();
    for _ in 0..1000 {
        drop(everything(&parent));
    }
    assert_eq!(LIVE.get() - before, 0);
}
