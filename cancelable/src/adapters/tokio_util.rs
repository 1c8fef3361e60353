//! tokio-util's tokens as parents of ours, and ours as parents of theirs, for programs that have both.
//!
//! Neither way needs a runtime or a task: the cancel of one calls the other's. And neither keeps anything for longer than
//! the token it was made for: what ties them together goes with that token's last handle.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use tokio_util::sync::CancellationToken as Theirs;

use crate::token::{CancelCallback, CancellationToken, WeakToken};
use crate::trampoline;

/// A token that is cancelled with one of tokio-util's, as a child of it would be, and can be cancelled alone.
///
/// ```
/// use cancelable::CancellationToken;
///
/// let theirs = tokio_util::sync::CancellationToken::new();
/// let ours = CancellationToken::from(&theirs);
/// theirs.cancel();
/// assert!(ours.is_cancelled());
/// ```
impl From<&Theirs> for CancellationToken {
    fn from(theirs: &Theirs) -> Self {
        // What waits belongs to a token of its own, to which the result is linked: so it lives exactly as long as
        // something below the result does.
        let source = Self::new();
        let waker = Waker::from(Arc::new(Bridge {
            theirs: theirs.clone(),
            ours: source.downgrade(),
        }));
        let mut waiting = Box::pin(theirs.clone().cancelled_owned());
        match waiting.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => source.cancel(),
            Poll::Pending => source.keep(waiting),
        }
        Self::any([&source])
    }
}

/// The waker that theirs is waited for with.
struct Bridge {
    theirs: Theirs,
    ours: WeakToken,
}

impl Wake for Bridge {
    fn wake(self: Arc<Self>) {
        if self.theirs.is_cancelled() {
            if let Some(ours) = self.ours.upgrade() {
                // It may be tied to others of theirs, and these to ours: no chain of these is too long.
                trampoline::run(move || ours.cancel());
            }
        }
    }
}

/// A token of theirs whose children are handed out, and what cancels it.
struct Gateway {
    theirs: Theirs,
    /// On a child of the token that keeps this, for a callback keeps the token it is registered with. `None`: detached.
    _callback: Option<CancelCallback>,
}

impl CancellationToken {
    /// A token of tokio-util's that is cancelled with this one, and can be cancelled alone.
    ///
    /// This token must be kept by somebody: when its last handle is dropped, theirs is on its own. (A token of theirs
    /// cannot tell when it is dropped, so nothing else could keep the tie without keeping it for ever.)
    ///
    /// ```
    /// use cancelable::CancellationToken;
    ///
    /// let ours = CancellationToken::new();
    /// let theirs = ours.to_tokio_util();
    /// ours.cancel();
    /// assert!(theirs.is_cancelled());
    /// ```
    #[must_use]
    pub fn to_tokio_util(&self) -> Theirs {
        if let Some(theirs) = self.kept(|gateway: &Gateway| gateway.theirs.clone()) {
            return theirs.child_token();
        }
        let theirs = Theirs::new();
        let child = theirs.child_token();
        // Runs at once if this token is cancelled, never if it is `never`.
        let cancel = {
            let theirs = theirs.clone();
            move |_: &_| theirs.cancel()
        };
        let callback = if self.is_linked_root() {
            // Its children keep it. And what is detached on it does not go to an ancestor, for it has none.
            self.on_cancel(cancel).detach();
            None
        } else {
            Some(self.child_token().on_cancel(cancel))
        };
        self.keep(Gateway {
            theirs,
            _callback: callback,
        });
        child
    }
}
