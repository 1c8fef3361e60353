//! Child processes: real shells, with all that people found in them. Every tree here would run for a thousand seconds if it was left.
#![cfg(target_os = "linux")]

use std::fs;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cancelable::process::{self, Error};
use cancelable::{
    CancelFutureExt as _, CancelReason, CancellationToken, ReasonKind, Scope, cancel_scope, cancelable, propagate,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// So long that a test which waits for it does not end.
const LONG: Duration = Duration::from_secs(1000);
const SHORT: Duration = Duration::from_millis(20);

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

/// A pipe with a name, `$there`, by which a script says that it has come so far, and which its processes are.
struct Stage {
    folder: TempDir,
    there: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        assert!(Command::new("mkfifo").arg(&there).status().unwrap().success());
        Self { folder, there }
    }

    /// With the default actions in force: a shell cannot take back that a signal is ignored, as SIGINT is in the background.
    fn sh(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        // SAFETY: `signal` is async-signal-safe, and a default action runs nothing.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                Ok(())
            });
        }
        command
            .args(["-c", script])
            .env("there", &self.there)
            .stdin(Stdio::null());
        command
    }

    /// Waits for the script to write into the pipe, and takes the numbers of processes that it says.
    /// (Where the shell has a trap, what it has started is to write: between fork and exec the signal would be the shell's, and lost.)
    fn processes(&self) -> Vec<Pid> {
        let said = fs::read_to_string(&self.there).unwrap();
        let numbers = said.split_whitespace().map(|number| number.parse().unwrap());
        numbers.map(|number| Pid::from_raw(number).unwrap()).collect()
    }
}

/// Does it run? An orphan that has ended may wait for the system to reap it.
fn is_there(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs the script and collects its output, in a scope that is cancelled when the script says so. None of the processes that it says is
/// there then.
fn cancelled_output(script: &str, grace: Duration) -> Error {
    let stage = Stage::new();
    let token = CancellationToken::new();
    let running = {
        let mut command = stage.sh(script);
        token.sync_scope(|| thread::spawn(propagate(move || process::tree(&mut command).grace(grace).output())))
    };
    let processes = stage.processes();
    assert!(!processes.is_empty());
    token.cancel_with(CancelReason::shutdown());
    let error = running.join().unwrap().unwrap_err();
    assert_eq!(error.cancelled().unwrap().kind(), ReasonKind::Shutdown);
    for process in processes {
        assert!(!is_there(process), "{process:?}");
    }
    error
}

// Trees that are cancelled ---------------------------------------------------------------------------------------------

#[test]
fn a_cancel_ends_a_shell_and_what_it_has_started_and_keeps_the_output_so_far() {
    let error = cancelled_output(
        "echo so far; echo and here >&2; sleep 1000 & (sleep 1000) & echo $! $$ >$there; wait",
        LONG,
    );
    assert_eq!(text(error.stdout()), "so far\n");
    assert_eq!(text(error.stderr()), "and here\n");
    assert_eq!(error.status().unwrap().signal(), Some(SIGTERM));
}

#[test]
fn who_ignores_sigterm_is_killed_at_the_end_of_the_grace() {
    let error = cancelled_output(
        "trap '' TERM; echo deaf; sleep 1000 & echo $! $$ >$there; while :; do wait; done",
        SHORT,
    );
    assert_eq!(text(error.stdout()), "deaf\n");
    assert_eq!(error.status().unwrap().signal(), Some(SIGKILL));
}

#[test]
fn who_cleans_up_has_time_for_it_and_what_it_says_then_is_kept() {
    let error = cancelled_output(
        "trap 'echo bye; exit 7' TERM; while :; do sh -c 'echo $PPID >$there; exec sleep 1000' & wait; done",
        LONG,
    );
    assert_eq!(text(error.stdout()), "bye\n");
    assert_eq!(error.status().unwrap().code(), Some(7));
}

#[test]
fn without_a_grace_nobody_is_asked() {
    let error = cancelled_output(
        "trap 'echo bye; exit 7' TERM; while :; do sh -c 'echo $PPID >$there; exec sleep 1000' & wait; done",
        Duration::ZERO,
    );
    assert_eq!(text(error.stdout()), "");
    assert_eq!(error.status().unwrap().signal(), Some(SIGKILL));
}

#[test]
fn who_was_stopped_ends_too() {
    let error = cancelled_output("(echo $$ >$there) & kill -STOP $$", LONG);
    assert_eq!(error.status().unwrap().signal(), Some(SIGTERM));
}

#[test]
fn an_orphan_of_a_double_fork_ends_with_the_others() {
    let error = cancelled_output("(sleep 1000 & echo $! $$ >$there); exec sleep 1000", LONG);
    assert_eq!(error.status().unwrap().signal(), Some(SIGTERM));
}

#[test]
fn the_signal_that_asks_can_be_chosen() {
    let stage = Stage::new();
    // A shell's background processes ignore SIGINT, so it ends its own.
    let mut command = stage.sh("trap 'kill -9 $!; exit 3' INT; trap '' TERM; sleep 1000 & echo $$ >$there; wait");
    let child = process::tree(&mut command).grace(LONG).ask_with(2).spawn().unwrap();
    stage.processes();
    child.terminate();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(3));
}

