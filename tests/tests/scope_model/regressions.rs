//! Programs that have failed, as the test prints them, made shorter by a few names.

use crate::beside::{run_by_hand, run_in_wakers};
use crate::pair::run;
use crate::program::Node::*;
use crate::program::{Action, Kind, Node, Region, Turn, plain};

const USE: Node = Use { which: 0, take: false };

/// An iteration of an annotated loop that only looks at its results.
const TURN: Turn = Turn {
    guarded: true,
    leaves: false,
    tick: None,
    turns: 2,
};

fn guard(inner: Node) -> Node {
    Guard(Box::new(inner))
}

fn finish(inner: Node) -> Node {
    Finish(Box::new(inner))
}

fn within(kind: Kind, body: Node) -> Node {
    In(plain(kind), Box::new(body))
}

fn observed(kind: Kind, body: Node) -> Node {
    let region = Region {
        observed: true,
        ..plain(kind)
    };
    In(region, Box::new(body))
}

fn select(a: Node, b: Node) -> Node {
    Select(Box::new(a), Box::new(b))
}

/// An annotated function that keeps a future.
fn function(shared: bool, value: Node, awaits: Vec<Node>) -> Node {
    let (value, body) = (Box::new(value), Box::new(Seq(awaits)));
    guard(Own { shared, value, body })
}

fn crowd(per_poll: usize, members: Vec<Node>, turn: Turn) -> Node {
    Crowd {
        per_poll,
        members,
        turn,
    }
}

/// In a scope of the first of the given tokens, which is cancelled after so many polls. The laws say what happens.
fn check(polls: usize, body: Node) {
    let outcome = run(&within(Kind::WithCancellation(0), body), &[(polls, Action::Cancel(0))]);
    assert!(!outcome.is_open);
}

/// The same, where a check point under a waker of its own has to wait, and they say nothing of what is after that.
fn check_up_to_a_wait(polls: usize, body: Node) {
    let outcome = run(&within(Kind::WithCancellation(0), body), &[(polls, Action::Cancel(0))]);
    assert!(outcome.is_open && outcome.outlived);
}

/// The same for a program that is [orderly](crate::program::orderly_program).
fn check_orderly(polls: usize, body: Node) {
    run_by_hand(&within(Kind::WithCancellation(0), body), polls);
}

/// The same, cancelled by the program.
fn check_undisturbed(body: Node) {
    assert!(!run(&within(Kind::WithCancellation(0), body), &[]).is_open);
}

#[test]
fn a_shield_that_began_in_an_earlier_iteration_is_not_cut() {
    let members = || vec![Yield(1), within(Kind::Shield, Yield(3))];
    let turn = Turn { turns: 5, ..TURN };
    check(1, crowd(2, members(), turn));
    check(1, within(Kind::Scope, crowd(2, members(), turn)));
}

#[test]
fn a_member_is_not_spared_for_itself() {
    check(3, crowd(1, vec![guard(Yield(5)), guard(Forever)], TURN));
    check(
        2,
        crowd(1, vec![within(Kind::Shield, Yield(1)), finish(guard(Forever))], TURN),
    );
}

#[test]
fn a_member_is_not_spared_for_what_has_been_polled_again_since() {
    let cancels = finish(Seq(vec![Cancel(3), Check]));
    check_undisturbed(crowd(3, vec![finish(Yield(2)), guard(Forever), cancels], TURN));
}

#[test]
fn what_holds_does_not_count_for_the_check_points_inside() {
    check_undisturbed(finish(Seq(vec![Yield(5), guard(Seq(vec![Cancel(3), Yield(2)]))])));
    check(1, function(false, guard(Forever), vec![finish(USE)]));
}

#[test]
fn an_await_is_not_spared_for_the_one_round_it() {
    let inner = crowd(1, vec![guard(Forever)], TURN);
    check(1, crowd(2, vec![within(Kind::Shield, Yield(1)), guard(inner)], TURN));
}

