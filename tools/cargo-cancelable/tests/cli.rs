//! The command as one calls it: exit codes, formats, and what it writes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const MANIFEST: &str = "[package]\nname = \"tried\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";

const FAULTY: &str = "use cancelable::{Cancelled, cancelable};

#[cancelable]
pub async fn serve(page: &str) -> Result<usize, Cancelled> {
    tokio::spawn(log()); // é
    words(page)
}

/// Counts them.
#[inline]
fn words(page: &str) -> Result<usize, Cancelled> {
    let mut words = 0; // so far
    for _word in page.split(' ') {
        words += 1;
    }
    Ok(words)
}

async fn log() {}
";

fn project(text: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("src")).expect("a folder");
    fs::write(folder.path().join("Cargo.toml"), MANIFEST).expect("writable");
    fs::write(folder.path().join("src/lib.rs"), text).expect("writable");
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    // As cargo calls it.
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-cancelable"));
    command
        .arg("cancelable")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it starts")
}

fn text(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("src/lib.rs")).expect("it is there")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn git(folder: &Path, arguments: &[&str]) {
    let identity = [
        "-c",
        "user.name=n",
        "-c",
        "user.email=n@example.org",
        "-c",
        "commit.gpgsign=false",
    ];
    let output = Command::new("git")
        .args(identity)
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("git is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_exit_code_says_whether_something_was_found_and_whether_it_could_run() {
    let faulty = project(FAULTY);
    let output = run(faulty.path(), &["check"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said(&output),
        "src/lib.rs:5:12: bare-spawn: what `tokio::spawn` starts does not see the cancel; write `cancelable::tokio::spawn`\n\
         src/lib.rs:11:4: unannotated-callee: `words` has a loop and no check point, and it is called from `serve`, which is \
         cancelable; write `#[cancelable]` on it\n"
    );
    assert_eq!(
        run(faulty.path(), &["check", "--only", "iterator-end"]).status.code(),
        Some(0)
    );
    assert_eq!(
        run(faulty.path(), &["check", "--only", "no-such-rule"]).status.code(),
        Some(2)
    );
    assert_eq!(
        run(faulty.path(), &["check", "--package", "another"]).status.code(),
        Some(2)
    );
    assert_eq!(run(project("fn main( {").path(), &["check"]).status.code(), Some(2));
    assert_eq!(
        run(tempfile::tempdir().unwrap().path(), &["check"]).status.code(),
        Some(2)
    );
    assert_eq!(run(project("pub fn f() {}").path(), &["check"]).status.code(), Some(0));
}

#[test]
fn a_package_that_calls_the_library_by_another_name_is_not_touched() {
    let folder = project(FAULTY);
    let renamed = format!("{MANIFEST}\n[dependencies]\nkan = {{ package = \"cancelable\", version = \"0.1\" }}\n");
    fs::write(folder.path().join("Cargo.toml"), renamed).expect("writable");
    for arguments in [&["check"][..], &["fix"]] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.contains("calls the library `kan`"), "{complaint}");
    }
    assert_eq!(text(&folder), FAULTY);
}

#[test]
fn tests_are_read_if_that_is_asked_for() {
    let folder = project(&format!("#[cfg(test)]\nmod tests {{\n{FAULTY}\n}}\n"));
    assert_eq!(run(folder.path(), &["check"]).status.code(), Some(0));
    let output = run(folder.path(), &["check", "--all-targets"]);
    assert_eq!(said(&output).lines().count(), 2);
}

#[test]
fn machines_get_a_line_for_each_finding() {
    let faulty = project(FAULTY);
    let output = said(&run(faulty.path(), &["check", "--json"]));
    let findings: Vec<serde_json::Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(findings.len(), 2);
    assert_eq!(findings[1]["rule"], "unannotated-callee");
    assert_eq!(findings[1]["file"], "src/lib.rs");
    assert_eq!(findings[1]["line"], 11);
    assert_eq!(findings[1]["column"], 4);
    assert_eq!(findings[1]["fixable"], true);
    assert_eq!(findings[0]["fixable"], false);
    let output = said(&run(faulty.path(), &["check", "--github"]));
    assert!(output.starts_with("::warning file=src/lib.rs,line=5,col=12,title=bare-spawn::what `tokio::spawn` starts"));
}

#[test]
fn a_baseline_lets_pass_what_was_there_and_nothing_new() {
    let faulty = project(FAULTY);
    let written = run(faulty.path(), &["check", "--write-baseline", "base.json"]);
    assert_eq!(written.status.code(), Some(0));
    let check = || run(faulty.path(), &["check", "--baseline", "base.json"]);
    assert_eq!(check().status.code(), Some(0));
    // Lines may move; one more of the same is new.
    let more = FAULTY.replace("    words(page)", "    tokio::spawn(log());\n    words(page)");
    fs::write(faulty.path().join("src/lib.rs"), format!("\n\n{more}")).unwrap();
    let output = check();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(said(&output).lines().count(), 1);
    fs::write(faulty.path().join("base.json"), "{\"version\": 2, \"findings\": []}").unwrap();
    assert_eq!(check().status.code(), Some(2));
}

