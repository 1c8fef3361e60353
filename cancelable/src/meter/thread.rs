//! What one thread measures, and for whom.

use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::place::{Event, Place};
use super::recording::{Recording, Table};
use super::stopwatch::Stopwatch;

thread_local! {
    /// Is there a recording for this stretch of code? Apart from it, for this is what every frame reads as it is made.
    static IS_RECORDED: Cell<bool> = const { Cell::new(false) };
    /// Where what is entered next begins, in the source.
    static ORIGIN: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
    static METER: RefCell<Option<Meter>> = const { RefCell::new(None) };
}

/// The number of the recording of all threads that have none of their own; 0 if there is none. None is used twice.
static EVERYWHERE: AtomicU64 = AtomicU64::new(0);
static OF_EVERYWHERE: Mutex<Option<Arc<Recording>>> = Mutex::new(None);

/// The measuring of one thread for one recording.
#[derive(Debug)]
struct Meter {
    recording: Arc<Recording>,
    /// Of the recording, if it is that of all threads.
    number: u64,
    table: Table,
    /// The number of the last place that was passed; none has [`usize::MAX`], for while nothing runs.
    at: usize,
    /// Where in the source that began.
    origin: Option<&'static Location<'static>>,
    stopwatch: Stopwatch,
}

impl Meter {
    fn new(recording: Arc<Recording>, number: u64) -> Self {
        Self {
            table: recording.take_table(),
            stopwatch: Stopwatch::new(&recording.time),
            recording,
            number,
            at: usize::MAX,
            origin: None,
        }
    }

    #[inline]
    fn pass(&mut self, to: Place) {
        let Some(edge) = self.table.edge(self.at, to, &self.recording) else {
            self.at = self.table.node(to);
            return self.stopwatch.start();
        };
        self.at = edge.node;
        let Some(counts) = &edge.counts else {
            return self.stopwatch.start();
        };
        counts.pass();
        if let Some(lap) = self.stopwatch.lap() {
            counts.spent(lap.elapsed);
            if lap.is_length {
                counts.measured(lap.elapsed);
            }
        }
    }

    fn is_running(&self) -> bool {
        self.at != usize::MAX
    }

    fn start(&mut self) {
        self.origin = ORIGIN.get();
        self.pass(Place {
            event: Event::Start,
            location: self.origin,
        });
    }

    fn stop(&mut self) {
        if self.is_running() {
            self.pass(Place {
                event: Event::End,
                location: self.origin,
            });
            self.at = usize::MAX;
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.recording.give_back(mem::take(&mut self.table));
    }
}

/// Does somebody measure here? (Then frames have their check points look closer.)
#[inline(always)]
pub(crate) fn is_on() -> bool {
    IS_RECORDED.get() || EVERYWHERE.load(Ordering::Relaxed) != 0
}

/// Nothing that is done with a meter runs the user's code.
#[inline]
fn with<R>(f: impl FnOnce(&mut Meter) -> R) -> Option<R> {
    // A thread that is going away measures no more.
    METER
        .try_with(|meter| {
            let mut meter = meter.try_borrow_mut().ok()?;
            if !IS_RECORDED.get()
                && meter.as_ref().map_or(0, |meter| meter.number) != EVERYWHERE.load(Ordering::Relaxed)
            {
                *meter = everywhere();
            }
            meter.as_mut().map(f)
        })
        .ok()
        .flatten()
}

#[cold]
fn everywhere() -> Option<Meter> {
    let recording = OF_EVERYWHERE.lock().unwrap_or_else(PoisonError::into_inner);
    let number = EVERYWHERE.load(Ordering::Relaxed);
    recording
        .as_ref()
        .map(|recording| Meter::new(Arc::clone(recording), number))
}

/// A check point looks, its await is pending, or is polled again.
#[inline]
pub(crate) fn pass(event: Event, location: &'static Location<'static>) {
    let location = Some(location);
    with(|meter| meter.pass(Place { event, location }));
}

/// Something is entered: a poll that is nobody else's (`is_apart`), or other code. `true`: it is where measuring starts, and has to be
/// [left](leave).
#[inline(always)]
pub(crate) fn enter(is_apart: impl FnOnce() -> bool) -> bool {
    is_on() && start(is_apart())
}

#[cold]
fn start(is_apart: bool) -> bool {
    with(|meter| {
        let starts = is_apart || !meter.is_running();
        if starts {
            meter.start();
        }
        starts
    })
    .unwrap_or(false)
}

#[cold]
pub(crate) fn leave() {
    with(Meter::stop);
}

/// Where what is entered begins, in the source.
#[derive(Clone, Copy)]
pub(crate) struct Origin(&'static Location<'static>);

/// What has been announced is over.
pub(crate) struct Announced(Option<Option<&'static Location<'static>>>);

impl Origin {
    #[track_caller]
    pub(crate) fn caller() -> Self {
        Self(Location::caller())
    }

    #[inline(always)]
    pub(crate) fn at(location: &'static Location<'static>) -> Self {
        Self(location)
    }

    /// It is what is entered from here on, until this is dropped.
    #[inline(always)]
    pub(crate) fn announce(self) -> Announced {
        Announced(is_on().then(|| ORIGIN.replace(Some(self.0))))
    }
}

impl Drop for Announced {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(outer) = self.0 {
            ORIGIN.set(outer);
        }
    }
}

