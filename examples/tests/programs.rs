//! The small programs of `examples/`, as they are run: to their end, with senseless arguments, with Ctrl-C and a timeout.

#![cfg(unix)]

mod watched;

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
#[cfg(target_os = "linux")]
use std::{
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use watched::Watched;

/// An example, which is not built by itself when only this test is.
fn example(name: &str) -> Command {
    let test = env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "`cargo test -p examples` builds the examples, too");
    let mut command = Command::new(path);
    command.stdin(Stdio::null());
    command
}

/// A program that runs, and is killed when it hangs.
struct Running {
    child: Watched,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

/// Exit code, standard output and standard error.
type End = (Option<i32>, String, String);

impl Running {
    fn start(name: &str, args: &[&str]) -> Self {
        let mut command = example(name);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Watched::spawn(&mut command);
        Self {
            stdout: BufReader::new(child.0.stdout.take().unwrap()),
            stderr: BufReader::new(child.0.stderr.take().unwrap()),
            child,
        }
    }

    /// The next line on standard output.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// The next line on standard error.
    fn error_line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line
    }

    fn interrupt(&self) {
        self.child.signal(Signal::INT);
    }

    fn end(mut self) -> End {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut stderr).unwrap();
        (self.child.0.wait().unwrap().code(), stdout, stderr)
    }
}

fn run(name: &str, args: &[&str]) -> End {
    Running::start(name, args).end()
}

/// Presses Ctrl-C after the first line of output.
fn interrupted(name: &str, args: &[&str]) -> End {
    let mut running = Running::start(name, args);
    let line = running.line();
    assert!(!line.is_empty(), "{:?}", running.end());
    running.interrupt();
    running.end()
}

/// What it says of a Ctrl-C, which is one line.
fn assert_interrupted(name: &str, end: &End) {
    assert_eq!(
        (end.0, end.2.clone()),
        (Some(130), format!("{name}: received SIGINT\n")),
        "{}",
        end.1
    );
}

#[test]
fn senseless_arguments_are_refused() {
    for name in [
        "hello",
        "worker",
        "clean_up",
        "limit",
        "pipeline",
        "rayon_partial",
        "retry",
        "tour",
        "render",
        "drain",
    ] {
        let (code, stdout, stderr) = run(name, &["--frobnicate"]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{name}");
        assert!(stderr.contains("unexpected argument"), "{name}: {stderr}");
    }
    for name in ["hello", "worker", "clean_up", "limit", "rayon_partial", "retry", "tour"] {
        let (code, _, stderr) = run(name, &["--timeout", "10"]);
        assert_eq!(code, Some(2), "{name}");
        assert!(stderr.contains("the unit is missing; write `10s`"), "{name}: {stderr}");
    }
}

/// Runs a script under `limit`.
fn limited<'a>(options: &[&'a str], script: &'a str) -> Vec<&'a str> {
    options.iter().copied().chain(["--", "sh", "-c", script]).collect()
}

/// None of the processes whose ids the script has printed is there, save as a zombie that the system has yet to reap. One that has just
/// been killed, and of whom nobody is the parent any more, is there until it has had a processor once more.
#[cfg(target_os = "linux")]
fn assert_gone(said: &str) {
    for id in said.split_whitespace() {
        let began = Instant::now();
        loop {
            match fs::read_to_string(format!("/proc/{id}/stat")) {
                Ok(stat) if !stat.contains(") Z ") => assert!(began.elapsed() < Duration::from_secs(20), "{stat}"),
                _ => break,
            }
            thread::yield_now();
        }
    }
}

#[test]
fn limit_exits_as_its_command_does() {
    assert_eq!(
        run("limit", &limited(&[], "echo built")),
        (Some(0), "built\n".into(), String::new())
    );
    assert_eq!(run("limit", &limited(&[], "exit 3")).0, Some(3));
    assert_eq!(run("limit", &limited(&[], "kill -9 $$")).0, Some(137));
    let (code, _, stderr) = run("limit", &["--", "/no/such/command"]);
    assert_eq!(code, Some(127));
    assert!(
        stderr.starts_with("limit: /no/such/command: cannot be started: "),
        "{stderr}"
    );
}

