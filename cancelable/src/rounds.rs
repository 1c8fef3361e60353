//! The two rounds in which a cancel wakes people, and those who wait for a round to be over.
//!
//! A leaf: it knows wakers, not tokens. Most cancels have nobody to wake in the first round and nobody who waits, so both
//! rounds end with one atomic operation, and the queues are allocated when somebody first asks for one.

use std::collections::HashMap;
use std::mem;
use std::ptr;
use std::task::Waker;

use crate::primitive::{AtomicU32, Mutex, Ordering, lock};

/// One of the two.
#[derive(Clone, Copy)]
pub(crate) enum Round {
    /// Everyone who had registered under a foreign waker is woken (contract §5). Until it is over, a check point must not drop
    /// what is inside it: some of it may not have been notified.
    First,
    /// Those who waited for the end of the first, under wakers of their own, are woken in turn. What is outside them, under the
    /// waker of its scope, waits for the end of this.
    Second,
}

impl Round {
    /// The bit that says that it is over.
    fn over(self) -> u32 {
        1 << self as u32
    }
}

/// Both are over.
const BOTH_OVER: u32 = 0b011;
/// Somebody waits, or has waited, for the end of one of them.
const AWAITED: u32 = 0b100;

/// How far a cancel has got.
pub(crate) struct Rounds {
    /// Which rounds are over, and [`AWAITED`]. That is set under the lock; "over" without it, and then the queue is taken.
    state: AtomicU32,
    late: Mutex<Option<Box<[Queue; 2]>>>,
}

impl Rounds {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU32::new(0),
            late: Mutex::new(None),
        }
    }

    pub(crate) fn is_over(&self, round: Round) -> bool {
        self.state.load(Ordering::Acquire) & round.over() != 0
    }

    /// Asks to be woken when the round is over; `false` if it is. Whoever asks again is listed once, in its latest place.
    pub(crate) fn wake_when_over(&self, round: Round, waker: &Waker) -> bool {
        if self.is_over(round) {
            return false;
        }
        let mut late = lock(&self.late);
        if late.as_mut().is_some_and(|queues| queues[round as usize].renew(waker)) {
            // If the round has ended since, this is taken, and woken, all the same.
            return true;
        }
        drop(late);
        // Cloned without the lock, and dropped without it if it is not needed: wakers are user code.
        let waker = waker.clone();
        let mut late = lock(&self.late);
        let in_time = self.state.fetch_or(AWAITED, Ordering::AcqRel) & round.over() == 0;
        let surplus = if in_time {
            late.get_or_insert_default()[round as usize].add(waker)
        } else {
            Some(waker)
        };
        drop(late);
        drop(surplus);
        in_time
    }

    /// Nobody is to be woken in either, which is known before anybody else knows this.
    pub(crate) fn skip(&self) {
        // Relaxed: published by what publishes the whole.
        self.state.store(BOTH_OVER, Ordering::Relaxed);
    }

    /// Ends both rounds at once, if nobody waits for the end of either.
    pub(crate) fn end_both(&self) -> bool {
        let ended = self
            .state
            .compare_exchange(0, BOTH_OVER, Ordering::AcqRel, Ordering::Relaxed);
        ended.is_ok()
    }

    /// Ends a round, and hands out who waited for that, each once, in the order in which they asked last: whoever was polled
    /// inside another asked before it, and has to be woken before it.
    pub(crate) fn end(&self, round: Round) -> impl Iterator<Item = Waker> + use<> {
        self.state.fetch_or(round.over(), Ordering::AcqRel);
        let queue = lock(&self.late)
            .as_mut()
            .map(|queues| mem::take(&mut queues[round as usize]));
        queue.unwrap_or_default().wakers.into_iter().flatten()
    }
}

/// What makes two wakers the same ([`Waker::will_wake`]).
type Identity = (usize, usize);

fn identity(waker: &Waker) -> Identity {
    (waker.data().addr(), ptr::from_ref(waker.vtable()).addr())
}

/// Wakers in the order in which they were last added, each once.
#[derive(Default)]
struct Queue {
    /// With gaps, where a waker has moved to the end.
    wakers: Vec<Option<Waker>>,
    /// Where a waker is, by the identity of the clone that is kept (which so can be nobody else's).
    places: HashMap<Identity, usize>,
}

