//! A process group of Unix: a child, and those of its descendants that have not left it.
//!
//! A number stands for a process or a group as long as one of them is there, zombies included. So a signal cannot reach strangers
//! before the child has been reaped. After that the group is asked whether somebody is in it right before it is sent a signal. In
//! between, all numbers of the system would have to be used up.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, test_kill_process_group, waitid, waitpgid,
};

/// How a group is asked to end.
pub(super) type Ask = Signal;

pub(super) const DEFAULT_ASK: Ask = Signal::TERM;

/// Can it be asked, and so be given time?
pub(super) const CAN_BE_ASKED: bool = true;

/// Has the command start a group of its own.
pub(super) fn prepare(command: &mut Command) {
    command.process_group(0);
}

#[derive(Debug)]
pub(super) struct Group(Pid);

impl Group {
    /// The group of a child that was started by a prepared command.
    pub(super) fn of(child: &Child) -> io::Result<Self> {
        Ok(Self(Pid::from_child(child)))
    }

    /// Waits for the child to end, and leaves it to be reaped.
    pub(super) fn wait_for_leader(&self, _child: &mut Child) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(self.0), options), Err(Errno::INTR)) {}
    }

    /// Asks all of them to end, also those that were stopped.
    pub(super) fn ask(&self, ask: Ask) {
        // Whoever is not there any more need not be asked.
        let _ = kill_process_group(self.0, ask);
        let _ = kill_process_group(self.0, Signal::CONT);
    }

    pub(super) fn kill(&self) {
        let _ = kill_process_group(self.0, Signal::KILL);
    }

    /// Is nobody in it, or nobody that we may signal? To be asked when the child has been reaped.
    pub(super) fn is_empty(&self) -> bool {
        // Orphans come to PID 1, or to a subreaper. If that is this process, nobody else reaps them.
        while let Ok(Some(_)) = waitpgid(self.0, WaitOptions::NOHANG) {}
        test_kill_process_group(self.0).is_err()
    }
}