/// <https://github.com/watchexec/process-wrap/issues/6>: a tool that runs others, and is to be gone with all of them, so that none writes
/// to the terminal any more.
#[test]
#[cfg(target_os = "linux")]
fn limit_takes_the_whole_tree_along() {
    let script = "sleep 1000 & sleep 1000 & echo $$ $(jobs -p); wait";
    let (code, said, stderr) = run("limit", &limited(&["--timeout", "500ms"], script));
    assert_eq!((code, stderr.as_str()), (Some(124), "limit: timed out after 500ms\n"));
    assert_gone(&said);

    let mut running = Running::start("limit", &limited(&[], script));
    let said = running.line();
    running.interrupt();
    assert_interrupted("limit", &running.end());
    assert_gone(&said);

    // The output has an end only when nobody is left that could write.
    let deaf = "trap 'echo asked' TERM; echo $$; while :; do sleep 1000 & wait; done";
    let mut running = Running::start("limit", &limited(&["--grace", "10m"], deaf));
    let said = running.line();
    running.interrupt();
    assert_eq!(running.line(), "asked\n");
    running.interrupt();
    assert_eq!(running.end().0, Some(130));
    assert_gone(&said);
}

#[test]
fn hello() {
    let (code, stdout, stderr) = run("hello", &["--times", "1"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "hello, 1\n", ""));
    assert_interrupted("hello", &interrupted("hello", &["--times", "1000"]));
    let (code, _, stderr) = run("hello", &["--timeout", "20ms"]);
    assert_eq!((code, stderr.as_str()), (Some(124), "hello: timed out after 20ms\n"));
}

#[test]
fn worker() {
    let (code, stdout, stderr) = run("worker", &["--below", "10000"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout, "1000 primes up to 7919\n1229 primes\n");
    assert_interrupted("worker", &interrupted("worker", &["--below", "18446744073709551615"]));
    let (code, _, stderr) = run("worker", &["--below", "18446744073709551615", "--timeout", "20ms"]);
    assert_eq!((code, stderr.as_str()), (Some(124), "worker: timed out after 20ms\n"));
}

#[test]
fn clean_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("numbers");
    let path = file.to_str().unwrap();
    let left = || fs::read_dir(folder.path()).unwrap().count();

    assert_interrupted("clean_up", &interrupted("clean_up", &[path]));
    assert_eq!(left(), 0);
    let (code, stdout, stderr) = run("clean_up", &[path, "--timeout", "300ms"]);
    assert_eq!(
        (code, stderr.as_str()),
        (Some(124), "clean_up: timed out after 300ms\n")
    );
    assert!(stdout.ends_with("numbers.part removed\n"), "{stdout}");
    assert_eq!(left(), 0);

    let (code, stdout, _) = run("clean_up", &[path, "--lines", "1"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "line 1\n"));
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), left()), ("1\n", 1));

    let (code, stdout, stderr) = run("clean_up", &["/nowhere/numbers"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.starts_with("clean_up: No such file"), "{stderr}");
}

/// Of what was made, all was taken or is left. Returns how much was made.
fn assert_nothing_lost(stdout: &str) -> u64 {
    let line = stdout.lines().last().unwrap();
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [made, taken, left] = numbers[..] else {
        panic!("{line}")
    };
    assert_eq!(made, taken + left, "{line}");
    made
}

