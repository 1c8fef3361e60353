//! Waiting for a token: futures for tasks, and two calls that block a thread.

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_core::future::FusedFuture;

use super::handle::CancellationToken;
use super::registered::Registered;
use crate::counted;
use crate::meter;
use crate::primitive::{AtomicBool, Ordering, Thread, current_thread, park, park_timeout};

pin_project_lite::pin_project! {
    /// The one future behind the borrowed and the owned names.
    struct Wait<T>
    where
        T: Borrow<CancellationToken>,
    {
        #[pin]
        registered: Registered<T>,
        is_over: bool,
    }
}

impl<T: Borrow<CancellationToken>> Wait<T> {
    fn new(token: T) -> Self {
        Self {
            registered: Registered::new(token),
            is_over: false,
        }
    }

    fn poll_cancelled(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<()> {
        let this = self.project();
        let poll = Self::poll_registered(this.registered, cx);
        *this.is_over = poll.is_ready();
        poll
    }

    fn poll_registered(registered: Pin<&mut Registered<T>>, cx: &Context<'_>) -> Poll<()> {
        if registered.token().is_cancelled() {
            return Poll::Ready(());
        }
        counted::count();
        // If it is registered already, and the cancel came since the question above, that wakes this waker.
        if registered.has(cx.waker()) || registered.register(cx.waker(), false) {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

/// The futures that wait for a token.
pub(super) trait Waits: Future<Output = ()> {
    /// Is the token marked as cancelled?
    fn is_marked(&self) -> bool;
}

macro_rules! wait_future {
    ($(#[$meta:meta])* $name:ident <$($lifetime:lifetime)?> ($token:ty)) => {
        pin_project_lite::pin_project! {
            $(#[$meta])*
            #[must_use = "futures do nothing unless polled"]
            pub struct $name<$($lifetime)?> {
                #[pin]
                wait: Wait<$token>,
            }
        }

        impl<$($lifetime)?> Future for $name<$($lifetime)?> {
            type Output = ();

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
                self.project().wait.poll_cancelled(cx)
            }
        }

        /// Terminated once it has completed, and not before it has been polled: so a `futures::select!` runs its branch, once.
        impl<$($lifetime)?> FusedFuture for $name<$($lifetime)?> {
            fn is_terminated(&self) -> bool {
                self.wait.is_over
            }
        }

        impl<$($lifetime)?> Waits for $name<$($lifetime)?> {
            fn is_marked(&self) -> bool {
                self.wait.registered.token().is_marked()
            }
        }

        impl<$($lifetime)?> fmt::Debug for $name<$($lifetime)?> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("token", self.wait.registered.token()).finish()
            }
        }
    };
}

wait_future! {
    /// Completes when the token is cancelled; made by [`CancellationToken::cancelled`].
    WaitForCancellationFuture<'a>(&'a CancellationToken)
}

wait_future! {
    /// Completes when the token is cancelled, and owns it; made by [`CancellationToken::cancelled_owned`].
    WaitForCancellationFutureOwned<>(CancellationToken)
}

impl CancellationToken {
    /// A future that completes when this token is cancelled; at once if it is.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped at any point, and made again, without missing a cancel.
    ///
    /// # Fairness
    ///
    /// Like every future in a biased position: in a `select!`, a branch that is always ready can keep it from being
    /// polled. [`guard`](crate::guard()) polls what it guards first, and then asks the token itself.
    ///
    /// ```
    /// # use cancelable::CancellationToken;
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// let canceller = token.clone();
    /// std::thread::spawn(move || canceller.cancel());
    /// token.cancelled().await;
    /// # });
    /// ```
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        WaitForCancellationFuture { wait: Wait::new(self) }
    }

    /// As [`cancelled`](Self::cancelled), for a future that has to own its token.
    ///
    /// # Cancel safety
    ///
    /// As [`cancelled`](Self::cancelled); dropping it drops the token that it owns.
    pub fn cancelled_owned(self) -> WaitForCancellationFutureOwned {
        WaitForCancellationFutureOwned { wait: Wait::new(self) }
    }

    /// Blocks this thread until the token is cancelled. The thread is parked; the cancel unparks it.
    ///
    /// On the thread that would have to cancel it, or on an executor's thread whose tasks would have to, this waits for
    /// ever; use [`cancelled`](Self::cancelled) there. The same goes for a token that [`never`](Self::never) is.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let waiting = token.clone();
    /// let thread = std::thread::spawn(move || waiting.wait());
    /// token.cancel();
    /// thread.join().unwrap();
    /// ```
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// Blocks this thread until the token is cancelled (`true`) or `timeout` has passed (`false`).
    ///
    /// A timeout too long for the clock waits for ever; zero only asks.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        match Instant::now().checked_add(timeout) {
            Some(until) => self.wait_until(Some(until)),
            None => self.wait_until(None),
        }
    }

    fn wait_until(&self, until: Option<Instant>) -> bool {
        if self.is_cancelled() {
            return true;
        }
        let parker = Arc::new(Parker {
            thread: current_thread(),
            woken: AtomicBool::new(false),
        });
        // Not on this thread's stack. In a forked child that does not have this thread, its stack is given to others, but the
        // list still leads here.
        let mut registered = Box::pin(Registered::new(self));
        if !registered.as_mut().register_thread(&Waker::from(Arc::clone(&parker))) {
            return true;
        }
        // A deadline may be unwatched until somebody asks; from here on nobody on this thread will.
        if self.is_cancelled() {
            return true;
        }
        #[cfg(not(cancelable_loom))]
        let _listed = crate::park::List::add();
        let _waiting = meter::waiting();
        while !parker.woken.load(Ordering::Acquire) {
            // A deadline that no thread watches does not unpark this one.
            let look_at = self.look_at();
            let at = look_at.into_iter().chain(until).min();
            let left = at.map(|at| at.saturating_duration_since(Instant::now()));
            match left {
                None => park(),
                Some(left) if !left.is_zero() => park_timeout(left),
                Some(_) => {
                    let is_cancelled = self.is_cancelled();
                    if is_cancelled || at == until {
                        return is_cancelled;
                    }
                    // It has just been dropped, or somebody else is at it.
                    park_timeout(Duration::from_millis(1));
                }
            }
        }
        true
    }
}

/// Unparks a thread, and knows it from an unpark that somebody else did.
struct Parker {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
