//! The program, as a process, and clients of it.

use std::fmt::Debug;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::watched::Watched;

/// Nothing takes as long as that, on any machine.
const BOUND: Duration = Duration::from_secs(60);

/// No number has so many primes below it that a test would live to see them counted.
pub(crate) const FOR_EVER: &str = "/primes/18446744073709551615";

/// A process, which is killed when this is dropped.
pub(crate) struct Service {
    child: Watched,
    pub(crate) address: String,
    log: Arc<Log>,
}

/// What it has said so far on stderr.
#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, (Vec<String>, bool)> {
        self.lines.lock().unwrap()
    }

    /// The first thing that is found in the lines, now or later.
    fn wait<T>(&self, wanted: &dyn Debug, find: impl Fn(&str) -> Option<T>) -> T {
        let begun = Instant::now();
        let mut lines = self.lines();
        loop {
            if let Some(found) = lines.0.iter().find_map(|line| find(line)) {
                return found;
            }
            let left = BOUND.saturating_sub(begun.elapsed());
            assert!(!lines.1 && !left.is_zero(), "no {wanted:?} in {:#?}", lines.0);
            lines = self.more.wait_timeout(lines, left).unwrap().0;
        }
    }
}

impl Service {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_service")), args)
    }

    /// With a wall clock that is off by so much. (That of `Instant` is not: the system's, too, does not jump when the clock is set.)
    pub(crate) fn start_with_clock(offset: &str, args: &[&str]) -> Self {
        let mut command = Command::new("faketime");
        command
            .args(["-m", "-f", offset, env!("CARGO_BIN_EXE_service")])
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1");
        Self::start_as(command, args)
    }

    fn start_as(mut command: Command, args: &[&str]) -> Self {
        command
            .args(args)
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = Watched::spawn(&mut command);
        let mut stderr = BufReader::new(child.0.stderr.take().unwrap());
        let log = Arc::new(Log::default());
        let heard = Arc::clone(&log);
        thread::spawn(move || {
            loop {
                let mut line = String::new();
                let read = stderr.read_line(&mut line);
                let mut lines = heard.lines();
                match read {
                    Ok(1..) => lines.0.push(line.trim_end().to_owned()),
                    Ok(0) | Err(_) => lines.1 = true,
                }
                heard.more.notify_all();
                if lines.1 {
                    return;
                }
            }
        });
        let listening = "listening on ";
        let address = log.wait(&listening, |line| line.strip_prefix(listening).map(str::to_owned));
        Self { child, address, log }
    }

    /// The line of the log that begins like this.
    pub(crate) fn logged(&self, start: &str) -> String {
        self.log
            .wait(&start, |line| line.starts_with(start).then(|| line.to_owned()))
    }

    /// The log's line, with `--log json`, of the end of a request for this path.
    pub(crate) fn ended(&self, path: &str) -> Value {
        self.log.wait(&path, |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["path"] == path).then_some(line)
        })
    }

    /// What the front's log, with `--log json`, tells of a cancel at the back end.
    pub(crate) fn told(&self) -> Value {
        self.log.wait(&"backend", |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line.get("backend").is_some().then_some(line)
        })
    }

    /// How each request has ended of which the log tells, with `--log json`.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let lines = self.log.lines();
        let outcome = |line: &String| {
            Some(
                serde_json::from_str::<Value>(line).ok()?["outcome"]
                    .as_str()?
                    .to_owned(),
            )
        };
        lines.0.iter().filter_map(outcome).collect()
    }

    /// Sends a request, or the beginning of one.
    pub(crate) fn send(&self, text: &str) -> Client {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        Client(stream)
    }

    pub(crate) fn get(&self, path: &str) -> Client {
        self.get_with(path, "")
    }

    /// With headers, each a line.
    pub(crate) fn get_with(&self, path: &str, headers: &str) -> Client {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n"
        ))
    }

    pub(crate) fn stats(&self) -> Value {
        let (status, body) = self.get("/stats").answer();
        assert_eq!(status, 200);
        serde_json::from_str(&body).unwrap()
    }

    /// Asks again and again until they are so.
    pub(crate) fn until(&self, what: &str, are_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let stats = self.stats();
            if are_so(&stats) {
                return stats;
            }
            assert!(begun.elapsed() < BOUND, "not {what}: {stats}");
        }
    }

    /// Until so many of them run.
    pub(crate) fn until_running(&self, what: &str, n: u64) {
        self.until(&format!("{n} {what}"), |stats| stats[what] == n);
    }

    /// Until the queries of so many requests have begun, or are over, with `--log json`.
    pub(crate) fn until_begun(&self, n: usize) {
        self.until(&format!("{n} begun"), |stats| {
            let running = stats["queries"].as_u64().unwrap() as usize;
            running + self.outcomes().len() >= n
        });
    }

    /// Until nothing runs at all. Says how long that took.
    pub(crate) fn until_idle(&self) -> Duration {
        let begun = Instant::now();
        let stats = self.until("idle", |stats| RUNNING.iter().all(|what| stats[what] == 0));
        assert_eq!(stats.as_object().unwrap().len(), RUNNING.len() + 2, "{stats}");
        begun.elapsed()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.0.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    pub(crate) fn end(mut self) -> ExitStatus {
        self.child.0.wait().unwrap()
    }
}

/// What `/stats` says of now.
const RUNNING: [&str; 4] = ["workers", "queries", "requests", "scopes"];

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.0.kill();
        let _ = self.child.0.wait();
    }
}

/// The connection of a request. Dropped, the client has left.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    /// All that it is sent, until the end.
    pub(crate) fn text(mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).unwrap();
        text
    }

    /// Status and body of the answer.
    pub(crate) fn answer(self) -> (u16, String) {
        let answer = self.text();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        (status, if is_chunked { joined(body) } else { body.to_owned() })
    }

    /// Reads until this has come.
    pub(crate) fn read_until(&mut self, end: &str) {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            read.extend(byte);
        }
    }
}

/// The chunks of a body, which has to be whole.
fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    loop {
        let (length, rest) = chunks.split_once("\r\n").expect("a chunk");
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            assert_eq!(rest, "\r\n");
            return body;
        }
        body.push_str(&rest[..length]);
        chunks = rest[length..].strip_prefix("\r\n").unwrap();
    }
}

pub(crate) fn answer(status: u16, body: &str) -> (u16, String) {
    (status, body.to_owned())
}

/// The numbers from 1, each a line.
pub(crate) fn numbers(n: u32) -> String {
    (1..=n).map(|i| format!("{i}\n")).collect()
}