impl Queue {
    /// Moves the waker to the end; `false` if it is not here.
    fn renew(&mut self, waker: &Waker) -> bool {
        let Some(&place) = self.places.get(&identity(waker)) else {
            return false;
        };
        let kept = self.wakers[place].take();
        self.places.insert(identity(waker), self.wakers.len());
        self.wakers.push(kept);
        if self.wakers.len() > 2 * self.places.len() + 8 {
            self.close_gaps();
        }
        true
    }

    /// Adds the waker at the end; hands out the one whose place it takes, to be dropped without the lock.
    fn add(&mut self, waker: Waker) -> Option<Waker> {
        let before = self.places.insert(identity(&waker), self.wakers.len());
        let surplus = before.and_then(|place| self.wakers[place].take());
        self.wakers.push(Some(waker));
        surplus
    }

    fn close_gaps(&mut self) {
        self.wakers.retain(Option::is_some);
        for (place, waker) in self.wakers.iter().flatten().enumerate() {
            self.places.insert(identity(waker), place);
        }
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    /// Writes down its number when it is woken.
    struct Note(usize, Arc<std::sync::Mutex<Vec<usize>>>);

    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[test]
    fn each_is_woken_once_in_the_order_in_which_it_asked_last() {
        let log = Arc::default();
        let wakers: Vec<_> = (0..5)
            .map(|n| Waker::from(Arc::new(Note(n, Arc::clone(&log)))))
            .collect();
        let rounds = Rounds::new();
        for n in [0, 1, 2, 3, 1, 0, 4, 0, 2] {
            assert!(rounds.wake_when_over(Round::First, &wakers[n]));
        }
        assert!(!rounds.end_both(), "somebody waits");
        rounds.end(Round::First).for_each(Waker::wake);
        assert_eq!(*log.lock().unwrap(), [3, 1, 4, 0, 2]);
        assert!(rounds.is_over(Round::First) && !rounds.is_over(Round::Second));
        assert!(!rounds.wake_when_over(Round::First, &wakers[0]), "too late");
        assert!(rounds.wake_when_over(Round::Second, &wakers[0]));
        assert_eq!(rounds.end(Round::Second).count(), 1);
    }

    /// Every poll under a slow cancel asks again: that must not cost memory each time, nor a look at all the others.
    #[test]
    fn l07_who_asks_ten_thousand_times_is_listed_once() {
        let notes: Vec<_> = (0..3).map(|n| Arc::new(Note(n, Arc::default()))).collect();
        let wakers: Vec<_> = notes.iter().cloned().map(Waker::from).collect();
        let rounds = Rounds::new();
        let mut longest = 0;
        for _ in 0..10_000 {
            for waker in &wakers {
                assert!(rounds.wake_when_over(Round::First, waker));
                longest = longest.max(lock(&rounds.late).as_ref().unwrap()[0].wakers.len());
            }
        }
        assert_eq!(longest, 2 * wakers.len() + 8, "a gap for each, and eight");
        for note in &notes {
            assert_eq!(
                Arc::strong_count(note),
                3,
                "ours, that of `wakers`, and one that is listed"
            );
        }
        assert_eq!(rounds.end(Round::First).count(), 3);
    }

    /// Two threads that ask under one waker at once find neither of them listed, and both clone it.
    #[test]
    fn a_waker_that_is_added_twice_is_listed_in_its_latest_place() {
        let log = Arc::default();
        let [a, b] = [0, 1].map(|n| Waker::from(Arc::new(Note(n, Arc::clone(&log)))));
        let mut queue = Queue::default();
        assert!(queue.add(a.clone()).is_none() && queue.add(b).is_none());
        assert!(queue.add(a.clone()).is_some_and(|surplus| surplus.will_wake(&a)));
        queue.wakers.into_iter().flatten().for_each(Waker::wake);
        assert_eq!(*log.lock().unwrap(), [1, 0]);
    }

    #[test]
    fn who_asks_while_the_round_ends_is_told_that_it_is_over() {
        for _ in 0..100 {
            let rounds = Rounds::new();
            let waker = Waker::from(Arc::new(Note(0, Arc::default())));
            let start = std::sync::Barrier::new(2);
            std::thread::scope(|s| {
                // Who asks gets as far as this.
                let late = lock(&rounds.late);
                let asks = s.spawn(|| {
                    start.wait();
                    rounds.wake_when_over(Round::First, &waker)
                });
                start.wait();
                std::thread::yield_now();
                assert!(rounds.end_both(), "nobody has been listed");
                drop(late);
                assert!(!asks.join().unwrap());
            });
        }
    }
}
