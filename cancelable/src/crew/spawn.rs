//! Starting threads of the library.

use std::io;
use std::thread::{self, JoinHandle};

use crate::fork;

/// Starts a thread of the library.
///
/// Default stack size: user code runs on it. In a forked child the stack is larger than any that a lost thread is likely to
/// have had, so that the system makes a new one; see [`fork::is_child`].
pub(crate) fn spawn(name: &str, f: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    const LARGE: usize = 64 << 20;
    let thread = thread::Builder::new().name(name.to_owned());
    let thread = if fork::is_child() {
        thread.stack_size(LARGE)
    } else {
        thread
    };
    thread.spawn(f)
}