/// <https://github.com/oconnor663/duct.rs/issues/27>: while one thread waits for a child, which takes `&mut Child`, no other one can end
/// it. It cancels the scope.
#[test]
fn a_child_can_be_ended_while_another_thread_waits_for_it() {
    let stage = Stage::new();
    let token = CancellationToken::new();
    let mut child = token.sync_scope(|| {
        let mut command = stage.sh("echo $$ >$there; sleep 1000");
        process::tree(&mut command).spawn().unwrap()
    });
    let waiting = token.sync_scope(|| thread::spawn(propagate(move || child.wait())));
    stage.processes();
    token.cancel();
    assert!(waiting.join().unwrap().unwrap_err().cancelled().is_some());
}

#[test]
fn l15_a_timeout_ends_a_tree_for_a_thread_that_waits() {
    let stage = Stage::new();
    let mut command = stage.sh("sleep 1000 & sleep 1000");
    let error = Scope::new()
        .timeout(SHORT)
        .run_sync(|| process::tree(&mut command).status())
        .unwrap_err();
    assert!(error.cancelled().unwrap().is_timeout());
}

#[test]
fn l09_under_a_cancelled_scope_nothing_is_started() {
    let stage = Stage::new();
    let marker = stage.folder.path().join("marker");
    let token = CancellationToken::new();
    token.cancel();
    let mut command = Command::new("touch");
    let error = token
        .sync_scope(|| process::tree(command.arg(&marker)).output())
        .unwrap_err();
    assert!(error.cancelled().is_some());
    assert_eq!(error.status(), None);
    assert!(!marker.exists());
    assert_eq!(error.cancelled().unwrap().observed_at().file(), file!());
}

#[test]
fn l17_a_child_ends_when_the_scope_in_which_it_was_started_is_over() {
    let stage = Stage::new();
    let mut command = stage.sh("echo $$ >$there; sleep 1000");
    let mut child = cancel_scope!({
        let child = process::tree(&mut command).spawn()?;
        stage.processes();
        Ok::<_, Error>(child)
    })
    .unwrap();
    let error = child.wait().unwrap_err();
    assert_eq!(error.cancelled().unwrap().kind(), ReasonKind::ScopeEnded);
    assert_eq!(error.status().unwrap().signal(), Some(SIGTERM));
}

#[test]
fn a_scope_inside_that_of_the_child_ends_the_wait_alone() {
    let stage = Stage::new();
    let mut command = stage.sh("read line; echo $line");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = process::tree(&mut command).spawn().unwrap();
    // A wait closes standard input, so it is taken before.
    let mut stdin = child.stdin.take().unwrap();
    let error = Scope::new().timeout(SHORT).run_sync(|| child.wait()).unwrap_err();
    assert!(error.cancelled().unwrap().is_timeout());
    assert_eq!(error.status(), None);
    writeln!(stdin, "it runs on").unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "it runs on\n");
}

#[test]
fn a_scope_inside_that_of_the_child_ends_the_child_whose_output_it_wants() {
    let stage = Stage::new();
    let mut command = stage.sh("echo so far; exec sleep 1000");
    command.stdout(Stdio::piped());
    let child = process::tree(&mut command).spawn().unwrap();
    let error = Scope::new()
        .timeout(SHORT * 10)
        .run_sync(|| child.wait_with_output())
        .unwrap_err();
    assert!(error.cancelled().unwrap().is_timeout());
    assert_eq!(error.status().unwrap().signal(), Some(SIGTERM));
}

// Trees that end by themselves -----------------------------------------------------------------------------------------

/// <https://github.com/zeroclaw-labs/zeroclaw/pull/6910>, <https://github.com/tinylibs/tinyexec/issues/138>: a background process
/// inherits the pipe, and whoever collects the output waits for that.
#[test]
fn a_process_left_behind_that_keeps_the_pipe_open_holds_nobody_up() {
    let stage = Stage::new();
    let mut command = stage.sh("sleep 1000 & echo $!");
    let output = process::tree(&mut command).grace(LONG).output().unwrap();
    assert!(output.status.success());
    let left_behind = text(&output.stdout).trim().parse().unwrap();
    assert!(!is_there(Pid::from_raw(left_behind).unwrap()));
}

