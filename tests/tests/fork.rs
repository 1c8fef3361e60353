//! A process made by `fork` without `exec` has none of the library's threads, and perhaps locks that nobody gives back.
//! Deadlines and conditions work in it all the same, and the parent is as before (L23).

#![cfg(unix)]

use std::future::pending;
use std::os::unix::process::CommandExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use cancelable::{
    CancellationToken, Cancelled, ReasonKind, Scope, all, any, blocking_sleep, check, condition, guard, sleep,
};
use futures::executor::block_on;

type Outcome = Result<(), Cancelled>;

const MOMENT: Duration = Duration::from_millis(1);
const SHORT: Duration = Duration::from_millis(30);
const HOUR: Duration = Duration::from_secs(3600);

fn spin() -> Outcome {
    loop {
        check()?;
    }
}

/// Runs `f` in a child process, and waits for it.
fn in_child(f: impl FnOnce()) {
    // SAFETY: the child has this thread alone. It runs this library and the standard library, and leaves by `_exit`.
    // Locks of the standard library that others hold now (of its output, say) are not used there unless a test fails.
    match unsafe { libc::fork() } {
        -1 => panic!("{}", std::io::Error::last_os_error()),
        0 => {
            // SAFETY: these two take numbers, and may be called at any time. A child that hangs is ended by the signal.
            unsafe { libc::alarm(60) };
            let code = i32::from(catch_unwind(AssertUnwindSafe(f)).is_err());
            // SAFETY: as above.
            unsafe { libc::_exit(code) }
        }
        child => {
            let mut status = 0;
            loop {
                // SAFETY: `status` is there to be written to.
                let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
                if waited == child {
                    break;
                }
            }
            assert!(libc::WIFEXITED(status), "ended by signal {}", libc::WTERMSIG(status));
            assert_eq!(libc::WEXITSTATUS(status), 0);
        }
    }
}

/// The library does all that it is for, here and now.
fn all_is_well() {
    let token = CancellationToken::new();
    let (told, is_told) = mpsc::channel();
    token.on_cancel(move |_| told.send(()).unwrap()).detach();
    token.cancel_after(MOMENT);
    is_told.recv().unwrap();
    let outcome: Outcome = Scope::new().timeout(MOMENT).run_sync(spin);
    assert!(outcome.unwrap_err().is_timeout());
    let outcome: Outcome = Scope::new().timeout(MOMENT).run_sync(|| blocking_sleep(HOUR));
    assert!(outcome.unwrap_err().is_timeout());
    let outcome: Outcome = block_on(Scope::new().timeout(MOMENT).run(async { guard(pending()).await? }));
    assert!(outcome.unwrap_err().is_timeout());
    block_on(sleep(MOMENT)).unwrap();
    let mut asked = 0;
    let third = condition(MOMENT, move || {
        asked += 1;
        asked == 3
    });
    let outcome: Outcome = Scope::new().until(third).run_sync(spin);
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
    let (fire, fires) = futures::channel::oneshot::channel::<()>();
    let outcome: Outcome = Scope::new().until(fires).run_sync(|| {
        let thread = thread::spawn(move || fire.send(()));
        let outcome = spin();
        thread.join().unwrap().unwrap();
        outcome
    });
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
}

#[test]
fn l23_scopes_that_begin_in_a_child_have_deadlines_and_sources_and_those_of_the_parent_are_as_before() {
    for _ in 0..3 {
        all_is_well();
        in_child(all_is_well);
    }
    all_is_well();
    // In a child's child, too.
    in_child(|| in_child(all_is_well));
    in_child(|| {
        all_is_well();
        in_child(all_is_well);
        all_is_well();
    });
}

