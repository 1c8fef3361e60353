//! The front and the back end, each a process: what a client leaves behind stops in both.

#![cfg(unix)]

#[path = "../../tests/watched/mod.rs"]
mod watched;

#[allow(dead_code, reason = "other tests use more of it")]
mod support;

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use support::{Service, answer};

/// A front, and its back end.
fn start(front: &[&str], backend: &[&str]) -> (Service, Service) {
    let log = ["--log", "json"];
    let backend = Service::start(&[&["backend"], &log[..], backend].concat());
    let url = format!("http://{}", backend.address);
    let front = Service::start(&[&["front", "--backend", &url], &log[..], front].concat());
    (front, backend)
}

/// The path of the back end's call.
const WAIT: &str = "/service.Backend/Wait";

/// What is answered when the back end is gone, whether that is found out by a call that breaks, or by the connection.
const GONE: u16 = 502;

const FOR_EVER: &str = "/slow/3600000";

#[test]
fn the_back_end_is_asked() {
    let (front, backend) = start(&[], &[]);
    assert_eq!(front.get("/slow/20").answer(), answer(200, "done\n"));
    let line = backend.ended(WAIT);
    assert_eq!(
        (&line["method"], &line["status"], &line["grpc_status"], &line["outcome"]),
        (&"POST".into(), &200.into(), &0.into(), &"completed".into())
    );
    assert!(line["latency_ms"].as_f64().unwrap() >= 20.0, "{line}");
    // It speaks HTTP/1.1 as well, on the same port.
    assert_eq!(backend.get("/health").answer(), answer(200, "ok\n"));
    backend.until_idle();
    front.until_idle();
    // The rest is the front's alone.
    assert_eq!(front.get("/primes/100").answer(), answer(200, "25\n"));
    assert_eq!(front.get("/detached/1").answer(), answer(200, "done\n"));
    assert_eq!(backend.outcomes().len(), 1);
}

#[test]
fn what_a_client_leaves_behind_stops_in_both() {
    let (front, backend) = start(&["--timeout", "1h"], &["--timeout", "1h", "--max-timeout", "2h"]);
    for n in 1..=5 {
        let client = front.get(FOR_EVER);
        backend.until_running("queries", 1);
        let stats = front.stats();
        assert_eq!((&stats["queries"], &stats["requests"]), (&0.into(), &1.into()));
        drop(client);
        println!("{:?} until the back end had stopped", backend.until_idle());
        front.until_idle();
        assert_eq!(backend.stats()["cancelled"]["dropped"], n);
        assert_eq!(front.stats()["cancelled"]["dropped"], n);
    }
    let line = backend.ended(WAIT);
    assert_eq!(line["outcome"], "cancelled");
    assert!(
        line["reason"].as_str().unwrap().ends_with("the client has left"),
        "{line}"
    );
    // The connection between them serves the next one.
    assert_eq!(front.get("/slow/1").answer(), answer(200, "done\n"));
}

#[test]
fn the_time_limit_goes_along() {
    let (front, backend) = start(&[], &["--timeout", "1h", "--max-timeout", "2h"]);
    let client = front.get_with(FOR_EVER, "x-request-timeout: 4s\r\n");
    backend.until_begun(1);
    // It cannot tell the back end that the time is up.
    front.signal(Signal::STOP);
    backend.until_idle();
    front.signal(Signal::CONT);
    let (status, body) = client.answer();
    assert_eq!(
        (status, &*body),
        (504, "timed out after 4s (scope \"GET /slow/{ms}\")\n")
    );
    let line = front.ended(FOR_EVER);
    assert_eq!((&line["outcome"], &line["status"]), (&"cancelled".into(), &504.into()));
    // Durations travel: the back end's is what was left, less what is kept back on the way.
    let line = backend.ended(WAIT);
    let reason = line["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("timed out after ") && !reason.contains("after 4s"),
        "{line}"
    );
    assert_eq!(backend.stats()["cancelled"]["timeout"], 1);
    front.until_idle();
}

/// On demand, for it needs the program `faketime`: `cargo test -p service --test processes -- --ignored`.
#[test]
#[ignore = "needs faketime"]
fn a_wall_clock_that_is_wrong_on_one_side_changes_nothing() {
    let hour = |service: &Service| {
        let text = service.get("/health").text();
        let date = text.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
        // `Mon, 30 Nov 2026 08`
        date[..19].to_owned()
    };
    for offset in ["-1h", "+1h"] {
        let backend = Service::start_with_clock(offset, &["backend", "--log", "json"]);
        let url = format!("http://{}", backend.address);
        let front = Service::start(&["--backend", &url, "--log", "json"]);
        let hours = match offset {
            "-1h" => (hour(&backend), hour(&front)),
            _ => (hour(&front), hour(&backend)),
        };
        // (The one that is behind was asked first.)
        assert_ne!(hours.0, hours.1, "faketime does nothing");
        assert_eq!(front.get("/slow/20").answer(), answer(200, "done\n"));
        let client = front.get_with(FOR_EVER, "x-request-timeout: 4s\r\n");
        backend.until_begun(2);
        // It cannot tell the back end that the time is up.
        front.signal(Signal::STOP);
        backend.until_idle();
        front.signal(Signal::CONT);
        assert_eq!(backend.stats()["cancelled"]["timeout"], 1);
        let (status, body) = client.answer();
        assert_eq!(
            (status, &*body),
            (504, "timed out after 4s (scope \"GET /slow/{ms}\")\n")
        );
        let line = front.ended(FOR_EVER);
        println!("{offset}: {} ms", line["latency_ms"]);
        assert!(line["latency_ms"].as_f64().unwrap() >= 4_000.0, "{line}");
        front.until_idle();
    }
}

