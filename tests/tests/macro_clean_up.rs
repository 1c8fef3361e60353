//! Clean-up that a cancel does not skip: `cancel_scope!(finally = …)` and `#[cancelable(shield)]`.

use cancelable::{CancellationToken, Cancelled, ReasonKind, Scope, cancel_scope, cancelable, check, current, sleep};
use futures::executor::block_on;
use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(1);

/// A connection that has to be closed, and says what was done with it.
#[derive(Default)]
struct Connection {
    log: RefCell<Vec<&'static str>>,
}

impl Connection {
    /// What has been done since the last time.
    fn log(&self) -> Vec<&'static str> {
        self.log.take()
    }

    #[cancelable]
    async fn send(&mut self, message: &'static str) -> Result<(), Cancelled> {
        self.log.borrow_mut().push(message);
        Ok(ready(()).await)
    }

    /// Notices a cancel at its entry and at its await, and takes its time.
    #[cancelable]
    async fn close(&self) -> Result<(), Cancelled> {
        sleep(SOON).await?;
        self.log.borrow_mut().push("closed");
        Ok(())
    }

    #[cancelable]
    fn close_now(&self) -> Result<(), Cancelled> {
        for _ in 0..2 {
            check()?;
        }
        self.log.borrow_mut().push("closed");
        Ok(())
    }
}

fn cancelled() -> CancellationToken {
    let token = CancellationToken::new();
    token.cancel();
    token
}

mod finally {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Failed {
        Itself,
        Cancelled,
    }

    impl From<Cancelled> for Failed {
        fn from(_: Cancelled) -> Self {
            Failed::Cancelled
        }
    }

    #[test]
    fn runs_after_a_value_and_after_an_error_which_are_the_bodys() {
        block_on(async {
            let mut connection = Connection::default();
            for outcome in [Ok(3), Err(Failed::Itself)] {
                let given = outcome.is_ok().then_some(3).ok_or(Failed::Itself);
                let result = cancel_scope!(finally = async { connection.close().await }, async {
                    connection.send("sent").await?;
                    outcome
                })
                .await;
                assert_eq!(result, given);
                assert_eq!(connection.log(), ["sent", "closed"]);
            }
        });
    }

    #[test]
    fn runs_after_a_body_that_was_dropped_or_never_began() {
        block_on(async {
            let mut connection = Connection::default();
            let result: Result<(), Failed> =
                cancel_scope!(timeout = SOON, finally = async { connection.close().await }, async {
                    connection.send("sent").await?;
                    pending().await
                })
                .await;
            assert_eq!(result, Err(Failed::Cancelled));
            assert_eq!(connection.log(), ["sent", "closed"]);

            let result: Result<(), Failed> = cancel_scope!(
                parent = &cancelled(),
                finally = async { connection.close().await },
                async {
                    connection.send("sent").await?;
                    Ok(())
                }
            )
            .await;
            assert_eq!(result, Err(Failed::Cancelled));
            assert_eq!(connection.log(), ["closed"]);
        });
    }

    #[test]
    fn runs_after_a_body_that_has_outstayed_its_grace() {
        let connection = Connection::default();
        let limit = Duration::from_millis(20);
        let result: Result<(), Cancelled> = block_on(cancel_scope!(
            timeout = SOON,
            grace = limit,
            finally = async { connection.close().await },
            async { cancelable::shield(pending()).await }
        ));
        assert!(result.unwrap_err().was_forced());
        assert_eq!(connection.log(), ["closed"]);
    }

    #[test]
    fn is_bounded_by_the_grace() {
        let result = block_on(cancel_scope!(
            grace = "1ms",
            finally = async { pending::<()>().await },
            async { Ok::<_, Cancelled>(3) }
        ));
        assert_eq!(result.unwrap(), 3);

        let result = cancel_scope!(grace = "1ms", finally = { while check().is_ok() {} }, {
            Ok::<_, Cancelled>(3)
        });
        assert_eq!(result.unwrap(), 3);
    }

    #[cancelable]
    async fn transfer(connection: &mut Connection) -> Result<u32, Cancelled> {
        let sent = cancel_scope!(finally = async { connection.close().await }, async {
            connection.send("sent").await?;
            Ok::<_, Cancelled>(1)
        })
        .await?;
        Ok(sent + ready(1).await)
    }

