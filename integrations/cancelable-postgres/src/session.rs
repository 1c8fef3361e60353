//! `Session`: what runs one query at a time on a connection, and ends it.

use std::convert::Infallible;
use std::future::{Future, Pending, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use cancelable::{Guard, guard, remaining, shield};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_postgres::Error as PgError;
use tokio_postgres::error::SqlState;

use crate::canceller::Canceller;
use crate::connection::Connection;
use crate::error::Error;
use crate::settle::{Ending, settle};
use crate::shared::{Barrier, Shared, Unsettled};
use crate::timeout::StatementTimeout;

/// Fails when the scope is cancelled; a check point of the line that it was made in.
pub(crate) type Listener = Guard<Pending<Infallible>>;

#[track_caller]
pub(crate) fn listen() -> Listener {
    guard(pending())
}

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A query: the server is told how much time there is.
    Query,
    /// What begins a transaction. It is told as well, before that.
    Begin,
    /// Statements that may begin or end a transaction. The server is not told: a rollback would bring the setting back.
    Text,
    /// The same, of which it is not known what it leaves behind.
    Several,
    /// A query after whose failure the server may have said once more than expected that it is ready: that is found out.
    CopyIn,
}

/// One connection, with what is known of it.
pub(crate) struct Session<C: Connection> {
    shared: Arc<Shared<C>>,
    /// The clean-up behind an earlier query. Nothing is sent before it is over.
    settling: Option<JoinHandle<bool>>,
    /// The depth of savepoints, from 1.
    pub(crate) transactions: u32,
    /// A query in the transaction has been cancelled or dropped, so the server may have given it up.
    pub(crate) may_have_failed: bool,
    /// What the server has been told.
    timeout: Option<StatementTimeout>,
    /// It does not count any more in this transaction.
    is_lifted: bool,
    /// Nothing has been sent that nobody has waited for, so nothing is hit but what is sent next.
    is_quiet: bool,
}

