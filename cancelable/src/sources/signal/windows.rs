//! Ctrl-C of Windows.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::default_action;
use super::error::SignalError;
use super::listeners::{INTERRUPT, hear};

static IS_INSTALLED: Mutex<bool> = Mutex::new(false);

/// Only Ctrl-C is asked for.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there are others to refuse")]
pub(super) fn accept(_number: i32) -> Result<(), SignalError> {
    Ok(())
}

/// Has Ctrl-C handled, from now on for good. The handler has a thread of its own.
pub(super) fn install(number: i32) -> Result<(), SignalError> {
    let mut is_installed = IS_INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*is_installed {
        ctrlc::set_handler(|| hear(INTERRUPT)).map_err(|error| SignalError::system(number, io::Error::other(error)))?;
        default_action::take_charge(number);
        *is_installed = true;
    }
    Ok(())
}
