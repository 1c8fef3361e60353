//! Runs cargo in the workspace of copies, and reads what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use serde_json::Value;

use crate::pins::Pin;

/// Seconds, for coreutils' `timeout`. A run that has not ended by then hangs.
const PATIENCE: &str = "900";

/// The crate whose compilation is counted, for [`wrapped`], and the file for what valgrind says.
const COUNT: &str = "CANCELABLE_SWEEP_COUNT";
const COUNTS: &str = "CANCELABLE_SWEEP_COUNTS";

/// What this program does as cargo's wrapper of rustc: it has the compilation in question run under valgrind.
/// `None` if it is not that wrapper.
pub fn wrapped() -> Option<io::Result<std::process::ExitStatus>> {
    let (name, counts) = (env::var(COUNT).ok()?, env::var_os(COUNTS)?);
    let mut arguments: Vec<_> = env::args_os().skip(1).collect();
    let is_counted = arguments
        .windows(2)
        .any(|pair| pair[0] == "--crate-name" && pair[1] == *name.replace('-', "_"));
    if is_counted {
        // Valgrind does not follow rustup's proxy into what it starts.
        let sysroot = Command::new(&arguments[0]).args(["--print", "sysroot"]).output();
        let sysroot = sysroot.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        match sysroot {
            Ok(sysroot) => arguments[0] = Path::new(&sysroot).join("bin/rustc").into(),
            Err(error) => return Some(Err(error)),
        }
        let log = format!("--log-file={}", Path::new(&counts).display());
        let callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", &log].map(Into::into);
        arguments.splice(0..0, callgrind);
    }
    Some(Command::new(&arguments[0]).args(&arguments[1..]).status())
}

/// One copy of a crate, as a member of the workspace in `work`.
pub struct Package<'a> {
    pub pin: &'a Pin,
    pub work: &'a Path,
    pub folder: PathBuf,
}

/// A message of rustc's about the crate itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Message {
    /// Places in the crate's own files that it points at, the first of them the most to blame: file, line, column.
    pub places: Vec<(PathBuf, usize, usize)>,
    pub code: String,
    pub text: String,
}

#[derive(Default)]
pub struct Checked {
    pub ok: bool,
    pub errors: BTreeSet<Message>,
    pub warnings: BTreeSet<Message>,
    /// What cargo itself said, for when there is no message.
    pub said: String,
}

/// By name, with the name of the binary in front.
pub type Tests = BTreeMap<String, String>;

