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
use std::time::Duration;

use cancelable::{CancelReason, CancellationToken, ReasonKind, is_cancelled};
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

/// A frame of the body, or its error.
pub(crate) type Piece<D> = Result<Frame<D>, BoxError>;

/// The head of a response.
pub(crate) struct Head {
    pub(crate) parts: response::Parts,
    pub(crate) hint: SizeHint,
}

pub(crate) struct Slot<D>(Mutex<State<D>>);

struct State<D> {
    has_begun: bool,
    /// The scope's, from its beginning to the end of the work.
    token: Option<CancellationToken>,
    /// Does anybody want to know why that was cancelled?
    is_observed: bool,
    /// Why it had been when the work came to its end by itself.
    reason: Option<CancelReason>,
    head: Option<Head>,
    /// The service's error.
    error: Option<Box<dyn Any + Send>>,
    /// The next frame, and those behind it. There is seldom more than one.
    next: Option<Piece<D>>,
    more: VecDeque<Piece<D>>,
    hint: SizeHint,
    /// What the trailers say.
    grpc_status: Option<u8>,
    /// Nobody wants more of the body.
    is_enough: bool,
}

impl<D> State<D> {
    fn take_piece(&mut self) -> Option<Piece<D>> {
        std::mem::replace(&mut self.next, self.more.pop_front())
    }

    fn put_piece(&mut self, piece: Piece<D>) {
        if self.next.is_none() {
            self.next = Some(piece);
        } else {
            self.more.push_back(piece);
        }
    }
}

impl<D> Slot<D> {
    pub(crate) fn new(is_observed: bool) -> Self {
        Self(Mutex::new(State {
            is_observed,
            has_begun: false,
            token: None,
            reason: None,
            head: None,
            error: None,
            next: None,
            more: VecDeque::new(),
            hint: SizeHint::new(),
            grpc_status: None,
            is_enough: false,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State<D>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scope has begun, and this is its token.
    pub(crate) fn begin(&self, token: CancellationToken) {
        let mut state = self.state();
        (state.has_begun, state.token) = (true, Some(token));
    }

    /// The work is at its end. A token that nobody else has by now need not be cancelled.
    fn end(&self) {
        let (token, is_observed) = {
            let mut state = self.state();
            (state.token.take(), state.is_observed)
        };
        if let (Some(token), true) = (token, is_observed) {
            // (Asking whether it is cancelled would have its deadline watched, which nobody needs any more.)
            let reason = match token.remaining() {
                Some(Duration::ZERO) => token.reason(),
                _ => token.noticed_reason(),
            };
            if reason.is_some() {
                self.state().reason = reason;
            }
        }
    }

    pub(crate) fn token(&self) -> Option<CancellationToken> {
        self.state().token.clone()
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.state().has_begun
    }

    /// Why the scope was cancelled, if it was, by something else than its end.
    pub(crate) fn reason(&self) -> Option<CancelReason> {
        let token = {
            let mut state = self.state();
            if state.reason.is_some() {
                return state.reason.take();
            }
            state.token.clone()
        };
        token?.reason().filter(|reason| reason.kind() != ReasonKind::ScopeEnded)
    }

    /// Hands out the service's error.
    pub(crate) fn fail(&self, error: impl Send + 'static) -> Done {
        self.state().error = Some(Box::new(error));
        self.end();
        Done::Failed
    }

    pub(crate) fn take_error(&self) -> Option<Box<dyn Any + Send>> {
        self.state().error.take()
    }

    pub(crate) fn take_head(&self) -> Option<Head> {
        self.state().head.take()
    }

    pub(crate) fn take_frame(&self) -> Option<Piece<D>> {
        self.state().take_piece()
    }

    /// All that is left, if that is one frame at most. (It has come to its end.)
    pub(crate) fn take_last(&self) -> Option<Option<Piece<D>>> {
        let mut state = self.state();
        state.more.is_empty().then(|| state.next.take())
    }

    /// Is there anything to be taken?
    pub(crate) fn has_some(&self) -> bool {
        let state = self.state();
        state.head.is_some() || state.next.is_some()
    }

    /// Throws away the frames that it has. Were there any?
    #[cfg(feature = "tokio")]
    pub(crate) fn clear(&self) -> bool {
        // (Without the lock, for what is dropped here may be anybody's.)
        let (next, more) = {
            let mut state = self.state();
            (state.next.take(), std::mem::take(&mut state.more))
        };
        let had_some = next.is_some();
        drop((next, more));
        had_some
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
        let done = self.hand_out(response, is_for_head).await;
        self.end();
        done
    }

    async fn hand_out<B>(&self, response: Response<B>, is_for_head: bool) -> Done
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
        if hint.exact().is_some() {
            // It may be at hand as a whole. Then there is nothing to come back for.
            let first = poll_fn(|cx| Poll::Ready(self.poll_body(body.as_mut(), cx))).await;
            if let Poll::Ready(Some(done)) = first {
                return done;
            }
        }
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
                state.put_piece(Ok(frame));
                is_end.then_some(Done::Completed)
            }
            Some(Err(error)) => {
                state.put_piece(Err(error.into()));
                Some(Done::Failed)
            }
        })
    }
}

/// A response with this status has no body, whatever the service says.
fn is_without_body(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}
