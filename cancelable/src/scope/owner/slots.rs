//! A list whose entries come and go in any order, in constant time, and whose memory is that of the most there were at once.

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
    slots: Vec<Option<(u64, E)>>,
    free: Vec<usize>,
}

impl<E> Slots<E> {
    pub(super) const fn new() -> Self {
        Self {
            next: 0,
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, entry: E) -> Key {
        let number = self.next;
        self.next += 1;
        let entry = Some((number, entry));
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at] = entry;
                at
            }
            None => {
                self.slots.push(entry);
                self.slots.len() - 1
            }
        };
        Key { number, at }
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut E> {
        match self.slots.get_mut(key.at) {
            Some(Some((number, entry))) if *number == key.number => Some(entry),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<E> {
        self.get_mut(key)?;
        let (_, entry) = self.slots[key.at].take()?;
        if self.free.len() + 1 == self.slots.len() {
            // The last one: as small as it was made.
            (self.slots, self.free) = (Vec::new(), Vec::new());
        } else {
            self.free.push(key.at);
        }
        Some(entry)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut E> {
        self.slots.iter_mut().flatten().map(|(_, entry)| entry)
    }
}
