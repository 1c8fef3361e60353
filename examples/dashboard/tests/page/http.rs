//! The page without a browser: what is served, who is refused, what is sent, and how it ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;

use serde_json::Value;

use crate::program::{Dashboard, Signal, command, connect, until};

const JOB: &str = "nightly report";

/// The token, as the page has it.
fn token(dashboard: &Dashboard) -> String {
    let page = dashboard.get("/").body;
    let (_, rest) = page.split_once(r#"<meta name="token" content=""#).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The stream of events that a page listens to.
struct Events(BufReader<TcpStream>);

impl Events {
    fn of(dashboard: &Dashboard) -> Self {
        let mut stream = connect(&dashboard.address);
        write!(stream, "GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", dashboard.address).unwrap();
        Self(BufReader::new(stream))
    }

    /// The next event: its name, and what it says. `None` once there are no more.
    fn next(&mut self) -> Option<(String, String)> {
        let mut name = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(event) = line.strip_prefix("event: ") {
                name = event.trim_end().to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, data.trim_end().to_owned()));
            }
        }
    }

    /// All that are left.
    fn rest(&mut self) -> Vec<(String, String)> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// The next of this name.
    fn next_of(&mut self, name: &str) -> String {
        let event = std::iter::from_fn(|| self.next()).find(|(event, _)| event == name);
        event.expect("one more event").1
    }

    fn view(&mut self) -> Value {
        serde_json::from_str(&self.next_of("view")).unwrap()
    }
}

#[test]
fn all_that_the_page_needs_is_served_from_here() {
    let dashboard = Dashboard::start();
    for (path, kind) in [
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
        ("/snapshot", "application/json"),
    ] {
        let answer = dashboard.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.head.contains(&format!("content-type: {kind}")),
            "{path}: {}",
            answer.head
        );
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self';",
            "x-frame-options: deny",
            "cache-control: no-store",
        ] {
            assert!(answer.head.contains(header), "{path}: {}", answer.head);
        }
        // Nothing leads elsewhere. (That is the name of a format.)
        let text = answer.body.replace(r#"xmlns="http://www.w3.org/2000/svg""#, "");
        assert!(!text.contains("://"), "{path}");
        assert!(!text.contains("innerHTML"), "{path}");
    }
    assert_eq!(dashboard.get("/nowhere").status, 404);
    assert_eq!(dashboard.get("/scopes/1/cancel").status, 405);
}

