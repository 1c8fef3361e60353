//! As PID 1 of a container: orphans come to this process. That is so for the whole process, hence in a file of its own.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::Duration;

use cancelable::{CancellationToken, process, thread};
use rustix::io::Errno;
use rustix::process::{WaitOptions, getpid, set_child_subreaper, wait};

/// <https://github.com/openabdev/openab/issues/436>, <https://github.com/PikoCI/pikoci/issues/681>: the orphans of children pile up as
/// zombies, until the container has no process left to give.
#[test]
fn neither_children_nor_the_orphans_they_leave_stay_as_zombies() {
    set_child_subreaper(Some(getpid())).unwrap();
    // Some obey, some have to be killed, some end by themselves; each leaves two orphans behind.
    let scripts = [
        "(sleep 1000 & sleep 1000 &); echo there; sleep 1000",
        "trap '' TERM; (sleep 1000 & sleep 1000 &); echo there; sleep 1000",
        "(sleep 1000 & sleep 1000 &)",
        "(true & true &); exit 3",
    ];
    let token = CancellationToken::new();
    let running: Vec<_> = (0..40)
        .map(|n| {
            let script = scripts[n % scripts.len()];
            token.sync_scope(|| {
                thread::spawn(move || {
                    let mut command = Command::new("sh");
                    let tree = process::tree(command.args(["-c", script]));
                    tree.grace(Duration::from_millis(50)).output().is_ok()
                })
            })
        })
        .collect();
    token.cancel_after(Duration::from_millis(300));
    for thread in running {
        thread.join().unwrap();
    }
    // None is there, neither alive nor dead.
    assert_eq!(wait(WaitOptions::NOHANG).unwrap_err(), Errno::CHILD);
}
