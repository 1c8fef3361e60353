//! `TaskOwner`: the door for owners of long-lived tasks.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::answer::{Answer, TaskHandle};
use super::info::TaskInfo;
use super::report::DrainReport;
use super::roster::{OnPanic, Plan, Roster, Ticket, Until};
use super::seats::Seat;
use super::task::{BlockingTask, Member, Task};
use crate::context::current;
use crate::delay::Delay;
use crate::error::Cancelled;
use crate::primitive::Arc;
use crate::scope::ambient::WithCancellation;
use crate::scope::group::{Spawn, SpawnBlocking, SpawnLocal, TaskPanic};
use crate::scope::wait::{Awaited, Wait};
use crate::token::CancellationToken;

/// How long those that are dropped get to be polled for it. They have been woken; this is for runtimes that are busy.
const TO_BE_DROPPED: Duration = Duration::from_millis(100);

/// Owns tasks that live long and independently of each other: the connections of a server, the loops of a device.
///
/// It is what tokio-util's `TaskTracker` with a token, a semaphore and a list of abort handles is for, and it sits in a field:
/// dropping it cancels its tasks. A [`TaskGroup`](crate::TaskGroup), on the other hand, is made for fork and join: all of its
/// tasks fail with the first one, and their results are kept for the owner.
///
/// - *Nothing is kept of a task that has ended*, unless somebody holds its [handle](TaskHandle). A million connections, one
///   after the other, take the memory of one.
/// - Tasks return what they like, `()` too, and an error is a value like any other.
/// - A *panic* cancels all other tasks, with kind [`Superseded`](crate::ReasonKind::Superseded) and the panic's message, and the
///   owner takes no more. With [`isolate_panics`](TaskOwnerBuilder::isolate_panics) it concerns nobody else. In both cases the
///   task's handle has it, or else the next [report](DrainReport).
/// - [`drain`](Self::drain) is the whole shutdown in one call: takes no more tasks, lets those that run go on for a while, then
///   cancels them, gives them time for their clean-up, and drops the rest. [`cancel_and_wait`](Self::cancel_and_wait) is that
///   without the first while. Both say who ended, who was dropped, and who still runs.
/// - All methods take `&self`, so an `Arc` of it may be shared.
///
/// **This is the general type, on any runtime `S`.** In a program with tokio, import `cancelable::tokio::TaskOwner`, and with smol
/// `cancelable::smol::TaskOwner`. On other runtimes, implement [`Spawn`], [`SpawnBlocking`] or [`SpawnLocal`], and make it with
/// [`on`](Self::on).
///
/// # Tasks
///
/// Each task is a scope below the owner's token, which is a child of the token that was ambient where the owner was made, or of
/// [a given one](Self::below). The task's own token is the ambient one inside, its name is in the path of errors. At a cancel a
/// task that does not notice is dropped; one that is shielded, or cleans up, is waited for.
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// use cancelable::{Cancelled, cancelable, tokio::TaskOwner};
/// use std::time::Duration;
/// use tokio::{io::{AsyncReadExt as _, AsyncWriteExt as _}, net::{TcpListener, TcpStream}};
///
/// #[cancelable]
/// async fn echo(mut client: TcpStream) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///     let mut buffer = [0; 1024];
///     loop {
///         let n = client.read(&mut buffer).await?;
///         if n == 0 {
///             return Ok(());
///         }
///         client.write_all(&buffer[..n]).await?;
///     }
/// }
///
/// #[cancelable(token = connections.accepting())]
/// async fn accept(listener: TcpListener, connections: &TaskOwner) -> Result<(), Cancelled> {
///     loop {
///         let place = connections.reserve().await?;               // not more than a thousand at once
///         if let Ok((client, from)) = listener.accept().await {
///             place.name(from.to_string()).spawn(echo(client));
///         }
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let address = listener.local_addr().unwrap();
/// let connections = TaskOwner::builder().limit(1000).isolate_panics(|panic| eprintln!("{panic}")).build();
/// let client = async {
///     let mut client = TcpStream::connect(address).await.unwrap();
///     client.write_all(b"hello").await.unwrap();
///     client.read_exact(&mut [0; 5]).await.unwrap();
///     // SIGTERM: five seconds to say goodbye, then one second to clean up.
///     connections.drain(Duration::from_millis(5), Duration::from_secs(1)).await
/// };
/// let (stopped, report) = tokio::join!(accept(listener, &connections), client);
/// assert!(stopped.is_err());
/// assert_eq!(report.ended().len(), 1);
/// # });
/// # }
/// ```
pub struct TaskOwner<S> {
    roster: Arc<Roster>,
    on: S,
}

