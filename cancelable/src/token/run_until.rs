//! Running a future until a token is cancelled: tokio-util's way, which drops the future.

use std::borrow::Borrow;
use std::future::Future;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, ready};

use super::handle::CancellationToken;
use crate::starved::Starved;

impl CancellationToken {
    /// Runs `f` until it is done (`Some`) or the token is cancelled (`None`, and `f` is dropped where it stands).
    ///
    /// `f` goes first: if it is ready, its output counts, also if the token was cancelled meanwhile. If the token is
    /// cancelled when this is first polled, `f` is not polled at all.
    ///
    /// To let `f` notice the cancel and clean up, give it a [scope](crate::Scope) instead.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as `f` is.
    pub async fn run_until_cancelled<F: Future>(&self, f: F) -> Option<F::Output> {
        run_until(self, f).await
    }

    /// As [`run_until_cancelled`](Self::run_until_cancelled), for a future that has to own its token.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as `f` is.
    pub async fn run_until_cancelled_owned<F: Future>(self, f: F) -> Option<F::Output> {
        run_until(self, f).await
    }
}

async fn run_until<F: Future>(token: impl Borrow<CancellationToken>, f: F) -> Option<F::Output> {
    let token = token.borrow();
    if token.is_cancelled() {
        return None;
    }
    let mut f = pin!(f);
    let mut cancelled = pin!(token.cancelled());
    let mut put_off = 0;
    poll_fn(|cx| {
        let mut starved = Starved::before();
        if let Poll::Ready(output) = f.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        ready!(cancelled.as_mut().poll(cx));
        if let Poll::Ready(output) = starved.ask(f.as_mut(), cx) {
            return Poll::Ready(Some(output));
        }
        match starved.puts_off(put_off, cx) {
            None => Poll::Ready(None),
            Some(polls) => {
                put_off = polls;
                Poll::Pending
            }
        }
    })
    .await
}
