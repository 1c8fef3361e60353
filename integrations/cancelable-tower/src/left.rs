//! What goes on when its client has left: in tasks of tokio. Feature `tokio`.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Buf;
use cancelable::{shield, sleep};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::kept::{AllKept, Kept};
use crate::policy::OnDisconnect;
use crate::running::Running;

/// Goes on with a request as its policy says.
pub(crate) fn go_on<D: Buf + Send + 'static>(running: Running<D>, policy: OnDisconnect, kept: &AllKept) {
    let (Ok(runtime), Some(force)) = (Handle::try_current(), running.force()) else {
        running.cancel_as_left();
        return;
    };
    let kept = kept.clone();
    let task = async move {
        match policy {
            OnDisconnect::Detach => to_end(running).await,
            OnDisconnect::Wait { key, grace } if !running.is_head_out() => wait(running, key, grace, &kept.of()).await,
            _ => cancel(running).await,
        }
    };
    runtime.spawn(force.run_until_cancelled_owned(task));
}

async fn cancel<D: Buf + Send + 'static>(running: Running<D>) {
    running.cancel_as_left();
    to_end(running).await;
}

async fn to_end<D: Buf + Send + 'static>(mut running: Running<D>) {
    poll_fn(|cx| running.poll_to_end(cx)).await;
}

/// Goes on until somebody comes back for it, or the time is up.
async fn wait<D: Buf + Send + 'static>(mut running: Running<D>, key: String, grace: Duration, kept: &Kept<Running<D>>) {
    loop {
        let (asked, mut asking) = oneshot::channel();
        kept.insert(key.clone(), asked);
        let returning = {
            let mut is_up = pin!(shield(sleep(grace)));
            let mut is_answered = false;
            poll_fn(|cx| {
                if let Poll::Ready(returning) = pin!(&mut asking).poll(cx) {
                    // (Another request of this key may have been put in its place: then nobody asks for this one.)
                    return Poll::Ready(returning.ok());
                }
                is_answered = is_answered || running.poll_answer(cx).is_ready();
                is_up.as_mut().poll(cx).map(|_| None)
            })
            .await
        };
        asking.close();
        let Some(returning) = returning.or_else(|| asking.try_recv().ok()) else {
            kept.clean(&key);
            return cancel(running).await;
        };
        match returning.send(running) {
            Ok(()) => return,
            // Who came back has left again.
            Err(back) => running = back,
        }
    }
}
