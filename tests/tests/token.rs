//! The token, law by law (L1 to L8 of the contract), and its surface. Sizes and memory are in `token_memory.rs`, random
//! sequences in `token_model.rs`, races in `token_stress.rs` and in the library's loom models.

#![allow(clippy::type_complexity, reason = "written out where it is used once")]

use std::collections::HashSet;
use std::future::Future;
use std::hash::BuildHasher as _;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use cancelable::{CancelCallback, CancelReason, CancellationToken, Cancelled, ReasonKind, Scope, current};
use tests::{CountingWaker, DropFlag, poll_once, poll_with};

/// An hour: a deadline that no test is to see.
const LONG: Duration = Duration::from_secs(3600);

/// Notes what happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// A callback that notes its name.
    fn callback(&self, name: &str) -> impl FnOnce(&CancelReason) + Send + 'static + use<> {
        let (log, name) = (self.clone(), name.to_owned());
        move |_| log.note(name)
    }
}

/// A waker made of a closure.
struct WakeFn<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for WakeFn<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(WakeFn(f)))
}

fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn count_up(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// The message of a caught panic.
fn text(payload: &(dyn std::any::Any + Send)) -> &str {
    payload.downcast_ref::<&str>().copied().unwrap_or("not a text")
}

// L1: first wins ---------------------------------------------------------------------------------------------

#[test]
fn l01_the_first_reason_stands_and_later_cancels_say_so() {
    let token = CancellationToken::new();
    assert!(token.reason().is_none());
    assert!(token.cancel_with("first"));
    assert!(!token.cancel_with("second"));
    token.cancel();
    token.cancel_after(Duration::ZERO);
    assert_eq!(token.reason().unwrap().message(), Some("first"));
}

#[test]
fn l01_of_two_racing_cancels_one_wins_and_its_reason_is_the_only_one_seen() {
    for _ in 0..200 {
        let token = CancellationToken::new();
        let start = Barrier::new(3);
        thread::scope(|s| {
            let (token, start) = (&token, &start);
            let cancel = move |who: &'static str| {
                start.wait();
                let won = token.cancel_with(who);
                let seen = token.reason().expect("cancelled by one of the two");
                (won, seen.message().map(str::to_owned))
            };
            let a = s.spawn(move || cancel("a"));
            let b = s.spawn(move || cancel("b"));
            start.wait();
            let (a, b) = (a.join().unwrap(), b.join().unwrap());
            assert!(a.0 ^ b.0, "exactly one wins");
            assert_eq!(a.1, b.1);
            assert_eq!(a.1.as_deref(), Some(if a.0 { "a" } else { "b" }));
        });
    }
}

#[test]
fn l01_whoever_reads_cancelled_reads_the_reason() {
    for _ in 0..200 {
        let token = CancellationToken::new();
        let child = token.child_token();
        let start = Barrier::new(2);
        thread::scope(|s| {
            s.spawn(|| {
                start.wait();
                token.cancel_with("why");
            });
            start.wait();
            while !child.is_cancelled() {
                std::hint::spin_loop();
            }
            assert_eq!(child.reason().unwrap().message(), Some("why"));
            assert_eq!(child.check().unwrap_err().reason().message(), Some("why"));
        });
    }
}

#[test]
fn l01_a_child_cancelled_before_its_parent_keeps_its_own_reason() {
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let grandchild = child.child_token();
    child.cancel_with("child");
    parent.cancel_with("parent");
    assert_eq!(child.reason().unwrap().message(), Some("child"));
    assert_eq!(grandchild.reason().unwrap().message(), Some("child"));
    assert_eq!(parent.reason().unwrap().message(), Some("parent"));
}

// L2: down only ----------------------------------------------------------------------------------------------

#[test]
fn l02_cancel_reaches_descendants_and_nobody_else() {
    let root = CancellationToken::new();
    let middle = root.child_token();
    let sibling = root.child_token();
    let leaf = middle.child_token();
    let clone = middle.clone();
    middle.cancel();
    assert!(middle.is_cancelled() && clone.is_cancelled() && leaf.is_cancelled());
    assert!(!root.is_cancelled() && !sibling.is_cancelled());
    assert!(!middle.is_inherited() && !clone.is_inherited() && leaf.is_inherited());
}

#[test]
fn l02_descendants_share_the_one_root_cause() {
    let root = CancellationToken::new();
    let tokens: Vec<_> = std::iter::successors(Some(root.child_token()), |t| Some(t.child_token()))
        .take(10)
        .collect();
    let error = "a".parse::<i32>().unwrap_err();
    root.cancel_with(CancelReason::error(error));
    let cause = root.reason().unwrap();
    for token in &tokens {
        let shared = token.reason().unwrap();
        assert!(
            std::ptr::eq(
                std::ptr::from_ref(cause.source().unwrap()).cast::<()>(),
                std::ptr::from_ref(shared.source().unwrap()).cast::<()>(),
            ),
            "one reason, not a copy for each"
        );
        assert!(token.is_inherited());
        assert!(token.check().unwrap_err().belongs_to(&root));
        assert!(!token.check().unwrap_err().belongs_to(token));
    }
    assert!(root.check().unwrap_err().belongs_to(&root));
}

#[test]
fn l02_an_error_belongs_to_the_token_that_was_cancelled_first_not_to_one_cancelled_alike() {
    let outer = CancellationToken::new();
    let inner = outer.child_token();
    inner.cancel_with("inner");
    outer.cancel_with("outer");
    let error = inner.check().unwrap_err();
    assert!(error.belongs_to(&inner) && !error.belongs_to(&outer));
    let error = outer.check().unwrap_err();
    assert!(error.belongs_to(&outer) && !error.belongs_to(&inner));
    assert!(!error.belongs_to(&CancellationToken::new()) && !error.belongs_to(&CancellationToken::never()));
}

#[test]
fn l02_cancel_grandchild_through_root_when_the_middle_was_dropped() {
    let root = CancellationToken::new();
    let middle = root.child_token();
    let leaf = middle.child_token();
    drop(middle);
    assert!(!leaf.is_cancelled());
    root.cancel();
    assert!(leaf.is_cancelled() && leaf.is_inherited());
}

#[test]
fn l02_many_grandchildren_outlive_a_dropped_middle_and_are_still_reached() {
    let root = CancellationToken::new();
    let middle = root.child_token();
    let leaves: Vec<_> = (0..5).map(|_| middle.child_token()).collect();
    drop(middle);
    let (gone, kept) = leaves.split_at(3);
    drop(gone.to_vec());
    root.cancel();
    assert!(kept.iter().chain(gone).all(CancellationToken::is_cancelled));
}

#[test]
fn l02_tokens_below_a_dropped_root_live_on_and_are_cancelled_one_by_one() {
    let root = CancellationToken::new();
    let (a, b) = (root.child_token(), root.child_token());
    let below = a.child_token();
    drop(root);
    a.cancel();
    assert!(a.is_cancelled() && below.is_cancelled() && !b.is_cancelled());
}

#[test]
fn l02_a_child_of_a_cancelled_token_is_born_cancelled() {
    let token = CancellationToken::new();
    token.cancel_with("before");
    let child = token.child_token();
    assert!(child.is_cancelled() && child.is_inherited());
    assert_eq!(child.reason().unwrap().message(), Some("before"));
    assert!(child.check().unwrap_err().belongs_to(&token));
}

#[test]
fn l02_a_child_made_while_its_parent_is_being_cancelled_is_cancelled() {
    for _ in 0..200 {
        let token = CancellationToken::new();
        let start = Barrier::new(2);
        thread::scope(|s| {
            let maker = s.spawn(|| {
                start.wait();
                (0..20).map(|_| token.child_token()).collect::<Vec<_>>()
            });
            start.wait();
            token.cancel();
            assert!(maker.join().unwrap().iter().all(CancellationToken::is_cancelled));
        });
    }
}

// L3: all before any -----------------------------------------------------------------------------------------

