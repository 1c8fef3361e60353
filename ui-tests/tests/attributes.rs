//! Together with other attributes, above them and below them.

#![deny(warnings)]

use cancelable::{CancellationToken, Cancelled, cancel_scope, cancelable};
use futures::executor::block_on;
use std::future::{pending, ready};
use std::time::Duration;

fn cancelled<F: Future>(future: F) -> F::Output {
    let token = CancellationToken::new();
    token.cancel();
    block_on(token.scope(future))
}

async fn in_scope<F: Future>(future: F) -> F::Output {
    CancellationToken::new().scope(future).await
}

/// Runs in a scope that is cancelled once the future is pending, or in a turn of its loop.
fn cancelled_inside<T>(future: impl Future<Output = Result<T, Cancelled>>) -> Cancelled {
    match block_on(cancel_scope!(timeout = "5ms", async move { future.await })) {
        Err(error) => error,
        Ok(_) => panic!("not cancelled"),
    }
}

mod tokio_test {
    use super::*;

    #[cancelable(or = ())]
    #[tokio::test]
    async fn above() {
        assert_eq!(ready(1).await, 1);
    }

    #[tokio::test]
    #[cancelable(or = ())]
    async fn below() {
        assert_eq!(ready(1).await, 1);
    }

    #[tokio::test(start_paused = true)]
    #[cancelable(timeout = "5s", or = ())]
    async fn below_with_scope() {
        pending::<()>().await;
        unreachable!("the await is a check point");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    #[cancelable(name = "result")]
    async fn below_with_result() -> Result<(), Cancelled> {
        let turns = cancel_scope!(async || -> Result<u32, Cancelled> {
            cancelable::current().cancel();
            for _ in 0..3 {}
            Ok(3)
        });
        assert!(turns.await.is_err());
        Ok(())
    }

    #[test]
    #[cancelable(or = ())]
    fn plain_test() {
        for _ in 0..3 {}
    }

    #[cancelable(or = ())]
    #[test]
    #[should_panic(expected = "on purpose")]
    fn plain_test_below() {
        panic!("on purpose");
    }
}

mod tokio_main {
    use super::*;

    mod above {
        use super::*;

        #[cancelable(timeout = "5ms")]
        #[tokio::main]
        pub(super) async fn main() -> Result<(), Cancelled> {
            pending::<()>().await;
            Ok(())
        }
    }

    mod below {
        use super::*;

        #[tokio::main(flavor = "current_thread")]
        #[cancelable(timeout = "5ms")]
        pub(super) async fn main() -> Result<(), Cancelled> {
            pending::<()>().await;
            Ok(())
        }
    }

    mod spinning {
        use super::*;

        #[tokio::main(flavor = "current_thread")]
        #[cancelable(timeout = "5ms")]
        pub(super) async fn main() -> Result<(), Cancelled> {
            loop {}
        }
    }

    #[test]
    fn both_orders() {
        assert!(above::main().unwrap_err().is_timeout());
        assert!(below::main().unwrap_err().is_timeout());
        assert!(spinning::main().unwrap_err().is_timeout());
    }
}

mod instrument {
    use super::*;
    use tracing::instrument;

