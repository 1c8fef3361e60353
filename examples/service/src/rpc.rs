//! The back end's one call, between the two processes: what `tonic-prost-build` makes of this, written by hand, so that nothing has to
//! be generated.
//!
//! ```proto
//! package service;
//!
//! message Time { uint64 millis = 1; }
//! message Done {}
//!
//! service Backend {
//!   rpc Wait(Time) returns (Done);                  // has the database wait so long
//! }
//! ```

use std::convert::Infallible;
use std::future::Future;
use std::task::{Context, Poll};

use axum::http;
use axum::http::uri::PathAndQuery;
use cancelable_tonic::ClientService;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, StdError};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

const WAIT: &str = "/service.Backend/Wait";

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Time {
    #[prost(uint64, tag = "1")]
    pub(crate) millis: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Done {}

/// The front's end of it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct BackendClient(tonic::client::Grpc<ClientService<Channel>>);

impl BackendClient {
    pub(crate) fn new(channel: ClientService<Channel>) -> Self {
        Self(tonic::client::Grpc::new(channel))
    }

    pub(crate) async fn wait(&mut self, time: Time) -> Result<Done, Status> {
        self.0.ready().await?;
        let path = PathAndQuery::from_static(WAIT);
        let answer = self.0.unary(Request::new(time), path, ProstCodec::default()).await?;
        Ok(answer.into_inner())
    }
}

/// What the back end does.
pub(crate) trait Backend: Clone + Send + Sync + 'static {
    fn wait(self, time: Time) -> impl Future<Output = Result<Done, Status>> + Send;
}

/// Its calls as a service.
#[derive(Clone)]
pub(crate) struct BackendServer<T>(pub(crate) T);

impl<T> NamedService for BackendServer<T> {
    const NAME: &'static str = "service.Backend";
}

struct Wait<T>(T);

impl<T: Backend> UnaryService<Time> for Wait<T> {
    type Response = Done;
    type Future = BoxFuture<Response<Done>, Status>;

    fn call(&mut self, request: Request<Time>) -> Self::Future {
        let backend = self.0.clone();
        Box::pin(async move { Ok(Response::new(backend.wait(request.into_inner()).await?)) })
    }
}

impl<T, B> Service<http::Request<B>> for BackendServer<T>
where
    T: Backend,
    B: tonic::codegen::Body<Error: Into<StdError> + Send + 'static> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let wait = Wait(self.0.clone());
        Box::pin(async move {
            Ok(match request.uri().path() {
                WAIT => {
                    tonic::server::Grpc::new(ProstCodec::default())
                        .unary(wait, request)
                        .await
                }
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}
