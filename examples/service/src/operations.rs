//! `/health` and `/stats`, of both processes. They are no work: no time limit, no scope, no line in the log.

use axum::routing::get;
use axum::{Json, Router};

use crate::stats::Stats;

pub(crate) fn router(stats: Stats) -> Router {
    let stats = move || async move { Json(stats.snapshot()) };
    Router::new()
        .route("/health", get(async || "ok\n"))
        .route("/stats", get(stats))
}
