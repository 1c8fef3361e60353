//! Which check point noticed, and in which function: `Cancelled::point` and `function`.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use cancelable::tokio::TaskGroup;
use cancelable::{
    CancelFutureExt as _, CancelReason, CancellationToken, Cancelled, CheckPoint, IteratorExt as _, Scope, TaskError,
    blocking_sleep, cancel_scope, cancelable, check, checkpoint, current, guard, shield, sleep, thread,
};
use futures::executor::block_on;
use tests::poll_once;

type Outcome<T = ()> = Result<T, Cancelled>;

const LONG: Duration = Duration::from_secs(3600);

/// What a cancel before it starts makes of `f`.
fn refused<T>(f: impl FnOnce() -> Outcome<T>) -> (CheckPoint, Option<&'static str>) {
    let token = CancellationToken::new();
    token.cancel();
    told(token.sync_scope(f))
}

/// What a cancel in the middle of `f` makes of it.
fn stopped<T>(f: impl FnOnce(&CancellationToken) -> Outcome<T>) -> (CheckPoint, Option<&'static str>) {
    let token = CancellationToken::new();
    told(token.sync_scope(|| f(&token)))
}

/// The same while the future is pending.
fn cut<T>(future: impl Future<Output = Outcome<T>>) -> (CheckPoint, Option<&'static str>) {
    let token = CancellationToken::new();
    let mut scoped = Box::pin(token.scope(future));
    assert!(poll_once(&mut scoped).is_pending());
    token.cancel();
    told(block_on(scoped))
}

fn told<T>(outcome: Outcome<T>) -> (CheckPoint, Option<&'static str>) {
    let cancelled = outcome.err().expect("it was cancelled");
    (cancelled.point(), cancelled.function())
}

mod code {
    use super::*;
    // As in a crate that calls the library something else.
    use ::cancelable as stop;

    #[cancelable]
    pub(crate) fn at_entry() -> Outcome {
        Ok(())
    }

    #[cancelable]
    pub(crate) async fn at_entry_async() -> Outcome {
        Ok(())
    }

    #[cancelable]
    pub(crate) fn in_a_loop(token: &CancellationToken) -> Outcome {
        loop {
            token.cancel();
        }
    }

    #[cancelable]
    pub(crate) fn in_a_while(token: &CancellationToken) -> Outcome {
        while !token.is_cancelled() || token.is_cancelled() {
            token.cancel();
        }
        Ok(())
    }

    #[cancelable]
    pub(crate) fn in_a_for(token: &CancellationToken) -> Outcome {
        for _ in 0.. {
            token.cancel();
        }
        Ok(())
    }

    #[cancelable(every = 4)]
    pub(crate) fn in_some_iterations(token: &CancellationToken) -> Outcome {
        for _ in 0.. {
            token.cancel();
        }
        Ok(())
    }

    #[cancelable(yield_every = 3)]
    pub(crate) async fn in_a_loop_that_yields(token: &CancellationToken) -> Outcome {
        loop {
            token.cancel();
        }
    }

    #[cancelable]
    pub(crate) async fn in_an_await() -> Outcome {
        pending::<()>().await;
        Ok(())
    }

    #[cancelable]
    pub(crate) async fn in_a_finish(token: &CancellationToken) -> Outcome {
        token.cancel();
        #[cancelable(finish)]
        pending::<()>().await;
        Ok(())
    }

    #[cancelable]
    pub(crate) async fn in_a_join() -> Outcome {
        futures::join!(pending::<()>(), pending::<()>());
        Ok(())
    }

    #[cancelable]
    pub(crate) async fn in_a_select() -> Outcome {
        tokio::select! {
            () = pending::<()>() => {}
            () = pending::<()>() => {}
        }
        Ok(())
    }

    #[cancelable]
    pub(crate) async fn in_a_sleep() -> Outcome {
        sleep(LONG).await?;
        Ok(())
    }

    #[cancelable]
    pub(crate) async fn in_a_checkpoint() -> Outcome {
        loop {
            checkpoint().every(1).await?;
        }
    }

    #[cancelable]
    pub(crate) async fn in_a_guard() -> Outcome<()> {
        guard(pending::<()>()).await
    }

    #[cancelable]
    pub(crate) fn in_a_check(token: &CancellationToken) -> Outcome {
        token.cancel();
        check()
    }