#[test]
fn one_left_behind_that_ignores_sigterm_is_killed_at_the_end_of_the_grace() {
    let stage = Stage::new();
    let mut command = stage.sh("trap '' TERM; sleep 1000 & echo $!");
    let output = process::tree(&mut command).grace(SHORT).output().unwrap();
    assert!(output.status.success());
    let left_behind = text(&output.stdout).trim().parse().unwrap();
    assert!(!is_there(Pid::from_raw(left_behind).unwrap()));
}

/// <https://github.com/haskell/process/issues/70>: `pg_ctl start` starts a server that stays, with the pipe open. There is no telling it
/// from one that is about to write, but that it has left the group.
#[test]
fn a_daemon_in_a_session_of_its_own_stays_and_holds_nobody_up() {
    let stage = Stage::new();
    let mut command = stage.sh("setsid sh -c 'echo $$ >$there; exec sleep 1000' & read pid <$there; echo started $pid");
    let output = process::tree(&mut command).grace(LONG).output().unwrap();
    let daemon = text(&output.stdout).trim().strip_prefix("started ").unwrap();
    let daemon = Pid::from_raw(daemon.parse().unwrap()).unwrap();
    assert!(is_there(daemon));
    kill_process(daemon, Signal::KILL).unwrap();
}

#[test]
fn what_fails_by_itself_is_no_error() {
    let stage = Stage::new();
    let output = process::tree(&mut stage.sh("echo no; exit 3")).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(3), "no\n"));
    let status = process::tree(&mut stage.sh("kill -9 $$")).status().unwrap();
    assert_eq!(status.signal(), Some(SIGKILL));
}

#[test]
fn what_cannot_be_started_says_so() {
    let error = process::tree(&mut Command::new("/no/such/program"))
        .output()
        .unwrap_err();
    assert_eq!(error.io_error().unwrap().kind(), std::io::ErrorKind::NotFound);
    assert!(
        error.to_string().starts_with("/no/such/program: cannot be started: "),
        "{error}"
    );
    assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn standard_input_reaches_the_child_and_a_wait_closes_it() {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = process::tree(&mut command).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"through").unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "through");
}

// Output ---------------------------------------------------------------------------------------------------------------

#[test]
fn both_streams_are_collected_whole_however_they_alternate() {
    let stage = Stage::new();
    // Each fills its pipe several times over, while the other one is being written.
    let script = "head -c 3000000 /dev/zero & head -c 2000000 /dev/zero >&2; wait";
    let output = process::tree(&mut stage.sh(script)).output().unwrap();
    assert_eq!((output.stdout.len(), output.stderr.len()), (3_000_000, 2_000_000));
}

#[test]
fn what_writes_too_much_is_ended_and_told_of() {
    let stage = Stage::new();
    let error = process::tree(&mut stage.sh("sleep 1000 & yes"))
        .limit(100_000)
        .output()
        .unwrap_err();
    assert!(error.cancelled().is_none() && error.io_error().is_none());
    assert_eq!(error.stdout().len(), 100_000);
    assert_eq!(error.status().unwrap().signal(), Some(SIGTERM));
    let exactly = process::tree(&mut stage.sh("head -c 100000 /dev/zero"))
        .limit(100_000)
        .output();
    assert_eq!(exactly.unwrap().stdout.len(), 100_000);
}

#[test]
fn l23_nothing_is_cut_off_in_silence_of_a_child_that_has_ended_by_itself() {
    let stage = Stage::new();
    for script in ["echo hello", "echo hello >&2"] {
        let mut command = stage.sh(script);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process::tree(&mut command).limit(5).spawn().unwrap();
        // Nobody has read anything so far.
        assert!(child.wait().unwrap().success());
        let error = child.wait_with_output().unwrap_err();
        assert!(error.to_string().contains("wrote more than 5 bytes"), "{error}");
        assert_eq!([error.stdout(), error.stderr()].concat(), b"hello");
        assert!(error.status().unwrap().success());
    }
}

// Async code -----------------------------------------------------------------------------------------------------------

#[cancelable]
async fn collect(mut command: Command, grace: Duration) -> Result<Output, Error> {
    process::tree(&mut command).grace(grace).output_async().await
}

/// Runs what `make` makes on each runtime.
fn l19_everywhere<F>(make: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    futures::executor::block_on(make());
    smol::block_on(make());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(make());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async { tokio::spawn(make()).await.unwrap() });
}

