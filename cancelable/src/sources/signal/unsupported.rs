//! Where there are no signals.

use std::io;

use super::error::SignalError;
use super::listeners::{INTERRUPT, Listeners, Set};

pub(super) fn accept(number: i32) -> Result<(), SignalError> {
    Err(SignalError::system(number, io::ErrorKind::Unsupported.into()))
}

pub(super) fn install(signals: Set) -> Result<&'static Listeners, SignalError> {
    Err(SignalError::system(
        signals.numbers().next().unwrap_or(INTERRUPT),
        io::ErrorKind::Unsupported.into(),
    ))
}