#[test]
fn pipeline() {
    let (code, stdout, stderr) = run("pipeline", &["--items", "100"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout.matches("item ").count(), 300);
    assert!(stdout.ends_with("\n300 made, 300 taken, 0 left\n"), "{stdout}");

    let end = interrupted("pipeline", &["--items", "1000000000"]);
    assert_interrupted("pipeline", &end);
    assert!(end.1.ends_with(" taken, 0 left\n"), "what was made is taken: {}", end.1);
    assert!(assert_nothing_lost(&end.1) > 0);

    for bad in ["0", "7", "1000"] {
        let (code, stdout, stderr) = run("pipeline", &["--items", "1000000000", "--bad", bad]);
        assert_eq!(
            (code, stderr),
            (Some(1), format!("pipeline: {bad} cannot be handled\n"))
        );
        assert_nothing_lost(&stdout);
    }
}

#[test]
fn rayon_partial() {
    let (code, stdout, stderr) = run("rayon_partial", &["--blocks", "1"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout, "the first block is done\n1229 primes in 1 of 1 blocks\n");

    let end = interrupted("rayon_partial", &["--blocks", "1000000000"]);
    assert_interrupted("rayon_partial", &end);
    let words: Vec<&str> = end.1.trim_end().split(' ').collect();
    let [primes, "primes", "in", blocks, "of", "1000000000", "blocks"] = words[..] else {
        panic!("{}", end.1)
    };
    assert!(
        primes.parse::<u64>().unwrap() > 0 && blocks.parse::<u64>().unwrap() > 0,
        "{}",
        end.1
    );
}

/// The grey values of a picture, and those of them that are drawn.
fn pixels(picture: &std::path::Path) -> (usize, usize) {
    let bytes = fs::read(picture).unwrap();
    let pixels = &bytes[bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1..];
    (pixels.len(), pixels.iter().filter(|&&pixel| pixel > 0).count())
}

#[test]
fn render() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.pgm");
    let name = picture.to_str().unwrap();
    let (code, stdout, stderr) = run("render", &[name, "--size", "100"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "drawing\n"));
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(lines.iter().any(|line| line.contains(" of 8 (")), "{stderr}");
    assert!(
        lines.last().is_some_and(|line| line.starts_with("finished in ")),
        "{stderr}"
    );
    let (all, drawn) = pixels(&picture);
    assert!(all == 10_000 && drawn > 5_000);

    let (code, stdout, stderr) = interrupted("render", &[name, "--size", "8000"]);
    assert_eq!((code, stdout.as_str()), (Some(130), ""));
    let end: Vec<&str> = stderr.lines().rev().take(2).collect();
    assert_eq!(end[0], "render: received SIGINT");
    assert!(end[1].starts_with("cancelled"), "{stderr}");
    let (all, drawn) = pixels(&picture);
    assert!(all == 64_000_000 && drawn < all);
    let (code, _, stderr) = run("render", &[name, "--size", "8000", "--timeout", "20ms"]);
    assert!(
        code == Some(124) && stderr.ends_with("render: timed out after 20ms\n"),
        "{stderr}"
    );
    let (code, _, stderr) = run("render", &["/", "--size", "10"]);
    assert!(code == Some(1) && stderr.contains("render: /: "), "{stderr}");
}

/// What there is on a terminal at the end, and the exit code.
#[cfg(target_os = "linux")]
fn on_a_terminal(name: &str, args: &[&str]) -> (Vec<String>, Option<i32>) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{Winsize, tcsetwinsize};
    use std::os::unix::ffi::OsStringExt as _;

    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: 100,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).unwrap();
    let side = std::ffi::OsString::from_vec(ptsname(&master, Vec::new()).unwrap().into_bytes());
    let mut command = example(name);
    command.args(args).env("TERM", "xterm").stdout(Stdio::null());
    command.stderr(fs::File::options().write(true).open(side).unwrap());
    let mut child = Watched::spawn(&mut command);
    // The program has the only one left.
    drop(command);
    let mut drawn = Vec::new();
    // Ends with an error, which says that nobody is there any more.
    let _ = fs::File::from(master).read_to_end(&mut drawn);
    let mut screen = avt::Vt::new(100, 24);
    screen.feed_str(&String::from_utf8(drawn).unwrap());
    let lines = screen.view().map(|line| line.text().trim_end().to_owned());
    let lines = lines.filter(|line| !line.is_empty()).collect();
    (lines, child.0.wait().unwrap().code())
}

