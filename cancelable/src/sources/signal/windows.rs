//! Ctrl-C of Windows.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::default_action;
use super::error::SignalError;
use super::listeners::{INTERRUPT, Listeners, Set};
use super::owner::Owner;

static LISTENERS: OnceLock<Listeners> = OnceLock::new();

static IS_INSTALLED: Mutex<bool> = Mutex::new(false);

/// Only Ctrl-C is asked for.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there are others to refuse")]
pub(super) fn accept(_number: i32) -> Result<(), SignalError> {
    Ok(())
}

/// Has Ctrl-C handled, from now on for good. The handler has a thread of its own.
pub(super) fn install(_signals: Set) -> Result<&'static Listeners, SignalError> {
    let listeners = LISTENERS.get_or_init(|| Listeners::of(Owner::current()));
    let mut is_installed = IS_INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*is_installed {
        let heard = || {
            if !listeners.is_echo(INTERRUPT as usize) {
                listeners.hear(INTERRUPT);
            }
        };
        ctrlc::set_handler(heard).map_err(|error| SignalError::system(INTERRUPT, io::Error::other(error)))?;
        default_action::take_charge(INTERRUPT);
        *is_installed = true;
    }
    Ok(listeners)
}