impl Package<'_> {
    fn command(&self, subcommand: &str, targets: &str) -> Command {
        // It also ends what cargo has started, test binaries too.
        let mut command = Command::new("timeout");
        command
            .arg(PATIENCE)
            .arg(env!("CARGO"))
            .args([subcommand, "--offline"])
            .args(targets.split_whitespace())
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.work.join("target"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_TERM_COLOR", "never")
            // An item that the attribute cannot read is an error, and not left alone in silence.
            .env("RUSTFLAGS", "--cfg=cancelable_strict")
            .stdin(Stdio::null());
        if !self.pin.features.is_empty() {
            command.arg("--features").arg(&self.pin.features);
        }
        command
    }

    /// `cargo check` of library, binaries and tests.
    pub fn check(&self) -> io::Result<Checked> {
        let mut command = self.command("check", &self.pin.targets);
        command.args(["--message-format=json", "--keep-going"]);
        let output = command.output()?;
        let mut checked = Checked {
            ok: output.status.success(),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
            ..Checked::default()
        };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Ok(value) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            if value["reason"] != "compiler-message" || !self.is_ours(&value["manifest_path"]) {
                continue;
            }
            let message = &value["message"];
            if message["spans"].as_array().is_none_or(Vec::is_empty) && message["code"].is_null() {
                continue; // "aborting due to …"
            }
            let read = self.message(message);
            match message["level"].as_str() {
                Some("warning") => checked.warnings.insert(read),
                Some("error" | "error: internal compiler error") => checked.errors.insert(read),
                _ => false,
            };
        }
        Ok(checked)
    }

    /// Instructions that rustc takes for the library alone, counted by valgrind.
    pub fn instructions(&self, subcommand: &str) -> io::Result<u64> {
        let counts = self.work.join(format!("{}.instructions", self.pin.name));
        let mut command = self.command(subcommand, "--lib");
        command
            .env("CARGO_INCREMENTAL", "0")
            .env("RUSTC_WORKSPACE_WRAPPER", env::current_exe()?)
            .env(COUNT, &self.pin.name)
            .env(COUNTS, &counts);
        let _ = fs::remove_file(&counts);
        // Cargo would take what it has compiled before, with other sources of an earlier time, for fresh.
        let lib = self.folder.join("src/lib.rs");
        fs::write(&lib, fs::read(&lib)?)?;
        let output = command.output()?;
        let said = fs::read_to_string(&counts).unwrap_or_default();
        let count = said.lines().find_map(|line| line.split_once("Collected : "));
        count
            .filter(|_| output.status.success())
            .and_then(|(_, count)| count.trim().parse().ok())
            .ok_or_else(|| io::Error::other(format!("{said}{}", String::from_utf8_lossy(&output.stderr))))
    }

    fn is_ours(&self, manifest: &Value) -> bool {
        manifest
            .as_str()
            .is_some_and(|manifest| Path::new(manifest) == self.folder.join("Cargo.toml"))
    }

    fn message(&self, message: &Value) -> Message {
        let mut places = Vec::new();
        let parts = std::iter::once(message).chain(message["children"].as_array().into_iter().flatten());
        for primary in [true, false] {
            for part in parts.clone() {
                for span in part["spans"].as_array().into_iter().flatten() {
                    if span["is_primary"] == primary {
                        places.extend(self.places(span));
                    }
                }
            }
        }
        Message {
            places,
            code: message["code"]["code"].as_str().unwrap_or_default().to_owned(),
            text: message["message"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// Where a span is in the crate, and where the macros were called that it comes from.
    fn places(&self, span: &Value) -> Vec<(PathBuf, usize, usize)> {
        let mut places = Vec::new();
        let mut span = span;
        while !span.is_null() {
            let file = Path::new(span["file_name"].as_str().unwrap_or_default());
            // Cargo runs rustc in the root of the workspace.
            let path = self.work.join(file);
            if let Ok(file) = path.strip_prefix(&self.folder) {
                let number = |key: &str| span[key].as_u64().unwrap_or(0) as usize;
                places.push((file.to_owned(), number("line_start"), number("column_start")));
            }
            span = &span["expansion"]["span"];
        }
        places
    }

    /// `cargo test`. `Err` holds what it said if the tests could not even be built.
    pub fn test(&self, only: &[String]) -> io::Result<Result<Tests, String>> {
        let mut command = self.command("test", &self.pin.targets);
        command.args(["--no-fail-fast", "--"]);
        for skipped in &self.pin.skip_tests {
            command.arg("--skip").arg(skipped);
        }
        for name in only {
            command.arg(name);
        }
        // One pipe for both, since libtest says on the one which test did what, and cargo on the other in which binary.
        let (mut reader, writer) = io::pipe()?;
        command.stdout(writer.try_clone()?).stderr(writer).stdin(Stdio::null());
        let mut child = command.spawn()?;
        drop(command);
        let mut output = Vec::new();
        reader.read_to_end(&mut output)?;
        child.wait()?;
        let output = String::from_utf8_lossy(&output).into_owned();
        Ok(read_tests(&output).ok_or(output))
    }
}

fn read_tests(output: &str) -> Option<Tests> {
    let mut tests = Tests::new();
    let mut binary = String::new();
    for line in output.lines() {
        if let Some(rest) = line.trim_start().strip_prefix("Running ") {
            binary = rest.split(" (").next().unwrap_or(rest).replace("unittests ", "");
            continue;
        }
        let Some((name, outcome)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) else {
            continue;
        };
        let outcome = outcome.split([',', ' ']).next().unwrap_or(outcome);
        tests.insert(format!("{binary} {name}"), outcome.to_owned());
    }
    (!binary.is_empty()).then_some(tests)
}
