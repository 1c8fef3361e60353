//! Signals as sources, by real signals to a process of their own (`src/bin/signalled.rs`). Nothing here goes by time: the
//! process says how far it is, and is sent the next signal then.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cancelable::signal::{self, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use cancelable::{Cancelled, ReasonKind, Scope, Source as _, check};
use rustix::process::{Pid, Signal, getpid, kill_process};
use tests::Runtime;

/// This long means that it hangs; then it is killed, and the test fails.
const HANG: Duration = Duration::from_secs(120);

struct Process {
    child: Child,
    says: BufReader<ChildStdout>,
    input: ChildStdin,
    /// Hangs up when dropped.
    _alive: mpsc::Sender<()>,
}

impl Process {
    fn start(part: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signalled"));
        command.args(part);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let (alive, watch) = mpsc::channel::<()>();
        thread::spawn(move || {
            if watch.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Self {
            says: BufReader::new(child.stdout.take().unwrap()),
            input: child.stdin.take().unwrap(),
            child,
            _alive: alive,
        }
    }

    /// The next line it says.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    #[track_caller]
    fn says(&mut self, expected: &str) {
        assert_eq!(self.line(), expected);
    }

    fn is_sent(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn may_go_on(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    /// It says nothing more, and dies of this signal, as it would have without us.
    #[track_caller]
    fn dies_of(mut self, signal: Signal) {
        self.says("");
        assert_eq!(self.child.wait().unwrap().signal(), Some(signal.as_raw()));
    }

    /// It is over, and so is its last scope: now Ctrl-C has its default action.
    #[track_caller]
    fn ends(mut self) {
        self.says("over");
        self.is_sent(Signal::INT);
        self.dies_of(Signal::INT);
    }
}

/// Of a test that has failed, it is left waiting.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn on_every_runtime(part: &str, test: impl Fn(Process)) {
    for runtime in Runtime::ALL {
        eprintln!("on {runtime:?}");
        test(Process::start(&[part, &format!("{runtime:?}")]));
    }
}

// Ask, wait, force ----------------------------------------------------------------------------------------------------

#[test]
fn the_first_signal_asks_and_the_second_ends_the_grace() {
    on_every_runtime("grace", |mut process| {
        process.says("body runs");
        process.is_sent(Signal::INT);
        process.says("body asked: received SIGINT");
        process.is_sent(Signal::INT);
        process.says("body dropped");
        process.may_go_on();
        process.says("scope forced: received SIGINT");
        process.ends();
    });
}

#[test]
fn a_third_signal_has_its_default_action() {
    on_every_runtime("grace", |mut process| {
        process.says("body runs");
        process.is_sent(Signal::INT);
        process.says("body asked: received SIGINT");
        process.is_sent(Signal::INT);
        // A destructor that hangs: nothing else helps.
        process.says("body dropped");
        process.is_sent(Signal::INT);
        process.dies_of(Signal::INT);
    });
}

#[test]
fn without_a_grace_the_second_signal_drops_the_body_too() {
    on_every_runtime("no grace", |mut process| {
        process.says("body runs");
        process.is_sent(Signal::INT);
        process.says("body asked: received SIGINT");
        process.is_sent(Signal::INT);
        process.says("body dropped");
        process.may_go_on();
        process.says("scope forced: received SIGINT");
        process.ends();
    });
}

#[test]
fn in_a_sync_scope_the_second_signal_has_its_default_action() {
    let mut process = Process::start(&["sync"]);
    process.says("body runs");
    process.is_sent(Signal::INT);
    process.says("body asked: received SIGINT");
    process.is_sent(Signal::INT);
    process.dies_of(Signal::INT);
}

#[test]
fn a_sync_scope_that_is_left_in_time_is_a_scope_that_is_over() {
    let mut process = Process::start(&["sync"]);
    process.says("body runs");
    process.is_sent(Signal::INT);
    process.says("body asked: received SIGINT");
    process.may_go_on();
    process.says("scope done");
    process.ends();
}

#[test]
fn a_sync_scope_that_is_over_has_no_say_in_the_signals_of_the_next() {
    let mut process = Process::start(&["sync, one after the other"]);
    process.says("first runs");
    process.is_sent(Signal::INT);
    process.says("first cancelled: received SIGINT");
    process.says("second runs");
    process.is_sent(Signal::INT);
    process.may_go_on();
    process.says("second cancelled: received SIGINT");
    process.ends();
}

#[test]
fn a_signal_that_finds_the_scope_cancelled_ends_its_grace() {
    let mut process = Process::start(&["cancelled by hand"]);
    process.says("body runs");
    process.says("body asked: by hand");
    process.is_sent(Signal::INT);
    process.says("body dropped");
    process.may_go_on();
    process.says("scope forced: by hand");
    process.ends();
}

#[test]
fn after_a_signal_that_found_the_scope_cancelled_the_next_has_its_default_action() {
    let mut process = Process::start(&["cancelled by hand"]);
    process.says("body runs");
    process.says("body asked: by hand");
    process.is_sent(Signal::INT);
    process.says("body dropped");
    process.is_sent(Signal::INT);
    process.dies_of(Signal::INT);
}

#[test]
fn signals_of_several_sources_of_one_scope_count_together() {
    for [first, second, third] in [
        [Signal::INT, Signal::INT, Signal::TERM],
        [Signal::INT, Signal::TERM, Signal::INT],
        [Signal::TERM, Signal::INT, Signal::INT],
        [Signal::TERM, Signal::INT, Signal::TERM],
        [Signal::TERM, Signal::TERM, Signal::INT],
    ] {
        let name = if first == Signal::INT { "SIGINT" } else { "SIGTERM" };
        let start = || {
            let mut process = Process::start(&["twice in one"]);
            process.says("body runs");
            process.is_sent(first);
            process.says(&format!("body asked: received {name}"));
            process.is_sent(second);
            process.says("body dropped");
            process
        };
        let process = start();
        process.is_sent(third);
        process.dies_of(third);

        let mut process = start();
        process.may_go_on();
        process.says(&format!("scope forced: received {name}"));
        process.ends();
    }
}

#[test]
fn one_signal_asks_nested_scopes_and_forces_none() {
    let mut process = Process::start(&["nested"]);
    process.says("body runs");
    process.is_sent(Signal::INT);
    process.says("body asked: received SIGINT");
    process.may_go_on();
    process.says("body pending");
    process.is_sent(Signal::INT);
    process.says("body dropped");
    process.may_go_on();
    // Whichever is polled first: the inner may have said so before the outer went.
    let line = process.line();
    if line == "inner forced: received SIGINT" {
        process.says("outer forced: received SIGINT");
    } else {
        assert_eq!(line, "outer forced: received SIGINT");
    }
    process.ends();
}

#[test]
fn one_signal_asks_all_scopes_that_listen_on_whatever_runtime_or_thread() {
    let mut process = Process::start(&["several"]);
    let count = Runtime::ALL.len() * 3 + 1;
    for _ in 0..count {
        let line = process.line();
        assert!(line.ends_with(" runs"), "{line}");
    }
    process.is_sent(Signal::INT);
    for _ in 0..count {
        let line = process.line();
        assert!(line.ends_with(" cancelled: received SIGINT"), "{line}");
    }
    process.ends();
}

// Which ---------------------------------------------------------------------------------------------------------------

#[test]
fn the_reason_says_which_signal_it_was() {
    let mut process = Process::start(&["numbers"]);
    for (signal, number) in [(Signal::TERM, SIGTERM), (Signal::INT, SIGINT)] {
        process.says("body runs");
        process.is_sent(signal);
        process.says(&format!("Signal Some({number})"));
    }
    process.ends();
}

#[test]
fn a_signal_nobody_asked_for_is_left_alone() {
    let mut process = Process::start(&["sync"]);
    process.says("body runs");
    process.is_sent(Signal::TERM);
    process.dies_of(Signal::TERM);
}

#[test]
fn the_reason_bears_the_line_that_named_the_signals() {
    let line = line!() + 1;
    let source = signal::unix([SIGUSR1]).unwrap();
    let outcome: Result<(), Cancelled> = Scope::new().until(source).run_sync(|| {
        kill_process(getpid(), Signal::USR1).unwrap();
        loop {
            check()?;
        }
    });
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.kind(), error.reason().signal_number()),
        (ReasonKind::Signal, Some(SIGUSR1))
    );
    assert_eq!(error.reason().to_string(), "received SIGUSR1");
    let location = error.reason().location();
    assert_eq!((location.file(), location.line()), (file!(), line));
}

#[test]
fn a_source_may_be_used_again_and_outside_a_scope() {
    let source = signal::unix([SIGUSR2]).unwrap();
    for _ in 0..3 {
        let mut fired = Box::pin(source.clone().fired());
        assert!(tests::poll_once(&mut fired).is_pending());
        kill_process(getpid(), Signal::USR2).unwrap();
        assert_eq!(futures::executor::block_on(fired).signal_number(), Some(SIGUSR2));
    }
}

// Nobody listens ------------------------------------------------------------------------------------------------------

#[test]
fn where_no_scope_listens_the_default_action_is_in_force() {
    for part in ["never listened", "abandoned", "finished, not dropped", "panicked"] {
        eprintln!("{part}");
        let mut process = Process::start(&[part]);
        while process.line() != "ready" {}
        process.is_sent(Signal::INT);
        process.dies_of(Signal::INT);
    }
}

#[test]
fn a_scope_that_is_over_does_not_take_the_signal_from_one_that_is_not() {
    let mut process = Process::start(&["one over"]);
    process.says("inner done");
    process.says("outer runs");
    process.is_sent(Signal::INT);
    process.says("outer cancelled: received SIGINT");
    process.ends();
}

#[test]
fn a_signal_that_comes_too_late_to_cancel_has_its_default_action() {
    let mut process = Process::start(&["too late"]);
    process.says("body runs");
    process.is_sent(Signal::INT);
    process.may_go_on();
    // Whether the scope could say so before it was brought to an end is not ours to know.
    let line = process.line();
    assert!(["scope done", ""].contains(&line.as_str()), "{line}");
    process.dies_of(Signal::INT);
}

#[test]
fn a_signal_of_all_that_has_fired_has_its_default_action_again() {
    let mut process = Process::start(&["all"]);
    process.says("body runs");
    process.is_sent(Signal::INT);
    process.may_go_on();
    process.says("not yet");
    process.is_sent(Signal::INT);
    process.dies_of(Signal::INT);
}

#[test]
fn outside_a_scope_a_signal_is_listened_for_once() {
    let mut process = Process::start(&["fired"]);
    process.says("ready");
    process.is_sent(Signal::INT);
    process.says("received SIGINT");
    process.is_sent(Signal::INT);
    process.dies_of(Signal::INT);
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn what_was_ignored_is_ignored_again() {
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"trap "" INT; exec "$0" after ignored"#])
        .arg(env!("CARGO_BIN_EXE_signalled"));
    let mut process = Process::spawn(command);
    process.says("body runs");
    process.is_sent(Signal::INT);
    process.says("scope cancelled: received SIGINT");
    process.is_sent(Signal::INT);
    process.may_go_on();
    process.says("alive");
    process.says("over");
    process.is_sent(Signal::TERM);
    process.dies_of(Signal::TERM);
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn who_handled_the_signal_before_goes_on_doing_so() {
    let mut process = Process::start(&["after", "tokio"]);
    process.says("body runs");
    process.is_sent(Signal::INT);
    process.says("scope cancelled: received SIGINT");
    process.says("theirs");
    process.is_sent(Signal::INT);
    process.says("theirs");
    process.says("over");
    process.is_sent(Signal::TERM);
    process.dies_of(Signal::TERM);
}

// Mistakes ------------------------------------------------------------------------------------------------------------

#[test]
fn what_cannot_be_listened_for_is_an_error() {
    let unknown = "is unknown, or has no default action that could be brought back";
    for (number, expected) in [
        (
            Signal::KILL.as_raw(),
            "SIGKILL cannot be handled by a process".to_owned(),
        ),
        (
            Signal::STOP.as_raw(),
            "SIGSTOP cannot be handled by a process".to_owned(),
        ),
        (
            Signal::SEGV.as_raw(),
            "SIGSEGV tells of a fault of the program itself, from which there is no way back".to_owned(),
        ),
        (0, format!("signal 0 {unknown}")),
        (-1, format!("signal -1 {unknown}")),
        (40, format!("signal 40 {unknown}")),
        (64, format!("signal 64 {unknown}")),
        (i32::MAX, format!("signal {} {unknown}", i32::MAX)),
        (i32::MIN, format!("signal {} {unknown}", i32::MIN)),
    ] {
        for signals in [vec![number], vec![SIGTERM, number]] {
            let error = signal::unix(signals).unwrap_err();
            assert_eq!(
                (error.signal_number(), error.to_string()),
                (Some(number), expected.clone())
            );
        }
    }
    let error = signal::unix([]).unwrap_err();
    assert_eq!(
        (error.signal_number(), error.to_string().as_str()),
        (None, "no signal was named")
    );
}
