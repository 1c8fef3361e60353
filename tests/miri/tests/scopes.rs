//! Scopes, shields, guards and branches: cancelled at every poll, dropped at every poll, under their own waker and others.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, Scope, check, current, guard, race, shield, try_join,
};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use miri_tests::{Count, Pends, poll, poll_shared, sized};

type Program = Pin<Box<dyn Future<Output = Result<(), Cancelled>>>>;

async fn step(n: usize) -> Result<(), Cancelled> {
    guard(Pends(n)).await
}

/// Notes on its way out that it has gone, and asks the ambient token, as destructors may.
struct Goes;

impl Drop for Goes {
    fn drop(&mut self) {
        drop(current().child_token());
        let _ = check();
    }
}

fn programs() -> Vec<fn() -> Program> {
    vec![
        || {
            Box::pin(async {
                let _goes = Goes;
                let outcome: Result<(), Cancelled> = Scope::new()
                    .name("outer")
                    .run(async {
                        let _goes = Goes;
                        step(1).await?;
                        let token = current();
                        Scope::new()
                            .run_with(|inner| async move {
                                assert!(!inner.is_cancelled() || token.is_cancelled());
                                step(1).await
                            })
                            .await
                    })
                    .await;
                shield(Pends(1)).await;
                outcome
            })
        },
        || {
            Box::pin(async {
                let mut crowd: FuturesUnordered<_> = (0..3)
                    .map(|n| async move {
                        let result = step(n).await;
                        shield(Pends(1)).await;
                        result
                    })
                    .collect();
                while let Some(result) = guard(crowd.next()).await? {
                    result?;
                }
                Ok(())
            })
        },
        // Two scopes poll one shield by turns.
        || {
            Box::pin(async {
                let shared = Rc::new(RefCell::new(Some(Box::pin(shield(Pends(4))))));
                let mut crowd: FuturesUnordered<_> = (0..2)
                    .map(|n| {
                        let shared = Rc::clone(&shared);
                        Scope::new().run(async move {
                            step(n).await?;
                            guard(poll_fn(|cx| {
                                // Each has its turn.
                                cx.waker().wake_by_ref();
                                poll_shared(&mut shared.borrow_mut(), cx)
                            }))
                            .await
                        })
                    })
                    .collect();
                drop(shared);
                while let Some(result) = guard(crowd.next()).await? {
                    result?;
                }
                Ok(())
            })
        },
        || {
            Box::pin(async {
                race([step(2).boxed_local(), async { shield(step(3)).await }.boxed_local()]).await?;
                try_join((step(1), Scope::new().run(step(2)))).await?;
                step(1).shielded().await?;
                step(1).in_current_scope().await
            })
        },
    ]
}

/// Boxes, so that two futures have one type.
trait Boxed: Future + Sized + 'static {
    fn boxed_local(self) -> Pin<Box<dyn Future<Output = Self::Output>>> {
        Box::pin(self)
    }
}

impl<F: Future + 'static> Boxed for F {}

/// Polls to the end, cancelling before the poll of this number, if it comes to that; how many polls it took.
fn run(program: fn() -> Program, cancel_at: Option<usize>, drop_at: Option<usize>, change_wakers: bool) -> usize {
    let token = CancellationToken::new();
    let mut scoped = Box::pin(token.scope(program()));
    let wakers = [Waker::from(Count::new()), Waker::from(Count::new())];
    for n in 0.. {
        assert!(n < 1000, "it does not end");
        if cancel_at == Some(n) {
            token.cancel();
        }
        if drop_at == Some(n) {
            drop(scoped);
            token.cancel();
            return n;
        }
        let waker = &wakers[if change_wakers { n % 2 } else { 0 }];
        if let Poll::Ready(result) = poll(scoped.as_mut(), waker) {
            assert!(result.is_ok() || token.is_cancelled());
            return n;
        }
    }
    unreachable!()
}

#[test]
fn l26_cancelled_at_every_poll() {
    for program in programs() {
        for change_wakers in [false, true] {
            let polls = run(program, None, None, change_wakers);
            for n in 0..=polls.min(sized(12, 1000)) {
                run(program, Some(n), None, change_wakers);
            }
        }
    }
}

#[test]
fn l26_dropped_at_every_poll() {
    for program in programs() {
        let polls = run(program, None, None, false);
        for n in 0..=polls.min(sized(12, 1000)) {
            run(program, None, Some(n), false);
            // Cancelled, and dropped one poll later.
            run(program, Some(n), Some(n + 1), true);
        }
    }
}

#[test]
fn sync_scopes_nest_and_unwind() {
    let outcome: Result<u32, Cancelled> = Scope::new().name("outer").run_sync(|| {
        let inner: Result<(), Cancelled> = Scope::new().run_sync_with(|token| {
            token.cancel();
            check()
        });
        assert!(inner.is_err());
        check()?;
        let unwound = std::panic::catch_unwind(|| {
            Scope::new().run_sync(|| -> Result<(), Cancelled> {
                let _goes = Goes;
                panic!("unwinds")
            })
        });
        assert!(unwound.is_err());
        current().cancel();
        check()?;
        Ok(1)
    });
    assert!(outcome.is_err());
    assert!(check().is_ok());
}