    #[cancelable]
    pub(crate) fn in_a_check_by_its_path(token: &CancellationToken) -> Outcome {
        token.cancel();
        if true {
            ::cancelable::check()?;
        }
        Ok(())
    }

    #[cancelable]
    pub(crate) fn in_a_check_of_a_token(token: &CancellationToken) -> Outcome {
        token.cancel();
        token.child_token().check()?;
        Ok(())
    }

    #[cancelable]
    pub(crate) fn in_a_check_in_a_closure(token: &CancellationToken) -> Outcome<Vec<u32>> {
        token.cancel();
        [1, 2].iter().map(|n| check().map(|()| *n)).collect()
    }

    #[cancelable]
    pub(crate) fn in_a_check_in_a_macro(token: &CancellationToken) -> Outcome {
        token.cancel();
        assert!(matches!(check(), Err(cancelled) if cancelled.function().is_some()));
        let told = vec![check()];
        told.into_iter().next().expect("one")
    }

    #[cancelable]
    pub(crate) fn in_a_blocking_sleep(token: &CancellationToken) -> Outcome {
        token.cancel();
        blocking_sleep(LONG)?;
        Ok(())
    }

    #[cancelable]
    pub(crate) fn in_a_wait_for_a_thread(token: &CancellationToken) -> Outcome {
        let worker = stop::thread::spawn(|| current().wait());
        token.cancel();
        worker.wait()?;
        Ok(())
    }

    #[cancelable]
    pub(crate) fn in_a_wait_for_a_future(token: &CancellationToken) -> Outcome<u8> {
        token.cancel();
        thread::block_on(pending())
    }

    #[cancelable]
    pub(crate) fn in_a_call_that_is_left_behind(token: &CancellationToken) -> Outcome {
        token.cancel();
        thread::abandon(std::thread::park)
    }

    /// What is called alike, and is somebody else's.
    #[cancelable]
    pub(crate) fn waits_of_others(barrier: &std::sync::Barrier) -> Outcome<bool> {
        mod thread {
            pub(super) fn block_on<T>(value: T) -> T {
                value
            }
        }
        let parsed = thread::block_on("3".parse::<u8>());
        Ok(barrier.wait().is_leader() && parsed == Ok(3))
    }

    #[cancelable]
    pub(crate) async fn in_a_shielded_stretch(token: &CancellationToken) -> Outcome {
        token.cancel();
        #[cancelable(shield = "1ms")]
        {
            pending::<()>().await;
        }
        Ok(())
    }

    #[cancelable]
    pub(crate) async fn below_an_await() -> Outcome {
        in_an_await().await
    }

    pub(crate) fn not_annotated(token: &CancellationToken) -> Outcome {
        token.cancel();
        check()
    }

    #[cancelable]
    pub(crate) fn what_others_noticed(token: &CancellationToken) -> Outcome {
        let check = || not_annotated(token);
        check()
    }

    #[cancelable]
    pub(crate) fn generic<T: Default + PartialEq>(token: &CancellationToken) -> Outcome<T> {
        while T::default() == T::default() {
            token.cancel();
        }
        Ok(T::default())
    }

    #[cancelable]
    pub(crate) fn outer(token: &CancellationToken) -> Outcome {
        #[cancelable]
        fn inner(token: &CancellationToken) -> Outcome {
            loop {
                token.cancel();
            }
        }
        inner(token)
    }

    #[stop::cancelable(crate = stop)]
    pub(crate) fn renamed(token: &CancellationToken) -> Outcome {
        token.cancel();
        check()
    }

    pub(crate) fn boxed() -> Pin<Box<dyn Future<Output = Outcome>>> {
        #[cancelable]
        fn boxed() -> Pin<Box<dyn Future<Output = Outcome>>> {
            Box::pin(async {
                pending::<()>().await;
                Ok(())
            })
        }
        boxed()
    }

    #[cancelable(name = "own")]
    pub(crate) fn with_its_own_scope() -> Outcome {
        Ok(())
    }

    #[cancelable(name = "own")]
    pub(crate) async fn with_its_own_scope_async() -> Outcome {
        pending::<()>().await;
        Ok(())
    }

