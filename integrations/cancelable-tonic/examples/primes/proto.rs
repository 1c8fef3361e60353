//! What `tonic-prost-build` makes of this, written by hand, so that nothing has to be generated:
//!
//! ```proto
//! package primes;
//!
//! message Number { uint64 value = 1; }
//!
//! service Primes {
//!   rpc Count(Number) returns (Number);             // how many primes there are below
//!   rpc List(Number) returns (stream Number);       // which
//!   rpc Sum(stream Number) returns (Number);
//! }
//! ```

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{BoxFuture, Bytes, Service, StdError, http};
use tonic::server::{ClientStreamingService, NamedService, ServerStreamingService, UnaryService};
use tonic::{IntoRequest, IntoStreamingRequest, Request, Response, Status, Streaming, async_trait};
use tonic_prost::ProstCodec;

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Number {
    #[prost(uint64, tag = "1")]
    pub(crate) value: u64,
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self { value }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct PrimesClient<T> {
    inner: Grpc<T>,
}

impl<T> PrimesClient<T>
where
    T: GrpcService<
            Body,
            ResponseBody: tonic::codegen::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        >,
{
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner: Grpc::new(inner),
        }
    }

    async fn ready(&mut self) -> Result<(), Status> {
        let ready = self.inner.ready().await;
        ready.map_err(|error| Status::unknown(format!("service was not ready: {}", error.into())))
    }

    pub(crate) async fn count(&mut self, request: impl IntoRequest<Number>) -> Result<Response<Number>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/primes.Primes/Count");
        self.inner
            .unary(request.into_request(), path, ProstCodec::default())
            .await
    }

    pub(crate) async fn list(
        &mut self,
        request: impl IntoRequest<Number>,
    ) -> Result<Response<Streaming<Number>>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/primes.Primes/List");
        self.inner
            .server_streaming(request.into_request(), path, ProstCodec::default())
            .await
    }

    pub(crate) async fn sum(
        &mut self,
        request: impl IntoStreamingRequest<Message = Number>,
    ) -> Result<Response<Number>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/primes.Primes/Sum");
        self.inner
            .client_streaming(request.into_streaming_request(), path, ProstCodec::default())
            .await
    }
}

pub(crate) type Numbers = Pin<Box<dyn tonic::codegen::tokio_stream::Stream<Item = Result<Number, Status>> + Send>>;

#[async_trait]
pub(crate) trait Primes: Send + Sync + 'static {
    async fn count(&self, request: Request<Number>) -> Result<Response<Number>, Status>;
    async fn list(&self, request: Request<Number>) -> Result<Response<Numbers>, Status>;
    async fn sum(&self, request: Request<Streaming<Number>>) -> Result<Response<Number>, Status>;
}

#[derive(Debug)]
pub(crate) struct PrimesServer<T> {
    inner: Arc<T>,
}

impl<T> PrimesServer<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl<T> Clone for PrimesServer<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<T> NamedService for PrimesServer<T> {
    const NAME: &'static str = "primes.Primes";
}

struct Method<T>(Arc<T>);

impl<T: Primes> UnaryService<Number> for Method<T> {
    type Response = Number;
    type Future = BoxFuture<Response<Number>, Status>;

    fn call(&mut self, request: Request<Number>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.count(request).await })
    }
}

impl<T: Primes> ServerStreamingService<Number> for Method<T> {
    type Response = Number;
    type ResponseStream = Numbers;
    type Future = BoxFuture<Response<Numbers>, Status>;

    fn call(&mut self, request: Request<Number>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.list(request).await })
    }
}

impl<T: Primes> ClientStreamingService<Number> for Method<T> {
    type Response = Number;
    type Future = BoxFuture<Response<Number>, Status>;

    fn call(&mut self, request: Request<Streaming<Number>>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.sum(request).await })
    }
}

impl<T, B> Service<http::Request<B>> for PrimesServer<T>
where
    T: Primes,
    B: tonic::codegen::Body<Error: Into<StdError> + Send + 'static> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let method = Method(Arc::clone(&self.inner));
        let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/primes.Primes/Count" => grpc.unary(method, request).await,
                "/primes.Primes/List" => grpc.server_streaming(method, request).await,
                "/primes.Primes/Sum" => grpc.client_streaming(method, request).await,
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}
