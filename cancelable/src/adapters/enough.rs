//! The crate `enough`: codecs that ask a `Stop`. Feature `enough`.

use ::enough::{Stop, StopReason};

use crate::token::CancellationToken;

/// What codecs, encoders and other long work of others ask, if they were written for the crate `enough`: hand them a token.
///
/// They report `TimedOut` after a timeout or a deadline, else `Cancelled`. The whole reason is with the token: a
/// [`check`](crate::check) behind the call says it.
///
/// ```
/// use cancelable::{Cancelled, cancelable, check, current};
/// use enough::{Stop, StopReason};
///
/// /// As codecs have it.
/// fn encode(pixels: &[u8], stop: &dyn Stop) -> Result<Vec<u8>, StopReason> {
///     let mut encoded = Vec::new();
///     for row in pixels.chunks(4096).cycle() {
///         stop.check()?;
///         encoded.truncate(4096);
///         encoded.extend_from_slice(row);
///     }
///     Ok(encoded)
/// }
///
/// #[cancelable(timeout = "5ms", name = "encode")]
/// fn save(pixels: &[u8]) -> Result<Vec<u8>, Cancelled> {
///     let encoded = encode(pixels, &current());
///     check()?;                                   // why it has stopped
///     Ok(encoded.expect("nobody else stops it"))
/// }
/// assert_eq!(save(&[0; 10_000]).unwrap_err().reason().to_string(), "timed out after 5ms (scope \"encode\")");
/// ```
impl Stop for CancellationToken {
    #[inline]
    fn check(&self) -> Result<(), StopReason> {
        match CancellationToken::check(self) {
            Ok(()) => Ok(()),
            Err(cancelled) if cancelled.is_timeout() => Err(StopReason::TimedOut),
            Err(_) => Err(StopReason::Cancelled),
        }
    }

    #[inline]
    fn should_stop(&self) -> bool {
        self.is_cancelled()
    }

    /// `false` of [`never`](CancellationToken::never), so where there is no scope.
    #[inline]
    fn may_stop(&self) -> bool {
        *self != Self::never()
    }
}
