//! A child that writes more than there is memory for. A file of its own, since it is the process that is measured.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::Command;

use cancelable::process;

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
fn a_gibibyte_of_output_needs_memory_for_what_is_kept() {
    const SCRIPT: &str = "head -c 1073741824 /dev/zero; echo the end";

    let before = peak();
    let mut command = Command::new("sh");
    let output = process::tree(command.args(["-c", SCRIPT])).keep_last(1 << 20).output();
    let output = output.unwrap();
    assert_eq!(output.stdout.len(), 1 << 20);
    assert!(output.stdout.ends_with(b"\0the end\n"));
    assert!(peak() - before < 16 << 10, "{} KiB", peak() - before);

    let error = process::tree(command.args(["-c", SCRIPT])).limit(1 << 20).output();
    assert_eq!(error.unwrap_err().stdout().len(), 1 << 20);
    assert!(peak() - before < 16 << 10, "{} KiB", peak() - before);
}
