//! What can be asked for.

use std::num::NonZero;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use cancelable::parse_duration;
use clap::Parser;
use clap::builder::{PathBufValueParser, TypedValueParser as _};

/// Print the SHA-256 of every file below some folders, sorted by path.
///
/// The lines are those of `sha256sum`, and `sha256sum -c` accepts them. They are sorted by the bytes of the path, and
/// written as soon as all lines before them are.
///
/// Every regular file is hashed once under each of its names. A PATH may be a symbolic link; links inside a folder are
/// not followed, neither to files nor to folders. Pipes, sockets and devices inside a folder are passed over. What
/// cannot be read is named on standard error, and the others are hashed all the same.
///
/// Ctrl-C, SIGTERM, --timeout and a reader that goes away stop it: what was finished is printed, in order, and standard
/// error says why. A second Ctrl-C exits at once.
#[derive(Debug, Parser)]
#[command(name = "digest", version, after_help = EXIT_STATUS)]
pub struct Args {
    /// Stop after this long: a whole number with a unit, as in 500ms, 10s, 2m or 1h
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,

    /// Hash this many files at a time, 1 to 512
    // 512 is where tokio stops to add threads for blocking work.
    #[arg(short, long, value_name = "N", default_value_t = cores(), value_parser = clap::value_parser!(u16).range(1..=512))]
    pub jobs: u16,

    /// When stopped, say which line of the program asked for it, and which one noticed
    #[arg(short, long)]
    pub verbose: bool,

    /// At the end, show how long the program ran from one check point to the next, on standard error; with =FILE.svg, draw it, too
    #[arg(long, value_name = "FILE.svg", num_args = 0..=1, require_equals = true)]
    pub stretches: Option<Option<PathBuf>>,

    /// The files and folders to hash
    #[arg(value_name = "PATH", default_value = ".", value_parser = PathBufValueParser::new().try_map(path))]
    pub paths: Vec<PathBuf>,
}

const EXIT_STATUS: &str = "\
Exit status:
    0  every file was hashed
    1  something could not be read, or the output not be written
    2  the arguments make no sense
  124  stopped by --timeout
  130  stopped by Ctrl-C
  141  stopped because nobody reads the output any more
  143  stopped by SIGTERM";

fn cores() -> u16 {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    u16::try_from(cores).unwrap_or(u16::MAX).min(512)
}

/// Any path but `-`, which elsewhere is no path.
fn path(path: PathBuf) -> Result<PathBuf, &'static str> {
    // Reading a terminal or a pipe blocks where no check point is, so it is not offered.
    if path.as_os_str() == "-" {
        return Err("standard input cannot be hashed; for a file of that name write `./-`");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }
}
