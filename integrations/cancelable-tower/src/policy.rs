//! `OnDisconnect`: what becomes of a request whose client has left. A leaf.

/// What becomes of a request whose client leaves before it has had the whole answer. For [`CancelLayer::on_disconnect`].
///
/// A server tells of it by dropping the future of the response, or its body. So does a layer further out, such as a timeout.
///
/// | | the scope | the handler, or the body's stream |
/// |---|---|---|
/// | `Drop` | is cancelled, kind [`Dropped`] | is dropped: destructors run, nothing that awaits does |
/// | `Cancel` | is cancelled, kind [`Dropped`] | goes on in a task until it has noticed and cleaned up; see [`CancelLayer::grace`] |
/// | `Detach` | goes on, and keeps its deadline | goes on in a task; what it answers is thrown away |
/// | `Wait` | goes on for a while, then as `Cancel` | goes on in a task; who comes back gets its answer |
///
/// All but `Drop` need the feature `tokio`, and a runtime of tokio where the future is dropped: without one it is `Drop`. A request
/// that has not been polled yet is dropped, whatever is said here.
///
/// [`Dropped`]: cancelable::ReasonKind::Dropped
/// [`CancelLayer::on_disconnect`]: crate::CancelLayer::on_disconnect
/// [`CancelLayer::grace`]: crate::CancelLayer::grace
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDisconnect {
    /// Cancelled, and dropped there and then: what happens without this library, but for the cancel.
    #[default]
    Drop,
    /// Cancelled, and driven on until it has cleaned up.
    #[cfg(feature = "tokio")]
    Cancel,
    /// Driven to its end: for work that is to be done once it has been accepted.
    #[cfg(feature = "tokio")]
    Detach,
    /// Kept for a client that comes back. If a request with the same `key` comes within `grace`, to the same layer, it is not run:
    /// it gets the answer of this one, whose work has gone on meanwhile. If none does, this one is cancelled, as with `Cancel`.
    ///
    /// That is so until the answer's head is out. A body that has been begun cannot be taken up again, since what is on the way is
    /// lost: then it is as `Cancel` at once.
    ///
    /// A client that is faster than the news of its leaving has its request run anew.
    #[cfg(feature = "tokio")]
    Wait {
        /// Which requests are the same: method, path, the user, and the value of `idempotency-key`, say. Whoever has the key gets the
        /// answer, so it has to tell users apart.
        key: String,
        /// How long it is kept.
        grace: std::time::Duration,
    },
}
