//! What is done with one crate: before, with the attribute, and, where that fails, without it on the functions at fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::cargo::{Checked, Message, Package, Tests};
use crate::functions::{Mark, PROBE, Sources};
use crate::pins::Pin;

/// What the macro, by the contract, refuses in so many words. Such a function counts as skipped.
const REFUSED: [(&str, &str); 2] = [
    (
        "a cancelable function that returns a future must end in",
        "returns a future, but does not end in `async { … }`",
    ),
    ("never returns, so it cannot say", "returns `!`"),
];

/// A function that does not work with the attribute.
pub struct Culprit {
    pub id: String,
    /// What rustc says, or which test fails.
    pub why: String,
    /// From the list of pins.
    pub reason: Option<String>,
}

#[derive(Default)]
pub struct Outcome {
    pub name: String,
    pub version: String,
    /// In `src/`, those in macros too.
    pub functions: usize,
    /// With the attribute, compiled, and the tests passed.
    pub annotated: usize,
    pub skipped: BTreeMap<String, usize>,
    /// Files that do not parse, and so were left alone.
    pub unparsed: Vec<String>,
    pub culprits: Vec<Culprit>,
    /// Warnings that the plain crate does not have.
    pub warnings: Vec<String>,
    /// Functions of which the attribute warns that a cancel would not end them.
    pub told: Vec<String>,
    pub tests_before: Tests,
    pub tests_after: Tests,
    /// What kept the crate from being swept at all.
    pub broken: Option<String>,
    pub seconds: u64,
    /// What the attribute costs rustc, where that was asked for.
    pub costs: Vec<Cost>,
}

/// Instructions of rustc for the library, plain and with the attribute.
pub struct Cost {
    pub subcommand: &'static str,
    /// Which functions had the attribute, and how many.
    pub which: &'static str,
    pub annotated: usize,
    pub plain: u64,
    pub with: u64,
}

impl Outcome {
    pub fn is_good(&self) -> bool {
        self.broken.is_none()
            && self.warnings.is_empty()
            && self.culprits.iter().all(|culprit| culprit.reason.is_some())
            && self.newly_failed().is_empty()
    }

    pub fn newly_failed(&self) -> Vec<String> {
        newly_failed(&self.tests_before, &self.tests_after)
    }
}