    #[test]
    fn runs_in_an_annotated_function_whatever_the_cancel_finds() {
        let mut connection = Connection::default();
        assert_eq!(block_on(transfer(&mut connection)).unwrap(), 2);
        assert_eq!(connection.log(), ["sent", "closed"]);

        // The cancel comes in the scope, and before it: at the entry of the function nothing has been opened yet.
        #[cancelable]
        async fn late(connection: &mut Connection, stop: &CancellationToken) -> Result<(), Cancelled> {
            stop.cancel();
            cancel_scope!(finally = async { connection.close().await }, async {
                connection.send("sent").await
            })
            .await
        }
        let token = CancellationToken::new();
        assert!(block_on(token.scope(late(&mut connection, &token))).is_err());
        assert_eq!(connection.log(), ["closed"]);

        #[cancelable]
        async fn waits(connection: &mut Connection) -> Result<(), Cancelled> {
            cancel_scope!(finally = async { connection.close().await }, async {
                connection.send("sent").await?;
                pending().await
            })
            .await
        }
        let token = CancellationToken::new();
        token.cancel_after(SOON);
        assert!(block_on(token.scope(waits(&mut connection))).is_err());
        assert_eq!(connection.log(), ["sent", "closed"]);
    }

    #[test]
    fn a_scope_outside_waits_for_it() {
        let connection = Connection::default();
        // Nothing of the library between them.
        let helper = async {
            let _: Result<(), Cancelled> =
                cancel_scope!(finally = async { connection.close().await }, async { pending().await }).await;
            pending().await
        };
        let result: Result<(), Cancelled> = block_on(Scope::new().timeout(SOON).run(helper));
        assert!(result.unwrap_err().is_timeout());
        assert_eq!(connection.log(), ["closed"]);
    }

    #[test]
    fn does_not_run_if_the_scope_is_dropped() {
        let connection = Connection::default();
        let mut scope = Box::pin(cancel_scope!(finally = async { connection.close().await }, async {
            Ok::<(), Cancelled>(pending().await)
        }));
        assert!(tests::poll_once(&mut scope).is_pending());
        drop(scope);
        assert!(connection.log().is_empty());
    }

    #[test]
    fn sees_a_token_of_its_own_and_the_scopes_ended() {
        let kept = Cell::new(None);
        let outer = CancellationToken::new();
        let result = block_on(outer.scope(cancel_scope!(
            token = scope,
            finally = async {
                let ended: CancellationToken = kept.take().unwrap();
                assert_eq!(ended.reason().unwrap().kind(), ReasonKind::Manual);
                assert!(check().is_ok());
                assert!(!current().is_cancelled());
                outer.cancel();
                assert!(check().is_ok(), "the shield's token is below nothing");
            },
            async {
                kept.set(Some(scope.clone()));
                scope.cancel();
                Ok::<_, Cancelled>(3)
            }
        )));
        assert_eq!(result.unwrap(), 3);
    }

    #[test]
    fn may_use_up_what_the_body_has_borrowed() {
        fn is_send<T: Send>(future: T) -> T {
            future
        }

        let text = String::from("text");
        let (sender, receiver) = std::sync::mpsc::channel();
        let length = is_send(cancel_scope!(
            finally = async { sender.send(text).unwrap() },
            async move { Some(text.len()) }
        ));
        assert_eq!(block_on(length), Some(4));
        assert_eq!(receiver.recv().unwrap(), "text");
    }

    #[test]
    fn of_a_sync_body_runs_whichever_way_that_ends() {
        fn work(connection: &mut Connection, outcome: Result<u32, Failed>) -> Result<u32, Failed> {
            cancel_scope!(finally = { connection.close_now() }, || -> Result<u32, Failed> {
                connection.log.get_mut().push("begun");
                for _ in 0..2 {
                    if matches!(outcome, Err(Failed::Cancelled)) {
                        current().cancel();
                    }
                }
                let value = outcome?;
                Ok(value)
            })
        }

        let mut connection = Connection::default();
        for outcome in [|| Ok(3), || Err(Failed::Itself), || Err(Failed::Cancelled)] {
            assert_eq!(work(&mut connection, outcome()), outcome());
            assert_eq!(connection.log(), ["begun", "closed"]);
        }
        assert_eq!(
            cancelled().sync_scope(|| work(&mut connection, Ok(3))),
            Err(Failed::Cancelled)
        );
        assert_eq!(connection.log(), ["closed"]);
    }
}