#[test]
fn a_shield_is_not_cut_from_within_an_executor() {
    let inner = Executor(Box::new(guard(Forever)));
    let op = within(Kind::Shield, Yield(3));
    let awaits = vec![guard(select(USE, Yield(0))), inner];
    check_up_to_a_wait(1, function(false, op, awaits));
}

#[test]
fn a_shield_is_not_cut_from_within_a_shared_future() {
    let awaits = vec![Yield(1), guard(select(USE, Yield(2)))];
    let single_flight = function(true, guard(Yield(3)), awaits);
    let op = within(Kind::Shield, Yield(4));
    check_up_to_a_wait(
        1,
        function(false, op, vec![guard(select(USE, Yield(0))), single_flight]),
    );
}

#[test]
fn what_a_member_polled_last_is_not_cut_by_its_owner() {
    let turn = Turn {
        guarded: false,
        tick: Some(2),
        ..TURN
    };
    let awaits = vec![
        crowd(1, vec![finish(USE)], turn),
        guard(within(Kind::Scope, guard(USE))),
    ];
    check(1, function(false, finish(Yield(6)), awaits));
}

#[test]
fn who_is_loose_does_not_wait_for_itself_where_a_waker_polls() {
    let turn = Turn {
        turns: usize::MAX,
        ..TURN
    };
    let inner = crowd(0, vec![Forever], turn);
    let outer = crowd(0, vec![guard(Forever), Ready, inner], turn);
    let plain = Turn { guarded: false, ..turn };
    run_in_wakers(&within(Kind::WithCancellation(0), crowd(0, vec![outer], plain)));
}

#[test]
fn a_member_does_not_wait_for_what_another_has_inside() {
    let inner = crowd(2, vec![finish(Forever), guard(Check)], TURN);
    let turn = Turn {
        guarded: false,
        turns: 1,
        ..TURN
    };
    check(2, crowd(1, vec![guard(Forever), finish(inner)], turn));
}

#[test]
fn what_a_finish_has_polled_first_is_not_cut_when_that_is_dropped() {
    let turn = Turn {
        guarded: false,
        turns: 1,
        ..TURN
    };
    let awaits = vec![
        crowd(1, vec![finish(Yield(4)), finish(USE)], turn),
        guard(within(Kind::Scope, guard(USE))),
    ];
    check(2, function(false, finish(Forever), awaits));
}

#[test]
fn who_begins_to_wait_in_the_poll_in_which_a_hold_was_polled_is_woken_by_its_end() {
    let cancels = guard(Seq(vec![Cancel(0), Yield(1)]));
    let awaits = vec![guard(select(USE, Yield(0))), guard(Yield(1)), guard(USE)];
    let holds = Own {
        shared: false,
        value: Box::new(within(Kind::Shield, cancels)),
        body: Box::new(Seq(awaits)),
    };
    let turn = Turn {
        guarded: false,
        turns: usize::MAX,
        ..TURN
    };
    check_orderly(0, crowd(0, vec![holds, guard(Forever)], turn));
}

#[test]
fn who_has_found_a_hold_that_has_just_been_left_is_not_woken_for_that() {
    let shields = vec![within(Kind::Shield, Forever), within(Kind::Shield, Yield(1))];
    let inner = Members {
        per_poll: 1,
        members: vec![Yield(3), crowd(2, shields, TURN)],
    };
    let turn = Turn { turns: 3, ..TURN };
    check(5, crowd(1, vec![guard(Yield(3)), finish(Yield(1)), inner], turn));
}

#[test]
fn who_was_spared_when_it_began_gets_out_as_well() {
    let turn = Turn {
        tick: Some(2),
        turns: 4,
        ..TURN
    };
    let awaits = vec![
        crowd(1, vec![finish(Forever)], turn),
        within(Kind::Ambient(0), Yield(1)),
    ];
    let member = function(false, within(Kind::Shield, Ready), awaits);
    check(
        1,
        Members {
            per_poll: 1,
            members: vec![member],
        },
    );
}

