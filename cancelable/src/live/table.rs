//! The table: shards, each under a lock of its own, that a thread holds for a few words and no code of the user's.

#[cfg(feature = "registry")]
use std::collections::VecDeque;
use std::mem;
#[cfg(feature = "registry")]
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "registry")]
use std::time::Duration;
use std::time::Instant;

use crate::cause::Cause;
use crate::context::StandIn;
use crate::observe::{Outcome, Record};
use crate::primitive::Arc as Shared;

/// A power of two. A scope is in that of the thread that it began on.
const SHARDS: usize = 16;

/// On cache lines of its own.
#[repr(align(128))]
struct Shard(Mutex<Rows>);

#[derive(Default)]
struct Rows {
    /// In no order: one that goes is replaced by the last.
    live: Vec<Entry>,
    /// The last that ended, the oldest first. As many in each shard as are asked for in all.
    #[cfg(feature = "registry")]
    ended: VecDeque<Ended>,
}

/// A scope that runs.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) record: Arc<Record>,
    pub(crate) token: StandIn,
}

/// One that has ended.
#[cfg(feature = "registry")]
#[derive(Clone)]
pub(crate) struct Ended {
    pub(crate) record: Arc<Record>,
    pub(crate) at: Instant,
    pub(crate) outcome: Outcome,
    /// Why it was cancelled, if it was.
    pub(crate) cause: Option<Shared<Cause>>,
}

#[cfg(feature = "registry")]
impl Ended {
    pub(crate) fn lasted(&self) -> Duration {
        self.at.saturating_duration_since(self.record.began)
    }
}

static TABLE: [Shard; SHARDS] = [const {
    Shard(Mutex::new(Rows {
        live: Vec::new(),
        #[cfg(feature = "registry")]
        ended: VecDeque::new(),
    }))
}; SHARDS];

/// How many that have ended are kept.
#[cfg(feature = "registry")]
static KEPT: AtomicUsize = AtomicUsize::new(256);

fn lock(shard: usize) -> MutexGuard<'static, Rows> {
    TABLE[shard % SHARDS].0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a record is that is not in the table.
pub(crate) const NOWHERE: usize = usize::MAX;

fn shard_of(record: &Record) -> usize {
    record.thread as usize
}

/// A scope runs.
pub(super) fn insert(record: &Arc<Record>, token: StandIn) {
    let entry = Entry {
        record: Arc::clone(record),
        token,
    };
    let mut rows = lock(shard_of(record));
    record.place.store(rows.live.len(), Ordering::Relaxed);
    rows.live.push(entry);
}

/// Its token has been made.
pub(super) fn settle(record: &Record, token: StandIn) {
    let mut rows = lock(shard_of(record));
    let place = record.place.load(Ordering::Relaxed);
    let before = match rows.live.get_mut(place) {
        Some(entry) => mem::replace(&mut entry.token, token),
        // It has ended.
        None => token,
    };
    drop(rows);
    // There may be a waker in it.
    drop(before);
}

/// It has ended. `None`: that has been said before, or it was never there. `at_once`: it has never been pending.
pub(super) fn end(record: &Arc<Record>, at_once: bool) -> Option<(Outcome, Option<Shared<Cause>>)> {
    if record.place.load(Ordering::Relaxed) == NOWHERE {
        return None;
    }
    let at = record.ends(at_once);
    let mut rows = lock(shard_of(record));
    let entry = take(&mut rows, record)?;
    if entry.token.is_clear(at) {
        // As most do. Under this lock, for it is taken already.
        let outcome = record.outcome(None);
        #[cfg(feature = "registry")]
        let unwanted = rows.keep(Ended {
            record: entry.record,
            at,
            outcome,
            cause: None,
        });
        drop(rows);
        drop(entry.token);
        #[cfg(feature = "registry")]
        if let Some(unwanted) = unwanted {
            unwanted.record.recycle();
        }
        return Some((outcome, None));
    }
    // Its tree's lock is taken for this, so no lock of the table may be.
    drop(rows);
    // Here another look at the clock does not matter.
    let at = if at_once { Instant::now() } else { at };
    let cause = entry.token.known(at).and_then(|token| token.marked_cause());
    let outcome = record.outcome(cause.as_deref());
    drop(entry.token);
    #[cfg(feature = "registry")]
    {
        let ended = Ended {
            record: entry.record,
            at,
            outcome,
            cause: cause.clone(),
        };
        let unwanted = lock(shard_of(record)).keep(ended);
        // A reason may have an error of the user's in it, and so the last thing.
        drop(unwanted);
    }
    Some((outcome, cause))
}

