//! `cargo cancelable`.

mod args;
mod packages;

use args::{Args, Check, Command, Fix, List, Strip};
use cargo_cancelable::baseline::Baseline;
use cargo_cancelable::edit::Changed;
use cargo_cancelable::finding::{Finding, Rule};
use cargo_cancelable::list::{self, Entry};
use cargo_cancelable::report::{self, Format};
use cargo_cancelable::source::Package;
use cargo_cancelable::{check, fix, strip};
use std::io::{self, Write as _};
use std::process::ExitCode;

/// What is found, or why nothing can be.
type Outcome = Result<Found, String>;

/// The exit code: 0 and 1. 2 says that it could not run.
#[derive(PartialEq)]
enum Found {
    Nothing,
    Something,
}

fn main() -> ExitCode {
    let args = Args::read();
    let outcome = match &args.command {
        Command::Check(check) => run_check(check),
        Command::Fix(fix) => run_fix(fix),
        Command::Strip(strip) => run_strip(strip),
        Command::List(list) => run_list(list),
    };
    match outcome {
        Ok(Found::Nothing) => ExitCode::SUCCESS,
        Ok(Found::Something) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Writes to standard output. Who has closed it wants no more.
fn print(text: &str) -> Result<(), String> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}

fn findings(packages: &[Package], is_on: impl Fn(Rule) -> bool) -> Vec<Finding> {
    let all = packages.iter().flat_map(check);
    all.filter(|finding| is_on(finding.rule)).collect()
}

fn run_check(args: &Check) -> Outcome {
    let packages = packages::read(&args.selection)?;
    let mut found = findings(&packages, |rule| args.rules.is_on(rule));
    if let Some(path) = &args.write_baseline {
        Baseline::of(&found)
            .write(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        eprintln!("{} findings are in {} now", found.len(), path.display());
        return Ok(Found::Nothing);
    }
    if let Some(path) = &args.baseline {
        let baseline = Baseline::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        found = baseline.without_known(found);
    }
    let format = match (args.json, args.github) {
        (true, _) => Format::Json,
        (_, true) => Format::GitHub,
        _ => Format::Text,
    };
    print(&report::write(&found, format))?;
    if found.is_empty() {
        return Ok(Found::Nothing);
    }
    if format == Format::Text {
        let fixable = found.iter().filter(|finding| finding.fixable).count();
        let mended = if fixable > 0 {
            format!("; `cargo cancelable fix` mends {fixable}")
        } else {
            String::new()
        };
        eprintln!("{} findings{mended}", found.len());
    }
    Ok(Found::Something)
}

fn run_fix(args: &Fix) -> Outcome {
    let packages = packages::read(&args.selection)?;
    let mut changed = Vec::new();
    for package in &packages {
        changed.extend(match (&args.module, &args.implementation) {
            (Some(module), _) => fix::module(package, module),
            (None, Some(ty)) => fix::implementation(package, ty),
            (None, None) => {
                let found = findings(std::slice::from_ref(package), |rule| args.rules.is_on(rule));
                fix::findings(package, &found)
            }
        });
    }
    if changed.is_empty() {
        if let Some(wanted) = args.module.as_ref().or(args.implementation.as_ref()) {
            return Err(format!("there is nothing to annotate in `{wanted}`"));
        }
    }
    carry_out(&changed, args.dry_run)
}

fn carry_out(changed: &[Changed], dry_run: bool) -> Outcome {
    for file in changed {
        if dry_run {
            print(&file.diff())?;
        } else {
            std::fs::write(&file.path, &file.after).map_err(|error| format!("{}: {error}", file.path.display()))?;
            eprintln!("changed {}", file.path.display());
        }
    }
    Ok(Found::Nothing)
}

fn run_strip(args: &Strip) -> Outcome {
    let packages = packages::read(&args.selection)?;
    let mut changed = Vec::new();
    for package in &packages {
        let stripped = strip::strip(package);
        for (file, position, name) in stripped.kept {
            eprintln!(
                "{}:{}:{}: `{name}` has a `#[token]` parameter, which nothing else gives it, and so keeps the attribute",
                file.display(),
                position.line,
                position.column
            );
        }
        changed.extend(stripped.changed);
    }
    carry_out(&changed, args.dry_run)
}

fn run_list(args: &List) -> Outcome {
    let entries = |packages: Vec<Package>| -> Vec<Entry> { packages.iter().flat_map(list::list).collect() };
    let at = |commit: &Option<String>| match commit {
        Some(commit) => packages::read_at(&args.selection, commit),
        None => packages::read(&args.selection),
    };
    let after = entries(at(&args.to)?);
    let Some(from) = &args.from else {
        let lines = after.iter().map(|entry| match args.json {
            true => serde_json::to_string(entry).map_err(|error| error.to_string()),
            false => Ok(entry.to_string()),
        });
        let text: Result<String, String> = lines.map(|line| line.map(|line| line + "\n")).collect();
        print(&text?)?;
        return Ok(Found::Nothing);
    };
    let (removed, added) = list::difference(entries(at(&Some(from.clone()))?), after);
    let mut text = String::new();
    for (sign, change, entries) in [("-", "removed", &removed), ("+", "added", &added)] {
        for entry in entries {
            let line = match args.json {
                true => {
                    let mut value = serde_json::to_value(entry).map_err(|error| error.to_string())?;
                    value["change"] = change.into();
                    value.to_string()
                }
                false => format!("{sign} {entry}"),
            };
            text.push_str(&line);
            text.push('\n');
        }
    }
    print(&text)?;
    Ok(Found::Nothing)
}
