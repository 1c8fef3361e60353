//! The wheel and its slab: against a sorted map, at the borders of levels, and by the memory held.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::slab::{KEPT_DIRECTORY, Key, PAGE};
use super::super::wheel::Wheel;

/// Lets time pass; nothing stays longer than it was to.
fn advance<T: Clone>(wheel: &mut Wheel<T>, now: u64, steps: usize, out: &mut Vec<T>) -> bool {
    wheel.advance(now, steps, |payload| {
        out.push(payload.clone());
        None
    })
}

/// Lets time pass to `now` in small bites; what expired, in order.
fn expire<T: Clone>(wheel: &mut Wheel<T>, now: u64) -> Vec<T> {
    let mut out = Vec::new();
    while advance(wheel, now, 7, &mut out) {}
    out
}

#[derive(Clone, Debug)]
enum Op {
    /// At `now + delta`, or `now - delta`.
    Insert { delta: u64, past: bool },
    /// Several pages full, on ticks from `now + delta` on.
    Burst { delta: u64 },
    /// The one picked of all ever inserted, when its tick has come, is to stay until so much later, if it is there then.
    Postpone(prop::sample::Index, u64),
    /// That many of all keys ever given out, stale ones too, from the one picked.
    Remove(prop::sample::Index, usize),
    /// Time moves on by `delta`; with `calls`, only so many bites of what is due are taken.
    Advance { delta: u64, calls: Option<usize> },
    /// Time moves on to the next expiry, plus or minus one.
    ToExpiry(i8),
    /// A call with a time gone by.
    Back(u64),
}

/// Small, round a level's border, or anything.
fn delta() -> impl Strategy<Value = u64> {
    let border = (0..11_u32, 0..3_u64, 1..64_u64)
        .prop_map(|(level, off, factor)| (factor << (6 * level)).wrapping_add(off).wrapping_sub(1));
    prop_oneof![4 => 0..200_u64, 2 => 0..20_000_u64, 3 => border, 1 => any::<u64>()]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => (delta(), prop::bool::weighted(0.1))
            .prop_map(|(delta, past)| Op::Insert { delta, past }),
        1 => (0..5_000_u64).prop_map(|delta| Op::Burst { delta }),
        4 => (any::<prop::sample::Index>(), delta()).prop_map(|(which, delta)| Op::Postpone(which, delta)),
        6 => (any::<prop::sample::Index>(), prop_oneof![3 => Just(1), 1 => 0..3 * PAGE])
            .prop_map(|(first, count)| Op::Remove(first, count)),
        4 => (prop_oneof![9 => 0..5_000_u64, 1 => delta()], prop::option::of(0..4_usize))
            .prop_map(|(delta, calls)| Op::Advance { delta, calls }),
        2 => (-1..=1_i8).prop_map(Op::ToExpiry),
        1 => (1..100_u64).prop_map(Op::Back),
    ]
}

#[derive(Default)]
struct Model {
    now: u64,
    /// What is armed: number of the insertion → tick.
    armed: BTreeMap<usize, u64>,
    /// By how much, once.
    postponed: BTreeMap<usize, u64>,
    keys: Vec<Key>,
}

impl Model {
    fn insert(&mut self, wheel: &mut Wheel<usize>, when: u64) {
        let id = self.keys.len();
        self.keys.push(wheel.insert(when, id));
        self.armed.insert(id, when);
    }

    /// The tick of this one has come: does it stay?
    fn later(&mut self, id: usize, out: &mut Vec<usize>) -> Option<u64> {
        if let Some(delta) = self.postponed.remove(&id) {
            let later = self.now.checked_add(delta).filter(|&later| later > self.now);
            if let Some(later) = later {
                assert!(
                    self.armed.insert(id, later).is_some_and(|tick| tick <= self.now),
                    "asked early"
                );
                return Some(later);
            }
        }
        out.push(id);
        None
    }

    /// Advances both; all that is due comes out, nothing else, and in order.
    fn advance(&mut self, wheel: &mut Wheel<usize>, now: u64, calls: Option<usize>) {
        let before = self.now;
        self.now = self.now.max(now);
        let (mut out, mut more, mut left) = (Vec::new(), true, calls.unwrap_or(usize::MAX));
        while more && left > 0 {
            let len = out.len();
            more = wheel.advance(self.now, 5, |&id| self.later(id, &mut out));
            assert!(out.len() - len <= 5);
            left -= 1;
        }
        let ticks: Vec<u64> = out
            .iter()
            .map(|id| self.armed.remove(id).expect("expired twice"))
            .collect();
        assert!(
            ticks.iter().all(|&tick| tick <= self.now),
            "{ticks:?} early at {}",
            self.now
        );
        let ahead: Vec<u64> = ticks.into_iter().filter(|&tick| tick > before).collect();
        assert!(ahead.is_sorted());
        if !more {
            assert!(self.armed.values().all(|&tick| tick > self.now), "something was lost");
            assert!(wheel.next_expiry().is_none_or(|tick| tick > self.now));
        }
    }

