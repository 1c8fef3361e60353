//! `cancel_scope!`, `shield!`, `race!` and `try_join!`: their options and the forms of their bodies.

use cancelable::{
    CancellationToken, Cancelled, FromCancelled, ReasonKind, cancel_scope, cancelable, check, current, race, shield,
    try_join,
};
use futures::executor::block_on;
use std::future::{pending, ready};
use std::time::{Duration, Instant};

mod forms {
    use super::*;

    #[test]
    fn of_async_bodies() {
        let text = String::from("moved");
        let list = [1, 2];
        block_on(async {
            let n = cancel_scope!(async { Ok::<usize, Cancelled>(list.len() + ready(1).await) }).await;
            assert_eq!(n.unwrap(), 3);
            let n = cancel_scope!(async || -> Option<usize> { Some(list.len() + ready(2).await) }).await;
            assert_eq!(n, Some(4));
            let n = cancel_scope!(async move || -> Option<usize> { Some(list.len() + ready(3).await) },).await;
            assert_eq!(n, Some(5));
            let moved = cancel_scope!(async move { Some(ready(text).await) }).await;
            assert_eq!(moved.as_deref(), Some("moved"));
            let n = cancel_scope!(async || Some(list.len())).await;
            assert_eq!(n, Some(2));
        });
    }

    #[test]
    fn of_sync_bodies() {
        let mut list = vec![1];
        let n: Option<usize> = cancel_scope!({
            list.push(2);
            Some(list.len())
        });
        assert_eq!(n, Some(2));
        let n = cancel_scope!(|| -> Result<usize, Cancelled> {
            for n in 0..3 {
                list.push(n);
            }
            Ok(list.len())
        });
        assert_eq!(n.unwrap(), 5);
        let moved = cancel_scope!(move || -> Option<Vec<u32>> { Some(list) });
        assert_eq!(moved.unwrap().len(), 5);
        let n = cancel_scope!(name = "closure without braces", || Some(3),);
        assert_eq!(n, Some(3));
    }

    #[derive(Debug)]
    enum Mine {
        Cancelled,
        Parse,
    }

    impl From<Cancelled> for Mine {
        fn from(_: Cancelled) -> Self {
            Mine::Cancelled
        }
    }

    impl From<std::num::ParseIntError> for Mine {
        fn from(_: std::num::ParseIntError) -> Self {
            Mine::Parse
        }
    }

    #[test]
    fn return_and_question_mark_leave_the_scope_only() {
        fn outer(text: &str) -> u32 {
            let inner = cancel_scope!(|| -> Result<u32, Mine> {
                let n = text.parse()?;
                if n > 3 {
                    return Ok(100);
                }
                check()?;
                Ok(n)
            });
            match inner {
                Ok(n) => n + 1,
                Err(Mine::Parse) => 1000,
                Err(Mine::Cancelled) => 2000,
            }
        }
        assert_eq!(outer("2"), 3);
        assert_eq!(outer("4"), 101);
        assert_eq!(outer("x"), 1000);
    }

    #[derive(Debug, PartialEq)]
    enum Outcome {
        Done(u32),
        Stopped,
    }

    impl FromCancelled for Outcome {
        fn from_cancelled(_: Cancelled) -> Self {
            Outcome::Stopped
        }
    }

    #[test]
    fn any_type_with_room_will_do() {
        let outcome = block_on(cancel_scope!(timeout = "1ms", async {
            if ready(true).await {
                pending::<()>().await;
            }
            Outcome::Done(1)
        }));
        assert_eq!(outcome, Outcome::Stopped);
        assert_eq!(cancel_scope!({ Outcome::Done(2) }), Outcome::Done(2));
    }