impl<C: Connection> Session<C> {
    pub(crate) fn new(connection: C, canceller: Canceller) -> Self {
        Self {
            shared: Arc::new(Shared::new(connection, canceller, Handle::current())),
            settling: None,
            transactions: 0,
            may_have_failed: false,
            timeout: None,
            is_lifted: false,
            // It may be a pool's.
            is_quiet: false,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<C>> {
        &self.shared
    }

    /// Until the clean-up is over. Dropped, it goes on.
    pub(crate) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(settling) = &mut self.settling {
            // An error: its runtime is gone, and the connection is unsettled.
            let _ = ready!(Pin::new(settling).poll(cx));
            self.settling = None;
        }
        Poll::Ready(())
    }

    /// A transaction, or a savepoint, is at its end, which nobody has seen to unless it `is_done`.
    pub(crate) fn end(&mut self, is_done: bool, rollback: String) {
        if !is_done {
            self.send(rollback);
        }
        self.transactions = self.transactions.saturating_sub(1);
        self.may_have_failed = false;
        self.is_lifted = false;
    }

    /// Sends a statement that nobody waits for; at once, or after the clean-up, which might hit it.
    fn send(&mut self, statement: String) {
        let Some(settling) = self.settling.take() else {
            self.is_quiet = false;
            return self.shared.send(&statement);
        };
        let unsettled = Unsettled::new(&self.shared);
        self.settling = Some(self.shared.runtime.spawn(async move {
            let is_settled = settling.await.unwrap_or(false);
            let is_done = is_settled && unsettled.shared().client().batch_execute(&statement).await.is_ok();
            if is_done {
                unsettled.settled();
            }
            is_done
        }));
    }

    /// What has to be sent before a query, so that the server knows how much time that has, or nothing any more.
    fn tell(&mut self, kind: Kind) -> Option<String> {
        let wanted = remaining()
            .filter(|_| self.shared.canceller.has_statement_timeout)
            .and_then(StatementTimeout::new);
        if self.transactions > 0 {
            // It has the time that there was at its beginning. If that is too short, it has none.
            let is_short = self
                .timeout
                .is_some_and(|told| wanted.is_none_or(|wanted| told < wanted));
            let lifts = is_short && !self.is_lifted;
            self.is_lifted |= lifts;
            return lifts.then(|| StatementTimeout::LIFT.to_owned());
        }
        let wanted = wanted.filter(|_| matches!(kind, Kind::Query | Kind::Begin | Kind::CopyIn));
        match (self.timeout, wanted) {
            (None, None) => return None,
            (Some(told), Some(wanted)) if told.serves(wanted) => return None,
            _ => {}
        }
        let put_back = self.timeout.map(StatementTimeout::put_back);
        let set = wanted.map(StatementTimeout::set);
        self.timeout = wanted;
        Some(put_back.unwrap_or_default() + &set.unwrap_or_default())
    }

    /// Runs a query to its end. If that is a success, it is one, cancelled or not.
    pub(crate) async fn run<T>(
        &mut self,
        kind: Kind,
        listener: Listener,
        work: impl Future<Output = Result<T, PgError>>,
    ) -> Result<T, Error> {
        let (value, in_use) = self.drive(kind, pin!(listener), work, Some).await?;
        if let Some(in_use) = in_use {
            in_use.finish(true);
        }
        Ok(value)
    }

    /// Begins a query, whose answer is a stream.
    pub(crate) async fn begin<S>(
        &mut self,
        kind: Kind,
        listener: Pin<&mut Listener>,
        work: impl Future<Output = Result<S, PgError>>,
    ) -> Result<(S, InUse<'_, C>), Error> {
        // Cancelled, the stream is dropped: nobody reads it, and what comes behind it would not be read either.
        let (stream, in_use) = self.drive(kind, listener, work, |_| None).await?;
        match in_use {
            Some(in_use) => Ok((stream, in_use)),
            None => unreachable!("what is not kept is no success"),
        }
    }

    async fn drive<T>(
        &mut self,
        kind: Kind,
        mut listener: Pin<&mut Listener>,
        work: impl Future<Output = Result<T, PgError>>,
        keep: impl FnOnce(T) -> Option<T>,
    ) -> Result<(T, Option<InUse<'_, C>>), Error> {
        poll_fn(|cx| match listener.as_mut().poll(cx) {
            Poll::Ready(Err(cancelled)) => Poll::Ready(Err(cancelled)),
            _ => self.poll_settled(cx).map(Ok),
        })
        .await?;
        if !self.shared.is_settled() {
            return Err(Error::Closed);
        }
        InUse::new(self, kind).drive(listener, work, keep).await
    }
}

impl<C: Connection> Drop for Session<C> {
    fn drop(&mut self) {
        if let Some(timeout) = self.timeout {
            self.send(timeout.put_back());
        }
    }
}

fn is_cancel(error: &PgError) -> bool {
    error.code() == Some(&SqlState::QUERY_CANCELED)
}

/// An error of the server's; or, if that has ended the query because its time was up, the cancel that comes at the same moment.
async fn why(error: PgError, is_timed: bool, listener: Pin<&mut Listener>) -> Error {
    if !is_timed || !is_time_up(&error) {
        return error.into();
    }
    let Err(cancelled) = listener.await;
    cancelled.into()
}

/// Has the server ended it, and the scope is to end right now?
pub(crate) fn is_time_up(error: &PgError) -> bool {
    is_cancel(error) && remaining().is_some_and(|left| left.is_zero())
}

/// A query runs on a connection. Dropped before it has finished, it is ended by a task.
pub(crate) struct InUse<'a, C: Connection> {
    // `None` once it has finished, or its end is a task's.
    used: Option<Used<'a, C>>,
}

struct Used<'a, C: Connection> {
    session: &'a mut Session<C>,
    unsettled: Unsettled<C>,
    barrier: Option<Barrier>,
    kind: Kind,
}

