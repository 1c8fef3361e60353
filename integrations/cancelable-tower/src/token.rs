//! `RequestToken`: the token of a request's scope, for its handler. A leaf.

use std::ops::Deref;

use cancelable::CancellationToken;

/// The token of a request's scope, among the request's extensions; with the feature `axum` an extractor.
///
/// An annotated handler does not need it: the token is ambient. It is for what is to be cancelled without: a callback, a channel of
/// a task that is not the scope's, a child of it.
///
/// ```
/// use cancelable_tower::RequestToken;
/// use http::Request;
///
/// fn is_cancelled<B>(request: &Request<B>) -> bool {
///     request.extensions().get::<RequestToken>().is_some_and(|token| token.is_cancelled())
/// }
/// # assert!(!is_cancelled(&Request::new(())));
/// ```
#[derive(Clone, Debug)]
pub struct RequestToken(pub CancellationToken);

impl Deref for RequestToken {
    type Target = CancellationToken;

    fn deref(&self) -> &CancellationToken {
        &self.0
    }
}