#[test]
fn l19_async_code_waits_for_the_whole_tree_on_every_runtime() {
    l19_everywhere(|| async {
        let stage = Arc::new(Stage::new());
        let token = CancellationToken::new();
        let command = stage
            .sh("echo so far; trap 'echo bye; exit 7' TERM; sh -c 'echo $$ $PPID >$there; exec sleep 1000' & wait");
        let collecting = token.scope(collect(command, LONG));
        let canceller = {
            let (stage, token) = (Arc::clone(&stage), token.clone());
            thread::spawn(move || {
                let processes = stage.processes();
                token.cancel();
                processes
            })
        };
        let error = collecting.await.unwrap_err();
        assert!(error.cancelled().is_some());
        assert_eq!(text(error.stdout()), "so far\nbye\n");
        assert_eq!(error.status().unwrap().code(), Some(7));
        for process in canceller.join().unwrap() {
            assert!(!is_there(process), "{process:?}");
        }
    });
}

#[test]
fn l14_the_grace_of_a_scope_ends_that_of_a_tree() {
    let stage = Stage::new();
    let command = stage.sh("trap '' TERM; sleep 1000 & echo $! $$ >$there; while :; do wait; done");
    let token = CancellationToken::new();
    let canceller = {
        let token = token.clone();
        thread::spawn(move || {
            let processes = stage.processes();
            token.cancel();
            processes
        })
    };
    let scope = Scope::new().parent(&token).grace(SHORT).run(collect(command, LONG));
    let error = futures::executor::block_on(scope).unwrap_err();
    assert!(error.cancelled().unwrap().was_forced());
    wait_until_gone(&canceller.join().unwrap());
}

/// Nobody has a handle any more, so there is nothing to wait with.
fn wait_until_gone(processes: &[Pid]) {
    while processes.iter().any(|process| is_there(*process)) {
        thread::yield_now();
    }
}

/// <https://github.com/tokio-rs/tokio/issues/2685>: the child of a future that is dropped is killed, and stays a zombie. Here it is asked,
/// has its grace, and is reaped, though its runtime is not driven any more.
#[test]
fn l16_the_tree_of_a_task_that_is_aborted_ends_and_leaves_no_zombie() {
    let stage = Stage::new();
    let command = stage.sh("sleep 1000 & echo $! $$ >$there; wait");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let task = runtime.spawn(Scope::new().run(collect(command, LONG)));
    let processes = stage.processes();
    task.abort();
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    drop(runtime);
    wait_until_gone(&processes);
}

#[test]
fn a_future_that_is_never_polled_starts_nothing() {
    let stage = Stage::new();
    let marker = stage.folder.path().join("marker");
    let mut command = Command::new("touch");
    drop(process::tree(command.arg(&marker)).status_async());
    assert!(!marker.exists());
}

/// An await fails and `?` drops the child: in the grace, of which that is no end.
#[test]
fn a_child_that_is_dropped_after_the_cancel_has_its_grace_too() {
    let stage = Stage::new();
    let mut command =
        stage.sh("trap 'echo bye; exit' TERM; while :; do sh -c 'echo $PPID >$there; exec sleep 1000' & wait; done");
    command.stdout(Stdio::piped());
    let token = CancellationToken::new();
    let mut child = token.sync_scope(|| process::tree(&mut command).grace(LONG).spawn().unwrap());
    let mut stdout = child.stdout.take().unwrap();
    stage.processes();
    token.cancel();
    drop(child);
    let mut said = String::new();
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(said, "bye\n");
}

#[test]
fn a_dropped_child_has_its_grace() {
    let stage = Stage::new();
    let mut command =
        stage.sh("trap 'echo bye; exit' TERM; while :; do sh -c 'echo $PPID >$there; exec sleep 1000' & wait; done");
    command.stdout(Stdio::piped());
    let mut child = process::tree(&mut command).grace(LONG).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stage.processes();
    drop(child);
    let mut said = String::new();
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(said, "bye\n");
}

#[test]
fn a_wait_that_is_dropped_loses_nothing() {
    let stage = Stage::new();
    let mut command = stage.sh("read line; exit 4");
    command.stdin(Stdio::piped());
    let mut child = process::tree(&mut command).spawn().unwrap();
    let stdin = child.stdin.take();
    let hasty = CancellationToken::new();
    hasty.cancel();
    futures::executor::block_on(async {
        assert!(child.wait_async().with_cancellation_token(&hasty).await.is_none());
        drop(stdin);
        assert_eq!(child.wait_async().await.unwrap().code(), Some(4));
    });
}

#[test]
fn commands_of_tokio_are_taken_too() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut command = tokio::process::Command::new("echo");
    command.arg("hello");
    let output = runtime.block_on(process::tree(command.as_std_mut()).output_async());
    assert_eq!(text(&output.unwrap().stdout), "hello\n");
}