/// `#[cancelable(shield)]` on statements and blocks.
mod marked {
    use super::*;
    use std::io;

    /// A function's own error.
    #[derive(Debug)]
    enum Failed {
        Cancelled(Cancelled),
        Io(io::Error),
    }

    impl From<Cancelled> for Failed {
        fn from(cancelled: Cancelled) -> Self {
            Failed::Cancelled(cancelled)
        }
    }

    impl From<io::Error> for Failed {
        fn from(error: io::Error) -> Self {
            Failed::Io(error)
        }
    }

    impl Failed {
        fn is_io(&self) -> bool {
            matches!(self, Failed::Io(error) if error.kind() == io::ErrorKind::Other)
        }

        fn is_timeout(&self) -> bool {
            matches!(self, Failed::Cancelled(cancelled) if cancelled.is_timeout())
        }
    }

    fn broken() -> io::Result<u32> {
        Err(io::Error::other("broken"))
    }

    /// What a clean-up reports, borrowing from what it cleans.
    struct Report<'a>(&'a mut Vec<u32>);

    #[cancelable]
    async fn flush(buffer: &mut Vec<u32>) -> Result<Report<'_>, Cancelled> {
        sleep(SOON).await?;
        buffer.push(0);
        Ok(Report(buffer))
    }

    fn is_send<T: Send>(future: T) -> T {
        future
    }

    /// Runs `body` in a scope that is cancelled when its first argument is.
    async fn in_scope<F: Future>(body: impl FnOnce(CancellationToken) -> F) -> F::Output {
        let token = CancellationToken::new();
        token.scope(body(token.clone())).await
    }

    #[test]
    fn a_statement_and_a_binding_and_a_block_run_under_a_cancel() {
        #[cancelable]
        async fn work(connection: &Connection, buffer: &mut Vec<u32>, stop: CancellationToken) -> Result<(), Failed> {
            stop.cancel();
            #[cancelable(shield)]
            connection.close().await?;
            #[cancelable(shield)]
            let report = flush(buffer).await?;
            report.0.push(1);
            #[cancelable(shield)]
            {
                connection.close().await?;
                connection.close_now()?;
                for _ in 0..2 {
                    connection.close().await?;
                }
            }
            connection.log.borrow_mut().push("done");
            connection.close().await?;
            unreachable!("behind a shield the next check point fails");
        }

        let (connection, mut buffer) = (Connection::default(), Vec::new());
        let result = block_on(in_scope(|stop| work(&connection, &mut buffer, stop)));
        assert!(matches!(result, Err(Failed::Cancelled(_))));
        assert_eq!(
            connection.log(),
            ["closed", "closed", "closed", "closed", "closed", "done"]
        );
        assert_eq!(buffer, [0, 1]);
    }

    #[test]
    fn a_sync_function_can_shield_too() {
        #[cancelable]
        fn work(connection: &Connection, stop: CancellationToken) -> Result<u32, Failed> {
            stop.cancel();
            #[cancelable(shield)]
            connection.close_now()?;
            #[cancelable(shield)]
            let n = {
                for _ in 0..3 {
                    connection.close_now()?;
                }
                check().map(|()| 3)?
            };
            assert_eq!(n, 3);
            #[cancelable(shield)]
            for _ in 0..n {
                if current().is_cancelled() {
                    return Ok(0);
                }
            }
            #[cancelable(shield)]
            {
                connection.log.borrow_mut().push("last");
                broken()?;
            }
            Ok(n)
        }

        let (connection, token) = (Connection::default(), CancellationToken::new());
        let result = token.sync_scope(|| work(&connection, token.clone()));
        assert!(result.unwrap_err().is_io());
        assert_eq!(connection.log(), ["closed", "closed", "closed", "closed", "last"]);
    }

    /// As `bail!` does, where nobody looks.
    macro_rules! fail {
        ($error:expr) => {
            return Err($error.into())
        };
    }

    #[test]
    fn return_and_question_mark_leave_the_function_from_wherever() {
        #[cancelable(scope)]
        async fn asynchronous(how: u32) -> Result<u32, Failed> {
            #[cancelable(shield)]
            let n = match how {
                0 => return Ok(10),
                1 => broken()?,
                2 => fail!(io::Error::other("failed")),
                3 => {
                    let value = async { broken() }.await;
                    value?
                }
                _ => {
                    #[cancelable(shield = "1h")]
                    {
                        if how == 4 {
                            return Ok(40);
                        }
                        ready(how).await
                    }
                }
            };
            Ok(n + 100)
        }

        #[cancelable]
        fn synchronous(how: u32) -> Option<u32> {
            #[cancelable(shield)]
            let n = match how {
                0 => return Some(10),
                1 => None?,
                _ => how,
            };
            Some(n + 100)
        }

        block_on(async {
            assert_eq!(asynchronous(0).await.unwrap(), 10);
            for how in 1..4 {
                assert!(asynchronous(how).await.unwrap_err().is_io());
            }
            assert_eq!(asynchronous(4).await.unwrap(), 40);
            assert_eq!(asynchronous(5).await.unwrap(), 105);
        });
        assert_eq!([0, 1, 2].map(synchronous), [Some(10), None, Some(102)]);
    }

    #[test]
    fn a_jump_and_an_assignment_keep_what_they_are() {
        #[expect(clippy::needless_late_init, reason = "a variable without a value has to be possible")]
        #[cancelable]
        async fn work(stop: CancellationToken) -> Result<u32, Cancelled> {
            stop.cancel();
            let first;
            #[cancelable(shield)]
            first = ready(1).await;
            #[cancelable(shield)]
            let text: &str = &ready(Some("2".to_owned())).await.unwrap_or_default();
            assert_eq!(text, "2");
            #[cancelable(shield)]
            let Some(second) = ready(Some(2)).await else {
                return Ok(0);
            };
            let third = loop {
                if first > 0 {
                    #[cancelable(shield)]
                    break ready(3).await;
                }
            };
            #[cancelable(shield)]
            return Ok(first + second + third + ready(4).await);
        }

        // The loop is checked, under a cancel: it has to be in there, too.
        assert!(block_on(in_scope(work)).is_err());
        assert_eq!(block_on(work(CancellationToken::new())).unwrap(), 10);
    }

    #[test]
    fn what_is_marked_coerces_as_it_does_without_the_mark() {
        use std::fmt::Display;

        type Shown = Box<dyn Display>;

        #[cancelable]
        async fn tail() -> Result<Shown, Cancelled> {
            #[cancelable(shield)]
            {
                ready(()).await;
                Ok(Box::new(1))
            }
        }

        #[cancelable]
        fn sync_tail(limit: Duration) -> Result<Shown, Cancelled> {
            #[cancelable(shield = limit)]
            {
                Ok(Box::new(2))
            }
        }

        #[cancelable(scope)]
        async fn returned() -> Result<Shown, Cancelled> {
            #[cancelable(shield)]
            return { Ok(Box::new(ready(3).await)) };
        }

        #[cancelable(or = Box::new(0))]
        fn boxed<'a>(text: &'a str) -> std::pin::Pin<Box<dyn Future<Output = Box<dyn Display + 'a>> + 'a>> {
            Box::pin(async move {
                #[cancelable(shield)]
                {
                    Box::new(ready(text).await)
                }
            })
        }

        #[cancelable]
        async fn bound(is_text: bool) -> Result<(Shown, usize), Cancelled> {
            #[cancelable(shield)]
            let shown: Shown = if is_text {
                Box::new(ready("4").await)
            } else {
                Box::new(5)
            };
            #[cancelable(shield)]
            let same: Box<dyn Fn(&str) -> &str> = Box::new(|text| text);
            #[cancelable(shield)]
            let borrowed: &str = &ready("six".to_owned()).await;
            Ok((shown, same(borrowed).len()))
        }

        block_on(async {
            let mut all = vec![
                tail().await.unwrap(),
                sync_tail(SOON).unwrap(),
                returned().await.unwrap(),
            ];
            all.push(boxed("text").await);
            for is_text in [true, false] {
                let (shown, length) = bound(is_text).await.unwrap();
                all.extend([shown, Box::new(length) as Shown]);
            }
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            assert_eq!(all, ["1", "2", "3", "text", "4", "3", "5", "3"]);
        });
    }

    #[test]
    fn a_limit_that_passes_returns_as_a_check_point_does() {
        #[cancelable]
        async fn foreign(connection: &Connection) -> Result<u32, Failed> {
            #[cancelable(shield = "1ms")]
            {
                connection.close().await?;
                pending::<()>().await;
            }
            Ok(1)
        }

        #[cancelable]
        async fn noticing(limit: Option<Duration>) -> Result<u32, Failed> {
            #[cancelable(shield = limit)]
            sleep(Duration::from_secs(3600)).await.inspect_err(|cancelled| {
                assert!(cancelled.is_timeout());
            })?;
            Ok(1)
        }

        #[cancelable]
        async fn looping() -> Option<u32> {
            #[cancelable(shield = SOON)]
            let n = loop {
                ready(()).await;
            };
            Some(n)
        }

        #[cancelable(or = 7)]
        async fn otherwise() -> u32 {
            #[cancelable(shield = SOON)]
            pending::<()>().await;
            1
        }

        #[cancelable(or = 7, scope)]
        async fn otherwise_in_a_scope() -> u32 {
            #[cancelable(shield = SOON)]
            {
                #[cancelable(shield = Some(SOON / 2))]
                pending::<()>().await;
                pending::<()>().await;
            }
            1
        }

        let connection = Connection::default();
        block_on(async {
            assert!(foreign(&connection).await.unwrap_err().is_timeout());
            assert!(noticing(Some(SOON)).await.unwrap_err().is_timeout());
            assert_eq!(looping().await, None);
            assert_eq!(otherwise().await, 7);
            assert_eq!(otherwise_in_a_scope().await, 7);
        });
    }

    #[test]
    fn a_limit_that_passes_in_a_loop_marked_break_leaves_the_function() {
        #[cancelable]
        async fn asynchronous(iterations: &mut u32) -> Result<u32, Failed> {
            #[cancelable(break)]
            loop {
                *iterations += 1;
                #[cancelable(shield = SOON)]
                pending::<()>().await;
            }
            Ok(*iterations)
        }

        #[cancelable(or = 7, scope)]
        async fn in_a_shield() -> u32 {
            #[cancelable(shield)]
            {
                #[cancelable(break)]
                for _ in 0..3 {
                    for _ in 0..3 {
                        #[cancelable(shield = SOON)]
                        pending::<()>().await;
                    }
                }
            }
            1
        }

        #[cancelable]
        fn synchronous(iterations: &mut u32) -> Result<u32, Failed> {
            #[cancelable(break)]
            for _ in 0..3 {
                *iterations += 1;
                #[cancelable(shield = SOON)]
                loop {}
            }
            Ok(*iterations)
        }

        let mut iterations = 0;
        assert!(block_on(asynchronous(&mut iterations)).unwrap_err().is_timeout());
        assert!(synchronous(&mut iterations).unwrap_err().is_timeout());
        assert_eq!(iterations, 2);
        assert_eq!(block_on(in_a_shield()), 7);
    }

    #[test]
    fn a_cancel_in_a_loop_marked_break_still_leaves_the_loop() {
        #[cancelable]
        async fn work(stop: CancellationToken) -> Result<u32, Failed> {
            let mut iterations = 0;
            #[cancelable(break)]
            loop {
                iterations += 1;
                #[cancelable(shield = "1h")]
                {
                    stop.cancel();
                    ready(()).await;
                }
            }
            Ok(iterations)
        }
        assert_eq!(block_on(in_scope(work)).unwrap(), 1);
    }

    #[test]
    fn a_limit_that_passes_ends_a_sync_stretch_at_a_check_point() {
        #[cancelable]
        fn looping(limit: impl Into<Option<Duration>>) -> Result<u32, Failed> {
            let limit = limit.into();
            #[cancelable(shield = limit)]
            let n = loop {};
            Ok(n)
        }

        #[cancelable(or = 7, scope)]
        fn nested(connection: &Connection) -> u32 {
            #[cancelable(shield = "1h")]
            {
                #[cancelable(shield = "1ms")]
                for _ in 0.. {
                    let _ = connection.close_now();
                }
                1
            }
        }

        let connection = Connection::default();
        assert!(looping(SOON).unwrap_err().is_timeout());
        assert_eq!(nested(&connection), 7);
    }

    #[test]
    fn in_the_body_of_a_scope_it_leaves_the_scope() {
        let connection = Connection::default();
        let result: Result<u32, Failed> = block_on(cancel_scope!(token = scope, async {
            scope.cancel();
            #[cancelable(shield)]
            connection.close().await?;
            #[cancelable(shield = "1h")]
            {
                connection.close_now()?;
                broken()?;
            }
            Ok(3)
        }));
        assert!(result.unwrap_err().is_io());
        assert_eq!(connection.log(), ["closed", "closed"]);

        let result = cancel_scope!(token = scope, || -> Result<u32, Failed> {
            scope.cancel();
            #[cancelable(shield)]
            {
                connection.close_now()?;
                return Ok(5);
            }
        });
        assert_eq!(result.unwrap(), 5);
        assert_eq!(connection.log(), ["closed"]);
    }

    struct Pool {
        connections: Vec<Connection>,
    }

    #[cancelable(timeout = "1h")]
    impl Pool {
        async fn drain(mut self) -> Result<usize, Failed> {
            current().cancel();
            let mut closed = 0;
            #[cancelable(shield)]
            while let Some(connection) = self.connections.pop() {
                connection.close().await?;
                closed += 1;
            }
            Ok(closed)
        }

        fn names<'a>(&'a self, names: &'a [String]) -> Option<impl Iterator<Item = &'a str>> {
            current().cancel();
            #[cancelable(shield)]
            let count = self
                .connections
                .iter()
                .filter(|connection| connection.close_now().is_ok())
                .count();
            Some(names.iter().take(count).map(String::as_str))
        }
    }

    #[test]
    fn methods_and_moved_values_and_borrows() {
        let pool = || Pool {
            connections: vec![Connection::default(), Connection::default()],
        };
        assert_eq!(block_on(pool().drain()).unwrap(), 2);
        let names = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        assert_eq!(pool().names(&names).unwrap().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn its_future_is_send_if_what_is_in_it_is() {
        #[cancelable(or = 0)]
        async fn work(text: String) -> usize {
            #[cancelable(shield = "1h")]
            let length = { ready(text.len()).await + text.len() };
            #[cancelable(shield)]
            drop(ready(text).await);
            length
        }
        assert_eq!(block_on(is_send(work("ab".to_owned()))), 4);
    }

    #[test]
    fn a_scope_outside_waits_for_it() {
        #[cancelable]
        async fn work(connection: &Connection) -> Result<(), Cancelled> {
            #[cancelable(shield)]
            connection.close().await?;
            pending().await
        }
        let connection = Connection::default();
        let token = CancellationToken::new();
        let mut scope = Box::pin(token.scope(work(&connection)));
        assert!(tests::poll_once(&mut scope).is_pending());
        token.cancel();
        assert!(tests::poll_once(&mut scope).is_pending());
        assert!(block_on(scope).is_err());
        assert_eq!(connection.log(), ["closed"]);
    }

    #[test]
    fn what_is_in_it_is_dropped_under_it() {
        struct Asks<'a>(&'a Cell<Option<bool>>);
        impl Drop for Asks<'_> {
            fn drop(&mut self) {
                self.0.set(Some(check().is_ok()));
            }
        }

        #[cancelable]
        async fn work(asks: Asks<'_>, stop: CancellationToken) -> Result<(), Cancelled> {
            stop.cancel();
            #[cancelable(shield)]
            {
                let _kept = &asks;
                let _moved = asks;
            }
            Ok(())
        }
        let was_shielded = Cell::new(None);
        block_on(in_scope(|stop| work(Asks(&was_shielded), stop))).unwrap();
        assert_eq!(was_shielded.get(), Some(true));
    }

    fn cancel() {
        current().cancel();
    }

    #[test]
    fn in_every_shape_of_function() {
        use futures::future::BoxFuture;

        #[cancelable(scope)]
        fn boxed<'a>(texts: &'a [String]) -> BoxFuture<'a, Result<&'a str, Failed>> {
            Box::pin(async move {
                cancel();
                #[cancelable(shield)]
                let text = ready(texts.first())
                    .await
                    .ok_or(io::ErrorKind::Other)
                    .map_err(io::Error::from)?;
                Ok(text)
            })
        }

        #[cancelable(or = std::iter::empty().chain(None), scope)]
        fn iterator(numbers: &[u32]) -> std::iter::Chain<std::iter::Empty<u32>, std::option::IntoIter<u32>> {
            cancel();
            #[cancelable(shield)]
            {
                std::iter::empty().chain(numbers.iter().copied().max())
            }
        }

        /// Itself again, in a shield in a shield.
        #[cancelable(scope)]
        fn depth<'a>(n: u32, seen: &'a mut Vec<u32>) -> BoxFuture<'a, Result<u32, Failed>> {
            Box::pin(async move {
                cancel();
                seen.push(n);
                #[cancelable(shield = "1h")]
                let below = match n {
                    0 => return Ok(0),
                    _ => depth(n - 1, seen).await?,
                };
                Ok(below + 1)
            })
        }

        #[cancelable]
        fn depth_sync(n: u32) -> Result<u32, Failed> {
            #[cancelable(shield)]
            let below = match n {
                0 => return Ok(0),
                _ => depth_sync(n - 1)?,
            };
            Ok(below + 1)
        }

        let texts = ["text".to_owned()];
        block_on(async {
            assert_eq!(boxed(&texts).await.unwrap(), "text");
            assert!(boxed(&[]).await.unwrap_err().is_io());
            let mut seen = Vec::new();
            assert_eq!(depth(3, &mut seen).await.unwrap(), 3);
            assert_eq!(seen, [3, 2, 1, 0]);
        });
        assert_eq!(iterator(&[1, 3, 2]).collect::<Vec<_>>(), [3]);
        assert_eq!(depth_sync(4).unwrap(), 4);
    }

    #[test]
    fn on_whatever_stands_there() {
        #[cancelable(scope)]
        async fn work(connection: &Connection) -> Result<String, Failed> {
            cancel();
            #[cancelable(shield)]
            tokio::try_join!(connection.close(), connection.close())?;
            #[cancelable(shield)]
            let (Ok(()), 1) = futures::join!(connection.close(), ready(1)) else {
                return Ok(String::new());
            };
            #[cancelable(shield)]
            let text = format!("{} {}", ready(1).await, ready(Ok::<_, Failed>(2)).await?);
            #[cancelable(shield)]
            if connection.close().await.is_err() {
                return Ok("not closed".to_owned());
            }
            #[cancelable(shield)]
            match ready(Some(3)).await {
                Some(n) if n > 3 => return Ok("too many".to_owned()),
                _ => {}
            }
            let mut sum = 0;
            #[cancelable(shield)]
            sum += ready(4).await;
            #[cancelable(shield)]
            'once: {
                if sum > 4 {
                    break 'once;
                }
                sum += ready(1).await;
            }
            let mut closures = 0;
            let mut count = || closures += 1;
            #[cancelable(shield)]
            for _ in 0..3 {
                count();
            }
            let all = [
                sum,
                #[cancelable(shield)]
                ready(5).await,
                closures,
            ];
            #[cancelable(shield)]
            tokio::select! {
                n = ready(6) => return Ok(format!("{text} {all:?} {n}")),
            }
        }

        let connection = Connection::default();
        assert_eq!(block_on(work(&connection)).unwrap(), "1 2 [5, 5, 3] 6");
        assert_eq!(connection.log().len(), 4);
    }
}