#[test]
fn l23_deadlines_that_the_parent_had_watched_come_in_a_child_that_only_polls() {
    let token = CancellationToken::new();
    let child = token.child_token().child_token();
    let linked = CancellationToken::any([&child]);
    let both = CancellationToken::all([&linked.child_token(), &token]);
    let at = Instant::now() + SHORT;
    token.cancel_at(at);
    let later = token.child_token();
    for one in [&token, &child, &linked, &both, &later] {
        in_child(|| {
            while one.check().is_ok() {}
            assert!(Instant::now() >= at);
            assert!(one.check().unwrap_err().is_timeout());
        });
    }
    for one in [&token, &child, &linked, &both, &later] {
        in_child(|| {
            one.wait();
            assert!(Instant::now() >= at);
        });
        in_child(|| {
            let outcome = one.sync_scope(|| Scope::new().run_sync(spin));
            assert!(outcome.unwrap_err().is_timeout());
            assert!(Instant::now() >= at);
        });
    }
    both.wait();
    assert!(both.check().unwrap_err().is_timeout());
}

/// From here on this process can start no thread of the library's: there is no room for the stack of one.
#[cfg(target_os = "linux")]
fn without_threads() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let kib: u64 = size.trim().trim_end_matches(" kB").parse().unwrap();
    let most = (kib << 10) + (32 << 20);
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: `limit` is there to be read from.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
    assert!(thread::Builder::new().stack_size(64 << 20).spawn(|| ()).is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn l23_deadlines_that_the_parent_had_watched_come_in_a_child_that_can_start_no_thread() {
    let token = CancellationToken::new();
    let child = token.child_token().child_token();
    let at = Instant::now() + SHORT;
    token.cancel_at(at);
    for one in [&token, &child] {
        in_child(|| {
            without_threads();
            while one.check().is_ok() {}
            assert!(Instant::now() >= at);
            assert!(one.check().unwrap_err().is_timeout());
        });
    }
}

#[test]
fn l23_callbacks_of_a_deadline_run_in_child_and_parent_once_each() {
    let token = CancellationToken::new();
    let (told, is_told) = mpsc::channel();
    token.on_cancel(move |_| told.send(()).unwrap()).detach();
    token.cancel_after(SHORT);
    in_child(|| {
        while token.check().is_ok() {}
        is_told.recv().unwrap();
        assert!(is_told.recv().is_err(), "it is gone");
    });
    is_told.recv().unwrap();
    assert!(is_told.recv().is_err(), "it is gone");
}

#[test]
fn l23_a_scope_that_a_child_is_made_in_ends_in_both() {
    let mut is_child = false;
    let parent = std::process::id();
    let outcome: Outcome = Scope::new().timeout(SHORT).run_sync(|| {
        let token = cancelable::current();
        assert!(token.remaining().is_some() && !token.is_cancelled());
        in_child(|| {
            is_child = std::process::id() != parent;
            assert!(is_child && spin().unwrap_err().is_timeout());
        });
        spin()
    });
    assert!(outcome.unwrap_err().is_timeout() && !is_child);
    // An async one: what has been pending in the parent goes on in the child.
    let mut scope = Box::pin(
        Scope::new()
            .timeout(SHORT)
            .run(async { guard(pending::<Outcome>()).await? }),
    );
    assert!(tests::poll_once(&mut scope).is_pending());
    in_child(|| assert!(block_on(&mut scope).unwrap_err().is_timeout()));
    assert!(block_on(scope).unwrap_err().is_timeout());
    // A source that waits for something, and was not being polled.
    let (fire, fires) = futures::channel::oneshot::channel::<()>();
    let mut fire = Some(fire);
    let outcome: Outcome = Scope::new().until(any((fires, pending::<()>()))).run_sync(|| {
        in_child(|| {
            drop(fire.take());
            assert_eq!(spin().unwrap_err().kind(), ReasonKind::Condition);
        });
        check()
    });
    outcome.unwrap();
}

#[test]
fn l23_children_that_are_made_while_other_threads_are_busy_have_no_locks_that_stay_locked() {
    const FORKS: usize = if cfg!(debug_assertions) { 150 } else { 400 };
    let over = CancellationToken::new();
    let shared = CancellationToken::new();
    let busy: Vec<_> = (0..3)
        .map(|n| {
            let (over, shared) = (over.clone(), shared.clone());
            thread::spawn(move || {
                while !over.is_cancelled() {
                    let outcome: Outcome = Scope::new().timeout(Duration::from_micros(200)).run_sync_with(|token| {
                        let _child = token.child_token();
                        let _linked = CancellationToken::any([token, &shared]);
                        if n == 0 { blocking_sleep(HOUR) } else { spin() }
                    });
                    assert!(outcome.unwrap_err().is_timeout());
                    let tokens: Vec<_> = (0..20).map(|_| shared.child_token()).collect();
                    tokens
                        .iter()
                        .for_each(|token| token.cancel_after(Duration::from_micros(100)));
                    let outcome: Outcome = Scope::new().until(condition(MOMENT, || true)).run_sync(spin);
                    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
                    drop(block_on(
                        Scope::new()
                            .timeout(HOUR)
                            .run(async { sleep(Duration::from_micros(50)).await }),
                    ));
                }
            })
        })
        .collect();
    for n in 0..FORKS {
        let parent = shared.child_token();
        let token = parent.child_token();
        parent.cancel_after(Duration::from_micros(300 * (n as u64 % 5)));
        in_child(|| {
            while token.check().is_ok() {}
            parent.wait();
            if n % 10 == 0 {
                all_is_well();
            }
            // Whatever the others were doing with it.
            shared.cancel();
            assert!(shared.child_token().is_cancelled());
        });
        token.wait();
    }
    over.cancel();
    busy.into_iter().for_each(|thread| thread.join().unwrap());
    all_is_well();
}

#[test]
fn a_child_may_cancel_what_threads_wait_for_that_it_does_not_have() {
    let token = CancellationToken::new();
    let (told, is_told) = mpsc::channel();
    let waiting: Vec<_> = (0..4)
        .map(|n| {
            let (token, told) = (token.child_token(), told.clone());
            thread::spawn(move || {
                told.send(()).unwrap();
                match n {
                    0 => token.wait(),
                    1 => assert!(token.wait_timeout(HOUR)),
                    2 => assert!(token.sync_scope(|| blocking_sleep(HOUR)).is_err()),
                    _ => block_on(token.cancelled()),
                }
            })
        })
        .collect();
    assert_eq!(is_told.iter().take(4).count(), 4);
    in_child(|| token.cancel());
    in_child(|| {
        token.cancel_after(MOMENT);
        while token.check().is_ok() {}
        all_is_well();
    });
    assert!(!token.is_cancelled());
    token.cancel();
    waiting.into_iter().for_each(|thread| thread.join().unwrap());
}

/// How many threads this process has.
#[cfg(target_os = "linux")]
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_has_no_thread_but_its_own_before_it_needs_one() {
    let tokens: Vec<_> = (0..10).map(|_| CancellationToken::new()).collect();
    tokens.iter().for_each(|token| token.cancel_after(HOUR));
    all_is_well();
    in_child(|| {
        assert_eq!(threads(), 1);
        assert!(tokens.iter().all(|token| token.check().is_ok()));
        // Somebody watches them from now on.
        assert!(threads() > 1);
    });
    let mut command = Command::new("true");
    // SAFETY: it reads a directory, which takes memory. glibc and musl have it in a child.
    unsafe {
        command.pre_exec(|| {
            assert_eq!(threads(), 1);
            Ok(())
        });
    }
    assert!(command.status().unwrap().success());
    all_is_well();
}

#[test]
fn a_callback_may_fork() {
    let token = CancellationToken::new();
    let (told, is_told) = mpsc::channel();
    let _callback = token.on_cancel(move |_| {
        // On the timer's own thread, which is lost in the child as such.
        in_child(all_is_well);
        told.send(()).unwrap();
    });
    token.cancel_after(MOMENT);
    is_told.recv().unwrap();
    all_is_well();
    let outcome: Outcome = Scope::new()
        .until(all((async {}, condition(MOMENT, || true))))
        .run_sync(spin);
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
}

/// Runs `test` in a process of its own, in which nothing else has used the library.
fn in_a_fresh_process(name: &str, test: fn()) {
    const NAME: &str = "CANCELABLE_FRESH_PROCESS";
    if std::env::var(NAME).is_ok_and(|running| running == name) {
        return test();
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads=1", "--nocapture"])
        .env(NAME, name)
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn l23_a_child_of_a_process_that_never_set_a_deadline_can_make_link_cancel_and_await_tokens() {
    fn use_tokens() {
        let root = CancellationToken::new();
        let children: Vec<_> = (0..50).map(|_| root.child_token()).collect();
        let linked = CancellationToken::any(&children);
        root.cancel();
        linked.wait();
    }
    let name = "l23_a_child_of_a_process_that_never_set_a_deadline_can_make_link_cancel_and_await_tokens";
    in_a_fresh_process(name, || {
        let stop = CancellationToken::new();
        thread::scope(|scope| {
            let _stopped_at_the_end = stop.drop_guard_ref();
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.is_cancelled() {
                        use_tokens();
                    }
                });
            }
            for _ in 0..100 {
                in_child(use_tokens);
            }
        });
    });
}

