//! Who listens for which signals, and what becomes of one that arrives.
//!
//! Listeners come in groups: those of one scope, or one by itself. A group has patience for one or two signals, which are
//! put by for its members. The next one is one too many: it is left to its default action, and so is one for which there
//! is no listener. Both are known beforehand, which lets the handler act ([`Listeners::is_default_in_force`]). A signal put by that no
//! listener got to before it went away is left to the default action as well.
//!
//! One key press may be two signals: the terminal sends one to all in the foreground, and a wrapper passes its own on. The second is
//! the first one's echo, and nothing comes of it. It may come when whoever heard the first has ended, and is no reason for
//! the process to die then. So when an echo is to be expected is kept by number, and not with a listener.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::default_action;
use super::owner::Owner;

/// Signals have smaller numbers; those that are accepted do.
pub(super) const BOUND: usize = 64;

/// SIGINT, everywhere.
pub(super) const INTERRUPT: i32 = 2;

/// A set of signal numbers.
#[derive(Clone, Copy, Default)]
pub(super) struct Set(u64);

impl Set {
    pub(super) fn insert(&mut self, number: i32) {
        self.0 |= 1 << number;
    }

    fn contains(self, number: i32) -> bool {
        self.0 & (1 << number) != 0
    }

    fn indices(self) -> impl Iterator<Item = usize> {
        (0..BOUND).filter(move |index| self.0 & (1 << index) != 0)
    }

    #[cfg(not(windows))]
    pub(super) fn numbers(self) -> impl Iterator<Item = i32> {
        (0..64).filter(move |&number| self.contains(number))
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.indices()).finish()
    }
}

/// A signal that has arrived.
struct Arrival {
    number: i32,
    is_used: AtomicBool,
}

impl Arrival {
    fn use_it(&self) -> i32 {
        self.is_used.store(true, Ordering::Relaxed);
        self.number
    }
}

/// Nobody had use for it.
impl Drop for Arrival {
    fn drop(&mut self) {
        if !*self.is_used.get_mut() {
            default_action::act(self.number);
        }
    }
}

/// Which listeners belong together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Alone(u64),
    Scope(usize),
}

struct Listener {
    signals: Set,
    group: Key,
    /// For so long what comes after a signal is its echo, in nanoseconds.
    echo: u64,
    /// What has arrived and it has not got to.
    put_by: VecDeque<Arc<Arrival>>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Group {
    members: Vec<u64>,
    patience: u32,
    /// How many signals have arrived, up to its patience. One that several members listen for is one.
    heard: u32,
}

impl Group {
    fn is_out_of_patience(&self) -> bool {
        self.heard >= self.patience
    }
}

/// By number: shall the handler act as the signal does by default?
type Defaults = [AtomicBool; BOUND];

/// Who listens in one process.
pub(super) struct Listeners {
    owner: Owner,
    table: Mutex<Table>,
    /// Written under the lock.
    default_is_in_force: Defaults,
    echoes: Echoes,
}

/// By number, in nanoseconds.
struct Echoes {
    began: Instant,
    /// How long a signal has echoes: for those who listen, the shortest that one of them knows. Written under the lock.
    last: [AtomicU64; BOUND],
    /// Until when what arrives is an echo, since we began.
    until: [AtomicU64; BOUND],
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Listeners {
    /// Nobody so far, in the process `owner`.
    pub(super) fn of(owner: Owner) -> Self {
        Self {
            owner,
            table: Mutex::new(Table {
                all: BTreeMap::new(),
                groups: BTreeMap::new(),
                next: 0,
                listening: [0; BOUND],
                impatient: [0; BOUND],
                echoes: BTreeMap::new(),
            }),
            default_is_in_force: [const { AtomicBool::new(true) }; BOUND],
            echoes: Echoes {
                began: Instant::now(),
                last: [const { AtomicU64::new(0) }; BOUND],
                until: [const { AtomicU64::new(0) }; BOUND],
            },
        }
    }

    /// Is the signal of this number that has just arrived the echo of another one? If not, what comes next may be its echo.
    /// Async-signal-safe: atomics, and the system's monotonic clock.
    #[cfg_attr(not(any(unix, windows)), allow(dead_code, reason = "no signal ever arrives"))]
    pub(super) fn is_echo(&self, index: usize) -> bool {
        let until = self.echoes.until[index].load(Ordering::SeqCst);
        let lasts = self.echoes.last[index].load(Ordering::SeqCst);
        if (until, lasts) == (0, 0) {
            return false;
        }
        let now = nanoseconds(self.echoes.began.elapsed());
        if now < until {
            return true;
        }
        let next = if lasts == 0 { 0 } else { now.saturating_add(lasts) };
        let set = self.echoes.until[index].compare_exchange(until, next, Ordering::SeqCst, Ordering::SeqCst);
        // Of two at the same moment on two threads one is first.
        lasts != 0 && set.is_err()
    }

    /// Shall the handler act as the signal of this number does by default? Async-signal-safe.
    #[cfg(unix)]
    pub(super) fn is_default_in_force(&self, index: usize) -> bool {
        self.default_is_in_force[index].load(Ordering::SeqCst)
    }

    /// No user code runs under the lock, so a poisoned one guards data as whole as any.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: they are those of the process that this one was forked from. Nothing is heard of them here, and another
    /// thread may have held their lock when the process was forked.
    fn lock_own(&self) -> Option<MutexGuard<'_, Table>> {
        self.owner.is_current().then(|| self.lock())
    }

