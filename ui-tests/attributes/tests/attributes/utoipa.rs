//! `#[utoipa::path]`: either order, and it publishes what the user wrote.

use super::{run_async, turn};
use cancelable::{Cancelled, cancelable};
use utoipa::OpenApi;

/// Counts.
#[cancelable]
#[utoipa::path(get, path = "/first")]
async fn first() -> Result<String, Cancelled> {
    for n in 0..10 {
        turn(n);
    }
    Ok(String::new())
}

/// Counts.
#[utoipa::path(get, path = "/second")]
#[cancelable]
async fn second() -> Result<String, Cancelled> {
    for n in 0..10 {
        turn(n);
    }
    Ok(String::new())
}

#[derive(OpenApi)]
#[openapi(paths(first, second))]
struct Api;

#[test]
fn either_order() {
    assert!(run_async(first()).is_err());
    assert!(run_async(second()).is_err());
}

#[test]
fn what_is_published_is_what_was_written() {
    for (path, item) in Api::openapi().paths.paths {
        let operation = item.get.expect(&path);
        assert_eq!(operation.summary.as_deref(), Some("Counts."));
        assert_eq!(operation.description, None);
    }
}
