//! The back end: the gRPC service in its own process, and the front's way to it.

use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use cancelable::cancelable;
use cancelable_tonic::{CallError, ClientLayer, ServerLayer};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower_layer::Layer as _;

use crate::database::Database;
use crate::error::Error;
use crate::log::Format;
use crate::operations;
use crate::rpc::{Backend, BackendClient, BackendServer, Done, Time};
use crate::stats::Stats;

/// How long a connection to the back end may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How much of a request's time is kept back for the way there and back.
const MARGIN: Duration = Duration::from_millis(5);

/// The gRPC service, and over HTTP/1.1 `/health` and `/stats`, on one port.
pub(crate) fn router(database: Database, stats: Stats, layer: ServerLayer) -> Router {
    let service = layer.layer(BackendServer(Waiting(database)));
    Router::new()
        .route_service("/service.Backend/{method}", service)
        .merge(operations::router(stats))
}

#[derive(Clone)]
struct Waiting(Database);

impl Backend for Waiting {
    async fn wait(self, time: Time) -> Result<Done, Status> {
        let waited = self.0.wait(Duration::from_millis(time.millis)).await;
        match waited {
            Ok(()) => Ok(Done {}),
            Err(Error::Cancelled(cancelled)) => Err(CallError::from(cancelled).into()),
            Err(error) if error.is_unavailable() => Err(Status::unavailable(error.to_string())),
            Err(error) => Err(Status::internal(error.to_string())),
        }
    }
}

/// The back end of another process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Remote {
    client: BackendClient,
    log: Format,
}

impl Remote {
    /// It is connected to when it is first needed, and again whenever it has gone.
    pub(crate) fn new(at: &Uri, log: Format) -> Self {
        let channel: Channel = Endpoint::from(at.clone()).connect_timeout(CONNECT).connect_lazy();
        let client = BackendClient::new(ClientLayer::new().margin(MARGIN).layer(channel));
        Self { client, log }
    }

    /// Has the back end's database wait. Nothing here speaks of time limits or cancels: the layer does.
    #[cancelable]
    pub(crate) async fn wait(&self, time: Duration) -> Result<(), Error> {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let answer = self.client.clone().wait(Time { millis }).await;
        let Err(status) = answer else { return Ok(()) };
        if let Some(cancelled) = cancelable_tonic::cancelled(&status) {
            return Err(cancelled.clone().into());
        }
        if let Some(report) = cancelable_tonic::report(&status) {
            self.log.write_report(&report);
        }
        // Its time is ours, less what is kept back on the way; then it is for our own scope to say that the time is up.
        if status.code() == Code::DeadlineExceeded && cancelable::remaining().is_some_and(|left| left < 10 * MARGIN) {
            cancelable::current().cancelled().await;
            cancelable::check()?;
        }
        Err(status.into())
    }
}
