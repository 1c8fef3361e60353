//! Signals of Unix: which can be listened for, and the thread that their handlers notify.

use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread;

use signal_hook::consts::{SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP};
use signal_hook::low_level;

use super::error::SignalError;
use super::handler::{self, Process, current_or_new};
use super::listeners::{BOUND, Listeners, Set};

/// Is it a signal that can be listened for?
pub(super) fn accept(number: i32) -> Result<(), SignalError> {
    let is_in_bounds = usize::try_from(number).is_ok_and(|number| number < BOUND);
    let name = low_level::signal_name(number).filter(|_| is_in_bounds);
    match (number, name) {
        (SIGKILL | SIGSTOP, Some(name)) => Err(SignalError::forbidden(number, name)),
        (SIGSEGV | SIGBUS | SIGFPE | SIGILL, Some(name)) => Err(SignalError::fault(number, name)),
        (_, Some(_)) => Ok(()),
        (_, None) => Err(SignalError::unknown(number)),
    }
}

/// Has accepted signals handled in this process, from now on for good. Its listeners, who will be notified.
///
/// That is seen to anew each time: this may be a child, or somebody may have taken the handler away.
pub(super) fn install(signals: Set) -> Result<&'static Listeners, SignalError> {
    let process = current_or_new();
    for number in signals.numbers() {
        let is_heard = process.install(number);
        if !is_heard.map_err(|error| SignalError::system(number, error))? {
            let name = low_level::signal_name(number).unwrap_or("the signal");
            return Err(SignalError::replaced(number, name));
        }
    }
    Ok(&process.listeners)
}

impl Process {
    /// `false`: it is installed, but somebody else has put another handler in its place.
    fn install(&'static self, number: i32) -> io::Result<bool> {
        if self.installed.load(Ordering::Acquire) & (1 << number) == 0 {
            let mut has_thread = self.has_thread.lock().unwrap_or_else(PoisonError::into_inner);
            // First whatever may fail.
            if !*has_thread {
                let bell = self.bell()?;
                let thread = thread::Builder::new().name("cancelable-signals".into());
                thread.spawn(move || {
                    loop {
                        bell.wait();
                        self.take_arrivals().for_each(|number| self.listeners.hear(number));
                    }
                })?;
                *has_thread = true;
            }
            handler::register(number)?;
            self.installed.fetch_or(1 << number, Ordering::AcqRel);
        }
        handler::is_replaced(number).map(|is_replaced| !is_replaced)
    }
}