impl<S: Default> TaskOwner<S> {
    /// An owner without tasks, below the ambient token.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::on(S::default())
    }

    /// An owner below this token, whatever the ambient one is. An object that owns tasks is often made in a scope (of a
    /// start-up, with a timeout) that it is to outlive.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use cancelable::{CancellationToken, tokio::TaskOwner};
    ///
    /// let server = CancellationToken::new();
    /// let connections = TaskOwner::below(&server);
    /// server.cancel();
    /// assert!(connections.token().is_cancelled());
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn below(parent: &CancellationToken) -> Self {
        Self::builder().below(parent).build()
    }

    /// An owner with options.
    #[track_caller]
    pub fn builder() -> TaskOwnerBuilder<S> {
        Self::builder_on(S::default())
    }
}

impl<S> TaskOwner<S> {
    /// An owner without tasks, below the ambient token, on this runtime.
    #[must_use]
    #[track_caller]
    pub fn on(runtime: S) -> Self {
        Self::builder_on(runtime).build()
    }

    /// An owner with options, on this runtime.
    #[track_caller]
    pub fn builder_on(runtime: S) -> TaskOwnerBuilder<S> {
        TaskOwnerBuilder {
            on: runtime,
            plan: Plan {
                parent: current(),
                limit: None,
                on_panic: None,
                location: Location::caller(),
            },
        }
    }

    /// Starts a task. If the owner has a [limit](TaskOwnerBuilder::limit), and as many tasks run already, it waits for its turn.
    ///
    /// Its handle may be dropped, and the result with it. Once the owner is closed, the task does not start, and the handle says
    /// why.
    ///
    /// # Panics
    ///
    /// As the runtime's own `spawn` does, outside the runtime for one.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> TaskHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        S: Spawn,
    {
        self.place().spawn(future)
    }

    /// Starts a task that stays on this thread and need not be `Send`: see [`SpawnLocal`]. Else as [`spawn`](Self::spawn).
    ///
    /// The owner itself may be used from other threads, if the runtime's type may.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use cancelable::tokio::TaskOwner;
    /// use std::{cell::Cell, rc::Rc};
    /// use tokio::task::LocalSet;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// LocalSet::new()
    ///     .run_until(async {
    ///         let tasks = TaskOwner::new();
    ///         let count = Rc::new(Cell::new(0));
    ///         let of_task = Rc::clone(&count);
    ///         tasks.spawn_local(async move { of_task.set(1) }).await.unwrap();
    ///         assert_eq!(count.get(), 1);
    ///     })
    ///     .await;
    /// # });
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As the runtime's own `spawn_local` does; tokio's outside a `LocalSet`.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> TaskHandle<F::Output>
    where
        F: Future + 'static,
        S: SpawnLocal,
    {
        self.place().spawn_local(future)
    }

