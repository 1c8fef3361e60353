//! Processes of tests that do not outlive their test, even if they hang.

use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Nothing here is about speed; this long means that it hangs.
pub(crate) const HANG: Duration = Duration::from_secs(120);

/// A process that is killed when it hangs, so that whoever waits for it or reads from it goes on and fails.
pub(crate) struct Watched(
    pub(crate) Child,
    #[expect(dead_code, reason = "hangs up when dropped")] mpsc::Sender<()>,
);

impl Watched {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::watch(command.spawn().unwrap())
    }

    pub(crate) fn watch(child: Child) -> Self {
        let pid = Pid::from_child(&child);
        let (alive, watch) = mpsc::channel();
        thread::spawn(move || {
            if watch.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Self(child, alive)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}
