//! Time limits: from headers and by default.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use cancelable::{Cancelled, ReasonKind, StatusTable, cancelable, remaining, sleep};
use cancelable_tower::{BadHeader, CancelLayer, CancelledResponse, Outcome, RequestToken, TimeoutHeader};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use crate::support::{FOR_EVER, Server, log, worker};

fn all() -> [TimeoutHeader; 3] {
    [
        TimeoutHeader::grpc_timeout(),
        TimeoutHeader::x_request_timeout(),
        TimeoutHeader::envoy_expected_timeout(),
    ]
}

fn read(header: &TimeoutHeader, name: &str, value: &[u8]) -> Option<Result<Duration, String>> {
    let mut headers = HeaderMap::new();
    let name: HeaderName = name.parse().unwrap();
    headers.insert(name, HeaderValue::from_bytes(value).unwrap());
    header.read(&headers).map(|read| read.map_err(|bad| bad.to_string()))
}

#[test]
fn headers_are_read_as_their_authors_say() {
    let [grpc, request, envoy] = all();
    let (ms, s) = (Duration::from_millis, Duration::from_secs);
    for (value, limit) in [
        ("1H", s(3600)),
        ("2M", s(120)),
        ("3S", s(3)),
        ("40m", ms(40)),
        ("5u", Duration::from_micros(5)),
        ("6n", Duration::from_nanos(6)),
        ("00000000S", s(0)),
        ("99999999H", s(99_999_999 * 3600)),
    ] {
        assert_eq!(
            read(&grpc, "grpc-timeout", value.as_bytes()),
            Some(Ok(limit)),
            "{value}"
        );
    }
    for value in [
        "",
        "S",
        "1",
        "1s",
        "-1S",
        "+1S",
        "1.5S",
        "123456789S",
        "1 S",
        "1S2S",
        "1\u{e9}",
    ] {
        let bad = read(&grpc, "grpc-timeout", value.as_bytes()).unwrap().unwrap_err();
        assert!(bad.starts_with("the header `grpc-timeout`: "), "{bad}");
    }
    assert_eq!(read(&request, "x-request-timeout", b"300ms"), Some(Ok(ms(300))));
    assert_eq!(read(&request, "x-request-timeout", b" 2s "), Some(Ok(s(2))));
    assert!(
        read(&request, "x-request-timeout", b"2")
            .unwrap()
            .unwrap_err()
            .contains("write `2s`")
    );
    let envoy_name = "x-envoy-expected-rq-timeout-ms";
    assert_eq!(read(&envoy, envoy_name, b"250"), Some(Ok(ms(250))));
    for value in ["", "250ms", "-1", "1e3", "99999999999999999999"] {
        assert!(read(&envoy, envoy_name, value.as_bytes()).unwrap().is_err(), "{value}");
    }
    assert_eq!(read(&envoy, "another", b"250"), None);

    let mut twice = HeaderMap::new();
    twice.append(envoy_name, HeaderValue::from_static("250"));
    twice.append(envoy_name, HeaderValue::from_static("250"));
    assert!(
        envoy
            .read(&twice)
            .unwrap()
            .unwrap_err()
            .to_string()
            .ends_with("more than once")
    );
}

/// What is nearly right is likelier to go wrong than what is not.
fn values() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => b'0'..=b'9', 2 => proptest::sample::select(&b"HMSmunsh +-.e"[..]), 1 => any::<u8>()];
    proptest::collection::vec(byte, 0..24)
}

