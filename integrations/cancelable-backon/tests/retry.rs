//! Retries, on a clock that the tests move, or that moves by itself.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::time::Duration;

use backon::{ConstantBuilder, ExponentialBuilder};
use cancelable::{CancellationToken, Cancelled, Scope, cancel_scope, cancelable, sleep, testing};
use cancelable_backon::{RetryError, retry};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq, thiserror::Error)]
enum Error {
    #[error("refused {0}")]
    Refused(u32),
    #[error("cancelled")]
    Cancelled,
}

impl From<Cancelled> for Error {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// 1 s, 2 s, 4 s, …
fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(SECOND)
        .without_max_times()
        .without_max_delay()
}

/// Fails so often.
fn failing(times: u32) -> impl FnMut() -> std::future::Ready<Result<u32, Error>> {
    let mut count = 0;
    move || {
        count += 1;
        std::future::ready(if count > times {
            Ok(count)
        } else {
            Err(Error::Refused(count))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn it_tries_until_it_succeeds() {
    let begun = Instant::now();
    let told = RefCell::new(vec![]);
    let result = retry(failing(3), backoff())
        .notify(|error, pause| told.borrow_mut().push((error.to_string(), pause)))
        .run()
        .await;
    assert_eq!(result.unwrap(), 4);
    assert_eq!(begun.elapsed(), 7 * SECOND);
    let told: Vec<_> = told.into_inner();
    assert_eq!(told.len(), 3);
    assert_eq!(told[1], ("refused 2".to_owned(), 2 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_with_the_last_error() {
    let result = retry(failing(9), ConstantBuilder::default().with_max_times(2))
        .run()
        .await;
    let error = result.unwrap_err();
    assert!(
        matches!(
            error,
            RetryError::Failed {
                last: Error::Refused(3),
                attempts: 3
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.to_string(), "refused 3 (attempt 3)");

    let result = retry(failing(9), backoff())
        .when(|error| *error != Error::Refused(2))
        .run()
        .await;
    let error = result.unwrap_err();
    assert_eq!((error.last(), error.attempts()), (Some(&Error::Refused(2)), 2));
    assert!(error.cancelled().is_none());
    assert_eq!(error.into_last(), Error::Refused(2));
}

#[tokio::test(start_paused = true)]
async fn it_does_not_wait_for_what_would_be_too_late() {
    let begun = Instant::now();
    let result: Result<_, RetryError<_>> = Scope::new()
        .timeout(5 * SECOND)
        .run(async { retry(failing(9), backoff()).run().await })
        .await;
    let error = result.unwrap_err();
    // After 1 s and 2 s there are 2 s left, and the next pause is 4 s.
    assert_eq!(begun.elapsed(), 3 * SECOND);
    let RetryError::OutOfTime {
        last: Error::Refused(3),
        attempts: 3,
        pause,
        remaining,
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(pause, 4 * SECOND);
    assert!(remaining <= 2 * SECOND && remaining > SECOND, "{remaining:?}");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_all_the_time_is_cancelled_and_the_error_before_it_is_kept() {
    let attempts = Cell::new(0);
    let hangs = || {
        attempts.set(attempts.get() + 1);
        let is_first = attempts.get() == 1;
        async move {
            if is_first {
                Err(Error::Refused(1))
            } else {
                pending::<Result<(), Error>>().await
            }
        }
    };
    let mut line = 0;
    let result: Result<_, RetryError<_>> = Scope::new()
        .timeout(5 * SECOND)
        .run(async {
            line = line!() + 1;
            retry(hangs, backoff()).run().await
        })
        .await;
    let error = result.unwrap_err();
    let cancelled = error.cancelled().unwrap();
    assert!(cancelled.is_timeout());
    assert_eq!(cancelled.observed_at().line(), line);
    assert_eq!((error.last(), error.attempts()), (Some(&Error::Refused(1)), 2));
    assert!(
        error.to_string().ends_with("(attempt 2; the last error: refused 1)"),
        "{error}"
    );
    assert_eq!(error.into_last(), Error::Refused(1));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_a_pause() {
    let token = CancellationToken::new();
    let begun = Instant::now();
    let cancel = async {
        tokio::time::sleep(SECOND / 2).await;
        token.cancel_with("enough");
    };
    let (result, ()) = futures::join!(token.scope(retry(failing(9), backoff()).run()), cancel);
    let error = result.unwrap_err();
    assert_eq!(begun.elapsed(), SECOND / 2);
    assert_eq!((error.last(), error.attempts()), (Some(&Error::Refused(1)), 1));
    assert_eq!(error.cancelled().unwrap().reason().message(), Some("enough"));
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_an_attempt_is_an_error_to_retry_after() {
    let attempts = Cell::new(0);
    let attempt = || {
        attempts.set(attempts.get() + 1);
        let takes = if attempts.get() < 3 { 100 * SECOND } else { SECOND };
        async move {
            cancel_scope!(timeout = 2 * SECOND, async {
                sleep(takes).await?;
                Ok::<_, Error>(takes)
            })
            .await
        }
    };
    let result: Result<_, RetryError<_>> = Scope::new()
        .timeout(100 * SECOND)
        .run(async { retry(attempt, backoff()).run().await })
        .await;
    assert_eq!(result.unwrap(), SECOND);
    assert_eq!(attempts.get(), 3);
}

#[test]
fn nothing_begins_under_a_cancel() {
    let token = CancellationToken::new();
    token.cancel();
    let error = futures::executor::block_on(token.scope(retry(failing(0), backoff()).run())).unwrap_err();
    assert_eq!((error.last(), error.attempts()), (None, 0));
    assert_eq!(error.into_last(), Error::Cancelled);
}

/// Wherever the cancel comes, the attempt cleans up, no other one begins, and the last error is kept.
#[test]
fn it_can_be_cancelled_anywhere() {
    #[cancelable]
    async fn attempt(began: &Cell<usize>, ended: &Cell<usize>) -> Result<usize, Error> {
        struct Ends<'a>(&'a Cell<usize>);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }

        began.set(began.get() + 1);
        let n = began.get();
        let _ends = Ends(ended);
        sleep(SECOND).await?;
        if n < 4 { Err(Error::Refused(n as u32)) } else { Ok(n) }
    }

    testing::inject(async || {
        let (began, ended) = (Cell::new(0), Cell::new(0));
        let result = retry(|| attempt(&began, &ended), backoff()).run().await;
        (result, began.get(), ended.get())
    })
    .assert(|outcome| {
        let (result, began, ended) = &outcome.value;
        assert_eq!(began, ended);
        match result {
            Ok(n) => assert_eq!(*n, 4),
            Err(error) => {
                assert!(error.cancelled().is_some(), "{error:?}");
                match error.last() {
                    None => assert_eq!(error.attempts(), 0),
                    // The attempt that the cancel found, or the one before.
                    Some(Error::Refused(n)) => assert!([began - 1, *began].contains(&(*n as usize)), "{error:?}"),
                    Some(Error::Cancelled) => assert!(*began <= 1),
                }
            }
        }
        assert_eq!(result.is_err(), outcome.injected().is_some());
    });
}
