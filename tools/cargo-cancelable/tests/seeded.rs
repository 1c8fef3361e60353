//! The service in `seeded/`, in which ten check points are missing on purpose: `check` finds nine of them, where `//~` says so, or `//~^` in the line below, and
//! `fix` mends those that can be mended by the attribute.

use cargo_cancelable::source::{Package, Scope};
use cargo_cancelable::{check, fix};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeded/src/main.rs")
}

fn read() -> Package {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeded");
    Package::read("seeded", &folder, &[root()], &folder, Scope::Shipped).expect("the service is read")
}

/// File, line and rule.
type Place = (PathBuf, usize, String);

fn found(package: &Package) -> Vec<Place> {
    let found = check(package).into_iter().filter(|finding| finding.rule.is_on());
    let mut found: Vec<Place> = found
        .map(|finding| (finding.file, finding.line, finding.rule.to_string()))
        .collect();
    found.sort();
    found
}

fn marked(package: &Package) -> Vec<Place> {
    let mut marked = Vec::new();
    for file in &package.files {
        for (index, line) in file.text.lines().enumerate() {
            if let Some((_, rule)) = line.split_once("//~^ ") {
                marked.push((file.path.clone(), index, rule.to_owned()));
            } else if let Some((_, rule)) = line.split_once("; //~ ") {
                marked.push((file.path.clone(), index + 1, rule.to_owned()));
            }
        }
    }
    marked.sort();
    marked
}

#[test]
fn nine_of_ten_are_found_and_nothing_else() {
    let package = read();
    let mut marked = marked(&package);
    assert_eq!(marked.len(), 10);
    marked.retain(|(_, _, rule)| rule != "stretches");
    assert_eq!(found(&package), marked);
}

#[test]
fn what_the_attribute_mends_is_mended() {
    let package = read();
    let findings = check(&package);
    let mut rest = marked(&package);
    rest.retain(|(_, _, rule)| !["stretches", "unannotated-callee", "skipped-cleanup"].contains(&rule.as_str()));
    let changed = fix::findings(&package, &findings);
    let texts = package.files.iter().map(|file| {
        let changed = changed.iter().find(|changed| changed.path == file.path);
        let path = root().with_file_name(file.path.file_name().expect("a file has a name"));
        (
            path,
            changed.map_or_else(|| file.text.clone(), |changed| changed.after.clone()),
        )
    });
    let folder = root()
        .parent()
        .and_then(Path::parent)
        .expect("it is in a folder")
        .to_owned();
    let mended =
        Package::from_texts("seeded", &[root()], texts.collect(), &folder, Scope::Shipped).expect("it still parses");
    // Lines have moved.
    let rules = |places: Vec<Place>| -> Vec<(PathBuf, String)> {
        let mut rules: Vec<_> = places.into_iter().map(|(file, _, rule)| (file, rule)).collect();
        rules.sort();
        rules
    };
    assert_eq!(rules(found(&mended)), rules(rest));
    for changed in changed {
        let before = fs::read_to_string(folder.join(&changed.path)).expect("it is there");
        let after: Vec<&str> = changed
            .after
            .lines()
            .filter(|line| !line.trim_start().starts_with("#[cancelable"))
            .collect();
        let before: Vec<&str> = before
            .lines()
            .filter(|line| !line.trim_start().starts_with("#[cancelable"))
            .collect();
        assert_eq!(after, before, "nothing but attributes is put in");
    }
}
