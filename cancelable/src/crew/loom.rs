//! Models of a post under loom: the thread on duty comes back from user code as somebody relieves it.
//!
//! Run by `.ci/token-proof loom`.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use super::*;
use crate::explore::{self, spawn};

fn explore(model: impl Fn(&'static Post) + Send + Sync + 'static) {
    explore::explore(3, move || model(Box::leak(Box::new(Post::new()))));
}

/// Fills the post; the turn of the first shift.
fn fill(post: &'static Post) -> usize {
    let first = AtomicUsize::new(0);
    let started = |turn| {
        first.store(turn, SeqCst);
        Ok(())
    };
    post.fill(started, || {}).unwrap();
    first.into_inner()
}

/// What the overseer does with a thread that it finds in user code.
fn relieve(post: &'static Post, can_start: bool) -> bool {
    let turn = post.turn();
    let is_started = AtomicBool::new(false);
    if turn % 2 == 1 {
        post.relieve(turn, |_| {
            is_started.store(can_start, SeqCst);
            if can_start {
                Ok(())
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        });
    }
    is_started.into_inner()
}

#[test]
fn one_thread_is_on_duty_when_another_has_taken_over_or_not() {
    explore(|post| {
        let turn = fill(post);
        let thread = spawn(move || {
            let shift = Shift::begin(post, turn);
            let stays = shift.run(|| {}) && shift.run(|| {});
            std::mem::forget(shift);
            stays
        });
        let is_relieved = relieve(post, true);
        assert!(thread.join().unwrap() ^ is_relieved);
        assert!(post.is_held());
    });
}

#[test]
fn a_thread_that_nobody_can_be_found_for_stays_on_duty() {
    explore(|post| {
        let turn = fill(post);
        let thread = spawn(move || {
            let shift = Shift::begin(post, turn);
            let stays = shift.run(|| {}) && shift.run(|| {});
            std::mem::forget(shift);
            stays
        });
        relieve(post, false);
        assert!(thread.join().unwrap());
        assert!(post.is_held());
    });
}

#[test]
fn a_post_that_somebody_leaves_as_another_is_in_need_is_filled() {
    explore(|post| {
        let turn = fill(post);
        let thread = spawn(move || drop(Shift::begin(post, turn)));
        let is_filled = AtomicBool::new(false);
        let need = || {
            if !post.is_held() {
                let started = |_| {
                    is_filled.store(true, SeqCst);
                    Ok(())
                };
                post.fill(started, || {}).unwrap();
            }
        };
        need();
        thread.join().unwrap();
        need();
        assert!(post.is_held() && is_filled.load(SeqCst));
    });
}

#[test]
fn two_in_need_start_one_thread_and_both_know_whether_there_is_one() {
    explore(|post| {
        fn need(post: &'static Post, started: &'static AtomicUsize) -> bool {
            let start = |_| {
                // The first try fails.
                if started.fetch_add(1, SeqCst) == 0 {
                    Err(io::ErrorKind::WouldBlock.into())
                } else {
                    Ok(())
                }
            };
            let is_filled = post.is_held() || post.fill(start, || {}).is_ok();
            assert!(
                !is_filled || started.load(SeqCst) == 2,
                "somebody is said to be on duty who never was"
            );
            is_filled
        }
        let started: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
        let other = spawn(move || need(post, started));
        let is_mine = need(post, started);
        let is_theirs = other.join().unwrap();
        assert!(is_mine ^ is_theirs);
        assert_eq!(started.load(SeqCst), 2);
    });
}
