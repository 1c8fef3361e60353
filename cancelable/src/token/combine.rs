//! Tokens made of tokens: cancelled with the first, or with the last, of several.

use super::handle::CancellationToken;
use super::tree::{Handle, Listens};
use super::watch::is_blind;

impl CancellationToken {
    /// A token that is cancelled with the first of `tokens`, for the same reason, and can be cancelled alone.
    ///
    /// As with a child, being cancelled through one of them shows as [inherited](Self::is_inherited), everything below
    /// reads as cancelled before anyone is notified, and the new token costs its sources nothing once it is dropped. It keeps
    /// them, as handles do. [Deadlines](Self::deadline) count as the earliest among them. Of no tokens at all: never
    /// cancelled from outside.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    ///
    /// let (shutdown, request) = (CancellationToken::new(), CancellationToken::new());
    /// let either = CancellationToken::any([&shutdown, &request]);
    /// request.cancel();
    /// assert!(either.is_cancelled());
    /// assert!(!shutdown.is_cancelled());
    /// ```
    #[must_use]
    pub fn any<'a>(tokens: impl IntoIterator<Item = &'a Self>) -> Self {
        Self::linked(tokens, false)
    }

    /// A token that is cancelled when all of `tokens` are, for the reason of the last, and can be cancelled alone.
    ///
    /// [Deadlines](Self::deadline) count as the latest among them, if all have one. With a token that [`never`](Self::never)
    /// is, or of no tokens at all: never cancelled from outside (rather than at once: nothing has happened that could be the
    /// reason).
    ///
    /// ```
    /// use cancelable::CancellationToken;
    ///
    /// let (a, b) = (CancellationToken::new(), CancellationToken::new());
    /// let both = CancellationToken::all([&a, &b]);
    /// a.cancel();
    /// assert!(!both.is_cancelled());
    /// b.cancel();
    /// assert!(both.is_cancelled());
    /// ```
    #[must_use]
    pub fn all<'a>(tokens: impl IntoIterator<Item = &'a Self>) -> Self {
        Self::linked(tokens, true)
    }

    fn linked<'a>(tokens: impl IntoIterator<Item = &'a Self>, all: bool) -> Self {
        let mut has_to_look = false;
        let sources: Vec<Handle> = tokens
            .into_iter()
            .map(|token| {
                // Whoever hangs on a token relies on its deadline being watched.
                has_to_look |= is_blind(&token.node);
                token.node.clone()
            })
            .collect();
        let node = Handle::root(None);
        let needs = if all {
            Listens::ForAll(sources.len())
        } else {
            Listens::AsOneBelow
        };
        node.listen_to(sources, needs);
        if has_to_look {
            node.set_attention(true);
        }
        Self { node }
    }
}
