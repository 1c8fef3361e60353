//! For handlers of axum: the extractor and the response. Feature `axum`.

use ::axum::extract::FromRequestParts;
use ::axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::answer::CancelledResponse;
use crate::token::RequestToken;
use ::axum::body::Body;

/// Where there is no [`CancelLayer`](crate::CancelLayer) round the handler, which is a mistake of the program's, the request is
/// answered with 500.
impl<S: Sync> FromRequestParts<S> for RequestToken {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        match parts.extensions.get::<Self>() {
            Some(token) => Ok(token.clone()),
            None => Err((
                StatusCode::INTERNAL_SERVER_ERROR,
                "a handler takes a `RequestToken`, and there is no `CancelLayer` round its route",
            )),
        }
    }
}

impl IntoResponse for CancelledResponse {
    fn into_response(self) -> Response {
        http::Response::from(self).map(Body::from)
    }
}
