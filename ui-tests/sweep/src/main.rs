//! Puts `#[cancelable]` on code that nobody here wrote, and sees whether that still compiles and passes its own tests.
//!
//! ```sh
//! cargo run --release --manifest-path ui-tests/sweep/Cargo.toml                  # all crates that Cargo.toml pins
//! cargo run --release --manifest-path ui-tests/sweep/Cargo.toml -- semver bb8    # some of them
//! ```
//!
//! Each crate is copied to a temporary folder, compiled and tested as it is. Then the attribute is put on every function
//! of its `src/` that can take it, also on those of its unit tests, and it is compiled and tested again. A function whose
//! return type has no room for a cancel gets `or = unreachable!()`, since nothing is cancelled here. Functions that do
//! not compile, or make a test fail, are found one by one and named with what rustc says.
//!
//! | option | |
//! |---|---|
//! | `--with OPTIONS` | more options for each attribute, as `every = 16` or `timeout = "1h"` |
//! | `--cost` | not the tests: count rustc's instructions, plain and with the attribute (needs valgrind) |
//! | `--json` | a report for machines, on standard output |
//! | `--work FOLDER` | where to work, and what to keep; otherwise a folder of this process, removed at the end |
//! | `--library FOLDER` | the workspace whose `cancelable` to use, if not this one |
//! | `--relock` | write anew `swept.lock`, which holds the versions of what the crates' tests need |
//!
//! The exit code is 1 if a function fails, or a warning is new, for which `Cargo.toml` gives no reason. The first run
//! needs a registry, and takes minutes: it is no part of CI's fast path.

mod cargo;
mod functions;
mod pins;
mod report;
mod sweep;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

#[derive(Default)]
struct Arguments {
    crates: Vec<String>,
    with: String,
    json: bool,
    cost: bool,
    work: Option<PathBuf>,
    library: Option<PathBuf>,
    relock: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    let mut rest = env::args().skip(1);
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--with" => arguments.with = value()?,
            "--json" => arguments.json = true,
            "--cost" => arguments.cost = true,
            "--work" => arguments.work = Some(value()?.into()),
            "--library" => arguments.library = Some(value()?.into()),
            "--relock" => arguments.relock = true,
            option if option.starts_with('-') => return Err(format!("unknown option {option}; see src/main.rs")),
            _ => arguments.crates.push(argument),
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    if let Some(status) = cargo::wrapped() {
        return ExitCode::from(u8::from(!status.is_ok_and(|status| status.success())));
    }
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("sweep: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let arguments = arguments()?;
    let pins = pins::read()?;
    if let Some(unknown) = arguments
        .crates
        .iter()
        .find(|name| pins.iter().all(|pin| pin.name != **name))
    {
        return Err(format!("{unknown} is not pinned in ui-tests/sweep/Cargo.toml"));
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = match arguments.library {
        Some(folder) => fs::canonicalize(&folder).map_err(|error| format!("{}: {error}", folder.display()))?,
        None => here.ancestors().nth(2).map(Path::to_owned).unwrap_or_default(),
    };
    let temporary = arguments.work.is_none();
    let work = arguments
        .work
        .unwrap_or_else(|| env::temp_dir().join(format!("cancelable-sweep-{}", std::process::id())));
    let work = std::path::absolute(work).map_err(|error| error.to_string())?;

    sweep::lay_out(&pins, &work, &library).map_err(|error| format!("{}: {error}", work.display()))?;
    lock(&here.join("swept.lock"), &work, arguments.relock)?;
    let chosen: Vec<_> = pins
        .iter()
        .filter(|pin| arguments.crates.is_empty() || arguments.crates.contains(&pin.name))
        .collect();
    let mut outcomes = Vec::new();
    for (index, pin) in chosen.iter().enumerate() {
        let say = |what: &str| eprintln!("[{}/{}] {} {}: {what}", index + 1, chosen.len(), pin.name, pin.version);
        outcomes.push(sweep::sweep(pin, &work, &arguments.with, arguments.cost, &say));
    }
    if temporary {
        fs::remove_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    }

    print!(
        "{}",
        if arguments.json {
            report::json(&outcomes)
        } else if arguments.cost {
            report::costs(&outcomes)
        } else {
            report::table(&outcomes)
        }
    );
    Ok(outcomes.iter().all(sweep::Outcome::is_good))
}

/// Fetches what the copies and their tests need, in the versions of the lock file.
fn lock(lock: &Path, work: &Path, relock: bool) -> Result<(), String> {
    let ours = work.join("Cargo.lock");
    if !relock {
        fs::copy(lock, &ours).map_err(|error| format!("{}: {error}; see --relock", lock.display()))?;
    }
    let status = Command::new(env!("CARGO")).arg("fetch").current_dir(work).status();
    if !status.is_ok_and(|status| status.success()) {
        return Err("cargo fetch failed".to_owned());
    }
    if relock {
        fs::copy(&ours, lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    }
    Ok(())
}
