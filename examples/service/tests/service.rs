//! The service as its clients and its operators meet it: the real program, real sockets, real signals. Its database is SQLite.

#![cfg(unix)]

#[path = "../../tests/watched/mod.rs"]
mod watched;

#[allow(dead_code, reason = "other tests use more of it")]
mod support;

use std::env;
use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{Client, FOR_EVER, Service, answer, numbers};

#[test]
fn requests_are_answered() {
    let service = Service::start(&[]);
    service.logged("no --database: ");
    assert_eq!(service.get("/health").answer(), answer(200, "ok\n"));
    assert_eq!(service.get("/primes/100").answer(), answer(200, "25\n"));
    assert_eq!(service.get("/rows/0").answer(), answer(200, ""));
    assert_eq!(service.get("/rows/1").answer(), answer(200, "1\n"));
    assert_eq!(service.get("/rows/100").answer(), answer(200, &numbers(100)));
    assert_eq!(service.get("/slow/1").answer(), answer(200, "done\n"));
    assert_eq!(service.get("/detached/1").answer(), answer(200, "done\n"));
    assert_eq!(service.get("/nowhere").answer().0, 404);
    for path in [
        "/primes/many",
        "/primes/-1",
        "/rows/4294967296",
        "/slow/1.5",
        "/detached/",
    ] {
        let (status, _) = service.get(path).answer();
        assert!(status == 400 || status == 404, "{path}: {status}");
    }
    service.until_idle();
    let stats = service.stats();
    assert_eq!(stats["started"], 1);
    assert!(
        stats["cancelled"]
            .as_object()
            .unwrap()
            .values()
            .all(|count| *count == 0)
    );
}

#[test]
fn it_takes_the_time_that_it_is_asked_to() {
    let service = Service::start(&[]);
    for path in ["/slow/300", "/detached/300", "/rows/300"] {
        let begun = Instant::now();
        assert_eq!(service.get(path).answer().0, 200);
        assert!(begun.elapsed() >= Duration::from_millis(300), "{path}");
    }
}

#[test]
fn rows_come_one_by_one() {
    let service = Service::start(&["--timeout", "1h"]);
    let mut client = service.get("/rows/4000000000");
    client.read_until("\n17\n");
    service.until_running("queries", 1);
    drop(client);
    service.until_idle();
}

/// The client leaves once so many of them run, and then the service comes to rest.
fn leaves(service: &Service, path: &str, what: &str) {
    let before = service.stats()["cancelled"]["dropped"].as_u64().unwrap();
    let client = service.get(path);
    service.until_running(what, 1);
    let stats = service.stats();
    assert_eq!((&stats["requests"], &stats["scopes"]), (&1.into(), &2.into()));
    drop(client);
    println!("{path}: {:?} until it had stopped", service.until_idle());
    assert_eq!(service.stats()["cancelled"]["dropped"], before + 1);
}

#[test]
fn what_a_client_leaves_behind_stops() {
    let service = Service::start(&["--log", "json", "--timeout", "1h"]);
    leaves(&service, FOR_EVER, "workers");
    leaves(&service, "/slow/3600000", "queries");
    leaves(&service, "/rows/4000000000", "queries");
    for path in [FOR_EVER, "/slow/3600000", "/rows/4000000000"] {
        let line = service.ended(path);
        assert_eq!(line["outcome"], "cancelled");
        assert!(
            line["reason"].as_str().unwrap().ends_with("the client has left"),
            "{line}"
        );
    }
    assert_eq!(service.stats()["started"], 1);
}

#[test]
fn what_is_detached_goes_on() {
    let service = Service::start(&["--log", "json"]);
    let client = service.get("/detached/700");
    service.until_begun(1);
    drop(client);
    let line = service.ended("/detached/700");
    assert_eq!((&line["outcome"], &line["status"]), (&"completed".into(), &200.into()));
    assert!(line["latency_ms"].as_f64().unwrap() >= 700.0);
    service.until_idle();

    // Its time limit stays.
    let client = service.get_with("/detached/3600000", "x-request-timeout: 500ms\r\n");
    service.until_begun(2);
    drop(client);
    let line = service.ended("/detached/3600000");
    assert!(
        line["reason"].as_str().unwrap().starts_with("timed out after 500ms"),
        "{line}"
    );
    service.until_idle();
}

