//! Models of the token under loom: every interleaving of a few threads, up to a number of preemptions.
//!
//! Run by `.ci/token-proof loom`.
//!
//! Besides what each model asserts, all of them notice data races in nodes and waiters, use of a node after it was freed
//! (`primitive::Canary`), leaks, and deadlocks. `PROTOCOL.md` lists which of them fails when which rule is broken.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use loom::thread;

use crate::cause::Cause;
use crate::explore::{explore, spawn};
use crate::reason::CancelReason;
use crate::timer;
use crate::token::{CancellationToken, Registered};

/// Counts how often it is woken, or called. Outside the model: read only when the threads have been joined.
#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    fn up(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.up();
    }
}

fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

// cancel and cancel, cancel and ask ----------------------------------------------------------------------------

#[test]
fn two_cancels_one_winner_one_reason() {
    explore(5, || {
        let token = CancellationToken::new();
        let other = token.clone();
        let thread = spawn(move || {
            let won = other.cancel_with("other");
            (
                won,
                other.reason().and_then(|reason| reason.message().map(str::to_owned)),
            )
        });
        let won = token.cancel_with("main");
        let seen = token.reason().and_then(|reason| reason.message().map(str::to_owned));
        let (other_won, other_seen) = thread.join().unwrap();
        assert!(won ^ other_won);
        assert_eq!(seen, other_seen);
        assert_eq!(seen.as_deref(), Some(if won { "main" } else { "other" }));
    });
}

#[test]
fn who_reads_cancelled_reads_the_reason_and_everything_below_as_cancelled() {
    explore(5, || {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let leaf = middle.child_token();
        let above = root.clone();
        let thread = spawn(move || {
            if above.is_cancelled() {
                assert!(above.reason().is_some() && middle.is_cancelled());
            }
            if middle.is_cancelled() {
                assert!(middle.reason().is_some());
                assert!(leaf.is_cancelled() && leaf.reason().is_some());
            }
        });
        root.cancel();
        assert!(root.reason().is_some());
        thread.join().unwrap();
    });
}

/// A token on which nothing hangs is marked without a walk.
#[test]
fn l01_who_reads_a_lone_token_as_cancelled_reads_its_reason() {
    explore(5, || {
        let token = CancellationToken::new();
        let reader = token.clone();
        let thread = spawn(move || assert!(!reader.is_cancelled() || reader.reason().is_some()));
        token.cancel();
        thread.join().unwrap();
    });
}

#[test]
fn a_second_cancel_returns_when_everything_below_is_cancelled() {
    explore(5, || {
        let root = CancellationToken::new();
        let leaf = root.child_token();
        let other = root.clone();
        let thread = spawn(move || other.cancel());
        root.cancel();
        assert!(leaf.is_cancelled());
        thread.join().unwrap();
    });
}

#[test]
fn who_notices_a_cancel_below_a_token_or_through_a_link_can_ask_whose_it_was() {
    for is_linked in [false, true] {
        explore(4, move || {
            let token = CancellationToken::new();
            let noticing = if is_linked {
                CancellationToken::any([&token])
            } else {
                token.child_token()
            };
            let asked = token.clone();
            let thread = spawn(move || {
                if let Err(error) = noticing.check() {
                    assert!(error.belongs_to(&asked) && !error.belongs_to(&noticing));
                }
            });
            token.cancel();
            thread.join().unwrap();
        });
    }
}

#[test]
fn cancels_at_two_levels_leave_each_node_one_reason() {
    explore(4, || {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let leaf = middle.child_token();
        let thread = spawn(move || middle.cancel_with("middle"));
        root.cancel_with("root");
        let middle_won = thread.join().unwrap();
        let reason = leaf.reason().unwrap();
        assert_eq!(reason.message(), Some(if middle_won { "middle" } else { "root" }));
        assert!(leaf.is_inherited());
    });
}

// cancel, child and drop at three levels -----------------------------------------------------------------------

