//! What tokens cost and give back, by an allocator that counts per thread.
//!
//! The timer's thread allocates for itself, so nothing here waits for it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use cancelable::{CancelReason, CancellationToken};

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count(bytes: isize) {
    // A thread that is ending has no counters any more; nobody reads them then.
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + usize::from(bytes > 0)));
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

/// Bytes that are live after `f` and were not before; whatever `f` returns counts while it is alive.
fn live<T>(f: impl FnOnce() -> T) -> (isize, T) {
    let before = LIVE.get();
    let value = f();
    (LIVE.get() - before, value)
}

/// Allocations made by `f`.
fn calls<T>(f: impl FnOnce() -> T) -> (usize, T) {
    let before = CALLS.get();
    let value = f();
    (CALLS.get() - before, value)
}

/// The timer keeps its entries in pages, and a page while anything in it lives: from here on there is one, with room for
/// all that one of these tests needs at a time. And each thread keeps a few entries that it does not need any more for the next
/// deadlines: from here on this one has as many as it keeps.
#[must_use = "so long nobody else uses the timer"]
fn start_timer() -> impl Sized {
    static ALARM: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    ALARM.cancel_after(Duration::from_secs(7_200));
    deadlines(20);
    turn
}

/// Sets so many, and drops them.
fn deadlines(n: usize) {
    let many: Vec<_> = (0..n).map(|_| CancellationToken::new()).collect();
    for token in &many {
        token.cancel_after(Duration::from_secs(3_600));
    }
}

#[test]
fn what_a_thread_keeps_of_past_deadlines_is_bounded() {
    let _turn = start_timer();
    for n in [1, 10, 100, 200] {
        assert_eq!(left(|| deadlines(n)), 0, "{n}");
    }
}

/// Bytes that `f` leaves behind.
fn left<T>(f: impl FnOnce() -> T) -> isize {
    live(|| drop(f())).0
}

#[test]
fn a_token_is_one_allocation_and_never_is_none() {
    assert_eq!(calls(CancellationToken::new).0, 1);
    let token = CancellationToken::new();
    assert_eq!(calls(|| token.child_token()).0, 1);
    assert_eq!(calls(|| token.clone()).0, 0);
    assert_eq!(calls(CancellationToken::never).0, 0);
}

#[test]
fn l08_asking_allocates_nothing() {
    let token = CancellationToken::new().child_token();
    let ask = || {
        assert!(!token.is_cancelled() && token.check().is_ok() && token.reason().is_none());
    };
    assert_eq!(calls(ask).0, 0);
    token.cancel();
    assert_eq!(calls(|| assert!(token.is_cancelled())).0, 0);
    // A plain cancel makes its reason for the first one who asks why.
    assert_eq!(calls(|| assert!(token.reason().is_some())).0, 1);
    assert_eq!(calls(|| assert!(token.is_cancelled() && token.reason().is_some())).0, 0);
}

#[test]
fn a_plain_cancel_allocates_once() {
    let token = CancellationToken::new();
    let waiting = std::pin::pin!(token.cancelled());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::future::Future::poll(waiting, &mut cx).is_pending());
    assert_eq!(calls(|| token.cancel()).0, 1);
    assert_eq!(calls(|| token.cancel()).0, 0);
}

#[test]
fn a_live_child_takes_at_most_six_tenths_of_tokio_utils() {
    let n = 10_000;
    let ours = {
        let root = CancellationToken::new();
        let (bytes, _children) = live(|| (0..n).map(|_| root.child_token()).collect::<Box<[_]>>());
        bytes
    };
    let theirs = {
        let root = tokio_util::sync::CancellationToken::new();
        let (bytes, _children) = live(|| (0..n).map(|_| root.child_token()).collect::<Box<[_]>>());
        bytes
    };
    assert!(ours * 10 <= theirs * 6, "ours {ours}, theirs {theirs} for {n} children");
    println!("bytes per live child: {} ours, {} tokio-util's", ours / n, theirs / n);
}

#[test]
fn l07_a_dropped_child_frees_its_memory_while_the_parent_lives() {
    let parent = CancellationToken::new();
    assert_eq!(left(|| parent.child_token()), 0);
    assert_eq!(left(|| (0..1_000).map(|_| parent.child_token()).collect::<Vec<_>>()), 0);
    assert_eq!(left(|| parent.child_token().child_token().child_token()), 0);
}

#[test]
fn l07_a_chain_whose_links_are_dropped_stays_bounded() {
    let root = CancellationToken::new();
    let mut token = root.child_token();
    let grown = left(|| {
        for _ in 0..10_000 {
            token = token.child_token();
        }
    });
    assert_eq!(grown, 0);
    // With a sibling at every level, a node stays only as long as two or more hang on it.
    let grown = left(|| {
        for _ in 0..10_000 {
            let _sibling = token.child_token();
            token = token.child_token();
        }
    });
    assert_eq!(grown, 0);
    root.cancel();
    assert!(token.is_cancelled());
}

#[test]
fn l07_dropped_inner_nodes_leave_at_most_one_node_per_live_leaf() {
    let (leaf_size, _leaf) = live(CancellationToken::new);
    let root = CancellationToken::new();
    let (bytes, leaves) = live(|| {
        let mut level = vec![root.child_token()];
        for _ in 0..10 {
            level = level.iter().flat_map(|t| [t.child_token(), t.child_token()]).collect();
        }
        level.shrink_to_fit();
        level
    });
    let handles = (leaves.capacity() * size_of::<CancellationToken>()).cast_signed();
    assert!(bytes - handles < 2 * 1024 * leaf_size, "{bytes}");
    drop(leaves);
    assert_eq!(left(|| root.child_token()), 0);
}

