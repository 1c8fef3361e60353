//! Progress that is read: handles, weights, rates, how a scope ended. (`idle.rs` has what idle timeouts make of it.)

use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, Mutex};
use std::task::Poll;
use std::time::Duration;

use cancelable::testing::{Clock, CountingWaker};
use cancelable::{
    CancellationToken, Cancelled, FromCancelled, Progress, ProgressInfo, ProgressState, Scope, cancel_scope,
    cancelable, check, guard, progress, progress_message, race, shield_sync, sleep, thread,
};
use tests::{on_every_runtime, paused_tokio, poll_once, poll_with};

type Outcome<T = ()> = Result<T, Cancelled>;

const SECOND: Duration = Duration::from_secs(1);

/// Pending once.
async fn turn() {
    let mut is_first = true;
    poll_fn(|cx| {
        if std::mem::take(&mut is_first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// Nothing else.
fn done() -> Outcome {
    Ok(())
}

fn fraction(handle: &Progress) -> f64 {
    handle.get().fraction().expect("a total")
}

// What a handle tells.

#[test]
fn a_handle_tells_how_far_a_scope_has_got_on_every_runtime() {
    on_every_runtime(|| async {
        let handle = Progress::new();
        assert_eq!(handle.get().state(), ProgressState::Waiting);
        let outcome: Outcome = Scope::new()
            .progress(&handle)
            .run(async {
                assert_eq!(handle.get().state(), ProgressState::Running);
                assert_eq!((handle.get().done(), handle.get().total()), (0, None));
                progress(3, 12);
                sleep(Duration::from_millis(1)).await?;
                let info = handle.get();
                assert_eq!((info.done(), info.total(), info.fraction()), (3, Some(12), Some(0.25)));
                progress(4, None);
                progress_message(format_args!("block {}", 4));
                let info = handle.get();
                assert_eq!((info.done(), info.total(), info.fraction()), (4, None, None));
                assert_eq!(info.message(), Some("block 4"));
                Ok(())
            })
            .await;
        outcome.unwrap();
        let info = handle.get();
        assert_eq!(
            (info.state(), info.done(), info.fraction()),
            (ProgressState::Finished, 4, Some(1.0))
        );
        assert!(info.elapsed() >= Duration::from_millis(1));
    });
}

#[test]
fn it_is_read_on_other_threads_while_the_scope_runs() {
    let (handle, [reported, read]) = (Progress::new(), [2; 2].map(|n| Arc::new(Barrier::new(n))));
    let reader = {
        let (handle, reported, read) = (handle.clone(), Arc::clone(&reported), Arc::clone(&read));
        std::thread::spawn(move || {
            reported.wait();
            let info = handle.get();
            read.wait();
            info
        })
    };
    let outcome: Outcome = Scope::new().progress(&handle).run_sync(|| {
        progress(1, 2);
        reported.wait();
        read.wait();
        progress(2, 2);
        Ok(())
    });
    outcome.unwrap();
    assert_eq!(reader.join().unwrap().fraction(), Some(0.5));
}

#[test]
fn tasks_and_threads_below_and_code_behind_a_shield_are_heard() {
    paused_tokio().block_on(async {
        let handle = Progress::new();
        let outcome: Outcome = cancel_scope!(progress = &handle, async {
            cancelable::tokio::spawn(async { progress(1, 4) }).await.unwrap();
            assert_eq!(fraction(&handle), 0.25);
            cancelable::tokio::spawn_blocking(|| progress(2, 4)).await.unwrap();
            assert_eq!(fraction(&handle), 0.5);
            thread::spawn(|| progress(3, 4)).join().unwrap();
            assert_eq!(fraction(&handle), 0.75);
            shield_sync(|| {
                Scope::new().run_sync(|| {
                    progress(4, 5);
                    done()
                })
            })?;
            assert_eq!(fraction(&handle), 0.8);
            // In here it is somebody else's.
            Scope::new().detached().run_sync(|| {
                progress(5, 5);
                done()
            })?;
            assert_eq!(fraction(&handle), 0.8);
            Ok(())
        })
        .await;
        outcome.unwrap();
    });
}

#[test]
fn its_text_is_one_line() {
    let handle = Progress::new();
    let text = || handle.get().to_string();
    assert_eq!(text(), "not begun");
    let clock = Clock::new();
    let outcome: Outcome = clock.sync_scope(|| {
        Scope::new().progress(&handle).run_sync(|| {
            assert_eq!(text(), "running");
            progress_message("opening\nit");
            assert_eq!(text(), "running: opening\u{fffd}it");
            progress(7, None);
            progress_message("reading");
            assert_eq!(text(), "7: reading");
            progress(0, 3);
            clock.advance(SECOND * 10);
            progress(1, 3);
            assert_eq!(text(), "1 of 3 (33%), 20s left: reading");
            clock.advance(SECOND * 3600);
            progress(2, 3);
            check()
        })
    });
    outcome.unwrap();
    assert_eq!(text(), "finished in 1h00m");
}

// How it ended.

#[test]
fn how_a_scope_ended_is_told_apart_on_every_runtime() {
    on_every_runtime(|| async {
        let end = |limit: Option<Duration>, value: fn() -> Option<u8>| async move {
            let handle = Progress::new();
            let scope = Scope::new().timeout(limit).progress(&handle);
            let _ = scope
                .run(async move {
                    if limit.is_some() {
                        let _ = guard(pending::<()>()).await;
                    }
                    value()
                })
                .await;
            handle.get().state()
        };
        let limit = Some(Duration::from_millis(2));
        assert_eq!(end(None, || Some(3)).await, ProgressState::Finished);
        assert_eq!(end(None, || None).await, ProgressState::Failed);
        assert_eq!(end(limit, || None).await, ProgressState::Stopped);
        assert_eq!(
            end(limit, || Some(3)).await,
            ProgressState::Finished,
            "it returned a value all the same"
        );
        assert_eq!(
            end(Some(Duration::ZERO), || Some(3)).await,
            ProgressState::Stopped,
            "it did not begin"
        );
        let handle = Progress::new();
        let outcome: Option<()> = Scope::new().timeout(limit).progress(&handle).run(pending()).await;
        assert_eq!((outcome, handle.get().state()), (None, ProgressState::Stopped));
    });
}

#[test]
fn the_same_of_closures_and_of_the_macros() {
    fn state(run: impl FnOnce(&Progress)) -> ProgressState {
        let handle = Progress::new();
        run(&handle);
        handle.get().state()
    }

    #[cancelable(progress = handle)]
    fn sync(handle: &Progress, outcome: Result<u8, std::fmt::Error>) -> anyhow::Result<u8> {
        Ok(outcome?)
    }

    #[cancelable(progress = handle)]
    async fn asynchronous(handle: &Progress, outcome: Result<u8, std::fmt::Error>) -> anyhow::Result<u8> {
        Ok(ready(outcome).await?)
    }

    #[cancelable(progress = handle, timeout = limit, or = 0)]
    async fn with_or(handle: &Progress, limit: Option<Duration>) -> u8 {
        sleep(limit.map_or(Duration::ZERO, |_| Duration::MAX)).await.ok();
        ready(1).await
    }

    let failed = Err(std::fmt::Error);
    assert_eq!(
        state(|handle| assert!(sync(handle, Ok(1)).is_ok())),
        ProgressState::Finished
    );
    assert_eq!(
        state(|handle| assert!(sync(handle, failed).is_err())),
        ProgressState::Failed
    );
    let ends = |outcome| state(|handle| drop(futures::executor::block_on(asynchronous(handle, outcome))));
    assert_eq!(
        (ends(Ok(1)), ends(failed)),
        (ProgressState::Finished, ProgressState::Failed)
    );
    let ends = |limit| {
        state(|handle| {
            futures::executor::block_on(with_or(handle, limit));
        })
    };
    let short = Some(Duration::from_millis(2));
    assert_eq!(
        (ends(None), ends(short)),
        (ProgressState::Finished, ProgressState::Stopped)
    );
    let scope = |outcome: Outcome| state(|handle| drop(cancel_scope!(progress = handle, { outcome })));
    assert_eq!(scope(Ok(())), ProgressState::Finished);
    assert_eq!(scope(CancellationToken::never().check()), ProgressState::Finished);
    let other = || CancellationToken::any([]).check().and(Err(cancelled()));
    assert_eq!(scope(other()), ProgressState::Failed, "the cancel of something else");
    let partial = state(|handle| {
        let outcome = cancel_scope!(progress = handle, partial = 1, |_| -> Outcome { Err(cancelled()) });
        assert_eq!(outcome.unwrap_err().partial, 1);
    });
    assert_eq!(partial, ProgressState::Failed);
    let partial = state(|handle| {
        let partial = cancel_scope!(progress = handle, partial = 1, async |_| -> Outcome {
            Err(cancelled())
        });
        assert!(futures::executor::block_on(partial).is_err());
    });
    assert_eq!(partial, ProgressState::Failed);
}

fn cancelled() -> Cancelled {
    let token = CancellationToken::new();
    token.cancel();
    token.check().unwrap_err()
}

#[test]
fn a_type_of_ones_own_can_tell_and_one_that_cannot_has_finished() {
    struct Quiet;
    impl FromCancelled for Quiet {
        fn from_cancelled(_: Cancelled) -> Self {
            Self
        }
    }
    struct Telling(bool);
    impl FromCancelled for Telling {
        fn from_cancelled(_: Cancelled) -> Self {
            Self(true)
        }
        fn is_failure(&self) -> bool {
            self.0
        }
    }
    let handle = Progress::new();
    let Quiet = Scope::new().progress(&handle).run_sync(|| Quiet);
    assert_eq!(handle.get().state(), ProgressState::Finished);
    let Telling(_) = Scope::new().progress(&handle).run_sync(|| Telling(true));
    assert_eq!(handle.get().state(), ProgressState::Failed);
    let Telling(_) = Scope::new()
        .timeout(Duration::ZERO)
        .progress(&handle)
        .run_sync(|| Telling(false));
    assert_eq!(handle.get().state(), ProgressState::Stopped);
    // Of what runs anyway the value may be anything.
    Scope::new().progress(&handle).run_anyway_sync(|| ());
    assert_eq!(handle.get().state(), ProgressState::Finished);
    Scope::new()
        .timeout(Duration::ZERO)
        .progress(&handle)
        .run_anyway_sync(|| ());
    assert_eq!(handle.get().state(), ProgressState::Stopped);
}

#[test]
fn l16_a_scope_that_is_dropped_was_cancelled_and_l21_one_that_panics_has_failed() {
    let handle = Progress::new();
    let mut scope = Box::pin(Scope::new().progress(&handle).run(async {
        progress(1, 2);
        pending::<Outcome>().await
    }));
    assert!(poll_once(&mut scope).is_pending());
    drop(scope);
    assert_eq!((handle.get().state(), fraction(&handle)), (ProgressState::Stopped, 0.5));
    drop(Scope::new().progress(&handle).run(async { done() }));
    assert_eq!(handle.get().state(), ProgressState::Stopped, "it never began");
    let panics = catch_unwind(AssertUnwindSafe(|| {
        Scope::new()
            .progress(&handle)
            .run_sync(|| -> Outcome { panic!("on purpose") })
    }));
    assert!(panics.is_err());
    assert_eq!(handle.get().state(), ProgressState::Failed);
    let mut scope = Box::pin(Scope::new().progress(&handle).run(async {
        assert!(check().is_err(), "on purpose");
        done()
    }));
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(&mut scope))).is_err());
    assert_eq!(handle.get().state(), ProgressState::Running);
    drop(scope);
    assert_eq!(handle.get().state(), ProgressState::Failed);
}

#[test]
fn a_handle_that_is_used_again_begins_anew_and_hears_nothing_of_before() {
    let handle = Progress::new();
    let straggler: Outcome<_> = Scope::new().progress(&handle).run_sync(|| {
        progress(3, 4);
        progress_message("the first time");
        let inner = Box::pin(Scope::new().weight(1).run(async {
            progress(1, 2);
            pending::<Outcome>().await
        }));
        let mut inner = inner;
        assert!(poll_once(&mut inner).is_pending());
        Ok(inner)
    });
    let outcome: Outcome = Scope::new().progress(&handle).run_sync(|| {
        let info = handle.get();
        assert_eq!((info.done(), info.total(), info.message()), (0, None, None));
        progress(1, 4);
        drop(straggler);
        assert_eq!(fraction(&handle), 0.25);
        Ok(())
    });
    outcome.unwrap();
}

// Weights.

#[test]
fn scopes_below_are_parts_of_a_total_that_was_said_before() {
    let handle = Progress::new();
    let outcome: Outcome = Scope::new().progress(&handle).run_sync(|| {
        progress(0, 10);
        Scope::new().weight(1).run_sync(done)?;
        assert_eq!((handle.get().done(), fraction(&handle)), (1, 0.1));
        Scope::new().weight(8).run_sync(|| {
            assert_eq!(fraction(&handle), 0.1);
            progress(50, 200);
            assert_eq!((handle.get().done(), fraction(&handle)), (3, 0.3));
            progress(25, 200);
            assert_eq!((handle.get().done(), fraction(&handle)), (2, 0.2), "it may go back");
            progress(300, 200);
            assert_eq!(fraction(&handle), 0.9, "there is no more than all");
            done()
        })?;
        assert_eq!((handle.get().done(), fraction(&handle)), (9, 0.9));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn without_a_total_it_is_the_weights_that_have_begun() {
    let handle = Progress::new();
    let outcome: Outcome = Scope::new().progress(&handle).run_sync(|| {
        let part = |weight| {
            Box::pin(Scope::new().weight(weight).run(async {
                progress(1, 2);
                pending::<Outcome>().await
            }))
        };
        let (mut one, mut three) = (part(1), part(3));
        assert!(poll_once(&mut one).is_pending());
        assert_eq!((handle.get().total(), fraction(&handle)), (Some(1), 0.5));
        assert!(poll_once(&mut three).is_pending());
        assert_eq!(
            (handle.get().total(), handle.get().done(), fraction(&handle)),
            (Some(4), 2, 0.5)
        );
        drop(one);
        assert_eq!(fraction(&handle), 0.625, "what is over lies behind, however it ended");
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_loop_may_count_what_has_a_scope_of_its_own() {
    let handle = Progress::new();
    let outcome: Outcome = Scope::new().progress(&handle).run_sync(|| {
        for n in 0..4 {
            progress(n, 4);
            assert_eq!(handle.get().done(), n);
            Scope::new().weight(1).run_sync(|| {
                progress(1, 2);
                assert_eq!(fraction(&handle), (n as f64 + 0.5) / 4.0);
                done()
            })?;
            assert_eq!(handle.get().done(), n + 1);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn it_goes_up_through_all_that_have_a_weight_or_a_handle_and_through_those_that_have_none() {
    let [outer, inner] = [(); 2].map(|()| Progress::new());
    let outcome: Outcome = Scope::new().progress(&outer).run_sync(|| {
        progress(0, 2);
        Scope::new().run_sync(|| {
            // No part of its own.
            progress(1, 2);
            assert_eq!(fraction(&outer), 0.5);
            progress(0, 2);
            Scope::new().weight(2).run_sync(|| {
                progress(0, 4);
                // Of weight 1, as it says nothing.
                Scope::new().progress(&inner).run_sync(|| {
                    progress(1, 2);
                    progress_message("deep inside");
                    assert_eq!((fraction(&inner), fraction(&outer)), (0.5, 0.125));
                    assert_eq!(outer.get().message(), Some("deep inside"));
                    done()
                })?;
                assert_eq!(fraction(&outer), 0.25);
                // Which is nothing.
                Scope::new().weight(0).run_sync(|| {
                    progress(1, 1);
                    assert_eq!(fraction(&outer), 0.25);
                    done()
                })
            })
        })
    });
    outcome.unwrap();
}

#[test]
fn parts_may_be_tasks_and_threads_and_branches() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let handle = Progress::new();
    let outcome: Outcome = runtime.block_on(cancel_scope!(progress = &handle, async {
        progress(0, 1000);
        let mut tasks = Vec::new();
        for _ in 0..8 {
            tasks.push(cancelable::tokio::spawn(async {
                for _ in 0..100 {
                    let part: Outcome = cancel_scope!(weight = 1, async {
                        for n in 0..=7 {
                            progress(n, 7);
                            tokio::task::yield_now().await;
                        }
                        Ok(())
                    })
                    .await;
                    part.unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        // To the last bit.
        assert_eq!((handle.get().done(), fraction(&handle)), (800, 0.8));
        thread::spawn(|| Scope::new().weight(100).run_sync(done))
            .join()
            .unwrap()?;
        let branch = || cancel_scope!(weight = 50, async { ready(done()).await });
        race!(branch(), branch()).await?;
        assert!(handle.get().done() >= 950);
        Ok(())
    }));
    outcome.unwrap();
}

#[test]
fn a_weight_of_a_scope_that_nobody_follows_does_nothing_and_parents_that_are_given_count() {
    let alone: Outcome = Scope::new().weight(3).run_sync(|| {
        progress(1, 2);
        check()
    });
    alone.unwrap();
    let (handle, other) = (Progress::new(), Progress::new());
    let outcome: Outcome = Scope::new().progress(&handle).run_sync_with(|token| {
        progress(0, 2);
        let elsewhere = Scope::new().progress(&other).run_sync(|| {
            Scope::new().parent(token).weight(1).run_sync(|| {
                progress(1, 2);
                done()
            })?;
            Scope::new().detached().weight(1).run_sync(done)
        });
        elsewhere?;
        assert_eq!(handle.get().done(), 2, "the part, and the other handle's scope");
        assert_eq!(other.get().done(), 0);
        Ok(())
    });
    outcome.unwrap();
    // A scope in one that has the same handle is that one again, and no part of itself.
    let twice: Outcome = Scope::new()
        .progress(&handle)
        .run_sync(|| Scope::new().progress(&handle).run_sync(done));
    twice.unwrap();
    assert!(handle.get().state().is_over());
}

// Rate and ETA.

#[test]
fn rate_and_eta_go_by_the_clock_in_force_whoever_reads() {
    let (clock, handle) = (Clock::new(), Progress::new());
    let read = |handle: &Progress| {
        let handle = handle.clone();
        std::thread::spawn(move || handle.get()).join().unwrap()
    };
    let outcome: Outcome = clock.sync_scope(|| {
        Scope::new().progress(&handle).run_sync(|| {
            progress(0, 100);
            assert_eq!((read(&handle).rate(), read(&handle).eta()), (None, None));
            for n in 1..=20 {
                clock.advance(SECOND);
                progress(n * 2, 100);
            }
            let info = read(&handle);
            assert!((info.rate().unwrap() - 2.0).abs() < 1e-6, "{info:?}");
            assert!((info.eta().unwrap().as_secs_f64() - 30.0).abs() < 1e-3, "{info:?}");
            assert_eq!(info.elapsed(), SECOND * 20);
            // It stalls: slower and slower, and never less than nothing.
            clock.advance(SECOND * 60);
            let stalled = read(&handle);
            assert!(
                stalled.rate().unwrap() < 0.1 && stalled.rate().unwrap() >= 0.0,
                "{stalled:?}"
            );
            assert!(stalled.eta() > info.eta());
            // For so long that no duration would hold it.
            clock.advance(SECOND * 1_000_000);
            assert_eq!(read(&handle).eta(), None);
            // All of it, and more.
            progress(150, 100);
            assert_eq!(
                (read(&handle).eta(), read(&handle).fraction()),
                (Some(Duration::ZERO), Some(1.0))
            );
            progress(1, None);
            assert_eq!(read(&handle).eta(), None);
            progress(0, 0);
            assert_eq!((read(&handle).fraction(), read(&handle).total()), (Some(1.0), Some(0)));
            progress(u64::MAX, u64::MAX);
            assert_eq!(read(&handle).fraction(), Some(1.0));
            progress(u64::MAX, 1);
            Scope::new().weight(u64::MAX).run_sync(done)?;
            Scope::new().weight(u64::MAX).run_sync(done)?;
            assert_eq!((read(&handle).done(), read(&handle).fraction()), (u64::MAX, Some(1.0)));
            Ok(())
        })
    });
    outcome.unwrap();
    assert_eq!((handle.get().rate(), handle.get().eta()), (None, None));
}

#[test]
fn a_scope_whose_parts_move_has_their_rate() {
    let (clock, handle) = (Clock::new(), Progress::new());
    let outcome: Outcome = clock.sync_scope(|| {
        Scope::new().progress(&handle).run_sync(|| {
            progress(0, 4);
            Scope::new().weight(4).run_sync(|| {
                for n in 1..=10 {
                    clock.advance(SECOND);
                    progress(n, 40);
                }
                let info = handle.get();
                assert!((info.rate().unwrap() - 0.1).abs() < 1e-6, "{info:?}");
                assert!((info.eta().unwrap().as_secs_f64() - 30.0).abs() < 1e-3, "{info:?}");
                done()
            })
        })
    });
    outcome.unwrap();
}

// Those who follow it.

#[test]
fn updates_are_a_stream_of_the_latest_that_ends_with_the_scope() {
    on_every_runtime(|| async {
        let handle = Progress::new();
        let mut updates = handle.updates();
        assert_eq!(updates.next().await.unwrap().state(), ProgressState::Waiting);
        let follow = async {
            let mut seen = Vec::new();
            while let Some(info) = updates.next().await {
                seen.push((info.state(), info.done()));
            }
            seen
        };
        let scope = Scope::new().progress(&handle).run(async {
            for n in 1..=3 {
                progress(n, 3);
                turn().await;
            }
            done()
        });
        let (seen, outcome) = futures::join!(follow, scope);
        outcome.unwrap();
        use ProgressState::{Finished, Running};
        assert_eq!(seen, [(Running, 1), (Running, 2), (Running, 3), (Finished, 3)]);
        assert!(updates.next().await.is_none());
        assert_eq!(
            futures::StreamExt::collect::<Vec<_>>(handle.updates()).await.len(),
            1,
            "the end"
        );
    });
}

#[test]
fn one_who_waits_is_woken_once_for_each_change_and_not_when_gone() {
    let handle = Progress::new();
    let outcome: Outcome = Scope::new().progress(&handle).run_sync(|| {
        let [(one, first), (two, second)] = [CountingWaker::new(), CountingWaker::new()];
        let (mut updates, mut other) = (handle.updates(), handle.updates());
        assert!(poll_with(&mut Box::pin(updates.next()), &first).is_ready());
        assert!(poll_with(&mut Box::pin(updates.next()), &first).is_pending());
        assert!(poll_with(&mut Box::pin(updates.next()), &second).is_pending());
        assert!(poll_with(&mut Box::pin(other.next()), &first).is_ready());
        assert!(poll_with(&mut Box::pin(other.next()), &first).is_pending());
        drop(other);
        progress(1, 2);
        progress(2, 2);
        assert_eq!((one.count(), two.count()), (0, 1));
        let Poll::Ready(Some(info)) = poll_with(&mut Box::pin(updates.next()), &second) else {
            panic!()
        };
        assert_eq!(info.done(), 2, "what was in between is missed");
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_plain_thread_follows_by_block_on() {
    let handle = Progress::new();
    let mut updates = handle.updates();
    let follower = std::thread::spawn(move || {
        let mut last = None;
        while let Some(info) = thread::block_on(updates.next()).unwrap() {
            last = Some(info.to_string());
        }
        last.unwrap()
    });
    let outcome: Option<()> = Scope::new().progress(&handle).run_sync(|| {
        (0..=1000).for_each(|n| progress(n, 2000));
        None
    });
    assert!(outcome.is_none());
    assert_eq!(follower.join().unwrap(), "failed at 1000 of 2000 (50%)");
}

#[test]
fn hooks_see_changes_in_their_order_and_the_end() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let hook = move |info: &ProgressInfo| log.lock().unwrap().push((info.state(), info.done()));
    let handle = Progress::new().on_change(hook);
    let outcome: Outcome = Scope::new().progress(&handle).run_sync(|| {
        progress(0, 8);
        progress(1, 8);
        Scope::new().weight(4).run_sync(|| {
            progress(1, 2);
            done()
        })
    });
    outcome.unwrap();
    use ProgressState::{Finished, Running};
    let seen = seen.lock().unwrap();
    assert_eq!(
        *seen,
        [
            (Running, 0),
            (Running, 0),
            (Running, 1),
            (Running, 1),
            (Running, 3),
            (Running, 5),
            (Finished, 5)
        ]
    );
}

#[test]
fn hooks_of_many_threads_never_go_back_and_end_with_the_last() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let handle = Progress::new().on_change(move |info| log.lock().unwrap().push(info.done()));
    let outcome: Outcome = Scope::new().progress(&handle).run_sync(|| {
        progress(0, 4000);
        let work = || (0..1000).try_for_each(|_| Scope::new().weight(1).run_sync(done));
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap())
    });
    outcome.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last(), Some(&4000));
}

#[test]
fn a_hook_that_panics_does_so_in_the_code_that_reports_and_is_called_again() {
    let calls = Arc::new(Mutex::new(0));
    let count = Arc::clone(&calls);
    let handle = Progress::new().on_change(move |info| {
        *count.lock().unwrap() += 1;
        assert!(info.done() != 3, "on purpose");
    });
    let outcome: Outcome = Scope::new().progress(&handle).run_sync(|| {
        assert!(catch_unwind(|| progress(3, 4)).is_err());
        progress(4, 4);
        Ok(())
    });
    outcome.unwrap();
    assert_eq!(*calls.lock().unwrap(), 4);
    // While another panic passes, it is left alone.
    let panics = catch_unwind(AssertUnwindSafe(|| {
        Scope::new().progress(&handle).run_sync(|| -> Outcome {
            let _ = catch_unwind(|| progress(3, 4));
            panic!("the first")
        })
    }));
    assert_eq!(panics.unwrap_err().downcast_ref(), Some(&"the first"));
    assert_eq!(handle.get().state(), ProgressState::Failed);
}

// What is left.

#[test]
fn l17_nothing_is_left_of_a_scope_that_was_followed() {
    let held = Arc::new(());
    let hook = Arc::clone(&held);
    let handle = Progress::new().on_change(move |_| {
        let _ = &hook;
    });
    let outcome: Outcome<CancellationToken> = Scope::new().progress(&handle).run_sync(|| Ok(cancelable::current()));
    drop(handle);
    assert_eq!(Arc::strong_count(&held), 1, "whoever has its token keeps none of it");
    drop(outcome);
    let parent = CancellationToken::new();
    let handle = Progress::new();
    for _ in 0..100 {
        let outcome: Outcome = Scope::new().parent(&parent).progress(&handle).run_sync(done);
        outcome.unwrap();
    }
    assert_eq!(tests::children(&parent), "0");
}

#[test]
fn two_thousand_handles_deep_it_goes_up_on_a_small_stack() {
    let deep = || {
        let handles: Vec<Progress> = (0..2_000).map(|_| Progress::new()).collect();
        let mut token = CancellationToken::new();
        let mut scopes = Vec::new();
        for handle in &handles {
            let (given, taken) = std::sync::mpsc::channel();
            let scope = Scope::new().parent(&token).progress(handle);
            let mut scope = Box::pin(scope.run_with(move |token| {
                given.send(token).unwrap();
                pending::<Outcome>()
            }));
            assert!(poll_once(&mut scope).is_pending());
            token = taken.recv().unwrap();
            scopes.push(scope);
        }
        token.sync_scope(|| progress(1, 2));
        assert_eq!(fraction(&handles[0]), 0.5);
        scopes.drain(..).rev().for_each(drop);
    };
    std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(deep)
        .unwrap()
        .join()
        .unwrap();
}