#[test]
fn a_child_made_during_the_cancel_is_cancelled() {
    explore(5, || {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let thread = spawn(move || {
            let leaf = middle.child_token();
            drop(middle);
            leaf
        });
        root.cancel();
        let leaf = thread.join().unwrap();
        assert!(leaf.is_cancelled() && leaf.is_inherited() && leaf.reason().is_some());
    });
}

#[test]
fn the_middle_goes_while_the_root_is_cancelled() {
    explore(5, || {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let leaf = middle.child_token();
        let thread = spawn(move || drop(middle));
        root.cancel();
        thread.join().unwrap();
        assert!(leaf.is_cancelled());
    });
}

#[test]
fn the_leaf_goes_while_the_root_is_cancelled() {
    explore(5, || {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let leaf = middle.child_token();
        let thread = spawn(move || drop(leaf));
        root.cancel();
        thread.join().unwrap();
        assert!(middle.is_cancelled());
    });
}

#[test]
fn three_levels_go_at_once() {
    explore(4, || {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let leaf = middle.child_token();
        let a = spawn(move || drop(root));
        let b = spawn(move || drop(middle));
        drop(leaf);
        a.join().unwrap();
        b.join().unwrap();
    });
}

#[test]
fn a_fork_goes_while_its_branches_go() {
    // The fork becomes a zombie, is spliced out or goes as a leaf, in any order; at the end nothing is left.
    explore(4, || {
        let root = CancellationToken::new();
        let fork = root.child_token();
        let (left, right) = (fork.child_token(), fork.child_token());
        let a = spawn(move || drop(fork));
        let b = spawn(move || drop(left));
        drop(right);
        a.join().unwrap();
        b.join().unwrap();
        drop(root);
    });
}

#[test]
fn a_zombie_is_spliced_out_while_the_root_is_cancelled() {
    explore(4, || {
        let root = CancellationToken::new();
        let fork = root.child_token();
        let (left, right) = (fork.child_token(), fork.child_token());
        drop(fork);
        let thread = spawn(move || drop(left));
        root.cancel();
        thread.join().unwrap();
        assert!(right.is_cancelled());
    });
}

#[test]
fn a_branch_of_a_zombie_is_cancelled_while_the_other_goes() {
    explore(4, || {
        let root = CancellationToken::new();
        let fork = root.child_token();
        let (left, right) = (fork.child_token(), fork.child_token());
        drop(fork);
        let thread = spawn(move || drop(left));
        right.cancel();
        thread.join().unwrap();
        assert!(right.is_cancelled() && !right.is_inherited() && !root.is_cancelled());
    });
}

#[test]
fn two_handles_of_a_cancelled_token_go_at_once() {
    explore(5, || {
        let token = CancellationToken::new();
        let other = token.clone();
        let thread = spawn(move || {
            other.cancel();
            drop(other);
        });
        drop(token);
        thread.join().unwrap();
    });
}

#[test]
fn a_handle_goes_after_another_was_used() {
    explore(5, || {
        let token = CancellationToken::new();
        let other = token.clone();
        let thread = spawn(move || assert!(other.on_cancel(|_| ()).unregister()));
        drop(token);
        thread.join().unwrap();
    });
}

#[test]
fn a_handle_goes_while_another_makes_a_child() {
    explore(5, || {
        let token = CancellationToken::new();
        let other = token.clone();
        let thread = spawn(move || other.child_token());
        drop(token);
        let child = thread.join().unwrap();
        assert!(!child.is_cancelled());
    });
}

// waiters ------------------------------------------------------------------------------------------------------

#[test]
fn a_waiter_that_registers_during_the_cancel_is_told() {
    explore(5, || {
        let token = CancellationToken::new();
        let canceller = token.clone();
        let thread = spawn(move || canceller.cancel());
        let count = Count::new();
        let mut waiting = pin!(token.cancelled());
        let pending = poll(waiting.as_mut(), &count.waker()).is_pending();
        thread.join().unwrap();
        assert_eq!(count.get(), usize::from(pending));
        assert!(poll(waiting, Waker::noop()).is_ready());
    });
}