#[test]
fn l03_everything_below_reads_as_cancelled_before_anyone_is_told() {
    let root = CancellationToken::new();
    let mut family = vec![root.clone()];
    for i in 0..40 {
        family.push(family[i / 3].child_token());
    }
    family.push(CancellationToken::any([&family[3], &CancellationToken::new()]));
    family.push(family[41].child_token());
    family.push(CancellationToken::all([&family[3], &family[7]]));
    let all: Arc<[_]> = family.into();

    let looks = Arc::new(AtomicUsize::new(0));
    let look = {
        let (all, looks) = (Arc::clone(&all), Arc::clone(&looks));
        move || {
            assert!(all.iter().all(CancellationToken::is_cancelled));
            assert!(all.iter().all(|token| token.reason().is_some()));
            looks.fetch_add(1, Ordering::Relaxed);
        }
    };
    let waker = waker(look.clone());
    let mut waiting: Vec<_> = all.iter().map(|token| Box::pin(token.cancelled())).collect();
    for future in &mut waiting {
        assert!(poll(future.as_mut(), &waker).is_pending());
    }
    for token in all.iter() {
        let look = look.clone();
        token.on_cancel(move |_| look()).detach();
    }
    all[0].cancel();
    assert_eq!(looks.load(Ordering::Relaxed), 2 * all.len());
}

#[test]
fn l03_who_reads_a_token_as_cancelled_reads_everything_below_as_cancelled() {
    for _ in 0..50 {
        let root = CancellationToken::new();
        let mut chain = vec![root.child_token()];
        for i in 0..200 {
            chain.push(chain[i].child_token());
        }
        let wide: Vec<_> = (0..200).map(|_| chain[100].child_token()).collect();
        let start = Barrier::new(2);
        thread::scope(|s| {
            s.spawn(|| {
                start.wait();
                root.cancel();
            });
            start.wait();
            while !chain[100].is_cancelled() {
                std::hint::spin_loop();
            }
            assert!(chain[100..].iter().chain(&wide).all(CancellationToken::is_cancelled));
            // A second cancel returns at once, and what it promises holds all the same.
            root.cancel();
            assert!(chain.iter().all(CancellationToken::is_cancelled));
        });
    }
}

#[test]
fn l03_who_reads_a_token_as_cancelled_reads_what_is_linked_to_it_as_cancelled() {
    for _ in 0..50 {
        // Each is linked to the one before it.
        let mut chain = vec![CancellationToken::new()];
        for i in 0..200 {
            chain.push(CancellationToken::any([&chain[i]]));
        }
        let start = Barrier::new(2);
        thread::scope(|s| {
            s.spawn(|| {
                start.wait();
                chain[0].cancel();
            });
            start.wait();
            for at in [100, 0] {
                while !chain[at].is_cancelled() {
                    std::hint::spin_loop();
                }
                assert!(chain[at..].iter().all(CancellationToken::is_cancelled));
            }
        });
    }
}

#[test]
fn l03_who_cancels_one_of_two_sources_finds_what_is_linked_cancelled() {
    for _ in 0..100 {
        let sources = [CancellationToken::new(), CancellationToken::new()];
        let mut linked = vec![CancellationToken::any(&sources)];
        for i in 0..20 {
            linked.push(CancellationToken::any([&linked[i]]));
        }
        let start = Barrier::new(2);
        thread::scope(|s| {
            for source in &sources {
                s.spawn(|| {
                    start.wait();
                    source.cancel();
                    assert!(linked.iter().all(CancellationToken::is_cancelled));
                });
            }
        });
    }
}

// L4: anywhere -----------------------------------------------------------------------------------------------

#[test]
fn l04_cancel_inside_a_callback_of_the_same_and_of_another_tree() {
    let (token, other) = (CancellationToken::new(), CancellationToken::new());
    let child = token.child_token();
    let log = Log::default();
    {
        let (token, child, other, log) = (token.clone(), child.clone(), other.clone(), log.clone());
        let inner = token.clone();
        token
            .on_cancel(move |_| {
                assert!(!inner.cancel_with("again"));
                child.cancel();
                other.cancel_with("other");
                log.note("first");
            })
            .detach();
    }
    other.on_cancel(log.callback("other")).detach();
    child.on_cancel(log.callback("child")).detach();
    token.on_cancel(log.callback("second")).detach();
    token.cancel_with("it");
    assert_eq!(token.reason().unwrap().message(), Some("it"));
    assert_eq!(other.reason().unwrap().message(), Some("other"));
    let mut told = log.all();
    told.sort();
    assert_eq!(told, ["child", "first", "other", "second"]);
}

#[test]
fn l04_cancel_inside_drop_of_what_a_callback_captured() {
    struct CancelsOnDrop(CancellationToken);
    impl Drop for CancelsOnDrop {
        fn drop(&mut self) {
            self.0.cancel();
        }
    }
    let (token, other) = (CancellationToken::new(), CancellationToken::new());
    let captured = CancelsOnDrop(other.clone());
    let callback = token.on_cancel(move |_| drop(captured));
    assert!(callback.unregister());
    assert!(
        other.is_cancelled(),
        "the callback's captures are dropped by `unregister`, with no lock held"
    );

    let other = CancellationToken::new();
    let captured = CancelsOnDrop(other.clone());
    token.on_cancel(move |_| drop(captured)).detach();
    drop(token);
    assert!(other.is_cancelled(), "nobody can cancel the token any more");
}

#[test]
fn l04_cancel_while_the_last_handle_is_dropped_elsewhere() {
    for _ in 0..200 {
        let parent = CancellationToken::new();
        let token = parent.child_token();
        let below = token.child_token();
        let start = Barrier::new(2);
        thread::scope(|s| {
            s.spawn(|| {
                let token = token;
                start.wait();
                drop(token);
            });
            start.wait();
            parent.cancel();
        });
        assert!(below.is_cancelled());
    }
}

#[test]
fn l04_a_waker_may_use_the_whole_surface_of_its_token() {
    let token = CancellationToken::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let waker = {
        let (token, calls) = (token.clone(), Arc::clone(&calls));
        waker(move || {
            assert!(token.is_cancelled() && !token.cancel_with("again"));
            assert!(token.child_token().is_cancelled());
            assert!(CancellationToken::any([&token]).is_cancelled());
            let inline = Arc::clone(&calls);
            token.on_cancel(move |_| count_up(&inline)).detach();
            assert!(poll_once(&mut Box::pin(token.cancelled())).is_ready());
            assert!(token.wait_timeout(Duration::ZERO));
            assert!(format!("{token:?}").contains("cancelled"));
        })
    };
    let mut waiting = pin!(token.cancelled());
    assert!(poll(waiting.as_mut(), &waker).is_pending());
    token.cancel();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn l04_a_waker_may_be_cloned_and_dropped_with_code_of_its_own() {
    // Wakers whose clone and drop ask the token: a lock held meanwhile would deadlock.
    use std::task::{RawWaker, RawWakerVTable};
    struct Nosy(CancellationToken, AtomicUsize);
    const VTABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: made from an `Arc<Nosy>` below, which the caller's reference keeps.
            let nosy = std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Nosy>()) });
            assert_eq!(nosy.0.child_token().is_cancelled(), nosy.0.is_cancelled());
            nosy.1.fetch_add(1, Ordering::Relaxed);
            RawWaker::new(Arc::into_raw(Arc::clone(&nosy)).cast(), &VTABLE)
        },
        // SAFETY: as above; waking by value drops the reference.
        |data| drop(unsafe { Arc::from_raw(data.cast::<Nosy>()) }.0.child_token()),
        |_| {},
        // SAFETY: as above.
        |data| drop(unsafe { Arc::from_raw(data.cast::<Nosy>()) }.0.child_token()),
    );
    let token = CancellationToken::new();
    let nosy = Arc::new(Nosy(token.clone(), AtomicUsize::new(0)));
    let new_waker = || {
        // SAFETY: the table above treats the pointer as the `Arc` it is.
        unsafe { Waker::from_raw(RawWaker::new(Arc::into_raw(Arc::clone(&nosy)).cast(), &VTABLE)) }
    };
    let mut waiting = Box::pin(token.cancelled());
    assert!(poll(waiting.as_mut(), &new_waker()).is_pending());
    assert!(poll(waiting.as_mut(), Waker::noop()).is_pending());
    assert!(poll(waiting.as_mut(), &new_waker()).is_pending());
    drop(waiting);
    let mut waiting = Box::pin(token.cancelled());
    assert!(poll(waiting.as_mut(), &new_waker()).is_pending());
    token.cancel();
    assert!(poll(waiting.as_mut(), &new_waker()).is_ready());
    drop(waiting);
    assert!(nosy.1.load(Ordering::Relaxed) >= 3, "it was cloned");
    assert_eq!(Arc::strong_count(&nosy), 1, "every clone was dropped");
}

