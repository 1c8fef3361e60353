//! Threads, as numbers that fit into a part of a word.

use std::cell::Cell;
#[cfg(feature = "registry")]
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

thread_local! {
    /// Of this thread; 0 if it has none so far. Const-initialised and without a destructor.
    static NUMBER: Cell<u32> = const { Cell::new(0) };
    static NAMED: Named = Named::of_this_thread();
}

/// Those that run.
static NAMES: Mutex<Names> = Mutex::new(None);

pub(super) type Names = Option<HashMap<u32, String>>;

/// A number has its name for as long as its thread runs.
struct Named(u32);

impl Named {
    fn of_this_thread() -> Self {
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        // As many as a word of a check point has room for; after sixteen million threads they begin anew.
        let number = (NUMBERS.fetch_add(1, Ordering::Relaxed) & 0x00ff_ffff).max(1);
        let thread = thread::current();
        let name = match thread.name() {
            Some(name) => name.to_owned(),
            None => format!("{:?}", thread.id()),
        };
        with_names(|names| names.insert(number, name));
        Self(number)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        with_names(|names| names.remove(&self.0));
    }
}

fn with_names<R>(f: impl FnOnce(&mut HashMap<u32, String>) -> R) -> R {
    f(hold().get_or_insert_default())
}

pub(super) fn hold() -> MutexGuard<'static, Names> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of the thread that this runs on.
#[inline]
pub(crate) fn thread_number() -> u32 {
    match NUMBER.get() {
        0 => count(),
        number => number,
    }
}

#[cold]
fn count() -> u32 {
    // A thread that is going away has none, which is told as that of no thread.
    let number = NAMED.try_with(|named| named.0).unwrap_or(0);
    NUMBER.set(number);
    number
}

/// What it is called; `None` once it has ended.
#[cfg(feature = "registry")]
pub(crate) fn thread_name(number: u32) -> Option<String> {
    with_names(|names| names.get(&number).cloned())
}

/// What threads are called, for one who asks a lot: most of its answers are that of the last question.
#[cfg(feature = "registry")]
#[derive(Default)]
pub(crate) struct ThreadNames(RefCell<Option<(u32, Option<String>)>>);

#[cfg(feature = "registry")]
impl ThreadNames {
    pub(crate) fn get(&self, number: u32) -> Option<String> {
        let mut last = self.0.borrow_mut();
        match &*last {
            Some((known, name)) if *known == number => name.clone(),
            _ => {
                let name = thread_name(number);
                *last = Some((number, name.clone()));
                name
            }
        }
    }
}