    #[test]
    fn loops_in_the_body_keep_their_breaks() {
        let n = cancel_scope!(|| -> Option<u32> {
            let mut sum = 0;
            let found = 'outer: loop {
                for n in 0.. {
                    if n == 5 {
                        break 'outer n;
                    }
                    if n % 2 == 0 {
                        continue;
                    }
                    sum += n;
                }
            };
            Some(found + sum + 'block: { break 'block 1 })
        });
        assert_eq!(n, Some(5 + 4 + 1));
    }

    #[test]
    fn a_future_is_made_and_not_yet_run() {
        let mut ran = false;
        let scope = cancel_scope!(async {
            ran = true;
            Some(())
        });
        drop(scope);
        assert!(!ran);
    }

    #[test]
    fn nested_in_an_annotated_function() {
        #[cancelable]
        async fn outer(inner: &str) -> Result<usize, Cancelled> {
            let mut sum = 0;
            for _ in 0..2 {
                sum += cancel_scope!(name = "inner", async {
                    let n = ready(inner.len()).await;
                    cancel_scope!(name = "innermost", || -> Result<usize, Cancelled> { Ok(n + 1) })
                })
                .await?;
            }
            Ok(sum)
        }
        assert_eq!(block_on(outer("abc")).unwrap(), 8);
    }

    #[test]
    fn futures_are_send() {
        fn send<T: Send>(future: T) -> T {
            future
        }
        let text = String::from("x");
        block_on(send(cancel_scope!(timeout = "1h", token = token, async move {
            ready(text).await;
            Ok::<bool, Cancelled>(token.is_cancelled())
        })))
        .unwrap();
        block_on(send(shield!(async { ready(1).await })));
    }
}

mod options {
    use super::*;

    #[test]
    fn timeout_in_every_spelling() {
        let limit = Duration::from_millis(1);
        for scope in [
            block_on(cancel_scope!(timeout = "1ms", async {
                pending::<Result<(), Cancelled>>().await
            })),
            block_on(cancel_scope!(timeout = limit, async {
                pending::<Result<(), Cancelled>>().await
            })),
            block_on(cancel_scope!(timeout = Duration::ZERO, async {
                Ok::<(), Cancelled>(())
            })),
            block_on(cancel_scope!(deadline = Instant::now() + limit, async {
                pending::<Result<(), Cancelled>>().await
            })),
            cancel_scope!(timeout = "1ms", { loop {} }),
            cancel_scope!(deadline = Instant::now() + limit, || -> Result<(), Cancelled> {
                loop {}
            }),
        ] {
            assert!(scope.unwrap_err().is_timeout());
        }
        block_on(cancel_scope!(timeout = Duration::MAX, async {
            Ok::<(), Cancelled>(())
        }))
        .unwrap();
    }

    #[test]
    fn parent_as_value_reference_and_place() {
        struct Holder {
            token: CancellationToken,
        }
        let holder = Holder {
            token: CancellationToken::new(),
        };
        holder.token.cancel();
        let reference = &holder.token;
        for result in [
            cancel_scope!(parent = holder.token, { Some(()) }),
            cancel_scope!(parent = &holder.token, { Some(()) }),
            cancel_scope!(parent = reference, { Some(()) }),
            cancel_scope!(parent = reference.clone(), || -> Option<()> { Some(()) }),
        ] {
            assert_eq!(result, None);
        }
        assert!(holder.token.is_cancelled());
    }

    #[test]
    fn detached_sees_nothing_of_the_outside() {
        let token = CancellationToken::new();
        token.cancel();
        token.sync_scope(|| {
            assert_eq!(cancel_scope!({ Some(1) }), None);
            assert_eq!(cancel_scope!(detached, { Some(1) }), Some(1));
            assert_eq!(
                block_on(cancel_scope!(detached, name = "x", async { Some(ready(1).await) })),
                Some(1)
            );
        });
    }

    #[test]
    fn token_is_the_scopes_own() {
        let result = block_on(cancel_scope!(token = mine, async || -> Result<(), Cancelled> {
            assert_eq!(mine, current());
            std::thread::spawn(move || mine.cancel_with("from a thread"));
            pending().await
        }));
        assert_eq!(result.unwrap_err().reason().message(), Some("from a thread"));
        let mut after = None;
        let result: Option<()> = cancel_scope!(token = mine, {
            after = Some(mine.clone());
            mine.cancel();
            check().ok()
        });
        assert_eq!(result, None);
        assert!(after.unwrap().is_cancelled());
    }

    #[test]
    fn name_and_grace() {
        let result = block_on(cancel_scope!(
            name = format!("n{}", 1),
            timeout = "1ms",
            grace = "1ms",
            async {
                shield!(async { pending::<()>().await }).await;
                Ok::<(), Cancelled>(())
            }
        ));
        let error = result.unwrap_err();
        assert!(error.was_forced());
        assert_eq!(error.scope_name(), Some("n1"));
    }
}

