//! Random programs of scopes, shields, awaits and cancels, run by the library and by a reference interpreter of the laws.
//!
//! Two ways. In step: the cancels come between two polls, or within one, on the same thread; the reference says every event, and
//! the library's log has to be the same. Or with a cancel at a moment that nobody knows, by another thread: then there are
//! invariants (nothing held is dropped, nobody waits for ever, every error belongs to the cancel), for programs of which it is
//! known that nothing in them is dropped by the code itself.
//!
//! **What the reference says exactly.** A check point whose token is cancelled fails, unless that would drop something that must
//! not be dropped: a pending shield or `finish`, or a check point under a waker of its own that has not had its turn (L12, L13).
//! Would it be dropped? The reference knows who owns every future, and the library does not; it goes by where each was last polled.
//! For futures that end with the await in which they began, the two are the same. So are they for one that outlives its await
//! (`&mut op`, a clone of a `Shared`, the members of a crowd in a loop), as long as it is dropped by the error of the function that
//! owns it, below the scope that is cancelled. Where they differ, in what is polled in two places, for one, or kept by a function
//! without check points, or behind a token that was given, the laws leave the decision to the library: the reference says that it
//! is *open*, and the comparison ends there, which is rare.
//!
//! A failing program is printed as code: to be pasted into `regressions.rs`. `PROPTEST_CASES=1000000` runs as many.

mod beside;
mod canceller;
mod pair;
mod program;
mod real;
mod reference;
mod regressions;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use tests::Runtime;

use beside::{run_beside, run_by_hand, run_in_wakers, run_on};
use canceller::Canceller;
use pair::run;
use program::{Action, Node, actions, orderly_program, program, program_with_coroutines, program_with_values};
use reference::Happening;

/// `PROPTEST_CASES` says how many, for a run at length, and `PROPTEST_RNG_SEED` which ones.
fn config(cases: u32) -> ProptestConfig {
    let at_length = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: at_length.unwrap_or(cases),
        // The same ones in every run, unless they are asked for.
        rng_seed: at_length.map_or(RngSeed::Fixed(0), |_: u32| default.rng_seed),
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config(10_000))]

    #[test]
    fn programs_do_what_the_laws_say(node in program(), actions in actions()) {
        let outcome = run(&node, &actions);
        assert!(!outcome.is_open || outcome.happened.contains(&Happening::LoserMayNameEither));
    }

    #[test]
    fn orderly_programs_are_unwound_by_their_own_check_points(node in orderly_program(), polls in 0_usize..6) {
        run_by_hand(&node, polls);
    }

    #[test]
    fn orderly_programs_are_unwound_by_an_executor_that_polls_inside_the_waker(node in orderly_program()) {
        run_in_wakers(&node);
    }
}

/// Runs programs that are open now and then, and that are there for these things to happen.
fn run_all(programs: impl Strategy<Value = (Node, Vec<(usize, Action)>)>, happenings: &[Happening]) {
    let [all, open, outlived] = [const { Cell::new(0) }; 3];
    let happened = RefCell::new(BTreeMap::new());
    let count = |cell: &Cell<usize>, is: bool| cell.set(cell.get() + usize::from(is));
    proptest!(config(10_000), |((node, actions) in programs)| {
        let outcome = run(&node, &actions);
        count(&all, true);
        count(&open, outcome.is_open);
        count(&outlived, outcome.outlived);
        for happening in outcome.happened {
            *happened.borrow_mut().entry(happening).or_insert(0) += 1;
        }
    });
    let (all, open, outlived) = (all.get(), open.get(), outlived.get());
    let happened = happened.into_inner();
    println!("{all} programs, {open} open, {outlived} with something that outlives an await; {happened:?}");
    // Otherwise they show little. Of a few programs, chance might have it so.
    if all >= 1_000 {
        assert!(open * 6 < all && outlived * 20 > all);
        for happening in happenings {
            let count = happened.get(happening).copied().unwrap_or(0);
            assert!(count * 500 > all, "{happening:?}: {count} of {all}");
        }
    }
}

#[test]
fn programs_with_values_do_what_the_laws_say() {
    use Happening::*;
    let happenings = [
        ByReference,
        Shared,
        CrowdInALoop,
        EndedInAnotherScope,
        EndedInAnotherTask,
        ExecutorInAScope,
    ];
    run_all(program_with_values(), &happenings);
}

#[test]
#[cfg(all(unix, any(target_arch = "x86_64", target_arch = "aarch64")))]
fn programs_with_coroutines_do_what_the_laws_say() {
    run_all(
        program_with_coroutines(),
        &[Happening::Coroutine, Happening::CoroutineInAScope],
    );
}

#[test]
fn orderly_programs_are_unwound_whenever_another_thread_cancels() {
    Canceller::run(|canceller| {
        proptest!(config(10_000), |(node in orderly_program())| {
            for _ in 0..8 {
                run_beside(canceller, &node);
            }
        });
    });
}

proptest! {
    // A runtime is built for each.
    #![proptest_config(config(500))]

    #[test]
    fn orderly_programs_are_unwound_on_every_runtime(node in orderly_program(), runtime in select(&Runtime::ALL)) {
        run_on(runtime, &node);
    }
}
