//! Stackful coroutines: scopes that are suspended half-way and left in any order (L26), and how deep scopes may be on one
//! stack (L25). Each program about coroutines runs in a process of its own, for what it is afraid of would end the process.
//!
//! Threads: <https://github.com/rust-lang/rust/issues/33368>, <https://github.com/rustcc/coroutine-rs/issues/31>,
//! <https://github.com/Amanieu/corosensei/issues/27> (coroutines and thread-locals), <https://github.com/tokio-rs/tracing/issues/698> (what is entered
//! in one order and left in another).
#![cfg(all(unix, any(target_arch = "x86_64", target_arch = "aarch64")))]

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::process::{Command, Output};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, Scope, cancelable, check, current, guard, is_cancelled,
    propagate, race, remaining, shield, shield_sync,
};
use corosensei::stack::{DefaultStack, Stack as _};
use corosensei::{Coroutine, Yielder};
use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tests::fence::{self, Fence};
use tests::paused_tokio;

type Outcome = Result<(), Cancelled>;
type Fiber = Coroutine<(), (), ()>;
type Pause = Yielder<(), ()>;

const NEVER: CancellationToken = CancellationToken::never();

/// An hour: a limit that no test is to reach.
const LONG: Duration = Duration::from_secs(3600);

#[global_allocator]
static ALLOCATOR: Fence = Fence;

/// Tests whose bodies run in a process each, which dies of touching what was freed.
macro_rules! programs {
    ($($(#[$meta:meta])* fn $name:ident() $body:block)*) => { $(
        $(#[$meta])*
        #[test]
        fn $name() {
            survives(stringify!($name), || $body);
        }
    )* };
}

/// Runs the program of this test in another process, and fails if that is killed.
fn survives(test: &str, program: fn()) {
    if let Some(output) = run(test, program) {
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}\n{text}", output.status);
    }
}

/// Runs the program of this test in another process. `None`: this is that process.
fn run(test: &str, program: fn()) -> Option<Output> {
    const CHILD: &str = "CANCELABLE_TEST_CHILD";
    if std::env::var_os(CHILD).is_some_and(|child| child == *test) {
        fence::start();
        program();
        return None;
    }
    let this = std::env::current_exe().unwrap();
    let mut child = Command::new(this);
    let output = child
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, test)
        .env("RUST_BACKTRACE", "0")
        .output();
    Some(output.unwrap())
}

/// Overwrites the stack below, so that whoever still reads a frame that was there sees that it is gone.
#[inline(never)]
fn scribble() {
    black_box(&mut [0xA5_u8; 64 * 1024]);
}

