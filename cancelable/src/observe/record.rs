//! What is known of one scope while it runs: what it was from the start, and words that its code writes and anybody reads.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[cfg(feature = "registry")]
use super::point::LastPoint;
use super::span::SpanId;
use super::threads::thread_number;
#[cfg(feature = "registry")]
use super::ticks::Ticks;
use crate::cause::Cause;
use crate::error::Cancelled;
use crate::primitive::Arc as Shared;
use crate::runtime::Task;

/// One scope that has a name. Nothing in it keeps the scope, or what is outside of it.
pub(crate) struct Record {
    /// None is used twice.
    pub(crate) id: u64,
    pub(crate) name: Cow<'static, str>,
    /// The named scope that it began in.
    pub(crate) parent: Option<u64>,
    pub(crate) begun_at: &'static Location<'static>,
    pub(crate) began: Instant,
    /// By the clock that costs a load, as that was written down by then.
    #[cfg(feature = "registry")]
    ticks: Option<Ticks>,
    #[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nothing"))]
    pub(super) span: SpanId,
    /// In which it began.
    pub(crate) task: Task,
    pub(crate) thread: u32,
    /// Where it is in the table: for that alone, under its lock.
    pub(crate) place: AtomicUsize,
    /// The thread that is in its code now, or 0.
    running_on: AtomicU32,
    #[cfg(feature = "registry")]
    pub(crate) last: LastPoint,
    /// What `progress` has said: done, and of how many.
    done: AtomicU64,
    total: AtomicU64,
    /// Of how it ends.
    flags: AtomicU8,
    /// Has somebody been told that it is a straggler?
    is_told_of: AtomicBool,
    details: Mutex<Details>,
}

/// What few scopes have.
#[derive(Default)]
struct Details {
    /// The first check point that noticed its cancel; or, as long as none has in the scope itself, that of a scope without a name
    /// inside.
    noticed: Option<Noticed>,
    /// The shields that run in it.
    shields: Vec<Shield>,
    /// How many there have been.
    shields_so_far: u32,
    /// What `progress_message` has said last.
    #[cfg(feature = "registry")]
    message: Option<Arc<str>>,
}

struct Noticed {
    at: &'static Location<'static>,
    cause: Shared<Cause>,
    is_own: bool,
}

/// A shield that holds its scope up.
#[derive(Clone, Copy)]
pub(crate) struct Shield {
    number: u32,
    pub(crate) begun_at: &'static Location<'static>,
    pub(crate) began: Instant,
}

const UNKNOWN: u64 = u64::MAX;

const UNWOUND: u8 = 1;
const FORCED: u8 = 2;
const DROPPED: u8 = 4;
/// It has details, or had.
const DETAILED: u8 = 8;

/// For how many records a thread keeps memory.
const KEPT: usize = 32;

thread_local! {
    /// Of scopes that have ended, and are known to nobody.
    static SPARE: RefCell<Vec<Arc<Record>>> = const { RefCell::new(Vec::new()) };
}

/// A thread takes so many numbers at a time: they would fetch the word from each other.
const NUMBERS: u64 = 64;

fn next_id() -> u64 {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static NEXT: Cell<u64> = const { Cell::new(0) };
    }
    let next = match NEXT.get() {
        // All that it had taken are used.
        next if next % NUMBERS == 0 => TAKEN.fetch_add(1, Ordering::Relaxed) * NUMBERS,
        next => next,
    };
    NEXT.set(next + 1);
    next + 1
}

/// What is known of a scope's first moment where it begins.
#[derive(Clone, Copy)]
pub(crate) struct Begins {
    pub(crate) at: Instant,
    /// In which it is.
    pub(crate) task: Task,
}

/// How a scope has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "registry", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Outcome {
    /// Its body returned, and had not noticed a cancel.
    Finished,
    /// A check point noticed its cancel.
    Cancelled,
    /// It was cancelled, and dropped when its grace had ended.
    Forced,
    /// It was dropped by the code round it before it finished.
    Dropped,
    /// Its body panicked.
    Panicked,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
            Self::Forced => "forced",
            Self::Dropped => "dropped",
            Self::Panicked => "panicked",
        })
    }
}