#[test]
fn a_waiter_that_is_polled_again_during_the_cancel_is_told_by_its_last_waker() {
    explore(5, || {
        let token = CancellationToken::new();
        let (first, last) = (Count::new(), Count::new());
        let mut waiting = pin!(token.cancelled());
        assert!(poll(waiting.as_mut(), &first.waker()).is_pending());
        let canceller = token.clone();
        let thread = spawn(move || canceller.cancel());
        let pending = poll(waiting.as_mut(), &last.waker()).is_pending();
        thread.join().unwrap();
        assert_eq!(last.get(), usize::from(pending));
        assert!(first.get() + last.get() <= 1);
    });
}

#[test]
fn a_waiter_that_goes_during_the_cancel() {
    explore(5, || {
        let token = CancellationToken::new();
        let canceller = token.clone();
        let count = Count::new();
        let mut waiting = Box::pin(token.cancelled_owned());
        assert!(poll(waiting.as_mut(), &count.waker()).is_pending());
        let thread = spawn(move || canceller.cancel());
        drop(waiting);
        thread.join().unwrap();
        assert!(count.get() <= 1);
    });
}

#[test]
fn a_waiter_that_goes_and_takes_the_last_handle_along_during_the_cancel_of_the_root() {
    explore(5, || {
        let root = CancellationToken::new();
        let count = Count::new();
        let mut waiting = Box::pin(root.child_token().cancelled_owned());
        assert!(poll(waiting.as_mut(), &count.waker()).is_pending());
        let thread = spawn(move || root.cancel());
        drop(waiting);
        thread.join().unwrap();
        assert!(count.get() <= 1);
    });
}

#[test]
fn neighbours_in_a_list_go_while_it_is_told() {
    explore(4, || {
        let token = CancellationToken::new();
        let counts = [Count::new(), Count::new(), Count::new()];
        let mut waiting = counts.each_ref().map(|count| {
            let mut waiting = Box::pin(token.clone().cancelled_owned());
            assert!(poll(waiting.as_mut(), &count.waker()).is_pending());
            Some(waiting)
        });
        let thread = spawn(move || token.cancel());
        drop(waiting[1].take());
        thread.join().unwrap();
        assert!(counts[0].get() == 1 && counts[1].get() <= 1 && counts[2].get() == 1);
    });
}

#[test]
fn a_blocked_thread_is_released() {
    explore(5, || {
        let token = CancellationToken::new();
        let waiting = token.clone();
        let thread = spawn(move || {
            waiting.wait();
            assert!(waiting.is_cancelled());
        });
        token.cancel();
        thread.join().unwrap();
    });
}

// callbacks ----------------------------------------------------------------------------------------------------

#[test]
fn a_callback_that_is_registered_during_the_cancel_runs_once() {
    explore(5, || {
        let token = CancellationToken::new();
        let canceller = token.clone();
        let thread = spawn(move || canceller.cancel());
        let count = Count::new();
        let ran = Arc::clone(&count);
        let callback = token.on_cancel(move |_| ran.up());
        thread.join().unwrap();
        assert_eq!(count.get(), 1);
        assert!(!callback.unregister());
    });
}

#[test]
fn a_callback_either_runs_or_is_taken_back() {
    explore(5, || {
        let token = CancellationToken::new();
        let count = Count::new();
        let callbacks = [(); 2].map(|()| {
            let ran = Arc::clone(&count);
            token.on_cancel(move |_| ran.up())
        });
        let thread = spawn(move || token.cancel());
        let [_first, last] = callbacks;
        let in_time = last.unregister();
        thread.join().unwrap();
        assert_eq!(count.get(), if in_time { 1 } else { 2 });
    });
}

