//! The entries of a wheel: pages that never move, keys that go stale, lists threaded through.
//!
//! An entry is 32 bytes for an [`Arc`](std::sync::Arc), so a million alarms take 32 MB, and 100 MB for the slots that they
//! point to.
//!
//! *Memory goes back.* Entries live in pages of [`PAGE`] each. A page in which the last entry is
//! freed is given back to the allocator, except that about one page's worth of room is kept, so
//! that a count swinging round a page border does not allocate each time: between giving a page
//! back and needing it again lie at least [`PAGE`] insertions. The directory of pages (36 bytes
//! each, 0.4 % of the entries) stays as long as it has been, until the last entry of all goes: then
//! everything is given back if the directory is longer than [`KEPT_DIRECTORY`].
//!
//! Entries cannot move, for keys hold their index, so one entry pins its page, and one anywhere the directory: also that of an
//! idle slot, which a thread keeps, until its tick. New entries go into
//! the pages that are there, so scattered survivors of a burst are joined before more is allocated.

use std::mem;

/// Entries per page: 8 KiB pages for an `Arc`.
pub(super) const PAGE: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 8;

/// A store that empties starts afresh if it had more pages than this; fewer are not worth it.
pub(super) const KEPT_DIRECTORY: usize = 16;

/// "No entry": the head of an empty list.
pub(super) const NIL: u32 = u32::MAX;

/// Width of the `home` part of an entry's tag; see [`Entry::tag`].
pub(super) const HOME_BITS: u32 = 10;
const SERIALS: u64 = 1 << (u64::BITS - HOME_BITS);

/// Names one entry for as long as it lives; afterwards it names nothing.
///
/// A serial number is not given out twice (there are 2⁵⁴: 57 years at ten million a second), so a
/// key that outlived its entry cannot hit the next tenant of that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    index: u32,
    serial: u64,
}

impl Key {
    /// The name of nothing. (Serial numbers begin at 1.)
    pub(super) const NONE: Self = Self { index: 0, serial: 0 };

    /// The place of the entry, as the list operations use it.
    pub(super) fn index(self) -> u32 {
        self.index
    }
}

/// One place: occupied while `payload` is there, otherwise on its page's free list.
struct Entry<T> {
    /// The tick it is due at.
    when: u64,
    /// `serial << HOME_BITS | home`, where `home` is the list it is linked into, in the wheel's
    /// numbering. Packed, for it saves 8 bytes of 48.
    tag: u64,
    /// Neighbours in one of the wheel's circular lists; in the free list, `next` is the next free place of the page.
    prev: u32,
    next: u32,
    payload: Option<T>,
}

struct Page<T> {
    /// [`PAGE`] entries, or none once the page has been given back.
    entries: Box<[Entry<T>]>,
    live: u32,
    /// The free place to be taken next: the one freed last, which is still in the cache. `NIL` if the page is full.
    free: u32,
    /// Neighbours in the circular list of pages that are not full.
    prev: u32,
    next: u32,
}

/// The store. All operations are O(1), amortised over pages where they allocate or free.
///
/// Lists are circular and doubly linked; a list is known by its head, which the list operations
/// take and return, so that the owner of the list keeps it where it likes. Indices must be those
/// of present entries: a wrong one is a bug in the wheel and panics.
pub(super) struct Slab<T> {
    pages: Vec<Page<T>>,
    /// Directory places whose page was given back.
    released: Vec<u32>,
    /// Head of the list of pages that are not full.
    roomy: u32,
    /// Free places.
    room: usize,
    live: usize,
    /// The serial number given out last.
    serial: u64,
}

impl<T> Slab<T> {
    /// An empty store that has not allocated.
    pub(super) const fn new() -> Self {
        Self {
            pages: Vec::new(),
            released: Vec::new(),
            roomy: NIL,
            room: 0,
            live: 0,
            serial: 0,
        }
    }

    /// Stores `payload`, a list of its own so far.
    ///
    /// # Panics
    ///
    /// With more than four billion entries, which would be 137 GB of them.
    pub(super) fn insert(&mut self, when: u64, home: usize, payload: T) -> Key {
        if self.roomy == NIL {
            self.add_page();
        }
        self.room -= 1;
        self.live += 1;
        self.serial = (self.serial + 1) % SERIALS;
        let (number, serial) = (self.roomy, self.serial);
        let page = &mut self.pages[number as usize];
        let offset = page.free;
        let index = number << PAGE_BITS | offset;
        let entry = &mut page.entries[offset as usize];
        page.free = entry.next;
        page.live += 1;
        entry.when = when;
        entry.tag = serial << HOME_BITS | home as u64;
        (entry.prev, entry.next) = (index, index);
        entry.payload = Some(payload);
        if page.free == NIL {
            self.unlist(number);
        }
        Key { index, serial }
    }

    /// Frees an entry that is on no list, and its page if that was the last one in it.
    pub(super) fn remove(&mut self, index: u32) -> T {
        let (number, offset) = (index >> PAGE_BITS, index % PAGE as u32);
        let page = &mut self.pages[number as usize];
        let entry = &mut page.entries[offset as usize];
        let payload = entry.payload.take();
        let payload = payload.expect("the wheel removes entries that are there");
        entry.next = page.free;
        page.free = offset;
        page.live -= 1;
        let (was_full, is_vacated) = (entry.next == NIL, page.live == 0);
        self.room += 1;
        self.live -= 1;
        if was_full {
            self.list(number);
        }
        if is_vacated {
            self.vacated(number);
        }
        payload
    }