    /// A signal has arrived: notifies all who listen for it.
    pub(super) fn hear(&self, number: i32) {
        let arrival = Arc::new(Arrival {
            number,
            is_used: AtomicBool::new(false),
        });
        let mut wakers = Vec::new();
        let mut is_one_too_many = false;
        let mut guard = self.lock();
        let table = &mut *guard;
        let mut told = BTreeSet::new();
        for listener in table.all.values_mut() {
            if !listener.signals.contains(number) {
                continue;
            }
            if table.groups.get(&listener.group).is_none_or(Group::is_out_of_patience) {
                is_one_too_many = true;
                continue;
            }
            told.insert(listener.group);
            listener.put_by.push_back(Arc::clone(&arrival));
            wakers.extend(listener.waker.take());
        }
        for group in told {
            table.tire(group, &self.default_is_in_force, |group| group.heard += 1);
        }
        drop(guard);
        if is_one_too_many {
            default_action::act(number);
        }
        for waker in wakers {
            // Whose panic it is has been reported by the panic hook; signals go on being heard.
            let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) else {
                continue;
            };
            // A payload that panics when dropped would go on for ever.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                mem::forget(again);
            }
        }
    }

    /// Begins to listen until the first of the two is dropped: for one signal; or, for a scope, of which all listeners
    /// count together, for two.
    pub(super) fn listen(&'static self, signals: Set, echo: Duration, scope: Option<usize>) -> (Listening, Ear) {
        let echo = nanoseconds(echo);
        let mut table = self.lock();
        let id = table.next;
        table.next += 1;
        let (key, patience) = scope.map_or((Key::Alone(id), 1), |scope| (Key::Scope(scope), 2));
        let group = table.groups.entry(key).or_insert(Group {
            patience,
            ..Group::default()
        });
        group.members.push(id);
        let is_out_of_patience = group.is_out_of_patience();
        table.all.insert(
            id,
            Listener {
                signals,
                group: key,
                echo,
                put_by: VecDeque::new(),
                waker: None,
            },
        );
        table.count(signals, &self.default_is_in_force, is_out_of_patience, |n| n + 1);
        table.count_echoes(signals, echo, &self.echoes, |n| n + 1);
        let listeners = self;
        (Listening { listeners, id }, Ear { listeners, id })
    }
}

struct Table {
    /// In order of registration.
    all: BTreeMap<u64, Listener>,
    groups: BTreeMap<Key, Group>,
    next: u64,
    /// By number: how many listen for it.
    listening: [u32; BOUND],
    /// And how many of these are out of patience.
    impatient: [u32; BOUND],
    /// By number and by how long an echo lasts for them: how many listen.
    echoes: BTreeMap<(usize, u64), u32>,
}

impl Table {
    /// Adds a listener to the counts, or takes it out.
    fn count(&mut self, signals: Set, defaults: &Defaults, is_out_of_patience: bool, change: impl Fn(u32) -> u32) {
        for index in signals.indices() {
            self.listening[index] = change(self.listening[index]);
            if is_out_of_patience {
                self.impatient[index] = change(self.impatient[index]);
            }
            self.decide(index, defaults);
        }
    }

    /// Adds a listener to those that know of echoes, or takes it out.
    fn count_echoes(&mut self, signals: Set, echo: u64, echoes: &Echoes, change: impl Fn(u32) -> u32) {
        for index in signals.indices() {
            let count = change(self.echoes.get(&(index, echo)).copied().unwrap_or(0));
            if count == 0 {
                self.echoes.remove(&(index, echo));
            } else {
                self.echoes.insert((index, echo), count);
            }
            let shortest = self.echoes.range((index, 0)..=(index, u64::MAX)).next();
            let shortest = shortest.map_or(0, |(&(_, echo), _)| echo);
            echoes.last[index].store(shortest, Ordering::SeqCst);
        }
    }