#[test]
fn a_header_limits_the_time() {
    let service = Service::start(&["--timeout", "1h"]);
    for path in [FOR_EVER, "/slow/3600000", "/detached/3600000"] {
        let (status, body) = service.get_with(path, "x-request-timeout: 300ms\r\n").answer();
        assert_eq!(status, 504, "{path}");
        assert!(body.starts_with("timed out after 300ms (scope \"GET /"), "{body}");
    }
    service.until_idle();
    assert_eq!(service.stats()["cancelled"]["timeout"], 3);
    let limited = service.get_with("/slow/1", "x-request-timeout: 2m\r\n");
    assert_eq!(limited.answer(), answer(200, "done\n"));
}

#[test]
fn rows_that_are_cut_do_not_pass_for_all() {
    let service = Service::start(&[]);
    let text = service.get_with("/rows/4000000000", "x-request-timeout: 3s\r\n").text();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("\n1\n"), "{text}");
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    service.until_idle();
}

#[test]
fn without_a_header_there_is_the_default() {
    let service = Service::start(&["--timeout", "300ms"]);
    let (status, body) = service.get(FOR_EVER).answer();
    assert_eq!(
        (status, &*body),
        (504, "timed out after 300ms (scope \"GET /primes/{n}\")\n")
    );
    // A header may say more.
    let more = service.get_with("/slow/400", "x-request-timeout: 10m\r\n");
    assert_eq!(more.answer(), answer(200, "done\n"));
}

#[test]
fn a_header_is_believed_up_to_a_limit() {
    let service = Service::start(&["--max-timeout", "300ms"]);
    let (status, body) = service.get_with(FOR_EVER, "x-request-timeout: 10h\r\n").answer();
    assert_eq!(
        (status, &*body),
        (504, "timed out after 300ms (scope \"GET /primes/{n}\")\n")
    );
}

#[test]
fn a_header_that_says_nothing_is_refused() {
    let service = Service::start(&["--log", "json"]);
    for header in ["soon", "10", "-1s", "1.5s", "", "1s\r\nx-request-timeout: 1s"] {
        let (status, body) = service
            .get_with(FOR_EVER, &format!("x-request-timeout: {header}\r\n"))
            .answer();
        assert_eq!(status, 400, "{header:?}");
        assert!(
            body.starts_with("the header `x-request-timeout`: "),
            "{header:?}: {body}"
        );
    }
    assert_eq!(service.ended(FOR_EVER)["outcome"], "refused");
    service.until_idle();
    assert_eq!(service.stats()["started"], 0);
}

#[test]
fn no_time_at_all_is_no_request() {
    let service = Service::start(&[]);
    for path in [FOR_EVER, "/slow/1", "/detached/1", "/rows/1"] {
        assert_eq!(
            service.get_with(path, "x-request-timeout: 0s\r\n").answer().0,
            504,
            "{path}"
        );
    }
    let stats = service.until("idle", |stats| stats["requests"] == 0);
    assert_eq!(
        (&stats["started"], &stats["cancelled"]["timeout"]),
        (&0.into(), &4.into())
    );
}

#[test]
fn health_and_stats_have_no_limit() {
    let service = Service::start(&["--timeout", "0s"]);
    assert_eq!(service.get("/primes/100").answer().0, 504);
    assert_eq!(service.get("/health").answer(), answer(200, "ok\n"));
    assert_eq!(service.stats()["cancelled"]["timeout"], 1);
}

