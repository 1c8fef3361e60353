//! The tokio runtime, and the task of it, that a piece of code belongs to, if any.

#[cfg(feature = "tokio")]
pub(crate) use of_tokio::{Runtime, Task};

/// Tasks cannot be told apart.
#[cfg(not(feature = "tokio"))]
#[derive(Clone, Copy)]
pub(crate) struct Task;

#[cfg(not(feature = "tokio"))]
impl Task {
    pub(crate) const ANY: Self = Self;

    pub(crate) fn current() -> Self {
        Self
    }

    pub(crate) fn is_current(self) -> bool {
        true
    }

    pub(crate) fn is(self, _other: Self) -> bool {
        true
    }

    /// As people are told of it.
    #[cfg(feature = "registry")]
    pub(crate) fn name(self) -> Option<String> {
        None
    }
}

/// None of tokio's, without the feature.
#[cfg(not(feature = "tokio"))]
pub(crate) struct Runtime;

#[cfg(not(feature = "tokio"))]
impl Runtime {
    pub(crate) fn current() -> Self {
        Self
    }

    pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    #[cfg(feature = "testing")]
    pub(crate) fn is_on_one_thread(&self) -> bool {
        false
    }

    pub(crate) fn run_at_this_moment<W>(&self, work: W, _run: fn(W)) -> Option<W> {
        Some(work)
    }
}

#[cfg(feature = "tokio")]
mod of_tokio {
    use tokio::runtime::{Handle, RuntimeFlavor};
    use tokio::task::{Id, try_id};

    use crate::clock;

    /// A task, or the code that runs in none.
    #[derive(Clone, Copy)]
    pub(crate) enum Task {
        Any,
        This(Option<Id>),
    }

    impl Task {
        /// Whichever it is.
        pub(crate) const ANY: Self = Self::Any;

        /// The one that is being polled by its runtime on this thread.
        #[inline]
        pub(crate) fn current() -> Self {
            Self::This(try_id())
        }

        pub(crate) fn is_current(self) -> bool {
            matches!(self, Self::Any) || self.is(Self::current())
        }

        /// As people are told of it.
        #[cfg(feature = "registry")]
        pub(crate) fn name(self) -> Option<String> {
            match self {
                Self::This(Some(id)) => Some(id.to_string()),
                _ => None,
            }
        }

        pub(crate) fn is(self, other: Self) -> bool {
            match (self, other) {
                (Self::This(id), Self::This(other)) => id == other,
                _ => true,
            }
        }
    }

    pub(crate) struct Runtime(Option<Handle>);

    impl Runtime {
        /// The one that this thread is in.
        pub(crate) fn current() -> Self {
            Self(Handle::try_current().ok())
        }

        /// Runs `f` in its context.
        pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
            let _context = self.0.as_ref().map(Handle::enter);
            f()
        }

        /// Does it run everything on one thread, so that whoever blocks that one blocks all?
        #[cfg(feature = "testing")]
        pub(crate) fn is_on_one_thread(&self) -> bool {
            self.on_one_thread().is_some()
        }

        fn on_one_thread(&self) -> Option<&Handle> {
            let single = |handle: &&Handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread;
            self.0.as_ref().filter(single)
        }

        /// If its clock is paused, runs `work` on a thread before that clock moves: tokio moves it when it has nothing else to do,
        /// but not while a blocking task is on its way. Otherwise gives `work` back.
        pub(crate) fn run_at_this_moment<W: Send + 'static>(&self, work: W, run: fn(W)) -> Option<W> {
            let Some(handle) = self.on_one_thread() else {
                return Some(work);
            };
            if !self.enter(|| clock::now().is_virtual) {
                return Some(work);
            }
            drop(handle.spawn_blocking(move || run(work)));
            None
        }
    }
}
