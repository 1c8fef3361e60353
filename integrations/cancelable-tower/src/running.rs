//! `Running`: a request that runs, from its beginning to the end of the response's body, and what is told of it then.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Buf, Bytes};
#[cfg(feature = "tokio")]
use cancelable::CancellationToken;
use cancelable::Cancelled;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Response, StatusCode, response};
use http_body::{Frame, SizeHint};

use crate::answer::restyle;
use crate::end::{Outcome, RequestEnd, grpc_status};
use crate::error::BoxError;
use crate::requests::Seat;
use crate::settings::Settings;
use crate::slot::{Done, Head, Piece, Slot};

/// A request's scope, with all that runs in it.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<Done, Cancelled>> + Send>>;

/// A request that runs, whoever drives it. If it is dropped before its end, so is the work.
pub(crate) struct Running<D> {
    /// Until its end.
    work: Option<Work>,
    /// That, if it has not been looked at yet.
    done: Option<Result<Done, Cancelled>>,
    slot: Arc<Slot<D>>,
    settings: Arc<Settings>,
    /// Until it has been told of.
    end: Option<End>,
    /// The end of a body that was cut, until it has been handed out.
    cut: Option<Box<Cut>>,
    /// How much of the body is to come, if its length is known.
    left: Option<u64>,
    /// It is the body that says so, not a header alone.
    is_exact: bool,
    is_head_out: bool,
    /// Still so when it is dropped: it has panicked.
    is_polled: bool,
}

/// What is left of a body whose request has come to its end: a frame, or nothing.
pub(crate) struct Rest<D> {
    piece: Option<Piece<D>>,
    left: Option<u64>,
    hint: SizeHint,
}

impl<D: Buf> Rest<D> {
    pub(crate) fn take(&mut self) -> Option<Piece<D>> {
        let piece = self.piece.take();
        count_down(&mut self.left, piece.as_ref());
        if let Some(left) = self.left
            && self.hint.exact().is_some()
        {
            self.hint = SizeHint::with_exact(left);
        }
        piece
    }

