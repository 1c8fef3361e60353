//! Scenarios times runtimes.

use std::fmt::{self, Display};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::peer;
use crate::runtime::{Runtime, Suspends};
use crate::runtimes::{
    BlockOn, Compio, CurrentThread, FuturesLocalPool, FuturesThreadPool, MultiThread, Rayon, Smol, Threads, Tokio,
    WithoutTime,
};
use crate::scenarios::scenarios;
use crate::stop::{Checked, Miss};

/// One scenario on one runtime.
pub struct Cell {
    /// The scenario.
    pub scenario: &'static str,
    /// The runtime, in two lines.
    pub runtime: [&'static str; 2],
    run: Box<dyn Fn(usize) -> Outcome>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// All held in every run.
    Ok(Times),
    /// The same, three ways, of which the last is tokio-util's.
    Beside {
        /// An annotated function that is suspended in a scope.
        scope: Times,
        /// Our token's `cancelled()`.
        token: Times,
        /// tokio-util's token's `cancelled()`.
        tokio_util: Times,
    },
    /// It makes no sense there.
    None {
        /// And why.
        why: String,
    },
    /// Something did not hold, or did not end.
    Failed {
        /// What.
        why: String,
    },
}

/// The times from the cancel to the stop, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Half of the runs took no longer.
    pub median: f64,
    /// The longest of all.
    pub worst: f64,
}

impl Times {
    /// The figures of some runs.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[must_use]
    pub fn of(mut runs: Vec<Duration>) -> Self {
        runs.sort_unstable();
        let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
        Self {
            median: micros(runs[(runs.len() - 1) / 2]),
            worst: micros(runs[runs.len() - 1]),
        }
    }
}

impl Outcome {
    /// All runs of a cell, after one that is not timed, since it may have to start threads; up to the first that fails.
    fn of(runs: usize, run: impl Fn() -> Checked) -> Self {
        /// A run that never began says nothing; so many in a row say that it never will.
        const TRIES: usize = 10;
        let run = || {
            (1..TRIES)
                .map(|_| run())
                .find(|checked| !matches!(checked, Err(Miss::NotBegun)))
                .unwrap_or_else(&run)
        };
        let all = run().and_then(|_| (0..runs).map(|_| run()).collect());
        match all {
            Ok(times) => Self::Ok(Times::of(times)),
            Err(Miss::NotHere(why)) => Self::None { why: why.to_owned() },
            Err(miss) => Self::Failed { why: miss.to_string() },
        }
    }
}

impl Cell {
    /// Runs it so many times on one runtime.
    #[must_use]
    pub fn run(&self, runs: usize) -> Outcome {
        (self.run)(runs)
    }

    /// What `--only` looks into, and progress shows.
    #[must_use]
    pub fn name(&self) -> String {
        self.to_string()
    }
}

impl Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.scenario, runtime_name(self.runtime))
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cell").field(&self.name()).finish()
    }
}

/// In one line.
#[must_use]
pub fn runtime_name([first, second]: [&str; 2]) -> String {
    format!("{first} {second}").trim_end().to_owned()
}

/// All cells, scenario by scenario, in the order of the table; then what stands beside tokio-util.
#[must_use]
pub fn cells() -> Vec<Cell> {
    let columns = [
        column::<Tokio<MultiThread>>(),
        column::<Tokio<CurrentThread>>(),
        column::<Tokio<WithoutTime>>(),
        column::<Smol>(),
        column::<FuturesThreadPool>(),
        column::<FuturesLocalPool>(),
        column::<Compio>(),
        column::<BlockOn>(),
        column::<Threads>(),
        column::<Rayon>(),
    ];
    let beside = [
        beside::<Tokio<MultiThread>>(),
        beside::<Tokio<CurrentThread>>(),
        beside::<Tokio<WithoutTime>>(),
        beside::<Smol>(),
        beside::<FuturesThreadPool>(),
        beside::<FuturesLocalPool>(),
        beside::<Compio>(),
        beside::<BlockOn>(),
    ];
    let mut columns = columns.map(Vec::into_iter);
    let mut cells = Vec::new();
    loop {
        let before = cells.len();
        cells.extend(columns.iter_mut().filter_map(Iterator::next));
        if cells.len() == before {
            break;
        }
    }
    cells.extend(beside);
    cells
}

fn column<R: Runtime>() -> Vec<Cell> {
    let cell = |scenario: crate::scenarios::Scenario<R>| Cell {
        scenario: scenario.name,
        runtime: R::NAME,
        run: Box::new(move |runs| {
            let runtime = R::start();
            Outcome::of(runs, || (scenario.run)(&runtime))
        }),
    };
    scenarios::<R>().into_iter().map(cell).collect()
}

fn beside<R: Runtime<Code = Suspends>>() -> Cell {
    Cell {
        scenario: peer::NAME,
        runtime: R::NAME,
        run: Box::new(|runs| match peer::compare(&R::start(), runs) {
            Ok([scope, token, tokio_util]) => Outcome::Beside {
                scope: Times::of(scope),
                token: Times::of(token),
                tokio_util: Times::of(tokio_util),
            },
            Err(miss) => Outcome::Failed { why: miss.to_string() },
        }),
    }
}
