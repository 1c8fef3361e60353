//! The crate `indicatif`: progress bars of scopes. Feature `indicatif`.
//!
//! A bar is a [`Progress`], which goes to a scope as any other does. What [`progress`](crate::progress()) and
//! [`progress_message`](crate::progress_message()) say in the scope moves it, and how the scope ends is told apart: a bar that has finished is
//! full, and one that was cancelled, or has failed, stays where it is, and says so.
//!
//! ```
//! use cancelable::{Cancelled, Scope, cancelable, progress};
//!
//! #[cancelable]
//! fn copy(blocks: u64) -> Result<(), Cancelled> {
//!     for block in 0..blocks {
//!         progress(block, blocks);
//!         // …
//!     }
//!     Ok(())
//! }
//!
//! Scope::new().progress(cancelable::indicatif::bar("copy")).run_sync(|| copy(100)).unwrap();
//! ```
//!
//! Nothing is drawn where standard error is no terminal: see [`Progress::on_change`] for what to do there.

use std::sync::Mutex;

use ::indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::primitive::lock;
use crate::scope::{Progress, ProgressInfo, ProgressState};

/// A bar on standard error, with this name in front.
///
/// It has the part that is done and the message; or, while the total is not known, what is done. At the end it is green, and full, or yellow if
/// the scope was cancelled, or red if it failed, and says so.
#[must_use = "it goes to a scope: `Scope::new().progress(…)`"]
pub fn bar(name: impl Into<String>) -> Progress {
    styled(ProgressBar::no_length(), name)
}

/// The same, as one of several bars.
///
/// ```
/// use cancelable::{Scope, indicatif::bar_in, progress, thread};
/// use indicatif::MultiProgress;
///
/// let bars = MultiProgress::new();
/// let shards = ["shard 1", "shard 2"].map(|name| {
///     let shard = Scope::new().progress(bar_in(&bars, name));
///     thread::spawn(move || shard.run_sync(|| {
///         (0..=100).for_each(|n| progress(n, 100));
///         Some(())
///     }))
/// });
/// for shard in shards {
///     assert!(shard.join().unwrap().is_some());
/// }
/// ```
#[must_use = "it goes to a scope: `Scope::new().progress(…)`"]
pub fn bar_in(bars: &MultiProgress, name: impl Into<String>) -> Progress {
    styled(bars.add(ProgressBar::no_length()), name)
}

/// Drives a bar of your own style: its length, its position and its message, and how it ends.
///
/// The length is the total of the scope, and the position what is done. If part of that is done by scopes below, which may be parts of a unit,
/// it is of a thousand steps. At the end the message says how the scope ended, as `cancelled at 3 of 10 (30%)`; a bar of one that has finished is
/// full.
#[must_use = "it goes to a scope: `Scope::new().progress(…)`"]
pub fn drive(bar: ProgressBar) -> Progress {
    Progress::new().on_change(move |info| show(&bar, info))
}

fn styled(bar: ProgressBar, name: impl Into<String>) -> Progress {
    let bar = bar.with_prefix(name.into());
    let worn = Mutex::new("");
    Progress::new().on_change(move |info| {
        let template = template(info);
        if std::mem::replace(&mut *lock(&worn), template) != template {
            let style = ProgressStyle::with_template(template).expect("it is one of ours");
            bar.set_style(style.progress_chars("=> "));
        }
        show(&bar, info);
    })
}

fn template(info: &ProgressInfo) -> &'static str {
    match (info.state(), info.total()) {
        (ProgressState::Finished, _) => "{prefix} [{bar:30.green}] {wide_msg}",
        (ProgressState::Stopped, _) => "{prefix} [{bar:30.yellow}] {wide_msg}",
        (ProgressState::Failed, _) => "{prefix} [{bar:30.red}] {wide_msg}",
        (_, None) => "{prefix} {spinner} {human_pos} {wide_msg}",
        (_, Some(_)) => "{prefix} [{bar:30}] {percent:>3}% {wide_msg}",
    }
}

/// Of how many steps a bar is whose scope counts in parts of units.
const STEPS: f64 = 1000.0;

fn show(bar: &ProgressBar, info: &ProgressInfo) {
    if bar.is_finished() && !info.state().is_over() {
        // The handle is in use again.
        bar.reset();
    }
    match (info.total(), info.fraction()) {
        (Some(_), Some(fraction)) if info.is_rolled_up() => {
            bar.set_length(STEPS as u64);
            bar.set_position((fraction * STEPS) as u64);
        }
        (Some(total), _) => {
            bar.set_length(total);
            bar.set_position(info.done().min(total));
        }
        (None, _) => {
            bar.unset_length();
            bar.set_position(info.done());
        }
    }
    match info.state() {
        ProgressState::Finished => bar.finish_with_message(info.to_string()),
        state if state.is_over() => bar.abandon_with_message(info.to_string()),
        _ => {
            if let Some(message) = info.message() {
                bar.set_message(message.to_owned());
            }
        }
    }
}
