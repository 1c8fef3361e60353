//! The service as its clients and its operators meet it: the real program, real sockets, real signals.

#![cfg(unix)]

#[path = "../../tests/watched/mod.rs"]
mod watched;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::Signal;
use watched::Watched;

struct Service {
    child: Watched,
    address: String,
    log: BufReader<ChildStderr>,
}

impl Service {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_service"));
        command
            .args(["--listen", "127.0.0.1:0"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Watched::spawn(&mut command);
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            address: line
                .trim_end()
                .strip_prefix("listening on http://")
                .expect(&line)
                .into(),
            log: BufReader::new(child.0.stderr.take().unwrap()),
            child,
        }
    }

    /// The next line of the log that begins like this.
    fn logged(&mut self, start: &str) -> String {
        let mut log = String::new();
        loop {
            let from = log.len();
            assert_ne!(self.log.read_line(&mut log).unwrap(), 0, "no {start:?} in {log:?}");
            if log[from..].starts_with(start) {
                return log[from..].trim_end().to_owned();
            }
        }
    }

    /// Sends a request, or the beginning of one.
    fn send(&self, text: &str) -> Client {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        Client(stream)
    }

    fn get(&self, path: &str) -> Client {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        ))
    }

    /// A request that is to have a body of five bytes.
    fn post(&self) -> Client {
        self.send("POST /size HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 5\r\n\r\n")
    }

    fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    fn end(mut self) -> ExitStatus {
        self.child.0.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.0.kill();
        let _ = self.child.0.wait();
    }
}

struct Client(TcpStream);

impl Client {
    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// Status and body of the answer.
    fn answer(mut self) -> (u16, String) {
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}

fn answer(status: u16, body: &str) -> (u16, String) {
    (status, body.to_owned())
}

/// No number has so many primes below it that a test would live to see them counted.
const FOR_EVER: &str = "/primes/18446744073709551615";

#[test]
fn requests_are_answered() {
    let service = Service::start(&[]);
    assert_eq!(service.get("/primes/100").answer(), answer(200, "25\n"));
    assert_eq!(service.get("/blocking/1ms").answer(), answer(200, "done\n"));
    let mut client = service.post();
    client.send("12345");
    assert_eq!(client.answer(), answer(200, "5\n"));
    assert_eq!(service.get("/nowhere").answer().0, 404);
    let (status, body) = service.get("/blocking/soon").answer();
    assert_eq!(status, 400);
    assert!(body.contains("number"), "{body}");
}

#[test]
fn a_client_that_goes_stops_its_worker() {
    let mut service = Service::start(&[]);
    let client = service.get(FOR_EVER);
    service.logged("worker: begun");
    drop(client);
    assert_eq!(
        service.logged("worker: stopped"),
        r#"worker: stopped, dropped before it finished (scope "GET /primes/{below}"): the client has left"#
    );
}

#[test]
fn a_timeout_stops_the_worker_and_is_answered() {
    let mut service = Service::start(&["--timeout", "300ms"]);
    let reason = r#"timed out after 300ms (scope "GET /primes/{below}")"#;
    assert_eq!(service.get(FOR_EVER).answer(), answer(504, &format!("{reason}\n")));
    assert_eq!(service.logged("worker: stopped"), format!("worker: stopped, {reason}"));
}

#[test]
fn a_timeout_holds_for_what_knows_nothing_of_it() {
    let service = Service::start(&["--timeout", "300ms"]);
    let (status, body) = service.post().answer();
    assert_eq!(
        (status, body.as_str()),
        (504, "timed out after 300ms (scope \"POST /size\")\n")
    );
    assert_eq!(service.get("/blocking/1h").answer().0, 504);
}

#[test]
fn requests_that_run_are_let_finish_when_it_shuts_down() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut service = Service::start(&["--drain", "1h"]);
        let mut client = service.post();
        service.logged("POST /size: begun");
        service.signal(signal);
        assert!(
            service
                .logged("received SIG")
                .ends_with("no new requests, 3600s for those that run")
        );
        while TcpStream::connect(&service.address).is_ok() {
            thread::yield_now();
        }
        client.send("12345");
        assert_eq!(client.answer(), answer(200, "5\n"));
        assert_eq!(service.end().code(), Some(0));
    }
}

#[test]
fn what_still_runs_after_that_is_cancelled() {
    let mut service = Service::start(&["--drain", "300ms"]);
    let worker = service.get(FOR_EVER);
    service.logged("worker: begun");
    let waiting = service.post();
    service.logged("POST /size: begun");
    service.signal(Signal::TERM);
    assert_eq!(worker.answer(), answer(503, "shutting down\n"));
    assert_eq!(waiting.answer(), answer(503, "shutting down\n"));
    assert_eq!(service.logged("worker: stopped"), "worker: stopped, shutting down");
    assert_eq!(service.end().code(), Some(1));
}

#[test]
fn a_worker_that_cannot_be_stopped_does_not_hold_up_the_end() {
    let mut service = Service::start(&["--drain", "0s"]);
    let client = service.get("/blocking/1h");
    service.logged("worker: begun");
    service.signal(Signal::TERM);
    assert_eq!(client.answer(), answer(503, "shutting down\n"));
    assert_eq!(service.end().code(), Some(1));
}

#[test]
fn neither_does_a_client_that_never_ends_its_request() {
    let mut service = Service::start(&["--drain", "0s"]);
    let _client = service.send("GET /primes/100 HTTP/1.1\r\n");
    // The service has seen that one, too: it takes connections in order.
    assert_eq!(service.get("/primes/100").answer().0, 200);
    service.signal(Signal::TERM);
    service.logged("received SIGTERM");
    let code = service.end().code();
    assert!(code == Some(0) || code == Some(1), "{code:?}");
}

#[test]
fn a_client_that_keeps_its_connection_does_not_hold_up_the_end() {
    let service = Service::start(&["--drain", "1h"]);
    let mut client = service.send("GET /primes/100 HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n25\n") {
        let mut byte = [0];
        client.0.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    service.signal(Signal::TERM);
    assert_eq!(service.end().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut service = Service::start(&["--drain", "1h"]);
    let _client = service.get(FOR_EVER);
    service.logged("worker: begun");
    service.signal(Signal::TERM);
    service.logged("received SIGTERM");
    service.signal(Signal::TERM);
    // Dropped, if the worker has not ended by then.
    service.logged("received SIGTERM: 0 finished");
    assert_eq!(service.end().code(), Some(1));
}

#[test]
fn senseless_arguments_are_refused() {
    for (args, expected) in [
        (["--listen", "nowhere"], "invalid socket address"),
        (["--timeout", "10"], "the unit is missing"),
        (["--drain", "soon"], "number"),
        (["--frobnicate", "1"], "unexpected argument"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_service")).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}

#[test]
fn a_port_in_use_is_a_failure() {
    let service = Service::start(&[]);
    let output = Command::new(env!("CARGO_BIN_EXE_service"))
        .args(["--listen", &service.address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("service: "));
}