impl<'a, C: Connection> InUse<'a, C> {
    /// Runs a query, or the rest of one, until it is over, or cancelled and over; then it is in use no more. What is done in spite
    /// of a cancel is asked whether it is kept.
    pub(crate) async fn drive<T>(
        mut self,
        mut listener: Pin<&mut Listener>,
        work: impl Future<Output = Result<T, PgError>>,
        keep: impl FnOnce(T) -> Option<T>,
    ) -> Result<(T, Option<Self>), Error> {
        // Dropped before `self`: the clean-up comes last.
        let mut work = pin!(work);
        let ended = poll_fn(|cx| {
            self.poll_barrier(cx);
            if let Poll::Ready(result) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(result));
            }
            match listener.as_mut().poll(cx) {
                Poll::Ready(Err(cancelled)) => Poll::Ready(Err(cancelled)),
                _ => Poll::Pending,
            }
        })
        .await;
        let cancelled = match ended {
            Ok(Ok(value)) => return Ok((value, Some(self))),
            Ok(Err(error)) => {
                let is_timed = self.is_timed();
                self.finish(false);
                return Err(why(error, is_timed, listener).await);
            }
            Err(cancelled) => cancelled,
        };
        let (session, running) = self.settle();
        // It goes on, to tell what has become of it, unless the connection is given up.
        let ended = shield(poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => session.poll_settled(cx).map(|()| None),
        }))
        .await;
        let ended = match ended {
            Some(Ok(value)) => keep(value).map(Ok),
            Some(Err(error)) if !is_cancel(&error) => Some(Err(error)),
            _ => None,
        };
        drop(running);
        shield(poll_fn(|cx| session.poll_settled(cx))).await;
        match ended {
            Some(Ok(value)) => Ok((value, None)),
            Some(Err(error)) if session.shared.is_settled() => Err(error.into()),
            _ => Err(cancelled.into()),
        }
    }

    fn new(session: &'a mut Session<C>, kind: Kind) -> Self {
        let statement = session.tell(kind);
        let shared = &session.shared;
        let needs_barrier = statement.is_some() || !session.is_quiet;
        let used = Used {
            unsettled: Unsettled::new(shared),
            barrier: needs_barrier.then(|| shared.barrier(statement)),
            kind,
            session,
        };
        used.session.is_quiet = false;
        Self { used: Some(used) }
    }

    pub(crate) fn shared(&self) -> Option<Arc<Shared<C>>> {
        self.used.as_ref().map(|used| Arc::clone(used.session.shared()))
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.used.as_ref().is_some_and(|used| used.session.timeout.is_some())
    }

    /// Sends it, first of all; and then reads its answer, for who does not read holds up the connection.
    pub(crate) fn poll_barrier(&mut self, cx: &mut Context<'_>) {
        if let Some(used) = &mut self.used {
            if let Some(barrier) = &mut used.barrier {
                if barrier.as_mut().poll(cx).is_ready() {
                    used.barrier = None;
                }
            }
        }
    }

    /// The answer is here; all of it?
    pub(crate) fn finish(mut self, is_complete: bool) {
        let Some(used) = self.used.take() else {
            return;
        };
        if !is_complete && used.kind == Kind::CopyIn {
            used.settle(Ending::ByItself);
            return;
        }
        used.session.is_quiet = is_complete && used.kind != Kind::Several;
        used.unsettled.settled();
    }

    /// Has a task end it, which goes on until what is returned is dropped, and after that.
    pub(crate) fn settle(mut self) -> (&'a mut Session<C>, oneshot::Sender<Infallible>) {
        match self.used.take() {
            Some(used) => used.settle(Ending::Cancelled),
            None => unreachable!("only this, `finish` and its destructor take it"),
        }
    }
}

impl<'a, C: Connection> Used<'a, C> {
    fn settle(self, ending: Ending) -> (&'a mut Session<C>, oneshot::Sender<Infallible>) {
        let (running, gone) = oneshot::channel();
        let session = self.session;
        // In a transaction, what puts it back would be undone with that.
        let is_outside = session.transactions == 0 && self.kind != Kind::Begin;
        let timeout = if is_outside { session.timeout.take() } else { None };
        let task = settle(self.unsettled, ending, self.barrier, gone, timeout);
        session.settling = Some(session.shared.runtime.spawn(task));
        session.may_have_failed |= ending == Ending::Cancelled && session.transactions > 0;
        (session, running)
    }
}

impl<C: Connection> Drop for InUse<'_, C> {
    fn drop(&mut self) {
        if let Some(used) = self.used.take() {
            used.settle(Ending::Cancelled);
        }
    }
}
