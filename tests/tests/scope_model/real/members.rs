//! Futures that are polled under wakers of their own.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures::stream::{FuturesUnordered, Stream};

use super::{Fut, Output};

/// Members polled, as `FuturesUnordered` does, only when they were woken, each under a waker of its own, and only so many at a
/// time; but in an order that does not depend on who was woken first.
pub(super) struct Members {
    members: Vec<(Option<Fut>, Arc<MemberWaker>)>,
    per_poll: usize,
    at: usize,
}

impl Members {
    pub(super) fn new(per_poll: usize, members: impl Iterator<Item = Fut>) -> Self {
        Self {
            members: members.map(|member| (Some(member), MemberWaker::new())).collect(),
            per_poll,
            at: 0,
        }
    }

    /// One poll, in which what is ready goes to `ready` with its number; until that says that it has enough.
    fn poll_members(&mut self, cx: &Context<'_>, mut ready: impl FnMut(usize, Output) -> bool) {
        for (_, waker) in &self.members {
            waker.set_owner(cx);
        }
        let mut polls = self.per_poll;
        for number in (self.at..self.members.len()).chain(0..self.at) {
            let (member, waker) = &mut self.members[number];
            let Some(future) = member else { continue };
            if polls > 0 && waker.take_woken() {
                let polled = waker.poll(future);
                self.at = number + 1;
                polls -= 1;
                if let Poll::Ready(output) = polled {
                    *member = None;
                    if ready(number, output) {
                        return;
                    }
                }
            }
        }
        let is_woken = |(member, waker): &(Option<Fut>, Arc<MemberWaker>)| member.is_some() && waker.is_woken();
        if self.members.iter().any(is_woken) {
            cx.waker().wake_by_ref();
        }
    }

    fn is_empty(&self) -> bool {
        self.members.iter().all(|(member, _)| member.is_none())
    }

    /// All of them: the first error, or none.
    pub(super) async fn join(mut self) -> Output {
        let mut outputs: Vec<_> = self.members.iter().map(|_| None).collect();
        std::future::poll_fn(|cx| {
            self.poll_members(cx, |number, output| {
                outputs[number] = output.err();
                false
            });
            if self.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        outputs.into_iter().flatten().next().map_or(Ok(()), Err)
    }
}

impl Stream for Members {
    type Item = Output;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Output>> {
        let this = self.get_mut();
        let mut first = None;
        this.poll_members(cx, |_, output| {
            first = Some(output);
            true
        });
        match first {
            Some(output) => Poll::Ready(Some(output)),
            None if this.is_empty() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// The members of a crowd.
pub(super) fn crowd(per_poll: usize, members: impl Iterator<Item = Fut>) -> Pin<Box<dyn Stream<Item = Output> + Send>> {
    match per_poll {
        0 => Box::pin(members.collect::<FuturesUnordered<_>>()),
        _ => Box::pin(Members::new(per_poll, members)),
    }
}

pub(super) struct MemberWaker {
    woken: AtomicBool,
    owner: Mutex<Option<Waker>>,
}

impl MemberWaker {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            woken: AtomicBool::new(true),
            owner: Mutex::default(),
        })
    }

    pub(super) fn set_owner(&self, cx: &Context<'_>) {
        *self.owner.lock().unwrap() = Some(cx.waker().clone());
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::SeqCst)
    }

    pub(super) fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }

    pub(super) fn poll(self: &Arc<Self>, future: &mut Fut) -> Poll<Output> {
        future
            .as_mut()
            .poll(&mut Context::from_waker(&Waker::from(Arc::clone(self))))
    }
}

impl Wake for MemberWaker {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        let owner = self.owner.lock().unwrap().clone();
        if let Some(owner) = owner {
            owner.wake();
        }
    }
}