    fn decide(&self, index: usize, defaults: &Defaults) {
        let default = self.listening[index] == 0 || self.impatient[index] > 0;
        defaults[index].store(default, Ordering::SeqCst);
    }

    /// Changes how much patience a group has left, for less.
    fn tire(&mut self, key: Key, defaults: &Defaults, f: impl FnOnce(&mut Group)) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        let was_out_of_patience = group.is_out_of_patience();
        f(group);
        if was_out_of_patience || !group.is_out_of_patience() {
            return;
        }
        for member in group.members.clone() {
            let Some(signals) = self.all.get(&member).map(|listener| listener.signals) else {
                continue;
            };
            for index in signals.indices() {
                self.impatient[index] += 1;
                self.decide(index, defaults);
            }
        }
    }
}

/// A listener, for as long as this is there.
pub(super) struct Listening {
    listeners: &'static Listeners,
    id: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Some(mut table) = self.listeners.lock_own() else {
            return;
        };
        let gone = table.all.remove(&self.id);
        if let Some(listener) = &gone {
            let key = listener.group;
            let mut is_out_of_patience = false;
            if let Some(group) = table.groups.get_mut(&key) {
                is_out_of_patience = group.is_out_of_patience();
                group.members.retain(|&member| member != self.id);
                if group.members.is_empty() {
                    table.groups.remove(&key);
                }
            }
            let defaults = &self.listeners.default_is_in_force;
            table.count(listener.signals, defaults, is_out_of_patience, |n| n - 1);
            table.count_echoes(listener.signals, listener.echo, &self.listeners.echoes, |n| n - 1);
        }
        drop(table);
        drop(gone);
    }
}

/// Where a listener hears of signals. Dropped, its group has patience for no more of them.
pub(super) struct Ear {
    listeners: &'static Listeners,
    id: u64,
}

impl Ear {
    /// The next signal.
    pub(super) async fn next(&mut self) -> i32 {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &Context<'_>) -> Poll<i32> {
        let waker = cx.waker().clone();
        let Some(mut table) = self.listeners.lock_own() else {
            return Poll::Pending;
        };
        let Some(listener) = table.all.get_mut(&self.id) else {
            drop(table);
            return Poll::Pending;
        };
        let arrival = listener.put_by.pop_front();
        let replaced = listener.waker.replace(waker);
        drop(table);
        drop(replaced);
        arrival.map_or(Poll::Pending, |arrival| Poll::Ready(arrival.use_it()))
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let Some(mut table) = self.listeners.lock_own() else {
            return;
        };
        let Some(listener) = table.all.get_mut(&self.id) else {
            return;
        };
        let unheard = (mem::take(&mut listener.put_by), listener.waker.take());
        let key = listener.group;
        let defaults = &self.listeners.default_is_in_force;
        table.tire(key, defaults, |group| group.patience = group.heard);
        drop(table);
        drop(unheard);
    }
}

#[cfg(all(test, unix))]
#[allow(unsafe_code, reason = "to fork")]
mod tests {
    use signal_hook::consts::SIGUSR2;
    use signal_hook::low_level::raise;

    use crate::sources::signal::handler::current_or_new;
    use crate::{Cancelled, ReasonKind, Scope, check, signal};

    #[test]
    fn l23_locks_held_at_the_fork_do_not_hold_up_the_child() {
        let process = current_or_new();
        let source = signal::unix([SIGUSR2]).unwrap();
        let begun = process.listeners.listen(source.set.clone().unwrap(), source.echo, None);
        // As other threads may hold them; here it is this one.
        let held = (process.listeners.lock(), process.has_thread.lock().unwrap());
        // SAFETY: the child has this thread only. It uses the library, and memory, which the system sees to.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: a call with no pointers. If the child hangs, this is its end.
            unsafe { libc::alarm(60) };
            drop(begun);
            let outcome: Result<(), Cancelled> = Scope::new().until(source).run_sync(|| {
                raise(SIGUSR2).unwrap();
                loop {
                    check()?;
                }
            });
            let is_heard = outcome.is_err_and(|error| error.kind() == ReasonKind::Signal);
            // SAFETY: it ends here. The destructors and buffers are the parent's to see to.
            unsafe { libc::_exit(i32::from(!is_heard)) };
        }
        drop(held);
        let mut status = 0;
        // SAFETY: the system writes the status, no more.
        while unsafe { libc::waitpid(pid, &raw mut status, 0) } == -1 {}
        assert_eq!(status, 0);
    }
}
