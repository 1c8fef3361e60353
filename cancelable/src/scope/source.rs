//! `Source`, the port behind `until`: what may cancel a scope besides its parent and its deadline.

use std::future::Future;

use crate::reason::CancelReason;
use crate::token::CancellationToken;
use crate::watcher::{Vigil, watch};

/// Something that may cancel a scope, given to [`Scope::until`](crate::Scope::until) or `until = …`.
///
/// Sources are tokens, futures (whatever their output, which is dropped), and types of your own. Futures are polled by a
/// thread of the library, one per process, so that a scope is ended also if it is sync, or hogs its own thread; a future
/// should not block. (With the feature `tokio`, they are polled in the context of the runtime where the scope began.)
/// When the scope is over, whatever watches for it is dropped.
///
/// One of your own says what it waits for, and with what reason it cancels:
///
/// ```
/// use cancelable::{CancelReason, Cancelled, Scope, Source, check};
/// use std::future::Future;
///
/// /// Cancels when the channel says so.
/// struct Remote(futures::channel::mpsc::UnboundedReceiver<String>);
///
/// impl Source for Remote {
///     fn fired(mut self) -> impl Future<Output = CancelReason> + Send + 'static {
///         async move {
///             match futures::StreamExt::next(&mut self.0).await {
///                 Some(message) => CancelReason::manual().with_message(message),
///                 None => std::future::pending().await,
///             }
///         }
///     }
/// }
///
/// let (tx, rx) = futures::channel::mpsc::unbounded();
/// tx.unbounded_send("the remote side said stop".to_string()).unwrap();
/// let outcome: Result<(), Cancelled> = Scope::new().until(Remote(rx)).run_sync(|| loop { check()? });
/// assert_eq!(outcome.unwrap_err().reason().to_string(), "the remote side said stop");
/// ```
pub trait Source: Sized {
    /// Completes when the scope is to be cancelled, with the reason. Called by `until`, whose line is the caller's.
    #[track_caller]
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static;

    /// The token to link the scope to, for a source that is one.
    #[doc(hidden)]
    fn into_token(self) -> Result<CancellationToken, Self> {
        Err(self)
    }
}

/// Any future: the scope is cancelled, with kind [`Condition`](crate::ReasonKind::Condition), when it completes.
impl<F: Future + Send + 'static> Source for F {
    #[track_caller]
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static {
        let reason = CancelReason::condition("the future given to `until` is done");
        async move {
            self.await;
            reason
        }
    }
}

/// Another token: the scope is cancelled with it, as [`link`](crate::Scope::link)ed ones are.
impl Source for CancellationToken {
    #[expect(clippy::manual_async_fn, reason = "the trait promises `Send`")]
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static {
        async move {
            self.cancelled().await;
            // Cancelled, so it has a reason.
            self.reason().unwrap_or_else(CancelReason::manual)
        }
    }

    fn into_token(self) -> Result<CancellationToken, Self> {
        Ok(self)
    }
}

/// As for the token itself.
impl Source for &CancellationToken {
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static {
        self.clone().fired()
    }

    fn into_token(self) -> Result<CancellationToken, Self> {
        Ok(self.clone())
    }
}

/// Begins to watch on behalf of a token.
pub(super) type Start = Box<dyn FnOnce(&CancellationToken) -> Vigil + Send>;

/// What a scope keeps of a source until it begins.
pub(super) fn start(source: impl Source) -> Start {
    let fired = source.fired();
    Box::new(move |token| {
        let token = token.downgrade();
        watch(async move {
            let reason = fired.await;
            if let Some(token) = token.upgrade() {
                token.cancel_with(reason);
            }
        })
    })
}
