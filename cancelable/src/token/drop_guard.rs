//! Guards that cancel a token when they are dropped, on every way out of a block.

use std::borrow::Borrow;
use std::panic::Location;

use super::handle::CancellationToken;
use crate::reason::ReasonKind;

/// What both guards are: a token, until disarmed, and the line that made the guard.
#[derive(Debug)]
struct Armed<T: Borrow<CancellationToken>> {
    token: Option<T>,
    location: &'static Location<'static>,
}

impl<T: Borrow<CancellationToken>> Armed<T> {
    fn token(&self) -> &T {
        match &self.token {
            Some(token) => token,
            None => unreachable!("what disarms a guard takes it"),
        }
    }

    fn disarm(&mut self) -> T {
        match self.token.take() {
            Some(token) => token,
            None => unreachable!("a guard is disarmed once, for that takes it"),
        }
    }
}

impl<T: Borrow<CancellationToken>> Drop for Armed<T> {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            let token: &CancellationToken = token.borrow();
            if !token.is_cancelled() {
                token.cancel_plainly(ReasonKind::Dropped, self.location);
            }
        }
    }
}

/// Cancels its token, with kind [`Dropped`](crate::ReasonKind::Dropped), when it is dropped; made by
/// [`CancellationToken::drop_guard`].
#[derive(Debug)]
#[must_use = "dropping the guard cancels the token"]
pub struct DropGuard(Armed<CancellationToken>);

/// As [`DropGuard`], for a borrowed token; made by [`CancellationToken::drop_guard_ref`].
#[derive(Debug)]
#[must_use = "dropping the guard cancels the token"]
pub struct DropGuardRef<'a>(Armed<&'a CancellationToken>);

impl CancellationToken {
    /// A guard that cancels this token when it is dropped, unless it is [disarmed](DropGuard::disarm) before.
    ///
    /// ```
    /// use cancelable::{CancellationToken, ReasonKind};
    ///
    /// let token = CancellationToken::new();
    /// drop(token.clone().drop_guard());
    /// assert_eq!(token.reason().unwrap().kind(), ReasonKind::Dropped);
    /// ```
    #[track_caller]
    pub fn drop_guard(self) -> DropGuard {
        DropGuard(Armed {
            token: Some(self),
            location: Location::caller(),
        })
    }

    /// As [`drop_guard`](Self::drop_guard), borrowing the token.
    #[track_caller]
    pub fn drop_guard_ref(&self) -> DropGuardRef<'_> {
        DropGuardRef(Armed {
            token: Some(self),
            location: Location::caller(),
        })
    }
}

impl DropGuard {
    /// The token that is cancelled when the guard is dropped.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    ///
    /// let guard = CancellationToken::new().drop_guard();
    /// let child = guard.token().child_token();
    /// drop(guard);
    /// assert!(child.is_cancelled());
    /// ```
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        self.0.token()
    }

    /// Gives the token back, uncancelled.
    #[must_use = "the token is what is left of the guard"]
    pub fn disarm(mut self) -> CancellationToken {
        self.0.disarm()
    }
}

impl<'a> DropGuardRef<'a> {
    /// The token that is cancelled when the guard is dropped.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let guard = token.drop_guard_ref();
    /// assert_eq!(guard.token(), &token);
    /// ```
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        self.0.token()
    }

    /// Gives the token back, uncancelled.
    #[must_use = "the token is what is left of the guard"]
    pub fn disarm(mut self) -> &'a CancellationToken {
        self.0.disarm()
    }
}
