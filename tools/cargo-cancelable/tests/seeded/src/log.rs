//! What the service says of itself.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

static NEAR: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn count(near: usize) {
    NEAR.fetch_add(near, Relaxed);
    cancelable::thread::spawn(|| {
        loop {
            //~^ endless-loop
            thread::park();
            println!("{} texts were near", NEAR.load(Relaxed));
        }
    });
}

pub(crate) async fn append(line: String) {
    println!("{line}");
}

pub(crate) fn flush() {
    thread::spawn(|| println!("flushed")); //~ bare-spawn
}

/// The journal's entry for one text.
pub(crate) struct Entry;

impl Entry {
    pub(crate) async fn begin() -> Self {
        tokio::task::yield_now().await;
        Entry
    }

    pub(crate) async fn end(self) {
        tokio::task::yield_now().await;
    }
}
