//! Rows and `COPY` data on their way.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use cancelable::Cancelled;
use futures_util::{Sink, Stream};
use tokio_postgres::{Error as PgError, Row};

use crate::connection::Connection;
use crate::error::Error;
use crate::session::{InUse, Kind, Listener, Session, is_time_up};

/// A stream or sink of tokio-postgres, with the connection that it is on.
struct Ongoing<'a, C: Connection, S> {
    // `None` once it is over. Dropped before the connection is given up: who does not read holds that up.
    inner: Option<Pin<Box<S>>>,
    listener: Pin<Box<Listener>>,
    stage: Stage<'a, C>,
}

enum Stage<'a, C: Connection> {
    Running(InUse<'a, C>),
    Settling(&'a mut Session<C>, Cancelled),
    /// The server has ended it at the deadline, which comes here at the same moment.
    TimedOut,
    Over,
}

impl<'a, C: Connection, S> Ongoing<'a, C, S> {
    async fn begin(
        kind: Kind,
        session: &'a mut Session<C>,
        listener: Listener,
        work: impl Future<Output = Result<S, PgError>>,
    ) -> Result<Self, Error> {
        let mut listener = Box::pin(listener);
        let (inner, in_use) = session.begin(kind, listener.as_mut(), work).await?;
        Ok(Self {
            inner: Some(Box::pin(inner)),
            listener,
            stage: Stage::Running(in_use),
        })
    }

    /// Asks the stream or sink for something. `None`: it is over, and the cancel has been told.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<Result<T, PgError>>,
    ) -> Poll<Option<Result<T, Error>>> {
        if let (Stage::Running(in_use), Some(inner)) = (&mut self.stage, &mut self.inner) {
            in_use.poll_barrier(cx);
            match ask(inner.as_mut(), cx) {
                Poll::Ready(Ok(value)) => return Poll::Ready(Some(Ok(value))),
                Poll::Ready(Err(error)) => {
                    let is_time_up = in_use.is_timed() && is_time_up(&error);
                    self.finish(false);
                    if !is_time_up {
                        return Poll::Ready(Some(Err(error.into())));
                    }
                    self.stage = Stage::TimedOut;
                }
                Poll::Pending => {
                    let Err(cancelled) = ready!(self.listener.as_mut().poll(cx));
                    self.inner = None;
                    if let Stage::Running(in_use) = mem::replace(&mut self.stage, Stage::Over) {
                        self.stage = Stage::Settling(in_use.settle().0, cancelled);
                    }
                }
            }
        }
        if let Stage::Settling(session, _) = &mut self.stage {
            ready!(session.poll_settled(cx));
        }
        if let Stage::TimedOut = self.stage {
            let Err(cancelled) = ready!(self.listener.as_mut().poll(cx));
            self.stage = Stage::Over;
            return Poll::Ready(Some(Err(cancelled.into())));
        }
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Settling(_, cancelled) => Poll::Ready(Some(Err(cancelled.into()))),
            _ => Poll::Ready(None),
        }
    }

    fn finish(&mut self, is_complete: bool) {
        self.inner = None;
        if let Stage::Running(in_use) = mem::replace(&mut self.stage, Stage::Over) {
            in_use.finish(is_complete);
        }
    }
}

impl<C: Connection, S> Ongoing<'_, C, S> {
    /// Is its end that of the answer?
    fn poll_next<T>(&mut self, cx: &mut Context<'_>, is_complete: bool) -> Poll<Option<Result<T, Error>>>
    where
        S: Stream<Item = Result<T, PgError>>,
    {
        let item = ready!(self.poll(cx, |stream, cx| stream.poll_next(cx).map(Option::transpose)));
        if let Some(Ok(None)) = item {
            self.finish(is_complete);
        }
        Poll::Ready(item.and_then(Result::transpose))
    }
}