#[test]
fn l07_an_inner_node_that_nobody_holds_goes_with_all_its_branches_but_one_also_if_they_are_cancelled() {
    let (leaf_size, _leaf) = live(CancellationToken::new);
    let root = CancellationToken::new();
    let (bytes, (cancelled, branch)) = live(|| {
        let fork = root.child_token();
        let [cancelled, branch] = [fork.child_token(), fork.child_token()];
        drop(fork);
        cancelled.cancel();
        (cancelled, branch)
    });
    let (reason, _cancelled) = live(|| {
        let token = CancellationToken::new();
        token.cancel();
        token
    });
    assert_eq!(bytes, reason + leaf_size, "the two that are held");
    assert!(cancelled.is_cancelled() && !branch.is_cancelled());
    root.cancel();
    assert!(branch.is_cancelled());
}

#[test]
fn everything_is_given_back() {
    let everything = || {
        let root = CancellationToken::new();
        let child = root.child_token();
        let any = CancellationToken::any([&root, &child, &CancellationToken::new()]);
        let all = CancellationToken::all([&any, &child]);
        let below = all.child_token().child_token();
        root.on_cancel(|_| ()).detach();
        below.on_cancel(|_| ()).detach();
        let callback = child.on_cancel(|_| ());
        root.cancel_after(Duration::from_secs(3_600));
        assert!(below.deadline().is_some());
        let mut waiting = pin!(any.cancelled());
        assert!(
            waiting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        (root, child, below, callback)
    };
    let _turn = start_timer();
    assert_eq!(left(everything), 0, "uncancelled");
    let cancelled = || {
        let family = everything();
        family.0.cancel_with(CancelReason::error("why"));
        assert!(family.2.is_cancelled());
    };
    assert_eq!(left(cancelled), 0, "cancelled");
}

#[test]
fn a_cancelled_token_keeps_nothing_alive_but_its_reason() {
    let _turn = start_timer();
    let (alone, token) = live(|| {
        let token = CancellationToken::new();
        token.cancel();
        // As the callbacks below have it made.
        assert!(token.reason().is_some());
        token
    });
    let (bytes, root) = live(|| {
        let root = CancellationToken::new();
        let children: Vec<_> = (0..100).map(|_| root.child_token()).collect();
        for child in &children {
            child.on_cancel(|_| ()).detach();
            child.cancel_after(Duration::from_secs(3_600));
        }
        root.cancel();
        root
    });
    assert!(bytes <= alone, "{bytes} bytes, a lone cancelled token takes {alone}");
    assert!(token.is_cancelled() && root.is_cancelled());
}

#[test]
fn a_dropped_any_or_all_leaves_nothing_with_its_sources_and_does_not_keep_their_parents() {
    let source = CancellationToken::new();
    assert_eq!(left(|| CancellationToken::any([&source]).child_token()), 0);
    assert_eq!(left(|| CancellationToken::all([&source, &CancellationToken::new()])), 0);
    // Linked to a child of a parent that goes away: the parent's memory goes too.
    let (alone, kept) = live(|| CancellationToken::any([&CancellationToken::new()]));
    let (below, kept_too) = live(|| {
        let parent = CancellationToken::new();
        CancellationToken::any([&parent.child_token().child_token()])
    });
    assert_eq!(alone, below);
    drop((kept, kept_too));
}

#[test]
fn a_dropped_future_and_an_unregistered_callback_leave_nothing() {
    let token = CancellationToken::new();
    let wait = || {
        let mut waiting = pin!(token.cancelled());
        assert!(
            waiting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    };
    assert_eq!(calls(wait).0, 0, "a waiter lives in its future");
    assert_eq!(left(|| token.on_cancel(|_| ()).unregister()), 0);
    assert_eq!(left(|| drop(black_box(token.on_cancel(|_| ())))), 0);
}

#[test]
fn debug_and_questions_leave_nothing_behind() {
    let token = CancellationToken::new();
    assert_eq!(left(|| format!("{token:?}")), 0);
    assert_eq!(left(|| (token.deadline(), token.remaining(), token.is_inherited())), 0);
}

#[test]
fn conversions_leave_nothing_with_the_token_that_lives_on() {
    let theirs = tokio_util::sync::CancellationToken::new();
    let ours = CancellationToken::new();
    // What is made once and stays: room for a child in theirs, the gateway in ours.
    let convert = || {
        drop(CancellationToken::from(&theirs).child_token());
        drop(ours.to_tokio_util());
        drop(ours.child_token().to_tokio_util());
    };
    convert();
    let grown = left(|| (0..1_000).for_each(|_| convert()));
    assert_eq!(grown, 0);
}

/// What hangs on a token that is cancelled by itself goes with the cancel, though a handle is left.
#[test]
fn l07_a_cancel_releases_what_a_lone_token_listened_to_and_what_held_it() {
    struct Gone(Arc<AtomicUsize>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let gone = Arc::new(AtomicUsize::new(0));
    let keep = |token: &CancellationToken| {
        let kept = Gone(Arc::clone(&gone));
        token.on_cancel(move |_| drop(kept)).detach();
    };

    // The last handle on the source is the listener's.
    let source = CancellationToken::new();
    keep(&source);
    let listener = CancellationToken::any([&source]);
    drop(source);
    listener.cancel();
    assert_eq!(gone.load(Ordering::SeqCst), 1);

    // The last one on the listener is its child's.
    let source = CancellationToken::new();
    let listener = CancellationToken::any([&source]);
    keep(&listener);
    let child = listener.child_token();
    drop(listener);
    child.cancel();
    assert_eq!(gone.load(Ordering::SeqCst), 2);
}
