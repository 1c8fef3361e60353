//! A process to send real signals to; started by `tests/signals.rs`. It says on standard output how far it has come, and
//! waits for a line on standard input where it is to wait.

#![cfg_attr(not(unix), allow(unused))]

fn main() {
    #[cfg(unix)]
    signalled::run();
}

#[cfg(unix)]
mod signalled {
    use std::env;
    use std::fmt::Display;
    use std::future::{pending, poll_fn};
    use std::io::{self, Write as _};
    use std::sync::{Arc, Barrier};
    use std::task::Poll;
    use std::thread;
    use std::time::Duration;

    use cancelable::signal::{SIGINT, SIGTERM, ctrl_c, unix};
    use cancelable::{
        CancellationToken, Cancelled, ReasonKind, Scope, Source as _, all, any, cancel_scope, check, current, guard,
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

    /// Waits for a line. Nothing but a signal gets a process past the end of the input.
    fn wait() {
        let mut line = String::new();
        if io::stdin().read_line(&mut line).expect("an input") == 0 {
            loop {
                thread::park();
            }
        }
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

    /// Done when it is polled by the library's own thread: the first poll is the scope's.
    async fn elsewhere() {
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls > 1 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Has the library's own thread see to all it has been woken for by now.
    fn settle() {
        let outcome: Outcome = Scope::new().detached().until(elsewhere()).run_sync(|| {
            loop {
                check()?;
            }
        });
        assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
    }

    pub(super) fn run() {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
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
                let inner = Scope::new().name("inner").until(ctrl_c()).grace(HOUR);
                let outer = Scope::new().name("outer").until(ctrl_c()).grace(HOUR);
                let outcome = outer.run(async {
                    let outcome = inner.run(async {
                        let _dropped = Dropped("body");
                        say("body runs");
                        let error = guard(pending::<()>()).await.unwrap_err();
                        settle();
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
                // All threads that would cancel the scope are busy, so the scope is over first.
                const THREADS: usize = 9;
                let barrier = Arc::new(Barrier::new(THREADS + 1));
                let mut scope = Scope::new().until(ctrl_c());
                for _ in 0..THREADS {
                    let (there, done) = (Arc::clone(&barrier), Arc::clone(&barrier));
                    scope = scope.until(async move {
                        elsewhere().await;
                        there.wait();
                        done.wait();
                    });
                }
                let outcome: Outcome = scope.run_sync(|| {
                    barrier.wait();
                    say("body runs");
                    wait();
                    Ok(())
                });
                say_outcome("scope", outcome);
                barrier.wait();
                wait();
            }
            ["all"] => {
                let token = CancellationToken::new();
                let outcome: Outcome = Scope::new().until(all((ctrl_c(), &token))).run_sync(|| {
                    say("body runs");
                    wait();
                    settle();
                    check().expect("one of two");
                    say("not yet");
                    wait();
                    token.cancel();
                    loop {
                        check()?;
                    }
                });
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
            _ => panic!("no such part: {arguments:?}"),
        }
        say("over");
        wait();
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
