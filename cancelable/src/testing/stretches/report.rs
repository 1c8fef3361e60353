//! What was measured.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crate::meter::{self, BOUNDS, Event, Pair, Sums};

/// Stretches, the longest first; made by [`Recorder::report`](super::Recorder::report). [Displayed](fmt::Display) as a table.
#[derive(Clone, Debug, Default)]
pub struct Report {
    stretches: Vec<Stretch>,
}

/// The stretch from one place in the source to another, and what was measured each time that a thread passed it.
#[derive(Clone, Debug)]
pub struct Stretch {
    from: Place,
    to: Place,
    sums: Sums,
}

/// Where a stretch begins or ends. Displayed as `src/main.rs:12:9`, with what it is if that is no check point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    file: Option<&'static str>,
    line: u32,
    column: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Start,
    Point,
    Wait,
    Resume,
    End,
}

/// How many of a stretch were so long; see [`Stretch::histogram`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bucket {
    /// They took so long at least.
    pub from: Duration,
    /// And less than that; [`Duration::MAX`] in the last one.
    pub to: Duration,
    /// How many.
    pub count: u64,
}

impl Report {
    pub(super) fn of(sums: &[(Pair, Sums)]) -> Self {
        let mut by_place: HashMap<(Place, Place), Sums> = HashMap::new();
        for (pair, sums) in sums {
            let places = (Place::of(pair.from), Place::of(pair.to));
            by_place.entry(places).or_default().add(sums);
        }
        let stretches = by_place.into_iter().filter(|(_, sums)| sums.passes > 0);
        let mut stretches: Vec<Stretch> = stretches.map(|((from, to), sums)| Stretch { from, to, sums }).collect();
        stretches.sort_by_key(|stretch| (Reverse((stretch.max(), stretch.total())), stretch.from, stretch.to));
        Self { stretches }
    }

    /// All of them, the longest first.
    #[must_use]
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// The one with the largest [`max`](Stretch::max). `None`: no check point was passed.
    #[must_use]
    pub fn longest(&self) -> Option<&Stretch> {
        self.stretches.first()
    }

    /// Asserts that no stretch took longer than `at_most`: for tests. Real time is longer where the machine is busy, so leave room, or
    /// measure [by a clock](super::Recorder::by) that the test moves.
    ///
    /// # Panics
    ///
    /// If one did, with all that did; and if no check point was passed, so that nothing is known.
    ///
    /// ```should_panic
    /// use cancelable::{Cancelled, cancelable, testing::stretches::Recorder};
    /// use std::{thread, time::Duration};
    ///
    /// #[cancelable]
    /// fn settle() -> Result<(), Cancelled> {
    ///     thread::sleep(Duration::from_millis(20));            // should be `cancelable::blocking_sleep`
    ///     cancelable::check()
    /// }
    ///
    /// let recorder = Recorder::new();
    /// recorder.sync_scope(settle).unwrap();
    /// // panics: "code ran for longer than 10ms without a check point …"
    /// recorder.report().assert_stretch(Duration::from_millis(10));
    /// ```
    #[track_caller]
    pub fn assert_stretch(&self, at_most: Duration) {
        assert!(
            !self.stretches.is_empty(),
            "no check point was passed, so nothing was measured: is the code in a scope, and on a thread that is measured?"
        );
        let too_long = self.stretches.iter().filter(|stretch| stretch.max() > at_most);
        let too_long = Self {
            stretches: too_long.cloned().collect(),
        };
        assert!(
            too_long.stretches.is_empty(),
            "code ran for longer than {at_most:?} without a check point\n{too_long}"
        );
    }
}

impl Stretch {
    /// Where it begins.
    #[must_use]
    pub fn from(&self) -> Place {
        self.from
    }

    /// Where it ends.
    #[must_use]
    pub fn to(&self) -> Place {
        self.to
    }

    /// How often it was passed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.sums.passes
    }

    /// The longest that was measured.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.sums.max
    }

    /// The time spent in it, by all threads: a sum of what was measured, and else an estimate from samples.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.sums.total
    }

    /// How many of those that were measured took how long, in powers of ten.
    pub fn histogram(&self) -> impl ExactSizeIterator<Item = Bucket> + '_ {
        self.sums.lengths.iter().enumerate().map(|(index, &count)| Bucket {
            from: index.checked_sub(1).map_or(Duration::ZERO, |before| BOUNDS[before]),
            to: BOUNDS.get(index).copied().unwrap_or(Duration::MAX),
            count,
        })
    }
}

impl Place {
    fn of(place: meter::Place) -> Self {
        let location = place.location;
        Self {
            file: location.map(|location| location.file()),
            line: location.map_or(0, |location| location.line()),
            column: location.map_or(0, |location| location.column()),
            kind: match place.event {
                Event::Start => Kind::Start,
                Event::Point => Kind::Point,
                Event::Wait => Kind::Wait,
                Event::Resume => Kind::Resume,
                Event::End => Kind::End,
            },
        }
    }

    /// The file. Where a poll or a closure begins or ends, it is that of the line that made it; `None` if that is not known.
    #[must_use]
    pub fn file(&self) -> Option<&'static str> {
        self.file
    }

    /// The line, from 1; 0 if it is not known.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The column, from 1; 0 if it is not known.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.column
    }

    /// Is it a check point, and not an await that is pending or polled again, nor where something begins or ends?
    #[must_use]
    pub fn is_check_point(&self) -> bool {
        self.kind == Kind::Point
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Start => "start of ",
            Kind::Point => "",
            Kind::Wait => "pending at ",
            Kind::Resume => "polled again at ",
            Kind::End => "end of ",
        };
        let text = match self.file {
            Some(file) => format!("{what}{file}:{}:{}", self.line, self.column),
            None => format!("{what}a closure"),
        };
        f.pad(&text)
    }
}
