//! Each rule on code that it finds fault with (`bad.rs`, each place marked by `//~`, or by `//~^` in the line
//! below), and on code that it does not (`good.rs`).

use cargo_cancelable::finding::Rule;
use cargo_cancelable::source::{File, Package};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn package(path: &Path) -> Package {
    let text = fs::read_to_string(path).expect("an example is a file");
    Package {
        files: vec![File::parse(path, text, Vec::new()).expect("an example parses")],
        ..Package::default()
    }
}

/// Lines at which the rule finds something.
fn lines(rule: Rule, path: &Path) -> BTreeSet<usize> {
    let findings = cargo_cancelable::check(&package(path));
    findings
        .iter()
        .filter(|finding| finding.rule == rule)
        .map(|finding| finding.line)
        .collect()
}

fn marked(path: &Path) -> BTreeSet<usize> {
    let text = fs::read_to_string(path).expect("an example is a file");
    let lines = text.lines().enumerate();
    let marked = lines.filter(|(_, line)| line.contains("//~"));
    marked
        .map(|(index, line)| if line.contains("//~^") { index } else { index + 1 })
        .collect()
}

fn folder(rule: Rule) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/rules")
        .join(rule.name())
}

#[test]
fn each_rule_finds_what_is_marked_and_nothing_else() {
    let mut wrong = Vec::new();
    for rule in Rule::ALL {
        let bad = folder(rule).join("bad.rs");
        let expected = marked(&bad);
        assert!(!expected.is_empty(), "{rule}: nothing is marked");
        for (path, expected) in [(bad, expected), (folder(rule).join("good.rs"), BTreeSet::new())] {
            let found = lines(rule, &path);
            if found != expected {
                wrong.push(format!("{}: found {found:?}, expected {expected:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_good_by_one_rule_is_good_by_all_that_are_on() {
    for rule in Rule::ALL {
        let good = folder(rule).join("good.rs");
        let findings = cargo_cancelable::check(&package(&good));
        let on: Vec<_> = findings.iter().filter(|finding| finding.rule.is_on()).collect();
        assert!(on.is_empty(), "{}: {on:#?}", good.display());
    }
}

#[test]
fn each_rule_has_a_section_on_the_page() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("RULES.md")).expect("the page is there");
    for rule in Rule::ALL {
        assert!(
            page.contains(&format!("\n## {rule}\n")),
            "RULES.md says nothing of {rule}"
        );
    }
}
