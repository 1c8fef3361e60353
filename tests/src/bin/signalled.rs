//! A process to send real signals to; started by `tests/signals.rs`. It says on standard output how far it has come, and
//! waits for a line on standard input where it is to wait. When that input ends, nobody is there any more who would send
//! it signals, and it exits.

#![cfg_attr(not(unix), allow(unused))]

fn main() {
    #[cfg(unix)]
    signalled::run();
}

#[cfg(unix)]
mod signalled {
    use std::env;
    use std::fmt::Display;
    use std::fs::File;
    use std::future::pending;
    use std::io::{self, BufRead as _, Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{self, Command};
    use std::sync::mpsc::{self, Receiver};
    use std::sync::{Arc, Barrier, Mutex, OnceLock};
    use std::thread;
    use std::time::Duration;

    use cancelable::signal::{self, SIGINT, SIGTERM, SIGUSR1, Signals, unix};
    use cancelable::{
        CancelReason, CancellationToken, Cancelled, Scope, Source as _, all, any, cancel_scope, check, current, guard,
        shield,
    };
    use tests::Runtime;

    type Outcome = Result<(), Cancelled>;

    const HOUR: Duration = Duration::from_secs(3600);

    fn say(what: impl Display) {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{what}")
            .and_then(|()| stdout.flush())
            .expect("somebody listens");
    }

    /// Of which each signal counts, however fast they come.
    #[track_caller]
    fn ctrl_c() -> Signals {
        signal::ctrl_c().echo(Duration::ZERO)
    }

    static LINES: OnceLock<Mutex<Receiver<()>>> = OnceLock::new();

    /// Has a thread read the input, which ends the process when the input ends, whatever the process is at.
    fn read_input() {
        let (line, lines) = mpsc::channel();
        let thread = thread::Builder::new().spawn(move || {
            for _ in io::stdin().lock().lines() {
                let _ = line.send(());
            }
            process::exit(0);
        });
        // Where no threads are to be had, nothing waits.
        drop(thread);
        LINES.set(Mutex::new(lines)).expect("called once");
    }

    /// Waits for a line.
    fn wait() {
        let lines = LINES.get().expect("the input is read").lock().expect("nobody panics");
        lines.recv().expect("lines, or else the end of the process");
    }

    fn say_outcome(who: &str, outcome: Outcome) {
        match outcome {
            Ok(()) => say(format_args!("{who} done")),
            Err(error) => {
                let forced = if error.was_forced() { "forced" } else { "cancelled" };
                say(format_args!("{who} {forced}: {}", error.reason()));
            }
        }
    }

    /// Says when it is dropped, and then waits.
    struct Dropped(&'static str);

    impl Drop for Dropped {
        fn drop(&mut self) {
            say(format_args!("{} dropped", self.0));
            wait();
        }
    }

    /// Says when it is cancelled, and then takes its time.
    async fn slow(who: &'static str) -> Outcome {
        let _dropped = Dropped(who);
        say(format_args!("{who} runs"));
        if let Err(error) = guard(pending::<()>()).await {
            say(format_args!("{who} asked: {}", error.reason()));
        }
        shield(pending()).await
    }

    /// Returns when it is cancelled.
    async fn quick(who: String) -> Outcome {
        say(format_args!("{who} runs"));
        guard(pending()).await?
    }

    fn runtime(name: &str) -> Runtime {
        let found = Runtime::ALL.into_iter().find(|runtime| format!("{runtime:?}") == name);
        found.expect("the name of a runtime")
    }

    fn raise(number: i32) {
        // SAFETY: a call with no pointers.
        assert_eq!(unsafe { libc::raise(number) }, 0);
    }

    /// Has all signals heard that have been sent so far: twice, for the library hears those of one moment by number.
    fn hear_all() {
        for _ in 0..2 {
            let mut fired = Box::pin(unix([libc::SIGWINCH]).unwrap().fired());
            assert!(tests::poll_once(&mut fired).is_pending());
            raise(libc::SIGWINCH);
            // Unlike that of `futures`, it may be called where another runs.
            smol::future::block_on(fired);
        }
    }

    pub(super) fn run() {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        read_input();
        match *arguments.as_slice() {
            ["grace", name] => runtime(name).run(async {
                let outcome = Scope::new().until(ctrl_c()).grace(HOUR).run(slow("body")).await;
                say_outcome("scope", outcome);
            }),
            ["no grace", name] => runtime(name).run(async {
                say_outcome(
                    "scope",
                    cancel_scope!(until = ctrl_c(), async { slow("body").await }).await,
                );
            }),
            ["echo", name] => runtime(name).run(async {
                let scope = Scope::new()
                    .until(signal::ctrl_c().echo(HOUR))
                    .until(unix([SIGTERM]).unwrap());
                say_outcome("scope", scope.grace(HOUR).run(slow("body")).await);
                say("nobody listens");
                wait();
            }),
            ["echo of two"] => {
                let outcome: Outcome = Scope::new().until(signal::ctrl_c().echo(HOUR)).run_sync(|| {
                    // Counts each.
                    let other = Scope::new().until(ctrl_c());
                    other.run_sync(|| {
                        say("body runs");
                        while check().is_ok() {}
                        say("body asked");
                        wait();
                        Ok::<_, Cancelled>(())
                    })
                });
                say_outcome("scope", outcome);
            }
            ["sync"] => {
                let outcome: Outcome = Scope::new().until(ctrl_c()).run_sync(|| {
                    say("body runs");
                    let error = loop {
                        if let Err(error) = check() {
                            break error;
                        }
                    };
                    say(format_args!("body asked: {}", error.reason()));
                    wait();
                    Ok(())
                });
                say_outcome("scope", outcome);
            }
            // Whoever cancels the first scope is busy telling others when the second begins.
            ["sync, one after the other"] => {
                let (go_on, gone_on) = std::sync::mpsc::channel::<()>();
                let mut gone_on = Some(gone_on);
                for who in ["first", "second"] {
                    let outcome: Outcome = Scope::new().until(ctrl_c()).run_sync(|| {
                        let is_first = gone_on.is_some();
                        if let Some(gone_on) = gone_on.take() {
                            // Before anyone knows that it runs: the thread that cancels is to be the one to wait.
                            current().on_cancel(move |_| gone_on.recv().unwrap()).detach();
                        }
                        say(format_args!("{who} runs"));
                        if !is_first {
                            wait();
                            go_on.send(()).expect("the first is still being cancelled");
                        }
                        loop {
                            check()?;
                        }
                    });
                    say_outcome(who, outcome);
                }
            }
            ["twice in one"] => futures::executor::block_on(async {
                let scope = Scope::new()
                    .until(ctrl_c())
                    .until(any((ctrl_c(), unix([SIGTERM]).unwrap())));
                say_outcome("scope", scope.grace(HOUR).run(slow("body")).await);
            }),
            ["cancelled by hand"] => futures::executor::block_on(async {
                let outcome = Scope::new().until(ctrl_c()).grace(HOUR).run(async {
                    current().cancel_with("by hand");
                    slow("body").await
                });
                say_outcome("scope", outcome.await);
            }),
            ["nested"] => futures::executor::block_on(async {
                let inner = Scope::new().until(ctrl_c()).grace(HOUR);
                let outer = Scope::new().until(ctrl_c()).grace(HOUR);
                let outcome = outer.run(async {
                    let outcome = inner.run(async {
                        let _dropped = Dropped("body");
                        say("body runs");
                        let error = guard(pending::<()>()).await.unwrap_err();
                        hear_all();
                        say(format_args!("body asked: {}", error.reason()));
                        wait();
                        // Neither of the graces is over: here one may be pending.
                        shield(tests::ready_after(3, ())).await;
                        say("body pending");
                        shield(pending()).await
                    });
                    let outcome: Outcome = outcome.await;
                    say_outcome("inner", outcome.clone());
                    outcome
                });
                say_outcome("outer", outcome.await);
            }),
            ["several"] => several(),
            ["one over"] => {
                let over: Outcome = Scope::new().until(ctrl_c()).run_sync(|| {
                    let outcome = futures::executor::block_on(Scope::new().until(ctrl_c()).run(async { Ok(()) }));
                    say_outcome("inner", outcome);
                    say("outer runs");
                    loop {
                        check()?;
                    }
                });
                say_outcome("outer", over);
            }
            ["numbers"] => {
                for _ in 0..2 {
                    let outcome: Outcome = Scope::new().until(unix([SIGINT, SIGTERM]).unwrap()).run_sync(|| {
                        say("body runs");
                        loop {
                            check()?;
                        }
                    });
                    let reason = outcome.unwrap_err().reason().clone();
                    say(format_args!("{:?} {:?}", reason.kind(), reason.signal_number()));
                }
            }
            ["never listened"] => {
                drop((ctrl_c(), unix([SIGTERM]).unwrap()));
                let outcome = Scope::new().until(ctrl_c()).run(async { Ok::<_, Cancelled>(()) });
                say("ready");
                wait();
                drop(outcome);
            }
            ["abandoned"] => {
                let mut scope = Box::pin(Scope::new().until(ctrl_c()).run(quick("body".into())));
                assert!(tests::poll_once(&mut scope).is_pending());
                drop(scope);
                say("ready");
                wait();
            }
            ["finished, not dropped"] => {
                let mut scope = Box::pin(Scope::new().until(ctrl_c()).run(async { Ok::<_, Cancelled>(()) }));
                assert!(tests::poll_once(&mut scope).is_ready());
                say("ready");
                wait();
                drop(scope);
            }
            ["panicked"] => {
                let scope = Scope::new().until(ctrl_c()).run(async {
                    std::panic::panic_any("on purpose");
                    #[expect(unreachable_code, reason = "says what type it would have been")]
                    Ok::<_, Cancelled>(())
                });
                let thread = thread::spawn(|| futures::executor::block_on(scope).is_ok());
                assert!(thread.join().is_err());
                say("ready");
                wait();
            }
            ["too late"] => {
                // The thread that would cancel the scope is busy with another, so the scope is over first.
                let barrier = Arc::new(Barrier::new(2));
                let (there, done) = (Arc::clone(&barrier), Arc::clone(&barrier));
                let other = thread::spawn(move || {
                    let outcome = Scope::new().until(unix([SIGUSR1]).unwrap()).run_sync(|| {
                        let busy = move |_: &CancelReason| {
                            there.wait();
                            done.wait();
                        };
                        current().on_cancel(busy).detach();
                        raise(SIGUSR1);
                        until_cancelled()
                    });
                    assert!(outcome.is_err());
                });
                barrier.wait();
                let outcome: Outcome = Scope::new().until(ctrl_c()).run_sync(|| {
                    say("body runs");
                    wait();
                    Ok(())
                });
                say_outcome("scope", outcome);
                barrier.wait();
                other.join().unwrap();
                wait();
            }
            ["callback waits"] => {
                let body = async {
                    let waits = |_: &CancelReason| {
                        say("callback waits");
                        thread::park_timeout(HOUR);
                    };
                    current().on_cancel(waits).detach();
                    say("body runs");
                    shield(pending::<Outcome>()).await
                };
                let _ = futures::executor::block_on(Scope::new().until(ctrl_c()).grace(HOUR).run(body));
            }
            ["all", kind] => {
                let token = CancellationToken::new();
                let scope = Scope::new().until(all((ctrl_c(), &token)));
                let body = || {
                    say("body runs");
                    wait();
                    hear_all();
                    check().expect("one of two");
                    say("not yet");
                    wait();
                    token.cancel();
                    loop {
                        check()?;
                    }
                };
                let outcome: Outcome = match kind {
                    "sync" => scope.run_sync(body),
                    _ => futures::executor::block_on(scope.run(async { body() })),
                };
                say_outcome("scope", outcome);
            }
            ["fired"] => {
                let reason = futures::executor::block_on(async {
                    let mut fired = Box::pin(ctrl_c().fired());
                    assert!(tests::poll_once(&mut fired).is_pending());
                    say("ready");
                    fired.await
                });
                say(reason);
                wait();
            }
            ["after", "ignored"] => {
                let outcome = futures::executor::block_on(Scope::new().until(ctrl_c()).run(quick("body".into())));
                say_outcome("scope", outcome);
                wait();
                say("alive");
            }
            ["after", "tokio"] => Runtime::TokioCurrentThread.run(async {
                let mut theirs = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).unwrap();
                say_outcome("scope", Scope::new().until(ctrl_c()).run(quick("body".into())).await);
                theirs.recv().await;
                say("theirs");
                theirs.recv().await;
                say("theirs");
            }),
            ["before", "tokio"] => Runtime::TokioCurrentThread.run(async {
                let source = ctrl_c();
                let mut theirs = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).unwrap();
                say_outcome("scope", Scope::new().until(source).run(quick("body".into())).await);
                theirs.recv().await;
                say("theirs");
            }),
            ["after", "ctrlc"] => {
                ctrlc::set_handler(|| say("theirs")).unwrap();
                let outcome = futures::executor::block_on(Scope::new().until(ctrl_c()).run(quick("body".into())));
                say_outcome("scope", outcome);
                wait();
            }
            ["after", "tokio and ctrlc"] => Runtime::TokioCurrentThread.run(async {
                let _theirs = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).unwrap();
                ctrlc::set_handler(|| say("theirs")).unwrap();
                say_outcome(
                    "scope",
                    Scope::new().until(ctrl_c()).run_sync(|| panic!("it is not to start")),
                );
                wait();
            }),
            ["before", "ctrlc"] => {
                let source = ctrl_c();
                ctrlc::set_handler(|| say("theirs")).unwrap();
                let scope = || Scope::new().until(source.clone());
                say_outcome("async", futures::executor::block_on(scope().run(quick("body".into()))));
                say_outcome("sync", scope().run_sync(|| panic!("it is not to start")));
                say_outcome(
                    "new",
                    Scope::new().until(ctrl_c()).run_sync(|| panic!("it is not to start")),
                );
                say(unix([SIGTERM, SIGINT]).unwrap_err());
                say(futures::executor::block_on(source.fired()));
                say(if unix([SIGTERM]).is_ok() {
                    "others are heard"
                } else {
                    "others are not heard"
                });
                wait();
            }
            ["before", "ignored"] => {
                let source = ctrl_c();
                let ours = dispose(SIGINT, libc::SIG_IGN);
                say_outcome(
                    "scope",
                    Scope::new()
                        .until(source.clone())
                        .run_sync(|| panic!("it is not to start")),
                );
                dispose(SIGINT, ours);
                say_outcome(
                    "scope",
                    futures::executor::block_on(Scope::new().until(source).run(quick("body".into()))),
                );
            }
            ["no threads"] => {
                assert!(thread::Builder::new().spawn(|| ()).is_err());
                no_handler();
                return;
            }
            ["no files"] => {
                let none = libc::rlimit {
                    rlim_cur: 3,
                    rlim_max: 3,
                };
                // SAFETY: the system reads the limit, no more.
                assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const none) }, 0);
                assert!(File::open("/dev/null").is_err());
                say_outcome(
                    "scope",
                    futures::executor::block_on(Scope::new().until(ctrl_c()).run(quick("body".into()))),
                );
            }
            ["forked", part] => forked(part),
            ["between fork and exec"] => between_fork_and_exec(),
            ["generations"] => generations(),
            _ => panic!("no such part: {arguments:?}"),
        }
        say("over");
        wait();
    }

    // Handlers ---------------------------------------------------------------------------------------------------------

    /// Has the system do this with a signal from now on; what it did before.
    fn dispose(number: i32, disposition: libc::sighandler_t) -> libc::sighandler_t {
        // SAFETY: a disposition that the signal has had before, or one that runs nothing.
        unsafe { libc::signal(number, disposition) }
    }

    /// Where no signal can be listened for.
    fn no_handler() {
        let say_error = |who: &str, outcome: Outcome| {
            let error = outcome.unwrap_err();
            let source = error.reason().source().expect("a SignalError");
            say(format_args!("{who} {:?}: {source}", error.kind()));
        };
        say_error(
            "sync",
            Scope::new().until(ctrl_c()).run_sync(|| panic!("it is not to start")),
        );
        say_error(
            "async",
            futures::executor::block_on(Scope::new().until(ctrl_c()).run(quick("body".into()))),
        );
        // The first of several that cannot be had is what is told of.
        let many = Scope::new().until(any((ctrl_c(), pending::<()>())));
        say_error("any", futures::executor::block_on(many.run(quick("body".into()))));
        say(unix([SIGTERM]).unwrap_err());
    }

    // Forks ------------------------------------------------------------------------------------------------------------

    /// Forks. The child does as told, and exits.
    fn fork(child: impl FnOnce()) -> Child {
        // SAFETY: the child goes on as if it had this one thread from the beginning. It may wait for ever for locks that
        // other threads hold; none does, for they all wait.
        match unsafe { libc::fork() } {
            0 => {
                die_with_parent();
                child();
                process::exit(0);
            }
            -1 => panic!("{}", io::Error::last_os_error()),
            pid => Child(pid),
        }
    }

    /// Whatever becomes of the test, it leaves no process behind.
    fn die_with_parent() {
        #[cfg(target_os = "linux")]
        // SAFETY: a call with no pointers.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        }
    }

    struct Child(libc::pid_t);

    impl Child {
        fn say_end(self) {
            let mut status = 0;
            // SAFETY: the system writes the status, no more.
            while unsafe { libc::waitpid(self.0, &raw mut status, 0) } == -1 {
                assert_eq!(io::Error::last_os_error().kind(), io::ErrorKind::Interrupted);
            }
            say_end(process::ExitStatus::from_raw(status));
        }
    }

    fn say_end(status: process::ExitStatus) {
        match status.signal() {
            Some(signal) => say(format_args!("child died of {signal}")),
            None => say("child exited"),
        }
    }

    fn say_pid() {
        say(format_args!("child {}", process::id()));
    }

    fn idle() -> ! {
        loop {
            // SAFETY: a call without arguments.
            unsafe { libc::pause() };
        }
    }

    fn until_cancelled() -> Outcome {
        loop {
            check()?;
        }
    }

    /// The parent listens, and forks.
    fn forked(part: &str) {
        let source = unix([SIGINT, SIGTERM]).unwrap();
        let mine = source.clone();
        let child = move || match part {
            "idle" => {
                say_pid();
                idle();
            }
            // It listens by itself, to the source of its parent or to its own.
            "inherited" | "own" => {
                let source = if part == "own" { unix([SIGTERM]).unwrap() } else { mine };
                let outcome = Scope::new().detached().until(source).run_sync(|| {
                    say_pid();
                    until_cancelled()
                });
                say_outcome("child", outcome);
                idle();
            }
            // The parent has not asked for this one.
            "alone" | "with a runtime" => {
                let source = unix([SIGUSR1]).unwrap();
                let listen = move |ready: &dyn Fn()| {
                    let outcome = Scope::new().detached().until(source).run_sync(|| {
                        ready();
                        until_cancelled()
                    });
                    say_outcome("child", outcome);
                };
                if part == "alone" {
                    listen(&say_pid);
                } else {
                    Runtime::TokioCurrentThread.run(async move {
                        let mut theirs =
                            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1()).unwrap();
                        listen(&say_pid);
                        theirs.recv().await;
                        say("child: theirs");
                    });
                }
                idle();
            }
            _ => panic!("no such part: {part}"),
        };
        futures::executor::block_on(async {
            let outcome = Scope::new().until(source).grace(HOUR).run(async {
                let _dropped = Dropped("body");
                let child = fork(child);
                child.say_end();
                hear_all();
                say(if cancelable::is_cancelled() {
                    "body cancelled"
                } else {
                    "body not cancelled"
                });
                let error = guard(pending::<()>()).await.unwrap_err();
                say(format_args!("body asked: {}", error.reason()));
                wait();
                hear_all();
                // It is not over yet: one may be pending.
                shield(tests::ready_after(3, ())).await;
                say("body pending");
                shield(pending()).await
            });
            say_outcome("scope", outcome.await);
        });
    }

    fn between_fork_and_exec() {
        let (mut gate, hold) = UnixStream::pair().unwrap();
        let outcome = Scope::new().until(unix([SIGINT, SIGTERM]).unwrap()).run_sync(|| {
            let mut command = Command::new("true");
            let mut hold = Some(hold);
            // SAFETY: the process has no thread that holds a lock which this takes: all wait.
            unsafe {
                command.pre_exec(move || {
                    die_with_parent();
                    // Only the parent holds the gate from here on.
                    drop(hold.take());
                    say_pid();
                    gate.read_exact(&mut [0])
                });
            }
            let status = command.status().unwrap();
            say_end(status);
            hear_all();
            check()?;
            say("body not cancelled");
            until_cancelled()
        });
        say_outcome("scope", outcome);
    }

    /// Children of children of children, each of which listens.
    fn generations() {
        let files = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let mut first = None;
        for generation in 0..12 {
            let outcome =
                futures::executor::block_on(Scope::new().until(unix([SIGTERM]).unwrap()).grace(HOUR).run(async {
                    raise(SIGTERM);
                    let error = guard(pending::<()>()).await.unwrap_err();
                    assert_eq!(error.reason().signal_number(), Some(SIGTERM));
                    // A handler for each generation would have heard it as often.
                    hear_all();
                    shield(tests::ready_after(3, ())).await;
                    Ok::<_, Cancelled>(())
                }));
            outcome.expect("a grace that nothing ends");
            assert_eq!(files(), *first.get_or_insert_with(files));
            // SAFETY: see `fork`. This one waits for its child, which goes on in its place.
            match unsafe { libc::fork() } {
                0 => die_with_parent(),
                -1 => panic!("{}", io::Error::last_os_error()),
                pid => {
                    let mut status = 0;
                    // SAFETY: the system writes the status, no more.
                    while unsafe { libc::waitpid(pid, &raw mut status, 0) } == -1 {}
                    assert_eq!(status, 0, "generation {}", generation + 1);
                    if generation == 0 {
                        say("all have heard");
                        return;
                    }
                    process::exit(0);
                }
            }
        }
        process::exit(0);
    }

    /// Scopes of all sorts, all told by one signal.
    fn several() {
        let mut threads = Vec::new();
        for runtime in Runtime::ALL {
            threads.push(thread::spawn(move || {
                runtime.run(async move {
                    let name = format!("{runtime:?}");
                    let scopes = (0..3).map(|n| Scope::new().until(ctrl_c()).run(quick(format!("{name} {n}"))));
                    for outcome in futures::future::join_all(scopes).await {
                        say_outcome(&name, outcome);
                    }
                });
            }));
        }
        threads.push(thread::spawn(|| {
            let outcome: Outcome = cancel_scope!(until = ctrl_c(), {
                say("thread runs");
                loop {}
            });
            say_outcome("thread", outcome);
        }));
        for thread in threads {
            thread.join().expect("all goes well");
        }
    }
}
