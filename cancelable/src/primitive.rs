//! The only file that names `std::sync` atomics and locks, or loom's in their place.
//!
//! Everything that the token core synchronises with comes from here, so that a model built with
//! `--cfg cancelable_loom` explores all of it: the state words, the locks, the cells that hold lists and causes, the
//! parking of a blocked thread, and the timer's locks, bell and clock. (Wakers and the clocks of runtimes stand outside the
//! models; so do `Arc`s that become wakers, which `std::task` wants to be its own.)

#[cfg(not(cancelable_loom))]
mod imp {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
    pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};
    pub(crate) use std::thread::{Thread, current as current_thread, park, park_timeout};

    /// `std`'s cell with loom's closure interface.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }

    /// Nothing; under loom, what notices that memory is used after it was freed, or never freed.
    pub(crate) struct Canary;

    impl Canary {
        pub(crate) const fn new() -> Self {
            Self
        }

        #[inline(always)]
        pub(crate) fn sing(&self) {}

        #[inline(always)]
        pub(crate) fn free<T>(boxed: Box<T>, _canary: impl Fn(&T) -> &Self) {
            drop(boxed);
        }
    }

    /// A process-wide value; under loom, one per execution of the model.
    macro_rules! global {
        ($(#[$meta:meta])* static $name:ident: $type:ty = $init:expr;) => {
            $(#[$meta])*
            static $name: $type = $init;
        };
    }
    pub(crate) use global;

    /// A constructor that is `const`, except under loom, whose primitives register with the running model.
    macro_rules! const_fn {
        ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
            $(#[$meta])* $vis const fn $($rest)*
        };
    }
    pub(crate) use const_fn;
}

#[cfg(cancelable_loom)]
mod imp {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
    pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
    pub(crate) use loom::thread::{Thread, current as current_thread, park};

    /// Loom has no time: a timed wait is one that may end at any moment.
    pub(crate) fn park_timeout(_: std::time::Duration) {
        loom::thread::yield_now();
    }

    /// Loom sees every access to its own cells, but not that the memory round them has been freed. So the models free
    /// nothing: memory is marked as gone, and whoever touches it afterwards is caught. A leak is loom's to report.
    pub(crate) struct Canary {
        gone: std::sync::atomic::AtomicBool,
        leak: std::sync::Mutex<Option<loom::alloc::Track<()>>>,
    }

    impl Canary {
        pub(crate) fn new() -> Self {
            Self {
                gone: std::sync::atomic::AtomicBool::new(false),
                leak: std::sync::Mutex::new(Some(loom::alloc::Track::new(()))),
            }
        }

        /// Panics if the memory is gone.
        pub(crate) fn sing(&self) {
            assert!(
                !self.gone.load(std::sync::atomic::Ordering::Relaxed),
                "used after it was freed"
            );
        }

        /// Frees, in the model's eyes.
        pub(crate) fn free<T>(boxed: Box<T>, canary: impl Fn(&T) -> &Self) {
            let canary = canary(Box::leak(boxed));
            let gone = canary.gone.swap(true, std::sync::atomic::Ordering::Relaxed);
            assert!(!gone, "freed twice");
            let leak = canary.leak.lock().map(|mut leak| leak.take());
            drop(leak);
        }
    }

    macro_rules! global {
        ($(#[$meta:meta])* static $name:ident: $type:ty = $init:expr;) => {
            loom::lazy_static! {
                $(#[$meta])*
                static ref $name: $type = $init;
            }
        };
    }
    pub(crate) use global;

    macro_rules! const_fn {
        ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
            $(#[$meta])* $vis fn $($rest)*
        };
    }
    pub(crate) use const_fn;
}

pub(crate) use imp::*;

use std::sync::TryLockError;

/// Takes a lock, whether or not a thread panicked while it held it.
///
/// No user code runs under this library's locks, so a poisoned one guards data as whole as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // ThreadSanitizer does not see into the standard library as it is shipped, and a contended lock goes there; trying
    // is inlined here.
    #[cfg(cancelable_tsan)]
    loop {
        match try_lock(mutex) {
            Some(guard) => return guard,
            None => std::thread::yield_now(),
        }
    }
    #[cfg(not(cancelable_tsan))]
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}

/// The same, if nobody holds it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