    pub(crate) fn is_end(&self) -> bool {
        self.piece.is_none() && self.left.is_none_or(|left| left == 0)
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

/// So much less is to come once this is handed out.
fn count_down<D: Buf>(left: &mut Option<u64>, piece: Option<&Piece<D>>) {
    if let (Some(Ok(frame)), Some(left)) = (piece, left) {
        let length = frame.data_ref().map_or(0, Buf::remaining);
        *left = left.saturating_sub(length as u64);
    }
}

/// How a body ends that was cut.
enum Cut {
    BrokenOff(Cancelled),
    Trailers(HeaderMap),
}

/// What there is to tell of a request at its end.
struct End {
    seat: Seat,
    name: Arc<str>,
    method: Method,
    path: String,
    begun: Instant,
    status: Option<StatusCode>,
    grpc_status: Option<u8>,
    /// What the handler made its answer of.
    answered: Option<Cancelled>,
    has_client_left: bool,
}

/// What comes of a request first.
pub(crate) enum First {
    Head(response::Parts),
    /// The service's error.
    Failed(Box<dyn Any + Send>),
    /// What to answer in its place.
    Cancelled(Response<Bytes>),
}

/// What is known of a request when it begins.
pub(crate) struct Begun {
    pub(crate) name: Arc<str>,
    pub(crate) method: Method,
    pub(crate) path: String,
}

impl<D: Buf + Send + 'static> Running<D> {
    pub(crate) fn new(settings: Arc<Settings>, begun: Begun, slot: Arc<Slot<D>>, work: Work) -> Self {
        let now = Instant::now();
        Self {
            work: Some(work),
            done: None,
            slot,
            end: Some(End {
                seat: settings.requests.enter(Arc::clone(&begun.name), now),
                name: begun.name,
                method: begun.method,
                path: begun.path,
                begun: now,
                status: None,
                grpc_status: None,
                answered: None,
                has_client_left: false,
            }),
            settings,
            cut: None,
            left: None,
            is_exact: false,
            is_head_out: false,
            is_polled: false,
        }
    }

    /// How much of the body is to come.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) if self.is_exact => SizeHint::with_exact(left),
            _ => self.slot.size_hint(),
        }
    }

    /// Is nothing to come any more? (Of the answer to a HEAD, the length is known all the same.)
    pub(crate) fn is_end(&self) -> bool {
        let is_over = self.work.is_none() && self.cut.is_none() && !self.slot.has_some();
        is_over && self.left.is_none_or(|left| left == 0)
    }

    /// What is left, if the work is at its end, and that is not more than a frame.
    pub(crate) fn rest(&mut self) -> Option<Rest<D>> {
        if self.work.is_some() || self.done.is_some() || self.cut.is_some() {
            return None;
        }
        let hint = self.size_hint();
        self.slot.take_last().map(|piece| Rest {
            piece,
            left: self.left,
            hint,
        })
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Result<Done, Cancelled>> {
        let Some(work) = &mut self.work else {
            return self.done.take().map_or(Poll::Pending, Poll::Ready);
        };
        self.is_polled = true;
        let poll = work.as_mut().poll(cx);
        self.is_polled = false;
        if poll.is_ready() {
            self.work = None;
        }
        poll
    }

    pub(crate) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<First> {
        let poll = self.poll_work(cx);
        let head = self.slot.take_head();
        let first = match (head, &poll) {
            (Some(head), _) => First::Head(self.begin_body(head)),
            (None, Poll::Pending) => return Poll::Pending,
            (None, Poll::Ready(Err(cancelled))) => {
                let response = self.settings.respond(cancelled);
                if let Some(end) = &mut self.end {
                    end.status = Some(response.status());
                    end.grpc_status = grpc_status(response.headers());
                }
                First::Cancelled(response)
            }
            (None, Poll::Ready(Ok(_))) => match self.slot.take_error() {
                Some(error) => First::Failed(error),
                None => unreachable!("the work is done, and has handed out neither a response nor an error"),
            },
        };
        if let Poll::Ready(done) = poll {
            if let (First::Head(_), Err(cancelled)) = (&first, &done) {
                self.cut(cancelled);
            }
            self.is_over(done);
        }
        Poll::Ready(first)
    }

    fn begin_body(&mut self, mut head: Head) -> response::Parts {
        self.is_head_out = true;
        restyle(&mut head.parts, &self.settings.table);
        if !self.settings.observers.is_empty()
            && let Some(end) = &mut self.end
        {
            end.answered = head.parts.extensions.get().cloned();
            end.status = Some(head.parts.status);
            end.grpc_status = grpc_status(&head.parts.headers);
        }
        let exact = head.hint.exact();
        self.is_exact = exact.is_some();
        self.left = exact.or_else(|| head.parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok());
        head.parts
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<D>, BoxError>>> {
        if let Some(frame) = self.take_frame() {
            return Poll::Ready(Some(frame));
        }
        if let Poll::Ready(done) = self.poll_work(cx) {
            if let Err(cancelled) = &done {
                self.cut(cancelled);
            }
            self.is_over(done);
        }
        let frame = self.take_frame().or_else(|| {
            Some(match *self.cut.take()? {
                Cut::BrokenOff(cancelled) => Err(cancelled.into()),
                Cut::Trailers(trailers) => Ok(Frame::trailers(trailers)),
            })
        });
        if frame.is_none() && self.work.is_some() {
            return Poll::Pending;
        }
        Poll::Ready(frame)
    }

    /// The body is to end here.
    fn cut(&mut self, cancelled: &Cancelled) {
        self.cut = Some(Box::new(match self.settings.trailers(cancelled) {
            Some(trailers) => {
                if let Some(end) = &mut self.end {
                    end.grpc_status = grpc_status(&trailers);
                }
                Cut::Trailers(trailers)
            }
            None => Cut::BrokenOff(cancelled.clone()),
        }));
    }

    fn take_frame(&mut self) -> Option<Piece<D>> {
        let piece = self.slot.take_frame();
        count_down(&mut self.left, piece.as_ref());
        piece
    }

    /// The server wants no more of it. Has the client left, before it had all?
    pub(crate) fn has_client_left(&mut self) -> bool {
        if self.work.is_none() && self.done.is_none() || self.is_polled {
            return false;
        }
        if self.is_head_out && self.left == Some(0) {
            // The server has all that was announced, and has no need to ask for the end.
            self.slot.enough();
            if let Poll::Ready(done) = self.poll_work(&mut Context::from_waker(Waker::noop())) {
                self.is_over(done);
                return false;
            }
        }
        if let Some(end) = &mut self.end {
            end.has_client_left = true;
        }
        true
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.slot.has_begun()
    }

    pub(crate) fn cancel_as_left(&self) {
        if let Some(token) = self.slot.token() {
            token.cancel_with(self.settings.left.clone());
        }
    }
}

#[cfg(feature = "tokio")]
impl<D: Buf + Send + 'static> Running<D> {
    pub(crate) fn is_head_out(&self) -> bool {
        self.is_head_out
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The client is back.
    pub(crate) fn is_back(&mut self) {
        if let Some(end) = &mut self.end {
            end.has_client_left = false;
        }
    }

    /// Cancelled once those who drain wait no longer.
    pub(crate) fn force(&self) -> Option<CancellationToken> {
        Some(self.end.as_ref()?.seat.requests().force().clone())
    }

    /// Drives it until it has an answer, or has come to its end.
    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.done.is_some() || self.slot.has_some() {
            return Poll::Ready(());
        }
        if let Poll::Ready(done) = self.poll_work(cx) {
            self.done = Some(done);
            return Poll::Ready(());
        }
        if self.slot.has_some() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Drives it to its end. Nobody wants what it hands out.
    pub(crate) fn poll_to_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_work(cx) {
            Poll::Ready(done) => {
                if let Some(head) = self.slot.take_head() {
                    self.begin_body(head);
                }
                self.is_over(done);
                Poll::Ready(())
            }
            Poll::Pending => {
                if let Some(head) = self.slot.take_head() {
                    self.begin_body(head);
                    cx.waker().wake_by_ref();
                } else if self.slot.clear() {
                    // It waits for more to be wanted. (Not at once: it may have more for ever.)
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }
}

impl<D> Running<D> {
    /// The work has come to its end.
    fn is_over(&mut self, done: Result<Done, Cancelled>) {
        match done {
            Ok(Done::Completed) => self.tell(Outcome::Completed, None),
            Ok(Done::Failed) => self.tell(Outcome::Failed, None),
            Err(cancelled) => self.tell(Outcome::Cancelled, Some(cancelled)),
        }
    }

    /// Says how it ended, once.
    fn tell(&mut self, outcome: Outcome, cancelled: Option<Cancelled>) {
        let Some(end) = self.end.take() else {
            return;
        };
        if self.settings.observers.is_empty() {
            return;
        }
        let cancelled = cancelled.or(end.answered);
        let reason = match &cancelled {
            Some(cancelled) => Some(cancelled.reason().clone()),
            None if end.has_client_left && !self.slot.has_begun() => Some(self.settings.left.clone()),
            None => self.slot.reason(),
        };
        let grpc_status = end.grpc_status.or_else(|| self.slot.grpc_status());
        let is_error = |status: StatusCode| status.is_client_error() || status.is_server_error();
        let is_error = end.status.is_some_and(is_error) || grpc_status.is_some_and(|status| status != 0);
        let outcome = match outcome {
            // It has answered a cancel.
            Outcome::Completed if reason.is_some() && is_error => Outcome::Cancelled,
            outcome => outcome,
        };
        self.settings.observe(&RequestEnd {
            name: end.name,
            method: end.method,
            path: end.path,
            status: end.status,
            grpc_status,
            outcome,
            reason,
            cancelled,
            latency: end.begun.elapsed(),
            has_client_left: end.has_client_left,
        });
        drop(end.seat);
    }
}

/// Whoever drives it has been dropped: a runtime that ends, or a drain that waits no longer; or it has panicked.
impl<D> Drop for Running<D> {
    fn drop(&mut self) {
        let work = self.work.take();
        let was_running = work.is_some();
        drop(work);
        match self.done.take() {
            Some(done) => self.is_over(done),
            None if was_running && !self.is_polled => self.tell(Outcome::Cancelled, None),
            None => self.tell(Outcome::Panicked, None),
        }
    }
}