/// Asks everything that looks at the thread's frames.
#[inline(never)]
fn look() {
    scribble();
    black_box(is_cancelled());
    black_box(remaining());
    black_box(current());
    drop(check());
    propagate(|| drop(check()))();
    let mut guarded = pin!(guard(std::future::ready(())));
    black_box(
        guarded
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready(),
    );
    let mut scoped = pin!(Scope::new().run(async { check() }));
    black_box(scoped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

fn cancelled(scope: &'static str) -> CancellationToken {
    let token = CancellationToken::new();
    token.cancel_with(scope);
    token
}

// Suspended inside a scope --------------------------------------------------------------------------------------------

programs! {
    /// The scope began on the thread's own stack; the other one is the coroutine's.
    fn l26_a_scope_that_a_coroutine_began_inside_another_and_left_outside_it() {
        let [first, second] = [CancellationToken::new(), CancellationToken::new()];
        let mut fiber = Fiber::new(move |pause: &Pause, ()| {
            pause.suspend(());
            first.sync_scope(|| {
                look();
                pause.suspend(());
                look();
            });
        });
        fiber.resume(());
        second.sync_scope(|| {
            fiber.resume(());
        });
        look();
        drop(fiber);
        look();
        assert!(check().is_ok());
        assert_eq!(current(), NEVER);
    }

    fn l26_a_scope_that_a_coroutine_began_outside_another_and_left_inside_it() {
        let [first, second] = [CancellationToken::new(), CancellationToken::new()];
        let mut fiber = Fiber::new(move |pause: &Pause, ()| first.sync_scope(|| pause.suspend(())));
        fiber.resume(());
        second.sync_scope(|| {
            fiber.resume(());
            look();
            assert_eq!(current(), second, "its own is still in force");
            drop(fiber);
            look();
            assert_eq!(current(), second);
        });
        look();
        assert_eq!(current(), NEVER);
    }

    fn l26_scopes_of_two_coroutines_that_are_left_in_the_order_in_which_they_began() {
        let tokens = [CancellationToken::new(), CancellationToken::new()];
        let mut fibers = tokens.clone().map(|token| {
            Fiber::new(move |pause: &Pause, ()| {
                token.sync_scope(|| {
                    assert_eq!(current(), token);
                    pause.suspend(());
                    look();
                });
                look();
            })
        });
        for fiber in &mut fibers {
            fiber.resume(());
        }
        let [mut first, mut second] = fibers;
        first.resume(());
        drop(first);
        look();
        second.resume(());
        drop(second);
        look();
        assert_eq!(current(), NEVER);
    }

    fn l26_a_scope_that_is_left_while_a_coroutine_is_suspended_inside_it() {
        // What is outside the coroutine's scope is gone when it is resumed; also for who looks outwards for a name.
        let [inner, outer] = [cancelled("inner"), CancellationToken::new()];
        let mut fiber = Fiber::new(move |pause: &Pause, ()| {
            inner.sync_scope(|| {
                assert!(check().unwrap_err().scope_path().is_empty());
                pause.suspend(());
                look();
                // L26 allows another token than its own in here; a documented one. But no name of what is gone.
                assert!([&inner, &NEVER].contains(&&current()));
                assert!(check().err().is_none_or(|error| error.scope_path().is_empty()));
            });
        });
        let outcome: Outcome = Scope::new().name("outer").parent(&outer).run_sync(|| {
            fiber.resume(());
            Ok(())
        });
        assert!(outcome.is_ok());
        look();
        fiber.resume(());
        assert!(fiber.done());
        look();
        assert_eq!(current(), NEVER);
    }

    /// A scope inside asks the token outside until it has one of its own.
    fn l26_a_scope_that_goes_on_when_the_token_outside_it_is_gone() {
        for levels in 1..4 {
            for asks_before in [false, true] {
                let mut fiber = Fiber::new(move |pause: &Pause, ()| {
                    in_sync_scopes_with(levels, &mut || {
                        if asks_before {
                            look();
                        }
                        pause.suspend(());
                        look();
                        assert!(check().is_ok());
                        look();
                    });
                    look();
                });
                let token = CancellationToken::new();
                token.sync_scope(|| {
                    fiber.resume(());
                });
                drop(token);
                look();
                fiber.resume(());
                assert!(fiber.done());
                look();
                assert_eq!(current(), NEVER);
            }
        }
    }

    fn l26_a_coroutine_that_is_forgotten_in_a_scope() {
        let [lost, token] = [CancellationToken::new(), CancellationToken::new()];
        let mut fiber = Fiber::new(move |pause: &Pause, ()| lost.sync_scope(|| pause.suspend(())));
        fiber.resume(());
        // Its stack stays, and so may the token in force on this thread; but what is entered and left works.
        std::mem::forget(fiber);
        for _ in 0..3 {
            look();
            token.sync_scope(|| assert_eq!(current(), token));
            look();
        }
    }

    fn l26_a_coroutine_that_panics_in_a_scope() {
        let [token, outer] = [CancellationToken::new(), CancellationToken::new()];
        let mut fiber = Fiber::new(move |pause: &Pause, ()| {
            token.sync_scope(|| {
                pause.suspend(());
                panic!("on purpose");
            });
        });
        outer.sync_scope(|| {
            fiber.resume(());
        });
        look();
        assert!(catch_unwind(AssertUnwindSafe(|| fiber.resume(()))).is_err());
        look();
        drop(fiber);
        look();
        assert_eq!(current(), NEVER);
    }

    fn l26_scopes_of_every_kind_are_suspended_and_dropped() {
        type Kind = fn(&CancellationToken, &mut dyn FnMut());
        let kinds: [Kind; 9] = [
            |token, f| token.sync_scope(f),
            |token, f| drop(Scope::new().parent(token).name("it").run_sync(|| ok(f))),
            |token, f| drop(Scope::new().parent(token).timeout(LONG).run_sync(|| ok(f))),
            |_, f| shield_sync(f),
            |token, f| {
                let carried = token.sync_scope(|| propagate(f));
                carried();
            },
            |token, f| poll_it(token.scope(async { f() })),
            |token, f| poll_it(Scope::new().parent(token).run(async { ok(f) }).map(drop)),
            |_, f| poll_it(shield(async { f() })),
            |token, f| poll_it(async { f() }.with_cancellation(token).map(drop)),
        ];
        for (number, kind) in kinds.into_iter().enumerate() {
            for is_ended in [false, true] {
                let [token, outer] = [CancellationToken::new(), CancellationToken::new()];
                let inner = token.clone();
                let mut fiber = Fiber::new(move |pause: &Pause, ()| {
                    kind(&inner, &mut || {
                        look();
                        pause.suspend(());
                        look();
                    });
                    look();
                });
                outer.sync_scope(|| {
                    fiber.resume(());
                });
                look();
                if is_ended {
                    fiber.resume(());
                    assert!(fiber.done());
                }
                drop(fiber);
                look();
                assert_eq!(current(), NEVER, "kind {number}, ended: {is_ended}");
                token.cancel();
                outer.cancel();
                look();
            }
        }
    }

    /// The await looks at the scope outside again when what it awaits has been polled; by then that scope is over.
    fn l26_an_await_whose_poll_is_suspended_and_goes_on_after_the_scope() {
        for is_pending in [false, true] {
            for is_cancelled in [false, true] {
                let token = CancellationToken::new();
                let mut fiber = Fiber::new(move |pause: &Pause, ()| {
                    let mut guarded = pin!(guard(poll_fn(|_| {
                        pause.suspend(());
                        scribble();
                        if is_pending { Poll::Pending } else { Poll::Ready(()) }
                    })));
                    black_box(guarded.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
                    look();
                });
                token.sync_scope(|| {
                    fiber.resume(());
                    if is_cancelled {
                        token.cancel();
                    }
                });
                drop(token);
                look();
                fiber.resume(());
                assert!(fiber.done());
                look();
                assert_eq!(current(), NEVER);
            }
        }
    }

    /// As above, with holds and other wakers in it.
    fn l26_an_await_of_a_crowd_whose_poll_is_suspended_and_goes_on_after_the_scope() {
        let token = CancellationToken::new();
        let inner = token.clone();
        let mut fiber = Fiber::new(move |pause: &Pause, ()| {
            let suspends = poll_fn(|_| {
                pause.suspend(());
                scribble();
                Poll::<()>::Pending
            });
            let members: [Pin<Box<dyn Future<Output = ()> + '_>>; 4] = [
                Box::pin(shield(pending())),
                Box::pin(guard(pending::<()>()).map(drop)),
                Box::pin(guard(suspends).map(drop)),
                Box::pin(shield(pending())),
            ];
            let mut crowd = FuturesUnordered::from_iter(members);
            let mut guarded = pin!(guard(crowd.next()));
            for _ in 0..3 {
                black_box(guarded.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
            }
            inner.cancel();
            black_box(guarded.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        });
        while !fiber.done() {
            CancellationToken::new().sync_scope(|| {
                token.sync_scope(|| {
                    fiber.resume(());
                });
            });
            look();
            if !fiber.done() {
                fiber.resume(());
            }
            look();
        }
        assert_eq!(current(), NEVER);
    }

    /// A shield that takes its place in a scope which is over when it has it.
    fn l26_a_shield_whose_poll_is_suspended_and_goes_on_after_the_scope() {
        for is_dropped in [false, true] {
            let token = CancellationToken::new();
            let mut fiber = Fiber::new(move |pause: &Pause, ()| {
                let mut shielded = pin!(shield(poll_fn(|_| {
                    pause.suspend(());
                    Poll::<()>::Pending
                })));
                for _ in 0..2 {
                    assert!(shielded.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                    look();
                }
            });
            token.sync_scope(|| {
                fiber.resume(());
            });
            look();
            if !is_dropped {
                token.sync_scope(|| {
                    fiber.resume(());
                });
                fiber.resume(());
                assert!(fiber.done());
            }
            drop(fiber);
            look();
            assert_eq!(current(), NEVER);
        }
    }

    /// Code that blocks where others would await: what its executor polls is the coroutine.
    fn l26_coroutines_that_are_polled_as_futures() {
        let outer = CancellationToken::new();
        let log = Rc::new(RefCell::new(Vec::new()));
        let futures = [1, 2, 3].map(|number| {
            let log = Rc::clone(&log);
            poll_fiber(move |pause| {
                let outcome: Outcome = Scope::new().run_sync(|| {
                    for _ in 0..number {
                        pause.suspend(());
                        look();
                    }
                    Ok(())
                });
                log.borrow_mut().push((number, outcome.is_ok()));
            })
        });
        let mut all = Box::pin(outer.scope(guard(futures::future::join_all(futures))));
        for _ in 0..10 {
            if all.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                break;
            }
            look();
        }
        drop(all);
        look();
        assert_eq!(log.borrow().len(), 3);
        assert_eq!(current(), NEVER);
    }

    /// Everything at once, in an order that nobody would think of.
    fn l26_scopes_are_entered_and_left_in_any_order() {
        for seed in 0..1_000 {
            any_order::play(seed);
        }
    }
}

fn in_sync_scopes_with(levels: usize, f: &mut dyn FnMut()) {
    if levels == 0 {
        return f();
    }
    let outcome: Outcome = Scope::new().run_sync(|| {
        in_sync_scopes_with(levels - 1, f);
        Ok(())
    });
    outcome.unwrap();
}

/// Runs `f`, which is all right.
fn ok(f: impl FnOnce()) -> Outcome {
    f();
    Ok(())
}

/// Polls once; it must be ready.
fn poll_it(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

/// A future whose polls run the coroutine from one pause to the next.
fn poll_fiber(f: impl FnOnce(&Pause) + 'static) -> impl Future<Output = ()> {
    let mut fiber = Fiber::new(move |pause: &Pause, ()| f(pause));
    poll_fn(move |_| match fiber.resume(()).as_yield() {
        Some(()) => Poll::Pending,
        None => Poll::Ready(()),
    })
}

/// Random programs of coroutines and of the thread's own stack.
mod any_order {
    use super::*;

    /// What a coroutine is told to do until its next pause.
    #[derive(Clone, Debug)]
    enum Step {
        Enter(CancellationToken, u32),
        Leave,
        Look,
        Panic,
    }

    type Told = Coroutine<Step, (), ()>;

    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, n: u32) -> u32 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) as u32) % n
        }
    }

    /// Enters `token`, in one way or another.
    fn enter(token: &CancellationToken, how: u32, f: &mut dyn FnMut()) {
        let mut f = || {
            if how != 2 {
                assert!(current() == *token || how == 1, "entered just now");
            }
            f();
        };
        match how {
            0 => token.sync_scope(f),
            1 => drop(Scope::new().parent(token).name("random").run_sync(|| ok(&mut f))),
            2 => shield_sync(f),
            _ => poll_it(token.scope(async { f() })),
        }
    }

    /// Does as told, in the scope that it is in, until told to leave.
    fn obey(pause: &Yielder<Step, ()>, mut step: Step) {
        loop {
            match step {
                Step::Enter(token, how) => {
                    enter(&token, how, &mut || {
                        let step = pause.suspend(());
                        obey(pause, step);
                    });
                }
                Step::Leave => return,
                Step::Look => look(),
                Step::Panic => std::panic::resume_unwind(Box::new("on purpose")),
            }
            step = pause.suspend(());
        }
    }

    fn is_over(fiber: &mut Option<Told>, step: Step) {
        if let Some(running) = fiber {
            let is_panic = catch_unwind(AssertUnwindSafe(|| running.resume(step))).is_err();
            if is_panic || running.done() {
                *fiber = None;
            }
        }
    }

    /// The thread's own stack: some steps, in a scope or not.
    fn steps(numbers: &mut Numbers, tokens: &[CancellationToken], fibers: &mut [Option<Told>], depth: u32) {
        for _ in 0..numbers.below(8) {
            let token = tokens[numbers.below(tokens.len() as u32) as usize].clone();
            let fiber = &mut fibers[numbers.below(3) as usize];
            match numbers.below(16) {
                0..4 => is_over(fiber, Step::Enter(token, numbers.below(4))),
                4..7 => is_over(fiber, Step::Leave),
                7 => is_over(fiber, Step::Look),
                8 => is_over(fiber, Step::Panic),
                9 => *fiber = None,
                10 => token.cancel(),
                11 => look(),
                _ if fiber.is_none() => *fiber = Some(Told::new(obey)),
                _ if depth < 4 => {
                    let how = numbers.below(4);
                    enter(&token, how, &mut || steps(numbers, tokens, fibers, depth + 1));
                }
                _ => {}
            }
        }
    }

    pub(super) fn play(seed: u64) {
        let mut numbers = Numbers(seed);
        let tokens = [(); 4].map(|()| CancellationToken::new());
        let mut fibers = [None, None, None];
        for _ in 0..4 {
            steps(&mut numbers, &tokens, &mut fibers, 0);
        }
        drop(fibers);
        look();
        assert_eq!(current(), NEVER, "seed {seed}");
    }
}

// How deep ------------------------------------------------------------------------------------------------------------

/// How many bytes of stack `f` takes.
fn stack_taken_by(f: impl FnOnce() + 'static) -> usize {
    const SIZE: usize = 64 << 20;
    const PAGE: usize = 1024;
    let mut measured = Coroutine::with_stack(DefaultStack::new(SIZE).unwrap(), move |_: &Pause, ()| f());
    measured.resume(());
    let stack = measured.into_stack();
    let end = stack.base().get() as *const u8;
    // SAFETY: the stack has at least this size above its guard page, was all zeros, and nobody uses it any more.
    let bytes = unsafe { std::slice::from_raw_parts(end.sub(SIZE), SIZE) };
    // Page by page, which is quick in a debug build as well.
    let untouched = bytes.chunks(PAGE).take_while(|page| *page == [0; PAGE]).count() * PAGE;
    SIZE - untouched
}

/// Scopes in scopes, on one stack, and `leaf` in the innermost.
#[derive(Clone, Copy, Debug)]
enum Nest {
    Sync,
    SyncWithTimeouts,
    Async,
    AsyncWithTimeouts,
    Attribute,
}

impl Nest {
    const ALL: [Self; 5] = [
        Self::Sync,
        Self::SyncWithTimeouts,
        Self::Async,
        Self::AsyncWithTimeouts,
        Self::Attribute,
    ];

    fn run(self, levels: usize, leaf: fn()) {
        match self {
            Self::Sync => in_sync_scopes(levels, None, leaf),
            Self::SyncWithTimeouts => in_sync_scopes(levels, Some(LONG), leaf),
            Self::Async => poll_it(in_async_scopes(levels, None, leaf)),
            Self::AsyncWithTimeouts => poll_it(in_async_scopes(levels, Some(LONG), leaf)),
            Self::Attribute => in_annotated_functions(levels, leaf).unwrap(),
        }
    }
}

fn in_sync_scopes(levels: usize, timeout: Option<Duration>, leaf: fn()) {
    if levels == 0 {
        return leaf();
    }
    let outcome: Outcome = Scope::new().timeout(timeout).run_sync(|| {
        in_sync_scopes(levels - 1, timeout, leaf);
        Ok(())
    });
    outcome.unwrap();
}

fn in_async_scopes(levels: usize, timeout: Option<Duration>, leaf: fn()) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        if levels == 0 {
            return leaf();
        }
        let body = in_async_scopes(levels - 1, timeout, leaf).map(Ok::<_, Cancelled>);
        Scope::new().timeout(timeout).run(body).await.unwrap();
    })
}

