//! A browser that is led by its driver: Chromium without a window, and as much of WebDriver as is needed here.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::until;

pub(crate) const TAB: char = '\u{e004}';
pub(crate) const ENTER: char = '\u{e007}';

/// A session of its own. It ends, with all its processes, when this is dropped.
pub(crate) struct Browser {
    driver: Driver,
    session: String,
}

struct Driver {
    child: Child,
    port: u16,
    /// What the browser keeps; its processes are known by it.
    profile: TempDir,
}

impl Driver {
    fn start() -> Self {
        let mut command = Command::new("chromedriver");
        command
            .args(["--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // Of a process group of its own, which is ended as a whole.
        command.process_group(0);
        let profile = TempDir::with_prefix("dashboard-").unwrap();
        let child = command
            .spawn()
            .expect("these tests need a browser and its driver: Debian's packages chromium and chromium-driver");
        let mut driver = Self {
            child,
            port: 0,
            profile,
        };
        let stdout = driver.child.stdout.take().unwrap();
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // "ChromeDriver was started successfully on port 12345."
            if let Some((_, port)) = line.split_once("successfully on port ") {
                driver.port = port.trim_end_matches('.').parse().unwrap();
                return driver;
            }
        }
        panic!("chromedriver did not start");
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let (port, length) = (self.port, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut stream = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            if line.trim_end().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let value = answer["value"].clone();
        assert!(value.get("error").is_none(), "{method} {path}: {value:#}");
        value
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
        // The browser has a group of its own.
        let profile = self.profile.path().to_str().unwrap().to_owned();
        until("the browser's end", || {
            let left = processes_that_name(&profile);
            for pid in &left {
                let _ = kill_process(*pid, Signal::KILL);
            }
            left.is_empty().then_some(())
        });
    }
}

/// The processes that have this among their arguments.
fn processes_that_name(text: &str) -> HashSet<Pid> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    let names = |pid: &Pid| {
        let args = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        args.windows(text.len()).any(|part| part == text.as_bytes())
    };
    ids.filter(names).collect()
}

impl Browser {
    pub(crate) fn start() -> Self {
        let driver = Driver::start();
        let profile = driver.profile.path().display();
        let options = json!({
            "args": [
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
                // Grey letters, so that a screenshot is small.
                "--disable-lcd-text",
                // A name that leads here, though it is another page's.
                "--host-resolver-rules=MAP evil.example 127.0.0.1",
                format!("--user-data-dir={profile}"),
            ],
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let session = driver.ask("POST", "/session", &wanted);
        let session = session["sessionId"].as_str().unwrap().to_owned();
        Self { driver, session }
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        self.driver.ask("POST", &path, body)
    }

    pub(crate) fn go(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// What a function with this body returns; `args` are its `arguments`.
    pub(crate) fn run(&self, script: &str, args: &[Value]) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": args }))
    }

    /// The same of a function that calls its last argument with what it has to say.
    pub(crate) fn run_async(&self, script: &str, args: &[Value]) -> Value {
        self.post("execute/async", &json!({ "script": script, "args": args }))
    }

    /// Waits until a function with this body returns something that is true, and returns that.
    pub(crate) fn until(&self, what: &str, script: &str, args: &[Value]) -> Value {
        until(what, || {
            let value = self.run(script, args);
            let is_true = !matches!(value, Value::Null | Value::Bool(false)) && value != "" && value != 0;
            is_true.then_some(value)
        })
    }

    /// Presses a key, and lets it go.
    pub(crate) fn press(&self, key: char) {
        let actions = ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }));
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("actions", &json!({ "actions": [keyboard] }));
    }

    /// A command of the browser's own protocol.
    pub(crate) fn chromium(&self, command: &str, params: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    /// The size of what is seen of a page, also if it is smaller than any window.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.chromium("Emulation.setDeviceMetricsOverride", &size);
    }

    /// As PNG, in base64.
    pub(crate) fn screenshot(&self) -> String {
        let path = format!("/session/{}/screenshot", self.session);
        self.driver.ask("GET", &path, &Value::Null).as_str().unwrap().to_owned()
    }
}
