//! Every cell of the validation matrix, once, all in one process.

use validation::matrix::{Outcome, cells};

#[test]
fn l19_every_scenario_holds_on_every_runtime() {
    for cell in cells() {
        eprintln!("{cell}");
        match cell.run(1) {
            Outcome::Ok(times) => assert!(times.median <= times.worst, "{cell}: {times:?}"),
            Outcome::Beside { .. } | Outcome::None { .. } => {}
            Outcome::Failed { why } => panic!("{cell}: {why}"),
        }
    }
}
