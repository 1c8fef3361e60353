//! Futures that are polled by reference.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::{Fut, Output};

/// A future that a body owns. One await has it at a time, from its first poll to its end, and the others wait until it goes;
/// or, shared, all of them, who then poll it under a waker that wakes them all.
pub(super) struct Value {
    shared: Option<Arc<Waiting>>,
    state: Mutex<State>,
    /// The one who has it, and those who wait for that one.
    waiting: Waiting,
}

#[derive(Default)]
struct State {
    future: Option<Fut>,
    output: Option<Output>,
    /// The await that has it.
    user: Option<usize>,
    /// Moved away from its owner.
    is_taken: bool,
}

/// Wakers of awaits, by the awaits' numbers.
#[derive(Default)]
struct Waiting(Mutex<BTreeMap<usize, Waker>>);

impl Waiting {
    fn insert(&self, id: usize, cx: &Context<'_>) {
        let old = self.0.lock().unwrap().insert(id, cx.waker().clone());
        drop(old);
    }

    fn remove(&self, id: usize) {
        let old = self.0.lock().unwrap().remove(&id);
        drop(old);
    }

    fn wake_all(&self) {
        let all = mem::take(&mut *self.0.lock().unwrap());
        all.into_values().for_each(Waker::wake);
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

impl Value {
    pub(super) fn new(shared: bool, future: Fut) -> Arc<Self> {
        Arc::new(Self {
            shared: shared.then(Arc::default),
            state: Mutex::new(State {
                future: Some(future),
                ..State::default()
            }),
            waiting: Waiting::default(),
        })
    }

    /// Drops it together with the result, on which the body that is its owner ends.
    pub(super) fn owned(self: &Arc<Self>) -> Owned {
        Owned(Arc::clone(self))
    }

    pub(super) async fn use_it(self: Arc<Self>, id: usize, take: bool) -> Output {
        let mut this = Using {
            value: &self,
            id,
            owned: None,
        };
        let takes = take && self.take();
        this.owned = takes.then(|| Taken(Arc::clone(&self)));
        poll_fn(|cx| self.poll(id, cx)).await
    }

    fn take(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        let takes = self.shared.is_none() && state.future.is_some() && state.user.is_none() && !state.is_taken;
        state.is_taken |= takes;
        takes
    }

    fn poll(&self, id: usize, cx: &mut Context<'_>) -> Poll<Output> {
        let mut future = {
            let mut state = self.state.lock().unwrap();
            if let Some(output) = &state.output {
                return Poll::Ready(output.clone());
            }
            if state.future.is_none() {
                return Poll::Ready(Ok(()));
            }
            if self.shared.is_none() {
                // Who has it, too: its owner may drop it.
                self.waiting.insert(id, cx);
                if state.user.is_some_and(|user| user != id) {
                    return Poll::Pending;
                }
                state.user = Some(id);
            }
            state.future.take().expect("looked at above")
        };
        let poll = match &self.shared {
            None => future.as_mut().poll(cx),
            Some(wakers) => {
                wakers.insert(id, cx);
                let waker = Waker::from(Arc::clone(wakers));
                future.as_mut().poll(&mut Context::from_waker(&waker))
            }
        };
        match &poll {
            Poll::Pending => self.state.lock().unwrap().future = Some(future),
            Poll::Ready(output) => {
                drop(future);
                self.state.lock().unwrap().output = self.shared.is_some().then(|| output.clone());
                self.leave(id);
                if let Some(wakers) = &self.shared {
                    wakers.wake_all();
                }
            }
        }
        poll
    }

    /// This await is over.
    fn leave(&self, id: usize) {
        self.waiting.remove(id);
        if let Some(wakers) = &self.shared {
            wakers.remove(id);
        }
        let had_it = {
            let mut state = self.state.lock().unwrap();
            let had_it = state.user == Some(id);
            state.user.take_if(|user| *user == id);
            had_it
        };
        if had_it {
            self.waiting.wake_all();
        }
    }

    fn drop_future(&self) {
        let future = self.state.lock().unwrap().future.take();
        drop(future);
        self.waiting.wake_all();
        if let Some(wakers) = &self.shared {
            wakers.wake_all();
        }
    }
}

/// The body that owns the value.
pub(super) struct Owned(Arc<Value>);

impl Drop for Owned {
    fn drop(&mut self) {
        if !self.0.state.lock().unwrap().is_taken {
            self.0.drop_future();
        }
    }
}

/// The await that has taken it away from there.
struct Taken(Arc<Value>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.drop_future();
    }
}

/// An await by reference.
struct Using<'a> {
    value: &'a Value,
    id: usize,
    /// Goes after this await has left.
    owned: Option<Taken>,
}

impl Drop for Using<'_> {
    fn drop(&mut self) {
        self.value.leave(self.id);
        drop(self.owned.take());
    }
}
