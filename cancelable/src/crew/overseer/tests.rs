//! An overseer of its own, looking step by step at crews whose thread is this one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::imp::{Look, Overseer, PATIENCE, RESIGNED, look};
use super::*;
use crate::crew::{Post, Shift};
use crate::primitive::lock;

const HOUR: Duration = Duration::from_secs(3600);

/// What comes of a relief.
#[derive(PartialEq)]
enum Relief {
    Comes,
    CannotBeHad,
    Panics,
}

struct Fake {
    post: Post,
    relief: Relief,
    relieved: AtomicUsize,
}

impl Crew for Fake {
    fn post(&self) -> &Post {
        &self.post
    }

    fn start(&'static self, _: usize) -> io::Result<()> {
        self.relieved.fetch_add(1, Ordering::Relaxed);
        assert!(self.relief != Relief::Panics, "a fault of the library");
        match self.relief {
            Relief::CannotBeHad => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    }

    fn hold(&'static self) -> Box<dyn Held> {
        unreachable!("no overseer that forks knows of it")
    }
}

impl Fake {
    fn with(relief: Relief) -> &'static Self {
        Box::leak(Box::new(Self {
            post: Post::new(),
            relief,
            relieved: AtomicUsize::new(0),
        }))
    }

    /// A thread goes on duty.
    fn shift(&self) -> Shift<'_> {
        let mut first = 0;
        let filled = self.post.fill(
            |turn| {
                first = turn;
                Ok(())
            },
            || (),
        );
        filled.unwrap();
        Shift::begin(&self.post, first)
    }

    fn relieved(&self) -> usize {
        self.relieved.load(Ordering::Relaxed)
    }
}

/// Runs a piece of user code, whose panic a shift would keep to itself.
fn run(shift: &Shift<'_>, f: impl FnOnce()) {
    let mut is_done = false;
    shift.run(|| {
        f();
        is_done = true;
    });
    assert!(is_done);
}

const QUIET: Look = Look {
    is_quiet: true,
    is_helpless: false,
};

const BUSY: Look = Look {
    is_quiet: false,
    is_helpless: false,
};

const HELPLESS: Look = Look {
    is_quiet: false,
    is_helpless: true,
};

#[test]
fn who_is_in_the_same_piece_of_user_code_at_two_looks_is_relieved_and_nobody_else() {
    let crew = Fake::with(Relief::Comes);
    let shift = crew.shift();
    let seen = &mut Vec::new();
    assert_eq!(look(&[crew], seen), BUSY, "somebody has come");
    assert_eq!([look(&[crew], seen), look(&[crew], seen)], [QUIET, QUIET]);
    run(&shift, || assert_eq!(look(&[crew], seen), BUSY));
    run(&shift, || {
        assert_eq!(look(&[crew], seen), BUSY);
        assert_eq!(crew.relieved(), 0);
        assert_eq!(look(&[crew], seen), BUSY);
        assert_eq!(crew.relieved(), 1);
        assert_eq!(look(&[crew], seen), BUSY, "the relief has come");
        assert_eq!(look(&[crew], seen), QUIET);
    });
    assert_eq!(crew.relieved(), 1);
}

#[test]
fn where_somebody_cannot_be_relieved_looks_become_rarer() {
    let (stuck, idle) = (Fake::with(Relief::CannotBeHad), Fake::with(Relief::Comes));
    let (shift, _idle) = (stuck.shift(), idle.shift());
    let seen = &mut Vec::new();
    run(&shift, || {
        assert_eq!(look(&[stuck, idle], seen), BUSY);
        assert_eq!(look(&[stuck, idle], seen), HELPLESS);
    });
    assert_eq!((stuck.relieved(), idle.relieved()), (1, 0));
    assert_eq!(HELPLESS.pause_after(PATIENCE), PATIENCE * 2);
    assert_eq!(HELPLESS.pause_after(RESIGNED), RESIGNED);
    assert_eq!(BUSY.pause_after(RESIGNED), PATIENCE);
}

#[test]
fn it_goes_to_sleep_unless_somebody_has_begun_meanwhile() {
    let overseer = Overseer::new();
    let crew = Fake::with(Relief::Comes);
    let shift = crew.shift();
    let is_awake = || overseer.is_awake.load(Ordering::SeqCst);
    run(&shift, || assert!(!overseer.dozes_off(&[crew]) && is_awake()));
    assert!(overseer.dozes_off(&[crew]) && !is_awake());
}

#[test]
fn its_thread_ends_when_nobody_has_woken_it_for_long() {
    let overseer = Overseer::new();
    let has_thread = || lock(&overseer.desk).has_thread;
    overseer.is_awake.store(true, Ordering::SeqCst);
    assert!(overseer.sleep(HOUR) && has_thread());
    overseer.is_awake.store(false, Ordering::SeqCst);
    assert!(!overseer.sleep(PATIENCE) && !has_thread());
}

#[test]
fn another_can_be_started_when_its_thread_has_ended_by_a_fault() {
    let overseer = Overseer::new();
    overseer.is_awake.store(true, Ordering::SeqCst);
    lock(&overseer.desk).has_thread = true;
    let crew = Fake::with(Relief::Panics);
    overseer.know(crew);
    run(&crew.shift(), || {
        assert!(catch_unwind(AssertUnwindSafe(|| overseer.oversee())).is_err());
    });
    assert!(!lock(&overseer.desk).has_thread && !overseer.is_awake.load(Ordering::SeqCst));
}