/// Futures that wait for a token may be on the stack of a lost thread, which glibc gives to the next one.
#[test]
fn a_thread_of_the_library_in_a_child_has_a_stack_that_no_lost_thread_had_and_user_code_has_room_on_it() {
    fn address_on_the_stack() -> usize {
        std::ptr::from_ref(std::hint::black_box(&0_u8.clone())).addr()
    }
    fn take_a_mebibyte() {
        std::hint::black_box([1_u8; 1 << 20]);
    }
    let name = "a_thread_of_the_library_in_a_child_has_a_stack_that_no_lost_thread_had_and_user_code_has_room_on_it";
    in_a_fresh_process(name, || {
        let stop = CancellationToken::new();
        thread::scope(|scope| {
            let _stopped_at_the_end = stop.drop_guard_ref();
            let (lost, are_lost) = mpsc::channel();
            for _ in 0..4 {
                let (stop, lost) = (&stop, lost.clone());
                scope.spawn(move || {
                    lost.send(address_on_the_stack()).unwrap();
                    stop.wait();
                });
            }
            let lost: Vec<_> = are_lost.iter().take(4).collect();
            in_child(|| {
                let token = CancellationToken::new();
                let (told, is_told) = mpsc::channel();
                let _callback = token.on_cancel(move |_| {
                    take_a_mebibyte();
                    told.send(address_on_the_stack()).unwrap();
                });
                token.cancel_after(MOMENT);
                let own = is_told.recv().unwrap();
                assert!(lost.iter().all(|lost| lost.abs_diff(own) > 1 << 20));
            });
        });
    });
}

