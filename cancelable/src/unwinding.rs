//! Leaving code that can return no error by unwinding, up to a line that makes an error of it.
//!
//! `resume_unwind` in place of `panic!`, so that the panic hook is not called: nothing is printed. (rayon goes the same way with the panics
//! of its jobs, which is why this passes through it. rust-analyzer's salsa leaves queries so.)

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::thread;

use crate::context::{Context, check_at, with_frame};
use crate::error::Cancelled;

thread_local! {
    /// Did the innermost [`unwinding`] of this thread begin while the thread was unwinding already, in a destructor?
    static IN_PANIC: Cell<bool> = const { Cell::new(false) };
}

/// What unwinds.
struct Unwinding(Cancelled);

/// Runs `f`, and returns the error of a check point in it that has left by unwinding: [`check_unwinding`], or
/// [`Cancelled::unwind`]. For code that takes closures which cannot fail: a comparator, a predicate, a visitor, a callback.
///
/// What is on the way is left as by a panic, but nothing is printed: destructors run, and locks that are held there are poisoned. std's
/// sorts leave all items in the slice, in some order.
///
/// `f` may hand the work on to other threads, if their panics come back, as those of rayon's jobs do. There the closure needs the
/// context, taken inside `f`:
///
/// ```
/// use cancelable::{Cancelled, Context, cancel_scope, check_unwinding, unwinding};
/// use rayon::prelude::*;
///
/// fn sort(words: &mut [String]) -> Result<(), Cancelled> {
///     unwinding(|| {
///         let context = Context::current();
///         words.par_sort_by(|a, b| context.run(|| {
///             check_unwinding();
///             a.to_lowercase().cmp(&b.to_lowercase())
///         }));
///     })
/// }
///
/// let mut words = vec!["b".to_owned(), "A".to_owned()];
/// sort(&mut words).unwrap();
/// assert_eq!(words, ["A", "b"]);
/// ```
///
/// It passes through no `catch_unwind` that keeps what it catches: a `JoinHandle` of a thread, a task of a runtime.
///
/// # Errors
///
/// [`Cancelled`], of the check point that has unwound. It is no check point itself.
///
/// # Panics
///
/// With any other panic of `f`.
///
/// With `panic = "abort"` nothing can unwind: a program that calls this does not compile.
///
/// ```
/// use cancelable::{Cancelled, cancel_scope, check_unwinding, unwinding};
///
/// fn sort(numbers: &mut [u32]) -> Result<(), Cancelled> {
///     unwinding(|| {
///         numbers.sort_by(|a, b| {
///             check_unwinding();
///             a.cmp(b)
///         });
///     })
/// }
///
/// let mut numbers = [3, 1, 2];
/// sort(&mut numbers).unwrap();
/// assert_eq!(numbers, [1, 2, 3]);
///
/// let mut many: Vec<u32> = (0..1_000_000).rev().collect();
/// many.swap(10, 20);
/// let outcome = cancel_scope!(timeout = "0s", name = "sort", { Ok(()) }).and_then(|()| sort(&mut many));
/// assert!(outcome.unwrap_err().is_timeout());
/// ```
pub fn unwinding<R>(f: impl FnOnce() -> R) -> Result<R, Cancelled> {
    const {
        assert!(
            cfg!(panic = "unwind"),
            "cancelable::unwinding needs `panic = \"unwind\"` in the profile: with \"abort\", what unwinds ends the process"
        );
    }
    // What `f` leaves half-done is its caller's own, as after any panic.
    let outer = IN_PANIC.replace(thread::panicking());
    let caught = catch_unwind(AssertUnwindSafe(|| Context::current().catching().run(f)));
    IN_PANIC.set(outer);
    caught.or_else(|payload| match payload.downcast::<Unwinding>() {
        Ok(unwinding) => Err(unwinding.0),
        Err(panic) => resume_unwind(panic),
    })
}

/// A check point for code that can return no error: if the ambient token is cancelled, it leaves by unwinding, up to the
/// [`unwinding`] round it. As cheap as [`check`](crate::check()) if not.
///
/// In a destructor that runs because the thread unwinds already it does nothing, for a second panic would end the process; unless the
/// destructor has an `unwinding` of its own.
///
/// # Panics
///
/// If the token is cancelled and there is no [`unwinding`] round it, with a message that says so.
#[inline]
#[track_caller]
pub fn check_unwinding() {
    if let Err(cancelled) = check_at(Location::caller()) {
        leave(cancelled);
    }
}

#[cold]
#[track_caller]
fn leave(cancelled: Cancelled) {
    if !thread::panicking() || IN_PANIC.get() {
        cancelled.unwind();
    }
}

impl Cancelled {
    /// Leaves with this error by unwinding, up to the [`unwinding`] round it: for what calls an annotated function in a closure that
    /// can return no error.
    ///
    /// ```
    /// use cancelable::{CancellationToken, Cancelled, cancelable, unwinding};
    ///
    /// #[cancelable]
    /// fn weight(word: &str) -> Result<usize, Cancelled> {
    ///     Ok(word.len())
    /// }
    ///
    /// fn sort(words: &mut [&str]) -> Result<(), Cancelled> {
    ///     unwinding(|| words.sort_by_key(|word| weight(word).unwrap_or_else(|cancelled| cancelled.unwind())))
    /// }
    ///
    /// let mut words = ["three", "one"];
    /// sort(&mut words).unwrap();
    /// assert_eq!(words, ["one", "three"]);
    /// let token = CancellationToken::new();
    /// token.cancel();
    /// assert!(token.sync_scope(|| sort(&mut words)).is_err());
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no [`unwinding`] round it, with a message that says so.
    #[cold]
    #[track_caller]
    pub fn unwind(self) -> ! {
        let is_caught = with_frame(|frame| frame.is_some_and(|frame| frame.catches()));
        assert!(
            is_caught,
            "there is no `cancelable::unwinding` round this, or its context has not been taken to this thread: {self}"
        );
        resume_unwind(Box::new(Unwinding(self)))
    }
}
