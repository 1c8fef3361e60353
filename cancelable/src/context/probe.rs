//! Where tests look in: an observer that is shown the check points of this thread, and what measures the time between them (`meter`).
//! Feature `testing`; without it, nothing.

#[cfg(feature = "testing")]
pub(crate) use watched::{Observer, check_point, is_observed, is_watched, noticed, watch};

#[cfg(feature = "testing")]
mod watched {
    use std::cell::{Cell, RefCell};
    use std::mem;
    use std::panic::Location;
    use std::sync::Arc;

    use crate::meter;

    /// Somebody who wants to see check points.
    pub(crate) trait Observer: Send + Sync {
        /// A check point is about to ask a token that is not cancelled. It may cancel it.
        fn check_point(&self, location: &'static Location<'static>);

        /// A check point has found its token cancelled.
        fn noticed(&self, location: &'static Location<'static>);
    }

    thread_local! {
        /// Is there an observer? Apart from it, for this is what every frame reads as it is made.
        static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
        static OBSERVER: RefCell<Option<Arc<dyn Observer>>> = const { RefCell::new(None) };
    }

    /// Has `observer` see the check points of this thread for as long as `f` runs.
    pub(crate) fn watch<R>(observer: Arc<dyn Observer>, f: impl FnOnce() -> R) -> R {
        /// Puts the outer observer back, whichever way `f` ends.
        struct Restore(Option<Arc<dyn Observer>>);

        impl Drop for Restore {
            fn drop(&mut self) {
                IS_WATCHED.set(self.0.is_some());
                let inner = OBSERVER.with(|current| mem::replace(&mut *current.borrow_mut(), self.0.take()));
                drop(inner);
            }
        }

        let _restore = Restore(OBSERVER.with(|current| current.borrow_mut().replace(observer)));
        IS_WATCHED.set(true);
        f()
    }

    /// Are all check points to look closer?
    #[inline(always)]
    pub(crate) fn is_watched() -> bool {
        is_observed() || meter::is_on()
    }

    /// Is there an observer?
    #[inline(always)]
    pub(crate) fn is_observed() -> bool {
        IS_WATCHED.get()
    }

    fn observer() -> Option<Arc<dyn Observer>> {
        // Cloned, so that it may be asked for again while it cancels.
        OBSERVER.try_with(|observer| observer.borrow().clone()).ok().flatten()
    }

    pub(crate) fn check_point(location: &'static Location<'static>) {
        if let Some(observer) = observer() {
            observer.check_point(location);
        }
    }

    pub(crate) fn noticed(location: &'static Location<'static>) {
        if let Some(observer) = observer() {
            observer.noticed(location);
        }
    }

    #[cfg(all(test, not(cancelable_loom)))]
    mod tests {
        use std::panic::{AssertUnwindSafe, catch_unwind};
        use std::sync::atomic::{AtomicUsize, Ordering};

        use super::*;

        #[derive(Default)]
        struct Seen(AtomicUsize);

        impl Observer for Seen {
            fn check_point(&self, _: &'static Location<'static>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }

            fn noticed(&self, _: &'static Location<'static>) {}
        }

        #[test]
        fn an_observer_is_shown_its_own_stretch_and_the_outer_one_what_is_round_that_also_after_a_panic() {
            let here = Location::caller();
            let [outer, inner] = [(); 2].map(|()| Arc::new(Seen::default()));
            check_point(here);
            assert!(!is_watched());
            watch(outer.clone(), || {
                check_point(here);
                let panics = || {
                    watch(inner.clone(), || {
                        check_point(here);
                        assert!(!is_watched(), "on purpose");
                    });
                };
                assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
                assert!(is_watched());
                check_point(here);
            });
            assert!(!is_watched());
            check_point(here);
            assert_eq!([outer, inner].map(|seen| seen.0.load(Ordering::Relaxed)), [2, 1]);
        }
    }
}

#[cfg(not(feature = "testing"))]
pub(crate) use unwatched::{check_point, is_observed, is_watched, noticed};

#[cfg(not(feature = "testing"))]
mod unwatched {
    use std::panic::Location;

    #[inline(always)]
    pub(crate) const fn is_watched() -> bool {
        false
    }

    #[inline(always)]
    pub(crate) const fn is_observed() -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn check_point(_: &'static Location<'static>) {}

    #[inline(always)]
    pub(crate) fn noticed(_: &'static Location<'static>) {}
}