mod shields {
    use super::*;

    #[test]
    fn of_any_type_without_a_timeout() {
        let token = CancellationToken::new();
        token.cancel();
        token.sync_scope(|| {
            assert!(shield!({ check().is_ok() }));
            assert_eq!(
                shield!(|| -> u32 {
                    for _ in 0..3 {}
                    7
                }),
                7
            );
            assert_eq!(block_on(shield!(async { ready(3).await })), 3);
            assert_eq!(block_on(shield!(async || -> u32 { ready(4).await })), 4);
            let text = String::from("x");
            assert_eq!(block_on(shield!(async move { text })), "x");
            assert!(check().is_err());
        });
    }

    #[test]
    fn with_a_timeout_the_body_has_check_points() {
        let result: Option<u32> = shield!(timeout = "1ms", { loop {} });
        assert_eq!(result, None);
        let result = shield!(timeout = Duration::from_millis(1), || -> Result<u32, Cancelled> {
            let mut turns = 0;
            while turns < u64::MAX {
                turns += 1;
            }
            Ok(1)
        });
        assert!(result.unwrap_err().is_timeout());
        let result = block_on(shield!(timeout = "1ms", async || -> Result<u32, Cancelled> {
            loop {
                ready(()).await;
            }
        }));
        assert!(result.unwrap_err().is_timeout());
        assert_eq!(
            block_on(shield!(timeout = "1h", async { Some(ready(3).await) },)),
            Some(3)
        );
    }
}

mod combined {
    use super::*;

    #[test]
    fn race_takes_the_first() {
        assert_eq!(block_on(race!(pending(), ready(2))), 2);
        let ended = std::cell::Cell::new(None);
        let loser = async {
            let error = cancelable::guard(pending::<()>()).await.unwrap_err();
            ended.set(Some(error.kind()));
            0
        };
        assert_eq!(block_on(race!(loser, async { 3 },)), 3);
        assert_eq!(ended.get(), Some(ReasonKind::Superseded));
    }

    #[test]
    fn try_join_takes_all_or_the_first_error() {
        let all = block_on(try_join!(ready(Ok::<u8, u8>(1)), ready(Ok::<&str, u8>("two"))));
        assert_eq!(all, Ok((1, "two")));
        let none = block_on(try_join!(ready(Ok::<u8, u8>(1)), ready(Err::<u8, u8>(2))));
        assert_eq!(none, Err(2));
    }

    #[test]
    fn inside_an_annotated_function() {
        #[cancelable]
        async fn fastest(n: u32) -> Result<u32, Cancelled> {
            let first = race!(ready(ready(n).await), pending()).await;
            let (a, b) = try_join!(ready(Ok::<u32, Cancelled>(first)), async { Ok(ready(2).await) }).await?;
            let later = cancelable::try_join!(ready(Ok::<u32, Cancelled>(1)), ready(Ok::<u32, Cancelled>(2)));
            let (c, d) = later.await?;
            Ok(a + b + c + d)
        }
        assert_eq!(block_on(fastest(1)).unwrap(), 6);
    }
}

mod options_that_borrow {
    //! What an option borrows for a moment is given back before the body runs.
    use super::*;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    const LONG: Duration = Duration::from_secs(3600);

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cancelable(timeout = *lock(limit))]
    async fn asynchronous(limit: &Mutex<Duration>) -> Result<bool, Cancelled> {
        Ok(limit.try_lock().is_ok())
    }

    #[cancelable(timeout = *lock(limit))]
    fn synchronous(limit: &Mutex<Duration>) -> Result<bool, Cancelled> {
        Ok(limit.try_lock().is_ok())
    }

    #[cancelable(timeout = *lock(limit), or = false)]
    async fn with_another_value(limit: &Mutex<Duration>) -> bool {
        limit.try_lock().is_ok()
    }

    #[test]
    fn a_lock_for_the_length_of_a_timeout_is_free_in_the_body() {
        let limit = Mutex::new(LONG);
        let is_free = || Ok::<_, Cancelled>(limit.try_lock().is_ok());
        block_on(async {
            assert!(
                cancel_scope!(timeout = *lock(&limit), async { is_free() })
                    .await
                    .unwrap()
            );
            assert!(shield!(timeout = *lock(&limit), async { is_free() }).await.unwrap());
            assert!(asynchronous(&limit).await.unwrap());
            assert!(with_another_value(&limit).await);
        });
        assert!(cancel_scope!(timeout = *lock(&limit), || -> Result<bool, Cancelled> { is_free() }).unwrap());
        assert!(shield!(timeout = *lock(&limit), || -> Result<bool, Cancelled> { is_free() }).unwrap());
        assert!(synchronous(&limit).unwrap());
        let parent = Mutex::new(CancellationToken::new());
        let free = cancel_scope!(parent = &*lock(&parent), || -> Option<bool> {
            Some(parent.try_lock().is_ok())
        });
        assert_eq!(free, Some(true));
    }

    #[test]
    fn a_future_round_such_an_option_is_send() {
        fn is_send(_: impl Send) {}
        let limit = Mutex::new(LONG);
        is_send(async {
            cancel_scope!(timeout = *lock(&limit), async { Ok::<_, Cancelled>(ready(0).await) })
                .await
                .unwrap();
        });
        is_send(asynchronous(&limit));
    }
}

