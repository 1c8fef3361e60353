//! `Source`, the port behind `until`: what may cancel a scope besides its parent and its deadline.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;

use crate::reason::CancelReason;
use crate::token::{CancellationToken, WaitForCancellationFutureOwned};
use crate::watcher::{self, Vigil};

/// Something that may cancel a scope, given to [`Scope::until`](crate::Scope::until) or `until = …`.
///
/// Sources are tokens, futures (whatever their output, unless [`on_output`](crate::on_output) looks at it), [conditions](crate::condition()),
/// [deadlines that move](crate::Deadline), a [limit on memory](crate::memory_above),
#[cfg_attr(feature = "signal", doc = "[signals](crate::signal),")]
#[cfg_attr(not(feature = "signal"), doc = "signals (feature `signal`),")]
/// [`any`](crate::any()) and [`all`](crate::all()) of several, and types of your own.
///
/// # Who polls
///
/// A source is polled for the first time where the scope begins. If it is ready, the body does not start. After that a thread
/// of the library polls it, one per process, so that a scope is ended also if it is sync, or hogs its own thread. (With the
/// feature `tokio`, it does so in the context of the runtime where the scope began.) A source should not block: in its first
/// poll it holds up the scope, and later all other sources of the process, for at most 20 milliseconds; then another thread goes
/// on with them. At most eight may block at the same time; with more, the others wait for one of them. Where tokio's clock is
/// paused, a blocking task of the runtime polls it, so that the clock does not move on before the scope has been cancelled.
///
/// A source that panics, when it is polled or dropped, is reported by the panic hook, and cancels nothing. When the scope is
/// over, whatever watches for it is dropped.
///
/// If the system has no thread to give, a scope with a source that is not ready at once is cancelled as it begins, with kind
/// [`Error`](crate::ReasonKind::Error). After a `fork` without `exec`, scopes that begin in the child have their sources polled as
/// ever; so do those that had begun before, unless a thread that the child does not have was polling the source, or about to.
///
/// A source that fires when the scope has been cancelled already changes nothing: the first reason stands.
///
/// One of your own says what it waits for, and with what reason it cancels:
///
/// ```
/// use cancelable::{CancelReason, Cancelled, Scope, Source, check};
///
/// /// Cancels when the channel says so.
/// struct Remote(futures::channel::mpsc::UnboundedReceiver<String>);
///
/// impl Source for Remote {
///     async fn fired(mut self) -> CancelReason {
///         match futures::StreamExt::next(&mut self.0).await {
///             Some(message) => CancelReason::manual().with_message(message),
///             None => std::future::pending().await,
///         }
///     }
/// }
///
/// let (tx, rx) = futures::channel::mpsc::unbounded();
/// tx.unbounded_send("the remote side said stop".to_string()).unwrap();
/// let outcome: Result<(), Cancelled> = Scope::new().until(Remote(rx)).run_sync(|| loop { check()? });
/// assert_eq!(outcome.unwrap_err().reason().to_string(), "the remote side said stop");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that can cancel a scope",
    label = "not a `Source`",
    note = "a source is a future, a token, a signal, a condition, or `any`/`all` of such; if this is a `Result` of one, as that of `signal::unix([…])`, write `?` behind it"
)]
pub trait Source: Sized {
    /// Completes when the source fires, with the reason to cancel for.
    ///
    /// A scope's `until` calls it. It is just as well called by hand, where no scope is to be cancelled, but something is to be
    /// done: a service that is told to stop accepts nothing more, but lets the requests that run come to their end. (A scope round
    /// the whole server would cancel these at once.)
    ///
    /// ```
    /// # #[cfg(all(unix, feature = "signal"))]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use cancelable::{CancelReason, CancellationToken, Cancelled, ReasonKind, Scope, Source as _, signal, sleep};
    /// use std::{error::Error, time::Duration};
    ///
    /// async fn serve(drain: Duration) -> Result<Result<(), Cancelled>, Box<dyn Error>> {
    ///     let stop = signal::unix([signal::SIGINT, signal::SIGTERM])?;
    ///     let requests = CancellationToken::new();     // the parent of every request's scope
    ///     let request = Scope::new().parent(&requests).run(sleep(Duration::from_secs(3600)));
    ///     let request = tokio::spawn(request);         // as a listener does, again and again
    /// #   tokio::spawn(async { signal_hook::low_level::raise(signal::SIGTERM).unwrap() });
    ///
    ///     let reason = stop.fired().await;             // from here on, accept nothing more
    ///     println!("{reason}: requests that run have {drain:?}");
    ///     tokio::spawn(async move {
    ///         tokio::time::sleep(drain).await;
    ///         requests.cancel_with(CancelReason::shutdown());
    ///     });
    ///     Ok(request.await?)                           // all of them
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let cancelled = serve(Duration::from_millis(10)).await?.unwrap_err();
    /// assert_eq!(cancelled.kind(), ReasonKind::Shutdown);
    /// # Ok(()) })
    /// # }
    /// # #[cfg(not(all(unix, feature = "signal")))]
    /// # fn main() {}
    /// ```
    ///
    /// The source is polled by whoever polls this future, listens from the first poll on, and stops when the future is done or
    /// dropped. After that, a second signal, for one, has its default action, which ends the process.
    ///
    /// An implementation that is `#[track_caller]` as well may give the reason its caller's line: that of the `until`.
    #[track_caller]
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static;