#[cancelable(scope)]
fn in_annotated_functions(levels: usize, leaf: fn()) -> Outcome {
    if levels == 0 {
        leaf();
        return Ok(());
    }
    in_annotated_functions(levels - 1, leaf)
}

/// The same code, whether it waits or not: what it takes of the stack itself is not what is compared.
fn waiting_in_async_scopes(levels: usize, timeout: Option<Duration>, waits: bool) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        if levels == 0 {
            if waits {
                pending::<()>().await;
            }
            return;
        }
        let body = waiting_in_async_scopes(levels - 1, timeout, waits).map(Ok::<_, Cancelled>);
        Scope::new().timeout(timeout).run(body).await.unwrap();
    })
}

/// Each rides on the one outside, and the innermost is the first to be pending.
#[test]
fn l25_waiting_in_the_innermost_of_many_scopes_takes_no_more_stack_than_in_the_innermost_of_few() {
    for timeout in [None, Some(LONG)] {
        let polls = |levels, waits| {
            stack_taken_by(move || {
                let mut scopes = waiting_in_async_scopes(levels, timeout, waits);
                let poll = scopes.poll_unpin(&mut Context::from_waker(Waker::noop()));
                assert_eq!(poll.is_pending(), waits);
                // To be dropped they take the stack that they take.
                std::mem::forget(scopes);
            })
        };
        let [in_few, in_many] = [50, 500].map(|levels| polls(levels, true).saturating_sub(polls(levels, false)));
        assert!(in_many <= in_few + 8192, "{timeout:?}: {in_few} and {in_many} bytes");
    }
}