#[test]
fn whoever_has_the_token_cancels() {
    let dashboard = Dashboard::start();
    let id = dashboard.running(JOB);
    let token = token(&dashboard);
    let cancel = || {
        dashboard.ask(
            "POST",
            &format!("/scopes/{id}/cancel"),
            &[("X-Dashboard-Token", &token)],
        )
    };
    assert_eq!(cancel().status, 200);
    let end = until("its end", || {
        let snapshot = dashboard.snapshot();
        let ended = snapshot["ended"].as_array().unwrap();
        ended.iter().find(|scope| scope["id"] == id).cloned()
    });
    assert_eq!(end["outcome"], "cancelled");
    assert_eq!(
        end["cancel"]["reason"],
        format!(r#"cancelled on the live page (scope "{JOB}")"#)
    );
    for (field, file) in [("requested_at", "page.rs"), ("noticed_at", "busy.rs")] {
        let line = end["cancel"][field].as_str().unwrap();
        assert!(
            line.starts_with(&format!("examples/dashboard/src/{file}:")),
            "{field}: {line}"
        );
    }
    assert_eq!(cancel().status, 409);
    for id in ["0", "18446744073709551615"] {
        let path = format!("/scopes/{id}/cancel");
        assert_eq!(
            dashboard.ask("POST", &path, &[("X-Dashboard-Token", &token)]).status,
            409
        );
    }
    assert_eq!(
        dashboard
            .ask("POST", "/scopes/all/cancel", &[("X-Dashboard-Token", &token)])
            .status,
        400
    );
}

#[test]
fn whoever_is_another_page_cancels_nothing() {
    let dashboard = Dashboard::start();
    let id = dashboard.running(JOB);
    let path = format!("/scopes/{id}/cancel");
    let token = token(&dashboard);
    let right = ("X-Dashboard-Token", &*token);
    let own = format!("http://{}", dashboard.address);
    let port = dashboard.address.split_once(':').unwrap().1;
    let rebound = format!("evil.example:{port}");
    for (what, headers) in [
        ("no token", vec![]),
        (
            "a form of another page",
            vec![
                ("Origin", "http://evil.example"),
                ("Content-Type", "application/x-www-form-urlencoded"),
            ],
        ),
        ("a form of a page without an origin", vec![("Origin", "null")]),
        (
            "another start's token",
            vec![("X-Dashboard-Token", "0123456789abcdef0123456789abcdef")],
        ),
        ("the own page without the token", vec![("Origin", &*own)]),
        (
            "another page that knows the token",
            vec![("Origin", "http://evil.example"), right],
        ),
        ("another name for this host", vec![("Host", &*rebound), right]),
        (
            "another name, and its page",
            vec![("Host", &*rebound), ("Origin", "http://evil.example"), right],
        ),
    ] {
        let answer = dashboard.ask("POST", &path, &headers);
        assert_eq!(answer.status, 403, "{what}");
        assert!(
            answer.body.ends_with('\n') && !answer.body.contains(&token),
            "{what}: {}",
            answer.body
        );
    }
    // Nor does one of another name see anything.
    for path in ["/", "/snapshot", "/events", "/nowhere"] {
        let answer = dashboard.ask("GET", path, &[("Host", &rebound)]);
        assert_eq!(answer.status, 403, "{path}");
        assert!(!answer.body.contains(&token), "{path}");
    }
    let scope = dashboard.scope(id).expect("it runs");
    assert!(scope["cancel"].is_null(), "{scope}");
    // And the page itself may.
    assert_eq!(dashboard.ask("POST", &path, &[("Origin", &own), right]).status, 200);
}

#[test]
fn what_changes_is_sent() {
    let dashboard = Dashboard::start();
    let mut events = Events::of(&dashboard);
    let start = events.next_of("start");
    let page = dashboard.get("/").body;
    assert!(page.contains(&format!(r#"<meta name="start" content="{start}">"#)));
    // It gets on, and what it shows is what is.
    let done = |view: &Value| {
        let scopes = view["scopes"].as_array().unwrap();
        let job = scopes.iter().find(|scope| scope["name"] == JOB)?;
        job["progress"]["done"].as_u64()
    };
    let first = until("progress", || done(&events.view()));
    until("more of it", || done(&events.view()).filter(|now| *now > first));
    // Another start is another one.
    let other = Dashboard::start();
    assert_ne!(Events::of(&other).next_of("start"), start);
    assert_ne!(token(&other), token(&dashboard));
}

#[test]
fn everything_that_can_become_of_a_scope_becomes_of_one() {
    let dashboard = Dashboard::start();
    let mut events = Events::of(&dashboard);
    let mut missing = vec![
        "running",
        "waiting",
        "shield",
        "code",
        "deadline",
        "progress",
        "below",
        "finished",
        "cancelled",
        "dropped",
        "forced",
        "panicked",
    ];
    until("all of it", || {
        let view = events.view();
        for scope in view["scopes"].as_array().unwrap() {
            let waits_for = scope["waits_for"]["what"].as_str().unwrap();
            let mut is = vec![scope["state"].as_str().unwrap()];
            is.extend((!scope["cancel"].is_null()).then_some(waits_for));
            is.extend((!scope["deadline"].is_null()).then_some("deadline"));
            is.extend((!scope["progress"].is_null()).then_some("progress"));
            is.extend((!scope["parent"].is_null()).then_some("below"));
            // That of one which has ended is meant.
            missing.retain(|what| *what == "cancelled" || !is.contains(what));
        }
        for scope in view["ended"].as_array().unwrap() {
            missing.retain(|what| scope["outcome"] != *what);
        }
        missing.is_empty().then_some(())
    });
}

#[test]
fn at_the_end_it_says_so_and_drains() {
    for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
        let dashboard = Dashboard::listening_on("127.0.0.1:0", &["--drain", "50ms"]);
        let mut events = Events::of(&dashboard);
        dashboard.running(JOB);
        dashboard.signal(signal);
        // The page sees the end of the work, and then its own.
        let ends = events.rest();
        let [.., (view, last), (end, _)] = &*ends else {
            panic!("{ends:?}");
        };
        assert_eq!((&**view, &**end), ("view", "end"), "{ends:?}");
        assert!(last.contains(r#""reason":"shutting down"#), "{last}");
        let (status, said) = dashboard.end();
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), 2, "{said}");
        assert_eq!(
            lines[0],
            format!("dashboard: received {name}: no new work, 50ms for what runs")
        );
        assert!(
            lines[1].starts_with("dashboard: ") && lines[1].contains(" ended"),
            "{said}"
        );
        // The legacy export goes on for as long as it takes.
        let is_left = lines[1].contains("dropped") || lines[1].contains("still run");
        assert_eq!(status.code(), Some(i32::from(is_left)), "{said}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut dashboard = Dashboard::listening_on("127.0.0.1:0", &["--drain", "1h"]);
    dashboard.running(JOB);
    // (Where these tests are run in the background by a script, SIGINT is ignored.)
    dashboard.signal(Signal::TERM);
    let said = dashboard.line();
    assert_eq!(said, "dashboard: received SIGTERM: no new work, 3600s for what runs\n");
    dashboard.signal(Signal::TERM);
    let (status, said) = dashboard.end();
    assert_eq!((status.signal(), &*said), (Some(Signal::TERM.as_raw()), ""));
}

#[test]
fn senseless_arguments_are_refused() {
    for (args, expected) in [
        (["--listen", "nowhere"], "invalid socket address"),
        (["--listen", "0.0.0.0:3001"], "it listens on 127.0.0.1 or [::1] only"),
        (["--drain", "10"], "the unit is missing"),
        (["--frobnicate", "1"], "unexpected argument"),
    ] {
        let output = command().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
    let help = command().arg("--help").output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(
        text.contains("--listen <ADDRESS>") && text.contains("Exit status:"),
        "{text}"
    );
}

#[test]
fn a_port_in_use_is_a_failure() {
    let dashboard = Dashboard::start();
    let output = command().args(["--listen", &dashboard.address]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("dashboard: "));
}