/// Code drives a future by itself, until this is dropped. The polls in there are stretches of their own; then that code runs on.
#[inline(always)]
pub(crate) fn driving() -> Driving {
    Driving(if is_on() { runs_from() } else { None })
}

#[cold]
fn runs_from() -> Option<Option<&'static Location<'static>>> {
    with(|meter| meter.is_running().then_some(meter.origin)).flatten()
}

/// Where the code began that drives, if it is measured.
pub(crate) struct Driving(Option<Option<&'static Location<'static>>>);

impl Drop for Driving {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(origin) = self.0 {
            runs_on(origin);
        }
    }
}

#[cold]
fn runs_on(origin: Option<&'static Location<'static>>) {
    with(|meter| {
        if !meter.is_running() {
            meter.pass(Place {
                event: Event::Resume,
                location: meter.origin,
            });
        }
        meter.origin = origin;
    });
}

/// The thread waits for something that a cancel ends: that is no stretch.
#[inline(always)]
pub(crate) fn waiting() -> Waiting {
    let is_on = is_on();
    if is_on {
        pass_again(Event::Wait);
    }
    Waiting(is_on)
}

/// It waits until this is dropped.
pub(crate) struct Waiting(bool);

impl Drop for Waiting {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0 {
            pass_again(Event::Resume);
        }
    }
}

/// At the line of the last place: nobody says more.
#[cold]
fn pass_again(event: Event) {
    with(|meter| {
        if let Some(Place { location, .. }) = meter.table.place(meter.at) {
            meter.pass(Place { event, location });
        }
    });
}

/// Has this thread measure for `recording` as long as `f` runs.
pub(crate) fn record<R>(recording: &Arc<Recording>, f: impl FnOnce() -> R) -> R {
    /// Puts the outer one back, whichever way `f` ends.
    struct Restore(Option<Meter>, bool);

    impl Drop for Restore {
        fn drop(&mut self) {
            if let Some(outer) = &mut self.0 {
                // What was inside is not its business.
                outer.at = usize::MAX;
            }
            IS_RECORDED.set(self.1);
            let inner = METER.with(|meter| mem::replace(&mut *meter.borrow_mut(), self.0.take()));
            drop(inner);
        }
    }

    let meter = Meter::new(Arc::clone(recording), 0);
    let outer = METER.with(|current| current.borrow_mut().replace(meter));
    let _restore = Restore(outer, IS_RECORDED.replace(true));
    f()
}

/// All threads that have no recording of their own measure for one, as long as this lives.
#[derive(Debug)]
pub(crate) struct Everywhere(());

impl Everywhere {
    /// `None`: they measure for another one.
    pub(crate) fn begin(recording: &Arc<Recording>) -> Option<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let mut current = OF_EVERYWHERE.lock().unwrap_or_else(PoisonError::into_inner);
        if current.is_some() {
            return None;
        }
        *current = Some(Arc::clone(recording));
        EVERYWHERE.store(NUMBERS.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(Self(()))
    }
}

impl Drop for Everywhere {
    fn drop(&mut self) {
        let mut current = OF_EVERYWHERE.lock().unwrap_or_else(PoisonError::into_inner);
        EVERYWHERE.store(0, Ordering::Relaxed);
        let recording = current.take();
        drop(current);
        drop(recording);
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::{Event, enter, leave, pass, record, waiting};
    use crate::clock::hand::Clock;
    use crate::meter::{Recording, Time};
    use std::panic::Location;
    use std::time::Duration;

    #[test]
    fn what_passes_while_a_thread_waits_or_runs_nothing_is_in_no_stretch() {
        let clock = Clock::new();
        let recording = Recording::new(Time::Hand(clock.clone()));
        let here = Location::caller();
        let second = |n| clock.advance(Duration::from_secs(n));
        record(&recording, || {
            assert!(enter(|| false));
            second(1);
            pass(Event::Point, here);
            second(2);
            let waits = waiting();
            second(1000);
            drop(waits);
            second(4);
            pass(Event::Wait, here);
            second(8);
            leave();
            second(1000);
            assert!(enter(|| false));
            assert!(!enter(|| false), "within");
            second(16);
            pass(Event::Wait, here);
            second(1000);
            pass(Event::Resume, here);
            second(32);
            leave();
        });
        let sums = recording.sums();
        let of = |from, to| {
            sums.iter()
                .find(|(pair, _)| (pair.from.event, pair.to.event) == (from, to))
        };
        assert!(of(Event::Wait, Event::Resume).is_none());
        for (from, to, seconds) in [
            (Event::Start, Event::Point, 1),
            (Event::Point, Event::Wait, 2),
            (Event::Resume, Event::Wait, 4),
            (Event::Wait, Event::End, 8),
            (Event::Start, Event::Wait, 16),
            (Event::Resume, Event::End, 32),
        ] {
            assert_eq!(
                of(from, to).map(|(_, sums)| sums.total),
                Some(Duration::from_secs(seconds))
            );
        }
        assert_eq!(sums.len(), 6);
    }

    #[test]
    fn a_table_goes_from_thread_to_thread() {
        let recording = Recording::new(Time::Hand(Clock::new()));
        let here = Location::caller();
        let pass_twice = || record(&recording, || (0..2).for_each(|_| pass(Event::Point, here)));
        for _ in 0..3 {
            std::thread::scope(|scope| scope.spawn(pass_twice).join().expect("it measures"));
        }
        let sums = recording.sums();
        assert_eq!(sums.len(), 1);
        assert_eq!(sums[0].1.passes, 3);
    }
}