#[test]
fn l04_an_error_in_the_reason_is_dropped_without_a_lock() {
    #[derive(Debug)]
    struct Nosy(CancellationToken, Arc<AtomicUsize>);
    impl std::fmt::Display for Nosy {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("nosy")
        }
    }
    impl std::error::Error for Nosy {}
    impl Drop for Nosy {
        fn drop(&mut self) {
            assert!(!self.0.child_token().is_cancelled());
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let sibling = CancellationToken::new();
    let token = CancellationToken::new();
    token.cancel_with(CancelReason::error(Nosy(sibling.clone(), Arc::clone(&drops))));
    // Too late: dropped by the call.
    token.cancel_with(CancelReason::error(Nosy(sibling.clone(), Arc::clone(&drops))));
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    let child = token.child_token();
    drop(token);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    drop(child);
    assert_eq!(drops.load(Ordering::Relaxed), 2);
}

// L5: no lost wake-up ----------------------------------------------------------------------------------------

#[test]
fn l05_a_task_is_woken_once_with_the_waker_of_its_last_poll() {
    let token = CancellationToken::new();
    let (first, first_waker) = CountingWaker::new();
    let (last, last_waker) = CountingWaker::new();
    let mut waiting = Box::pin(token.cancelled());
    assert!(poll_with(&mut waiting, &first_waker).is_pending());
    assert!(poll_with(&mut waiting, &first_waker).is_pending());
    assert!(poll_with(&mut waiting, &last_waker).is_pending());
    token.cancel();
    token.cancel();
    assert_eq!((first.count(), last.count()), (0, 1));
    assert!(poll_with(&mut waiting, &last_waker).is_ready());
    assert!(poll_with(&mut waiting, &last_waker).is_ready(), "ready for good");
    assert_eq!(last.count(), 1);
}

#[test]
fn l05_a_future_dropped_unpolled_pending_or_ready_is_not_told() {
    let token = CancellationToken::new();
    let (count, waker) = CountingWaker::new();
    drop(token.cancelled());
    let mut pending = Box::pin(token.clone().cancelled_owned());
    assert!(poll_with(&mut pending, &waker).is_pending());
    drop(pending);
    token.cancel();
    assert_eq!(count.count(), 0);
    let mut ready = Box::pin(token.cancelled());
    assert!(poll_with(&mut ready, &waker).is_ready());
    drop(ready);
    assert_eq!(count.count(), 0);
}

#[test]
fn l05_a_future_may_move_to_another_thread_between_polls() {
    let token = CancellationToken::new();
    let mut waiting = Box::pin(token.clone().cancelled_owned());
    assert!(poll_with(&mut waiting, Waker::noop()).is_pending());
    let (count, waker) = CountingWaker::new();
    let waiting = thread::spawn(move || {
        assert!(poll_with(&mut waiting, &waker).is_pending());
        waiting
    })
    .join()
    .unwrap();
    token.cancel();
    assert_eq!(count.count(), 1);
    drop(waiting);
}

#[test]
fn l05_more_waiters_than_a_batch_are_all_told_once() {
    let token = CancellationToken::new();
    let (count, waker) = CountingWaker::new();
    let mut waiting: Vec<_> = (0..1_000).map(|_| Box::pin(token.cancelled())).collect();
    for future in &mut waiting {
        assert!(poll_with(future, &waker).is_pending());
    }
    // Some leave again: first, last, in between.
    for gone in [999, 500, 0] {
        drop(waiting.remove(gone));
    }
    token.cancel();
    assert_eq!(count.count(), 997);
}

#[test]
fn l05_a_waker_that_panics_does_not_keep_the_others_asleep() {
    let token = CancellationToken::new();
    let child = token.child_token();
    let (count, counting) = CountingWaker::new();
    let panicking = waker(|| panic!("waker"));
    let mut waiting: Vec<_> = (0..100)
        .map(|i| {
            Box::pin(if i % 2 == 0 {
                token.cancelled()
            } else {
                child.cancelled()
            })
        })
        .collect();
    for (i, future) in waiting.iter_mut().enumerate() {
        let waker = if i % 10 == 3 { &panicking } else { &counting };
        assert!(poll_with(future, waker).is_pending());
    }
    let panic = catch_unwind(AssertUnwindSafe(|| token.cancel())).unwrap_err();
    assert_eq!(text(&*panic), "waker");
    assert_eq!(count.count(), 90);
    assert!(child.is_cancelled());
}

#[test]
fn l05_the_first_who_waits_for_a_lone_token_panics_and_the_others_are_told() {
    let token = CancellationToken::new();
    let panicking = waker(|| panic!("first"));
    let (count, counting) = CountingWaker::new();
    let mut first = Box::pin(token.cancelled());
    assert!(poll_with(&mut first, &panicking).is_pending());
    let mut second = Box::pin(token.cancelled());
    assert!(poll_with(&mut second, &counting).is_pending());
    let ran = Arc::new(AtomicUsize::new(0));
    let runs = Arc::clone(&ran);
    token.on_cancel(move |_| count_up(&runs)).detach();
    let panic = catch_unwind(AssertUnwindSafe(|| token.cancel())).unwrap_err();
    assert_eq!(text(&*panic), "first");
    assert_eq!((count.count(), ran.load(Ordering::Relaxed)), (1, 1));
}

#[test]
fn l05_a_waker_that_drops_the_last_handle_and_another_waiter() {
    let token = CancellationToken::new();
    let below = token.child_token();
    let (count, counting) = CountingWaker::new();
    let other = Arc::new(Mutex::new(None));
    let dropping = {
        let other = Arc::clone(&other);
        waker(move || {
            let taken: Option<Pin<Box<cancelable::WaitForCancellationFutureOwned>>> = other.lock().unwrap().take();
            drop(taken);
        })
    };
    let mut first = Box::pin(token.clone().cancelled_owned());
    assert!(poll_with(&mut first, &dropping).is_pending());
    // More than a batch, so that the other has not been taken off the list when the first is woken.
    let mut between: Vec<_> = (0..50).map(|_| Box::pin(below.cancelled())).collect();
    for future in &mut between {
        assert!(poll_with(future, &counting).is_pending());
    }
    let mut last = Box::pin(token.clone().cancelled_owned());
    assert!(poll_with(&mut last, &counting).is_pending());
    *other.lock().unwrap() = Some(last);
    token.cancel();
    assert!(other.lock().unwrap().is_none());
    assert!(
        (50..=51).contains(&count.count()),
        "one that is dropped need not be told"
    );
}

#[test]
fn l05_a_waker_may_drop_the_future_it_belongs_to() {
    let token = CancellationToken::new();
    let slot: Arc<Mutex<Option<Pin<Box<cancelable::WaitForCancellationFutureOwned>>>>> = Arc::default();
    let dropping = {
        let slot = Arc::clone(&slot);
        waker(move || {
            let taken = slot.lock().unwrap().take();
            drop(taken);
        })
    };
    let mut waiting = Box::pin(token.clone().cancelled_owned());
    assert!(poll_with(&mut waiting, &dropping).is_pending());
    *slot.lock().unwrap() = Some(waiting);
    token.cancel();
    assert!(slot.lock().unwrap().is_none());
}

#[test]
fn l05_a_blocked_thread_is_released() {
    let token = CancellationToken::new();
    thread::scope(|s| {
        let waiting = s.spawn(|| {
            token.wait();
            token.wait_timeout(Duration::MAX)
        });
        let timed = s.spawn(|| token.wait_timeout(Duration::from_secs(3_600)));
        token.cancel();
        assert!(waiting.join().unwrap());
        assert!(timed.join().unwrap());
    });
}

#[test]
fn l05_an_unpark_by_somebody_else_does_not_end_a_wait() {
    let token = CancellationToken::new();
    let cancelled = AtomicBool::new(false);
    thread::scope(|s| {
        let waiting = s.spawn(|| {
            token.wait();
            assert!(cancelled.load(Ordering::Relaxed));
        });
        for _ in 0..100 {
            waiting.thread().unpark();
            thread::yield_now();
        }
        cancelled.store(true, Ordering::Relaxed);
        token.cancel();
    });
}

#[test]
fn l05_wait_timeout_of_nothing_only_asks() {
    let token = CancellationToken::new();
    assert!(!token.wait_timeout(Duration::ZERO));
    assert!(!token.wait_timeout(Duration::from_nanos(1)));
    token.cancel();
    assert!(token.wait_timeout(Duration::ZERO));
    assert!(token.wait_timeout(Duration::MAX));
    token.wait();
}

// L6: callbacks ----------------------------------------------------------------------------------------------

#[test]
fn l06_callbacks_run_once_in_order_of_registration_on_the_cancelling_thread() {
    let token = CancellationToken::new();
    let log = Log::default();
    let canceller = Arc::new(Mutex::new(None));
    let callbacks: Vec<_> = (0..100)
        .map(|i| {
            let (log, canceller) = (log.clone(), Arc::clone(&canceller));
            token.on_cancel(move |reason| {
                assert_eq!(*canceller.lock().unwrap(), Some(thread::current().id()));
                assert_eq!(reason.message(), Some("why"));
                log.note(i.to_string());
            })
        })
        .collect();
    let expected: Vec<_> = (0..100).map(|i| i.to_string()).collect();
    thread::scope(|s| {
        s.spawn(|| {
            *canceller.lock().unwrap() = Some(thread::current().id());
            token.cancel_with("why");
            assert_eq!(log.all(), expected, "all have run when `cancel` returns");
        });
    });
    token.cancel();
    assert_eq!(log.all(), expected);
    assert!(callbacks.into_iter().all(|callback| !callback.unregister()));
}

#[test]
fn l06_order_of_registration_holds_among_waiting_tasks_too() {
    let token = CancellationToken::new();
    let log = Log::default();
    let _a = token.on_cancel(log.callback("a"));
    let woken = {
        let log = log.clone();
        waker(move || log.note("task"))
    };
    let mut waiting = pin!(token.cancelled());
    assert!(poll(waiting.as_mut(), &woken).is_pending());
    let _b = token.on_cancel(log.callback("b"));
    token.cancel();
    assert_eq!(log.all(), ["a", "task", "b"]);
}

#[test]
fn l06_one_registered_after_the_cancel_runs_inline() {
    let token = CancellationToken::new();
    token.cancel_with("early");
    let mut ran_on = None;
    let (tx, rx) = mpsc::channel();
    let callback = token.on_cancel(move |reason| {
        tx.send((thread::current().id(), reason.to_string())).unwrap();
    });
    if let Ok(told) = rx.try_recv() {
        ran_on = Some(told);
    }
    assert_eq!(ran_on, Some((thread::current().id(), "early".to_owned())));
    assert!(!callback.unregister());
}

#[test]
fn l06_dropping_the_handle_unregisters_and_detaching_does_not() {
    let token = CancellationToken::new();
    let log = Log::default();
    drop(token.on_cancel(log.callback("dropped")));
    token.on_cancel(log.callback("detached")).detach();
    assert!(token.on_cancel(log.callback("unregistered")).unregister());
    let _kept = token.on_cancel(log.callback("kept"));
    token.cancel();
    assert_eq!(log.all(), ["detached", "kept"]);
}

#[test]
fn l06_unregistering_frees_what_the_callback_captured() {
    let token = CancellationToken::new();
    let drops = Arc::new(AtomicUsize::new(0));
    let capture = || {
        let flag = DropFlag(Arc::clone(&drops));
        move |_: &CancelReason| drop(flag)
    };
    drop(token.on_cancel(capture()));
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    assert!(token.on_cancel(capture()).unregister());
    assert_eq!(drops.load(Ordering::Relaxed), 2);
    token.on_cancel(capture()).detach();
    let callback = token.on_cancel(capture());
    token.cancel();
    assert_eq!(drops.load(Ordering::Relaxed), 4);
    drop(callback);
    assert_eq!(drops.load(Ordering::Relaxed), 4);
}

#[test]
fn l06_an_earlier_callback_can_take_back_a_later_one() {
    let token = CancellationToken::new();
    let log = Log::default();
    let later: Arc<Mutex<Option<CancelCallback>>> = Arc::default();
    let _first = {
        let (later, log) = (Arc::clone(&later), log.clone());
        token.on_cancel(move |_| {
            let later = later.lock().unwrap().take().unwrap();
            assert!(later.unregister(), "it has not run yet");
            log.note("first");
        })
    };
    *later.lock().unwrap() = Some(token.on_cancel(log.callback("later")));
    let _last = token.on_cancel(log.callback("last"));
    token.cancel();
    assert_eq!(log.all(), ["first", "last"]);
}

#[test]
fn l06_a_callback_that_unregisters_itself_is_told_it_runs() {
    let token = CancellationToken::new();
    let own: Arc<Mutex<Option<CancelCallback>>> = Arc::default();
    let (tx, rx) = mpsc::channel();
    let callback = {
        let own = Arc::clone(&own);
        token.on_cancel(move |_| {
            let own = own.lock().unwrap().take().unwrap();
            tx.send(own.unregister()).unwrap();
        })
    };
    *own.lock().unwrap() = Some(callback);
    token.cancel();
    assert_eq!(rx.try_iter().collect::<Vec<_>>(), [false]);
}

#[test]
fn l06_a_callback_that_registers_another_runs_it_inline() {
    let token = CancellationToken::new();
    let log = Log::default();
    {
        let (inner, log) = (token.clone(), log.clone());
        token
            .on_cancel(move |_| {
                log.note("outer begins");
                inner.on_cancel(log.callback("inner")).detach();
                log.note("outer ends");
            })
            .detach();
    }
    token.on_cancel(log.callback("next")).detach();
    token.cancel();
    assert_eq!(log.all(), ["outer begins", "inner", "outer ends", "next"]);
}

#[test]
fn l06_a_callback_that_drops_the_last_handles_of_its_token() {
    let parent = CancellationToken::new();
    let token = parent.child_token();
    let log = Log::default();
    let slot = Arc::new(Mutex::new(Some(token.clone())));
    {
        let (slot, log) = (Arc::clone(&slot), log.clone());
        token
            .on_cancel(move |_| {
                drop(slot.lock().unwrap().take());
                log.note("dropped");
            })
            .detach();
    }
    token.on_cancel(log.callback("after")).detach();
    drop(token);
    parent.cancel();
    assert_eq!(log.all(), ["dropped", "after"]);
}

#[test]
fn l06_a_callback_that_panics_does_not_stop_the_others_and_the_first_panic_is_resumed() {
    let token = CancellationToken::new();
    let child = token.child_token();
    let log = Log::default();
    token.on_cancel(log.callback("a")).detach();
    token.on_cancel(|_| panic!("one")).detach();
    token.on_cancel(log.callback("b")).detach();
    token.on_cancel(|_| panic!("two")).detach();
    child.on_cancel(log.callback("child")).detach();
    token.on_cancel(log.callback("c")).detach();
    let panic = catch_unwind(AssertUnwindSafe(|| token.cancel())).unwrap_err();
    assert_eq!(text(&*panic), "one");
    let mut told = log.all();
    told.sort();
    assert_eq!(told, ["a", "b", "c", "child"]);
    assert!(token.is_cancelled() && child.is_cancelled());
    // The tree still works.
    assert!(token.child_token().is_cancelled());
}

#[test]
fn l06_a_panic_whose_payload_panics_does_not_stop_the_others_either() {
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            panic!("payload");
        }
    }
    let token = CancellationToken::new();
    let log = Log::default();
    token.on_cancel(|_| panic!("one")).detach();
    token.on_cancel(|_| std::panic::panic_any(Nasty)).detach();
    token.on_cancel(log.callback("last")).detach();
    let panic = catch_unwind(AssertUnwindSafe(|| token.cancel())).unwrap_err();
    assert_eq!(text(&*panic), "one");
    assert_eq!(log.all(), ["last"]);
}

