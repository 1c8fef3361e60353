//! `validation` as its users meet it: the real program.

#![cfg(unix)]

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;
use validation::matrix::cells;

fn validation(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_validation"));
    command.args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = validation(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn l19_every_cell_holds() {
    let (code, stdout, stderr) = run(&["--runs", "3", "--json"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let results: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(results["runs"], 3);

    let shown: Vec<String> = results["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| {
            format!(
                "{} on {}",
                cell["scenario"].as_str().unwrap(),
                cell["runtime"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(shown, cells().iter().map(ToString::to_string).collect::<Vec<_>>());

    let assert_times = |times: &Value| {
        let [median, worst] = ["median", "worst"].map(|key| times[key].as_f64().unwrap());
        assert!(0.0 <= median && median <= worst, "{times}");
    };
    for cell in results["cells"].as_array().unwrap() {
        match cell["outcome"].as_str().unwrap() {
            "ok" => assert_times(cell),
            "beside" => ["scope", "token", "tokio_util"]
                .iter()
                .for_each(|key| assert_times(&cell[key])),
            "none" => assert!(!cell["why"].as_str().unwrap().is_empty()),
            _ => panic!("{cell}"),
        }
    }
}

#[test]
fn a_table_for_people() {
    let (code, stdout, stderr) = run(&["--runs", "2", "--only", "of a task on"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[0].trim_start().starts_with("tokio "), "{stdout}");
    assert!(lines[1].trim_start().starts_with("multi "), "{stdout}");
    assert!(lines[2].starts_with("abort of a task  ✓ "), "{stdout}");
    assert_eq!(lines[2].matches("–¹").count(), 2, "{stdout}");
    assert!(
        lines.last().unwrap().starts_with("–¹ a thread cannot be dropped"),
        "{stdout}"
    );
}

#[test]
fn a_cell_that_hangs_is_a_failure_with_a_name() {
    // Two runs of it take two times two milliseconds, whatever the machine.
    let (code, stdout, stderr) = run(&["--runs", "1", "--limit", "1ms", "--only", "by a timeout on smol"]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains('✗'), "{stdout}");
    assert_eq!(
        stderr,
        "validation: worker, by a timeout on smol: still running after 1ms\n"
    );
}

#[test]
fn senseless_arguments_are_refused() {
    let cases: &[(&[&str], &str)] = &[
        (&["--runs", "0"], "0 is not in 1..=1000000"),
        (&["--runs", "many"], "invalid digit"),
        (&["--only"], "--only <TEXT>"),
        (&["--only", "nowhere"], "no cell has \"nowhere\" in its name"),
        (&["--cell", "timeout"], "no cell has \"timeout\" in its name"),
        (&["--limit", "10"], "the unit is missing; write `10s`"),
        (&["--frobnicate"], "unexpected argument"),
        (&["timeout"], "unexpected argument"),
    ];
    for (args, expected) in cases {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}

#[test]
fn help_says_what_one_has_to_know() {
    let (code, stdout, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for word in ["--json", "--runs <N>", "--only <TEXT>", "--limit <TIME>", "130", "143"] {
        assert!(stdout.contains(word), "{word}");
    }
    assert!(!stdout.contains("--cell"), "{stdout}");
}

#[test]
fn ctrl_c_and_sigterm_print_what_was_finished() {
    for (signal, name, code) in [(Signal::INT, "SIGINT", 130), (Signal::TERM, "SIGTERM", 143)] {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let path = ptsname(&terminal, Vec::new()).unwrap();
        let path = OsStr::from_bytes(path.as_bytes());
        let screen = File::options().read(true).write(true).open(path).unwrap();

        // The first cell takes a second, and all of them a minute.
        let mut command = validation(&["--runs", "300", "--only", "timeout"]);
        let child = command
            .env("TERM", "xterm")
            .stdout(Stdio::piped())
            .stderr(screen)
            .spawn()
            .unwrap();
        drop(command);

        let mut shown = String::new();
        let mut terminal = File::from(terminal);
        let mut show_until = |text: &str| {
            let mut block = [0; 4096];
            while !shown.contains(text) {
                let length = terminal.read(&mut block).unwrap();
                shown += &String::from_utf8_lossy(&block[..length]);
            }
        };
        show_until("timeout on tokio current");
        kill_process(Pid::from_child(&child), signal).unwrap();
        show_until("cells done");
        show_until(&format!("cancelled: received {name}"));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(table.contains("\ntimeout  ✓ "), "{table}");
        assert!(!table.contains("worker"), "{table}");
    }
}