#[test]
fn l25_asking_in_the_innermost_of_many_scopes_takes_no_more_stack_than_in_the_innermost_of_few() {
    let leaves: [(&str, fn()); 9] = [
        ("check", || check().unwrap()),
        ("is_cancelled", || assert!(!is_cancelled())),
        ("current", || drop(current())),
        ("remaining", || assert_ne!(remaining(), Some(Duration::ZERO))),
        ("child_token", || drop(current().child_token())),
        ("propagate", || propagate(|| check().unwrap())()),
        ("deadline", || {
            assert_eq!(current().deadline().is_some(), remaining().is_some())
        }),
        ("many checks", || (0..20).for_each(|_| check().unwrap())),
        ("a guard under another waker", || {
            let mut crowd = FuturesUnordered::from_iter([guard(pending::<()>())]);
            let mut next = crowd.next();
            assert!(next.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
        }),
    ];
    let mut failed = Vec::new();
    for nest in Nest::ALL {
        let [few, many] = [50, 500].map(|levels| stack_taken_by(move || nest.run(levels, || {})));
        for (name, leaf) in leaves {
            let in_few = stack_taken_by(move || nest.run(50, leaf)).saturating_sub(few);
            let in_many = stack_taken_by(move || nest.run(500, leaf)).saturating_sub(many);
            if in_many > in_few + 8192 {
                failed.push(format!("{name}, {nest:?}: {in_few} and {in_many} bytes"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn l25_a_cancel_of_the_outermost_of_many_scopes_takes_no_more_stack_than_of_few() {
    thread_local! {
        static OUTERMOST: Cell<Option<CancellationToken>> = const { Cell::new(None) };
    }
    fn cancel_from_outside() {
        drop(current());
        OUTERMOST.take().unwrap().cancel();
        assert!(check().is_err());
        assert!(is_cancelled());
    }
    let nested = |levels: usize| {
        move || {
            let token = CancellationToken::new();
            OUTERMOST.set(Some(token.clone()));
            token.sync_scope(|| in_sync_scopes(levels, None, cancel_from_outside));
        }
    };
    let plain = |levels: usize| move || in_sync_scopes(levels, None, || {});
    let extra = |levels: usize| stack_taken_by(nested(levels)).saturating_sub(stack_taken_by(plain(levels)));
    assert!(extra(500) <= extra(50) + 8192, "{} and {} bytes", extra(50), extra(500));
}

// Carried tokens ------------------------------------------------------------------------------------------------------

/// Runs `check` under a given or carried token, wherever the name of a caller's scope might be found.
type Carrier = fn(&CancellationToken) -> Outcome;

const CARRIERS: [(&str, Carrier); 7] = [
    ("sync_scope", |token| token.sync_scope(check)),
    ("scope", |token| now(token.scope(async { check() }))),
    ("a guard in a scope", |token| now(token.scope(guard(pending::<()>())))),
    ("with_cancellation", |token| {
        now(async { check() }.with_cancellation(token)).and_then(|outcome| outcome)
    }),
    ("a guard in with_cancellation", |token| {
        now(guard(pending::<()>()).with_cancellation(token)).and_then(|outcome| outcome)
    }),
    ("sync_scope in sync_scope", |token| {
        CancellationToken::new().sync_scope(|| token.sync_scope(check))
    }),
    ("a scope without a name", |token| {
        token.sync_scope(|| Scope::new().run_sync(check))
    }),
];

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("it is cancelled")
}

#[test]
fn l15_a_token_that_was_given_does_not_take_the_name_of_the_scope_that_it_is_used_in() {
    for (name, carrier) in CARRIERS {
        let token = cancelled("the token's own");
        let error = Scope::new()
            .name("caller")
            .run_sync(|| Ok::<_, Cancelled>(carrier(&token).unwrap_err()))
            .unwrap();
        assert!(error.scope_path().is_empty(), "{name}: {error}");
    }
}

#[test]
fn l15_a_closure_that_carries_no_name_does_not_take_the_name_of_the_scope_that_it_is_called_in() {
    let token = cancelled("the token's own");
    let carried = token.sync_scope(|| propagate(check));
    let error = Scope::new().name("caller").run_sync(carried).unwrap_err();
    assert!(error.scope_path().is_empty(), "{error}");

    let carried = token.sync_scope(|| async { check() }.in_current_scope());
    let error = now(Scope::new().name("caller").run(carried)).unwrap_err();
    assert!(error.scope_path().is_empty(), "{error}");
}

#[test]
fn l15_a_closure_that_carries_a_name_has_that_one_wherever_it_is_called() {
    let mut carried = Vec::new();
    let ended: Outcome = Scope::new().name("origin").run_sync(|| {
        carried.push(propagate(check));
        Ok(())
    });
    assert!(ended.is_ok());
    let error = Scope::new()
        .name("caller")
        .run_sync(carried.pop().unwrap())
        .unwrap_err();
    assert_eq!(error.scope_path().to_string(), "origin", "{error}");

    // And what is opened in there has its own, or that.
    let mut carried = Vec::new();
    let ended: Outcome = Scope::new().name("origin").run_sync(|| {
        carried.push(propagate(|| Scope::new().run_sync(check)));
        Ok(())
    });
    assert!(ended.is_ok());
    let error = Scope::new()
        .name("caller")
        .run_sync(carried.pop().unwrap())
        .unwrap_err();
    assert_eq!(error.scope_path().to_string(), "origin", "{error}");
}

#[test]
fn l14_a_token_that_was_given_does_not_take_the_grace_of_the_scope_that_it_is_used_in() {
    /// How many seconds the losing branch of a race has for its clean-up of 5.
    async fn race_takes() -> u64 {
        let begun = tokio::time::Instant::now();
        let cleans_up = shield(tokio::time::sleep(Duration::from_secs(5))).map(|()| Ok(1));
        let won: Result<i32, Cancelled> = race!(cleans_up, async { Ok(2) }).await;
        assert_eq!(won.unwrap(), 2);
        begun.elapsed().as_secs()
    }
    paused_tokio().block_on(async {
        let caller = || Scope::new().grace(Duration::from_secs(1));
        let token = CancellationToken::new();
        let in_its_scope = caller()
            .run(async { Ok::<_, Cancelled>(race_takes().await) })
            .await
            .unwrap();
        assert_eq!(in_its_scope, 1);
        let given = caller()
            .run(token.scope(race_takes()).map(Ok::<_, Cancelled>))
            .await
            .unwrap();
        assert_eq!(given, 5, "token.scope");
        let given = caller().run(race_takes().with_cancellation(&token)).await.unwrap();
        assert_eq!(given, 5, "with_cancellation");
        let carried = token.sync_scope(|| race_takes().in_current_scope());
        let carried = caller().run(carried.map(Ok::<_, Cancelled>)).await.unwrap();
        assert_eq!(carried, 5, "in_current_scope");
        let mut carried = None;
        let origin = Scope::new().grace(Duration::from_secs(2));
        let ended: Outcome = origin.run_sync(|| {
            carried = Some(race_takes().in_current_scope());
            Ok(())
        });
        assert!(ended.is_ok());
        let carried = caller().run(carried.unwrap().map(Ok::<_, Cancelled>)).await.unwrap();
        assert_eq!(carried, 2, "in_current_scope, with a grace of its own");
    });
}

// Suspended in the code of a host -------------------------------------------------------------------------------------

thread_local! {
    /// What the host of a scope outside asks for a pause. Coroutines that can be suspended from anywhere keep such a pointer.
    static PAUSE: Cell<*const Pause> = const { Cell::new(std::ptr::null()) };
}

fn pause_in_host() -> bool {
    // SAFETY: null, or of the coroutine that asks.
    if let Some(pause) = unsafe { PAUSE.get().as_ref() } {
        pause.suspend(());
        look();
        return true;
    }
    false
}

/// Checks until the host of the scope outside has said that it is over.
fn ask_until_over() -> Fiber {
    Fiber::new(|pause: &Pause, ()| {
        PAUSE.set(pause);
        while check().is_ok() {}
        PAUSE.set(std::ptr::null());
        look();
    })
}

programs! {
    fn l26_a_coroutine_that_is_suspended_in_the_code_of_a_host_goes_on_there() {
        let outcome: Outcome = Scope::new().asking(Duration::ZERO, pause_in_host).run_sync(|| {
            let mut fiber = ask_until_over();
            fiber.resume(());
            look();
            assert!(check().is_ok(), "it is being asked, and has not said so");
            fiber.resume(());
            assert!(fiber.done());
            check()
        });
        assert!(outcome.is_err());
        look();
    }

    fn l26_a_coroutine_that_is_suspended_in_the_code_of_a_host_outlives_the_scope_it_asks_from() {
        let outcome: Outcome = Scope::new().asking(Duration::ZERO, pause_in_host).run_sync(|| {
            let mut fiber = Scope::new().run_anyway_sync(|| {
                let mut fiber = ask_until_over();
                fiber.resume(());
                fiber
            });
            look();
            fiber.resume(());
            assert!(fiber.done());
            check()
        });
        assert!(outcome.is_err());
        look();
    }

    fn l26_a_scope_with_a_host_in_a_coroutine_is_left_in_any_order() {
        let mut fiber = Fiber::new(|pause: &Pause, ()| {
            let outcome: Outcome = Scope::new().asking(Duration::ZERO, || { pause.suspend(()); false }).run_sync(|| {
                look();
                pause.suspend(());
                look();
                Ok(())
            });
            assert!(outcome.is_ok());
        });
        let token = CancellationToken::new();
        token.sync_scope(|| fiber.resume(()));
        while !fiber.done() {
            look();
            fiber.resume(());
        }
        assert!(check().is_ok());
        assert_eq!(current(), NEVER);
    }
}

#[test]
fn a_scope_that_is_left_while_a_coroutine_is_suspended_in_the_code_of_its_host_aborts() {
    let test = "a_scope_that_is_left_while_a_coroutine_is_suspended_in_the_code_of_its_host_aborts";
    let program = || {
        let fiber = Scope::new().asking(Duration::ZERO, pause_in_host).run_anyway_sync(|| {
            let mut fiber = ask_until_over();
            fiber.resume(());
            fiber
        });
        drop(fiber);
    };
    if let Some(output) = run(test, program) {
        assert_eq!(output.status.signal(), Some(libc::SIGABRT));
        let text = String::from_utf8_lossy(&output.stderr);
        let expected = "cancelable: a scope is left while a suspended coroutine is in the code of its host";
        assert!(text.contains(expected), "{text}");
    }
}
