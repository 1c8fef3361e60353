//! `Canceller`: the settings, and where cancel requests go.

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cancelable::CancellationToken;
use futures_util::future::{Either, join_all, select};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{CancelToken, Config, NoTls};

use crate::address::Address;
use crate::error::{BadConfig, BoxError};
use crate::request::{SendRequest, Tls, request};
use crate::stream::CancelStream;

const GIVE_UP_AFTER: Duration = Duration::from_secs(5);

/// Between two requests for one query. The first may have overtaken its query; a query that does not listen is not to bury the
/// server in requests.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(250));

/// Cancels queries of one database, on connections of their own. One for the whole program: a clone is cheap.
///
/// ```no_run
/// use cancelable::cancelable;
/// use cancelable_postgres::{Canceller, Error};
/// use tokio_postgres::{Config, NoTls};
///
/// #[cancelable]
/// async fn count(config: &Config, canceller: &Canceller) -> Result<i64, Error> {
///     let (client, connection) = config.connect(NoTls).await?;
///     tokio::spawn(connection);
///     let mut client = canceller.wrap(client);
///     let row = client.query_one("SELECT count(*) FROM orders", &[]).await?;
///     Ok(row.get(0))
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config: Config = "host=localhost user=app dbname=shop".parse()?;
/// let canceller = Canceller::new(&config, NoTls)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Canceller {
    addresses: Arc<[Address]>,
    sender: Arc<dyn SendRequest>,
    pub(crate) give_up_after: Duration,
    pub(crate) has_statement_timeout: bool,
}

impl Canceller {
    /// For connections that are made with this configuration, and this TLS connector.
    ///
    /// tokio-postgres does not say which of several hosts a client is connected to, so a request goes to all of them, and to all
    /// addresses of a host's name. Those that do not know the client ignore it.
    ///
    /// # Errors
    ///
    /// The configuration names no host, or requires TLS and `tls` is [`NoTls`].
    pub fn new<T>(config: &Config, tls: T) -> Result<Self, BadConfig>
    where
        T: MakeTlsConnect<CancelStream> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<CancelStream>>::Future: Send,
    {
        if config.get_ssl_mode() == SslMode::Require && TypeId::of::<T>() == TypeId::of::<NoTls>() {
            return Err(BadConfig::NoTls);
        }
        Ok(Self {
            addresses: Address::all(config)?.into(),
            sender: Arc::new(Tls(tls)),
            give_up_after: GIVE_UP_AFTER,
            has_statement_timeout: true,
        })
    }

    /// How long a query may take to end once it is cancelled; 5 seconds, if nothing else is said. After that its connection is
    /// closed. `Duration::MAX` is no limit; zero closes it at once, and asks for nothing.
    #[must_use]
    pub fn give_up_after(mut self, limit: Duration) -> Self {
        self.give_up_after = limit;
        self
    }

    /// Whether the server is told the time that a query has, as its `statement_timeout`: it is, if nothing else is said. At least a
    /// second, for what takes the limit back has to run within it. Not behind a proxy that gives each transaction another server,
    /// such as pgbouncer with `pool_mode = transaction`.
    #[must_use]
    pub fn statement_timeout(mut self, is_set: bool) -> Self {
        self.has_statement_timeout = is_set;
        self
    }

    /// Sends requests for what runs on a connection until `over` is ready, and until the server has dealt with each of them.
    ///
    /// It must not be dropped while that connection is to be used again.
    pub(crate) async fn cancel_until<T>(
        &self,
        token: &CancelToken,
        over: impl Future<Output = T>,
        failed: &mut Option<BoxError>,
    ) -> T {
        let mut over = pin!(over);
        let (mut pause, longest) = PAUSES;
        loop {
            let stop = CancellationToken::new();
            let mut round = pin!(self.send_to_all(token, &stop));
            let output = match select(over.as_mut(), round.as_mut()).await {
                Either::Left((output, _)) => {
                    stop.cancel();
                    *failed = round.await.err();
                    output
                }
                Either::Right((sent, _)) => {
                    *failed = sent.err();
                    match select(over.as_mut(), pin!(cancelable::sleep(pause))).await {
                        Either::Left((output, _)) => output,
                        Either::Right(_) => {
                            pause = (pause * 2).min(longest);
                            continue;
                        }
                    }
                }
            };
            return output;
        }
    }

    /// An error if no address took it.
    async fn send_to_all(&self, token: &CancelToken, stop: &CancellationToken) -> Result<(), BoxError> {
        let each = join_all(self.addresses.iter().map(async |address| {
            let Some(found) = stop.run_until_cancelled(address.resolve()).await else {
                return vec![];
            };
            match found {
                Ok(found) => join_all(found.iter().map(|one| request(&*self.sender, token, one, stop))).await,
                Err(error) => vec![Err(error.into())],
            }
        }));
        let mut failed = None;
        for sent in each.await.into_iter().flatten() {
            match sent {
                Ok(()) => return Ok(()),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller")
            .field("addresses", &self.addresses)
            .field("give_up_after", &self.give_up_after)
            .field("statement_timeout", &self.has_statement_timeout)
            .finish_non_exhaustive()
    }
}