#[test]
fn the_log_tells_each_requests_end() {
    let service = Service::start(&["--log", "json"]);
    service.get("/primes/7").answer();
    let line = service.ended("/primes/7");
    assert_eq!(
        (&line["method"], &line["status"], &line["outcome"]),
        (&"GET".into(), &200.into(), &"completed".into())
    );
    assert!(line["latency_ms"].as_f64().unwrap() > 0.0);
    assert!(line["reason"].is_null() && line["requested_at"].is_null());
    assert!(line.get("noticed_at").is_none());

    service
        .get_with("/slow/3600000", "x-request-timeout: 200ms\r\n")
        .answer();
    let line = service.ended("/slow/3600000");
    assert_eq!((&line["status"], &line["outcome"]), (&504.into(), &"cancelled".into()));
    assert_eq!(line["reason"], "timed out after 200ms (scope \"GET /slow/{ms}\")");
    assert!(line["latency_ms"].as_f64().unwrap() >= 200.0);
    for key in ["requested_at", "noticed_at"] {
        let location: Vec<_> = line[key].as_str().unwrap().split(':').collect();
        let [file, row, column] = location[..] else {
            panic!("{line}")
        };
        assert!(file.ends_with(".rs"), "{line}");
        assert!(row.parse::<u32>().is_ok() && column.parse::<u32>().is_ok(), "{line}");
    }
}