    /// Adds itself to what a scope watches for. The library's own sources do it in ways of their own.
    #[doc(hidden)]
    #[track_caller]
    fn attach(self, to: &mut Watch) {
        let fired = self.fired();
        to.add(false, |_| Begun {
            fired: Box::pin(async move { Fired::once(fired.await) }),
            guard: None,
            is_inline: false,
        });
    }
}

/// Any future: the scope is cancelled, with kind [`Condition`](crate::ReasonKind::Condition), when it completes.
impl<F: Future + Send + 'static> Source for F {
    #[track_caller]
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static {
        let reason = CancelReason::completed();
        async move {
            self.await;
            reason
        }
    }
}

/// Another token: the scope is cancelled with it, as [`link`](crate::Scope::link)ed ones are, but as its own cancel: it is the scope's
/// name that the error tells.
impl Source for CancellationToken {
    #[expect(clippy::manual_async_fn, reason = "the trait promises `Send`")]
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static {
        async move {
            self.cancelled().await;
            // Cancelled, so it has a reason.
            self.reason().unwrap_or_else(CancelReason::manual)
        }
    }

    fn attach(self, to: &mut Watch) {
        to.links.push(self);
    }
}

/// As for the token itself.
impl Source for &CancellationToken {
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static {
        self.clone().fired()
    }

    fn attach(self, to: &mut Watch) {
        to.links.push(self.clone());
    }
}

