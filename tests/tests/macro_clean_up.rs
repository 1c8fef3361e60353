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
