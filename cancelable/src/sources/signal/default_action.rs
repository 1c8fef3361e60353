//! What a signal does when nobody has use for it: what it would do without us.

use std::sync::atomic::{AtomicU64, Ordering};

/// The signals, bit by number, whose default action was in force before we came. What others handle, or ignore, is not
/// ours to act on.
static OURS: AtomicU64 = AtomicU64::new(0);

/// Its default action is ours to bring back.
pub(super) fn take_charge(number: i32) {
    OURS.fetch_or(1 << number, Ordering::Relaxed);
}

/// Acts as the signal would by default, if that is ours to do, from its handler. Async-signal-safe: an atomic load, and a
/// function that `signal-hook` says is so.
#[cfg(unix)]
pub(super) fn act_in_handler(number: i32) {
    if OURS.load(Ordering::Relaxed) & (1 << number) != 0 {
        // It knows all those that we accept; and its error, if it had one, would allocate nothing.
        drop(signal_hook::low_level::emulate_default_handler(number));
    }
}

/// Acts as the signal would by default, if that is ours to do. It comes back only from signals that do not end the
/// process.
pub(super) fn act(number: i32) {
    if OURS.load(Ordering::Relaxed) & (1 << number) != 0 {
        emulate(number);
    }
}

#[cfg(unix)]
fn emulate(number: i32) {
    use signal_hook::consts::{SIGTSTP, SIGTTIN, SIGTTOU};

    // Those that stop the process have done so in their handler, once; this would be twice.
    if ![SIGTSTP, SIGTTIN, SIGTTOU].contains(&number) {
        // It knows all those that we accept.
        drop(signal_hook::low_level::emulate_default_handler(number));
    }
}

/// As a console program ends by Ctrl-C.
#[cfg(windows)]
fn emulate(_number: i32) {
    const STATUS_CONTROL_C_EXIT: u32 = 0xC000_013A;
    std::process::exit(STATUS_CONTROL_C_EXIT as i32);
}

#[cfg(not(any(unix, windows)))]
fn emulate(_number: i32) {}