#[test]
fn l06_a_panicking_callback_of_a_guard_dropped_by_a_panic_does_not_abort() {
    let token = CancellationToken::new();
    token.on_cancel(|_| panic!("callback")).detach();
    let log = Log::default();
    token.on_cancel(log.callback("other")).detach();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _guard = token.drop_guard_ref();
        panic!("body");
    }))
    .unwrap_err();
    assert_eq!(text(&*panic), "body");
    assert_eq!(log.all(), ["other"]);
}

#[test]
fn l06_a_callback_whose_captures_panic_when_dropped_unrun() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("captured");
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let token = CancellationToken::new();
    let flags = [DropFlag(Arc::clone(&drops)), DropFlag(Arc::clone(&drops))];
    for (i, flag) in flags.into_iter().enumerate() {
        token.on_cancel(move |_| drop(flag)).detach();
        if i == 0 {
            let captured = PanicsOnDrop;
            token.on_cancel(move |_| drop(captured)).detach();
        }
    }
    let panic = catch_unwind(AssertUnwindSafe(|| drop(token))).unwrap_err();
    assert_eq!(text(&*panic), "captured");
    assert_eq!(drops.load(Ordering::Relaxed), 2, "the others were dropped all the same");
}

#[test]
fn l06_a_detached_callback_of_a_dropped_token_passes_to_the_nearest_ancestor() {
    let root = CancellationToken::new();
    let middle = root.child_token();
    let log = Log::default();
    let leaf = middle.child_token();
    leaf.on_cancel(log.callback("leaf")).detach();
    drop(leaf);
    // With one child: spliced out. With two: a zombie. Both pass theirs on.
    let spliced = middle.child_token();
    let below_spliced = spliced.child_token();
    spliced.on_cancel(log.callback("spliced")).detach();
    drop(spliced);
    let zombie = middle.child_token();
    let below_zombie = [zombie.child_token(), zombie.child_token()];
    zombie.on_cancel(log.callback("zombie")).detach();
    drop(zombie);
    assert!(log.all().is_empty());
    middle.cancel();
    let mut told = log.all();
    told.sort();
    assert_eq!(told, ["leaf", "spliced", "zombie"]);
    assert!(below_spliced.is_cancelled() && below_zombie.iter().all(CancellationToken::is_cancelled));
    assert!(!root.is_cancelled());
}

