//! A hierarchical timing wheel: payloads filed under the tick at which they are due.
//!
//! The idea is Varghese and Lauck's ("Hashed and hierarchical timing wheels", SOSP 1987, scheme 7).
//! The layout is that of tokio's `runtime/time/wheel`: 64 slots a level, an occupancy word per
//! level, the level found by the highest bit in which the deadline differs from the time reached.
//! Turned round from tokio: entries are in a slab and not intrusive, so that there is no unsafe
//! code, and there are enough levels for every `u64`, so that nothing lies beyond the last one.
//!
//! # Invariants
//!
//! A tick is read as [`LEVELS`] digits of [`BITS`] bits. `elapsed` is the tick reached.
//!
//! - W1. An entry in slot `s` of level `l` agrees with `elapsed` in all digits above `l`, and its
//!   digit `l` is `s`.
//! - W2. `s` is greater than digit `l` of `elapsed`, except in the slot being drained, where it is
//!   equal (all digits of `elapsed` below `l` are then 0: it is the slot's first tick).
//! - W3. Entries inserted at or before `elapsed` are on the overdue list, and only they.
//!
//! From W1 and W2: everything in a level is earlier than everything in the levels above it, so the
//! first occupied slot of the first occupied level is the earliest, and slots never wrap round.
//! Also, the slot being drained takes no new entries. They are kept because `elapsed` only moves in
//! [`Wheel::due`], and never past the start of an occupied slot.

use super::slab::{HOME_BITS, Key, NIL, Slab};

/// Bits of a tick that one level looks at.
const BITS: u32 = 6;
/// Slots of a level; as many as an occupancy word has bits.
const SLOTS: usize = 1 << BITS;
/// Levels, enough for all 64 bits of a tick. With ticks of 1 ms, a slot of the first levels spans
/// 1 ms, 64 ms, 4 s, 4 min, 4.7 h, 12 days, 2 years, 139 years.
const LEVELS: usize = 64_usize.div_ceil(BITS as usize);
/// The home of overdue entries; those below it are `level * SLOTS + slot`.
const OVERDUE: usize = LEVELS * SLOTS;

const _: () = assert!(OVERDUE < 1 << HOME_BITS);

/// The wheel. Starts at tick 0; time passes only by [`advance`](Self::advance).
pub(super) struct Wheel<T> {
    elapsed: u64,
    /// The slot that `elapsed` has reached and whose entries are being expired or moved down.
    draining: Option<usize>,
    /// Bit `l`: level `l` is occupied.
    levels: u16,
    /// Bit `s` of word `l`: slot `s` of level `l` is occupied.
    slots: [u64; LEVELS],
    /// First entry of each slot's list, then that of the overdue list.
    heads: [u32; OVERDUE + 1],
    slab: Slab<T>,
}

impl<T> Wheel<T> {
    /// An empty wheel at tick 0, which has not allocated.
    pub(super) const fn new() -> Self {
        Self {
            elapsed: 0,
            draining: None,
            levels: 0,
            slots: [0; LEVELS],
            heads: [NIL; OVERDUE + 1],
            slab: Slab::new(),
        }
    }

    /// Files `payload` under tick `when`; one that has been reached is due at once. O(1).
    ///
    /// # Panics
    ///
    /// As [`Slab::insert`].
    pub(super) fn insert(&mut self, when: u64, payload: T) -> Key {
        let home = self.home_of(when);
        let key = self.slab.insert(when, home, payload);
        self.heads[home] = self.slab.link(self.heads[home], key.index());
        key
    }