macro_rules! stream {
    ($(#[$doc:meta])* $name:ident of $item:ty, $is_complete:literal) => {
        $(#[$doc])*
        ///
        /// A pending item is a check point of the line that began it: an error, once the server has ended the query. After that
        /// there are no more items.
        #[must_use = "streams do nothing unless polled"]
        pub struct $name<'a, C: Connection>(Ongoing<'a, C, tokio_postgres::$name>);

        impl<'a, C: Connection> $name<'a, C> {
            pub(crate) async fn begin(
                session: &'a mut Session<C>,
                listener: Listener,
                work: impl Future<Output = Result<tokio_postgres::$name, PgError>>,
            ) -> Result<Self, Error> {
                Ok(Self(Ongoing::begin(Kind::Query, session, listener, work).await?))
            }
        }

        impl<C: Connection> Stream for $name<'_, C> {
            type Item = Result<$item, Error>;

            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                self.0.poll_next(cx, $is_complete)
            }
        }

        impl<C: Connection> fmt::Debug for $name<'_, C> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

stream! {
    /// The rows of a query, as [`tokio_postgres::RowStream`].
    RowStream of Row, true
}

stream! {
    /// The data of a `COPY … TO STDOUT`, as [`tokio_postgres::CopyOutStream`].
    CopyOutStream of Bytes, false
}

/// The data for a `COPY … FROM STDIN`, as [`tokio_postgres::CopyInSink`]. Nothing is stored unless it is [finished](Self::finish), or
/// closed.
///
/// A pending operation is a check point of the line that began the `COPY`.
#[must_use = "sinks do nothing unless polled"]
pub struct CopyInSink<'a, C: Connection, U: Buf + Send + 'static>(Ongoing<'a, C, tokio_postgres::CopyInSink<U>>);

impl<'a, C: Connection, U: Buf + Send + 'static> CopyInSink<'a, C, U> {
    pub(crate) async fn begin(
        session: &'a mut Session<C>,
        listener: Listener,
        work: impl Future<Output = Result<tokio_postgres::CopyInSink<U>, PgError>>,
    ) -> Result<Self, Error> {
        Ok(Self(Ongoing::begin(Kind::CopyIn, session, listener, work).await?))
    }

    /// Ends the `COPY`, and returns the number of rows that it has stored.
    ///
    /// Here that is known, cancelled or not; and so is an error that comes with the end of the `COPY`'s own transaction, such as that of
    /// a deferred constraint, which `finish` of tokio-postgres does not wait for.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] if the scope is cancelled first, or what the server says: nothing is stored.
    pub async fn finish(mut self) -> Result<u64, Error> {
        let Ongoing { inner, listener, stage } = &mut self.0;
        let (Some(mut sink), Stage::Running(in_use)) = (inner.take(), mem::replace(stage, Stage::Over)) else {
            return Err(Error::Closed);
        };
        let shared = in_use.shared();
        let stored = async move {
            let rows = poll_fn(|cx| sink.as_mut().poll_finish(cx)).await?;
            // Its transaction ends behind that. The server says that it is ready, which tokio-postgres does not expect here, or
            // what has gone wrong.
            match poll_fn(|cx| sink.as_mut().poll_finish(cx)).await {
                Err(error)
                    if error.as_db_error().is_some() || shared.is_some_and(|shared| shared.client().is_closed()) =>
                {
                    Err(error)
                }
                _ => Ok(rows),
            }
        };
        let (rows, in_use) = in_use.drive(listener.as_mut(), stored, Some).await?;
        if let Some(in_use) = in_use {
            in_use.finish(true);
        }
        Ok(rows)
    }

    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(Pin<&mut tokio_postgres::CopyInSink<U>>, &mut Context<'_>) -> Poll<Result<T, PgError>>,
    ) -> Poll<Result<T, Error>> {
        // Asked again after its end.
        self.0.poll(cx, ask).map(|answer| answer.unwrap_or(Err(Error::Closed)))
    }
}

impl<C: Connection, U: Buf + Send + 'static> Sink<U> for CopyInSink<'_, C, U> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(cx, |sink, cx| sink.poll_ready(cx))
    }

    fn start_send(mut self: Pin<&mut Self>, data: U) -> Result<(), Error> {
        match &mut self.0.inner {
            Some(sink) => Ok(sink.as_mut().start_send(data)?),
            None => Err(Error::Closed),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(cx, |sink, cx| sink.poll_flush(cx))
    }

    /// Ends the `COPY`. Cancelled meanwhile, it does not know whether that has stored anything; [`finish`](Self::finish) does.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll(cx, |sink, cx| sink.poll_close(cx)))?;
        self.0.finish(true);
        Poll::Ready(Ok(()))
    }
}

impl<C: Connection, U: Buf + Send + 'static> fmt::Debug for CopyInSink<'_, C, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyInSink").finish_non_exhaustive()
    }
}
