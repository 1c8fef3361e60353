//! What streams under a token are made of: the items, one by one, and a registration with the token.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::stream::Stream;

use crate::context::{About, Frame, Inside, Mark, is_noted_since, with_frame, with_frame_of};
use crate::pending::{Kind, note_got_out};
use crate::runtime::Task;
use crate::token::{CancellationToken, Registered};

/// A token in place of the ambient one, and what it takes to be woken by it.
pub(super) struct Own {
    pub(super) token: CancellationToken,
    /// From the first pending item on.
    registered: Option<Pin<Box<Registered<CancellationToken>>>>,
    /// Registered among the foreign wakers, for it is not the one of the frame outside.
    is_foreign: bool,
    /// So the check points out there are to know of it, while an item is pending.
    waiter: Inside,
}

impl Own {
    pub(super) fn new(token: CancellationToken) -> Self {
        Self {
            token,
            registered: None,
            is_foreign: false,
            waiter: Inside::NOTHING,
        }
    }

    /// Has the cancel wake this task.
    pub(super) fn register(&mut self, is_foreign: bool, waker: &Waker) {
        let fresh = || Box::pin(Registered::new(self.token.clone()));
        let registered = self.registered.get_or_insert_with(fresh);
        let in_time = if self.is_foreign != is_foreign {
            // The two kinds have different places in the list.
            registered.as_mut().register_anew(waker, is_foreign)
        } else {
            registered.has(waker) || registered.as_mut().register(waker, is_foreign)
        };
        self.is_foreign = is_foreign;
        if !in_time {
            // Cancelled since the stream was polled.
            waker.wake_by_ref();
        }
    }

    /// The stream is over.
    pub(super) fn unregister(&mut self) {
        self.registered = None;
    }

    /// It was polled here, and waits as it did before.
    pub(super) fn note(&self, waker: &Waker) {
        self.waiter.note(waker);
    }

    /// After each poll: does it wait under a foreign waker?
    pub(super) fn set_foreign(&mut self, is_foreign: bool, waker: Option<&Waker>) {
        if let (true, Some(waker)) = (is_foreign, waker) {
            self.waiter.set(Kind::Foreign, true);
            self.waiter.note(waker);
        } else if self.waiter.is_some() {
            if self.token.is_marked() {
                note_got_out();
            }
            self.waiter.end();
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.set_foreign(false, None);
    }
}

pin_project_lite::pin_project! {
    /// The next item as a future, again and again.
    pub(super) struct Items<S> {
        // `None` only when it has been taken out.
        #[pin]
        pub(super) stream: Option<S>,
        // What is pending in it. A guard would forget that with every item.
        pub(super) inside: Inside,
        // What is ambient outside a frame that is only there for the guard.
        pub(super) outside: Option<Outside>,
    }
}

impl<S> Items<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream: Some(stream),
            inside: Inside::NOTHING,
            outside: None,
        }
    }

    /// For a stream that is not pinned.
    pub(super) const fn get_ref(&self) -> &S {
        match &self.stream {
            Some(stream) => stream,
            None => unreachable!(),
        }
    }

    /// What the next item would be polled in, if that is not the frame in force.
    pub(super) fn look_outside(self: Pin<&mut Self>, cx: &Context<'_>) {
        Outside::look(self.project().outside, cx);
    }

    /// What is in force is, from now on.
    pub(super) fn forget_outside(self: Pin<&mut Self>) {
        *self.project().outside = None;
    }

    /// Drops the stream where it is.
    pub(super) fn clear(self: Pin<&mut Self>) {
        self.project().stream.set(None);
    }
}

/// The frame outside, as far as the stream can tell.
pub(super) struct Outside {
    token: CancellationToken,
    wakes: bool,
}

impl Outside {
    /// Has another look: `this` is what was seen last time, and mostly still true.
    fn look(this: &mut Option<Self>, cx: &Context<'_>) {
        with_frame_of(Task::current(), |frame| {
            let (token, wakes) = match frame {
                Some(frame) => (frame.token(), frame.wakes(cx.waker())),
                None => (const { &CancellationToken::never() }, true),
            };
            match this {
                Some(seen) if seen.token == *token => seen.wakes = wakes,
                _ => {
                    let token = token.clone();
                    *this = Some(Self { token, wakes });
                }
            }
        });
    }
}

/// Takes what is left pending in a poll, also if that panics, for the stream may be polled again.
struct Keeping<'a> {
    inside: &'a mut Inside,
    waker: &'a Waker,
    outside: Mark,
}

impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        if is_noted_since(self.outside) {
            self.inside.adopt_since(self.outside);
            self.inside.note(self.waker);
        }
    }
}

impl<S: Stream> Future for Items<S> {
    type Output = Option<S::Item>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let Some(stream) = this.stream.as_pin_mut() else {
            return Poll::Ready(None);
        };
        if with_frame(|frame| frame.is_none()) {
            return stream.poll_next(cx);
        }
        let _keeping = Keeping {
            outside: this.inside.announce(),
            waker: cx.waker(),
            inside: this.inside,
        };
        match this.outside {
            None => stream.poll_next(cx),
            Some(outside) => {
                // The very one: those inside tell it by where it is.
                let waker = outside.wakes.then(|| cx.waker());
                let frame = Frame::new(&outside.token, About::GIVEN, waker);
                frame.enter(|| stream.poll_next(cx))
            }
        }
    }
}
