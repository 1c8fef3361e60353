//! What a registry leaves behind: nothing but its bounded history. A program of its own, for the history and the memory are all its.

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::pending;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::task::{Context, Waker};

use cancelable::{Cancelled, Scope, registry};

/// Counts the bytes that are in use.
struct Counting;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: the system's, and a count.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as promised to this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as promised to this function.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn in_use() -> isize {
    IN_USE.load(Ordering::Relaxed)
}

fn run(name: String) {
    let scope: Result<(), Cancelled> = Scope::new().name(name).run_sync(|| Ok(()));
    scope.unwrap();
}

/// So many that run at the same time, and all end.
fn run_at_once(many: usize) {
    let mut cx = Context::from_waker(Waker::noop());
    let scopes: Vec<_> = (0..many)
        .map(|_| {
            let mut scope = Box::pin(Scope::new().name("at once").run(pending::<Result<(), Cancelled>>()));
            assert!(scope.as_mut().poll(&mut cx).is_pending());
            scope
        })
        .collect();
    assert_eq!(registry::snapshot().scopes.len(), many);
    drop(scopes);
}

/// One test, for the parts have one history.
#[test]
fn a_million_scopes_leave_the_bounded_history_and_nothing_else() {
    const LIMIT: usize = 100;
    registry::set_history_limit(LIMIT);
    // Whatever is kept for later is there by now.
    run_at_once(1_000);
    (0..1_000).for_each(|n| run(n.to_string()));
    let before = in_use();
    (0..1_000_000).for_each(|n| run(n.to_string()));
    run_at_once(100_000);
    let names: Vec<_> = (0..LIMIT).map(|n| (1_000_000 + n).to_string()).collect();
    names.iter().cloned().for_each(run);
    let history = registry::history().scopes;
    assert!(
        history.iter().rev().map(|scope| &scope.name).eq(&names),
        "the last ones, the last one first"
    );
    assert!(registry::snapshot().scopes.is_empty());
    let left = in_use()
        - before
        - history
            .iter()
            .map(|scope| scope.name.capacity() as isize)
            .sum::<isize>();
    drop(history);
    assert!(left < 100_000, "{left} bytes are left");

    // Fewer, and none.
    registry::set_history_limit(3);
    assert_eq!(registry::history().scopes.len(), 3);
    registry::set_history_limit(0);
    run("not kept".to_owned());
    assert!(registry::history().scopes.is_empty());
    registry::set_history_limit(2);
    (0..5).for_each(|n| run(n.to_string()));
    assert_eq!(registry::history().scopes.len(), 2);
}