    /// Does the key's entry still exist?
    pub(super) fn contains(&self, key: Key) -> bool {
        let page = self.pages.get(key.index as usize >> PAGE_BITS);
        page.and_then(|page| page.entries.get(key.index as usize % PAGE))
            .is_some_and(|entry| entry.payload.is_some() && entry.tag >> HOME_BITS == key.serial)
    }

    /// The payload of the key's entry, if that still exists.
    #[cfg(test)]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        if !self.contains(key) {
            return None;
        }
        self.entry_mut(key.index).payload.as_mut()
    }

    /// The payload of an entry.
    pub(super) fn payload(&self, index: u32) -> &T {
        let payload = self.entry(index).payload.as_ref();
        payload.expect("the wheel asks of entries that are there")
    }

    /// Shows the payloads of all entries.
    pub(super) fn for_each(&self, f: impl FnMut(&T)) {
        let entries = self.pages.iter().flat_map(|page| &page.entries);
        entries.filter_map(|entry| entry.payload.as_ref()).for_each(f);
    }

    /// The tick it is due at.
    pub(super) fn when(&self, index: u32) -> u64 {
        self.entry(index).when
    }

    /// The list the entry was last said to be on.
    pub(super) fn home(&self, index: u32) -> usize {
        (self.entry(index).tag % (1 << HOME_BITS)) as usize
    }

    /// Notes the tick of an entry and the list it is to be on, a number below `1 << HOME_BITS`, and makes it one of its own
    /// for now.
    pub(super) fn set_home(&mut self, index: u32, when: u64, home: usize) {
        let entry = self.entry_mut(index);
        entry.when = when;
        entry.tag = entry.tag >> HOME_BITS << HOME_BITS | home as u64;
        (entry.prev, entry.next) = (index, index);
    }

    /// Appends an entry that is a list of its own to the list of `head`; returns the new head.
    #[must_use]
    pub(super) fn link(&mut self, head: u32, index: u32) -> u32 {
        if head == NIL {
            return index;
        }
        let tail = self.entry(head).prev;
        let entry = self.entry_mut(index);
        (entry.prev, entry.next) = (tail, head);
        self.entry_mut(tail).next = index;
        self.entry_mut(head).prev = index;
        head
    }

    /// Takes an entry out of the list of `head`; returns the new head.
    #[must_use]
    pub(super) fn unlink(&mut self, head: u32, index: u32) -> u32 {
        let &Entry { prev, next, .. } = self.entry(index);
        if next == index {
            return NIL;
        }
        self.entry_mut(prev).next = next;
        self.entry_mut(next).prev = prev;
        if head == index { next } else { head }
    }

    /// Number of entries.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// Number of entries there is memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.room + self.live
    }

    /// Length of the directory of pages.
    #[cfg(test)]
    pub(super) fn directory(&self) -> usize {
        self.pages.len()
    }

    fn entry(&self, index: u32) -> &Entry<T> {
        &self.pages[index as usize >> PAGE_BITS].entries[index as usize % PAGE]
    }

    fn entry_mut(&mut self, index: u32) -> &mut Entry<T> {
        &mut self.pages[index as usize >> PAGE_BITS].entries[index as usize % PAGE]
    }

    /// Puts a page in front of those that are not full.
    fn list(&mut self, number: u32) {
        let (mut prev, mut next) = (number, number);
        if self.roomy != NIL {
            next = self.roomy;
            prev = mem::replace(&mut self.pages[next as usize].prev, number);
            self.pages[prev as usize].next = number;
        }
        let page = &mut self.pages[number as usize];
        (page.prev, page.next) = (prev, next);
        self.roomy = number;
    }

    /// Takes a page from those that are not full.
    fn unlist(&mut self, number: u32) {
        let &Page { prev, next, .. } = &self.pages[number as usize];
        if next == number {
            self.roomy = NIL;
            return;
        }
        self.pages[prev as usize].next = next;
        self.pages[next as usize].prev = prev;
        if self.roomy == number {
            self.roomy = next;
        }
    }

    #[cold]
    fn add_page(&mut self) {
        let vacant = |offset| Entry {
            when: 0,
            tag: 0,
            prev: NIL,
            next: if offset + 1 < PAGE as u32 { offset + 1 } else { NIL },
            payload: None,
        };
        let page = Page {
            entries: (0..PAGE as u32).map(vacant).collect(),
            live: 0,
            free: 0,
            prev: NIL,
            next: NIL,
        };
        let number = match self.released.pop() {
            Some(number) => {
                self.pages[number as usize] = page;
                number
            }
            None => {
                // The last page would hold the index that means `NIL`.
                assert!(self.pages.len() < (NIL as usize) >> PAGE_BITS, "the timer is full");
                self.pages.push(page);
                self.pages.len() as u32 - 1
            }
        };
        self.room += PAGE;
        self.list(number);
    }

    /// The last entry of a page has gone.
    fn vacated(&mut self, number: u32) {
        if self.live == 0 && self.pages.len() > KEPT_DIRECTORY {
            self.start_afresh();
        } else if self.room >= 2 * PAGE {
            // So one vacated page is kept at most: with a second one, there is room of two.
            self.release_page(number);
        }
    }

    /// Gives back everything but the serial number, as keys may still be about.
    #[cold]
    fn start_afresh(&mut self) {
        *self = Self {
            serial: self.serial,
            ..Self::new()
        };
    }

    #[cold]
    fn release_page(&mut self, number: u32) {
        self.unlist(number);
        self.room -= PAGE;
        self.pages[number as usize].entries = Box::default();
        self.released.push(number);
    }
}
