//! What a fork must find unlocked.

use std::sync::MutexGuard;

use super::{threads, ticks};

/// Has no other thread in the middle of something here, until it is dropped or used up.
pub(crate) fn hold() -> Held {
    Held {
        _names: threads::hold(),
        writer: ticks::hold(),
    }
}

pub(crate) struct Held {
    _names: MutexGuard<'static, threads::Names>,
    writer: MutexGuard<'static, ticks::Writer>,
}

impl Held {
    /// In a child process, whose only thread this is: nobody writes the time down.
    pub(crate) fn in_child(mut self) {
        *self.writer = None;
        ticks::Ticks::stop();
    }
}