#[test]
fn the_log_is_text_by_default() {
    let service = Service::start(&[]);
    service.get("/primes/7").answer();
    let line = service.logged("method=GET");
    assert!(
        line.starts_with(r#"method=GET path="/primes/7" status=200 outcome=completed latency_ms="#),
        "{line}"
    );
}

#[test]
fn a_path_does_not_break_the_log() {
    let service = Service::start(&["--log", "json"]);
    let path = "/primes/%0a%22\"'%00";
    service.get(path).answer();
    assert_eq!(service.ended(path)["status"], 400);
}

#[test]
fn requests_that_run_are_let_finish_when_it_shuts_down() {
    for signal in [Signal::INT, Signal::TERM] {
        let service = Service::start(&["--drain", "1h", "--log", "json"]);
        let client = service.get("/slow/700");
        let rows = service.get("/rows/700");
        service.until_begun(2);
        service.signal(signal);
        let line = service.logged("received SIG");
        assert!(line.ends_with("no new requests, 3600s for those that run"), "{line}");
        while TcpStream::connect(&service.address).is_ok() {
            thread::yield_now();
        }
        assert_eq!(client.answer(), answer(200, "done\n"));
        assert_eq!(rows.answer(), answer(200, &numbers(700)));
        assert_eq!(service.end().code(), Some(0));
    }
}

#[test]
fn what_still_runs_after_that_is_cancelled() {
    let service = Service::start(&["--drain", "300ms", "--timeout", "1h", "--log", "json"]);
    let worker = service.get(FOR_EVER);
    let slow = service.get("/slow/3600000");
    let mut rows = service.get("/rows/4000000000");
    rows.read_until("\n1\n");
    service.until_running("workers", 1);
    service.until_running("queries", 2);
    service.signal(Signal::TERM);
    assert_eq!(worker.answer(), answer(503, "shutting down\n"));
    assert_eq!(slow.answer(), answer(503, "shutting down\n"));
    assert!(!rows.text().ends_with("0\r\n\r\n"));
    for path in [FOR_EVER, "/slow/3600000", "/rows/4000000000"] {
        assert_eq!(service.ended(path)["reason"], "shutting down");
    }
    assert_eq!(
        service.logged("received SIGTERM: "),
        "received SIGTERM: 0 finished, 3 cancelled"
    );
    assert_eq!(service.end().code(), Some(1));
}

#[test]
fn a_client_that_never_ends_its_request_does_not_hold_up_the_end() {
    let service = Service::start(&["--drain", "0s"]);
    let _client = service.send("GET /primes/100 HTTP/1.1\r\n");
    // The service has seen that one, too: it takes connections in order.
    assert_eq!(service.get("/primes/100").answer().0, 200);
    service.signal(Signal::TERM);
    service.logged("received SIGTERM");
    let code = service.end().code();
    assert!(code == Some(0) || code == Some(1), "{code:?}");
}

#[test]
fn neither_does_one_that_keeps_its_connection() {
    let service = Service::start(&["--drain", "1h"]);
    let mut client = service.send("GET /primes/100 HTTP/1.1\r\nHost: test\r\n\r\n");
    client.read_until("\r\n\r\n25\n");
    service.signal(Signal::TERM);
    assert_eq!(service.end().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let service = Service::start(&["--drain", "1h", "--timeout", "1h"]);
    let _client = service.get(FOR_EVER);
    service.until_running("workers", 1);
    service.signal(Signal::TERM);
    service.logged("received SIGTERM; ");
    service.signal(Signal::TERM);
    // Dropped, if the worker has not ended by then.
    service.logged("received SIGTERM: 0 finished");
    assert_eq!(service.end().code(), Some(1));
}

/// Exit code and stderr of a run that does not get so far as to serve.
fn fails(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_service")).args(args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn senseless_arguments_are_refused() {
    for (args, expected) in [
        (["--listen", "nowhere"], "invalid socket address"),
        (["--timeout", "10"], "the unit is missing"),
        (["--max-timeout", "ages"], "number"),
        (["--drain", "soon"], "number"),
        (["--log", "xml"], "possible values: text, json"),
        (
            ["--database", "mysql://localhost"],
            "write postgres://USER@HOST/DATABASE",
        ),
        (["--database", "postgres://localhost:port/"], "invalid"),
        (["--database", "postgres://localhost/?sslmode=require"], "requires TLS"),
        (["--frobnicate", "1"], "unexpected argument"),
    ] {
        let (code, stderr) = fails(&args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}

#[test]
fn what_cannot_be_had_is_a_failure() {
    let service = Service::start(&[]);
    let (code, stderr) = fails(&["--listen", &service.address]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("service: Address"), "{stderr}");

    // It speaks, but not as PostgreSQL does; and nobody at all.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for address in [service.address.clone(), nobody.to_string()] {
        let (code, stderr) = fails(&[
            "--listen",
            "127.0.0.1:0",
            "--database",
            &format!("postgres://u@{address}/d"),
        ]);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(
            stderr.starts_with("service: no connection to the database: "),
            "{stderr}"
        );
    }
}

#[test]
fn the_exit_codes_are_in_the_help() {
    let output = Command::new(env!("CARGO_BIN_EXE_service"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for text in ["0  shut down, and every", "1  shut down, and some", "2  the arguments"] {
        assert!(help.contains(text), "{help}");
    }
}

/// Random numbers: splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// What a process has open.
fn files(service: &Service) -> usize {
    fs::read_dir(format!("/proc/{}/fd", service.id())).map_or(0, Iterator::count)
}

#[test]
fn many_of_whom_a_third_leave_leave_nothing_behind() {
    let requests: u64 = env::var("SERVICE_REQUESTS").map_or(300, |n| n.parse().unwrap());
    let service = &Service::start(&["--log", "json"]);
    service.until_idle();
    let before = files(service);
    let seed = 18;
    const CLIENTS: u64 = 8;
    let stayed: u64 = thread::scope(|scope| {
        let clients = Vec::from_iter((0..CLIENTS).map(|n| {
            scope.spawn(move || {
                let mut random = Random(seed * CLIENTS + n);
                (0..requests / CLIENTS).map(|_| one(service, &mut random)).sum::<u64>()
            })
        }));
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    println!(
        "{requests} requests, seed {seed}: {stayed} stayed; at rest after {:?}",
        service.until_idle()
    );
    // Of those that have left some may have been done.
    let begun = Instant::now();
    while completed(service) < stayed || files(service) > before {
        assert!(begun.elapsed() < Duration::from_secs(60), "{before} {}", files(service));
        service.until_idle();
    }
    service.signal(Signal::TERM);
    service.logged("received SIGTERM: 0 finished, 0 cancelled");
}

fn completed(service: &Service) -> u64 {
    let outcomes = service.outcomes();
    outcomes.iter().filter(|outcome| *outcome == "completed").count() as u64
}

/// A request whose client stays, which is counted, or leaves.
fn one(service: &Service, random: &mut Random) -> u64 {
    let path = match random.below(4) {
        0 => "/primes/2000",
        1 => "/rows/10",
        2 => "/slow/10",
        _ => "/detached/10",
    };
    let client: Client = service.get(path);
    if random.below(3) == 0 {
        // Any moment will do.
        thread::sleep(Duration::from_micros(random.below(15_000)));
        return 0;
    }
    let (status, _) = client.answer();
    assert_eq!(status, 200, "{path}");
    1
}
