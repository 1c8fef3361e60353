//! An owner of tasks keeps nothing of those that have ended, by an allocator that counts the bytes in use.
//!
//! Servers that put each connection into a `JoinSet` and never read it grow for as long as they run:
//! <https://github.com/hickory-dns/hickory-dns/issues/1809>, <https://github.com/n0-computer/irpc/issues/40>,
//! <https://github.com/bitcoin-dev-project/sim-ln/pull/221>.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use cancelable::Cancelled;
use cancelable::tokio::{TaskGroup, TaskOwner};

thread_local! {
    static IN_USE: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(bytes: isize) {
    // A thread that is ending has no counter any more; nobody reads it then.
    let _ = IN_USE.try_with(|in_use| in_use.set(in_use.get() + bytes));
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

/// The memory of this thread's that is in use in the middle of it all, and what has been added at the end.
fn grown(tasks: usize, mut round: impl AsyncFnMut(usize)) -> isize {
    // Everything is on one thread.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        round(1000).await;
        let before = IN_USE.get();
        for _ in 0..tasks / 1000 {
            round(1000).await;
        }
        IN_USE.get() - before
    })
}

/// Lets all tasks run that can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_million_tasks_that_have_ended_take_no_memory() {
    let tasks = TaskOwner::builder().isolate_panics(|_| ()).build();
    let bytes = grown(1_000_000, async |n| {
        for i in 0..n {
            drop(tasks.spawn(async move { vec![i; 8] }));
        }
        settle().await;
        assert!(tasks.is_empty());
    });
    assert!(bytes < 4096, "{bytes} bytes more");
}

#[test]
fn nor_do_they_with_a_limit_and_handles_that_are_read() {
    let tasks = TaskOwner::builder().limit(10).build();
    let bytes = grown(20_000, async |n| {
        for i in 0..n / 10 {
            let handles: Vec<_> = (0..10)
                .map(|_| tasks.named("one of ten").spawn(async move { i }))
                .collect();
            for handle in handles {
                assert_eq!(handle.await.unwrap(), i);
            }
        }
    });
    assert!(bytes < 4096, "{bytes} bytes more");
}

/// To see that the count would see it.
#[test]
fn results_of_a_group_are_kept_for_its_owner() {
    let group = TaskGroup::<usize, Cancelled>::new();
    let bytes = grown(20_000, async |n| {
        for i in 0..n {
            group.spawn(async move { Ok(i) });
        }
        settle().await;
    });
    assert!(bytes > 20_000 * 8, "{bytes} bytes more");
}