/// What the text says, told in another way: whole digits, a unit of those that there are, and no more than there is room for.
fn meant(name: &str, text: &str) -> Option<Duration> {
    const SECOND: u128 = 1_000_000_000;
    let units: &[(&str, u128)] = match name {
        "grpc-timeout" => &[
            ("H", 3600 * SECOND),
            ("M", 60 * SECOND),
            ("S", SECOND),
            ("m", 1_000_000),
            ("u", 1_000),
            ("n", 1),
        ],
        "x-request-timeout" => &[
            ("ms", 1_000_000),
            ("h", 3600 * SECOND),
            ("m", 60 * SECOND),
            ("s", SECOND),
        ],
        _ => &[("", 1_000_000)],
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if name == "grpc-timeout" && digits > 8 {
        return None;
    }
    let (_, length) = units.iter().find(|(name, _)| *name == unit)?;
    // (With 24 bytes there is no more than fits.)
    let nanos = number.parse::<u128>().ok()? * length;
    let is_short = name == "grpc-timeout" || nanos / 1_000_000 <= u128::from(u64::MAX);
    let seconds = u64::try_from(nanos / SECOND).ok()?;
    is_short.then(|| Duration::new(seconds, (nanos % SECOND) as u32))
}

/// For each of the three readers; a million of each with `PROPTEST_CASES=1000000`.
#[test]
fn no_header_makes_a_reader_panic() {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let config = ProptestConfig {
        cases: cases.unwrap_or(33_334),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let names = ["grpc-timeout", "x-request-timeout", "x-envoy-expected-rq-timeout-ms"];
    proptest!(config, |(value in values())| {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        for (header, name) in all().iter().zip(names) {
            let limit = read(header, name, value.as_bytes());
            let meant = value.to_str().ok().and_then(|text| meant(name, text.trim()));
            prop_assert_eq!(limit.unwrap().ok(), meant, "{}: {:?}", name, value);
        }
    });
}

/// Says how much time it has.
fn asking() -> Router {
    let handler = async || match remaining() {
        None => "no limit".to_owned(),
        // (In whole minutes, and a little is gone.)
        Some(left) => format!("{} min", left.as_secs().div_ceil(60)),
    };
    Router::new().route("/", get(handler))
}

#[tokio::test]
async fn the_first_header_counts_and_is_capped() {
    let layer = CancelLayer::new()
        .timeout(Duration::from_secs(5 * 60))
        .timeout_headers(all())
        .max_timeout(Duration::from_secs(30 * 60));
    let server = Server::start(layer, asking()).await;
    for (headers, left) in [
        ("", "5 min"),
        ("x-request-timeout: 2m\r\n", "2 min"),
        ("x-request-timeout: 20m\r\n", "20 min"),
        ("x-request-timeout: 40m\r\n", "30 min"),
        ("x-envoy-expected-rq-timeout-ms: 180000\r\n", "3 min"),
        (
            "x-envoy-expected-rq-timeout-ms: 180000\r\ngrpc-timeout: 4M\r\n",
            "4 min",
        ),
    ] {
        let answer = server.get_with("/", headers).await.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (200, left), "{headers}");
    }
    // Without a cap of its own, the default is the cap; with neither, what the client says.
    let layer = CancelLayer::new().timeout_headers(all());
    let server = Server::start(layer.clone().timeout(Duration::from_secs(5 * 60)), asking()).await;
    let answer = server.get_with("/", "x-request-timeout: 2h\r\n").await.answer().await;
    assert_eq!(answer.body, "5 min");
    let server = Server::start(layer, asking()).await;
    assert_eq!(server.get("/").await.answer().await.body, "no limit");
    let answer = server.get_with("/", "x-request-timeout: 2h\r\n").await.answer().await;
    assert_eq!(answer.body, "120 min");
}

#[tokio::test]
async fn a_bad_header_is_refused_or_ignored() {
    let layer = CancelLayer::new()
        .timeout(Duration::from_secs(5 * 60))
        .timeout_headers(all());
    let bad = "x-request-timeout: soon\r\nx-envoy-expected-rq-timeout-ms: 60000\r\n";

    let mut server = Server::start(layer.clone(), asking()).await;
    let answer = server.get_with("/", bad).await.answer().await;
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .body
            .starts_with("the header `x-request-timeout`: a duration begins with"),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("soon"));
    let end = server.end().await;
    assert_eq!((end.outcome(), end.status().unwrap().as_u16()), (Outcome::Refused, 400));
    assert!(end.reason().is_none());

    let server = Server::start(layer.bad_header(BadHeader::Ignore), asking()).await;
    assert_eq!(server.get_with("/", bad).await.answer().await.body, "1 min");
    let answer = server.get_with("/", "grpc-timeout: soon\r\n").await.answer().await;
    assert_eq!(answer.body, "5 min");
}

#[tokio::test]
async fn the_program_may_refuse_in_its_own_way() {
    let layer = CancelLayer::new().timeout_headers(all()).refuse(|bad| {
        let text = format!("{:?}", bad.header());
        http::Response::builder().status(422).body(Bytes::from(text)).unwrap()
    });
    let mut server = Server::start(layer, asking()).await;
    let answer = server.get_with("/", "x-request-timeout: soon\r\n").await.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (422, "\"x-request-timeout\""));
    let end = server.end().await;
    assert_eq!((end.outcome(), end.status().unwrap().as_u16()), (Outcome::Refused, 422));
}