    pub(crate) fn block_of(body: impl FnOnce() -> Outcome) -> Outcome {
        cancel_scope!(name = "block", {
            body()?;
            check()
        })
    }

    pub(crate) fn future_of() -> impl Future<Output = Outcome> {
        cancel_scope!(name = "block", async {
            pending::<()>().await;
            Ok(())
        })
    }

    #[cancelable]
    pub(crate) fn round_a_block(token: &CancellationToken) -> Outcome {
        cancel_scope!({
            loop {
                token.cancel();
            }
        })
    }

    #[cancelable]
    pub(crate) fn by_a_track_caller(token: &CancellationToken) -> Outcome {
        token.cancel();
        tracked()
    }

    #[cancelable]
    #[track_caller]
    fn tracked() -> Outcome {
        check()
    }

    pub(crate) struct Store;
    pub(crate) struct Shelf<T>(pub(crate) T);

    pub(crate) trait Load {
        fn load(&self, token: &CancellationToken) -> Outcome;

        #[cancelable]
        fn by_default(&self, token: &CancellationToken) -> Outcome {
            loop {
                token.cancel();
            }
        }
    }

    impl Load for Store {
        #[cancelable]
        fn load(&self, token: &CancellationToken) -> Outcome {
            loop {
                token.cancel();
            }
        }
    }

    impl Store {
        #[cancelable]
        pub(crate) async fn method(&self) -> Outcome {
            pending::<()>().await;
            Ok(())
        }

        #[cancelable]
        pub(crate) fn associated(token: &CancellationToken) -> Outcome {
            token.cancel();
            check()
        }
    }

    #[cancelable]
    impl<T> Shelf<T> {
        pub(crate) fn in_a_block_of_methods(&self, token: &CancellationToken) -> Result<(), Cancelled> {
            loop {
                token.cancel();
            }
        }
    }

    #[cancelable]
    pub(crate) mod annotated {
        use super::*;

        pub(crate) fn function(token: &CancellationToken) -> Result<(), Cancelled> {
            loop {
                token.cancel();
            }
        }

        pub(crate) struct Thing;

        impl Thing {
            pub(crate) fn method(token: &CancellationToken) -> Result<(), Cancelled> {
                loop {
                    token.cancel();
                }
            }
        }
    }
}

#[test]
fn each_kind_of_check_point_says_what_it_is_and_where() {
    use code::*;
    let entry = |name: &'static str| (CheckPoint::Entry, Some(name));
    let awaited = |name: &'static str| (CheckPoint::Await, Some(name));
    let looped = |name: &'static str| (CheckPoint::Loop, Some(name));
    let checked = |name: &'static str| (CheckPoint::Check, Some(name));
    let scope = |name: &'static str| (CheckPoint::Scope, Some(name));

    assert_eq!(refused(at_entry), entry("explain_points::code::at_entry"));
    assert_eq!(
        refused(|| block_on(at_entry_async())),
        entry("explain_points::code::at_entry_async")
    );

    assert_eq!(stopped(in_a_loop), looped("explain_points::code::in_a_loop"));
    assert_eq!(stopped(in_a_while), looped("explain_points::code::in_a_while"));
    assert_eq!(stopped(in_a_for), looped("explain_points::code::in_a_for"));
    assert_eq!(
        stopped(in_some_iterations),
        looped("explain_points::code::in_some_iterations")
    );
    assert_eq!(
        stopped(|token| block_on(in_a_loop_that_yields(token))),
        looped("explain_points::code::in_a_loop_that_yields")
    );

    assert_eq!(cut(in_an_await()), awaited("explain_points::code::in_an_await"));
    assert_eq!(cut(in_a_join()), awaited("explain_points::code::in_a_join"));
    assert_eq!(cut(in_a_select()), awaited("explain_points::code::in_a_select"));
    assert_eq!(cut(in_a_sleep()), awaited("explain_points::code::in_a_sleep"));
    assert_eq!(cut(in_a_checkpoint()), awaited("explain_points::code::in_a_checkpoint"));
    assert_eq!(cut(in_a_guard()), awaited("explain_points::code::in_a_guard"));
    assert_eq!(
        cut(below_an_await()),
        awaited("explain_points::code::in_an_await"),
        "the innermost"
    );
    assert_eq!(
        stopped(|token| block_on(in_a_finish(token))),
        awaited("explain_points::code::in_a_finish")
    );
    assert_eq!(
        stopped(|token| block_on(in_a_shielded_stretch(token))),
        awaited("explain_points::code::in_a_shielded_stretch")
    );

    assert_eq!(stopped(in_a_check), checked("explain_points::code::in_a_check"));
    assert_eq!(
        stopped(in_a_check_by_its_path),
        checked("explain_points::code::in_a_check_by_its_path")
    );
    assert_eq!(
        stopped(in_a_check_of_a_token),
        checked("explain_points::code::in_a_check_of_a_token")
    );
    assert_eq!(
        stopped(in_a_check_in_a_closure),
        checked("explain_points::code::in_a_check_in_a_closure")
    );
    assert_eq!(
        stopped(in_a_check_in_a_macro),
        checked("explain_points::code::in_a_check_in_a_macro")
    );
    assert_eq!(
        stopped(in_a_blocking_sleep),
        checked("explain_points::code::in_a_blocking_sleep")
    );
    assert_eq!(
        stopped(in_a_wait_for_a_thread).1,
        Some("explain_points::code::in_a_wait_for_a_thread")
    );
    assert_eq!(
        stopped(in_a_wait_for_a_future).1,
        Some("explain_points::code::in_a_wait_for_a_future")
    );
    assert_eq!(
        stopped(in_a_call_that_is_left_behind).1,
        Some("explain_points::code::in_a_call_that_is_left_behind")
    );
    assert!(waits_of_others(&std::sync::Barrier::new(1)).unwrap());

    assert_eq!(
        refused(with_its_own_scope),
        scope("explain_points::code::with_its_own_scope")
    );
    assert_eq!(
        refused(|| block_on(with_its_own_scope_async())),
        scope("explain_points::code::with_its_own_scope_async")
    );
    assert_eq!(
        cut(with_its_own_scope_async()),
        awaited("explain_points::code::with_its_own_scope_async")
    );
}

