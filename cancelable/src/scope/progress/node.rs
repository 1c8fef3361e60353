//! `Node`: how far one scope has got, with the scopes below it.
//!
//! Parts of the work are counted in 2⁻³² of a unit, so that what children have added is taken back to the last bit. A child hands its
//! parent what has changed, not what there is: these add up in whatever order threads come.

use std::mem;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use super::info::{ProgressInfo, ProgressState};
use super::rate::Rate;
use super::timeline::Timeline;
use crate::primitive::lock;

/// One unit of work.
const ONE: i128 = 1 << 32;

/// So close to the next unit it is that one: a third of three, say.
const CLOSE: i128 = ONE >> 12;

type Hook = Arc<dyn Fn(&ProgressInfo) + Send + Sync>;

#[derive(Default)]
pub(super) struct Node {
    shared: Mutex<Shared>,
    hooks: Mutex<Vec<Hook>>,
    telling: AtomicU8,
}

/// Whether the hooks are being called.
const IDLE: u8 = 0;
const BUSY: u8 = 1;
/// They are, and there is news since.
const AGAIN: u8 = 2;

#[derive(Default)]
struct Shared {
    state: ProgressState,
    /// Which of the scopes it is that have used this node one after the other.
    run: u64,
    timeline: Option<Timeline>,
    /// How long it ran, when it is over.
    ran: Duration,
    parent: Option<Parent>,
    /// What was said last.
    said: Option<(u64, Option<u64>)>,
    message: Option<Arc<str>>,
    /// The weights of all children so far, and of those that have ended since this was told how far it has got.
    begun: u64,
    over: u64,
    /// What is done of the weights of those that run.
    running: i128,
    rate: Rate,
    /// Of the state; for those who wait for another one.
    version: u64,
    waiting: Vec<(u64, Waker)>,
    waiters: u64,
}

struct Parent {
    node: Arc<Node>,
    /// Of that.
    run: u64,
    weight: u64,
    /// What it has been told of.
    told: i128,
}

/// What a change of a child means to its parent.
struct News {
    node: Arc<Node>,
    run: u64,
    more: i128,
    /// If it is over.
    weight: Option<u64>,
    message: Option<Arc<str>>,
}

impl Shared {
    fn work(&self) -> i128 {
        let done = self.said.map_or(0, |(done, _)| i128::from(done));
        (done + i128::from(self.over)) * ONE + self.running.max(0)
    }

    fn total(&self) -> Option<u64> {
        match self.said {
            Some((_, total)) => total,
            None => (self.begun > 0).then_some(self.begun),
        }
    }

    /// The part that is done, if the total is known; of [`ONE`].
    fn fraction(&self) -> Option<i128> {
        match self.total()? {
            0 => Some(ONE),
            total => Some((self.work() / i128::from(total)).min(ONE)),
        }
    }

    fn elapsed(&self) -> Duration {
        match &self.timeline {
            Some(timeline) => timeline.elapsed(),
            None => self.ran,
        }
    }

    fn info(&self) -> ProgressInfo {
        let (elapsed, work, total) = (self.elapsed(), self.work(), self.total());
        let is_running = self.state == ProgressState::Running;
        let rate = is_running.then(|| self.rate.per_second(elapsed)).flatten();
        let eta = rate.zip(total).and_then(|(rate, total)| {
            let left = (i128::from(total) * ONE - work).max(0);
            // Infinite if nothing moves.
            Duration::try_from_secs_f64(units(left) / rate).ok()
        });
        let fraction = match (self.state, total) {
            (ProgressState::Finished, _) | (_, Some(0)) => Some(1.0),
            (_, total) => total.map(|total| (units(work) / total as f64).min(1.0)),
        };
        ProgressInfo {
            state: self.state,
            is_told: self.said.is_some() || self.begun > 0,
            done: u64::try_from((work + CLOSE) / ONE).unwrap_or(u64::MAX),
            total,
            fraction,
            is_rolled_up: self.begun > 0,
            message: self.message.clone(),
            rate,
            eta,
            elapsed,
        }
    }

    /// What the parent is to know, which it is told then; if there is something new to it.
    fn news(&mut self, message: Option<Arc<str>>) -> Option<News> {
        let fraction = self.fraction().unwrap_or(0);
        let parent = self.parent.as_mut()?;
        let told = fraction * i128::from(parent.weight);
        let more = told - mem::replace(&mut parent.told, told);
        (more != 0 || message.is_some()).then(|| News {
            node: Arc::clone(&parent.node),
            run: parent.run,
            more,
            weight: None,
            message,
        })
    }
}

fn units(work: i128) -> f64 {
    work as f64 / ONE as f64
}

impl Node {
    /// A scope begins, which is of this `weight` to the node `above`. If another one has had this node before, that is forgotten.
    pub(super) fn begin(&self, above: Option<(Arc<Self>, u64)>) {
        let parent = above.and_then(|(node, weight)| {
            let run = node.adopt(weight)?;
            Some(Parent {
                node,
                run,
                weight,
                told: 0,
            })
        });
        self.change(|shared| {
            let (run, version) = (shared.run + 1, shared.version);
            let (waiting, waiters) = (mem::take(&mut shared.waiting), shared.waiters);
            *shared = Shared {
                state: ProgressState::Running,
                run,
                timeline: Some(Timeline::begin()),
                parent,
                version,
                waiting,
                waiters,
                ..Shared::default()
            };
            None
        });
    }

