//! The page: what it is made of, what it is told, and the one thing that it may do.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cancelable::{CancelReason, CancellationToken, registry};
use futures_util::stream::{self, Stream};

use crate::access::{Access, random};
use crate::feed::{Feed, Subscriber};
use crate::view::{View, Watch};

/// What is said now and then when there is no news, so that it is noticed here that a page has gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// On each response. The page is made of files of its own, talks to nobody else, and is in nobody else's frame.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    // The token in it is that of this start.
    (CACHE_CONTROL, "no-store"),
];

#[derive(Clone)]
pub(crate) struct Page(Arc<Shared>);

struct Shared {
    access: Access,
    html: String,
    /// Which start it is: a page of another one has another token, and loads itself again.
    start: String,
    feed: Feed,
    /// Cancelled when it is over.
    closing: CancellationToken,
}

impl Page {
    pub(crate) fn new(access: Access, closing: CancellationToken) -> std::io::Result<Self> {
        let start = random()?;
        let html = include_str!("page/index.html")
            .replace("{token}", access.token())
            .replace("{start}", &start);
        Ok(Self(Arc::new(Shared {
            access,
            html,
            start,
            feed: Feed::new(),
            closing,
        })))
    }

    /// Looks what runs, as long as somebody looks at the page. It does not end.
    pub(crate) async fn keep_up_to_date(&self) {
        let mut watch = Watch::default();
        self.0.feed.run(|has_to| watch.look(has_to)).await;
    }

    pub(crate) fn router(&self) -> Router {
        let file = |content_type, text| get(async move || ([(CONTENT_TYPE, content_type)], text));
        Router::new()
            .route("/", get(index))
            .route(
                "/page.css",
                file("text/css; charset=utf-8", include_str!("page/page.css")),
            )
            .route(
                "/page.js",
                file("text/javascript; charset=utf-8", include_str!("page/page.js")),
            )
            .route("/icon.svg", file("image/svg+xml", include_str!("page/icon.svg")))
            .route("/snapshot", get(snapshot))
            .route("/events", get(events))
            .route("/scopes/{id}/cancel", post(cancel))
            .with_state(self.clone())
            // Round all of it, what is not found included.
            .layer(from_fn_with_state(self.clone(), guard))
    }
}

async fn guard(State(page): State<Page>, request: Request, next: Next) -> Response {
    let mut response = match page.0.access.check(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn index(State(page): State<Page>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], page.0.html.clone())
}

/// What the page is told, once: for other programs.
async fn snapshot() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], View::now().json().to_string())
}

async fn events(State(page): State<Page>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let updates = Updates::Hello(page.0.feed.subscribe());
    let events = stream::unfold((updates, page), async |(updates, page)| {
        let (event, updates) = updates.next(&page.0).await?;
        Some((Ok(event), (updates, page)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// How far a page has been told.
enum Updates {
    /// Nothing yet.
    Hello(Subscriber),
    Live(Subscriber),
    /// What there was at the end.
    Ended,
    Over,
}

impl Updates {
    async fn next(self, page: &Shared) -> Option<(Event, Self)> {
        let view = |news: &str| Event::default().event("view").data(news);
        match self {
            Self::Hello(subscriber) => {
                let hello = Event::default().event("start").data(&page.start);
                Some((hello, Self::Live(subscriber)))
            }
            Self::Live(mut subscriber) => match page.closing.run_until_cancelled(subscriber.next()).await.flatten() {
                Some(news) => Some((view(&news), Self::Live(subscriber))),
                None => Some((view(&View::now().json()), Self::Ended)),
            },
            Self::Ended => Some((Event::default().event("end").data("the program ends"), Self::Over)),
            Self::Over => None,
        }
    }
}

/// The one thing that the page may do.
async fn cancel(Path(id): Path<u64>) -> impl IntoResponse {
    let reason = CancelReason::manual().with_message("cancelled on the live page");
    if registry::cancel_with(id, reason) {
        (StatusCode::OK, "it is cancelled\n")
    } else {
        (StatusCode::CONFLICT, "it has ended, or was cancelled before\n")
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::sync::mpsc;
    use std::thread;

    use cancelable::{Cancelled, cancel_scope, cancelable, check};
    use cancelable_tower::serve;
    use tokio::net::TcpListener;
    use tokio::runtime::Builder;

    use super::*;

    /// It has no check point before what it waits for.
    #[cancelable]
    async fn stuck(is_stuck: mpsc::Sender<()>, end: mpsc::Receiver<()>) -> Result<(), Cancelled> {
        is_stuck.send(()).unwrap();
        // cancelable: allow(blocking-call) that is the mistake which the page is there to find
        end.recv().unwrap();
        check()
    }

    #[test]
    fn it_is_there_while_every_worker_is_stuck() {
        let busy = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let ((is_stuck, wait), (end, ended)) = (mpsc::channel(), mpsc::channel());
        let task = busy.spawn(cancel_scope!(
            name = "stuck",
            async move { stuck(is_stuck, ended).await }
        ));
        wait.recv().unwrap();

        let closing = CancellationToken::new();
        let (tell, told) = mpsc::channel();
        let server = thread::spawn({
            let closing = closing.clone();
            move || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let address = listener.local_addr().unwrap();
                    let access = Access::new(address).unwrap();
                    tell.send((address, access.token().to_owned())).unwrap();
                    let page = Page::new(access, closing.clone()).unwrap();
                    serve(listener, page.router()).until(closing).await
                })
            }
        });
        let (address, token) = told.recv().unwrap();
        let ask = |request: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            let rest = format!("Host: {address}\r\nX-Dashboard-Token: {token}\r\nConnection: close\r\n\r\n");
            write!(stream, "{request} HTTP/1.1\r\n{rest}").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        assert!(ask("GET /snapshot").contains(r#""name":"stuck""#));
        let id = registry::find("stuck").scopes[0].id;
        assert!(ask(&format!("POST /scopes/{id}/cancel")).starts_with("HTTP/1.1 200 "));
        assert!(ask("GET /snapshot").contains("cancelled on the live page"));

        end.send(()).unwrap();
        let error = busy.block_on(task).unwrap().unwrap_err();
        assert_eq!(error.reason().message(), Some("cancelled on the live page"));
        closing.cancel();
        assert!(server.join().unwrap().is_clean());
    }
}