#[test]
fn l06_callbacks_that_come_up_from_dropped_tokens_run_after_those_that_were_there() {
    // A leaf, one with a child that takes its place, and one that stays for its two children until one of these goes.
    let drops: [fn(CancellationToken); 3] = [
        drop,
        |dropped| {
            let below = dropped.child_token();
            drop(dropped);
            drop(below);
        },
        |dropped| {
            let below = [dropped.child_token(), dropped.child_token()];
            drop(dropped);
            drop(below);
        },
    ];
    for (i, drop_it) in drops.into_iter().enumerate() {
        let log = Log::default();
        let root = CancellationToken::new();
        root.on_cancel(log.callback("detached")).detach();
        let _kept = root.on_cancel(log.callback("kept"));
        let child = root.child_token();
        for name in ["first from below", "second from below"] {
            child.on_cancel(log.callback(name)).detach();
        }
        drop_it(child);
        root.on_cancel(log.callback("last")).detach();
        root.cancel();
        assert_eq!(
            log.all(),
            ["detached", "kept", "first from below", "second from below", "last"],
            "{i}"
        );
    }
}

#[test]
fn l06_a_detached_callback_that_nobody_can_cause_is_dropped() {
    let drops = Arc::new(AtomicUsize::new(0));
    let detached = |token: &CancellationToken| {
        let flag = DropFlag(Arc::clone(&drops));
        token.on_cancel(move |_| drop(flag)).detach();
    };
    let alone = CancellationToken::new();
    detached(&alone);
    drop(alone);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    // A root with children: nobody can cancel it, though the children stay.
    for children in 1..4 {
        let before = drops.load(Ordering::Relaxed);
        let root = CancellationToken::new();
        let below: Vec<_> = (0..children).map(|_| root.child_token()).collect();
        detached(&root);
        drop(root);
        assert_eq!(drops.load(Ordering::Relaxed), before + 1, "{children} children");
        drop(below);
    }
    detached(&CancellationToken::never());
    assert_eq!(drops.load(Ordering::Relaxed), 5);
}

#[test]
fn l06_a_detached_callback_goes_with_the_last_of_those_that_could_have_caused_it() {
    for has_deadline in [false, true] {
        let drops = Arc::new(AtomicUsize::new(0));
        let flag = DropFlag(Arc::clone(&drops));
        let root = CancellationToken::new();
        if has_deadline {
            root.cancel_after(LONG);
        }
        let fork = root.child_token();
        fork.on_cancel(move |_| drop(flag)).detach();
        let branches = [fork.child_token(), fork.child_token()];
        drop(fork);
        assert_eq!(drops.load(Ordering::Relaxed), 0, "the root may still be cancelled");
        drop(root);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
        assert!(!branches[0].is_cancelled());
    }
}

#[test]
fn l06_exactly_one_of_taken_back_and_ran_holds_in_a_race() {
    for round in 0..500 {
        let token = CancellationToken::new();
        let ran = Arc::new(AtomicUsize::new(0));
        let callbacks: Vec<_> = (0..4)
            .map(|_| {
                let ran = Arc::clone(&ran);
                token.on_cancel(move |_| count_up(&ran))
            })
            .collect();
        let start = Barrier::new(2);
        thread::scope(|s| {
            let taker = s.spawn(|| {
                start.wait();
                let in_time = callbacks.into_iter().rev().map(CancelCallback::unregister);
                in_time.filter(|&in_time| in_time).count()
            });
            start.wait();
            token.cancel();
            let taken_back = taker.join().unwrap();
            assert_eq!(taken_back + ran.load(Ordering::Relaxed), 4, "round {round}");
        });
    }
}

#[test]
fn l06_a_million_callbacks() {
    let token = CancellationToken::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let mut handles: Vec<_> = (0..1_000_000)
        .map(|i| {
            let ran = Arc::clone(&ran);
            token.on_cancel(move |_| assert_eq!(ran.fetch_add(1, Ordering::Relaxed), i / 2))
        })
        .collect();
    let mut index = 0..;
    handles.retain(|_| index.next().is_some_and(|i| i % 2 == 0));
    token.cancel();
    assert_eq!(ran.load(Ordering::Relaxed), 500_000);
}

// never ------------------------------------------------------------------------------------------------------

/// `never` is const.
static NEVER: CancellationToken = CancellationToken::never();
const ALSO_NEVER: CancellationToken = CancellationToken::never();

