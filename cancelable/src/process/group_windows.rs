//! A job object of Windows: a child and all its descendants.

use std::io;
use std::os::windows::io::AsRawHandle as _;
use std::process::{Child, Command};

use win32job::{ExtendedLimitInfo, Job};

use crate::primitive::{Mutex, lock};

/// Windows has nothing to ask with.
pub(super) type Ask = ();

pub(super) const DEFAULT_ASK: Ask = ();

pub(super) const CAN_BE_ASKED: bool = false;

pub(super) fn prepare(_command: &mut Command) {}

/// All in it are terminated when it is closed; also by the system, when this process ends.
#[derive(Debug)]
pub(super) struct Group(Mutex<Option<Job>>);

impl Group {
    pub(super) fn of(child: &Child) -> io::Result<Self> {
        let mut limits = ExtendedLimitInfo::new();
        limits.limit_kill_on_job_close();
        let job = Job::create_with_limit_info(&limits).map_err(io::Error::other)?;
        job.assign_process(child.as_raw_handle() as isize)
            .map_err(io::Error::other)?;
        Ok(Self(Mutex::new(Some(job))))
    }

    /// Waits for the child to end. Its status is there a second time.
    pub(super) fn wait_for_leader(&self, child: &mut Child) {
        drop(child.wait());
    }

    pub(super) fn ask(&self, _ask: Ask) {
        self.kill();
    }

    pub(super) fn kill(&self) {
        let job = lock(&self.0).take();
        drop(job);
    }

    pub(super) fn is_empty(&self) -> bool {
        let job = lock(&self.0);
        let processes = job.as_ref().map(Job::query_process_id_list);
        // What cannot be listed may be there.
        processes.is_none_or(|processes| processes.is_ok_and(|processes| processes.is_empty()))
    }
}