impl Record {
    /// In the memory of one that has ended, if there is some.
    pub(super) fn begin(
        name: Cow<'static, str>,
        parent: Option<u64>,
        begun_at: &'static Location<'static>,
        span: SpanId,
        begins: Begins,
    ) -> Arc<Self> {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
        if let Some(mut spare) = spare {
            if let Some(memory) = Arc::get_mut(&mut spare) {
                memory.renew(name, parent, begun_at, span, begins);
                return spare;
            }
        }
        Arc::new(Self::new(name, parent, begun_at, span, begins))
    }

    /// Becomes a new one. It has no details.
    fn renew(
        &mut self,
        name: Cow<'static, str>,
        parent: Option<u64>,
        begun_at: &'static Location<'static>,
        span: SpanId,
        begins: Begins,
    ) {
        (self.id, self.parent, self.begun_at) = (next_id(), parent, begun_at);
        (self.name, self.span) = (name, span);
        (self.began, self.task, self.thread) = (begins.at, begins.task, thread_number());
        #[cfg(feature = "registry")]
        {
            self.ticks = Ticks::running();
            self.last = LastPoint::none();
        }
        (*self.place.get_mut(), *self.running_on.get_mut()) = (usize::MAX, 0);
        (*self.done.get_mut(), *self.total.get_mut()) = (UNKNOWN, UNKNOWN);
        (*self.flags.get_mut(), *self.is_told_of.get_mut()) = (0, false);
    }