#[cfg(feature = "registry")]
impl Rows {
    /// Puts it with those that have ended, in the place of the oldest; what is not wanted any more is returned.
    fn keep(&mut self, mut ended: Ended) -> Option<Ended> {
        let kept = KEPT.load(Ordering::Relaxed);
        if kept == 0 {
            return Some(ended);
        }
        // That of one that has ended at once is told too early.
        if let Some(last) = self.ended.back() {
            ended.at = ended.at.max(last.at);
        }
        let oldest = if self.ended.len() >= kept {
            self.ended.pop_front()
        } else {
            None
        };
        self.ended.push_back(ended);
        oldest
    }
}

fn take(rows: &mut Rows, record: &Arc<Record>) -> Option<Entry> {
    let place = record.place.load(Ordering::Relaxed);
    if place == NOWHERE {
        return None;
    }
    record.place.store(NOWHERE, Ordering::Relaxed);
    let entry = rows.live.swap_remove(place);
    if let Some(moved) = rows.live.get(place) {
        moved.record.place.store(place, Ordering::Relaxed);
    }
    if rows.live.len() * 4 < rows.live.capacity() && rows.live.capacity() > 64 {
        let room = rows.live.len() * 2;
        rows.live.shrink_to(room);
    }
    Some(entry)
}

/// All that run, in the order in which they began.
#[cfg(feature = "registry")]
pub(crate) fn entries() -> Vec<Entry> {
    let mut all = Vec::new();
    for shard in 0..SHARDS {
        all.extend_from_slice(&lock(shard).live);
    }
    // Of one thread they are numbered in this order, too.
    all.sort_unstable_by_key(|entry| (entry.record.began, entry.record.id));
    all
}

/// Does none run?
pub(super) fn is_empty() -> bool {
    (0..SHARDS).all(|shard| lock(shard).live.is_empty())
}

/// Has `look` see all that run, as long as it says `true`. Under a lock: it may only read words.
pub(super) fn for_each(mut look: impl FnMut(&Entry)) {
    for shard in 0..SHARDS {
        lock(shard).live.iter().for_each(&mut look);
    }
}

/// The one of this number that runs.
#[cfg(feature = "registry")]
pub(crate) fn find(id: u64) -> Option<Entry> {
    (0..SHARDS).find_map(|shard| lock(shard).live.iter().find(|entry| entry.record.id == id).cloned())
}

/// The last that ended, the last one first.
#[cfg(feature = "registry")]
pub(crate) fn history() -> Vec<Ended> {
    let mut all = Vec::new();
    for shard in 0..SHARDS {
        // Of the same moment are those whose end is told too early: the last one goes first all the same.
        all.extend(lock(shard).ended.iter().rev().cloned());
    }
    all.sort_by_key(|ended| std::cmp::Reverse(ended.at));
    all.truncate(KEPT.load(Ordering::Relaxed));
    all
}

/// How many of those are kept.
#[cfg(feature = "registry")]
pub(crate) fn set_history(kept: usize) {
    KEPT.store(kept, Ordering::Relaxed);
    for shard in 0..SHARDS {
        let mut rows = lock(shard);
        let too_many = rows.ended.len().saturating_sub(kept);
        let unwanted: Vec<_> = rows.ended.drain(..too_many).collect();
        rows.ended.shrink_to_fit();
        drop(rows);
        drop(unwanted);
    }
}

/// What keeps a fork from copying a table that is being written: all locks, taken by the thread that forks.
pub(super) fn lock_all() -> Locked {
    Locked((0..SHARDS).map(lock).collect())
}

pub(super) struct Locked(#[expect(dead_code, reason = "held for their `Drop`")] Vec<MutexGuard<'static, Rows>>);
