//! `token.check()`: a token is asked by hand, in whatever scopes that code is.

use std::panic::Location;

use super::slot::{self, Frame};
use crate::check_point::CheckPoint;
use crate::error::Cancelled;
use crate::path::Path;
use crate::runtime::Task;
use crate::token::CancellationToken;

impl CancellationToken {
    /// An error if it is cancelled; meant for `token.check()?`. As cheap as [`is_cancelled`](Self::is_cancelled).
    ///
    /// # Errors
    ///
    /// [`Cancelled`], with the reason, with the line of this call as [`observed_at`](Cancelled::observed_at), and with the scopes
    /// round this code as its [`scope_path`](Cancelled::scope_path).
    #[inline]
    #[track_caller]
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_quiet() {
            return Ok(());
        }
        self.check_at(Location::caller())
    }

    /// As [`check`](Self::check), which is said to be at `location`.
    #[cold]
    pub(crate) fn check_at(&self, location: &'static Location<'static>) -> Result<(), Cancelled> {
        match self.cause() {
            Some(cause) => Err(Cancelled::new(cause, CheckPoint::Check, location, path_here())),
            None => Ok(()),
        }
    }
}

/// The scopes round the code now running.
fn path_here() -> Path {
    slot::with_frame_of(Task::current(), |frame| frame.map_or_else(Path::none, Frame::path))
}