    /// A child begins. In which run?
    fn adopt(self: &Arc<Self>, weight: u64) -> Option<u64> {
        let mut run = None;
        let news = self.change(|shared| {
            if shared.state != ProgressState::Running {
                return None;
            }
            run = Some(shared.run);
            shared.begun = shared.begun.saturating_add(weight);
            shared.news(None)
        });
        hand_up(news);
        run
    }

    pub(super) fn report(&self, done: u64, total: Option<u64>) {
        self.hear(|shared| {
            shared.said = Some((done, total));
            // The caller has counted them.
            shared.over = 0;
            None
        });
    }

    pub(super) fn say(&self, message: Arc<str>) {
        self.hear(|shared| {
            shared.message = Some(Arc::clone(&message));
            Some(message)
        });
    }

    fn hear(&self, change: impl FnOnce(&mut Shared) -> Option<Arc<str>>) {
        let news = self.change(|shared| {
            if shared.state != ProgressState::Running {
                return None;
            }
            let message = change(shared);
            shared.move_on();
            shared.news(message)
        });
        hand_up(news);
    }

    /// The scope is over.
    pub(super) fn end(&self, state: ProgressState) {
        let news = self.change(|shared| {
            if shared.state.is_over() {
                return None;
            }
            shared.ran = shared.elapsed();
            (shared.state, shared.timeline) = (state, None);
            let parent = shared.parent.take()?;
            Some(News {
                node: parent.node,
                run: parent.run,
                more: -parent.told,
                weight: Some(parent.weight),
                message: None,
            })
        });
        hand_up(news);
    }

    /// Something of a child's.
    fn learn(&self, news: News) -> Option<News> {
        self.change(|shared| {
            if shared.run != news.run || shared.state != ProgressState::Running {
                return None;
            }
            shared.running += news.more;
            shared.over = shared.over.saturating_add(news.weight.unwrap_or(0));
            if news.message.is_some() {
                shared.message.clone_from(&news.message);
            }
            shared.move_on();
            shared.news(news.message)
        })
    }

    /// Changes it, and tells those who look at it.
    fn change(&self, change: impl FnOnce(&mut Shared) -> Option<News>) -> Option<News> {
        let mut shared = lock(&self.shared);
        let news = change(&mut shared);
        shared.version += 1;
        let waiting = mem::take(&mut shared.waiting);
        drop(shared);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
        self.tell_hooks();
        news
    }

    pub(super) fn info(&self) -> ProgressInfo {
        lock(&self.shared).info()
    }

    pub(super) fn add_hook(&self, hook: impl Fn(&ProgressInfo) + Send + Sync + 'static) {
        lock(&self.hooks).push(Arc::new(hook));
    }

    /// One thread at a time, so that none is told of the past after the present; and nobody waits for that.
    fn tell_hooks(&self) {
        struct Told<'a>(&'a AtomicU8);

        /// If a hook panics, too.
        impl Drop for Told<'_> {
            fn drop(&mut self) {
                self.0.store(IDLE, Ordering::Release);
            }
        }

        if lock(&self.hooks).is_empty() || self.telling.swap(AGAIN, Ordering::AcqRel) != IDLE {
            return;
        }
        let told = Told(&self.telling);
        loop {
            self.telling.store(BUSY, Ordering::Release);
            let hooks = lock(&self.hooks).clone();
            let info = self.info();
            hooks.iter().for_each(|hook| hook(&info));
            let is_done = self
                .telling
                .compare_exchange(BUSY, IDLE, Ordering::AcqRel, Ordering::Acquire);
            if is_done.is_ok() {
                mem::forget(told);
                return;
            }
        }
    }

    /// Somebody who waits for changes: its number.
    pub(super) fn waiter(&self) -> u64 {
        let mut shared = lock(&self.shared);
        shared.waiters += 1;
        shared.waiters
    }

    /// How it stands, if that is another version than the one that was `seen`; `None` if the scope is over, and that has been seen.
    pub(super) fn newer(&self, seen: &mut Option<u64>) -> Option<Option<ProgressInfo>> {
        let shared = lock(&self.shared);
        if *seen == Some(shared.version) {
            return shared.state.is_over().then_some(None);
        }
        *seen = Some(shared.version);
        Some(Some(shared.info()))
    }

    /// Wakes the waiter of that number at the next change, if what it has `seen` is the last version; `false` if there is another one.
    pub(super) fn wake(&self, number: u64, seen: Option<u64>, waker: &Waker) -> bool {
        // Wakers are user code: cloned and dropped without the lock.
        let waker = waker.clone();
        let mut shared = lock(&self.shared);
        if seen != Some(shared.version) {
            return false;
        }
        let before = shared.waiting.iter().position(|(other, _)| *other == number);
        let before = before.map(|at| shared.waiting.swap_remove(at));
        shared.waiting.push((number, waker));
        drop(shared);
        drop(before);
        true
    }

    /// The waiter of that number has gone.
    pub(super) fn forget(&self, number: u64) {
        let mut shared = lock(&self.shared);
        let at = shared.waiting.iter().position(|(other, _)| *other == number);
        let waker = at.map(|at| shared.waiting.swap_remove(at));
        drop(shared);
        drop(waker);
    }
}

impl Shared {
    fn move_on(&mut self) {
        let (elapsed, work) = (self.elapsed(), units(self.work()));
        self.rate.record(elapsed, work);
    }
}

/// One level after the other, so that they may be as many as memory allows.
fn hand_up(mut news: Option<News>) {
    while let Some(next) = news {
        let node = Arc::clone(&next.node);
        news = node.learn(next);
    }
}