    /// Runs a closure on one of the runtime's threads for blocking work. With a limit, it takes no thread before its turn.
    ///
    /// Its own check points are all that can stop it. A drain waits for it as for the others, but cannot drop it.
    ///
    /// # Panics
    ///
    /// As the runtime's own `spawn_blocking` does.
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, f: F) -> TaskHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
        S: SpawnBlocking + Clone + Send + 'static,
    {
        self.place().spawn_blocking(f)
    }

    /// A task with a name, for reports and errors: `tasks.named("ticker").spawn(…)`.
    #[must_use = "a place is there for one task to be spawned"]
    pub fn named(&self, name: impl Into<Cow<'static, str>>) -> Place<'_, S> {
        self.place().name(name)
    }

    fn place(&self) -> Place<'_, S> {
        Place {
            owner: self,
            name: None,
            seat: self.roster.seats().map(|seats| seats.queue()),
        }
    }

    fn enlist<T>(
        &self,
        name: Option<Cow<'static, str>>,
        is_blocking: bool,
        spawned_at: &'static Location<'static>,
    ) -> (Arc<Answer<T>>, bool) {
        let task = self.roster.enlist(name, is_blocking, spawned_at);
        let may_start = task.may_start;
        (Answer::new(&self.roster, task), may_start)
    }

    /// Waits until one more task may run, and keeps its place: to take a job, or a connection, only when there is room for it.
    /// (A task that is merely [spawned](Self::spawn) waits by itself, with all that it holds.) Without a limit there always is.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] once the owner takes no more tasks, with the reason of that.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses the turn, and nothing else.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use cancelable::tokio::TaskOwner;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let tasks = TaskOwner::builder().limit(1).build();
    /// let place = tasks.reserve().await.unwrap();
    /// assert!(tasks.try_reserve().is_none());
    /// let task = place.spawn(async { "done" });
    /// assert!(tasks.reserve().await.is_ok());
    /// assert!(task.is_finished());
    /// # });
    /// # }
    /// ```
    #[track_caller]
    pub fn reserve(&self) -> impl Future<Output = Result<Place<'_, S>, Cancelled>> {
        let location = Location::caller();
        async move {
            let mut place = self.place();
            if let Some(seat) = &mut place.seat {
                let turn = poll_fn(|cx| seat.poll(cx));
                WithCancellation::at(turn, self.accepting().clone(), location).await?;
            } else {
                WithCancellation::at(async {}, self.accepting().clone(), location).await?;
            }
            Ok(place)
        }
    }

    /// A place for one more task, if there is one now and the owner takes more.
    #[must_use]
    pub fn try_reserve(&self) -> Option<Place<'_, S>> {
        if self.is_closed() {
            return None;
        }
        let seat = match self.roster.seats() {
            Some(seats) => Some(seats.try_take()?),
            None => None,
        };
        Some(Place {
            owner: self,
            name: None,
            seat,
        })
    }

    /// Takes no more tasks: what is spawned from here on does not start. Those that run go on.
    #[track_caller]
    pub fn close(&self) {
        self.roster.close(Location::caller());
    }

    /// Has it been closed, drained or cancelled?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.accepting().is_cancelled()
    }

    /// Cancelled as soon as the owner takes no more tasks: what to stop an accept loop with. Give it to
    /// `#[cancelable(token = …)]`, [`Scope::link`](crate::Scope::link) or `select!`.
    #[must_use]
    pub fn accepting(&self) -> &CancellationToken {
        self.roster.accepting()
    }

    /// Where its tasks run.
    pub fn runtime(&self) -> &S {
        &self.on
    }

    /// The owner's token: cancel it to cancel all tasks.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        self.roster.token()
    }

    /// How many tasks there are that have not ended, those included that wait for their turn. (A task that has just made room for
    /// the next one may still count.)
    #[must_use]
    pub fn len(&self) -> usize {
        self.roster.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tasks that have not ended, in order of spawning.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskInfo> {
        self.roster.tasks()
    }

    /// Waits until there is no task, however long that takes. ([Close](Self::close) the owner before, or there may be another one
    /// by then.)
    ///
    /// Once the owner's token is cancelled it goes on waiting, also in a scope that is cancelled by the same: the tasks are on their
    /// way out.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use cancelable::tokio::TaskOwner;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let tasks = TaskOwner::new();
    /// for n in 0..3 {
    ///     tasks.spawn(async move { n });
    /// }
    /// tasks.wait().await;
    /// assert!(tasks.is_empty());
    /// # });
    /// # }
    /// ```
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = ()> + Send + use<S> {
        let waiting = wait(&self.roster, Until::Idle, None);
        async move {
            waiting.await;
        }
    }

    /// Shuts down: closes the owner, lets the tasks run for `run_for`, then cancels them with kind
    /// [`Shutdown`](crate::ReasonKind::Shutdown), gives them `grace` to get out, and drops those that are still there.
    ///
    /// It comes back as soon as there is no task left. A task that is to be dropped is polled once more for that, which may take a
    /// busy runtime a moment: after 100 ms the report says that it still runs. So it takes `run_for + grace + 100 ms` at most.
    /// [`Duration::MAX`] is no limit. If the owner's token is cancelled meanwhile, or was before, the grace begins with that.
    ///
    /// Blocking tasks, and tasks that do not return from a poll, cannot be dropped. If they have no check points, they are what
    /// [still runs](DrainReport::running).
    ///
    /// In a scope that has been cancelled already, put it into a [shield](crate::shield()): as clean-up, that is.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the owner closed, and cancelled if it had got that far; it can be called again.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use cancelable::{sleep, tokio::TaskOwner};
    /// use std::time::Duration;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let tasks = TaskOwner::new();
    /// let quick = tasks.spawn(async { sleep(Duration::from_millis(1)).await });
    /// let slow = tasks.spawn(async { sleep(Duration::from_secs(3600)).await });
    /// let report = tasks.drain(Duration::from_millis(100), Duration::from_secs(1)).await;
    /// assert!(report.is_clean(), "{report}");
    /// assert!(quick.await.unwrap().is_ok());
    /// assert!(slow.await.unwrap().is_err());               // it has noticed the cancel
    /// # });
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`CancellationToken::cancel`](CancellationToken::cancel), if a callback or a waker does. Panics of tasks are in the
    /// report.
    #[track_caller]
    pub fn drain(&self, run_for: Duration, grace: Duration) -> impl Future<Output = DrainReport> + Send + use<S> {
        let location = Location::caller();
        let roster = Arc::clone(&self.roster);
        async move {
            roster.begin_report();
            roster.close(location);
            let running = wait(&roster, Until::Idle, Some(run_for));
            let is_idle = roster.token().clone().run_until_cancelled(running).await;
            if is_idle != Some(true) {
                roster.cancel(location);
                if !wait(&roster, Until::Idle, Some(grace)).await {
                    roster.force();
                    wait(&roster, Until::NoneToForce, Some(TO_BE_DROPPED)).await;
                }
            }
            roster.report()
        }
    }

    /// Cancels the tasks, gives them this long to get out, and drops those that are still there: [`drain`](Self::drain) without
    /// letting them run first.
    ///
    /// # Cancel safety
    ///
    /// As that.
    ///
    /// # Panics
    ///
    /// As that.
    #[track_caller]
    pub fn cancel_and_wait(&self, at_most: Duration) -> impl Future<Output = DrainReport> + Send + use<S> {
        self.drain(Duration::ZERO, at_most)
    }
}