    macro_rules! functions {
        ($(#[$first:meta])* ; $(#[$second:meta])*) => {
            $(#[$first])*
            $(#[$second])*
            pub(super) async fn waits(n: u32) -> Result<u32, Cancelled> {
                if n == 0 {
                    pending::<()>().await;
                }
                Ok(ready(n).await)
            }

            $(#[$first])*
            $(#[$second])*
            pub(super) async fn spins(n: u32) -> Result<u32, Cancelled> {
                let mut m = n;
                loop {
                    m = m.wrapping_add(1);
                }
            }

            $(#[$first])*
            $(#[$second])*
            pub(super) fn spins_sync(n: u32) -> Result<u32, Cancelled> {
                let mut m = n;
                loop {
                    m = m.wrapping_add(1);
                }
            }

            $(#[$first])*
            $(#[$second])*
            pub(super) async fn closes(n: u32) -> Result<u32, Cancelled> {
                cancelable::current().cancel();
                #[cancelable(shield)]
                let m = waits(n).await?;
                #[cancelable(shield = "1h")]
                {
                    if n > 1 {
                        return Ok(0);
                    }
                    closes_sync(m)
                }
            }

            $(#[$first])*
            $(#[$second])*
            pub(super) fn closes_sync(n: u32) -> Result<u32, Cancelled> {
                cancelable::current().cancel();
                #[cancelable(shield)]
                let m = cancelable::check().map(|()| n)?;
                Ok(m)
            }
        };
    }

    macro_rules! orders {
        ($($name:ident: $options:tt $instrument:tt;)*) => {$(
            mod $name {
                use super::*;

                mod above {
                    use super::*;
                    orders!(@ [cancelable $options] [instrument $instrument]);
                }

                mod below {
                    use super::*;
                    orders!(@ [instrument $instrument] [cancelable $options]);
                }

                #[test]
                fn both_orders() {
                    assert_eq!(block_on(above::waits(1)).unwrap(), 1);
                    assert_eq!(block_on(below::waits(1)).unwrap(), 1);
                    assert!(cancelled(above::waits(1)).is_err());
                    assert!(cancelled(below::waits(1)).is_err());
                    for closes in [block_on(in_scope(above::closes(1))), block_on(in_scope(below::closes(1)))] {
                        assert_eq!(closes.unwrap(), 1);
                    }
                    for error in [
                        cancelled_inside(above::waits(0)),
                        cancelled_inside(below::waits(0)),
                        cancelled_inside(above::spins(0)),
                        cancelled_inside(below::spins(0)),
                        cancelled_inside(async { above::spins_sync(0) }),
                        cancelled_inside(async { below::spins_sync(0) }),
                    ] {
                        assert!(error.is_timeout());
                    }
                }
            }
        )*};
        (@ [$first:ident ($($first_options:tt)*)] [$second:ident ($($second_options:tt)*)]) => {
            functions!(#[$first($($first_options)*)] ; #[$second($($second_options)*)]);
        };
    }

    orders! {
        plain: () ();
        with_error: () (err);
        with_return: () (ret);
        with_both: () (err, ret);
        with_scope: (name = "scope") (level = "debug", skip_all);
        with_scope_and_error: (name = "scope", grace = "1s") (err, fields(m = n));
    }

    #[instrument]
    #[cancelable]
    async fn located() -> Result<u32, Cancelled> {
        pending::<()>().await;
        Ok(1)
    }

    #[test]
    fn the_line_is_the_users() {
        let line = line!() - 6;
        let error = cancelled_inside(located());
        assert_eq!(
            (error.observed_at().file(), error.observed_at().line()),
            (file!(), line)
        );
    }
}

mod async_trait {
    use super::*;
    use ::async_trait::async_trait;

    #[async_trait]
    trait Job {
        async fn run(&self, text: &str, n: u32) -> Result<usize, Cancelled>;

        async fn run_mut(&mut self) -> Result<u32, Cancelled>;

        #[cancelable]
        async fn provided(&self) -> Result<u32, Cancelled> {
            let mut n = 0;
            while n < 5 {
                n += ready(1).await;
            }
            Ok(n)
        }
    }

    struct Method(u32);

    #[async_trait]
    impl Job for Method {
        #[cancelable]
        async fn run(&self, text: &str, n: u32) -> Result<usize, Cancelled> {
            if n == 0 {
                pending::<()>().await;
            }
            Ok(ready(text).await.len())
        }

        #[cancelable(name = "mut", timeout = Duration::from_secs(u64::from(self.0)))]
        async fn run_mut(&mut self) -> Result<u32, Cancelled> {
            self.0 += ready(1).await;
            Ok(self.0)
        }
    }

    struct Above(u32);

    #[cancelable]
    #[async_trait]
    impl Job for Above {
        async fn run(&self, text: &str, n: u32) -> Result<usize, Cancelled> {
            if n == 0 {
                pending::<()>().await;
            }
            Ok(ready(text).await.len())
        }

        #[cancelable(name = "mut", grace = "1s")]
        async fn run_mut(&mut self) -> Result<u32, Cancelled> {
            self.0 += ready(1).await;
            Ok(self.0)
        }
    }

    struct Below(u32);

    #[async_trait]
    #[cancelable]
    impl Job for Below {
        async fn run(&self, text: &str, n: u32) -> Result<usize, Cancelled> {
            if n == 0 {
                pending::<()>().await;
            }
            Ok(ready(text).await.len())
        }

        #[cancelable(name = "mut", grace = "1s")]
        async fn run_mut(&mut self) -> Result<u32, Cancelled> {
            self.0 += ready(1).await;
            Ok(self.0)
        }
    }

    fn check(mut job: impl Job + Sync) {
        assert_eq!(block_on(job.run("abc", 1)).unwrap(), 3);
        assert_eq!(block_on(job.run_mut()).unwrap(), 4);
        assert_eq!(block_on(job.provided()).unwrap(), 5);
        assert!(cancelled(job.run("abc", 1)).is_err());
        assert!(cancelled(job.run_mut()).is_err());
        assert!(cancelled(job.provided()).is_err());
        assert!(cancelled_inside(job.run("abc", 0)).is_timeout());
    }

    #[test]
    fn every_order() {
        check(Method(3));
        check(Above(3));
        check(Below(3));
    }

    #[async_trait]
    trait WithToken {
        async fn run(&self) -> Result<bool, Cancelled>;
    }

    #[async_trait]
    impl WithToken for Method {
        #[cancelable(name = "token")]
        async fn run(&self, #[token] token: &CancellationToken) -> Result<bool, Cancelled> {
            Ok(*token == cancelable::current())
        }
    }

    #[test]
    fn a_token_parameter() {
        assert!(block_on(WithToken::run(&Method(1))).unwrap());
    }
}

#[allow(clippy::mixed_attributes_style)]
mod inert {
    use super::*;

    #[must_use = "it counts"]
    #[inline]
    #[cancelable]
    #[track_caller]
    fn attributes(n: u32) -> Option<u32> {
        #![allow(unused_mut)]
        let mut n = n;
        Some(n)
    }

    #[cfg_attr(all(), cancelable(name = "conditional"))]
    async fn conditional() -> Result<(), Cancelled> {
        pending::<()>().await;
        Ok(())
    }

    #[test]
    fn stay_where_they_are() {
        assert_eq!(attributes(3), Some(3));
        assert_eq!(cancelled_inside(conditional()).scope_path().to_string(), "conditional");
    }
}