#[test]
fn never_is_one_token_that_nothing_cancels() {
    assert_eq!(NEVER, ALSO_NEVER);
    NEVER.cancel();
    assert!(!NEVER.cancel_with("in vain"));
    NEVER.cancel_after(Duration::ZERO);
    NEVER.cancel_at(Instant::now());
    drop(NEVER.clone().drop_guard());
    assert!(!NEVER.is_cancelled() && NEVER.check().is_ok() && NEVER.reason().is_none() && !NEVER.is_inherited());
    assert!(NEVER.deadline().is_none() && NEVER.remaining().is_none());
    assert!(!NEVER.wait_timeout(Duration::from_millis(1)));
    let mut waiting = Box::pin(NEVER.cancelled());
    assert!(poll_once(&mut waiting).is_pending());
    assert!(NEVER.on_cancel(|_| unreachable!()).unregister(), "it will never run");
    NEVER.on_cancel(|_| unreachable!()).detach();
    assert_eq!(format!("{NEVER:?}"), "CancellationToken(never)");
}

#[test]
fn a_child_of_never_is_a_fresh_root() {
    let (a, b) = (NEVER.child_token(), NEVER.child_token());
    assert_ne!(a, b);
    a.cancel();
    assert!(a.is_cancelled() && !a.is_inherited() && !b.is_cancelled());
}

// any and all ------------------------------------------------------------------------------------------------

#[test]
fn any_and_all_of_nothing_are_never_cancelled_from_outside() {
    for token in [CancellationToken::any([]), CancellationToken::all([])] {
        assert!(!token.is_cancelled() && token.deadline().is_none());
        token.cancel();
        assert!(token.is_cancelled() && !token.is_inherited());
    }
}

#[test]
fn any_is_cancelled_with_the_first_and_shares_its_cause() {
    let (a, b) = (CancellationToken::new(), CancellationToken::new());
    let any = CancellationToken::any([&a, &b, &a, &NEVER]);
    let below = any.child_token();
    b.cancel_with("b");
    a.cancel_with("a");
    for token in [&any, &below] {
        assert_eq!(token.reason().unwrap().message(), Some("b"));
        assert!(token.is_inherited());
        let error = token.check().unwrap_err();
        assert!(error.belongs_to(&b) && !error.belongs_to(&a) && !error.belongs_to(&any));
    }
}

#[test]
fn all_is_cancelled_with_the_last_and_has_its_reason() {
    let tokens = [(); 3].map(|()| CancellationToken::new());
    let all = CancellationToken::all(&tokens);
    for (i, token) in tokens.iter().enumerate() {
        assert!(!all.is_cancelled());
        token.cancel_with(i.to_string());
    }
    assert_eq!(all.reason().unwrap().message(), Some("2"));
    assert!(!CancellationToken::all([&tokens[0], &NEVER]).is_cancelled());
    assert!(CancellationToken::all(&tokens).is_cancelled());
    assert!(!CancellationToken::all([&tokens[0], &CancellationToken::new()]).is_cancelled());
    // The same token twice counts twice, and is cancelled once.
    let twice = CancellationToken::new();
    let all = CancellationToken::all([&twice, &twice]);
    twice.cancel();
    assert!(all.is_cancelled());
}

#[test]
fn any_of_a_cancelled_token_is_born_cancelled() {
    let (a, b) = (CancellationToken::new(), CancellationToken::new());
    b.cancel_with("b");
    let any = CancellationToken::any([&a, &b]);
    assert_eq!(any.reason().unwrap().message(), Some("b"));
    a.cancel();
    assert_eq!(any.reason().unwrap().message(), Some("b"));
}

#[test]
fn cancelling_any_or_all_alone_leaves_their_sources_alone() {
    let source = CancellationToken::new();
    let (any, all) = (CancellationToken::any([&source]), CancellationToken::all([&source]));
    any.cancel();
    all.cancel();
    assert!(!source.is_cancelled());
    source.cancel();
    assert!(!any.is_inherited() && !all.is_inherited());
}

#[test]
fn any_hears_a_source_that_only_it_still_holds_through_that_ones_parent() {
    let parent = CancellationToken::new();
    let source = parent.child_token();
    let any = CancellationToken::any([&source]);
    let below = any.child_token();
    drop(source);
    drop(any);
    assert!(!below.is_cancelled());
    parent.cancel_with("above");
    assert_eq!(below.reason().unwrap().message(), Some("above"));
}

#[test]
fn a_diamond_is_cancelled_once() {
    let top = CancellationToken::new();
    let (left, right) = (CancellationToken::any([&top]), CancellationToken::any([&top]));
    let bottom = CancellationToken::all([&left, &right]);
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    bottom.on_cancel(move |_| count_up(&count)).detach();
    top.cancel_with("top");
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    assert_eq!(bottom.reason().unwrap().message(), Some("top"));
}

#[test]
fn dropped_any_leaves_its_sources() {
    let source = CancellationToken::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let any = CancellationToken::any([&source]);
    let count = Arc::clone(&ran);
    any.on_cancel(move |_| count_up(&count)).detach();
    drop(any);
    source.cancel();
    assert_eq!(ran.load(Ordering::Relaxed), 0, "nobody could tell it any more");
}

// deadlines --------------------------------------------------------------------------------------------------

#[test]
fn a_deadline_in_the_past_cancels_at_once() {
    let expired: [fn(&CancellationToken); 3] = [
        |token| token.cancel_after(Duration::ZERO),
        |token| token.cancel_at(Instant::now()),
        |token| {
            token.cancel_at(
                Instant::now()
                    .checked_sub(Duration::from_secs(1))
                    .unwrap_or_else(Instant::now),
            )
        },
    ];
    for expire in expired {
        let token = CancellationToken::new();
        let child = token.child_token();
        expire(&token);
        assert_eq!(token.reason().unwrap().kind(), ReasonKind::Timeout);
        assert!(child.check().unwrap_err().is_timeout());
        assert_eq!(
            token.remaining(),
            Some(Duration::ZERO),
            "it has passed, which is not to have none"
        );
        assert_eq!(child.remaining(), Some(Duration::ZERO));
        assert!(token.deadline().unwrap() <= Instant::now());
    }
}

#[test]
fn a_timeout_too_long_for_the_clock_is_no_deadline() {
    let token = CancellationToken::new();
    token.cancel_after(Duration::MAX);
    assert!(token.deadline().is_none() && token.remaining().is_none() && !token.is_cancelled());
}

#[test]
fn a_timeout_wakes_tasks_threads_and_callbacks_and_names_the_line_that_set_it() {
    let token = CancellationToken::new();
    let (tx, rx) = mpsc::channel();
    token
        .on_cancel(move |reason| tx.send((reason.clone(), thread::current().id())).unwrap())
        .detach();
    let line = line!() + 1;
    token.cancel_after(Duration::from_millis(2));
    let at = token.deadline().unwrap();
    futures::executor::block_on(token.cancelled());
    token.wait();
    assert!(Instant::now() >= at);
    let (reason, thread) = rx.recv().unwrap();
    assert_ne!(thread, thread::current().id());
    assert_eq!(reason.kind(), ReasonKind::Timeout);
    assert_eq!(reason.to_string(), "timed out after 2ms");
    assert_eq!((reason.location().file(), reason.location().line()), (file!(), line));
    assert_eq!(token.deadline(), Some(at));
    assert_eq!(token.remaining(), Some(Duration::ZERO));
}

#[test]
fn the_effective_deadline_is_the_earliest_along_the_parents() {
    let hour = |n: u64| Instant::now() + Duration::from_secs(n * 3_600);
    let (one, two, three) = (hour(1), hour(2), hour(3));
    let root = CancellationToken::new();
    let child = root.child_token();
    let grandchild = child.child_token();
    assert!(grandchild.deadline().is_none());
    child.cancel_at(two);
    assert_eq!(grandchild.deadline(), Some(two));
    grandchild.cancel_at(three);
    assert_eq!(grandchild.deadline(), Some(two));
    root.cancel_at(one);
    assert_eq!(grandchild.deadline(), Some(one));
    assert_eq!(root.deadline(), Some(one));
    assert!(grandchild.remaining().unwrap() <= Duration::from_secs(3_600));
    // Of several on one token the earliest counts.
    root.cancel_at(three);
    assert_eq!(root.deadline(), Some(one));
    // A dropped token takes its deadline along.
    drop(root);
    assert_eq!(grandchild.deadline(), Some(two));
    drop(child);
    assert_eq!(grandchild.deadline(), Some(three));
    // A token cancelled by hand has none any more.
    grandchild.cancel();
    assert!(grandchild.deadline().is_none() && grandchild.remaining().is_none());
}