/// As [`TaskOwner::new`].
impl<S: Default> Default for TaskOwner<S> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Drop for TaskOwner<S> {
    fn drop(&mut self) {
        self.roster.leave();
    }
}

impl<S> fmt::Debug for TaskOwner<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskOwner")
            .field("tasks", &self.len())
            .field("is_closed", &self.is_closed())
            .field("token", self.token())
            .finish_non_exhaustive()
    }
}

/// The options of a [`TaskOwner`].
#[must_use = "it makes no owner before `build`"]
pub struct TaskOwnerBuilder<S> {
    on: S,
    plan: Plan,
}

impl<S> TaskOwnerBuilder<S> {
    /// Below this token, instead of the ambient one.
    pub fn below(mut self, parent: &CancellationToken) -> Self {
        self.plan.parent = parent.clone();
        self
    }

    /// As many tasks run at once, at most. `None` is no limit.
    ///
    /// # Panics
    ///
    /// If it is zero: no task would ever run.
    #[track_caller]
    pub fn limit(mut self, tasks: impl Into<Option<usize>>) -> Self {
        self.plan.limit = tasks.into();
        assert!(
            self.plan.limit != Some(0),
            "an owner of tasks needs room for one task at least"
        );
        self
    }

    /// A panic of one task is not the end of the others. `report` is told of each, on the thread where it happened, before anybody
    /// else is; the panic itself goes to the task's handle, or else into the next [`DrainReport`].
    ///
    /// If `report` panics, that goes on in the task, and the runtime deals with it.
    pub fn isolate_panics(mut self, report: impl Fn(&TaskPanic) + Send + Sync + 'static) -> Self {
        self.plan.on_panic = Some(Box::new(report) as OnPanic);
        self
    }

