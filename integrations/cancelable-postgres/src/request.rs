//! One cancel request: it is over when the server has closed its connection.

use std::future::Future;
use std::pin::Pin;

use cancelable::CancellationToken;
use tokio::io::AsyncReadExt as _;
use tokio_postgres::CancelToken;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};

use crate::address::Address;
use crate::error::BoxError;
use crate::stream::CancelStream;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends a cancel request over a stream that is connected: a TLS connector, whichever it is.
pub(crate) trait SendRequest: Send + Sync {
    fn send<'a>(
        &'a self,
        token: &'a CancelToken,
        stream: CancelStream,
        hostname: &'a str,
    ) -> BoxFuture<'a, Result<(), BoxError>>;
}

pub(crate) struct Tls<T>(pub(crate) T);

impl<T> SendRequest for Tls<T>
where
    T: MakeTlsConnect<CancelStream> + Clone + Send + Sync,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<CancelStream>>::Future: Send,
{
    fn send<'a>(
        &'a self,
        token: &'a CancelToken,
        stream: CancelStream,
        hostname: &'a str,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            let tls = self.0.clone().make_tls_connect(hostname).map_err(Into::into)?;
            Ok(token.cancel_query_raw(stream, tls).await?)
        })
    }
}

/// Sends one, and waits until the server has closed the connection. By then it has sent its signal: the query that ran is hit, or
/// none is. Once `stop` is cancelled, a request that has not got as far as a connection is given up.
///
/// It must not be dropped while the query's connection is to be used again: what was sent may be on its way.
pub(crate) async fn request(
    sender: &dyn SendRequest,
    token: &CancelToken,
    address: &Address,
    stop: &CancellationToken,
) -> Result<(), BoxError> {
    let Some(socket) = stop.run_until_cancelled(address.connect()).await else {
        return Ok(());
    };
    let (stream, returned) = CancelStream::new(socket?);
    let sent = sender.send(token, stream, &address.hostname).await;
    // Also after an error: the server may have closed the connection before it was shut down at this end.
    if let Ok(mut socket) = returned.await {
        let mut rest = [0; 64];
        while socket.read(&mut rest).await.is_ok_and(|n| n != 0) {}
    }
    sent
}
