//! A process group of Unix: a child, and those of its descendants that have not left it.
//!
//! (The crate `process-wrap` makes such groups, too. Its wait has the child borrowed, so that nobody can signal meanwhile; it signals
//! groups whose leader it has reaped; and it does not wait for those that are not children of this process.)
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
        self.reap();
        if test_kill_process_group(self.0).is_err() {
            return true;
        }
        // Looked at twice, since one that is being started while we look may be overlooked.
        let is_empty = !self.has_living() && !self.has_living();
        // Those that have ended meanwhile.
        self.reap();
        is_empty
    }

    /// Orphans come to PID 1, or to a subreaper. If that is this process, nobody else reaps them.
    fn reap(&self) {
        while let Ok(Some(_)) = waitpgid(self.0, WaitOptions::NOHANG) {}
    }

    /// Does one of them run? For the system zombies count as well until somebody reaps them, which PID 1 of many a container never does.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn has_living(&self) -> bool {
        // Where nothing can be seen, they may be there.
        std::fs::read_dir("/proc").map_or(true, |processes| {
            processes.flatten().any(|process| {
                let is_process = process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
                let stat = is_process.then(|| std::fs::read(process.path().join("stat")));
                stat.and_then(Result::ok)
                    .is_some_and(|stat| is_living_in(&String::from_utf8_lossy(&stat), self.0.as_raw_nonzero().get()))
            })
        })
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn has_living(&self) -> bool {
        true
    }
}

/// Is it a line of `/proc/…/stat` of a process in this group that runs? They are "12 (its name) S 1 12 …": the state, the parent, the group.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_living_in(stat: &str, group: i32) -> bool {
    // A name may have parentheses and spaces of its own.
    let Some((_, fields)) = stat.rsplit_once(") ") else {
        return false;
    };
    let mut fields = fields.split(' ');
    let runs = !matches!(fields.next(), None | Some("Z" | "X"));
    runs && fields.nth(1).and_then(|field| field.parse().ok()) == Some(group)
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::is_living_in;

    #[test]
    fn zombies_and_other_groups_do_not_count() {
        assert!(is_living_in("12 (sh) S 1 12 7 0 -1 4194560", 12));
        assert!(is_living_in("13 (a) Z (b) 1) R 12 12 7 0", 12));
        assert!(!is_living_in("13 (sleep) Z 1 12 7 0", 12));
        assert!(!is_living_in("13 (sleep) X 1 12 7 0", 12));
        assert!(!is_living_in("12 (sh) S 12 1 12 0", 12));
        assert!(!is_living_in("", 12));
    }
}
