//! Progress bars of scopes, drawn on a terminal in memory.

use std::future::pending;
use std::time::Duration;

use cancelable::indicatif::{bar_in, drive};
use cancelable::{Cancelled, Progress, Scope, cancel_scope, progress, progress_message};
use indicatif::{InMemoryTerm, MultiProgress, ProgressBar, ProgressDrawTarget};
use tests::on_every_runtime;

type Outcome = Result<(), Cancelled>;

fn terminal() -> (InMemoryTerm, MultiProgress) {
    let terminal = InMemoryTerm::new(10, 100);
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
    (terminal, MultiProgress::with_draw_target(target))
}

#[test]
fn how_a_scope_ended_can_be_seen_of_its_bar() {
    let (terminal, bars) = terminal();
    let scope = |name: &str| Scope::new().progress(bar_in(&bars, name));
    let finished: Option<()> = scope("one").run_sync(|| {
        progress(3, 10);
        Some(())
    });
    let failed: Option<()> = scope("two").run_sync(|| {
        progress(5, 10);
        progress_message("block 5");
        None
    });
    let cancelled: Option<()> = scope("three").timeout(Duration::from_millis(2)).run_sync(|| {
        progress(1, 3);
        cancelable::current().wait();
        None
    });
    let unknown: Option<()> = scope("four").run_sync(|| {
        progress(7, None);
        None
    });
    assert_eq!((finished, failed, cancelled, unknown), (Some(()), None, None, None));
    let contents = terminal.contents();
    let lines: Vec<&str> = contents.lines().collect();
    assert_eq!(lines[0], "one [==============================] finished in 1s");
    assert_eq!(
        lines[1],
        "two [===============>              ] failed at 5 of 10 (50%): block 5"
    );
    assert_eq!(
        lines[2],
        "three [==========>                   ] cancelled at 1 of 3 (33%)"
    );
    assert!(
        lines[3].starts_with("four [") && lines[3].ends_with("] failed at 7"),
        "{contents}"
    );
}

#[test]
fn a_bar_follows_its_scope_and_what_is_below_on_every_runtime() {
    on_every_runtime(|| async {
        let (terminal, bars) = terminal();
        let outcome: Outcome = cancel_scope!(progress = bar_in(&bars, "build"), async {
            progress(0, 4);
            let compiled: Outcome = cancel_scope!(weight = 2, async {
                progress_message("lib.rs");
                progress(1, 2);
                Ok(())
            })
            .await;
            compiled
        })
        .await;
        outcome.unwrap();
        assert!(
            terminal.contents().starts_with("build [====="),
            "{}",
            terminal.contents()
        );
        let (terminal, bars) = self::terminal();
        let mut dropped = Box::pin(Scope::new().progress(bar_in(&bars, "fetch")).run(async {
            progress(1, 2);
            pending::<Outcome>().await
        }));
        assert!(tests::poll_once(&mut dropped).is_pending());
        drop(dropped);
        assert!(
            terminal.contents().ends_with("] cancelled at 1 of 2 (50%)"),
            "{}",
            terminal.contents()
        );
    });
}

/// Without a terminal, to look at its numbers.
fn numbers(run: impl FnOnce(Progress) -> Option<()>, seen: &ProgressBar) {
    assert!(run(drive(seen.clone())).is_some());
}

#[test]
fn it_drives_a_bar_of_any_style_and_one_that_is_used_again() {
    let bar = ProgressBar::hidden();
    for _ in 0..2 {
        numbers(
            |handle| {
                Scope::new().progress(handle).run_sync(|| {
                    progress(3, 12);
                    progress_message("three");
                    assert_eq!(
                        (bar.position(), bar.length(), bar.message()),
                        (3, Some(12), "three".into())
                    );
                    progress(13, 12);
                    assert_eq!(bar.position(), 12);
                    progress(4, None);
                    assert_eq!((bar.position(), bar.length()), (4, None));
                    progress(0, 3);
                    // A third of what is a third.
                    Scope::new().weight(1).run_sync(|| {
                        progress(1, 3);
                        assert_eq!((bar.position(), bar.length()), (111, Some(1000)));
                        Some(())
                    })?;
                    assert!(!bar.is_finished());
                    Some(())
                })
            },
            &bar,
        );
        assert!(bar.is_finished());
        assert_eq!(bar.position(), 1000);
    }
}