#[test]
fn any_has_the_earliest_deadline_and_all_the_latest_if_every_source_has_one() {
    let hour = |n: u64| Instant::now() + Duration::from_secs(n * 3_600);
    let (one, two, three) = (hour(1), hour(2), hour(3));
    let tokens = [(); 4].map(|()| CancellationToken::new());
    let [a, b, c, none] = &tokens;
    a.cancel_at(one);
    b.cancel_at(two);
    c.cancel_at(three);
    assert_eq!(CancellationToken::any([b, a, c, none]).deadline(), Some(one));
    assert_eq!(CancellationToken::all([b, c, a]).deadline(), Some(three));
    assert_eq!(CancellationToken::all([b, c, a, none]).deadline(), None);
    let both = CancellationToken::all([&CancellationToken::any([b, c]), a]);
    assert_eq!(both.deadline(), Some(two));
    both.cancel_at(one);
    assert_eq!(both.child_token().deadline(), Some(one));
    assert_eq!(CancellationToken::any([&both.child_token(), b]).deadline(), Some(one));
}

#[test]
fn a_deadline_reaches_what_hangs_on_the_token() {
    let token = CancellationToken::new();
    token.cancel_after(Duration::from_millis(2));
    let any = CancellationToken::any([&token.child_token(), &CancellationToken::new()]);
    any.child_token().wait();
    assert!(any.check().unwrap_err().belongs_to(&token));
}

#[test]
fn an_earlier_deadline_set_later_counts_and_the_later_one_is_forgotten() {
    let token = CancellationToken::new();
    token.cancel_after(Duration::from_secs(3_600));
    token.cancel_after(Duration::from_millis(2));
    token.wait();
    assert_eq!(token.reason().unwrap().to_string(), "timed out after 2ms");
}

#[test]
fn a_callback_that_panics_on_the_timer_thread_does_not_end_it() {
    let (a, b) = (CancellationToken::new(), CancellationToken::new());
    a.on_cancel(|_| panic!("on the timer thread")).detach();
    a.cancel_after(Duration::from_millis(1));
    a.wait();
    b.cancel_after(Duration::from_millis(1));
    b.wait();
    assert!(a.is_cancelled() && b.is_cancelled());
}

#[test]
fn a_token_dropped_while_its_deadline_passes() {
    for _ in 0..200 {
        let token = CancellationToken::new();
        let child = token.child_token();
        token.cancel_after(Duration::from_micros(900));
        if child.wait_timeout(Duration::from_micros(950)) {
            assert!(child.check().unwrap_err().is_timeout());
        }
        drop(token);
        drop(child);
    }
}

#[test]
fn a_hundred_thousand_deadlines_are_armed_and_disarmed() {
    let tokens: Vec<_> = (0..100_000_u64)
        .map(|i| {
            let token = CancellationToken::new();
            token.cancel_after(Duration::from_secs(3_600 + i));
            token
        })
        .collect();
    assert!(
        tokens
            .iter()
            .all(|token| token.deadline().is_some() && !token.is_cancelled())
    );
}

// guards, run_until_cancelled --------------------------------------------------------------------------------

#[test]
fn drop_guards_cancel_with_kind_dropped_unless_disarmed() {
    let token = CancellationToken::new();
    drop(token.drop_guard_ref());
    assert_eq!(token.reason().unwrap().kind(), ReasonKind::Dropped);

    let token = CancellationToken::new();
    let line = line!() + 1;
    drop(token.clone().drop_guard());
    let reason = token.reason().unwrap();
    assert_eq!(reason.kind(), ReasonKind::Dropped);
    assert_eq!((reason.location().file(), reason.location().line()), (file!(), line));

    let token = CancellationToken::new();
    assert_eq!(token.drop_guard_ref().disarm(), &token);
    assert_eq!(token.clone().drop_guard().disarm(), token);
    assert!(!token.is_cancelled());

    token.cancel_with("before");
    drop(token.clone().drop_guard());
    assert_eq!(token.reason().unwrap().message(), Some("before"));
}

#[test]
fn run_until_cancelled_prefers_the_futures_output_and_polls_nothing_once_cancelled() {
    let token = CancellationToken::new();
    let mut ready = Box::pin(token.run_until_cancelled(async { 1 }));
    assert_eq!(poll_once(&mut ready), Poll::Ready(Some(1)));

    let (count, waker) = CountingWaker::new();
    let drops = Arc::new(AtomicUsize::new(0));
    let flag = DropFlag(Arc::clone(&drops));
    let mut pending = Box::pin(token.clone().run_until_cancelled_owned(async move {
        std::future::pending::<()>().await;
        drop(flag);
    }));
    assert!(poll_with(&mut pending, &waker).is_pending());
    token.cancel();
    assert_eq!(count.count(), 1);
    assert_eq!(poll_with(&mut pending, &waker), Poll::Ready(None));
    drop(pending);
    assert_eq!(drops.load(Ordering::Relaxed), 1);

    let mut unpolled = Box::pin(token.run_until_cancelled(async { unreachable!("cancelled before the first poll") }));
    assert_eq!(poll_once(&mut unpolled), Poll::Ready(None::<()>));
}

#[test]
fn run_until_cancelled_yields_an_output_that_was_ready_in_the_poll_that_the_cancel_caused() {
    let token = CancellationToken::new();
    let inner = token.clone();
    let mut future = Box::pin(token.run_until_cancelled(async {
        inner.cancelled().await;
        "noticed"
    }));
    assert!(poll_once(&mut future).is_pending());
    token.cancel();
    assert_eq!(poll_once(&mut future), Poll::Ready(Some("noticed")));
}

// words ------------------------------------------------------------------------------------------------------