#[test]
fn two_tasks_that_share_a_shield_and_wait_for_it_do_not_wake_each_other_for_ever() {
    // In one it is polled under a waker of its own, in the other under no scope.
    let shield = guard(guard(Own {
        shared: false,
        value: Box::new(within(Kind::Shield, Forever)),
        body: Box::new(USE),
    }));
    let turn = Turn {
        guarded: false,
        turns: 1,
        ..TURN
    };
    let awaits = vec![
        guard(select(USE, Spawn(Box::new(USE)))),
        guard(select(USE, crowd(1, vec![finish(Forever)], turn))),
    ];
    let members = vec![function(true, shield, awaits)];
    check_up_to_a_wait(1, Members { per_poll: 1, members });
}

#[test]
fn what_is_left_behind_in_a_poll_counts_in_the_next_one_of_the_same_check_point() {
    // The scope polls twice at once, for a branch that has begun under the cancel has yet to see it.
    let race = Race {
        observed: false,
        branches: vec![Yield(1)],
    };
    let value = Members {
        per_poll: 1,
        members: vec![Yield(1), race, Ready],
    };
    let awaits = vec![
        guard(select(USE, Yield(1))),
        Yield(1),
        guard(within(Kind::Scope, guard(USE))),
    ];
    check(1, function(false, value, awaits));
}

#[test]
fn what_is_polled_in_no_scope_does_not_count_where_it_was() {
    let awaits = vec![
        guard(select(USE, Yield(0))),
        Spawn(Box::new(guard(Use { which: 0, take: true }))),
        Forever,
    ];
    let member = guard(function(false, guard(Yield(4)), awaits));
    let keeps = function(
        false,
        within(Kind::Shield, Yield(0)),
        vec![crowd(1, vec![member], TURN)],
    );
    check(3, within(Kind::Scope, keeps));
}

#[test]
fn who_shares_what_another_polls_in_no_scope_is_woken_by_the_cancel() {
    let turn = Turn {
        guarded: false,
        turns: 1,
        ..TURN
    };
    let awaits = vec![
        guard(select(USE, Yield(0))),
        Spawn(Box::new(guard(USE))),
        Members {
            per_poll: 1,
            members: vec![crowd(1, vec![finish(USE)], turn)],
        },
    ];
    check(2, function(true, guard(Forever), awaits));
}

#[test]
fn a_race_that_is_decided_polls_its_losers_by_itself() {
    let races = vec![
        Race {
            observed: false,
            branches: vec![Yield(2)],
        },
        Race {
            observed: false,
            branches: vec![finish(Forever), Node::Check],
        },
    ];
    check_undisturbed(Members {
        per_poll: 1,
        members: races,
    });
}

#[test]
fn a_check_point_that_has_left_a_cancelled_scope_is_not_woken_for_what_it_waited_for_there() {
    let shield = |body| within(Kind::Shield, body);
    let crowds = Members {
        per_poll: 1,
        members: vec![
            crowd(
                1,
                vec![shield(Yield(7))],
                Turn {
                    guarded: false,
                    turns: 1,
                    ..TURN
                },
            ),
            crowd(2, vec![shield(Yield(3)), shield(Forever)], TURN),
        ],
    };
    let awaits = vec![
        guard(select(
            USE,
            Swallow(Box::new(function(
                false,
                Seq(vec![guard(Yield(3)), Yield(2)]),
                vec![finish(USE), guard(select(USE, Yield(0)))],
            ))),
        )),
        guard(within(Kind::Detached, guard(USE))),
    ];
    run(
        &within(Kind::WithCancellation(0), Join(vec![function(false, crowds, awaits)])),
        &[(3, Action::Cancel(0))],
    );
}

