//! `Progress`: a handle on how far a scope has got.

use std::fmt;
use std::sync::Arc;

use super::info::ProgressInfo;
use super::node::Node;
use super::updates::ProgressUpdates;

/// How far a scope has got, for whoever wants to know: give it to a scope, and read it from anywhere, another thread or task.
///
/// Clones are the same handle. What it says are the [`progress`](crate::progress()) and [`progress_message`](crate::progress_message()) of the
/// code in the scope, and of scopes, tasks and threads below it.
///
/// ```
/// use cancelable::{Cancelled, Progress, ProgressState, Scope, progress};
///
/// fn index(pages: &[&str]) -> Result<(), Cancelled> {
///     for (n, page) in (0..).zip(pages) {
///         progress(n, pages.len() as u64);
///         // …
/// #       let _ = page;
///     }
///     Ok(())
/// }
///
/// let handle = Progress::new();
/// let watched = handle.clone();
/// let indexed = std::thread::spawn(move || Scope::new().progress(watched).run_sync(|| index(&["a", "b", "c"])));
/// println!("{}", handle.get());                            // "1 of 3 (33%), 4s left", perhaps
/// indexed.join().unwrap().unwrap();
/// assert_eq!(handle.get().state(), ProgressState::Finished);
/// ```
///
/// # Of scopes in a scope
///
/// A scope with a handle, or a [weight](crate::Scope::weight), in a scope that has one is a part of that: see there.
///
/// # Several scopes
///
/// One handle goes with one scope at a time. The next one that it is given to begins it anew.
#[derive(Clone, Default)]
pub struct Progress(pub(super) Arc<Node>);

impl Progress {
    /// A handle for a scope that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How far it has got now.
    #[must_use]
    pub fn get(&self) -> ProgressInfo {
        self.0.info()
    }

    /// What changes from now on, as a stream: first how it stands now, and last how the scope ended.
    ///
    /// ```
    /// use cancelable::{Progress, Scope, progress, thread};
    ///
    /// let handle = Progress::new();
    /// let mut updates = handle.updates();
    /// let work = std::thread::spawn(move || {
    ///     Scope::new().progress(handle).run_sync(|| {
    ///         (0..=100).for_each(|n| progress(n, 100));
    ///         Some(())
    ///     })
    /// });
    /// while let Some(info) = thread::block_on(updates.next()).unwrap() {
    ///     println!("{info}");
    /// }
    /// assert!(work.join().unwrap().is_some());
    /// ```
    pub fn updates(&self) -> ProgressUpdates {
        ProgressUpdates::of(&self.0)
    }

    /// Calls `hook` with each change, on the thread that reports it: for a progress bar, a gauge.
    ///
    /// While it runs, changes by other threads are not waited for; it is called again after that, once, with the last of them. So it sees
    /// them in their order, and not each of them, but the end. It should be quick, for the work waits for it; and it must not report progress of this
    /// scope itself, which would never end.
    ///
    /// # Panics
    ///
    /// A panic of `hook` passes through the code that reports progress.
    #[must_use]
    pub fn on_change(self, hook: impl Fn(&ProgressInfo) + Send + Sync + 'static) -> Self {
        self.0.add_hook(hook);
        self
    }
}

impl From<&Progress> for Progress {
    fn from(handle: &Progress) -> Self {
        handle.clone()
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress").field(&self.get()).finish()
    }
}
