//! Programs that people asked about in public, because something went on that had been cancelled: what `check` says of each. The places
//! are marked as in `rules/`, with the rule; the mended form in the same file, and a program of which the source text cannot tell, have
//! no mark.

use cargo_cancelable::check;
use cargo_cancelable::source::{File, Package};
use std::fs;
use std::path::Path;

#[test]
fn each_is_found_or_rightly_left_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/threads");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the programs are there") {
        let path = entry.expect("a file").path();
        let text = fs::read_to_string(&path).expect("a program is a file");
        assert!(
            text.starts_with("//! <https://"),
            "{}: where was it asked?",
            path.display()
        );
        let marked: Vec<String> = text
            .lines()
            .zip(1..)
            .filter_map(|(line, at)| Some(format!("{at} {}", line.split_once(" //~ ")?.1)))
            .collect();
        let package = Package {
            files: vec![File::parse(&path, text, Vec::new()).expect("a program parses")],
            ..Package::default()
        };
        let found = check(&package).into_iter().filter(|finding| finding.rule.is_on());
        let mut found: Vec<(usize, String)> = found.map(|finding| (finding.line, finding.rule.to_string())).collect();
        found.sort();
        let found: Vec<String> = found.into_iter().map(|(line, rule)| format!("{line} {rule}")).collect();
        if found != marked {
            wrong.push(format!("{}: found {found:?}, marked {marked:?}", path.display()));
        }
        count += 1;
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 10);
}