/// A source has fired.
pub(crate) struct Fired {
    pub(crate) reason: CancelReason,
    /// Completes when it fires again, which ends the grace of the scope it has cancelled.
    pub(crate) again: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Fired {
    pub(crate) fn once(reason: CancelReason) -> Self {
        Self { reason, again: None }
    }
}

/// A source whose scope has begun.
pub(crate) struct Begun {
    pub(crate) fired: Pin<Box<dyn Future<Output = Fired> + Send>>,
    /// Dropped when the scope is over, there and then. (The future may be being polled, and goes a moment later.)
    pub(crate) guard: Option<Box<dyn Any + Send>>,
    /// Polled by whoever wakes it instead of the library's thread: under a virtual clock, which moves on before a thread
    /// has had its say.
    pub(crate) is_inline: bool,
}

/// A source whose scope has not begun.
pub(super) struct Start {
    /// Told the scope, as a number that no other has, if what comes after the first firing is of interest.
    begin: Box<dyn FnOnce(Option<usize>) -> Begun + Send>,
    /// It may fire again.
    pub(super) insists: bool,
    /// What it cancels, if it is not the scope's token.
    target: Option<CancellationToken>,
    /// Where the scope was told of it.
    location: &'static Location<'static>,
}

/// Why a source cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("no thread could be started to watch what may cancel the scope")]
struct NoThread(#[source] io::Error);

/// What a scope watches for, or a part of it.
#[doc(hidden)]
#[derive(Default)]
pub struct Watch {
    /// Tokens that the scope is linked to.
    pub(super) links: Vec<CancellationToken>,
    pub(super) starts: Vec<Start>,
}

impl Watch {
    /// What one source watches for.
    #[track_caller]
    pub(crate) fn of(source: impl Source) -> Self {
        let mut watch = Self::default();
        source.attach(&mut watch);
        watch
    }

    /// Adds a source that is to begin with the scope; one that `insists` may fire again.
    #[track_caller]
    pub(crate) fn add(&mut self, insists: bool, begin: impl FnOnce(Option<usize>) -> Begun + Send + 'static) {
        self.starts.push(Start {
            begin: Box::new(begin),
            insists,
            target: None,
            location: Location::caller(),
        });
    }

    /// Adds what `other` watches for.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.links.append(&mut other.links);
        self.starts.append(&mut other.starts);
    }

    /// Adds a token that is cancelled when each of `members` has fired.
    pub(crate) fn append_all(&mut self, members: Vec<Self>) {
        let mut tokens = Vec::new();
        for member in members {
            let token = CancellationToken::any(&member.links);
            for mut start in member.starts {
                start.target.get_or_insert_with(|| token.clone());
                self.starts.push(start);
            }
            tokens.push(token);
        }
        self.links.push(CancellationToken::all(&tokens));
    }

    /// Completes when one of them has fired.
    pub(crate) async fn fired(self) -> CancelReason {
        let token = CancellationToken::any(&self.links);
        for start in self.starts {
            start.begin(&token, None, None);
        }
        token.cancelled().await;
        token.reason().unwrap_or_else(CancelReason::manual)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

impl Start {
    /// Watches on behalf of `token`, for as long as that is not cancelled; or, if it fires again, for as long as the
    /// scope's body runs.
    ///
    /// What ends with the token is put with `until_over` as well, to end with the scope at the latest: whoever cancels the
    /// token may be busy telling others when the scope is over.
    pub(super) fn begin(
        self,
        token: &CancellationToken,
        insistent: Option<&Insistent>,
        until_over: Option<&Cell<Vec<Watching>>>,
    ) {
        let insistent = insistent.filter(|_| self.insists && self.target.is_none());
        let begun = (self.begin)(insistent.map(|insistent| insistent.scope));
        let fired = begun.fired;
        let future: Pin<Box<dyn Future<Output = ()> + Send>> = match insistent {
            None => {
                let target = self.target.as_ref().unwrap_or(token).downgrade();
                Box::pin(async move {
                    let fired = fired.await;
                    if let Some(target) = target.upgrade() {
                        target.cancel_with(fired.reason);
                    }
                })
            }
            Some(insistent) => Box::pin(insist(fired, token.clone(), insistent.force.clone())),
        };
        let target = match insistent {
            None => self.target.as_ref().unwrap_or(token),
            Some(_) => token,
        };
        let (target, location) = (target.downgrade(), self.location);
        let lost = move |error| {
            if let Some(target) = target.upgrade() {
                target.cancel_with(CancelReason::error_at(NoThread(error), location));
            }
        };
        // Not under the scope's own token: what is polled here now is polled without a scope later.
        let vigil = CancellationToken::never().sync_scope(|| watcher::watch(future, begun.is_inline, lost));
        let kept = Kept {
            _guard: begun.guard,
            _vigil: vigil,
        };
        match insistent {
            None => {
                let kept = Arc::new(Mutex::new(Some(kept)));
                if let Some(until_over) = until_over {
                    let mut all = until_over.take();
                    all.push(Watching(Arc::clone(&kept)));
                    until_over.set(all);
                }
                token.keep(Watching(kept));
            }
            Some(insistent) => insistent.keep(kept),
        }
    }
}

/// Watches a source that may fire again.
async fn insist(fired: impl Future<Output = Fired>, token: CancellationToken, force: CancellationToken) {
    let Fired { reason, again } = fired.await;
    let is_first = token.cancel_with(reason.clone());
    // What has told this scope through another source, or through the scope outside, has not told it twice.
    let is_known = is_first
        || token
            .reason()
            .is_some_and(|first| first.kind() == reason.kind() && first.signal_number() == reason.signal_number());
    if let Some(mut again) = again {
        if is_known {
            again.as_mut().await;
        }
        force.cancel();
    }
}

/// What watches on behalf of a token: gone with the first of these that is dropped.
pub(super) struct Watching(Arc<Mutex<Option<Kept>>>);

impl Drop for Watching {
    fn drop(&mut self) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(kept);
    }
}

/// What watches on behalf of a scope.
struct Kept {
    _guard: Option<Box<dyn Any + Send>>,
    _vigil: Vigil,
}

/// Sources of an async scope that may fire again.
pub(super) struct Insistent {
    /// Told apart from all others by this.
    scope: usize,
    /// Cancelled to end the grace.
    force: CancellationToken,
    /// Has the scope's task woken by it.
    waiting: Pin<Box<WaitForCancellationFutureOwned>>,
    kept: Cell<Vec<Kept>>,
}

impl Insistent {
    /// Has one of them ended the grace? If not, the task is woken when one does.
    pub(super) fn is_forced(&mut self, cx: &mut Context<'_>) -> bool {
        self.force.is_cancelled() || self.waiting.as_mut().poll(cx).is_ready()
    }

    /// The body is done: nobody watches any more.
    pub(super) fn release(&self) {
        drop(self.kept.take());
    }

    fn keep(&self, kept: Kept) {
        let mut all = self.kept.take();
        all.push(kept);
        self.kept.set(all);
    }
}

impl Default for Insistent {
    fn default() -> Self {
        static SCOPES: AtomicUsize = AtomicUsize::new(0);

        let force = CancellationToken::new();
        Self {
            scope: SCOPES.fetch_add(1, Ordering::Relaxed),
            waiting: Box::pin(force.clone().cancelled_owned()),
            force,
            kept: Cell::default(),
        }
    }
}