#[test]
fn l23_a_child_leaves_a_scope_whose_source_was_being_polled_when_the_process_forked() {
    for _ in 0..300 {
        let busy = std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        let child = Scope::new().until(busy).run_sync(|| {
            thread::yield_now();
            // SAFETY: see `in_child`. The child does nothing but leave the scope.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: a number. It ends the child if that hangs.
                unsafe { libc::alarm(60) };
            }
            Ok::<_, Cancelled>(child)
        });
        let child = child.unwrap();
        if child == 0 {
            // SAFETY: a number.
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        // SAFETY: `status` is there to be written to.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert!(libc::WIFEXITED(status), "ended by signal {}", libc::WTERMSIG(status));
    }
}

/// Threads that do nothing but make and drop what is found by way of weak handles: deadlines and links.
#[test]
fn l23_children_that_are_made_while_ways_back_are_cut_have_none_that_stays_locked() {
    const FORKS: usize = if cfg!(debug_assertions) { 300 } else { 1000 };
    let stop = CancellationToken::new();
    thread::scope(|scope| {
        let _stopped_at_the_end = stop.drop_guard_ref();
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.is_cancelled() {
                    let outcome: Outcome = Scope::new().timeout(MOMENT).run_sync_with(|token| {
                        drop(CancellationToken::any([token]));
                        check()
                    });
                    // The moment may have passed.
                    assert!(outcome.is_ok() || outcome.is_err_and(|error| error.is_timeout()));
                }
            });
        }
        for _ in 0..FORKS {
            in_child(|| {
                let outcome: Outcome = Scope::new().timeout(HOUR).run_sync(check);
                outcome.unwrap();
            });
        }
    });
}
