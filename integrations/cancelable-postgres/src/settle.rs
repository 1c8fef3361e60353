//! The end of a query that was cancelled, or dropped: the server has ended it, and nothing is on its way that could hit the next.

use std::convert::Infallible;

use cancelable::{Cancelled, Scope};
use tokio::sync::oneshot;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

use crate::connection::Connection;
use crate::error::BoxError;
use crate::shared::{Barrier, Shared, Unsettled};
use crate::timeout::StatementTimeout;

/// Is what runs to be cancelled, or is it ending by itself?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Cancelled,
    ByItself,
}

/// Ends what runs on a connection:
///
/// 1. What was sent before it is over (`barrier`): a rollback that nobody has waited for is not to be hit.
/// 2. Cancel requests are sent, one after the other, for one that overtakes its query does nothing; until whoever sends
///    queries has gone (`gone`), and an empty round trip behind them has come back.
/// 3. The server has closed the connections of all requests. It has sent its signals by then.
/// 4. One more round trip takes what signal there is, and puts the time limit back. The next query is not hit. And it gets its own
///    answer: of that round trip the answer is known.
///
/// If that takes too long, or the answer is another, the connection stays unsettled, and is closed. `false`: that was it.
///
/// It is a task of its own: whoever waits for it may be dropped, and this is not.
pub(crate) async fn settle<C: Connection>(
    unsettled: Unsettled<C>,
    ending: Ending,
    barrier: Option<Barrier>,
    gone: oneshot::Receiver<Infallible>,
    timeout: Option<StatementTimeout>,
) -> bool {
    let mut failed = None;
    let shared = unsettled.shared();
    let token = shared.client().cancel_token();
    let settled: Result<Result<(), BoxError>, Cancelled> = Scope::new()
        .detached()
        .timeout(shared.canceller.give_up_after)
        .run(async {
            if let Some(barrier) = barrier {
                barrier.await;
            }
            let over = async {
                let _ = gone.await;
                empty_round_trip(shared).await
            };
            let over = match ending {
                Ending::Cancelled => shared.canceller.cancel_until(&token, over, &mut failed).await,
                Ending::ByItself => over.await,
            };
            Ok(match over {
                Ok(()) => last_round_trip(shared, timeout).await,
                Err(error) => Err(error),
            })
        })
        .await;
    let why = match settled {
        Ok(Ok(())) => {
            unsettled.settled();
            return true;
        }
        // It is closed already: nothing to tell.
        Ok(Err(_)) if shared.client().is_closed() => return false,
        Ok(Err(error)) => error,
        Err(_) => failed.unwrap_or_else(|| "the server did not answer in time".into()),
    };
    log::warn!("a query could not be ended in good order, and its connection is closed: {why}");
    false
}

/// A cancel may hit it.
async fn empty_round_trip<C: Connection>(shared: &Shared<C>) -> Result<(), BoxError> {
    match shared.client().check_connection().await {
        Err(error) if error.code() != Some(&SqlState::QUERY_CANCELED) => Err(error.into()),
        _ => Ok(()),
    }
}

/// A late cancel may hit it.
async fn last_round_trip<C: Connection>(shared: &Shared<C>, timeout: Option<StatementTimeout>) -> Result<(), BoxError> {
    let mut statements = timeout.map_or_else(String::new, StatementTimeout::put_back);
    statements.push_str("SELECT 1");
    loop {
        let error = match shared.client().simple_query(&statements).await {
            Ok(answer)
                if answer
                    .iter()
                    .any(|message| matches!(message, SimpleQueryMessage::Row(_))) =>
            {
                return Ok(());
            }
            // A `COPY … FROM STDIN` that fails before it has read anything ends twice, and tokio-postgres counts it once.
            Ok(_) => return Err("the server's answers come one late".into()),
            Err(error) => error,
        };
        match error.code() {
            Some(&SqlState::QUERY_CANCELED) => {}
            // An answer to this, and to nothing else.
            Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => return Ok(()),
            _ => return Err(error.into()),
        }
    }
}
