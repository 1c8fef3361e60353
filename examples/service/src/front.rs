//! What clients ask: each route in a scope of its own, opened by the layer.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cancelable::{Cancelled, cancelable};
use cancelable_tower::{CancelLayer, OnDisconnect};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::backend::Remote;
use crate::database::Database;
use crate::error::Error;
use crate::operations;
use crate::stats::Stats;

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) database: Database,
    /// Of another process, if there is one.
    pub(crate) backend: Option<Remote>,
    pub(crate) stats: Stats,
}

/// The routes. Those that work are within the layer, the only place that opens the scope of a request.
pub(crate) fn router(front: Front, layer: CancelLayer) -> Router {
    let layer = layer.on_disconnect_by(|request| match request.uri.path() {
        path if path.starts_with("/detached/") => OnDisconnect::Detach,
        _ => OnDisconnect::Cancel,
    });
    Router::new()
        .route("/primes/{n}", get(primes))
        .route("/rows/{n}", get(rows))
        .route("/slow/{ms}", get(slow))
        .route("/detached/{ms}", get(detached))
        .route_layer(layer)
        .with_state(front.clone())
        .merge(operations::router(front.stats))
}

/// How many primes lie below n, counted by a worker.
#[cancelable]
async fn primes(State(front): State<Front>, Path(n): Path<u64>) -> Result<String, Error> {
    let work = move || front.stats.worker(|| count_primes(n));
    let found = cancelable::tokio::spawn_blocking(work).await??;
    Ok(format!("{found}\n"))
}

#[cancelable]
fn count_primes(below: u64) -> Result<u64, Cancelled> {
    let mut found = 0;
    for n in 2..below {
        let mut d = 2;
        while d * d <= n && n % d != 0 {
            d += 1;
        }
        found += u64::from(d * d > n);
    }
    Ok(found)
}

/// n lines from the database, as they come.
#[cancelable]
async fn rows(State(front): State<Front>, Path(n): Path<u32>) -> Result<Response, Error> {
    let (sender, mut lines) = mpsc::channel(1);
    // Of the request's scope, which goes on until the end of the body.
    let query = cancelable::tokio::spawn(async move { front.database.rows(n, sender).await });
    // What goes wrong before the first line is a status.
    let Some(first) = lines.recv().await else {
        query.await??;
        return Ok(().into_response());
    };
    let rest = stream::unfold(lines, async |mut lines| Some((lines.recv().await?, lines)));
    let lines = stream::iter([first]).chain(rest);
    Ok(Body::from_stream(complete(lines, query)).into_response())
}

/// The lines, and, if the query failed behind some of them, an error, so that the client does not take them for all.
fn complete(
    lines: impl Stream<Item = Bytes> + Send,
    query: JoinHandle<Result<(), Error>>,
) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    let end = stream::once(query).filter_map(async |ended| match ended {
        Ok(Ok(())) => None,
        // The request's scope is over, and the layer cuts the body here. An error would say that the body has failed by itself.
        Ok(Err(Error::Cancelled(_))) => std::future::pending().await,
        Ok(Err(error)) => Some(Err(error)),
        Err(error) => Some(Err(error.into())),
    });
    lines.map(Ok).chain(end)
}

/// A query that takes its time, of the back end.
#[cancelable]
async fn slow(State(front): State<Front>, Path(ms): Path<u64>) -> Result<&'static str, Error> {
    let time = Duration::from_millis(ms);
    match &front.backend {
        Some(backend) => backend.wait(time).await?,
        None => front.database.wait(time).await?,
    }
    Ok("done\n")
}

/// One of this process, which goes on when the client leaves: what is accepted is done.
#[cancelable]
async fn detached(State(front): State<Front>, Path(ms): Path<u64>) -> Result<&'static str, Error> {
    front.database.wait(Duration::from_millis(ms)).await?;
    Ok("done\n")
}
