//! All texts that people see of a cancel, as files to read: `tests/snapshots/<case>.txt`, which the guide's page `docs/explain.md` shows.
//!
//! To write both anew, after a change that is meant: `BLESS=1 cargo test -p tests --test texts`, then read the difference.

#[rustfmt::skip] // As the guide shows lines of it.
mod scenes;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
#[cfg(unix)]
use std::sync::Mutex;

use cancelable::{CancelReason, Cancelled};

type Scene = (&'static str, fn() -> Cancelled);

const SCENES: &[Scene] = &[
    ("timeout", scenes::timeout),
    ("own_timeout", scenes::own_timeout),
    ("unnamed", scenes::unnamed),
    ("manual", scenes::manual),
    ("without_a_message", scenes::without_a_message),
    #[cfg(unix)]
    ("signal", signal),
    ("shutdown", scenes::shutdown),
    ("dropped", scenes::dropped),
    ("superseded", scenes::superseded),
    ("group", scenes::group),
    ("nested", scenes::nested),
    ("detached", scenes::detached),
    ("linked", scenes::linked),
    ("until", scenes::until),
    ("grace", scenes::grace),
    ("entry", scenes::entry),
    ("error", scenes::error),
];

/// Several tests go through all scenes at the same time, and a signal is heard by all who listen.
#[cfg(unix)]
fn signal() -> Cancelled {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap();
    scenes::signal()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_blessed() -> bool {
    std::env::var_os("BLESS").is_some()
}

/// What depends on the run and on where this is, replaced: how long it took, and the names of files and modules.
fn as_shown(text: &str) -> String {
    let text = text
        .replace("tests/tests/texts/scenes.rs", "src/main.rs")
        .replace("tests/src/bin/returned.rs", "src/main.rs")
        .replace("texts::scenes::", "app::")
        .replace("returned::", "app::");
    let lines = text.lines().map(|line| {
        let indented = line.len() - line.trim_start().len();
        match line.trim_start().split_once(' ') {
            Some(("after", _)) => format!("{:indented$}{:<16} 1.2ms", "", "after"),
            Some(("latency:", _)) => format!("{:indented$}latency: 1.2ms,", ""),
            _ => line.to_owned(),
        }
    });
    lines.fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn is_as_in_its_file(name: &str, text: &str) -> bool {
    let file = root().join("snapshots").join(name).with_extension("txt");
    let text = as_shown(text);
    if is_blessed() {
        fs::write(&file, &text).unwrap();
    }
    let is_same = fs::read_to_string(&file).is_ok_and(|known| known == text);
    if !is_same {
        println!("{name}:\n{text}");
    }
    is_same
}

#[test]
fn the_texts_are_what_they_were_and_the_guide_shows_them() {
    let mut differ = Vec::new();
    for (name, scene) in SCENES {
        let cancelled = scene();
        let text = format!("{cancelled}\n\n{}\n\n{}\n", cancelled.reason(), cancelled.report());
        if !is_as_in_its_file(name, &text) {
            differ.push(*name);
        }
    }
    if !is_as_in_its_file("structure", &format!("{:#?}\n", scenes::nested())) {
        differ.push("structure");
    }
    if !is_as_in_its_file("returned", &returned()) {
        differ.push("returned");
    }
    assert!(
        differ.is_empty(),
        "these say something else now (`BLESS=1` writes it): {differ:?}"
    );
    the_guide_shows_all_of_them();
}

/// What a program whose `main` returns the error says to a person.
fn returned() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_returned")).output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
    String::from_utf8(output.stderr).unwrap()
}

/// What is between the fences behind `<!-- tests/snapshots/NAME.txt -->`, for each.
fn the_guide_shows_all_of_them() {
    let page = root().join("../docs/explain.md");
    let written = fs::read_to_string(&page).unwrap();
    let mut shown = Vec::new();
    let mut rewritten = String::new();
    let mut rest = &*written;
    while let Some((before, after)) = rest.split_once("<!-- tests/snapshots/") {
        let (name, after) = after.split_once(".txt -->\n```text\n").expect("a name, and a fence");
        let (_, after) = after.split_once("```\n").expect("the fence's end");
        let file: PathBuf = root().join("snapshots").join(name).with_extension("txt");
        let text = fs::read_to_string(file).expect(name);
        rewritten += &format!("{before}<!-- tests/snapshots/{name}.txt -->\n```text\n{text}```\n");
        shown.push(name.to_owned());
        rest = after;
    }
    rewritten += rest;
    if is_blessed() {
        fs::write(&page, &rewritten).unwrap();
    }
    assert!(
        is_blessed() || written == rewritten,
        "the page shows other texts (`BLESS=1` writes them)"
    );
    let files = fs::read_dir(root().join("snapshots")).unwrap();
    for file in files.map(|file| file.unwrap().path()) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert_eq!(
            shown.iter().filter(|shown| **shown == name).count(),
            1,
            "{name} is shown once"
        );
    }
}

#[test]
fn the_alternate_form_is_the_report_and_so_is_what_main_prints() {
    let cancelled = scenes::nested();
    let report = cancelled.report().to_string();
    assert_eq!(format!("{cancelled:#}"), report);
    assert_eq!(format!("{cancelled:?}"), report);
    assert!(!report.ends_with('\n'));
    assert_eq!(cancelled.to_string().lines().count(), 1);
}

#[test]
fn a_reason_has_no_paths_and_no_lines() {
    for (name, scene) in SCENES {
        let reason = scene().reason().to_string();
        assert_eq!(reason.lines().count(), 1, "{name}: {reason}");
        assert!(!reason.contains(".rs"), "{name}: {reason}");
    }
}

#[test]
fn anyhow_and_eyre_find_the_errors_behind_it() {
    let chain = ["the archive cannot be read", "disk full"];
    let error = anyhow::Error::from(scenes::error()).context("restoring");
    let texts: Vec<_> = error.chain().map(ToString::to_string).collect();
    assert_eq!(
        (texts[0].as_str(), &texts[2..]),
        ("restoring", &chain.map(String::from)[..])
    );
    assert!(
        texts[1].starts_with("cancelled: stopped by an error (scope \"restore\"): "),
        "{texts:?}"
    );
    assert!(error.downcast_ref::<Cancelled>().is_some());
    assert_eq!(format!("{error:#}").lines().count(), 1, "a chain of lines is one line");

    let report = eyre::Report::new(scenes::error()).wrap_err("restoring");
    let texts: Vec<_> = report.chain().map(ToString::to_string).collect();
    assert_eq!(
        (texts[0].as_str(), &texts[2..]),
        ("restoring", &chain.map(String::from)[..])
    );
    assert!(report.downcast_ref::<Cancelled>().is_some());

    // Of a cancel that a cancel has caused.
    let caused = CancelReason::error(scenes::without_a_message());
    let token = cancelable::CancellationToken::new();
    token.cancel_with(caused);
    let outer = token.check().unwrap_err();
    let source = outer.source().and_then(|source| source.downcast_ref::<Cancelled>());
    assert_eq!(source.and_then(Cancelled::scope_name), Some("import"));
}

#[test]
fn a_report_is_no_longer_than_a_person_reads_whatever_came_from_outside() {
    let endless = "x\n".repeat(10_000);
    let token = cancelable::CancellationToken::new();
    token.cancel_with(CancelReason::error(endless.clone()).with_message(endless));
    let report = token.check().unwrap_err().report().to_string();
    assert_eq!(report.lines().count(), 6, "{report}");
    assert!(report.chars().count() < 4_000);
}