#[test]
fn the_back_end_has_a_limit_of_its_own() {
    let (front, backend) = start(&["--timeout", "1h"], &["--timeout", "1h", "--max-timeout", "300ms"]);
    let (status, body) = front.get(FOR_EVER).answer();
    assert_eq!(status, 504, "{body}");
    assert!(
        body.starts_with("the back end: DeadlineExceeded: timed out after 300ms"),
        "{body}"
    );
    // The front's log says where the back end was.
    let told = front.told();
    let text = |key: &str| told[key].as_str().unwrap().to_owned();
    assert!(text("backend").starts_with("timed out after 300ms"), "{told}");
    assert!(text("scopes").starts_with("service.Backend/Wait"), "{told}");
    assert!(text("requested_at").contains("main.rs:"), "{told}");
    assert!(text("noticed_at").contains(".rs:"), "{told}");
    backend.until_idle();
    front.until_idle();
}

#[test]
fn a_back_end_that_is_killed_is_an_error_and_the_front_goes_on() {
    let (front, backend) = start(&["--timeout", "1h"], &["--timeout", "1h", "--max-timeout", "2h"]);
    let client = front.get(FOR_EVER);
    backend.until_running("queries", 1);
    let killed = Instant::now();
    backend.signal(Signal::KILL);
    let (status, body) = client.answer();
    println!("answered {:?} after the kill: {status} {body}", killed.elapsed());
    assert_eq!(status, GONE, "{body}");
    assert!(body.starts_with("the back end: "), "{body}");
    drop(backend);

    // Nobody is there. What does not need the back end works.
    assert_eq!(front.get("/slow/1").answer().0, GONE);
    assert_eq!(front.get("/primes/100").answer(), answer(200, "25\n"));
    front.until_idle();
    let stats = front.stats();
    assert!(
        stats["cancelled"]
            .as_object()
            .unwrap()
            .values()
            .all(|count| *count == 0),
        "{stats}"
    );
}

/// Where the way to a back end leads, if it leads anywhere.
type Target = Arc<Mutex<Option<String>>>;

/// Passes connections on to the target, and closes them if there is none.
fn forward(listener: &TcpListener, target: &Target) {
    for from in listener.incoming() {
        let (from, target) = (from.unwrap(), target.lock().unwrap().clone());
        if let Some(to) = target.and_then(|target| TcpStream::connect(target).ok()) {
            let (from_back, to_back) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || pass(from, to));
            thread::spawn(move || pass(to_back, from_back));
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_back_end_that_comes_back_is_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let target = Target::default();
    let led = Arc::clone(&target);
    thread::spawn(move || forward(&listener, &led));
    let front = Service::start(&["--backend", &url]);
    for _ in 0..2 {
        *target.lock().unwrap() = None;
        let (status, body) = front.get("/slow/1").answer();
        assert_eq!(status, GONE, "{body}");
        let backend = Service::start(&["backend"]);
        *target.lock().unwrap() = Some(backend.address.clone());
        assert_eq!(front.get("/slow/1").answer(), answer(200, "done\n"));
        drop(backend);
    }
    front.until_idle();
}

#[test]
fn the_back_end_drains() {
    let (front, backend) = start(&["--timeout", "1h"], &["--drain", "1h"]);
    let client = front.get("/slow/700");
    backend.until_begun(1);
    backend.signal(Signal::TERM);
    assert_eq!(client.answer(), answer(200, "done\n"));
    assert_eq!(backend.end().code(), Some(0));
    assert_eq!(front.get("/slow/1").answer().0, GONE);

    let (front, backend) = start(
        &["--timeout", "1h"],
        &["--drain", "0s", "--timeout", "1h", "--max-timeout", "2h"],
    );
    let client = front.get(FOR_EVER);
    backend.until_running("queries", 1);
    backend.signal(Signal::TERM);
    let (status, body) = client.answer();
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("shutting down"), "{body}");
    assert_eq!(backend.end().code(), Some(1));
}

#[test]
fn the_front_drains() {
    let (front, backend) = start(
        &["--drain", "0s", "--timeout", "1h"],
        &["--timeout", "1h", "--max-timeout", "2h"],
    );
    let client = front.get(FOR_EVER);
    backend.until_running("queries", 1);
    front.signal(Signal::TERM);
    assert_eq!(client.answer(), answer(503, "shutting down\n"));
    assert_eq!(front.end().code(), Some(1));
    backend.until_idle();
    backend.signal(Signal::TERM);
    assert_eq!(backend.end().code(), Some(0));
}

#[test]
fn what_is_no_call_of_it_is_refused() {
    let backend = Service::start(&["backend", "--log", "json"]);
    assert_eq!(backend.get("/primes/100").answer().0, 404);
    assert!(
        backend
            .get("/service.Backend/Other")
            .text()
            .contains("grpc-status: 12\r\n")
    );
    let limited = backend.get_with("/service.Backend/Wait", "grpc-timeout: soon\r\n");
    assert!(limited.text().contains("grpc-status: 3\r\n"));
    backend.until_idle();
}

#[test]
fn senseless_arguments_are_refused() {
    for (args, expected) in [
        (
            &["backend", "--backend", "http://127.0.0.1:1"][..],
            "a back end has no --backend",
        ),
        (&["--backend", "127.0.0.1:1"], "write http://HOST:PORT"),
        (&["--backend", "https://127.0.0.1:1"], "write http://HOST:PORT"),
        (&["middle"], "possible values: front, backend"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_service")).args(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}
