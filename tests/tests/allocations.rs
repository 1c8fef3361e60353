//! Scopes and check points allocate nothing for tokens, names and timers that nobody asks for, by an allocator that counts per
//! thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use cancelable::{CancellationToken, Cancelled, Scope, check, guard, race, shield, shield_sync};
use tests::ready_after;

type Outcome = Result<(), Cancelled>;

/// An hour: a deadline that no test is to see.
const LONG: Duration = Duration::from_secs(3600);

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: `System` does the work; counting touches no memory of the allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more; nobody reads it then.
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations made by `f`, the second time, within a token's scope. What it polls is polled as by that scope, for there is one
/// waker that does nothing.
fn calls(f: impl Fn()) -> usize {
    let made = Cell::new(0);
    finish(CancellationToken::new().scope(async {
        f();
        let before = CALLS.get();
        f();
        made.set(CALLS.get() - before);
    }));
    made.get()
}

/// Polls until it is ready.
fn finish(future: impl Future) {
    let mut future = pin!(future);
    while future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
    {}
}

/// Polls twice, and drops it.
fn give_up(future: impl Future) {
    let mut future = pin!(future);
    for _ in 0..2 {
        assert!(
            future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
}

#[test]
fn a_scope_whose_token_nobody_asks_for_allocates_nothing() {
    let scope = Scope::new;
    let body = || async { guard(ready_after(3, ())).await };
    let cases: [(&str, &dyn Fn()); 15] = [
        ("sync scope", &|| scope().run_sync(check).unwrap()),
        ("many check points", &|| {
            scope().run_sync(|| (0..100).try_for_each(|_| check())).unwrap();
        }),
        ("with a timeout", &|| scope().timeout(LONG).run_sync(check).unwrap()),
        ("sync shield", &|| shield_sync(|| check().unwrap())),
        ("scope in a scope", &|| {
            let inner = || scope().timeout(LONG).run_sync(check);
            scope().timeout(LONG).run_sync(inner).unwrap();
        }),
        ("scope in a shield", &|| {
            shield_sync(|| scope().timeout(LONG).run_sync(check)).unwrap();
        }),
        ("await", &|| finish(guard(async {}))),
        ("scope, ready at once", &|| finish(scope().run(async { check() }))),
        ("scope, pending", &|| finish(scope().run(body()))),
        ("with a timeout, pending", &|| finish(scope().timeout(LONG).run(body()))),
        ("scope, given up", &|| give_up(scope().run(pending::<Outcome>()))),
        ("with a timeout, given up", &|| {
            give_up(scope().timeout(LONG).run(pending::<Outcome>()))
        }),
        ("token made ambient", &|| {
            finish(CancellationToken::never().scope(body()))
        }),
        ("race in a scope with a timeout", &|| {
            let branch = async { guard(async {}).await };
            finish(scope().timeout(LONG).run(async { race((branch, pending())).await }));
        }),
        ("race, ready at once", &|| {
            finish(race((async { Ok::<_, Cancelled>(1) }, pending())));
        }),
    ];
    for (name, f) in cases {
        assert_eq!(calls(f), 0, "{name}");
    }
}

#[test]
fn a_pending_shield_allocates_for_the_hold_and_for_its_token() {
    assert_eq!(calls(|| finish(shield(ready_after(3, ())))), 1);
    assert_eq!(calls(|| give_up(shield(pending::<()>()))), 1);
    // The token is the shield's; a scope in it needs none of its own.
    let scope = || Scope::new().run(async { guard(ready_after(3, ())).await });
    assert_eq!(calls(|| finish(shield(scope()))), 2);
}