#[test]
fn reasons_and_errors_name_file_and_line_of_who_asked_and_who_noticed() {
    #[track_caller]
    fn here() -> (&'static str, u32) {
        let at = Location::caller();
        (at.file(), at.line())
    }
    fn at(location: &Location<'static>) -> (String, u32) {
        (location.file().to_owned(), location.line())
    }
    #[rustfmt::skip] // each on one line, which is what is compared
    let cancels: [(fn(&CancellationToken) -> (&'static str, u32), ReasonKind); 9] = [
        (|t| { t.cancel(); here() }, ReasonKind::Manual),
        (|t| { t.cancel_with("text"); here() }, ReasonKind::Manual),
        (|t| { t.cancel_with(String::from("text")); here() }, ReasonKind::Manual),
        (|t| { t.cancel_with(CancelReason::shutdown()); here() }, ReasonKind::Shutdown),
        (|t| { t.cancel_with(CancelReason::signal(2)); here() }, ReasonKind::Signal),
        (|t| { t.cancel_with(CancelReason::condition("c")); here() }, ReasonKind::Condition),
        (|t| { t.cancel_with(CancelReason::error("e")); here() }, ReasonKind::Error),
        (|t| { t.cancel_with(CancelReason::timeout(Duration::ZERO)); here() }, ReasonKind::Timeout),
        (|t| { t.cancel_after(Duration::ZERO); here() }, ReasonKind::Timeout),
    ];
    for (cancel, kind) in cancels {
        let token = CancellationToken::new();
        let (file, line) = cancel(&token);
        let reason = token.reason().unwrap();
        assert_eq!(reason.kind(), kind);
        assert_eq!(at(reason.location()), (file.to_owned(), line), "{kind:?}");
        let (error, (file, line)) = (token.check().unwrap_err(), here());
        assert_eq!(at(error.observed_at()), (file.to_owned(), line));
        assert_eq!(error.kind(), kind);
        assert_eq!(error.is_timeout(), kind == ReasonKind::Timeout);
        assert!(error.scope_name().is_none() && !error.was_forced());
    }
}

#[test]
fn reasons_read_as_sentences() {
    let cases = [
        (CancelReason::manual(), "cancelled on request"),
        (
            CancelReason::manual().with_message("user pressed stop"),
            "user pressed stop",
        ),
        ("text".into(), "text"),
        (
            CancelReason::timeout(Duration::from_millis(1500)),
            "timed out after 1.5s",
        ),
        (CancelReason::timeout(Duration::ZERO), "timed out at once"),
        (CancelReason::signal(2), "received SIGINT"),
        (CancelReason::signal(15), "received SIGTERM"),
        (CancelReason::signal(64), "received signal 64"),
        (
            CancelReason::condition("disk full"),
            "condition \"disk full\" came true",
        ),
        (CancelReason::shutdown(), "shutting down"),
        (CancelReason::shutdown().with_message("deploy"), "shutting down: deploy"),
        (CancelReason::error("oh no"), "stopped by an error: oh no"),
    ];
    for (reason, expected) in cases {
        assert_eq!(reason.to_string(), expected);
        let debug = format!("{reason:?}");
        assert!(debug.contains(expected) && debug.contains("token.rs"), "{debug}");
    }
    let reason = CancelReason::manual().with_message("one");
    let other = reason.clone().with_message("two");
    assert_eq!(
        (reason.message(), other.message()),
        (Some("one"), Some("two")),
        "a clone is not changed"
    );
}

#[test]
fn errors_read_as_sentences_and_have_the_causing_error_as_source() {
    use std::error::Error;
    let token = CancellationToken::new();
    let line = line!() + 1;
    token.cancel_with(CancelReason::error(std::io::Error::other("disk full")));
    let error = token.check().unwrap_err();
    let file = file!();
    assert_eq!(
        error.to_string(),
        format!(
            "cancelled: stopped by an error: disk full, requested at {file}:{line}:{}, noticed at {file}:{}:{}",
            error.reason().location().column(),
            line + 1,
            error.observed_at().column(),
        )
    );
    assert_eq!(error.source().unwrap().to_string(), "disk full");
    assert_eq!(format!("{error:?}"), error.report().to_string());
    assert!(format!("{error:#?}").starts_with("Cancelled {"));

    let token = CancellationToken::new();
    token.cancel();
    let error = token.check().unwrap_err();
    assert!(error.to_string().starts_with("cancelled, requested at "), "{error}");
    assert!(error.source().is_none());
}

#[test]
fn errors_become_io_errors_that_std_does_not_retry() {
    use std::io::ErrorKind;
    let kinds = [
        (CancelReason::manual(), ErrorKind::Other),
        (CancelReason::timeout(Duration::ZERO), ErrorKind::TimedOut),
        (CancelReason::signal(2), ErrorKind::Other),
    ];
    for (reason, expected) in kinds {
        let token = CancellationToken::new();
        token.cancel_with(reason);
        let error = std::io::Error::from(token.check().unwrap_err());
        assert_eq!(error.kind(), expected);
        assert!(error.get_ref().unwrap().is::<Cancelled>());
    }
    let token = CancellationToken::new();
    drop(token.drop_guard_ref());
    let error = std::io::Error::from(token.check().unwrap_err());
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
}

#[test]
fn debug_shows_name_state_reason_and_number_of_children() {
    let token = CancellationToken::new();
    assert_eq!(
        format!("{token:?}"),
        "CancellationToken { is_cancelled: false, children: 0 }"
    );
    let children = [token.child_token(), token.child_token(), token.child_token()];
    assert_eq!(
        format!("{token:?}"),
        "CancellationToken { is_cancelled: false, children: 3 }"
    );
    drop(children);
    token.cancel_with("stop");
    assert_eq!(
        format!("{token:?}"),
        "CancellationToken { is_cancelled: true, reason: stop }"
    );
    let named = Scope::new()
        .name("load")
        .run_sync(|| Ok::<_, Cancelled>(format!("{:?}", current())));
    assert_eq!(
        named.unwrap(),
        "CancellationToken { name: \"load\", is_cancelled: false, children: 0 }"
    );
    let callback = token.on_cancel(|_| ());
    assert!(format!("{callback:?}").starts_with("CancelCallback { token: CancellationToken {"));
    assert!(format!("{:?}", token.drop_guard_ref()).contains("CancellationToken"));
    assert!(format!("{:?}", token.cancelled()).starts_with("WaitForCancellationFuture {"));
}

#[test]
fn equality_and_hash_go_by_identity() {
    let (a, b) = (CancellationToken::new(), CancellationToken::default());
    let set = HashSet::from([a.clone(), b.clone(), a.clone()]);
    assert_eq!(set.len(), 2);
    assert!(set.contains(&a) && set.contains(&b) && !set.contains(&a.child_token()));
    assert_eq!(a, a.clone());
    assert_ne!(a, b);
    // A table of tokens is not one long list.
    let hash = |token: &CancellationToken| set.hasher().hash_one(token);
    assert_eq!(hash(&a), hash(&a.clone()));
    assert_ne!(hash(&a), hash(&b));
}

#[test]
fn sizes_are_one_pointer() {
    const POINTER: usize = size_of::<usize>();
    assert_eq!(size_of::<CancellationToken>(), POINTER);
    assert_eq!(size_of::<Option<CancellationToken>>(), POINTER);
    assert_eq!(size_of::<CancelReason>(), POINTER);
    assert_eq!(size_of::<Cancelled>(), POINTER);
    assert_eq!(size_of::<Result<(), Cancelled>>(), POINTER);
}

/// The auto traits, as tokio's own table does it: each line is a type and what it is, or is not.
mod auto_traits {
    use std::panic::{RefUnwindSafe, UnwindSafe};

    use cancelable::{
        CancelCallback, CancelReason, CancellationToken, Cancelled, DropGuard, DropGuardRef, ReasonKind,
        WaitForCancellationFuture, WaitForCancellationFutureOwned,
    };

    trait AmbiguousIfUnpin<A> {
        fn is_not_unpin() {}
    }
    impl<T: ?Sized> AmbiguousIfUnpin<()> for T {}
    impl<T: ?Sized + Unpin> AmbiguousIfUnpin<u8> for T {}

    fn is<T: Send + Sync>() {}
    fn is_unpin<T: Unpin>() {}
    fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}

    #[test]
    fn table() {
        is::<CancellationToken>();
        is::<CancelCallback>();
        is::<CancelReason>();
        is::<Cancelled>();
        is::<DropGuard>();
        is::<DropGuardRef<'_>>();
        is::<ReasonKind>();
        is::<WaitForCancellationFuture<'_>>();
        is::<WaitForCancellationFutureOwned>();
        is_unpin::<CancellationToken>();
        is_unpin::<CancelCallback>();
        is_unpin::<CancelReason>();
        is_unpin::<Cancelled>();
        is_unpin::<DropGuard>();
        is_unpin::<DropGuardRef<'_>>();
        is_unwind_safe::<CancellationToken>();
        is_unwind_safe::<DropGuard>();
        is_unwind_safe::<DropGuardRef<'_>>();
        // Intrusive: they must not move once polled.
        <WaitForCancellationFuture<'_> as AmbiguousIfUnpin<_>>::is_not_unpin();
        <WaitForCancellationFutureOwned as AmbiguousIfUnpin<_>>::is_not_unpin();
    }
}

#[test]
fn l15_a_dropped_token_takes_its_deadline_along_however_many_children_it_leaves() {
    for children in 1..4 {
        let root = CancellationToken::new();
        let token = root.child_token();
        token.cancel_after(LONG);
        let below: Vec<_> = (0..children).map(|_| token.child_token()).collect();
        assert!(below[0].deadline().is_some());
        drop(token);
        assert_eq!(below[0].deadline(), None, "{children} children");
    }
}
