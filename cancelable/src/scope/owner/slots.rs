//! A list whose entries come and go in any order, in constant time. Its memory is that of the most entries there were at once;
//! when it is empty again, that of a few.

use std::mem;

/// So much memory an empty list keeps.
const KEPT: usize = 256;

/// The place of an entry. No other entry ever has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    number: u64,
    at: usize,
}

impl Key {
    /// Of nothing that is on a list.
    pub(super) const NOWHERE: Self = Self {
        number: u64::MAX,
        at: usize::MAX,
    };
}

pub(super) struct Slots<E> {
    next: u64,
    live: usize,
    slots: Vec<Slot<E>>,
    /// The first of the free ones.
    free: Option<usize>,
}

enum Slot<E> {
    Live(u64, E),
    /// With the next free one.
    Free(Option<usize>),
}

impl<E> Slots<E> {
    pub(super) const fn new() -> Self {
        Self {
            next: 0,
            live: 0,
            slots: Vec::new(),
            free: None,
        }
    }

    pub(super) fn insert(&mut self, entry: E) -> Key {
        let number = self.next;
        self.next += 1;
        self.live += 1;
        let slot = Slot::Live(number, entry);
        let Some(at) = self.free else {
            self.slots.push(slot);
            let at = self.slots.len() - 1;
            return Key { number, at };
        };
        if let Slot::Free(next) = mem::replace(&mut self.slots[at], slot) {
            self.free = next;
        }
        Key { number, at }
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut E> {
        match self.slots.get_mut(key.at) {
            Some(Slot::Live(number, entry)) if *number == key.number => Some(entry),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<E> {
        self.get_mut(key)?;
        let Slot::Live(_, entry) = mem::replace(&mut self.slots[key.at], Slot::Free(self.free)) else {
            return None;
        };
        self.free = Some(key.at);
        self.live -= 1;
        if self.live == 0 && self.slots.len() > KEPT {
            (self.slots, self.free) = (Vec::new(), None);
        }
        Some(entry)
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut E> {
        self.slots.iter_mut().filter_map(|slot| match slot {
            Slot::Live(_, entry) => Some(entry),
            Slot::Free(_) => None,
        })
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;

    #[test]
    fn keys_of_entries_that_have_gone_lead_nowhere() {
        let mut slots = Slots::new();
        let (a, b) = (slots.insert('a'), slots.insert('b'));
        assert_eq!(slots.remove(a), Some('a'));
        let c = slots.insert('c');
        assert_eq!(c.at, a.at);
        assert_eq!(slots.remove(a), None);
        assert_eq!(slots.get_mut(a), None);
        assert_eq!(slots.remove(Key::NOWHERE), None);
        assert_eq!((slots.len(), slots.iter_mut().count()), (2, 2));
        assert_eq!(slots.get_mut(c), Some(&mut 'c'));
        assert_eq!((slots.remove(b), slots.remove(c)), (Some('b'), Some('c')));
        assert_eq!(slots.remove(c), None);
        assert_eq!(slots.len(), 0);
    }

    #[test]
    fn the_memory_is_that_of_the_most_at_once_and_goes_with_the_last() {
        let mut slots = Slots::new();
        for _ in 0..10 {
            let keys: Vec<Key> = (0..1000).map(|n| slots.insert(n)).collect();
            let first = slots.insert(0);
            for key in keys {
                slots.remove(key);
            }
            assert_eq!((slots.len(), slots.slots.len()), (1, 1001));
            slots.remove(first);
            assert_eq!(slots.slots.capacity(), 0);
        }
        for few in [1, KEPT] {
            let keys: Vec<Key> = (0..few).map(|n| slots.insert(n)).collect();
            for key in keys {
                slots.remove(key);
            }
            assert_eq!(slots.slots.len(), few, "little is kept");
        }
    }
}