    fn check(&self, wheel: &mut Wheel<usize>) {
        assert_eq!(wheel.len(), self.armed.len());
        assert!(wheel.capacity() >= wheel.len());
        match (wheel.next_expiry(), self.armed.values().min()) {
            (None, None) => {}
            (Some(next), Some(&earliest)) => assert!(next <= earliest.max(self.now)),
            (next, earliest) => {
                panic!("next expiry is {next:?}, the earliest entry at {earliest:?}")
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn wheel_agrees_with_a_sorted_map(ops in prop::collection::vec(op(), 1..120)) {
        let (mut wheel, mut model) = (Wheel::new(), Model::default());
        for op in ops {
            match op {
                Op::Insert { delta, past: false } => {
                    let when = model.now.saturating_add(delta);
                    model.insert(&mut wheel, when);
                }
                Op::Insert { delta, past: true } => {
                    let when = model.now.saturating_sub(delta);
                    model.insert(&mut wheel, when);
                }
                Op::Burst { delta } => {
                    for n in 0..3 * PAGE as u64 {
                        let when = model.now.saturating_add(delta + n / 7);
                        model.insert(&mut wheel, when);
                    }
                }
                Op::Postpone(which, delta) => {
                    let which = which.index(model.keys.len().max(1));
                    model.postponed.insert(which, delta);
                }
                Op::Remove(first, count) => {
                    let first = first.index(model.keys.len().max(1));
                    for (id, &key) in model.keys.iter().enumerate().skip(first).take(count) {
                        let armed = model.armed.remove(&id).is_some();
                        prop_assert_eq!(wheel.contains(key), armed);
                        prop_assert_eq!(wheel.get_mut(key).copied(), armed.then_some(id));
                        prop_assert_eq!(wheel.remove(key), armed.then_some(id));
                        prop_assert_eq!(wheel.remove(key), None);
                    }
                }
                Op::Advance { delta, calls } => {
                    let now = model.now.saturating_add(delta);
                    model.advance(&mut wheel, now, calls);
                }
                Op::ToExpiry(off) => {
                    if let Some(next) = wheel.next_expiry() {
                        model.advance(&mut wheel, next.saturating_add_signed(off.into()), None);
                    }
                }
                Op::Back(by) => {
                    let mut out = Vec::new();
                    wheel.advance(model.now.saturating_sub(by), 3, |&id| model.later(id, &mut out));
                    prop_assert!(out.iter().all(|id| model.armed.remove(id).expect("expired twice") <= model.now));
                }
            }
            model.check(&mut wheel);
        }
        model.advance(&mut wheel, u64::MAX, None);
        prop_assert_eq!(wheel.len(), 0);
    }
}

#[test]
fn entries_at_level_borders_expire_on_their_tick() {
    for start in [0, 1, 63, 64, 4_095, 262_143, 1 << 36, (1 << 60) - 1, u64::MAX - 5_000] {
        let borders = (0..11).map(|level| 1_u64 << (6 * level));
        let ticks = borders.flat_map(|b| [b - 1, b, b + 1, b.saturating_mul(63), b.saturating_mul(64) - 1]);
        let ticks: BTreeSet<u64> = ticks.filter_map(|tick| tick.checked_add(start)).collect();
        let mut wheel = Wheel::new();
        expire(&mut wheel, start);
        for &tick in ticks.iter().rev() {
            wheel.insert(tick, tick);
        }
        for &tick in &ticks {
            if tick > start {
                assert_eq!(expire(&mut wheel, tick - 1), [], "before {tick}, from {start}");
            }
            assert_eq!(expire(&mut wheel, tick), [tick], "from {start}");
        }
        assert_eq!(wheel.next_expiry(), None);
    }
}

#[test]
fn next_expiry_leads_to_a_far_entry_in_few_steps() {
    for when in [1_u64 << 40, 0x0123_4567_89ab_cdef, u64::MAX] {
        let mut wheel = Wheel::new();
        wheel.insert(when, ());
        let mut hops = 0;
        loop {
            let next = wheel.next_expiry().expect("the entry is still there");
            assert!(next <= when);
            hops += 1;
            if !expire(&mut wheel, next).is_empty() {
                assert_eq!(next, when);
                break;
            }
        }
        assert!(hops <= 11, "{hops} hops to {when}");
    }
}

#[test]
fn entries_of_one_tick_expire_as_inserted_even_from_different_levels() {
    let mut wheel = Wheel::new();
    for (n, at) in [0, 0, 900, 904, 995].into_iter().enumerate() {
        expire(&mut wheel, at);
        wheel.insert(1_000, n);
    }
    assert_eq!(expire(&mut wheel, 1_000), [0, 1, 2, 3, 4]);
}

#[test]
fn slot_that_was_drained_is_not_due_when_it_is_used_again() {
    let mut wheel = Wheel::new();
    wheel.insert(5, 5);
    assert_eq!(expire(&mut wheel, 5), [5]);
    assert_eq!(expire(&mut wheel, 64), []);
    wheel.insert(64 + 5, 69);
    let mut out = Vec::new();
    assert_eq!(
        (wheel.next_expiry(), advance(&mut wheel, 68, 7, &mut out)),
        (Some(69), false)
    );
    assert_eq!(out, []);
    assert_eq!(expire(&mut wheel, 69), [69]);
}

#[test]
fn overdue_entry_that_always_comes_back_does_not_hold_up_others() {
    let mut wheel = Wheel::new();
    expire(&mut wheel, 10);
    wheel.insert(0, "overdue");
    wheel.insert(20, "later");
    let mut out = Vec::new();
    for _ in 0..2 {
        assert!(advance(&mut wheel, 30, 1, &mut out) || out.len() == 2);
        wheel.insert(0, "overdue");
    }
    assert!(out.contains(&"later"));
}

#[test]
fn million_entries_inserted_and_removed_give_the_memory_back() {
    const N: u64 = 1_000_000;
    let mut wheel = Wheel::new();
    // Twice, so that released pages are used again; the second time half of them expire.
    for round in 0..2 {
        let keys: Vec<Key> = (0..N).map(|n| wheel.insert(1 + n * 7919 % 600_000, n)).collect();
        assert!(wheel.capacity() < N as usize + PAGE);
        let mut expired = 0;
        if round == 1 {
            expired = expire(&mut wheel, 300_000).len();
            assert_eq!(wheel.len(), N as usize - expired);
        }
        let removed = keys.into_iter().filter(|&key| wheel.remove(key).is_some()).count();
        assert_eq!(removed + expired, N as usize);
        assert_eq!((wheel.len(), wheel.next_expiry()), (0, None));
        assert_eq!(wheel.capacity(), 0);
    }
}

#[test]
fn survivors_of_a_burst_pin_only_their_pages_and_are_joined_by_new_entries() {
    let mut wheel = Wheel::new();
    let keys: Vec<Key> = (0..400 * PAGE).map(|n| wheel.insert(1_000, n)).collect();
    let first = keys[0];
    for (n, key) in keys.into_iter().enumerate() {
        if n % (10 * PAGE) != 0 {
            wheel.remove(key);
        }
    }
    let held = wheel.capacity();
    assert!(held <= (40 + 2) * PAGE, "{held} kept for 40");
    for n in 40..held {
        wheel.insert(2_000, n);
    }
    assert_eq!(wheel.capacity(), held);
    assert_eq!(expire(&mut wheel, 1_000).len(), 40);
    assert_eq!(expire(&mut wheel, 2_000).len(), held - 40);
    assert_eq!(wheel.capacity(), 0);
    let again = wheel.insert(3_000, 0);
    assert_eq!(first.index(), again.index());
    assert!(!wheel.contains(first) && wheel.contains(again));
}

#[test]
fn bursts_beside_a_lasting_entry_use_the_same_places_again() {
    let mut wheel = Wheel::new();
    wheel.insert(1_000, 0);
    for _ in 0..10 {
        let keys: Vec<Key> = (0..40 * PAGE).map(|n| wheel.insert(2_000, n)).collect();
        assert!(keys.into_iter().all(|key| wheel.remove(key).is_some()));
        assert!(wheel.capacity() <= 2 * PAGE);
    }
    assert!(wheel.directory() <= 41, "{} places for 41 pages", wheel.directory());
}

#[test]
fn swinging_round_a_page_border_keeps_the_page() {
    let mut wheel = Wheel::new();
    for n in 0..PAGE {
        wheel.insert(1_000, n);
    }
    for _ in 0..3 * PAGE {
        let key = wheel.insert(1_000, 0);
        assert_eq!(wheel.capacity(), 2 * PAGE);
        wheel.remove(key);
        assert_eq!(wheel.capacity(), 2 * PAGE);
    }
}

#[test]
fn vacated_page_is_kept_until_there_is_room_of_two() {
    let mut wheel = Wheel::new();
    let keys: Vec<Key> = (0..=PAGE).map(|n| wheel.insert(1_000, n)).collect();
    // Of the first page; the last one is on the second.
    for key in [keys[0], keys[1], keys[PAGE]] {
        wheel.remove(key);
        assert_eq!(wheel.capacity(), 2 * PAGE);
    }
}

#[test]
fn directory_is_kept_up_to_its_length() {
    for (pages, kept) in [(KEPT_DIRECTORY, KEPT_DIRECTORY), (KEPT_DIRECTORY + 1, 0)] {
        let mut wheel = Wheel::new();
        let keys: Vec<Key> = (0..pages * PAGE).map(|n| wheel.insert(1_000, n)).collect();
        assert_eq!(wheel.directory(), pages);
        assert!(keys.into_iter().all(|key| wheel.remove(key).is_some()));
        assert_eq!(wheel.directory(), kept);
    }
}
