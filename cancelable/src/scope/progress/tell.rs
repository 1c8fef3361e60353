//! `progress` and `progress_message`: what code says, to whoever listens.

use std::any::Any;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::listeners::{self, Listener};
use super::node::Node;
use crate::context::{for_each_round, is_observed, say_to_observers, tell_observers};
use crate::scope::idle::Idle;
use crate::token::CancellationToken;

/// Says how far the work has got: `done` of `total`, or of nobody knows how much.
///
/// It is heard by
/// - the [`Progress`](crate::Progress) of the innermost scope round this code that has one, from where it goes on to those outside;
/// - the [idle timeouts](crate::Scope::idle_timeout) of all scopes round this code, which it puts off: those that a cancel would reach it from,
///   be it in a task or on a thread that was started inside, and those outside of a [shield](crate::shield()). What they say when
///   nothing moves any more has the last numbers in it.
///
/// No order is expected: `done` may go back, and `total` may grow.
///
/// Where no scope of the process has either, it costs a load of one word, so a library may call it for whoever wants to know.
/// Elsewhere it looks for listeners at the tokens above, under a lock, and at the clock: some fifty nanoseconds, and a few more for each
/// scope, task or token on the way. That is the way to the nearest scope with a `Progress`; where any scope of the process has an idle
/// timeout, it is that to the outermost.
///
/// It is no check point.
///
/// ```
/// use cancelable::{Cancelled, cancelable, progress};
///
/// #[cancelable(idle_timeout = "30s")]
/// fn index(pages: &[String]) -> Result<usize, Cancelled> {
///     let mut words = 0;
///     for (n, page) in pages.iter().enumerate() {
///         progress(n as u64, pages.len() as u64);
///         words += page.split_whitespace().count();       // whatever takes less than half a minute a page
///     }
///     Ok(words)
/// }
///
/// assert_eq!(index(&["one two".to_string(), "three".to_string()]).unwrap(), 3);
/// progress(7, None);                                      // outside of every scope nobody listens
/// ```
pub fn progress(done: u64, total: impl Into<Option<u64>>) {
    let total = total.into();
    tell_observers(done, total);
    if listeners::are_any() {
        tell(done, total);
    }
}

/// Says what the work is at, to those who hear of its [`progress`]: the name of a file, of a step.
///
/// The text is made only if somebody listens, or, in a scope with a name, where the feature `registry` is on. Idle timeouts are put off.
///
/// ```
/// use cancelable::{Progress, Scope, progress_message};
///
/// let handle = Progress::new();
/// let linked: Option<()> = Scope::new().progress(&handle).run_sync(|| {
///     for object in ["main.o", "util.o"] {
///         progress_message(format_args!("linking {object}"));
///     }
///     Some(())
/// });
/// assert_eq!(handle.get().message(), Some("linking util.o"));
/// # assert!(linked.is_some());
/// ```
pub fn progress_message(message: impl fmt::Display) {
    if listeners::are_any() || is_observed() {
        say(&message);
    }
}

#[cold]
fn tell(done: u64, total: Option<u64>) {
    if let Some(node) = listeners_here(|idle| idle.report(done, total)) {
        node.report(done, total);
    }
}

#[cold]
fn say(message: &dyn fmt::Display) {
    let node = listeners::are_any().then(|| listeners_here(Idle::moved)).flatten();
    if node.is_none() && !is_observed() {
        return;
    }
    let message: Arc<str> = message.to_string().into();
    say_to_observers(&message);
    if let Some(node) = node {
        node.say(message);
    }
}

/// Shows all idle timeouts to `look`, and finds the nearest node.
fn listeners_here(look: impl Fn(&Idle)) -> Option<Arc<Node>> {
    let mut nearest = None;
    // Most have a node near by, so that the way up is short.
    let is_all = listeners::are_any_idle_timeouts();
    for_each_round(|token| {
        if is_all || nearest.is_none() {
            token.look_at_kept_above(|kept| {
                if let Some(idle) = kept.downcast_ref::<Listener<Arc<Idle>>>() {
                    look(&idle.hears);
                } else if nearest.is_none() {
                    nearest = node(kept);
                }
                if is_all || nearest.is_none() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
        }
    });
    nearest
}

fn node(kept: &dyn Any) -> Option<Arc<Node>> {
    let listener = kept.downcast_ref::<Listener<Arc<Node>>>()?;
    Some(Arc::clone(&listener.hears))
}

/// The node that is nearest to the code now running.
pub(super) fn nearest_here() -> Option<Arc<Node>> {
    listeners::are_any().then(|| listeners_here(|_| ())).flatten()
}

/// And to what is below this token.
pub(super) fn nearest_above(token: &CancellationToken) -> Option<Arc<Node>> {
    let mut nearest = None;
    token.look_at_kept_above(|kept| {
        nearest = node(kept);
        if nearest.is_none() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    nearest
}