mod borrows {
    //! A sync function with a scope of its own may return what it borrows from its arguments.
    use super::*;

    fn step(rest: &mut &[u8]) -> Result<u8, Cancelled> {
        let (first, others) = rest.split_first().ok_or_else(|| check().unwrap_err())?;
        *rest = others;
        Ok(*first)
    }

    #[cancelable(timeout = "1h")]
    fn from_a_mutable_argument<'h>(mut rest: &'h [u8]) -> Result<(u8, &'h [u8]), Cancelled> {
        let first = step(&mut rest)?;
        Ok((first, rest))
    }

    #[cancelable(timeout = "1h", or = (0, &[]))]
    fn with_another_value<'h>(mut rest: &'h [u8]) -> (u8, &'h [u8]) {
        let first = step(&mut rest).unwrap_or(0);
        (first, rest)
    }

    #[cancelable(timeout = "1h")]
    fn from_a_pattern<'h>((mut dst, n): (&'h mut [u8], usize)) -> Result<&'h mut [u8], Cancelled> {
        dst[n] = 1;
        let both: &mut &'h mut [u8] = &mut dst;
        both[0] = 2;
        Ok(dst)
    }

    struct Parser {
        text: String,
        at: usize,
    }

    impl Parser {
        #[cancelable(name = "next")]
        fn next(&mut self, mut n: usize) -> Result<&mut str, Cancelled> {
            n += self.at;
            self.at = n;
            Ok(&mut self.text[..n])
        }

        #[cancelable(name = self.text.clone())]
        fn into_text(mut self) -> Result<String, Cancelled> {
            self.text.push('!');
            Ok(self.text)
        }

        #[cancelable(name = self.text)]
        fn into_position(self) -> Result<usize, Cancelled> {
            Ok(self.at)
        }
    }

    #[test]
    fn that_outlive_the_scope() {
        assert_eq!(from_a_mutable_argument(&[1, 2, 3]).unwrap(), (1, &[2, 3][..]));
        assert_eq!(with_another_value(&[1, 2, 3]), (1, &[2, 3][..]));
        assert_eq!(from_a_pattern((&mut [0, 0, 0], 2)).unwrap(), [2, 0, 1]);
        let mut parser = Parser {
            text: "text".to_owned(),
            at: 1,
        };
        assert_eq!(parser.next(2).unwrap(), "tex");
        assert_eq!(parser.into_text().unwrap(), "text!");
        let parser = Parser {
            text: "text".to_owned(),
            at: 1,
        };
        assert_eq!(parser.into_position().unwrap(), 1);
    }
}

mod bounds {
    use super::*;

    struct Limits {
        timeout: Option<Duration>,
        deadline: Option<Instant>,
    }

    impl Limits {
        #[cancelable(timeout = self.timeout, deadline = self.deadline, grace = self.timeout)]
        fn remaining(&self) -> Result<Option<Duration>, Cancelled> {
            Ok(cancelable::remaining())
        }

        #[cancelable(timeout = self.timeout, deadline = self.deadline)]
        async fn remaining_async(&self) -> Result<Option<Duration>, Cancelled> {
            Ok(ready(cancelable::remaining()).await)
        }
    }