    /// Keeps the memory, if nobody else knows of it and nothing of the user's is in it.
    pub(crate) fn recycle(self: Arc<Self>) {
        let is_plain = matches!(self.name, Cow::Borrowed(_)) && self.flags.load(Ordering::Relaxed) & DETAILED == 0;
        if is_plain && Arc::strong_count(&self) == 1 {
            // A thread that is ending keeps nothing.
            let _ = SPARE.try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < KEPT {
                    spare.push(self);
                }
            });
        }
    }

    fn new(
        name: Cow<'static, str>,
        parent: Option<u64>,
        begun_at: &'static Location<'static>,
        span: SpanId,
        begins: Begins,
    ) -> Self {
        Self {
            id: next_id(),
            name,
            parent,
            begun_at,
            began: begins.at,
            #[cfg(feature = "registry")]
            ticks: Ticks::running(),
            span,
            task: begins.task,
            thread: thread_number(),
            place: AtomicUsize::new(usize::MAX),
            running_on: AtomicU32::new(0),
            #[cfg(feature = "registry")]
            last: LastPoint::none(),
            done: AtomicU64::new(UNKNOWN),
            total: AtomicU64::new(UNKNOWN),
            flags: AtomicU8::new(0),
            is_told_of: AtomicBool::new(false),
            details: Mutex::default(),
        }
    }

    /// When it has ended, if that is now. `at_once`: it has never been pending. Then the real clock, which is dear, is asked only if
    /// the cheap one has moved since it began.
    pub(crate) fn ends(&self, at_once: bool) -> Instant {
        #[cfg(feature = "registry")]
        if at_once && self.ticks.is_some() && self.ticks == Ticks::running() {
            return self.began;
        }
        let _ = at_once;
        Instant::now()
    }

    fn details(&self) -> MutexGuard<'_, Details> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This thread is in its code from now on; says which was before.
    #[inline]
    pub(super) fn run(&self) -> u32 {
        let before = self.running_on.load(Ordering::Relaxed);
        self.running_on.store(thread_number(), Ordering::Relaxed);
        before
    }

    #[inline]
    pub(super) fn rest(&self, before: u32) {
        self.running_on.store(before, Ordering::Relaxed);
    }

    /// The thread that is in its code.
    pub(crate) fn running_on(&self) -> Option<u32> {
        let thread = self.running_on.load(Ordering::Relaxed);
        (thread != 0).then_some(thread)
    }

    #[cfg(feature = "registry")]
    pub(super) fn progress(&self, done: u64, total: Option<u64>) {
        self.total.store(total.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
    }

    /// What has been done, and of how many.
    #[cfg(feature = "registry")]
    pub(crate) fn progressed(&self) -> Option<(u64, Option<u64>)> {
        let [done, total] = [&self.done, &self.total].map(|word| word.load(Ordering::Relaxed));
        (done != UNKNOWN).then_some((done, (total != UNKNOWN).then_some(total)))
    }

    #[cfg(feature = "registry")]
    pub(super) fn say(&self, message: &Arc<str>) {
        self.flag(DETAILED);
        self.details().message = Some(Arc::clone(message));
    }

    /// What the work is at.
    #[cfg(feature = "registry")]
    pub(crate) fn message(&self) -> Option<Arc<str>> {
        if self.flags.load(Ordering::Relaxed) & DETAILED == 0 {
            return None;
        }
        self.details().message.clone()
    }

    /// A check point has noticed a cancel: its own, or, in what was taken along from it, perhaps that of something inside.
    pub(super) fn notice(&self, cancelled: &Cancelled, is_own: bool) {
        let cause = cancelled.cause();
        let noticed = Noticed {
            at: cancelled.observed_at(),
            cause: Shared::clone(cause),
            is_own,
        };
        self.flag(DETAILED);
        let mut details = self.details();
        let is_first = details
            .noticed
            .as_ref()
            .is_none_or(|known| !known.is_own && !known.cause.is_same_event(cause));
        let unwanted = if is_first {
            details.noticed.replace(noticed)
        } else {
            Some(noticed)
        };
        drop(details);
        // There may be an error of the user's in it.
        drop(unwanted);
    }

    /// The line of the first check point that noticed this.
    pub(crate) fn noticed(&self, cause: &Cause) -> Option<&'static Location<'static>> {
        let details = self.details();
        let noticed = details.noticed.as_ref()?;
        noticed.cause.is_same_event(cause).then_some(noticed.at)
    }

    pub(super) fn begin_shield(&self, begun_at: &'static Location<'static>) -> u32 {
        self.flag(DETAILED);
        let mut details = self.details();
        details.shields_so_far = details.shields_so_far.wrapping_add(1);
        let number = details.shields_so_far;
        details.shields.push(Shield {
            number,
            begun_at,
            began: Instant::now(),
        });
        number
    }

    pub(super) fn end_shield(&self, number: u32) {
        self.details().shields.retain(|shield| shield.number != number);
    }

    /// The one that has run for longest.
    pub(crate) fn oldest_shield(&self) -> Option<Shield> {
        if self.flags.load(Ordering::Relaxed) & DETAILED == 0 {
            return None;
        }
        self.details().shields.first().copied()
    }

    fn flag(&self, flag: u8) {
        self.flags.fetch_or(flag, Ordering::Relaxed);
    }

    pub(super) fn unwinds(&self) {
        self.flag(UNWOUND);
    }

    pub(super) fn is_forced(&self) {
        self.flag(FORCED);
    }

    pub(super) fn is_dropped(&self) {
        self.flag(DROPPED);
    }

    /// How it has ended, cancelled by this or not.
    pub(crate) fn outcome(&self, cause: Option<&Cause>) -> Outcome {
        let flags = self.flags.load(Ordering::Relaxed);
        let has = |flag| flags & flag != 0;
        if has(UNWOUND) {
            Outcome::Panicked
        } else if has(FORCED) {
            Outcome::Forced
        } else if has(DROPPED) {
            Outcome::Dropped
        } else if cause.is_some_and(|cause| self.noticed(cause).is_some()) {
            Outcome::Cancelled
        } else {
            Outcome::Finished
        }
    }

    /// Is this the first time that somebody is told that it straggles?
    pub(crate) fn tell_of(&self) -> bool {
        !self.is_told_of.swap(true, Ordering::Relaxed)
    }
}

/// The scope whose token it is, if it is that of one with a name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject(pub(super) Option<Arc<Record>>);

impl Subject {
    pub(crate) const NONE: Self = Self(None);
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
