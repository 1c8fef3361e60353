//! Signals as sources, by real signals to a process of their own (`src/bin/signalled.rs`). Nothing here goes by time: the
//! process says how far it is, and is sent the next signal then.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cancelable::signal::{self, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use cancelable::{Cancelled, ReasonKind, Scope, Source as _, check};
use rustix::process::{Pid, Signal, getpid, kill_process, kill_process_group};
use tests::Runtime;

/// This long means that it hangs; then it is killed, and the test fails.
const HANG: Duration = Duration::from_secs(120);

/// The leader of a process group of its own.
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

    /// With the default actions in force, whatever this process was started with (by `nohup`, or in the background).
    fn spawn(mut command: Command) -> Self {
        // SAFETY: `signal` is async-signal-safe, and a default action runs nothing.
        unsafe {
            command.pre_exec(|| {
                for number in [SIGINT, SIGTERM, libc::SIGQUIT, libc::SIGHUP, SIGUSR1] {
                    libc::signal(number, libc::SIG_DFL);
                }
                Ok(())
            });
        }
        let mut child = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let (alive, watch) = mpsc::channel::<()>();
        thread::spawn(move || {
            if watch.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process_group(pid, Signal::KILL);
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

    fn is_sent_to_all(&self, signal: Signal) {
        kill_process_group(Pid::from_child(&self.child), signal).unwrap();
    }

    /// A child of its, whose number it says next.
    fn child(&mut self) -> Pid {
        let line = self.line();
        let pid = line.strip_prefix("child ").and_then(|pid| pid.parse().ok());
        pid.and_then(Pid::from_raw)
            .unwrap_or_else(|| panic!("not a child: {line:?}"))
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

/// Of a test that has failed, it is left waiting, and its children with it.
impl Drop for Process {
    fn drop(&mut self) {
        // Once it is reaped, its number may be another's.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
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

/// The terminal sends one Ctrl-C, and a wrapper passes its own on.
#[test]
fn an_echo_does_not_count_also_when_nobody_listens_any_more() {
    on_every_runtime("echo", |mut process| {
        process.says("body runs");
        process.is_sent(Signal::INT);
        process.says("body asked: received SIGINT");
        process.is_sent(Signal::INT);
        process.is_sent(Signal::INT);
        // Of another number it is no echo.
        process.is_sent(Signal::TERM);
        process.says("body dropped");
        process.may_go_on();
        process.says("scope forced: received SIGINT");
        process.says("nobody listens");
        process.is_sent(Signal::INT);
        process.may_go_on();
        process.says("over");
    });
}

#[test]
fn of_several_that_listen_the_shortest_echo_counts() {
    let mut process = Process::start(&["echo of two"]);
    process.says("body runs");
    process.is_sent(Signal::INT);
    process.says("body asked");
    process.is_sent(Signal::INT);
    process.dies_of(Signal::INT);
}

#[test]
fn ctrl_c_has_an_echo_and_other_signals_have_none() {
    assert!(format!("{:?}", signal::ctrl_c()).contains("echo: 200ms"));
    assert!(format!("{:?}", signal::unix([SIGINT]).unwrap()).contains("echo: 0ns"));
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

#[test]
fn a_source_that_blocks_does_not_hold_up_a_signal() {
    let (blocks, is_blocked) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let mut is_first = true;
    // Once the scope runs.
    let blocking = std::future::poll_fn(move |cx| {
        if std::mem::take(&mut is_first) {
            cx.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        blocks.send(()).unwrap();
        let _ = released.recv();
        std::task::Poll::Ready(())
    });
    let scope = Scope::new()
        .until(blocking)
        .until(signal::unix([libc::SIGHUP]).unwrap());
    let outcome: Result<(), Cancelled> = scope.run_sync(|| {
        is_blocked.recv().unwrap();
        kill_process(getpid(), Signal::HUP).unwrap();
        loop {
            check()?;
        }
    });
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Signal);
    drop(release);
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

/// Nobody is left to count the signals, so whoever goes on sending them is heard by the handler.
#[test]
fn l23_a_callback_that_waits_for_ever_does_not_make_a_process_deaf() {
    let mut process = Process::start(&["callback waits"]);
    process.says("body runs");
    process.is_sent(Signal::INT);
    process.says("callback waits");
    // One that arrives before the one before it has been handled is the same: so until it is over.
    while matches!(process.child.try_wait(), Ok(None)) {
        process.is_sent(Signal::INT);
        std::thread::yield_now();
    }
    assert_eq!(process.child.wait().unwrap().signal(), Some(Signal::INT.as_raw()));
}

#[test]
fn a_signal_of_all_that_has_fired_has_its_default_action_again() {
    for kind in ["sync", "async"] {
        let mut process = Process::start(&["all", kind]);
        process.says("body runs");
        process.is_sent(Signal::INT);
        process.may_go_on();
        process.says("not yet");
        process.is_sent(Signal::INT);
        process.dies_of(Signal::INT);
    }
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

#[test]
fn who_set_a_handler_before_goes_on_doing_so() {
    let mut process = Process::start(&["after", "ctrlc"]);
    process.says("body runs");
    process.is_sent(Signal::INT);
    let mut lines = [process.line(), process.line()];
    lines.sort();
    assert_eq!(lines, ["scope cancelled: received SIGINT", "theirs"]);
    process.is_sent(Signal::INT);
    process.says("theirs");
    process.may_go_on();
    process.says("over");
    process.is_sent(Signal::TERM);
    process.dies_of(Signal::TERM);
}

#[test]
fn who_joins_the_same_handler_later_does_not_replace_it() {
    let mut process = Process::start(&["before", "tokio"]);
    process.says("body runs");
    process.is_sent(Signal::INT);
    process.says("scope cancelled: received SIGINT");
    process.says("theirs");
    process.says("over");
    process.is_sent(Signal::TERM);
    process.dies_of(Signal::TERM);
}

// No handler ----------------------------------------------------------------------------------------------------------

const REPLACED: &str = "the handler for SIGINT was replaced by somebody else after it was installed; install the other one \
                        before the first `signal::ctrl_c()` or `signal::unix(…)`";

#[test]
fn l23_a_handler_that_somebody_replaces_is_an_error_of_the_next_scope_that_listens() {
    let mut process = Process::start(&["before", "ctrlc"]);
    for who in ["async", "sync", "new"] {
        process.says(&format!("{who} cancelled: stopped by an error: {REPLACED}"));
    }
    process.says(REPLACED);
    process.says(&format!("stopped by an error: {REPLACED}"));
    process.says("others are heard");
    process.is_sent(Signal::INT);
    process.says("theirs");
    process.may_go_on();
    process.says("over");
    process.is_sent(Signal::TERM);
    process.dies_of(Signal::TERM);
}

#[test]
fn l23_a_handler_of_a_runtime_that_somebody_has_replaced_before_we_came_is_an_error() {
    let mut process = Process::start(&["after", "tokio and ctrlc"]);
    process.says(&format!("scope cancelled: stopped by an error: {REPLACED}"));
    process.is_sent(Signal::INT);
    process.says("theirs");
    process.may_go_on();
    process.says("over");
    process.is_sent(Signal::TERM);
    process.dies_of(Signal::TERM);
}

#[test]
fn l23_a_signal_that_somebody_ignores_is_an_error_until_the_handler_is_back() {
    let mut process = Process::start(&["before", "ignored"]);
    process.says(&format!("scope cancelled: stopped by an error: {REPLACED}"));
    process.says("body runs");
    process.is_sent(Signal::INT);
    process.says("scope cancelled: received SIGINT");
    process.ends();
}

#[test]
fn l23_where_no_thread_is_to_be_had_the_scope_fails_where_it_begins() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signalled"));
    // More than there are addresses.
    command.arg("no threads").env("RUST_MIN_STACK", "1000000000000000");
    let mut process = Process::spawn(command);
    for who in ["sync", "async", "any"] {
        let line = process.line();
        assert!(
            line.starts_with(&format!("{who} Error: signal 2 cannot be listened for: ")),
            "{line}"
        );
    }
    let line = process.line();
    assert!(line.starts_with("signal 15 cannot be listened for: "), "{line}");
    process.says("");
    assert_eq!(process.child.wait().unwrap().code(), Some(0));
}

#[test]
fn l23_a_process_that_has_run_out_of_files_hears_signals() {
    let mut process = Process::start(&["no files"]);
    process.says("body runs");
    process.is_sent(Signal::INT);
    process.says("scope cancelled: received SIGINT");
    process.ends();
}

#[test]
fn l21_a_panic_of_a_waker_and_one_of_what_it_panics_with_keep_no_other_from_hearing() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            std::panic::panic_any("dropped, on purpose");
        }
    }
    struct Waker;
    impl std::task::Wake for Waker {
        fn wake(self: std::sync::Arc<Self>) {
            std::panic::panic_any(Panics);
        }
    }
    let source = signal::unix([libc::SIGWINCH]).unwrap();
    for _ in 0..2 {
        let mut bad = Box::pin(source.clone().fired());
        let mut good = Box::pin(source.clone().fired());
        assert!(tests::poll_with(&mut bad, &std::sync::Arc::new(Waker).into()).is_pending());
        assert!(tests::poll_once(&mut good).is_pending());
        kill_process(getpid(), Signal::WINCH).unwrap();
        assert_eq!(futures::executor::block_on(good).signal_number(), Some(libc::SIGWINCH));
    }
}

// Forks ---------------------------------------------------------------------------------------------------------------

/// The parent has heard nothing so far, and goes on as one that has not.
fn goes_on(mut parent: Process) {
    parent.says("body not cancelled");
    parent.is_sent(Signal::INT);
    parent.says("body asked: received SIGINT");
    parent.may_go_on();
    parent.says("body pending");
    parent.is_sent(Signal::INT);
    parent.says("body dropped");
    parent.may_go_on();
    parent.says("scope forced: received SIGINT");
    parent.ends();
}

#[test]
fn l23_a_signal_for_a_forked_child_has_its_default_action_and_is_not_heard_by_the_parent() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut parent = Process::start(&["forked", "idle"]);
        let child = parent.child();
        kill_process(child, signal).unwrap();
        parent.says(&format!("child died of {}", signal.as_raw()));
        goes_on(parent);
    }
}

#[test]
fn l23_a_signal_for_the_whole_group_counts_once_in_the_parent_and_has_its_default_action_in_the_child() {
    let mut parent = Process::start(&["forked", "idle"]);
    parent.child();
    parent.is_sent_to_all(Signal::INT);
    parent.says(&format!("child died of {SIGINT}"));
    parent.says("body cancelled");
    parent.says("body asked: received SIGINT");
    parent.may_go_on();
    parent.says("body pending");
    parent.is_sent(Signal::INT);
    parent.says("body dropped");
    parent.may_go_on();
    parent.says("scope forced: received SIGINT");
    parent.ends();
}

#[test]
fn l23_a_forked_child_that_listens_hears_its_own_signals() {
    for part in ["own", "inherited"] {
        let mut parent = Process::start(&["forked", part]);
        let child = parent.child();
        kill_process(child, Signal::TERM).unwrap();
        parent.says("child cancelled: received SIGTERM");
        // The scope of its parent that it is still inside does not listen in it.
        kill_process(child, Signal::TERM).unwrap();
        parent.says(&format!("child died of {SIGTERM}"));
        goes_on(parent);
    }
}

#[test]
fn l23_a_forked_child_hears_signals_that_its_parent_did_not_ask_for() {
    for part in ["alone", "with a runtime"] {
        let mut parent = Process::start(&["forked", part]);
        let child = parent.child();
        kill_process(child, Signal::USR1).unwrap();
        parent.says("child cancelled: received SIGUSR1");
        if part == "with a runtime" {
            parent.says("child: theirs");
        }
        kill_process(child, Signal::TERM).unwrap();
        parent.says(&format!("child died of {SIGTERM}"));
        goes_on(parent);
    }
}

#[test]
fn l23_a_signal_between_fork_and_exec_has_its_default_action_and_is_not_heard_by_the_parent() {
    let mut parent = Process::start(&["between fork and exec"]);
    let child = parent.child();
    kill_process(child, Signal::TERM).unwrap();
    parent.says(&format!("child died of {SIGTERM}"));
    parent.says("body not cancelled");
    parent.is_sent(Signal::TERM);
    parent.says("scope cancelled: received SIGTERM");
    parent.ends();
}

#[test]
fn l23_children_of_children_hear_each_signal_once_and_open_no_files() {
    let mut process = Process::start(&["generations"]);
    process.says("all have heard");
    process.ends();
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