/// Whenever the cancel comes, what was opened is closed, once.
mod whenever {
    use super::*;
    use cancelable::{checkpoint, testing};
    use tests::ready_after;

    #[derive(Default)]
    struct Ledger {
        open: Cell<usize>,
        closed: Cell<usize>,
    }

    impl Ledger {
        fn open(&self) {
            self.open.set(self.open.get() + 1);
        }

        #[cancelable]
        async fn close(&self) -> Result<(), Cancelled> {
            sleep(SOON).await?;
            ready_after(2, ()).await;
            self.close_now()
        }

        #[cancelable]
        fn close_now(&self) -> Result<(), Cancelled> {
            for _ in 0..2 {}
            self.closed.set(self.closed.get() + 1);
            Ok(())
        }

        #[cancelable]
        async fn work(&self) -> Result<(), Cancelled> {
            ready_after(2, ()).await;
            checkpoint().every(1).await?;
            for _ in 0..2 {
                sleep(SOON).await?;
            }
            Ok(())
        }

        fn is_balanced(&self) -> bool {
            self.open.get() == self.closed.get()
        }
    }

    #[cancelable]
    async fn behind_a_scope(ledger: &Ledger) -> Result<(), Cancelled> {
        ready_after(1, ()).await;
        for _ in 0..2 {
            ledger.open();
            cancel_scope!(finally = async { ledger.close().await }, async { ledger.work().await }).await?;
            ledger.open();
            cancel_scope!(finally = { ledger.close_now() }, {
                for _ in 0..2 {}
                check()
            })?;
        }
        Ok(())
    }

