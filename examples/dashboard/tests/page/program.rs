//! The program as it is run, and what is asked of it over plain sockets.

#[path = "../../../tests/watched/mod.rs"]
mod watched;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use watched::{HANG, Watched};

pub(crate) use rustix::process::Signal;

pub(crate) struct Dashboard {
    child: Watched,
    log: BufReader<ChildStderr>,
    /// Where it listens, as in `127.0.0.1:3001`.
    pub(crate) address: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In small letters.
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dashboard"));
    command.stdin(Stdio::null());
    command
}

impl Dashboard {
    pub(crate) fn start() -> Self {
        Self::listening_on("127.0.0.1:0", &[])
    }

    pub(crate) fn listening_on(address: &str, args: &[&str]) -> Self {
        let mut command = command();
        command.args(["--listen", address]).args(args).stderr(Stdio::piped());
        let mut child = Watched::spawn(&mut command);
        let log = BufReader::new(child.0.stderr.take().unwrap());
        let mut dashboard = Self {
            child,
            log,
            address: String::new(),
        };
        let line = dashboard.line();
        dashboard.address = line
            .trim_end()
            .strip_prefix("listening on http://")
            .expect(&line)
            .into();
        dashboard
    }

    /// A request with these headers besides `Host`, which may be one of them.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n");
        let own = [("Host", &*self.address)];
        let has_host = headers.iter().any(|(name, _)| *name == "Host");
        for (name, value) in own.iter().filter(|_| !has_host).chain(headers) {
            request += &format!("{name}: {value}\r\n");
        }
        let mut stream = connect(&self.address);
        stream.write_all((request + "\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    /// What the page is told.
    pub(crate) fn snapshot(&self) -> Value {
        serde_json::from_str(&self.get("/snapshot").body).unwrap()
    }

    /// The scope of this number, while it runs.
    pub(crate) fn scope(&self, id: u64) -> Option<Value> {
        let snapshot = self.snapshot();
        let scopes = snapshot["scopes"].as_array().unwrap();
        scopes.iter().find(|scope| scope["id"] == id).cloned()
    }

    /// Waits for a scope of this name that runs, and is not cancelled; its number.
    pub(crate) fn running(&self, name: &str) -> u64 {
        until(name, || {
            let snapshot = self.snapshot();
            let scopes = snapshot["scopes"].as_array().unwrap();
            let found = scopes
                .iter()
                .find(|scope| scope["name"] == name && scope["cancel"].is_null())?;
            found["id"].as_u64()
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// The next line that it says on standard error.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        line
    }

    /// How it ends, and what else it says.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.log.read_to_string(&mut said).unwrap();
        (self.child.0.wait().unwrap(), said)
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = self.child.0.kill();
        let _ = self.child.0.wait();
    }
}

pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream
}

/// Asks until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
