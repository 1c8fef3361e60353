//! The same service three times: without cancellation, with tokens and `select!` by hand, and with the layer.

use std::hint::black_box;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::task::yield_now;

/// How long a request may take, where that is limited.
const LIMIT: Duration = Duration::from_secs(30);

/// So many pieces has the work of a request, some 30 microseconds in all.
const PIECES: u64 = 64;

/// A piece of the work: half a microsecond.
#[inline(never)]
fn piece(mut sum: u64) -> u64 {
    for n in 0..black_box(350) {
        sum = (sum ^ n).wrapping_mul(0x0100_0000_01b3);
    }
    sum
}

/// As of a cache: it is there at once.
async fn looked_up() -> u64 {
    black_box(0xcbf2_9ce4_8422_2325)
}

/// As of a database: it is there when others have had their turn.
async fn fetched(sum: u64) -> u64 {
    yield_now().await;
    sum.rotate_left(7)
}

fn text(sum: u64) -> String {
    format!("{sum:x}\n")
}

/// Without cancellation.
pub(crate) fn plain() -> Router {
    async fn work() -> String {
        let mut sum = looked_up().await;
        sum = fetched(sum).await;
        for _ in 0..PIECES {
            sum = piece(sum);
        }
        text(fetched(sum).await)
    }

    Router::new()
        .route("/hello", get(async || "hello\n"))
        .route("/work", get(work))
}

/// What one writes without this library: a token for each request below that of the service, a guard that cancels it when the client has
/// left and the server drops the response, a timeout round it, and in the handler a `select!` for each await, and a question for each
/// iteration.
pub(crate) fn by_hand() -> Router {
    use axum::extract::{Extension, Request, State};
    use axum::http::StatusCode;
    use axum::middleware::{Next, from_fn_with_state};
    use axum::response::{IntoResponse as _, Response};
    use tokio_util::sync::CancellationToken;

    /// Of nobody's interest, for the client has left.
    const LEFT: StatusCode = StatusCode::REQUEST_TIMEOUT;

    async fn token_of_its_own(State(service): State<CancellationToken>, mut request: Request, next: Next) -> Response {
        let token = service.child_token();
        let _guard = token.clone().drop_guard();
        request.extensions_mut().insert(token);
        tokio::select! {
            biased;
            response = next.run(request) => response,
            () = tokio::time::sleep(LIMIT) => StatusCode::GATEWAY_TIMEOUT.into_response(),
        }
    }

    async fn work(Extension(token): Extension<CancellationToken>) -> Result<String, StatusCode> {
        let mut sum = tokio::select! {
            biased;
            () = token.cancelled() => return Err(LEFT),
            sum = looked_up() => sum,
        };
        sum = tokio::select! {
            biased;
            () = token.cancelled() => return Err(LEFT),
            sum = fetched(sum) => sum,
        };
        for _ in 0..PIECES {
            if token.is_cancelled() {
                return Err(LEFT);
            }
            sum = piece(sum);
        }
        sum = tokio::select! {
            biased;
            () = token.cancelled() => return Err(LEFT),
            sum = fetched(sum) => sum,
        };
        Ok(text(sum))
    }

    Router::new()
        .route("/hello", get(async || "hello\n"))
        .route("/work", get(work))
        .route_layer(from_fn_with_state(CancellationToken::new(), token_of_its_own))
}

/// The layer, and a handler with the attribute.
pub(crate) fn ours() -> Router {
    use cancelable::cancelable;
    use cancelable_tower::{CancelLayer, CancelledResponse};

    #[cancelable]
    async fn work() -> Result<String, CancelledResponse> {
        let mut sum = looked_up().await;
        sum = fetched(sum).await;
        for _ in 0..PIECES {
            sum = piece(sum);
        }
        Ok(text(fetched(sum).await))
    }

    Router::new()
        .route("/hello", get(async || "hello\n"))
        .route("/work", get(work))
        .route_layer(CancelLayer::new().timeout(LIMIT))
}