    /// Takes an entry out before it is due; `None` if it has expired or was removed. O(1).
    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        self.slab.contains(key).then(|| {
            self.detach(key.index());
            self.slab.remove(key.index())
        })
    }

    /// Has the key's entry neither expired nor been removed? O(1).
    #[cfg(test)]
    pub(super) fn contains(&self, key: Key) -> bool {
        self.slab.contains(key)
    }

    /// The payload of an entry that has neither expired nor been removed. O(1).
    #[cfg(test)]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slab.get_mut(key)
    }

    /// A tick at or before which nothing needs to be done; `None` if the wheel is empty. O(1).
    ///
    /// Never later than the earliest entry, but for an overdue one: then it is the tick reached. It
    /// may be earlier, when the first thing to do is to move the entries of a slot down a level.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        let drained = self.draining.is_none_or(|home| self.heads[home] == NIL);
        if !drained || self.heads[OVERDUE] != NIL {
            return Some(self.elapsed);
        }
        self.first_slot().map(|(_, start)| start)
    }

    /// Lets time pass to tick `now`, in at most `steps` steps; asks `later` of each entry whose tick has come whether it is to
    /// stay, until another tick, and drops those that are not.
    ///
    /// A step expires an entry or moves it; the work is O(steps), and O(1) amortised for an
    /// entry. Returns whether something is left to do for this `now`: call again, with other calls
    /// in between if need be. Entries come by tick, those of a tick as they were inserted unless
    /// steps ran out in between; overdue ones come last, so that a payload which is inserted as
    /// overdue again and again cannot keep others from expiring. Time does not go back: an earlier
    /// `now` than before has no effect of its own.
    pub(super) fn advance(&mut self, now: u64, steps: usize, mut later: impl FnMut(&T) -> Option<u64>) -> bool {
        for _ in 0..steps {
            let Some(home) = self.due(now) else {
                return false;
            };
            let index = self.heads[home];
            let when = self.slab.when(index);
            self.detach(index);
            let when = if when <= self.elapsed {
                later(self.slab.payload(index))
            } else {
                Some(when)
            };
            match when {
                None => drop(self.slab.remove(index)),
                Some(when) => {
                    let home = self.home_of(when);
                    self.slab.set_home(index, when, home);
                    self.heads[home] = self.slab.link(self.heads[home], index);
                }
            }
        }
        self.due(now).is_some()
    }

    /// Shows every payload.
    pub(super) fn for_each(&self, f: impl FnMut(&T)) {
        self.slab.for_each(f);
    }

    /// Number of entries.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Number of entries there is memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.slab.capacity()
    }

    /// Length of the slab's directory of pages.
    #[cfg(test)]
    pub(super) fn directory(&self) -> usize {
        self.slab.directory()
    }

    /// A list with something to expire or move down at `now`. The one place where time passes.
    fn due(&mut self, now: u64) -> Option<usize> {
        match self.draining {
            Some(home) if self.heads[home] != NIL => return self.draining,
            _ => self.draining = None,
        }
        match self.first_slot() {
            Some((home, start)) if start <= now => {
                self.elapsed = start;
                self.draining = Some(home);
                self.draining
            }
            _ => {
                self.elapsed = self.elapsed.max(now);
                (self.heads[OVERDUE] != NIL).then_some(OVERDUE)
            }
        }
    }

    /// The earliest occupied slot and its first tick, if none is being drained.
    fn first_slot(&self) -> Option<(usize, u64)> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros();
        let slot = self.slots[level as usize].trailing_zeros();
        let shift = level * BITS;
        // Digits above `level` are those of `elapsed` (W1); shifted in two goes, for at the top
        // level there are none and `shift + BITS` is past the width.
        let above = self.elapsed >> shift >> BITS << BITS << shift;
        Some(((level * SLOTS as u32 + slot) as usize, above | u64::from(slot) << shift))
    }

    /// The list on which an entry belongs, as seen from `elapsed`; from now on it is taken to be occupied.
    fn home_of(&mut self, when: u64) -> usize {
        if when <= self.elapsed {
            return OVERDUE;
        }
        let level = (self.elapsed ^ when).ilog2() / BITS;
        let slot = (when >> (level * BITS)) as usize % SLOTS;
        self.levels |= 1 << level;
        self.slots[level as usize] |= 1 << slot;
        level as usize * SLOTS + slot
    }

    /// Takes an entry off its list.
    fn detach(&mut self, index: u32) {
        let home = self.slab.home(index);
        self.heads[home] = self.slab.unlink(self.heads[home], index);
        if self.heads[home] == NIL && home != OVERDUE {
            let (level, slot) = (home / SLOTS, home % SLOTS);
            self.slots[level] &= !(1 << slot);
            if self.slots[level] == 0 {
                self.levels &= !(1 << level);
            }
        }
    }
}
