//! A post whose threads are stuck, relieved, and come back: without threads, for a piece of user code can do what others would.

use std::io;

use super::super::post::MOST_STUCK;
use super::*;

/// A post that somebody holds, who is in the shift that is returned.
fn held(post: &Post) -> Shift<'_> {
    let mut first = 0;
    let filled = post.fill(
        |turn| {
            first = turn;
            Ok(())
        },
        || (),
    );
    assert!(filled.is_ok() && post.is_held());
    Shift::begin(post, first)
}

/// As the overseer does that has seen this thread stuck.
fn relieve(post: &Post, start: impl FnOnce(usize) -> io::Result<()>) -> bool {
    post.relieve(post.turn(), start)
}

fn none_to_be_had(_: usize) -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}

/// Runs a piece of user code, whose panic a shift would keep to itself.
fn run(shift: &Shift<'_>, f: impl FnOnce()) -> bool {
    let mut is_done = false;
    let goes_on = shift.run(|| {
        f();
        is_done = true;
    });
    assert!(is_done);
    goes_on
}

#[test]
fn a_thread_that_has_been_relieved_ends_and_its_relief_goes_on() {
    let post = Post::new();
    let stuck = held(&post);
    let mut next = 0;
    let goes_on = run(&stuck, || {
        assert!(relieve(&post, |turn| {
            next = turn;
            Ok(())
        }));
    });
    assert!(!goes_on, "somebody else is on duty");
    drop(stuck);
    assert!(post.is_held(), "still");
    let relief = Shift::begin(&post, next);
    assert!(relief.run(|| ()));
    drop(relief);
    assert!(!post.is_held());
}

#[test]
fn a_thread_that_nobody_could_be_found_for_takes_the_post_again_as_it_comes_back() {
    let post = Post::new();
    let stuck = held(&post);
    let goes_on = run(&stuck, || {
        assert!(!relieve(&post, none_to_be_had));
        assert!(!post.is_held(), "whoever is in need may start one");
    });
    assert!(goes_on && post.is_held());
    assert!(stuck.run(|| ()), "as before");
    drop(stuck);
    assert!(!post.is_held());
}

/// Each is stuck while the next one holds the post; how many at most.
fn stuck_one_in_another(post: &Post, shift: &Shift<'_>) -> usize {
    let mut below = 0;
    run(shift, || {
        let mut next = None;
        let has_relief = relieve(post, |turn| {
            next = Some(turn);
            Ok(())
        });
        assert_eq!(has_relief, next.is_some());
        if let Some(turn) = next {
            below = 1 + stuck_one_in_another(post, &Shift::begin(post, turn));
        }
    });
    below
}

#[test]
fn l23_so_many_threads_may_be_stuck_and_no_more() {
    let post = Post::new();
    let first = held(&post);
    assert_eq!(stuck_one_in_another(&post, &first), MOST_STUCK);
}

#[test]
fn a_thread_that_has_come_back_is_not_counted_any_more() {
    let post = Post::new();
    let mut shift = held(&post);
    for _ in 0..3 * MOST_STUCK {
        let mut next = 0;
        run(&shift, || {
            assert!(relieve(&post, |turn| {
                next = turn;
                Ok(())
            }));
        });
        shift = Shift::begin(&post, next);
    }
    assert!(post.is_held());
}

#[test]
fn l23_a_thread_that_forks_in_user_code_ends_in_the_child_if_another_has_come_there() {
    let post = Post::new();
    let forking = held(&post);
    let mut other = None;
    let goes_on = run(&forking, || {
        post.vacate(&mut lock(&post.roster));
        assert!(!post.is_held());
        other = Some(held(&post));
    });
    assert!(!goes_on);
    drop(forking);
    assert!(post.is_held() && other.unwrap().run(|| ()));
}