    #[cancelable(scope)]
    async fn marked(ledger: &Ledger) -> Result<(), Cancelled> {
        for _ in 0..2 {
            ledger.open();
            let result = cancel_scope!(finally = async {}, async { ledger.work().await }).await;
            #[cancelable(shield)]
            {
                ledger.close().await?;
                ledger.open();
                ledger.close_now()?;
            }
            ledger.open();
            #[cancelable(shield = "1h")]
            ledger.close().await?;
            result?;
        }
        Ok(())
    }

    #[test]
    fn it_comes() {
        testing::inject(async || {
            let ledger = Ledger::default();
            let results = (behind_a_scope(&ledger).await, marked(&ledger).await);
            (results.0.is_ok() && results.1.is_ok(), ledger.is_balanced())
        })
        .assert(|outcome| {
            assert!(outcome.1, "unbalanced");
            assert!(outcome.0 || outcome.injected().is_some());
        });
    }
}

/// Where the code is not quite the user's, or not quite his function's.
mod moved {
    use super::*;

    #[track_caller]
    #[cancelable]
    fn tracked<T: Into<u32>>(n: T, limit: Option<Duration>) -> Result<(u32, u32), Cancelled> {
        #[cancelable(shield = check().map(|()| limit)?)]
        let n: u32 = {
            for _ in 0..2 {}
            n.into()
        };
        #[cancelable(shield)]
        let line = std::panic::Location::caller().line();
        Ok((n, line))
    }

    #[track_caller]
    #[cancelable(scope)]
    fn tracked_in_a_scope() -> Result<u32, Cancelled> {
        #[cancelable(shield = "1h")]
        let line = std::panic::Location::caller().line();
        Ok(line)
    }

    #[test]
    fn the_caller_is_the_functions() {
        assert_eq!(tracked(3_u8, None).unwrap(), (3, line!()));
        assert_eq!(tracked_in_a_scope().unwrap(), line!());
    }

    macro_rules! function {
        ($name:ident, $body:block, $stmt:stmt) => {
            #[cancelable(every = 2 + 2, yield_every = 5)]
            async fn $name(n: u32) -> Result<u32, Cancelled> {
                current().cancel();
                #[cancelable(shield = "1h")]
                $body
                #[cancelable(shield)]
                for _ in 0..n {
                    ready(()).await;
                }
                $stmt
                Ok(n)
            }
        };
    }
    function!(made, { ready(()).await; check()?; }, let _ = 3);

    #[test]
    fn a_macro_may_hand_on_what_is_marked() {
        assert_eq!(block_on(CancellationToken::new().scope(made(10))).unwrap(), 10);
    }
}