    #[cancelable(deadline = by, or = 0)]
    async fn until(by: Instant) -> u32 {
        pending().await
    }

    #[test]
    fn that_are_none_are_no_bounds() {
        let limits = Limits {
            timeout: None,
            deadline: None,
        };
        assert_eq!(limits.remaining().unwrap(), None);
        assert_eq!(block_on(limits.remaining_async()).unwrap(), None);
        let none: Option<Instant> = None;
        let n = cancel_scope!(deadline = none, timeout = limits.timeout, grace = limits.timeout, {
            Some(cancelable::remaining().is_none())
        });
        assert_eq!(n, Some(true));
    }

    #[test]
    fn the_earlier_one_counts() {
        let hour = Duration::from_secs(3600);
        let limits = Limits {
            timeout: Some(hour),
            deadline: Some(Instant::now() + hour * 2),
        };
        assert!(limits.remaining().unwrap().unwrap() <= hour);
        let limits = Limits {
            timeout: Some(hour * 2),
            deadline: Some(Instant::now() + hour),
        };
        assert!(block_on(limits.remaining_async()).unwrap().unwrap() <= hour);
    }

    #[test]
    fn a_deadline_may_be_an_argument() {
        let past = Instant::now();
        assert_eq!(block_on(until(past)), 0);
        let limits = Limits {
            timeout: None,
            deadline: Some(past),
        };
        assert!(limits.remaining().unwrap_err().is_timeout());
    }
}

/// `#[cancelable(scope)]` and `until = …`: what opens a scope for a whole function.
mod of_functions {
    use super::*;
    use cancelable::{CancelReason, Source, any, condition};

    #[cancelable(scope)]
    async fn crawl() -> Result<(), Cancelled> {
        pending().await
    }

