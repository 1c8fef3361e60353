//! The table: shards, each under a lock of its own, that a thread holds for a few words and no code of the user's.

#[cfg(feature = "registry")]
use std::collections::VecDeque;
#[cfg(feature = "registry")]
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "registry")]
use std::time::{Duration, Instant};

use crate::cause::Cause;
use crate::observe::{Outcome, Record};
use crate::primitive::Arc as Shared;
use crate::token::CancellationToken;

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
    pub(crate) token: CancellationToken,
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

fn shard_of(record: &Record) -> usize {
    record.thread as usize
}

/// A scope runs.
pub(super) fn insert(record: &Arc<Record>, token: &CancellationToken) {
    let entry = Entry {
        record: Arc::clone(record),
        token: token.clone(),
    };
    let mut rows = lock(shard_of(record));
    record.place.store(rows.live.len(), Ordering::Relaxed);
    rows.live.push(entry);
}

/// It has ended. `None`: that has been said before, or it was never there.
pub(super) fn end(record: &Arc<Record>) -> Option<(Outcome, Option<Shared<Cause>>)> {
    let shard = shard_of(record);
    let entry = take(&mut lock(shard), record)?;
    // Its tree's lock is taken for this, so no lock of the table may be.
    let cause = entry.token.is_marked().then(|| entry.token.marked_cause()).flatten();
    let outcome = record.outcome(cause.as_deref());
    drop(entry.token);
    #[cfg(feature = "registry")]
    keep(
        shard,
        Ended {
            record: entry.record,
            at: Instant::now(),
            outcome,
            cause: cause.clone(),
        },
    );
    Some((outcome, cause))
}

/// Puts it with those that have ended, in the place of the oldest.
#[cfg(feature = "registry")]
fn keep(shard: usize, ended: Ended) {
    let kept = KEPT.load(Ordering::Relaxed);
    let mut rows = lock(shard);
    let oldest = if kept > 0 && rows.ended.len() >= kept {
        rows.ended.pop_front()
    } else {
        None
    };
    let unwanted = if kept > 0 {
        rows.ended.push_back(ended);
        None
    } else {
        Some(ended)
    };
    drop(rows);
    // A reason may have an error of the user's in it, and so the last thing.
    drop((oldest, unwanted));
}

fn take(rows: &mut Rows, record: &Arc<Record>) -> Option<Entry> {
    let place = record.place.swap(usize::MAX, Ordering::Relaxed);
    if place == usize::MAX {
        return None;
    }
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
    all.sort_unstable_by_key(|entry| entry.record.id);
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
        all.extend(lock(shard).ended.iter().cloned());
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