#[test]
fn who_waits_for_what_goes_to_and_fro_for_ever_is_not_told_for_ever() {
    let awaits = vec![Spawn(Box::new(USE)), USE];
    let members = Members {
        per_poll: 2,
        members: vec![function(true, guard(finish(Forever)), awaits)],
    };
    let outcome = run(&within(Kind::WithCancellation(0), members), &[(1, Action::Cancel(0))]);
    assert!(outcome.is_open);
}

#[test]
fn who_waited_for_a_hold_gets_out_in_the_poll_after_its_end() {
    let shield = |body| within(Kind::Shield, body);
    let crowd = crowd(
        2,
        vec![Yield(2), Ready],
        Turn {
            guarded: false,
            turns: usize::MAX,
            ..TURN
        },
    );
    let first = Own {
        shared: false,
        value: Box::new(shield(Ready)),
        body: Box::new(Seq(vec![guard(Yield(2)), guard(USE)])),
    };
    let second = Own {
        shared: false,
        value: Box::new(shield(crowd)),
        body: Box::new(Seq(vec![
            within(Kind::Scope, guard(select(USE, Yield(0)))),
            guard(Yield(1)),
            guard(USE),
        ])),
    };
    for polls in 0..4 {
        check_orderly(polls, Join(vec![first.clone(), second.clone()]));
    }
}

#[test]
fn who_waits_for_members_that_get_out_in_the_same_poll_gets_out_in_the_next() {
    const ALL: Turn = Turn {
        turns: usize::MAX,
        ..TURN
    };
    let members = || vec![guard(Forever), Ready];
    for polls in 0..3 {
        check_orderly(polls, Join(vec![guard(Forever), crowd(0, members(), ALL)]));
    }
}

#[test]
fn a_loser_without_a_token_wakes_nobody() {
    let shield = |body| within(Kind::Shield, body);
    let race = Race {
        observed: false,
        branches: vec![Forever, Check],
    };
    let crowd = crowd(
        1,
        vec![
            shield(function(false, guard(Forever), vec![race, guard(USE)])),
            shield(Yield(1)),
        ],
        Turn {
            guarded: false,
            turns: 1,
            ..TURN
        },
    );
    check_undisturbed(Join(vec![crowd]));
}

#[test]
fn who_waits_for_a_hold_that_moves_twice_is_woken_twice() {
    const ALL: Turn = Turn {
        turns: usize::MAX,
        ..TURN
    };
    const ALL_PLAINLY: Turn = Turn { guarded: false, ..ALL };
    let members = vec![
        crowd(0, vec![guard(Forever)], ALL),
        within(Kind::Shield, crowd(0, vec![Yield(3)], ALL_PLAINLY)),
        Ready,
        within(Kind::Scope, Forever),
    ];
    check_orderly(0, crowd(1, members, ALL));
}

#[test]
fn a_loser_whose_scope_is_cancelled_in_the_poll_of_the_decision_may_name_either() {
    let branches = vec![
        Yield(2),
        within(Kind::Ambient(0), Seq(vec![Yield(2), Cancel(3)])),
        guard(Yield(3)),
    ];
    let race = Race {
        observed: false,
        branches,
    };
    assert!(run(&observed(Kind::Ambient(0), race), &[]).is_open);
}

#[test]
fn a_scope_that_is_cancelled_in_the_middle_of_its_poll_is_not_let_go_first() {
    let shared = function(
        false,
        Yield(4),
        vec![function(false, within(Kind::Shield, USE), vec![USE])],
    );
    let first = crowd(
        1,
        vec![within(Kind::Shield, shared)],
        Turn {
            guarded: false,
            turns: 1,
            ..TURN
        },
    );
    let second = within(Kind::Below(2), Join(vec![Yield(1), Cancel(2)]));
    check(1, Seq(vec![first, second]));
    let body = Seq(vec![Yield(3), Join(vec![Yield(1), Cancel(2)])]);
    let node = observed(Kind::WithCancellation(1), within(Kind::WithCancellation(2), body));
    assert!(!run(&node, &[(3, Action::Cancel(0))]).is_open);
}
