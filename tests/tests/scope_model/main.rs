//! Random programs of scopes, shields, awaits and cancels, run by the library and by a reference interpreter of the laws.

mod beside;
mod canceller;
mod pair;
mod program;
mod real;
mod reference;
mod regressions;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use tests::Runtime;

use beside::{run_beside, run_by_hand, run_in_wakers, run_on};
use canceller::Canceller;
use pair::{Compared, run};
use program::{actions, orderly_program, program, program_with_values};

/// `PROPTEST_CASES` says how many, for a run at length.
fn config(cases: u32) -> ProptestConfig {
    let at_length = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: at_length.unwrap_or(cases),
        // The same ones in every run, unless they are asked for.
        rng_seed: at_length.map_or(RngSeed::Fixed(0), |_: u32| RngSeed::Random),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(10_000))]

    #[test]
    fn programs_do_what_the_laws_say(node in program(), actions in actions()) {
        assert_eq!(run(&node, &actions), Compared::ToTheEnd);
    }

    #[test]
    fn programs_with_values_do_what_the_laws_say((node, actions) in program_with_values()) {
        run(&node, &actions);
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
