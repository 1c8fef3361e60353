//! Reads crates that use [`cancelable`](https://docs.rs/cancelable), and finds the code that a cancel does not reach.
//!
//! This is the library behind `cargo cancelable`; `README.md` says how to use that, and `RULES.md` what it finds. It goes by source
//! text alone, with the very rules of the macros, which are in `cancelable-syntax`. It follows the versions of the tool, and
//! promises nothing to others.

#![deny(missing_docs)]

pub mod allow;
pub mod baseline;
pub mod edit;
pub mod finding;
pub mod fix;
pub mod functions;
pub mod index;
pub mod list;
pub mod report;
pub mod rules;
pub mod source;
pub mod spawns;
pub mod strip;
pub mod syntax;
pub mod walk;

use finding::Finding;
use index::Index;
use source::Package;

/// What is found in a package, in order of files and lines, without what is allowed there.
#[must_use]
pub fn check(package: &Package) -> Vec<Finding> {
    let index = Index::of(package);
    let mut findings = allow::apply(rules::all(&index), &package.files);
    findings.sort_by(|a, b| (&a.file, a.line, a.column, a.rule).cmp(&(&b.file, b.line, b.column, b.rule)));
    findings
}