    /// The owner.
    #[must_use]
    pub fn build(self) -> TaskOwner<S> {
        TaskOwner {
            roster: Roster::new(self.plan),
            on: self.on,
        }
    }
}

impl<S> fmt::Debug for TaskOwnerBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskOwnerBuilder")
            .field("parent", &self.plan.parent)
            .field("limit", &self.plan.limit)
            .field("isolates_panics", &self.plan.on_panic.is_some())
            .finish_non_exhaustive()
    }
}

/// Room for one task of a [`TaskOwner`]: [reserved](TaskOwner::reserve), or [merely named](TaskOwner::named). Dropping it gives
/// the room to the next one.
#[must_use = "a place is there for one task to be spawned"]
pub struct Place<'a, S> {
    owner: &'a TaskOwner<S>,
    name: Option<Cow<'static, str>>,
    seat: Option<Seat>,
}

impl<S> Place<'_, S> {
    /// Names the task, for reports and errors.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// As [`TaskOwner::spawn`].
    ///
    /// # Panics
    ///
    /// As that.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> TaskHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        S: Spawn,
    {
        let on = &self.owner.on;
        self.start(future, |task| on.spawn(task))
    }

    /// As [`TaskOwner::spawn_local`].
    ///
    /// # Panics
    ///
    /// As that.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> TaskHandle<F::Output>
    where
        F: Future + 'static,
        S: SpawnLocal,
    {
        let on = &self.owner.on;
        self.start(future, |task| on.spawn_local(task))
    }

    /// As [`TaskOwner::spawn_blocking`].
    ///
    /// # Panics
    ///
    /// As that.
    #[track_caller]
    pub fn spawn_blocking<F, T>(self, f: F) -> TaskHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
        S: SpawnBlocking + Clone + Send + 'static,
    {
        let location = Location::caller();
        let (answer, may_start) = self.owner.enlist(self.name, true, location);
        let handle = TaskHandle::new(&answer);
        let token = answer.token.clone();
        let member = Member::new(answer);
        if !may_start {
            token.sync_scope(|| drop(f));
            return handle;
        }
        let task = BlockingTask::new(f, member);
        let on = &self.owner.on;
        match self.seat {
            Some(mut seat) => {
                // By a task, for only those are sure to be where more tasks can be started.
                let of_task = on.clone();
                on.spawn(async move {
                    let turn = poll_fn(|cx| seat.poll(cx));
                    if WithCancellation::at(turn, token, location).await.is_ok() {
                        of_task.spawn_blocking(move || task.run(Some(seat)));
                    }
                });
            }
            None => on.spawn_blocking(move || task.run(None)),
        }
        handle
    }

    #[track_caller]
    fn start<F: Future>(self, future: F, spawn: impl FnOnce(Task<F, F::Output>)) -> TaskHandle<F::Output> {
        let (answer, may_start) = self.owner.enlist(self.name, false, Location::caller());
        let handle = TaskHandle::new(&answer);
        let member = Member::new(answer);
        if may_start {
            spawn(Task::new(future, self.seat, member));
        } else {
            handle.token().sync_scope(|| drop(future));
        }
        handle
    }
}

impl<S> fmt::Debug for Place<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Waits for an owner's tasks, for this long at most. `true`: it is what was waited for.
#[track_caller]
fn wait(roster: &Arc<Roster>, until: Until, at_most: Option<Duration>) -> Wait<Waiting> {
    Wait::new(Waiting {
        roster: Arc::clone(roster),
        until,
        at_most,
        limit: None,
        ticket: None,
    })
}

struct Waiting {
    roster: Arc<Roster>,
    until: Until,
    at_most: Option<Duration>,
    /// It counts from the first poll.
    limit: Option<Delay>,
    ticket: Option<Ticket>,
}

impl Awaited for Waiting {
    type Output = bool;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.roster.poll(self.until, &mut self.ticket, cx).is_ready() {
            return Poll::Ready(true);
        }
        let Some(at_most) = self.at_most else {
            return Poll::Pending;
        };
        let limit = self.limit.get_or_insert_with(|| Delay::after(at_most));
        Pin::new(limit).poll(cx).map(|()| false)
    }

    fn token(&self) -> &CancellationToken {
        self.roster.token()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.roster.give_up(ticket);
        }
    }
}