#[test]
fn the_function_is_told_with_its_module_and_its_type() {
    use code::*;
    let function = |told: (CheckPoint, Option<&'static str>)| told.1.expect("it is annotated");
    assert_eq!(function(stopped(generic::<u32>)), "explain_points::code::generic");
    assert_eq!(function(stopped(outer)), "explain_points::code::outer::inner");
    assert_eq!(function(stopped(renamed)), "explain_points::code::renamed");
    assert_eq!(function(cut(boxed())), "explain_points::code::boxed::boxed");
    assert_eq!(function(stopped(by_a_track_caller)), "explain_points::code::tracked");
    assert_eq!(function(cut(Store.method())), "explain_points::code::Store::method");
    assert_eq!(
        function(stopped(Store::associated)),
        "explain_points::code::Store::associated"
    );
    assert_eq!(
        function(stopped(|token| Store.load(token))),
        "<explain_points::code::Store as explain_points::code::Load>::load"
    );
    assert_eq!(
        function(stopped(|token| Store.by_default(token))),
        "explain_points::code::Load::by_default"
    );
    assert_eq!(
        function(stopped(|token| Shelf("x").in_a_block_of_methods(token))),
        "explain_points::code::Shelf<_>::in_a_block_of_methods"
    );
    assert_eq!(
        function(stopped(annotated::function)),
        "explain_points::code::annotated::function"
    );
    assert_eq!(
        function(stopped(annotated::Thing::method)),
        "explain_points::code::annotated::Thing::method"
    );
}

#[test]
fn a_block_with_a_scope_names_the_function_that_it_stands_in() {
    use code::*;
    assert_eq!(
        refused(|| block_of(|| Ok(()))),
        (CheckPoint::Scope, Some("explain_points::code::block_of"))
    );
    assert_eq!(
        stopped(|token| block_of(|| {
            token.cancel();
            Ok(())
        })),
        (CheckPoint::Check, Some("explain_points::code::block_of"))
    );
    assert_eq!(
        refused(|| block_on(future_of())),
        (CheckPoint::Scope, Some("explain_points::code::future_of"))
    );
    assert_eq!(
        cut(future_of()),
        (CheckPoint::Await, Some("explain_points::code::future_of"))
    );
    assert_eq!(
        stopped(round_a_block),
        (CheckPoint::Loop, Some("explain_points::code::round_a_block"))
    );
}

#[test]
fn what_is_noticed_elsewhere_has_no_function() {
    assert_eq!(stopped(code::not_annotated), (CheckPoint::Check, None));
    assert_eq!(
        stopped(code::what_others_noticed),
        (CheckPoint::Check, None),
        "a closure called `check` has handed on what another function noticed"
    );
    assert_eq!(refused(check), (CheckPoint::Check, None));
    assert_eq!(cut(async { guard(pending::<()>()).await }), (CheckPoint::Await, None));
    assert_eq!(cut(sleep(LONG)), (CheckPoint::Await, None));
    assert_eq!(refused(|| Scope::new().run_sync(|| Ok(()))), (CheckPoint::Scope, None));
    assert_eq!(
        refused(|| block_on(Scope::new().run(async { Ok(()) }))),
        (CheckPoint::Scope, None)
    );
    assert_eq!(
        cut(Scope::new().run(async {
            pending::<()>().await;
            Ok(())
        })),
        (CheckPoint::Await, None),
        "the scope drops its body half-way"
    );
    assert_eq!(
        stopped(|token| {
            let numbers = (0..).until_cancelled().map(|number| number.inspect(|_| token.cancel()));
            numbers.collect::<Outcome<Vec<u32>>>()
        }),
        (CheckPoint::Loop, None)
    );
    let token = CancellationToken::new();
    token.cancel();
    assert_eq!(
        told(block_on(pending::<()>().with_cancellation(&token))),
        (CheckPoint::Scope, None)
    );
}

#[test]
fn a_body_that_is_dropped_by_force_has_begun() {
    let token = CancellationToken::new();
    let scope = Scope::new().parent(&token).grace(Duration::ZERO).run(async {
        shield(pending::<()>()).await;
        Ok(())
    });
    let mut scope = Box::pin(scope);
    assert!(poll_once(&mut scope).is_pending());
    token.cancel_with(CancelReason::shutdown());
    let cancelled: Cancelled = block_on(scope).unwrap_err();
    assert!(cancelled.was_forced());
    assert_eq!(cancelled.point(), CheckPoint::Await);
}

#[test]
fn a_task_of_a_group_says_whether_it_began() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let told = runtime.block_on(async {
        let mut told = Vec::new();
        let outcome: Outcome = TaskGroup::run(async |group: &mut TaskGroup<(), Cancelled>| {
            group.spawn(guard(pending::<()>()));
            tokio::task::yield_now().await;
            group.token().cancel();
            group.spawn(guard(pending::<()>()));
            while let Some(ended) = group.next().await {
                match ended {
                    Err(TaskError::Failed(cancelled)) => told.push(cancelled),
                    other => panic!("{other:?}"),
                }
            }
            Ok(())
        })
        .await;
        outcome.unwrap();
        told
    });
    let points: Vec<_> = told.iter().map(|cancelled| cancelled.point()).collect();
    assert_eq!(points, [CheckPoint::Await, CheckPoint::Scope], "{told:?}");
}

#[test]
fn the_error_is_as_wide_as_before() {
    assert_eq!(size_of::<Cancelled>(), size_of::<usize>());
    assert_eq!(size_of::<Outcome>(), size_of::<usize>());
}

mod names_of_the_users_own {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Own;

    impl Own {
        fn check(self) -> Result<u32, String> {
            Ok(3)
        }
    }

    fn check() -> bool {
        true
    }

    async fn sleep(how_long: u32) -> u32 {
        how_long
    }

    /// What is called like ours is what it was.
    #[cancelable]
    async fn all(text: &str) -> Result<(u32, bool, u32, String), Box<dyn std::error::Error>> {
        mod other {
            pub(crate) fn check<'a>() -> Option<&'a str> {
                Some("borrowed")
            }
        }
        async fn check_later() -> u32 {
            7
        }
        let later = { check_later };
        let checked = Own.check()?;
        let is_so = check();
        let borrowed = other::check().unwrap_or(text);
        Ok((checked + later().await, is_so, sleep(5).await, borrowed.to_owned()))
    }

    #[test]
    fn keep_their_values_and_types() {
        assert_eq!(block_on(all("x")).unwrap(), (10, true, 5, "borrowed".to_owned()));
    }
}
