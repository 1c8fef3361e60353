//! The service before a PostgreSQL server of the tests' own: what it has the server do ends with the request, as the server sees it.

#![cfg(unix)]

#[path = "../../tests/watched/mod.rs"]
mod watched;

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../../../integrations/cancelable-postgres/tests/postgres/server.rs"]
mod server;
#[allow(dead_code, reason = "other tests use more of it")]
mod support;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use server::Server;
use support::{Service, answer, numbers};
use tokio::runtime::Runtime;
use tokio_postgres::Client;

/// A service, and somebody who looks at its database from outside.
struct Watched {
    service: Service,
    runtime: Runtime,
    admin: Client,
    name: &'static str,
}

impl Watched {
    /// The name is that of the connections.
    fn start(name: &'static str, args: &[&str]) -> Self {
        let port = Server::shared().port;
        let database = format!("postgres://postgres@127.0.0.1:{port}/postgres?application_name={name}");
        let service = Service::start(&[&["--database", &database, "--log", "json"], args].concat());
        let runtime = Runtime::new().unwrap();
        let admin = runtime.block_on(Server::shared().connect("admin"));
        Self {
            service,
            runtime,
            admin,
            name,
        }
    }

    /// What the server runs for the service.
    fn running(&self) -> Vec<String> {
        let query = "SELECT query FROM pg_stat_activity WHERE state <> 'idle' AND application_name = $1";
        let rows = self.runtime.block_on(self.admin.query(query, &[&self.name])).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The server's processes for it.
    fn backends(&self) -> Vec<i32> {
        let query = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY pid";
        let rows = self.runtime.block_on(self.admin.query(query, &[&self.name])).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Until the server runs nothing but such queries, and so many. Says how long that took.
    fn until_running(&self, n: usize, text: &str) -> Duration {
        let begun = Instant::now();
        loop {
            let running = self.running();
            if running.len() == n && running.iter().all(|query| query.contains(text)) {
                return begun.elapsed();
            }
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "not {n} {text:?}: {running:?}"
            );
        }
    }
}

#[test]
fn requests_are_answered() {
    let watched = Watched::start("answers", &[]);
    let service = &watched.service;
    assert_eq!(service.get("/rows/0").answer(), answer(200, ""));
    assert_eq!(service.get("/rows/103").answer(), answer(200, &numbers(103)));
    assert_eq!(service.get("/slow/1").answer(), answer(200, "done\n"));
    assert_eq!(service.get("/detached/1").answer(), answer(200, "done\n"));
    for path in ["/slow/300", "/rows/300"] {
        let begun = Instant::now();
        assert_eq!(service.get(path).answer().0, 200);
        assert!(begun.elapsed() >= Duration::from_millis(290), "{path}");
    }
    service.until_idle();
}

#[test]
fn the_servers_query_ends_when_the_client_leaves() {
    let watched = Watched::start("leaves", &["--timeout", "1h"]);
    let service = &watched.service;
    let backends = watched.backends();
    for _ in 0..5 {
        for (path, text) in [("/slow/3600000", "pg_sleep"), ("/rows/4000000000", "numbers")] {
            let mut client = service.get(path);
            if path.starts_with("/rows") {
                client.read_until("\n7\n");
            }
            watched.until_running(1, text);
            drop(client);
            println!(
                "{path}: {:?} until the server had ended it",
                watched.until_running(0, "")
            );
            service.until_idle();
            // The next one has the same connection, and is not hit.
            assert_eq!(service.get("/slow/5").answer(), answer(200, "done\n"));
            assert_eq!(service.get("/rows/5").answer(), answer(200, &numbers(5)));
        }
    }
    assert_eq!(watched.backends(), backends);
    assert_eq!(service.stats()["cancelled"]["dropped"], 10);
}

#[test]
fn it_ends_when_the_time_is_up() {
    let watched = Watched::start("time", &[]);
    let service = &watched.service;
    for path in ["/slow/3600000", "/detached/3600000"] {
        let (status, body) = service.get_with(path, "x-request-timeout: 300ms\r\n").answer();
        assert_eq!(status, 504, "{body}");
        assert!(body.starts_with("timed out after 300ms"), "{body}");
    }
    let rows = service.get_with("/rows/4000000000", "x-request-timeout: 3s\r\n").text();
    assert!(rows.contains("\n1\n") && !rows.ends_with("0\r\n\r\n"), "{rows}");
    watched.until_running(0, "");
    service.until_idle();
    assert_eq!(service.get("/slow/5").answer(), answer(200, "done\n"));
}

#[test]
fn it_goes_on_where_that_is_wanted() {
    let watched = Watched::start("detached", &[]);
    let client = watched.service.get("/detached/700");
    watched.service.until_begun(1);
    drop(client);
    assert_eq!(watched.service.ended("/detached/700")["outcome"], "completed");
    watched.until_running(0, "");
}

#[test]
fn it_ends_when_the_service_does() {
    let watched = Watched::start("drain", &["--drain", "0s", "--timeout", "1h"]);
    let slow = watched.service.get("/slow/3600000");
    let mut rows = watched.service.get("/rows/4000000000");
    rows.read_until("\n1\n");
    watched.service.until_running("queries", 2);
    watched.service.signal(Signal::TERM);
    assert_eq!(slow.answer(), answer(503, "shutting down\n"));
    watched.until_running(0, "");
    assert_eq!(watched.service.end().code(), Some(1));
}

#[test]
fn more_requests_than_connections_wait_for_one() {
    let watched = Watched::start("pool", &["--timeout", "1h"]);
    let clients = Vec::from_iter((0..60).map(|_| watched.service.get("/slow/20")));
    for client in clients {
        assert_eq!(client.answer(), answer(200, "done\n"));
    }
    // One that waits for a connection leaves as well.
    let holders = Vec::from_iter((0..16).map(|_| watched.service.get("/slow/3600000")));
    watched.service.until_running("queries", 16);
    let waiting = watched.service.get("/slow/3600000");
    watched.service.until_running("requests", 17);
    drop(waiting);
    watched.service.until_running("requests", 16);
    watched.until_running(16, "pg_sleep");
    drop(holders);
    watched.until_running(0, "");
    watched.service.until_idle();
}

#[test]
fn a_connection_that_breaks_is_an_error_and_the_next_one_is_another() {
    let watched = Watched::start("broken", &["--timeout", "1h"]);
    let client = watched.service.get("/slow/3600000");
    watched.until_running(1, "pg_sleep");
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
    watched
        .runtime
        .block_on(watched.admin.query(terminate, &[&watched.name]))
        .unwrap();
    let (status, body) = client.answer();
    assert!((500..600).contains(&status), "{status}");
    assert!(body.starts_with("the database: "), "{body}");
    assert_eq!(watched.service.get("/slow/5").answer(), answer(200, "done\n"));
    watched.service.until_idle();
}
