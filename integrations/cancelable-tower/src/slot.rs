//! What the work of a request hands out: the head of a response, and then the frames of its body.
//!
//! A request is one future from its beginning to the end of the body, so that one scope is round all of it. It puts here what the
//! server is to have, and goes on when it is polled again, as the server wants more. Service and body are polled nowhere else.

use std::any::Any;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use cancelable::is_cancelled;
use http::{Response, StatusCode, response};
use http_body::{Body, Frame, SizeHint};

use crate::end::grpc_status;
use crate::error::BoxError;

/// How the work of a request came to its end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Completed,
    Failed,
}

/// So many frames may a body that is not of a known length say when it has been cancelled, if it has them at hand: the goodbye of a
/// stream that listens. (One that does not may be endless.)
const LAST_WORDS: usize = 16;

/// The head of a response.
pub(crate) struct Head {
    pub(crate) parts: response::Parts,
    pub(crate) hint: SizeHint,
}

pub(crate) struct Slot<D>(Mutex<State<D>>);

struct State<D> {
    head: Option<Head>,
    /// The service's error.
    error: Option<Box<dyn Any + Send>>,
    frames: VecDeque<Result<Frame<D>, BoxError>>,
    hint: SizeHint,
    /// What the trailers say.
    grpc_status: Option<u8>,
    /// Nobody wants more of the body.
    is_enough: bool,
}

impl<D> Slot<D> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            head: None,
            error: None,
            frames: VecDeque::new(),
            hint: SizeHint::new(),
            grpc_status: None,
            is_enough: false,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State<D>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fail(&self, error: impl Send + 'static) {
        self.state().error = Some(Box::new(error));
    }

    pub(crate) fn take_error(&self) -> Option<Box<dyn Any + Send>> {
        self.state().error.take()
    }

    pub(crate) fn take_head(&self) -> Option<Head> {
        self.state().head.take()
    }

    pub(crate) fn take_frame(&self) -> Option<Result<Frame<D>, BoxError>> {
        self.state().frames.pop_front()
    }

    /// Is there anything to be taken?
    pub(crate) fn has_some(&self) -> bool {
        let state = self.state();
        state.head.is_some() || !state.frames.is_empty()
    }

    /// Throws away the frames that it has. Were there any?
    #[cfg(feature = "tokio")]
    pub(crate) fn clear(&self) -> bool {
        // (Without the lock, for what is dropped here may be anybody's.)
        let frames = std::mem::take(&mut self.state().frames);
        !frames.is_empty()
    }

    /// Nobody wants more: the work ends at its next poll.
    pub(crate) fn enough(&self) {
        self.state().is_enough = true;
    }

    /// What the body's trailers say, if it has had any.
    pub(crate) fn grpc_status(&self) -> Option<u8> {
        self.state().grpc_status
    }

    /// How much is to come, beyond what has been taken.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.state().hint
    }
}

impl<D: bytes::Buf> Slot<D> {
    /// Hands out this response, and its body frame by frame.
    pub(crate) async fn answer<B>(&self, response: Response<B>, is_for_head: bool) -> Done
    where
        B: Body<Data = D, Error: Into<BoxError>>,
    {
        let (parts, body) = response.into_parts();
        let is_unread = is_for_head || is_without_body(parts.status);
        let (hint, is_end) = (body.size_hint(), body.is_end_stream());
        {
            let mut state = self.state();
            state.hint = hint;
            state.head = Some(Head { parts, hint });
        }
        if is_unread || is_end {
            return Done::Completed;
        }
        let mut body = pin!(body);
        let (mut is_whole, mut last_words) = (None, LAST_WORDS);
        poll_fn(|cx| {
            if self.state().is_enough {
                return Poll::Ready(Done::Completed);
            }
            if self.has_some() && !is_cancelled() {
                // Until that has been taken.
                return Poll::Pending;
            }
            loop {
                // An answer to a cancel is not to be cut by it, if its length is known.
                let is_whole = *is_whole.get_or_insert_with(|| is_cancelled() && body.size_hint().exact().is_some());
                match ready!(self.poll_body(body.as_mut(), cx)) {
                    Some(done) => return Poll::Ready(done),
                    None if is_whole => {}
                    // Pending, it would be cut.
                    None if last_words > 0 && is_cancelled() => last_words -= 1,
                    None => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// One more frame, or the end.
    fn poll_body<B>(&self, mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Option<Done>>
    where
        B: Body<Data = D, Error: Into<BoxError>>,
    {
        let frame = ready!(body.as_mut().poll_frame(cx));
        let (hint, is_end) = (body.size_hint(), body.is_end_stream());
        let mut state = self.state();
        state.hint = hint;
        Poll::Ready(match frame {
            None => Some(Done::Completed),
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    state.grpc_status = grpc_status(trailers);
                }
                state.frames.push_back(Ok(frame));
                is_end.then_some(Done::Completed)
            }
            Some(Err(error)) => {
                state.frames.push_back(Err(error.into()));
                Some(Done::Failed)
            }
        })
    }
}

/// A response with this status has no body, whatever the service says.
fn is_without_body(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}
