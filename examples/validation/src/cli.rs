//! What can be asked for.

use std::time::Duration;

use cancelable::parse_duration;
use clap::Parser;

use crate::matrix::Cell;

/// Run every scenario of cancellation on every runtime, and print what came of it.
///
/// Each cell of the table is a process of its own, so that a real signal hits only the cell that is waiting for it, and
/// one that crashes or hangs ends alone. It is run once to start what has to be started, and then N times; each run
/// asserts who was stopped, by what and why, and measures the time from the cancel to the stop.
///
/// Ctrl-C and SIGTERM stop it: what was finished is printed.
#[derive(Debug, Parser)]
#[command(name = "validation", version, after_help = EXIT_STATUS)]
pub struct Args {
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,

    /// Run each cell this many times, 1 to 1000000
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: u32,

    /// Run only the cells whose names contain this, as in "timeout", "on smol" or "SIGINT on rayon"
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,

    /// A cell that takes longer than this has hung [default: a minute, and a second more for every ten runs]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub limit: Option<Duration>,

    /// Run one cell in this process, and print what came of it as JSON: how the program calls itself
    #[arg(long, hide = true, value_name = "NAME")]
    pub cell: Option<String>,
}

const EXIT_STATUS: &str = "\
Exit status:
    0  all that was promised held
    1  something did not, and standard error says what
    2  the arguments make no sense
  130  stopped by Ctrl-C
  143  stopped by SIGTERM";

impl Args {
    /// The cells asked for.
    #[must_use]
    pub fn choose(&self, mut cells: Vec<Cell>) -> Vec<Cell> {
        if let Some(name) = &self.cell {
            cells.retain(|cell| cell.name() == *name);
        } else if let Some(part) = &self.only {
            cells.retain(|cell| cell.name().contains(part));
        }
        cells
    }

    /// When a cell has hung.
    #[must_use]
    pub fn limit(&self) -> Duration {
        let default = Duration::from_secs(60) + Duration::from_millis(100) * self.runs;
        self.limit.unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::cells;

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn every_cell_has_a_name_of_its_own() {
        for cell in cells() {
            let args = Args::parse_from(["validation", "--cell", &cell.name()]);
            assert_eq!(args.choose(cells()).len(), 1, "{cell}");
        }
    }
}
