//! Where there are no signals.

use std::io;

use super::error::SignalError;

pub(super) fn accept(number: i32) -> Result<(), SignalError> {
    Err(SignalError::system(number, io::ErrorKind::Unsupported.into()))
}

pub(super) fn install(number: i32) -> Result<(), SignalError> {
    accept(number)
}