#[tokio::test]
async fn a_request_without_time_is_refused_unrun() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let service = tower::service_fn(move |_: http::Request<axum::body::Body>| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(
            axum::body::Body::empty(),
        )))
    });
    let router = Router::new().route_service("/", service);
    let mut server = Server::start(CancelLayer::new().timeout_headers(all()), router).await;
    let answer = server.get_with("/", "grpc-timeout: 0S\r\n").await.answer().await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (504, "timed out at once (scope \"GET /\")\n")
    );
    assert_eq!(calls.load(Ordering::Relaxed), 0, "not even called");
    assert_eq!(server.end().await.outcome(), Outcome::Cancelled);
    assert_eq!(server.get("/").await.answer().await.status, 200);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_limit_stops_the_worker_and_is_answered_with_504() {
    let (log, mut logged) = log();
    let handler = async move || -> Result<&'static str, CancelledResponse> {
        worker(&log).await.unwrap()?;
        Ok("done")
    };
    let router = Router::new().route("/{id}", get(handler));
    let (layer, line) = (CancelLayer::new().timeout(Duration::from_millis(20)), line!());
    let mut server = Server::start(layer, router).await;
    let answer = server.get("/7").await.answer().await;
    let text = "timed out after 20ms (scope \"GET /{id}\")";
    assert_eq!(
        (answer.status, answer.body.trim_end()),
        (504, text),
        "by the scope or by the handler"
    );
    assert!(answer.head.contains("content-type: text/plain"), "{}", answer.head);
    assert_eq!(logged.next().await, "working");
    assert_eq!(logged.next().await, text);
    let end = server.end().await;
    assert_eq!((end.name(), end.path()), ("GET /{id}", "/7"));
    assert_eq!(
        end.requested_at().map(|at| (at.file(), at.line())),
        Some((file!(), line))
    );
    assert!(end.noticed_at().is_some());
    assert!(end.latency() >= Duration::from_millis(20));
    assert!(
        end.to_string()
            .starts_with("method=GET path=\"/7\" status=504 outcome=cancelled latency_ms="),
        "{end}"
    );
}

/// Notices by itself.
#[cancelable]
async fn asleep() -> Result<(), CancelledResponse> {
    Ok(sleep(FOR_EVER).await?)
}

#[tokio::test]
async fn the_program_may_have_other_statuses_and_other_answers() {
    let table = StatusTable::DEFAULT
        .http(ReasonKind::Timeout, 408)
        .retry_after(ReasonKind::Timeout, Some(Duration::from_millis(1500)));
    let layer = CancelLayer::new().timeout(Duration::from_millis(5)).statuses(table);
    // By the handler, which knows nothing of the table; and by the scope.
    let router = Router::new()
        .route("/asleep", get(asleep))
        .route("/pending", get(async || std::future::pending::<()>().await));
    let mut server = Server::start(layer.clone(), router.clone()).await;
    for path in ["/asleep", "/pending"] {
        let answer = server.get(path).await.answer().await;
        assert_eq!(answer.status, 408, "{path}");
        assert!(answer.head.contains("retry-after: 2"), "{}", answer.head);
        assert!(answer.body.starts_with("timed out after 5ms"), "{}", answer.body);
        assert_eq!(server.end().await.outcome(), Outcome::Cancelled);
    }
    let layer = layer.respond(|cancelled: &Cancelled, status| {
        let text = format!("{:?} {}", cancelled.kind(), status.grpc());
        http::Response::builder().status(418).body(Bytes::from(text)).unwrap()
    });
    let server = Server::start(layer, router).await;
    let answer = server.get("/pending").await.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (418, "Timeout 4"));
}

#[tokio::test]
async fn a_handler_may_take_its_token() {
    let handler = async |token: RequestToken| -> Result<(), CancelledResponse> {
        assert_eq!(token.0, cancelable::current());
        token.cancel_with("not today");
        Ok(token.check()?)
    };
    let router = Router::new().route("/", get(handler));
    let server = Server::start(CancelLayer::new(), router.clone()).await;
    let answer = server.get("/").await.answer().await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (499, "not today (scope \"GET /\")\n")
    );

    // Without the layer that is a mistake.
    let (_, ends) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::serve(router, cancelable_tower::Requests::new(), ends, FOR_EVER, FOR_EVER).await;
    let answer = server.get("/").await.answer().await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("no `CancelLayer`"), "{}", answer.body);
}