#[test]
fn a_callback_is_detached_during_the_cancel() {
    explore(5, || {
        let token = CancellationToken::new();
        let count = Count::new();
        let ran = Arc::clone(&count);
        let callback = token.on_cancel(move |_| ran.up());
        let thread = spawn(move || token.cancel());
        callback.detach();
        thread.join().unwrap();
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn a_detached_callback_passes_upwards_while_the_root_is_cancelled() {
    explore(5, || {
        let root = CancellationToken::new();
        let child = root.child_token();
        let count = Count::new();
        let ran = Arc::clone(&count);
        child.on_cancel(move |_| ran.up()).detach();
        let thread = spawn(move || drop(child));
        root.cancel();
        thread.join().unwrap();
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn a_callback_may_cancel_register_and_take_back_while_another_thread_registers() {
    explore(4, || {
        let token = CancellationToken::new();
        let child = token.child_token();
        let count = Count::new();
        let callback = {
            let (token, child, count) = (token.clone(), child.clone(), Arc::clone(&count));
            let ran = Arc::clone(&count);
            let later = child.on_cancel(move |_| ran.up());
            move |_: &CancelReason| {
                assert!(child.is_cancelled() && !token.cancel_with("again"));
                if later.unregister() {
                    count.up();
                }
                token.on_cancel(move |_| count.up()).detach();
            }
        };
        token.on_cancel(callback).detach();
        let canceller = token.clone();
        let thread = spawn(move || canceller.cancel());
        let ran = Arc::clone(&count);
        child.on_cancel(move |_| ran.up()).detach();
        drop((token, child));
        thread.join().unwrap();
        assert_eq!(count.get(), 3);
    });
}

// weak handles, links ------------------------------------------------------------------------------------------

#[test]
fn a_way_back_is_taken_while_the_last_handle_goes() {
    explore(5, || {
        let token = CancellationToken::new();
        let way_back = token.node.downgrade();
        let thread = spawn(move || {
            // Twice: a failed attempt must leave nothing behind that makes the next one succeed.
            for _ in 0..2 {
                if let Some(node) = way_back.upgrade() {
                    CancellationToken { node }.cancel();
                }
            }
        });
        drop(token);
        thread.join().unwrap();
    });
}

#[test]
fn an_ancestor_is_looked_at_while_its_last_handle_goes() {
    explore(5, || {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let leaf = middle.child_token();
        let thread = spawn(move || drop(middle));
        let mut seen = Vec::new();
        leaf.node.for_each_upwards(|node, _| seen.extend(node.try_clone()));
        assert!((2..=3).contains(&seen.len()));
        drop(seen);
        thread.join().unwrap();
        root.cancel();
        assert!(leaf.is_cancelled());
    });
}

#[test]
fn an_ancestor_with_callbacks_is_looked_at_while_its_last_handle_goes() {
    explore(4, || {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let leaf = middle.child_token();
        middle.on_cancel(|_| ()).detach();
        let thread = spawn(move || drop(middle));
        let mut seen = Vec::new();
        leaf.node.for_each_upwards(|node, _| seen.extend(node.try_clone()));
        drop(seen);
        thread.join().unwrap();
        root.cancel();
        assert!(leaf.is_cancelled());
    });
}

#[test]
fn a_source_is_cancelled_while_what_is_linked_to_it_goes() {
    explore(4, || {
        let source = CancellationToken::new();
        let any = CancellationToken::any([&source]);
        let thread = spawn(move || drop(any));
        source.cancel();
        thread.join().unwrap();
    });
}

#[test]
fn a_source_is_cancelled_while_it_is_linked() {
    explore(4, || {
        let source = CancellationToken::new();
        let canceller = source.clone();
        let thread = spawn(move || canceller.cancel());
        let any = CancellationToken::any([&source]);
        thread.join().unwrap();
        assert!(any.is_cancelled() && any.is_inherited() && any.reason().is_some());
    });
}

#[test]
fn any_is_cancelled_by_two_sources_at_once() {
    explore(4, || {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let any = CancellationToken::any([&a, &b]);
        let count = Count::new();
        let ran = Arc::clone(&count);
        let _callback = any.on_cancel(move |_| ran.up());
        let thread = spawn(move || b.cancel());
        a.cancel();
        thread.join().unwrap();
        assert!(any.is_cancelled() && any.is_inherited());
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn all_is_cancelled_by_the_last_of_two_sources() {
    explore(2, || {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let all = CancellationToken::all([&a, &b]);
        let reader = {
            let (a, b, all) = (a.clone(), b.clone(), all.clone());
            // The source that was missing follows what is linked to it; the other came before.
            spawn(move || assert!(!all.is_cancelled() || a.is_cancelled() || b.is_cancelled()))
        };
        let thread = spawn(move || b.cancel());
        a.cancel();
        thread.join().unwrap();
        reader.join().unwrap();
        assert!(all.is_cancelled());
    });
}

/// What `L3` promises to who cancels, whoever does the marking: asked right after one's own cancel.
#[test]
fn l03_two_threads_cancel_two_sources_of_one_token_and_find_it_cancelled() {
    explore(4, || {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let any = CancellationToken::any([&a, &b]);
        let below = any.child_token();
        let (seen, seen_below) = (any.clone(), below.clone());
        let thread = spawn(move || {
            b.cancel();
            assert!(seen_below.is_cancelled() && seen.is_cancelled() && seen.reason().is_some());
        });
        a.cancel();
        assert!(below.is_cancelled() && any.is_cancelled() && any.reason().is_some());
        thread.join().unwrap();
    });
}

#[test]
fn l03_who_reads_a_source_as_cancelled_reads_what_is_linked_to_it_so() {
    explore(3, || {
        let root = CancellationToken::new();
        let source = root.child_token();
        let any = CancellationToken::any([&source]);
        let next = CancellationToken::any([&any]);
        let thread = spawn(move || {
            if source.is_cancelled() {
                assert!(any.is_cancelled() && next.is_cancelled());
            }
            if any.is_cancelled() {
                assert!(next.is_cancelled());
            }
        });
        root.cancel();
        thread.join().unwrap();
    });
}

/// `next` listens to the source and to what listens to the source.
#[test]
fn l03_a_token_linked_along_two_ways_is_cancelled_before_either() {
    explore(2, || {
        let source = CancellationToken::new();
        let any = CancellationToken::any([&source]);
        let next = CancellationToken::any([&source, &any]);
        let all = CancellationToken::all([&source, &any]);
        let thread = spawn(move || {
            if any.is_cancelled() {
                assert!(next.is_cancelled() && all.is_cancelled());
            }
        });
        source.cancel();
        thread.join().unwrap();
    });
}

#[test]
fn l03_what_is_linked_is_cancelled_by_itself_while_its_source_is() {
    explore(4, || {
        let source = CancellationToken::new();
        let any = CancellationToken::any([&source]);
        let leaf = any.child_token();
        let thread = {
            let (any, leaf) = (any.clone(), leaf.clone());
            spawn(move || {
                let won = any.cancel_with("itself");
                assert!(leaf.is_cancelled());
                won
            })
        };
        source.cancel();
        assert!(leaf.is_cancelled() && any.is_cancelled());
        let won = thread.join().unwrap();
        assert_eq!(won, any.reason().unwrap().message() == Some("itself"));
        assert_eq!(won, leaf.reason().unwrap().message() == Some("itself"));
    });
}

#[test]
fn l03_a_link_that_is_made_below_during_a_cancel_across_links() {
    explore(3, || {
        let root = CancellationToken::new();
        let linked = CancellationToken::any([&root]);
        let leaf = root.child_token().child_token();
        let thread = spawn(move || {
            let late = CancellationToken::any([&leaf]);
            if leaf.is_cancelled() {
                assert!(late.is_cancelled());
            }
            (leaf, late)
        });
        root.cancel();
        assert!(linked.is_cancelled());
        let (leaf, late) = thread.join().unwrap();
        assert!(late.is_cancelled());
        assert!(late.reason().unwrap().location() == leaf.reason().unwrap().location());
    });
}

#[test]
fn l01_a_branch_is_cancelled_by_itself_while_a_cancel_across_links_is_under_way() {
    explore(3, || {
        let root = CancellationToken::new();
        let _linked = CancellationToken::any([&root]);
        let branch = root.child_token();
        let leaf = branch.child_token();
        let thread = {
            let leaf = leaf.clone();
            spawn(move || {
                let won = branch.cancel_with("branch");
                assert!(branch.is_cancelled() && leaf.is_cancelled());
                won
            })
        };
        assert!(root.cancel_with("root"));
        assert!(leaf.is_cancelled());
        let won = thread.join().unwrap();
        let expected = if won { "branch" } else { "root" };
        assert_eq!(leaf.reason().unwrap().message(), Some(expected));
    });
}

#[test]
fn a_child_is_made_of_a_token_that_a_cancel_across_links_has_claimed() {
    explore(4, || {
        let root = CancellationToken::new();
        let linked = CancellationToken::any([&root]);
        let parent = root.clone();
        let thread = spawn(move || {
            let child = parent.child_token();
            drop(parent);
            child
        });
        root.cancel();
        assert!(linked.is_cancelled());
        let child = thread.join().unwrap();
        assert!(child.is_cancelled() && child.is_inherited());
    });
}

#[test]
fn a_child_of_a_linked_token_keeps_it_listening() {
    explore(4, || {
        let source = CancellationToken::new();
        let any = CancellationToken::any([&source]);
        let child = any.child_token();
        let thread = spawn(move || drop(any));
        source.cancel();
        thread.join().unwrap();
        assert!(child.is_cancelled());
    });
}

#[test]
fn the_last_child_of_a_linked_token_goes_while_a_source_is_cancelled() {
    explore(4, || {
        let source = CancellationToken::new();
        let child = CancellationToken::any([&source]).child_token();
        let thread = spawn(move || drop(child));
        source.cancel();
        thread.join().unwrap();
    });
}

// the two rounds -----------------------------------------------------------------------------------------------

#[test]
fn who_waits_for_the_end_of_the_first_round_is_woken_or_told_that_it_is_over() {
    explore(5, || {
        let cause = crate::primitive::Arc::new(Cause::new(CancelReason::manual()));
        let teller = cause.clone();
        let thread = spawn(move || {
            teller.end_rounds(Waker::wake);
        });
        let count = Count::new();
        let in_time = cause.wake_when_told(&count.waker());
        let told = cause.is_told();
        assert!(in_time || told);
        thread.join().unwrap();
        assert_eq!(count.get(), usize::from(in_time));
    });
}

#[test]
fn a_foreign_waiter_goes_or_changes_its_round_during_the_cancel() {
    explore(4, || {
        let token = CancellationToken::new();
        let count = Count::new();
        let mut foreign = Box::pin(Registered::new(token.clone()));
        let mut own = Box::pin(Registered::new(token.clone()));
        assert!(foreign.as_mut().register(&count.waker(), true));
        assert!(own.as_mut().register(&count.waker(), false));
        let thread = spawn(move || token.cancel());
        let still_in = own.as_mut().register(&count.waker(), true);
        drop(foreign);
        thread::yield_now();
        thread.join().unwrap();
        assert!((1..=2).contains(&count.get()));
        assert!(!still_in || !own.as_mut().unregister(), "everyone has been told");
    });
}

// two deadlines --------------------------------------------------------------------------------------------------

#[test]
fn of_two_deadlines_that_two_threads_set_the_earlier_counts_and_is_the_one_that_is_watched() {
    let now = Instant::now();
    let [near, far] = [1, 2].map(|hours| now + Duration::from_secs(3600 * hours));
    explore(2, move || {
        let token = CancellationToken::new();
        let other = token.clone();
        let thread = spawn(move || other.cancel_at(far));
        token.cancel_at(near);
        thread.join().unwrap();
        assert_eq!(token.deadline(), Some(near));
        assert_eq!(timer::listed(), 1);
        timer::turn(near + Duration::from_millis(1));
        assert!(token.is_marked());
        assert_eq!(token.deadline(), Some(near));
    });
}
