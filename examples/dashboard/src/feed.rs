//! What those who look are sent: at most four times a second, only what is news, and nothing is done while nobody looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

/// The least time from one to the next.
const INTERVAL: Duration = Duration::from_millis(250);

pub(crate) struct Feed {
    latest: watch::Sender<Arc<str>>,
    /// Somebody has come who has not been sent anything.
    has_newcomer: AtomicBool,
    newcomer: Notify,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self {
            latest: watch::Sender::new("".into()),
            has_newcomer: AtomicBool::new(false),
            newcomer: Notify::new(),
        }
    }

    /// Somebody looks, for as long as this lives.
    pub(crate) fn subscribe(&self) -> Subscriber {
        let updates = self.latest.subscribe();
        // Afterwards: what is sent from now on, this one gets.
        self.has_newcomer.store(true, Ordering::Release);
        self.newcomer.notify_one();
        Subscriber(updates)
    }

    /// Sends what `look` says, while somebody looks. It is called with `true` if it has to say something even if that is not news.
    pub(crate) async fn run(&self, mut look: impl FnMut(bool) -> Option<Arc<str>>) {
        loop {
            while self.latest.receiver_count() == 0 {
                // As long as it was shown, it may be large.
                self.latest.send_replace("".into());
                self.newcomer.notified().await;
            }
            if let Some(news) = look(self.has_newcomer.swap(false, Ordering::AcqRel)) {
                self.latest.send_replace(news);
            }
            sleep(INTERVAL).await;
        }
    }
}

/// One who looks.
pub(crate) struct Subscriber(watch::Receiver<Arc<str>>);

impl Subscriber {
    /// The next that is sent; who is slow misses some. `None`: nothing more is. If it is dropped, nothing is lost.
    pub(crate) async fn next(&mut self) -> Option<Arc<str>> {
        self.0.changed().await.ok()?;
        Some(Arc::clone(&self.0.borrow_and_update()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::{Instant, timeout};

    use super::*;

    /// Runs a feed beside `body`. It is news whenever `body` puts something into the cell; the other counts the looks.
    async fn beside(body: impl AsyncFnOnce(&Feed, &Cell<Option<&'static str>>, &Cell<u32>)) {
        let (feed, news, looks) = (Feed::new(), Cell::new(None), Cell::new(0));
        let run = feed.run(|has_to| {
            looks.set(looks.get() + 1);
            news.take().or(has_to.then_some("the same")).map(Arc::from)
        });
        tokio::select! {
            () = run => unreachable!("it runs for ever"),
            () = body(&feed, &news, &looks) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_looks_and_nothing_is_done() {
        beside(async |feed, _, looks| {
            sleep(Duration::from_secs(3600)).await;
            assert_eq!(looks.get(), 0);
            let mut subscriber = feed.subscribe();
            assert_eq!(&*subscriber.next().await.unwrap(), "the same");
            sleep(Duration::from_secs(1)).await;
            let so_far = looks.get();
            assert!((4..=5).contains(&so_far), "{so_far}");
            drop(subscriber);
            sleep(Duration::from_secs(3600)).await;
            assert_eq!(looks.get(), so_far);
            assert!(feed.latest.borrow().is_empty(), "it keeps nothing");
            // And again.
            assert_eq!(&*feed.subscribe().next().await.unwrap(), "the same");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn only_news_is_sent_and_not_too_often() {
        beside(async |feed, news, _| {
            let mut subscriber = feed.subscribe();
            subscriber.next().await.unwrap();
            assert!(timeout(Duration::from_secs(3600), subscriber.next()).await.is_err());
            news.set(Some("first"));
            assert_eq!(&*subscriber.next().await.unwrap(), "first");
            let then = Instant::now();
            for _ in 0..8 {
                news.set(Some("more"));
                assert_eq!(&*subscriber.next().await.unwrap(), "more");
            }
            assert_eq!(then.elapsed().as_millis() / 250, 8);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_later_is_sent_something_at_once() {
        beside(async |feed, _, _| {
            let mut first = feed.subscribe();
            first.next().await.unwrap();
            sleep(Duration::from_secs(60)).await;
            let mut second = feed.subscribe();
            let then = Instant::now();
            assert_eq!(&*second.next().await.unwrap(), "the same");
            assert!(then.elapsed() <= INTERVAL);
            drop(first);
            assert!(timeout(Duration::from_secs(60), second.next()).await.is_err());
        })
        .await;
    }
}