#[test]
fn fix_puts_the_attribute_on_and_strip_takes_it_off_again() {
    let faulty = project(FAULTY);
    let dry = run(faulty.path(), &["fix", "--dry-run"]);
    assert_eq!(dry.status.code(), Some(0));
    assert_eq!(text(&faulty), FAULTY);
    assert!(
        said(&dry).contains("--- a/src/lib.rs\n+++ b/src/lib.rs\n"),
        "{}",
        said(&dry)
    );
    assert!(
        said(&dry).contains("\n #[inline]\n+#[cancelable]\n fn words("),
        "{}",
        said(&dry)
    );
    assert_eq!(run(faulty.path(), &["fix"]).status.code(), Some(0));
    assert_eq!(text(&faulty), FAULTY.replace("fn words", "#[cancelable]\nfn words"));
    assert_eq!(
        run(faulty.path(), &["check", "--disable", "bare-spawn"]).status.code(),
        Some(0)
    );

    assert_eq!(run(faulty.path(), &["strip"]).status.code(), Some(0));
    let plain = FAULTY
        .replace("#[cancelable]\n", "")
        .replace("{Cancelled, cancelable}", "{Cancelled}");
    assert_eq!(text(&faulty), plain);
}

#[test]
fn strip_takes_off_what_is_inside_and_leaves_what_needs_the_attribute() {
    let inside =
        "#[cancelable::cancelable(every = 8)]\nfn f() -> Option<()> {\n    #[cancelable(break)]\n    loop {}\n}\n";
    let folder = project(inside);
    assert_eq!(run(folder.path(), &["strip"]).status.code(), Some(0));
    assert_eq!(text(&folder), "fn f() -> Option<()> {\n    loop {}\n}\n");
    let token = "#[cancelable::cancelable]\nfn f(#[token] token: CancellationToken) -> Option<()> {\n    None\n}\n";
    let folder = project(token);
    let output = run(folder.path(), &["strip"]);
    assert_eq!(text(&folder), token);
    assert!(String::from_utf8_lossy(&output.stderr).contains("`f` has a `#[token]` parameter"));
}

#[test]
fn fix_annotates_a_module_or_a_type() {
    let code = "mod net {
    pub fn connect() -> std::io::Result<()> {
        Ok(())
    }
    pub fn port() -> u16 {
        0
    }
    impl Conn {
        fn read(&self) -> Option<u8> {
            None
        }
        pub async fn close(&self) {}
    }
}

fn outside() -> Option<u8> {
    None
}
";
    let folder = project(code);
    assert_eq!(run(folder.path(), &["fix", "--module", "net"]).status.code(), Some(0));
    let expected = code
        .replace(
            "    pub fn connect",
            "    #[cancelable::cancelable]\n    pub fn connect",
        )
        .replace("        fn read", "        #[cancelable::cancelable]\n        fn read");
    assert_eq!(text(&folder), expected);
    assert_eq!(run(folder.path(), &["fix", "--module", "nte"]).status.code(), Some(2));

    let folder = project(code);
    assert_eq!(run(folder.path(), &["fix", "--impl", "Conn"]).status.code(), Some(0));
    let expected = code
        .replace("    impl Conn", "    #[cancelable::cancelable]\n    impl Conn")
        .replace(
            "        pub async fn close",
            "        #[cancelable(skip)]\n        pub async fn close",
        );
    assert_eq!(text(&folder), expected);
}

#[test]
fn list_shows_check_points_and_what_a_change_does_to_them() {
    let folder = project(FAULTY);
    let output = said(&run(folder.path(), &["list"]));
    assert_eq!(
        output,
        "src/lib.rs:4:14: entry in serve: pub async fn serve(page: &str) -> Result<usize, Cancelled> {\n"
    );
    git(folder.path(), &["init", "-q"]);
    git(folder.path(), &["add", "-A"]);
    git(folder.path(), &["commit", "-q", "-m", "first"]);
    run(folder.path(), &["fix"]);
    let output = said(&run(folder.path(), &["list", "--from", "HEAD"]));
    assert_eq!(
        output,
        "+ src/lib.rs:12:4: entry in words: fn words(page: &str) -> Result<usize, Cancelled> {\n\
         + src/lib.rs:14:5: loop in words: for _word in page.split(' ') {\n"
    );
    let output = said(&run(folder.path(), &["list", "--from", "HEAD", "--to", "HEAD"]));
    assert_eq!(output, "");
    assert_eq!(
        run(folder.path(), &["list", "--from", "no-such-commit"]).status.code(),
        Some(2)
    );
}
