//! What the compiler says of each mistake, and what it says nothing of.
//!
//! `fail/` holds one mistake a file, named for it, with the message in full beside it; `pass/` what must compile, in
//! hostile surroundings and under strict lints. Messages change from one compiler to the next, so they are compared
//! on one only. To write them anew, look at the difference, and keep it if it is better:
//! `TRYBUILD=overwrite cargo test -p ui-tests --test ui`.

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
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
    if version.starts_with(TOOLCHAIN) {
        cases.compile_fail("fail/*/*.rs");
    } else {
        println!("not comparing messages: they are those of {TOOLCHAIN}x, and this is {version}");
    }
}