fn newly_failed(before: &Tests, after: &Tests) -> Vec<String> {
    let passed = before.iter().filter(|(_, outcome)| *outcome == "ok");
    passed
        .filter(|(name, _)| after.get(*name).is_none_or(|outcome| outcome != "ok"))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Lays out a workspace with a copy of each crate, all of which depend on the library at `library`.
pub fn lay_out(pins: &[Pin], work: &Path, library: &Path) -> io::Result<()> {
    fs::create_dir_all(work)?;
    let members: Vec<&str> = pins.iter().map(|pin| pin.name.as_str()).collect();
    fs::write(
        work.join("Cargo.toml"),
        format!("[workspace]\nresolver = \"2\"\nmembers = {members:?}\n"),
    )?;
    for pin in pins {
        let folder = work.join(&pin.name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        copy(&pin.source, &folder)?;
        let path = folder.join("Cargo.toml");
        let mut manifest = without(&fs::read_to_string(&path)?, &pin.without);
        manifest.push_str(&format!(
            "\n[dependencies.cancelable]\npath = {:?}\n",
            library.join("cancelable")
        ));
        fs::write(path, manifest)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else if entry.file_name() != "Cargo.lock" {
            // Not `fs::copy`: what cargo unpacks may be read-only.
            fs::write(to, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// A manifest, in the form that cargo publishes it in, less some of its dev-dependencies.
fn without(manifest: &str, names: &[String]) -> String {
    let mut kept = String::new();
    let mut keep = true;
    for line in manifest.lines() {
        if line.starts_with('[') {
            keep = !names.iter().any(|name| {
                let section = format!("dev-dependencies.{name}");
                let head = line.trim_matches(['[', ']']);
                head == section || head.ends_with(&format!(".{section}"))
            });
        }
        if keep {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Sweeps one crate. `say` is told what is being done.
pub fn sweep(pin: &Pin, work: &Path, with: &str, cost: bool, say: &dyn Fn(&str)) -> Outcome {
    let started = Instant::now();
    let mut outcome = Outcome {
        name: pin.name.clone(),
        version: pin.version.clone(),
        ..Outcome::default()
    };
    let package = Package {
        pin,
        work,
        folder: work.join(&pin.name),
    };
    if let Err(error) = try_sweep(&package, with, cost, say, &mut outcome) {
        outcome.broken = Some(error);
    }
    outcome.seconds = started.elapsed().as_secs();
    outcome
}

fn try_sweep(
    package: &Package<'_>,
    with: &str,
    cost: bool,
    say: &dyn Fn(&str),
    outcome: &mut Outcome,
) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    let pin = package.pin;
    let sources = Sources::read(&pin.source, &pin.room).map_err(failed)?;
    outcome.skipped = sources
        .skipped
        .iter()
        .map(|(reason, count)| ((*reason).to_owned(), *count))
        .collect();
    outcome.unparsed = sources.unparsed.iter().map(|file| file.display().to_string()).collect();
    outcome.functions = sources.functions.len() + sources.skipped.values().sum::<usize>();
    let appended: String = pin
        .room
        .values()
        .filter(|path| !path.is_empty())
        .map(|path| conversion(path))
        .collect();
    let run = Run {
        package,
        sources: &sources,
        with,
        appended: &appended,
    };

    say("plain");
    run.write(&[], Mark::Attribute("")).map_err(failed)?;
    let before = package.check().map_err(failed)?;
    if !before.ok {
        return Err(format!("does not compile as published: {}", summary(&before)));
    }
    if !cost {
        outcome.tests_before = package
            .test(&[])
            .map_err(failed)?
            .map_err(|said| format!("its tests do not build: {said}"))?;
    }

    say("which functions are compiled");
    let all: Vec<usize> = (0..sources.functions.len()).collect();
    run.write(&all, Mark::Probe).map_err(failed)?;
    let seen = probed(&package.check().map_err(failed)?);
    let (mut chosen, unseen): (Vec<usize>, Vec<usize>) = all.into_iter().partition(|&index| {
        let function = &sources.functions[index];
        seen.contains(&(function.file.clone(), function.place.0, function.place.1))
    });
    if !unseen.is_empty() {
        outcome.skipped.insert("is configured out".to_owned(), unseen.len());
    }

    say(&format!("with the attribute on {} functions", chosen.len()));
    let suspects = run.make_it_compile(&mut chosen, say).map_err(failed)?;
    // Each was blamed in the company of others: on its own it may be innocent.
    for (index, why) in suspects {
        let function = &sources.functions[index];
        if let Some((_, reason)) = REFUSED.iter().find(|(message, _)| why.contains(message)) {
            *outcome.skipped.entry((*reason).to_owned()).or_default() += 1;
            continue;
        }
        say(&format!("again with {}", function.id()));
        chosen.push(index);
        let checked = run.check(&chosen).map_err(failed)?;
        if !checked.ok {
            chosen.pop();
            outcome
                .culprits
                .push(culprit(pin, &function.id(), first_error(&checked)));
        }
    }

    if cost {
        outcome.annotated = chosen.len();
        outcome.costs = run.costs(&chosen, say).map_err(failed)?;
        return Ok(());
    }

    say("its tests");
    loop {
        let checked = run.check(&chosen).map_err(failed)?;
        (outcome.told, outcome.warnings) = new_warnings(&before, &checked)
            .into_iter()
            .partition(|warning| warning.contains("not_cancelable"));
        outcome.tests_after = match package.test(&[]).map_err(failed)? {
            Ok(tests) => tests,
            Err(said) => {
                return Err(format!(
                    "compiles with the attribute, but its tests do not build: {said}"
                ));
            }
        };
        let Some(test) = outcome.newly_failed().into_iter().next() else {
            break;
        };
        say(&format!("who makes `{test}` fail"));
        let name = test.split_once(' ').map_or(test.as_str(), |(_, name)| name);
        let name = name.split(" - ").next().unwrap_or(name).to_owned();
        let passes = |chosen: &[usize]| -> io::Result<bool> {
            run.write(chosen, Mark::Attribute(with))?;
            let after = package.test(std::slice::from_ref(&name))?;
            Ok(after.is_ok_and(|after| after.get(&test).is_some_and(|outcome| outcome == "ok")))
        };
        let Some(index) = last_of_first_bad_prefix(&chosen, passes).map_err(failed)? else {
            break; // Fails now and then, whatever is annotated.
        };
        chosen.retain(|&other| other != index);
        outcome.culprits.push(culprit(
            pin,
            &sources.functions[index].id(),
            format!("test `{test}` fails"),
        ));
    }
    outcome.annotated = chosen.len();
    Ok(())
}

struct Run<'a> {
    package: &'a Package<'a>,
    sources: &'a Sources,
    with: &'a str,
    appended: &'a str,
}

impl Run<'_> {
    fn write(&self, chosen: &[usize], mark: Mark<'_>) -> io::Result<()> {
        let appended = if chosen.is_empty() { "" } else { self.appended };
        self.sources.write(&self.package.folder, chosen, mark, appended)
    }

    fn check(&self, chosen: &[usize]) -> io::Result<Checked> {
        self.write(chosen, Mark::Attribute(self.with))?;
        self.package.check()
    }

    /// Counts instructions: all functions annotated, and only those that have something to check in them.
    fn costs(&self, chosen: &[usize], say: &dyn Fn(&str)) -> io::Result<Vec<Cost>> {
        let waiting: Vec<usize> = chosen
            .iter()
            .copied()
            .filter(|&index| self.sources.functions[index].can_wait)
            .collect();
        let mut costs = Vec::new();
        for subcommand in ["check", "build"] {
            say(&format!("instructions of `cargo {subcommand}`"));
            self.write(&[], Mark::Attribute(""))?;
            let plain = self.package.instructions(subcommand)?;
            for (which, annotated) in [("those that wait or loop", &waiting[..]), ("all", chosen)] {
                self.write(annotated, Mark::Attribute(self.with))?;
                costs.push(Cost {
                    subcommand,
                    which,
                    annotated: annotated.len(),
                    plain,
                    with: self.package.instructions(subcommand)?,
                });
            }
        }
        Ok(costs)
    }

    /// Takes functions out of `chosen` until the rest compiles; returns them with what rustc said.
    fn make_it_compile(&self, chosen: &mut Vec<usize>, say: &dyn Fn(&str)) -> io::Result<Vec<(usize, String)>> {
        let mut taken = Vec::new();
        loop {
            let checked = self.check(chosen)?;
            if checked.ok {
                return Ok(taken);
            }
            let mut blamed: BTreeMap<usize, String> = BTreeMap::new();
            for error in &checked.errors {
                if let Some(index) = self.to_blame(error, chosen) {
                    blamed.entry(index).or_insert_with(|| describe(error));
                }
            }
            if blamed.is_empty() {
                say("an error outside all of them: searching");
                let compiles = |some: &[usize]| self.check(some).map(|checked| checked.ok);
                let Some(index) = last_of_first_bad_prefix(chosen, compiles)? else {
                    return Ok(taken);
                };
                blamed.insert(index, first_error(&checked));
            }
            say(&format!("without {} of them", blamed.len()));
            chosen.retain(|index| !blamed.contains_key(index));
            taken.extend(blamed);
        }
    }

    /// The innermost annotated function that an error points into.
    fn to_blame(&self, error: &Message, chosen: &[usize]) -> Option<usize> {
        error.places.iter().find_map(|(file, line, _)| {
            let within = |&&index: &&usize| {
                let function = &self.sources.functions[index];
                function.file == *file && function.lines.start <= *line && *line <= function.lines.end
            };
            chosen
                .iter()
                .filter(within)
                .min_by_key(|&&index| self.sources.functions[index].lines.len())
                .copied()
        })
    }
}

/// The element without which the shortest failing prefix would do; `None` if all of them together do.
fn last_of_first_bad_prefix(all: &[usize], good: impl Fn(&[usize]) -> io::Result<bool>) -> io::Result<Option<usize>> {
    if good(all)? {
        return Ok(None);
    }
    let (mut works, mut fails) = (0, all.len());
    if !good(&[])? {
        return Ok(None);
    }
    while fails - works > 1 {
        let middle = works + (fails - works) / 2;
        if good(&all[..middle])? {
            works = middle;
        } else {
            fails = middle;
        }
    }
    Ok(Some(all[works]))
}

fn conversion(path: &str) -> String {
    format!(
        "\nimpl ::core::convert::From<::cancelable::Cancelled> for {path} \
         {{ fn from(_: ::cancelable::Cancelled) -> Self {{ ::core::unreachable!(\"never cancelled here\") }} }}\n"
    )
}

/// Where rustc could not find the probe.
fn probed(checked: &Checked) -> BTreeSet<(PathBuf, usize, usize)> {
    let complaints = checked.errors.iter().filter(|error| error.text.contains(PROBE));
    // It points behind `#[`.
    complaints
        .flat_map(|error| {
            error
                .places
                .iter()
                .map(|(file, line, column)| (file.clone(), *line, column - 2))
        })
        .collect()
}

fn new_warnings(before: &Checked, after: &Checked) -> Vec<String> {
    let known: BTreeSet<_> = before.warnings.iter().map(place_and_code).collect();
    after
        .warnings
        .iter()
        .filter(|warning| !known.contains(&place_and_code(warning)))
        .map(describe)
        .collect()
}

/// The attribute moves columns, not lines.
fn place_and_code(message: &Message) -> (Option<(&Path, usize)>, &str) {
    (
        message.places.first().map(|(file, line, _)| (file.as_path(), *line)),
        &message.code,
    )
}

fn describe(message: &Message) -> String {
    let code = if message.code.is_empty() {
        String::new()
    } else {
        format!("[{}] ", message.code)
    };
    match message.places.first() {
        Some((file, line, column)) => format!("{}:{line}:{column}: {code}{}", file.display(), message.text),
        None => format!("{code}{}", message.text),
    }
}

fn first_error(checked: &Checked) -> String {
    checked.errors.iter().next().map_or_else(|| summary(checked), describe)
}

fn summary(checked: &Checked) -> String {
    let lines: Vec<&str> = checked
        .said
        .lines()
        .filter(|line| line.contains("error"))
        .take(3)
        .collect();
    if lines.is_empty() {
        checked.said.clone()
    } else {
        lines.join("; ")
    }
}

fn culprit(pin: &Pin, id: &str, why: String) -> Culprit {
    let reason = pin
        .leave
        .iter()
        .find(|(part, _)| id.contains(part.as_str()))
        .map(|(_, reason)| reason.clone());
    Culprit {
        id: id.to_owned(),
        why,
        reason,
    }
}
