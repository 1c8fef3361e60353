//! Texts that wait to be added.

use crate::index::Index;
use crate::log;
use cancelable::{Cancelled, cancelable};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Clone)]
pub(crate) struct Queue(Arc<Inner>);

struct Inner {
    texts: Mutex<VecDeque<String>>,
    added: Notify,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Queue(Arc::new(Inner {
            texts: Mutex::default(),
            added: Notify::new(),
        }))
    }

    pub(crate) fn push(&self, text: String) {
        self.0
            .texts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(text);
        self.0.added.notify_one();
    }

    fn first(&self) -> Option<String> {
        self.0.texts.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Adds what comes, for ever.
pub(crate) async fn worker(queue: Queue, index: Arc<Index>) {
    loop {
        match add_next(&queue, &index).await {
            //~^ swallowed-cancel
            Ok(()) => {}
            Err(error) => eprintln!("not added: {error}"),
        }
    }
}

#[cancelable]
async fn add_next(queue: &Queue, index: &Arc<Index>) -> Result<(), Cancelled> {
    let text = loop {
        match queue.first() {
            Some(text) => break text,
            None => queue.0.added.notified().await,
        }
    };
    let entry = log::Entry::begin().await;
    let added = store(&text, index).await;
    entry.end().await; //~ skipped-cleanup
    added
}

#[cancelable]
async fn store(text: &str, index: &Arc<Index>) -> Result<(), Cancelled> {
    let (index, text) = (Arc::clone(index), text.to_owned());
    let added = cancelable::tokio::spawn_blocking(move || {
        settle()?;
        index.add_text(&text)
    });
    if matches!(added.await, Ok(Ok(true))) {
        log::flush();
    }
    Ok(())
}

#[cancelable]
fn settle() -> Result<(), Cancelled> {
    std::thread::sleep(Duration::from_millis(1)); //~ blocking-call
    Ok(())
}
