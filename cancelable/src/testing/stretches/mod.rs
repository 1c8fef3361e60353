//! How long code runs from one check point to the next: what finds the check points that are not there.
//!
//! A cancel is noticed at the next check point, and so at the latest after the longest *stretch* between two. A [`Recorder`] measures
//! stretches; its [`Report`] says from which line to which line each one goes, how often it was passed, and how long it took at most.
//! A test may assert that none is too long, a program may print the table, or draw it.
//!
//! ```
//! use cancelable::{Cancelled, cancelable, testing::{Clock, stretches::Recorder}};
//! use std::time::Duration;
//!
//! fn compress(_page: u32, clock: &Clock) {
//!     clock.advance(Duration::from_millis(300));           // as if it took so long
//! }
//!
//! #[cancelable]
//! fn pack(pages: u32, clock: &Clock) -> Result<(), Cancelled> {
//!     for page in 0..pages {
//!         compress(page, clock);                           // a check point before each page, and none within
//!     }
//!     Ok(())
//! }
//!
//! let clock = Clock::new();
//! let recorder = Recorder::by(&clock);
//! recorder.sync_scope(|| pack(4, &clock)).unwrap();
//!
//! let report = recorder.report();
//! report.assert_stretch(Duration::from_millis(500));
//! let longest = report.longest().unwrap();
//! assert_eq!((longest.max(), longest.count()), (Duration::from_millis(300), 3));
//! assert_eq!(longest.from().line(), longest.to().line());  // from iteration to iteration
//! println!("{report}");
//! ```
//!
//! # What is a stretch
//!
//! A stretch begins where a check point has looked, or where a poll or a thread's closure begins. It ends at the next check point,
//! where an await is pending, or at the end of the poll or closure. Waiting is no stretch: not the time in which a task is suspended,
//! nor that in which a thread waits at a check point ([`blocking_sleep`](crate::blocking_sleep), [`thread::block_on`](crate::thread::block_on),
//! a group's `join`). A call that blocks and that no cancel ends is part of a stretch.
//!
//! Only code in a scope has check points that look, so only such code is measured. (The recorder's own [`scope`](Recorder::scope) and
//! [`sync_scope`](Recorder::sync_scope) are enough.) Places are those of a thread: what is polled within a poll, be it a nested scope,
//! a branch of `race!` or a member of `FuturesUnordered`, takes part in that one's stretches. A sync function called from async code is
//! part of the poll. A job of rayon's is measured on the worker that runs it, and a worker that waits for other jobs counts as running.
//!
//! # How long
//!
//! Real time counts, by whatever clock deadlines go: a stretch is how long a thread is kept from its check points. A machine that is busy with something else
//! makes stretches longer. For tests that move time by hand, there is [`Recorder::by`].
//!
//! A thread looks at the clock at the first 16 places that it passes in a tick of at least 100 µs, which a thread of the recorder
//! counts, and at one in 256 after those. So all stretches are counted, those of code that passes few check points are measured
//! exactly, and in code that passes many, all that take two ticks or more are measured, at most a tick too long.

mod record;
mod report;
mod svg;
mod table;

pub use record::{Everywhere, Recorded, Recorder};
pub use report::{Bucket, Place, Report, Stretch};
