//! The only file that names `std::sync` atomics and locks, or loom's in their place.
//!
//! Everything that the token core synchronises with comes from here, so that a model built with
//! `--cfg cancelable_loom` explores all of it. (The timer thread and the blocking wait's parker stand outside the
//! models and use the standard library directly.)

#[cfg(not(cancelable_loom))]
mod imp {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
    pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

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
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};

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

/// Takes a lock, whether or not a thread panicked while it held it.
///
/// No user code runs under this library's locks, so a poisoned one guards data as whole as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}