#[test]
#[cfg(target_os = "linux")]
fn render_draws_a_bar_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.pgm");
    let name = picture.to_str().unwrap();
    let (lines, code) = on_a_terminal("render", &[name, "--size", "100"]);
    assert!(
        lines[0].starts_with("render [==============================] finished in "),
        "{lines:?}"
    );
    assert_eq!((lines.len(), code), (1, Some(0)));
    let (lines, code) = on_a_terminal("render", &[name, "--size", "8000", "--timeout", "20ms"]);
    assert!(
        lines[0].starts_with("render [") && lines[0].contains("] cancelled at "),
        "{lines:?}"
    );
    assert_eq!((lines[1].as_str(), code), ("render: timed out after 20ms", Some(124)));
}

#[test]
fn tour() {
    let (code, stdout, stderr) = run("tour", &["--cities", "12"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lengths = |said: &str| -> Vec<f64> {
        let first = |line: &str| line.split(' ').next().unwrap().parse().unwrap();
        said.lines().map(first).collect()
    };
    let [at_first, best] = lengths(&stdout)[..] else {
        panic!("{stdout}")
    };
    assert!(
        best < at_first && stdout.ends_with("no swap makes it shorter\n"),
        "{stdout}"
    );

    let end = interrupted("tour", &["--cities", "100000"]);
    assert_interrupted("tour", &end);
    let (code, stdout, stderr) = run("tour", &["--cities", "100000", "--timeout", "50ms"]);
    assert_eq!((code, stderr.as_str()), (Some(124), "tour: timed out after 50ms\n"));
    for stdout in [end.1, stdout] {
        let shown = lengths(&stdout);
        assert!(
            stdout.ends_with(" km so far\n") && shown.is_sorted_by(|a, b| a >= b),
            "{stdout}"
        );
    }
}

#[test]
fn retry() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let mut running = Running::start(
        "retry",
        &[&server, "--patience", "200ms", "--pause", "1ms", "--attempts", "1000"],
    );
    // Connected to, and silent.
    let (silent, _) = listener.accept().unwrap();
    let line = running.error_line();
    assert_eq!(
        line,
        "attempt 1: timed out after 200ms (scope \"attempt\"); the next one in 1ms\n"
    );
    drop(silent);
    let (mut greeting, _) = listener.accept().unwrap();
    greeting.write_all(b"welcome\n").unwrap();
    drop(greeting);
    let (code, stdout, _) = running.end();
    assert_eq!((code, stdout.as_str()), (Some(0), "welcome\n"));

    // Nobody there. (A child of another test that is just being started may keep the port open for a moment.)
    drop(listener);
    let (code, stdout, stderr) = run("retry", &[&server, "--pause", "1ms", "--attempts", "3"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_eq!(stderr.lines().count(), 3, "{stderr}");
    for (line, start) in stderr.lines().zip([
        "attempt 1: Connection re",
        "attempt 2: Connection re",
        "retry: Connection re",
    ]) {
        assert!(line.starts_with(start), "{stderr}");
    }

    // Stopped between two attempts.
    let mut running = Running::start("retry", &[&server, "--pause", "1h"]);
    assert!(running.error_line().contains("the next one in 3600s"));
    running.interrupt();
    assert_interrupted("retry", &running.end());
    let (code, _, stderr) = run("retry", &[&server, "--pause", "1h", "--timeout", "300ms"]);
    assert_eq!(
        (code, stderr.lines().last()),
        (Some(124), Some("retry: timed out after 300ms"))
    );
}

/// Stopped in the middle of an attempt: that is its end, not a reason for another one.
#[test]
fn retry_does_not_try_again_after_ctrl_c() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let running = Running::start("retry", &[&server, "--patience", "1h"]);
    let _silent = listener.accept().unwrap();
    running.interrupt();
    assert_interrupted("retry", &running.end());
}

#[test]
fn drain() {
    let connect = |running: &mut Running| {
        let line = running.line();
        let address = line.trim_end().strip_prefix("listening on ").unwrap();
        let client = TcpStream::connect(address).unwrap();
        let mut lines = BufReader::new(client);
        lines.get_mut().write_all(b"hello\n").unwrap();
        let mut echoed = String::new();
        lines.read_line(&mut echoed).unwrap();
        assert_eq!(echoed, "hello\n");
        lines
    };
    // One that is told to go, and goes.
    let mut running = Running::start("drain", &["--run-for", "1ms"]);
    let mut lines = connect(&mut running);
    running.interrupt();
    let mut goodbye = String::new();
    lines.read_to_string(&mut goodbye).unwrap();
    assert_eq!(goodbye, "the server is shutting down\n");
    let (code, _, stderr) = running.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(
        stderr,
        "drain: received SIGINT: 1ms for 1 connections\ndrain: 1 task ended\n"
    );

    // One that goes by itself.
    let mut running = Running::start("drain", &["--run-for", "1h"]);
    let lines = connect(&mut running);
    running.interrupt();
    assert!(running.error_line().contains("received SIGINT"));
    drop(lines);
    let (code, _, stderr) = running.end();
    // It may have gone before the drain began.
    let clean = ["drain: 1 task ended\n", "drain: 0 tasks ended\n"];
    assert!(
        code == Some(0) && clean.contains(&stderr.as_str()),
        "{code:?}: {stderr}"
    );
}

/// Lines up to one that has this in it.
#[cfg(feature = "registry")]
fn error_lines_until(running: &mut Running, end: &str) -> String {
    let mut lines = String::new();
    loop {
        let line = running.error_line();
        assert!(!line.is_empty(), "{lines}");
        lines += &line;
        if line.contains(end) {
            return lines;
        }
    }
}

#[cfg(feature = "registry")]
#[test]
fn dump_says_what_runs_and_what_ignores_ctrl_c() {
    let mut running = Running::start("dump", &["--files", "2", "--part", "1h", "--call", "1h"]);
    assert!(running.line().starts_with("running: kill -USR1 "));
    // The tree, as soon as all have begun.
    let tree = loop {
        running.child.signal(Signal::USR1);
        let tree = error_lines_until(&mut running, "no cancelled scope runs");
        if ["file 1", "file 2", "call"].iter().all(|name| tree.contains(name)) {
            break tree;
        }
    };
    for (name, what) in [
        ("run", "waits"),
        ("file 1", "0 of 10 done"),
        ("file 2", "last passed"),
        ("call", "runs on"),
    ] {
        let line = tree.lines().find(|line| line.contains(&format!("{name} "))).unwrap();
        assert!(line.contains(what), "{name}: {tree}");
    }
    // What is left is the call: its thread is in a sleep that nobody can interrupt.
    running.interrupt();
    let stragglers = loop {
        running.child.signal(Signal::USR1);
        let lines = error_lines_until(&mut running, "scope");
        if lines.contains("waits for") && !lines.contains("file 1") {
            break lines;
        }
    };
    assert!(stragglers.contains("received SIGINT (scope \"run\")"), "{stragglers}");
    running.child.signal(Signal::KILL);
}

#[cfg(feature = "registry")]
#[test]
fn dump_ends_by_itself() {
    let (code, _, _) = run("dump", &["--frobnicate"]);
    assert_eq!(code, Some(2));
    let (code, _, stderr) = run("dump", &["--files", "1", "--part", "1ms", "--call", "1ms"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
}