    #[cancelable(scope)]
    fn r#loop() -> Result<(), Cancelled> {
        current().cancel();
        loop {}
    }

    #[test]
    fn a_scope_is_named_after_the_function() {
        let crawl = crawl().with_cancellation_after();
        assert_eq!(block_on(crawl).unwrap_err().scope_path().to_string(), "crawl");
        assert_eq!(r#loop().unwrap_err().scope_name(), Some("loop"));
    }

    trait WithCancellationAfter: Future + Sized {
        /// Runs the future in a scope without a name, which ends it.
        fn with_cancellation_after(self) -> impl Future<Output = Self::Output> {
            let token = CancellationToken::new();
            token.cancel_after(Duration::from_millis(1));
            async move { token.scope(self).await }
        }
    }
    impl<F: Future> WithCancellationAfter for F {}

    #[test]
    fn a_dropped_function_stops_what_it_has_started() {
        #[cancelable(scope)]
        async fn handler(kept: &mut Option<CancellationToken>) -> Result<(), Cancelled> {
            *kept = Some(current());
            pending().await
        }

        let mut kept = None;
        let mut request = Box::pin(handler(&mut kept));
        assert!(tests::poll_once(&mut request).is_pending());
        drop(request);
        assert_eq!(kept.unwrap().reason().unwrap().kind(), ReasonKind::Dropped);
    }

    struct Service {
        shutdown: CancellationToken,
    }

    #[cancelable(scope)]
    impl Service {
        async fn serve(&self) -> Result<(), Cancelled> {
            pending().await
        }

        #[cancelable(until = self.shutdown.clone())]
        async fn until_shutdown(&self) -> Result<(), Cancelled> {
            pending().await
        }
    }

    #[test]
    fn on_an_impl_each_method_has_one_of_its_name() {
        let service = Service {
            shutdown: CancellationToken::new(),
        };
        let error = block_on(service.serve().with_cancellation_after()).unwrap_err();
        assert_eq!(error.scope_path().to_string(), "serve");
        service.shutdown.cancel();
        assert!(
            block_on(service.until_shutdown())
                .unwrap_err()
                .belongs_to(&service.shutdown)
        );
    }

    /// Cancels at once, with a reason of its own.
    struct Remote(&'static str);

    impl Source for Remote {
        async fn fired(self) -> CancelReason {
            CancelReason::manual().with_message(self.0)
        }
    }

    #[cancelable(scope, until = Remote(said), timeout = limit)]
    async fn until_told(said: &'static str, limit: Option<Duration>) -> Result<u32, Cancelled> {
        pending().await
    }

    #[cancelable(scope, until = any((token, condition(Duration::from_millis(1), || false))), or = 7)]
    fn until_either(token: &CancellationToken) -> u32 {
        loop {
            token.cancel();
        }
    }

    #[test]
    fn options_beside_them_see_the_arguments() {
        let error = block_on(until_told("that will do", None)).unwrap_err();
        assert_eq!(error.reason().message(), Some("that will do"));
        assert_eq!(until_either(&CancellationToken::new()), 7);
    }

    #[cancelable(until = cancelable::signal::ctrl_c())]
    #[tokio::main(flavor = "current_thread")]
    async fn above_main() -> Result<u32, Cancelled> {
        Ok(ready(1).await)
    }

    #[tokio::main(flavor = "current_thread")]
    #[cancelable(until = cancelable::signal::unix([cancelable::signal::SIGTERM])?)]
    async fn below_main() -> Result<u32, Box<dyn std::error::Error>> {
        Ok(ready(2).await)
    }

    #[test]
    fn main_may_listen_for_signals() {
        assert_eq!(above_main().unwrap(), 1);
        assert_eq!(below_main().unwrap(), 2);
    }

    #[cancelable(until = source?)]
    async fn until_source(source: Result<CancellationToken, Cancelled>) -> Result<u32, Cancelled> {
        Ok(ready(1).await)
    }

    #[test]
    fn a_source_that_cannot_be_had_is_an_error_of_the_function() {
        assert_eq!(block_on(until_source(Ok(CancellationToken::new()))).unwrap(), 1);
        let error = until_told("no source", None);
        let error = block_on(error).unwrap_err();
        assert_eq!(
            block_on(until_source(Err(error))).unwrap_err().reason().message(),
            Some("no source")
        );
    }
}

/// `None` is no bound, wherever a timeout, a grace or a deadline is taken.
mod perhaps_bounded {
    use super::*;
    use cancelable::{Scope, shield_sync};

    const HOUR: Duration = Duration::from_secs(3600);

    fn remaining_is(bounded: bool) -> Result<(), Cancelled> {
        assert_eq!(cancelable::remaining().is_some(), bounded);
        Ok(())
    }

    #[test]
    fn in_the_library() {
        let later = Instant::now() + HOUR;
        for limit in [None, Some(HOUR)] {
            let deadline = limit.map(|_| later);
            Scope::new()
                .timeout(limit)
                .grace(limit)
                .run_sync(|| remaining_is(limit.is_some()))
                .unwrap();
            Scope::new()
                .deadline(deadline)
                .run_sync(|| remaining_is(limit.is_some()))
                .unwrap();
            block_on(shield(async { remaining_is(limit.is_some()) }).timeout(limit)).unwrap();
        }
        Scope::new()
            .timeout(HOUR)
            .timeout(None)
            .run_sync(|| remaining_is(false))
            .unwrap();
        Scope::new()
            .deadline(later)
            .grace(HOUR)
            .grace(None)
            .run_sync(|| remaining_is(true))
            .unwrap();
    }

    #[test]
    fn in_the_macros() {
        let none: Option<Duration> = None;
        cancel_scope!(timeout = none, grace = none, { remaining_is(false) }).unwrap();
        cancel_scope!(timeout = Some(HOUR), { remaining_is(true) }).unwrap();
        block_on(shield!(timeout = none, async { remaining_is(false) })).unwrap();
        block_on(shield!(timeout = Some(HOUR), async { remaining_is(true) })).unwrap();
        shield!(timeout = none, { remaining_is(false) }).unwrap();
        shield!(timeout = Some(HOUR), { remaining_is(true) }).unwrap();
        assert!(shield_sync(cancelable::remaining).is_none());
    }
}

#[test]
fn what_a_clean_up_keeps_while_it_waits_is_in_the_future_once() {
    async fn clean_up() {
        let kept = [1_u8; 4096];
        ready(()).await;
        std::hint::black_box(&kept);
    }
    let alone = size_of_val(&clean_up());
    let scope = cancel_scope!(finally = async { clean_up().await }, async { Some(1) });
    let size = size_of_val(&scope);
    assert!(size < 2 * alone, "{size} bytes for a clean-up of {alone}");
    assert_eq!(block_on(scope), Some(1));
}
