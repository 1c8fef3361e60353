//! Names that an annotated function uses, and that are not what they look like: macros of the user's that are called as
//! well-known ones are, and this library's attribute under another name.

use cancelable::{CancellationToken, Cancelled, cancelable};
use futures::executor::block_on;
use std::future::{pending, ready};

fn cancelled_before<F: Future>(future: F) -> F::Output {
    let token = CancellationToken::new();
    token.cancel();
    block_on(token.scope(future))
}

/// Each takes what it says and no more, and says that it was asked.
mod own_macros {
    use super::*;

    macro_rules! assert {
        ($condition:expr) => {
            if $condition { "mine" } else { "not mine" }
        };
    }

    macro_rules! ensure {
        ($condition:expr) => {
            if !$condition {
                return Ok("refused".to_owned());
            }
        };
    }

    macro_rules! dbg {
        ($value:expr) => {
            ("mine", $value)
        };
    }

    /// Puts paths together.
    macro_rules! join {
        ($first:expr, $second:literal) => {
            format!("{}/{}", &$first, $second)
        };
        ($first:expr, $second:expr) => {
            format!("{} and {}", &$first, &$second)
        };
    }

    /// Gives what it finds in either.
    macro_rules! try_join {
        ($first:expr, $second:expr) => {
            if let (Ok(first), Ok(second)) = (&$first, &$second) {
                first + second
            } else {
                0
            }
        };
    }

    #[cancelable]
    async fn asserts(n: u32) -> Result<&'static str, Cancelled> {
        Ok(assert!(ready(n).await == 1))
    }

    #[cancelable]
    async fn ensures(n: u32) -> Result<String, Cancelled> {
        ensure!(ready(n).await == 1);
        Ok("passed".to_owned())
    }

    #[cancelable]
    async fn shows(n: u32) -> Result<(&'static str, u32), Cancelled> {
        Ok(dbg!(ready(n).await))
    }

    #[cancelable]
    async fn joins(base: String) -> Result<String, Cancelled> {
        let path = join!(base, "end");
        let both = join!(base, path);
        // Both are still there.
        Ok(join!(ready(format!("{base}, {path}, {both}")).await, "end"))
    }

    #[cancelable]
    async fn joins_what_may_fail(n: Option<u32>, name: String) -> Option<String> {
        let joined = join!(name, n?);
        Some(format!("{name}: {joined}"))
    }

    #[cancelable]
    async fn tries(first: Result<u32, u32>, second: Result<u32, u32>) -> Result<u32, Cancelled> {
        Ok(try_join!(first, second) + try_join!(second, ready(first).await))
    }

    #[test]
    fn are_the_users() {
        assert_eq!(block_on(asserts(1)).unwrap(), "mine");
        assert_eq!(block_on(ensures(1)).unwrap(), "passed");
        assert_eq!(block_on(ensures(2)).unwrap(), "refused");
        assert_eq!(block_on(shows(1)).unwrap(), ("mine", 1));
        assert_eq!(
            block_on(joins("base".to_owned())).unwrap(),
            "base, base/end, base and base/end/end"
        );
        assert_eq!(
            block_on(joins_what_may_fail(Some(1), "name".to_owned())).unwrap(),
            "name: name and 1"
        );
        assert_eq!(block_on(joins_what_may_fail(None, "name".to_owned())), None);
        assert_eq!(block_on(tries(Ok(1), Ok(2))).unwrap(), 6);
    }

    #[test]
    fn are_looked_into_all_the_same() {
        assert_eq!(assert!(cancelled_before(asserts(1)).is_err()), "mine");

        #[cancelable]
        async fn asks(token: &CancellationToken) -> Result<(), Cancelled> {
            token.cancel();
            let (_, ()) = dbg!(ready(()).await);
            panic!("went past the check point");
        }
        let token = CancellationToken::new();
        assert_eq!(assert!(block_on(token.scope(asks(&token))).is_err()), "mine");
    }
}

/// The text that a macro shows is the user's, with the library's name round it.
mod shown {
    use super::*;

    #[cancelable]
    async fn fails() -> Result<(), Cancelled> {
        assert!(ready(1).await == 2);
        Ok(())
    }

    #[test]
    fn a_failed_assertion_shows_the_condition_as_written() {
        let panic = std::panic::catch_unwind(|| block_on(fails())).unwrap_err();
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        assert_eq!(
            text.as_deref(),
            Some("assertion failed: cancelable!(ready(1).await == 2)")
        );
    }

    #[cancelable]
    async fn temporaries() -> Result<usize, Cancelled> {
        #[allow(clippy::dbg_macro, reason = "that is the test")]
        let length = dbg!(&ready(vec![1, 2]).await).len();
        Ok(length)
    }

    #[test]
    fn a_shown_temporary_lives_to_the_end_of_its_statement() {
        assert_eq!(block_on(temporaries()).unwrap(), 2);
    }
}

/// `join!` and its like are awaits.
mod joined {
    use super::*;

    #[cancelable]
    async fn waits() -> Result<(), Cancelled> {
        use futures::join;
        join!(pending::<()>(), pending::<()>());
        Ok(())
    }

    #[test]
    fn an_imported_one_is_a_check_point() {
        let waiting = cancelable::Scope::new()
            .timeout(std::time::Duration::from_millis(1))
            .run(waits());
        assert!(block_on(waiting).unwrap_err().is_timeout());
    }
}

/// The attribute under another name; what it says inside is understood there too.
mod renamed {
    use super::*;
    use ::cancelable::cancelable as stoppable;
    use std::future::poll_fn;
    use std::task::Poll;

    #[stoppable(or = 0)]
    fn skips(n: u32) -> u32 {
        cancelable::current().cancel();
        let mut turns = 0;
        #[stoppable(skip)]
        for _ in 0..n {
            turns += 1;
        }
        turns
    }

    #[stoppable(or = 0)]
    fn breaks(n: u32) -> u32 {
        let mut turns = 0;
        #[stoppable(break)]
        for _ in 0..n {
            turns += 1;
            cancelable::current().cancel();
        }
        turns
    }

    #[stoppable]
    async fn finishes() -> Result<u32, Cancelled> {
        let mut asked = 0;
        let twice = poll_fn(|cx| {
            asked += 1;
            cancelable::current().cancel();
            cx.waker().wake_by_ref();
            if asked == 2 { Poll::Ready(7) } else { Poll::Pending }
        });
        #[stoppable(finish)]
        let seven = twice.await;
        Ok(seven)
    }

    struct Job;

    #[stoppable]
    impl Job {
        fn annotated(&self) -> Option<u32> {
            #[stoppable(skip)]
            for _ in 0..3 {}
            Some(1)
        }
    }

    #[test]
    fn helpers_are_understood() {
        let token = CancellationToken::new();
        assert_eq!(token.child_token().sync_scope(|| skips(3)), 3);
        assert_eq!(token.child_token().sync_scope(|| breaks(3)), 1);
        assert_eq!(block_on(token.child_token().scope(finishes())).unwrap(), 7);
        assert_eq!(Job.annotated(), Some(1));
        token.cancel();
        assert_eq!(token.sync_scope(|| Job.annotated()), None);
    }
}
