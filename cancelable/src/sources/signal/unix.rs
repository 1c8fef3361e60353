//! Signals of Unix: handlers, and the thread that they tell.

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use signal_hook::consts::{SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP};
use signal_hook::{flag, low_level};

use super::default_action;
use super::error::SignalError;
use super::listeners::{BOUND, DEFAULT_IS_IN_FORCE, hear};

/// A signal that has a handler.
struct Installed {
    number: i32,
    /// One byte for each arrival: more exact than a flag.
    arrivals: UnixStream,
}

struct System {
    installed: Vec<Arc<Installed>>,
    /// Wakes the thread, which is there once this is.
    bell: Option<UnixStream>,
}

static SYSTEM: Mutex<System> = Mutex::new(System {
    installed: Vec::new(),
    bell: None,
});

fn lock() -> MutexGuard<'static, System> {
    SYSTEM.lock().unwrap_or_else(PoisonError::into_inner)
}

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

/// Has an accepted signal handled, from now on for good.
pub(super) fn install(number: i32) -> Result<(), SignalError> {
    lock()
        .install(number)
        .map_err(|error| SignalError::system(number, error))
}

impl System {
    fn install(&mut self, number: i32) -> io::Result<()> {
        if self.installed.iter().any(|installed| installed.number == number) {
            return Ok(());
        }
        // First whatever may fail.
        let bell = self.bell()?;
        let (arrivals, arrive) = UnixStream::pair()?;
        arrivals.set_nonblocking(true)?;
        // Handlers run in the order of their registration.
        if !is_handled_or_ignored(number) {
            let index = usize::try_from(number).map_err(io::Error::other)?;
            flag::register_conditional_default(number, &DEFAULT_IS_IN_FORCE[index])?;
            default_action::take_charge(number);
        }
        low_level::pipe::register(number, arrive)?;
        self.installed.push(Arc::new(Installed { number, arrivals }));
        low_level::pipe::register(number, bell)?;
        Ok(())
    }

    /// The end that wakes the thread, which is started if it has not been.
    fn bell(&mut self) -> io::Result<UnixStream> {
        if let Some(bell) = &self.bell {
            return bell.try_clone();
        }
        let (mut rung, bell) = UnixStream::pair()?;
        let clone = bell.try_clone()?;
        let thread = thread::Builder::new().name("cancelable-signals".into());
        thread.spawn(move || {
            while wait(&mut rung) {
                let installed = lock().installed.clone();
                for signal in installed {
                    signal.hear_arrivals();
                }
            }
        })?;
        self.bell = Some(bell);
        Ok(clone)
    }
}

/// Waits for the bell. `false`: there is none any more.
fn wait(rung: &mut UnixStream) -> bool {
    let mut bytes = [0; 64];
    loop {
        match rung.read(&mut bytes) {
            Ok(count) => return count > 0,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

impl Installed {
    fn hear_arrivals(&self) {
        let mut bytes = [0; 64];
        loop {
            match (&self.arrivals).read(&mut bytes) {
                Ok(0) => return,
                Ok(count) => (0..count).for_each(|_| hear(self.number)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // That was all.
                Err(_) => return,
            }
        }
    }
}

/// Does somebody else in this process handle the signal, or has it been ignored so far? Then what it does when nobody
/// listens is not ours to say.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_handled_or_ignored(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or(0)
    };
    (mask("SigIgn:") | mask("SigCgt:")) & (1 << (number - 1)) != 0
}

/// There is no way to know without unsafe code.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_handled_or_ignored(_number: i32) -> bool {
    false
}
