//! What the compiler says of each mistake.
//!
//! `fail/` holds one mistake a file, named for it, with the message in full beside it. Messages change from one compiler
//! to the next, so they are compared on one only. To write them anew, look at the difference, and keep it if it is
//! better: `TRYBUILD=overwrite cargo test -p ui-tests --test ui`.
//!
//! Known and kept: `helpers/outside` has rustc's own error besides ours, for it does not let an attribute stand on a
//! statement that is in nobody's hands.
//!
//! What must compile is in the other suites here, in hostile surroundings, below other attributes, and under strict
//! lints; expansions are in `expand/`, and compared by the unit tests of `cancelable-syntax`.

use std::process::Command;

/// The toolchain that the messages are those of.
const TOOLCHAIN: &str = "rustc 1.95.";

#[test]
fn ui() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .expect("rustc runs")
        .stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    if version.starts_with(TOOLCHAIN) {
        trybuild::TestCases::new().compile_fail("fail/*/*.rs");
    } else {
        println!("not comparing messages: they are those of {TOOLCHAIN}x, and this is {version}");
    }
}
