//! `Run`: a request that runs, as the server holds it. Dropping it is how the server says that the client has left.

use std::mem;
use std::ops::{Deref, DerefMut};
#[cfg(feature = "tokio")]
use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Buf;
#[cfg(feature = "tokio")]
use tokio::sync::oneshot;

#[cfg(feature = "tokio")]
use crate::kept::AllKept;
#[cfg(feature = "tokio")]
use crate::left::go_on;
use crate::policy::OnDisconnect;
use crate::running::Running;

/// A request that runs. If it is dropped before its end, its policy says what becomes of it.
pub(crate) struct Run<D: Buf + Send + 'static> {
    running: Option<Running<D>>,
    policy: OnDisconnect,
}

impl<D: Buf + Send + 'static> Run<D> {
    pub(crate) fn new(running: Running<D>, policy: OnDisconnect) -> Self {
        Self {
            running: Some(running),
            policy,
        }
    }
}

impl<D: Buf + Send + 'static> Deref for Run<D> {
    type Target = Running<D>;

    fn deref(&self) -> &Running<D> {
        match &self.running {
            Some(running) => running,
            None => unreachable!("only its destructor takes it"),
        }
    }
}

impl<D: Buf + Send + 'static> DerefMut for Run<D> {
    fn deref_mut(&mut self) -> &mut Running<D> {
        match &mut self.running {
            Some(running) => running,
            None => unreachable!("only its destructor takes it"),
        }
    }
}

impl<D: Buf + Send + 'static> Drop for Run<D> {
    fn drop(&mut self) {
        let Some(running) = &mut self.running else {
            return;
        };
        if !running.has_client_left() || !running.has_begun() {
            return;
        }
        let Some(running) = self.running.take() else {
            return;
        };
        match mem::take(&mut self.policy) {
            OnDisconnect::Drop => running.cancel_as_left(),
            #[cfg(feature = "tokio")]
            policy => {
                let kept = running.settings().kept.clone();
                go_on(running, policy, &kept);
            }
        }
    }
}

/// Waits for a request to come over, whose client had left, and is back.
#[cfg(feature = "tokio")]
pub(crate) struct Returning<D: Buf + Send + 'static> {
    back: oneshot::Receiver<Running<D>>,
    policy: OnDisconnect,
}

#[cfg(feature = "tokio")]
impl<D: Buf + Send + 'static> Returning<D> {
    /// The request that is kept under the policy's key, if there is one.
    pub(crate) fn ask(kept: &AllKept, policy: &OnDisconnect) -> Option<Self> {
        let OnDisconnect::Wait { key, .. } = policy else {
            return None;
        };
        Some(Self {
            back: kept.of().ask(key)?,
            policy: policy.clone(),
        })
    }

    /// `None`: its task has been dropped, with its runtime, or at the end of a drain.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Run<D>>> {
        Pin::new(&mut self.back).poll(cx).map(|running| {
            let mut running = running.ok()?;
            running.is_back();
            Some(Run::new(running, mem::take(&mut self.policy)))
        })
    }
}

/// Who was back has left again. The request may be on its way.
#[cfg(feature = "tokio")]
impl<D: Buf + Send + 'static> Drop for Returning<D> {
    fn drop(&mut self) {
        self.back.close();
        if let Ok(running) = self.back.try_recv() {
            drop(Run::new(running, mem::take(&mut self.policy)));
        }
    }
}
