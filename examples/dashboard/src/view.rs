//! What the page is told: the registry's own data, bounded, and whether it is news.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cancelable::registry::{self, Cancel, EndedScope, LiveScope, PassedPoint, WaitsFor};
use serde::Serialize;

/// So many that run are shown, the oldest; and the last so many that have ended.
const SCOPES: usize = 500;
const ENDED: usize = 40;

/// All that is shown. Durations are seconds before or after the moment at which it was made.
#[derive(Serialize)]
pub(crate) struct View {
    scopes: Vec<LiveScope>,
    /// More than are shown.
    left_off: usize,
    /// The last one first.
    ended: Vec<EndedScope>,
    #[serde(skip)]
    made: Instant,
}

impl View {
    pub(crate) fn now() -> Self {
        let made = Instant::now();
        let mut scopes = registry::snapshot().scopes;
        let left_off = scopes.len().saturating_sub(SCOPES);
        // In the order in which they began: none comes before that which it is in.
        scopes.truncate(SCOPES);
        let mut ended = registry::history().scopes;
        ended.truncate(ENDED);
        Self {
            scopes,
            left_off,
            ended,
            made,
        }
    }

    pub(crate) fn json(&self) -> Arc<str> {
        serde_json::to_string(self)
            .expect("it has no maps and no errors of its own")
            .into()
    }

    /// Does a page that shows `self` show what is so, if it goes on counting the seconds?
    fn still_holds(&self, later: &Self) -> bool {
        let passed = later.made.saturating_duration_since(self.made);
        let scopes = self.scopes.len() == later.scopes.len()
            && self
                .scopes
                .iter()
                .zip(&later.scopes)
                .all(|(then, now)| is_same(then, now, passed));
        let ended = self.ended.len() == later.ended.len()
            && self.ended.iter().zip(&later.ended).all(|(then, now)| then.id == now.id);
        scopes && ended && self.left_off == later.left_off
    }
}

/// Looks again and again, and says what is news.
#[derive(Default)]
pub(crate) struct Watch(Option<View>);

impl Watch {
    /// What there is now, if it is not what was said last, or if something has to be said.
    pub(crate) fn look(&mut self, has_to: bool) -> Option<Arc<str>> {
        let now = View::now();
        if !has_to && self.0.as_ref().is_some_and(|last| last.still_holds(&now)) {
            return None;
        }
        Some(self.0.insert(now).json())
    }
}

/// The same, but for the time that has passed.
fn is_same(then: &LiveScope, now: &LiveScope, passed: Duration) -> bool {
    let words = |scope: &LiveScope| {
        let noticed = |cancel: &Cancel| cancel.noticed_at;
        let point = |point: &PassedPoint| point.at;
        (
            (scope.id, scope.state, scope.progress),
            scope.last_point.as_ref().map(point),
            scope.cancel.as_ref().map(noticed),
            waits_for(&scope.waits_for),
        )
    };
    let passed_ago = |scope: &LiveScope| scope.last_point.as_ref().map(|point| point.ago);
    words(then) == words(now)
        && then.thread == now.thread
        && is_near(then.deadline.map(|left| left.saturating_sub(passed)), now.deadline)
        && is_near(passed_ago(then).map(|ago| ago + passed), passed_ago(now))
}

/// These are told to ten milliseconds, and not all at one moment.
fn is_near(one: Option<Duration>, other: Option<Duration>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.abs_diff(other) < Duration::from_millis(50),
        (one, other) => one == other,
    }
}

type Line = &'static Location<'static>;

/// What it is, and its line, without the time.
fn waits_for(what: &WaitsFor) -> (u8, Option<Line>) {
    match what {
        WaitsFor::Shield { begun_at, .. } => (1, Some(begun_at)),
        WaitsFor::Await { at, .. } => (2, Some(at)),
        WaitsFor::Code { after, .. } => (3, *after),
        _ => (0, None),
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};
    use std::thread;

    use cancelable::{CancellationToken, Cancelled, Scope, cancelable, progress};

    use super::*;

    fn poll(future: Pin<&mut impl Future>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// The part of a view that the scope of this name has, for tests run beside each other.
    fn only(name: &str) -> View {
        let mut view = View::now();
        view.scopes.retain(|scope| scope.name == name);
        view.ended.retain(|scope| scope.name == name);
        view
    }

    #[cancelable]
    async fn work(turn: &CancellationToken) -> Result<(), Cancelled> {
        turn.cancelled().await;
        progress(1, 2);
        std::future::pending::<()>().await;
        Ok(())
    }

    #[test]
    fn time_that_passes_is_no_news() {
        let turn = CancellationToken::new();
        let timeout = Duration::from_secs(3600);
        let mut scope = pin!(Scope::new().name("no news").timeout(timeout).run(work(&turn)));
        assert!(!poll(scope.as_mut()));
        let first = only("no news");
        assert_eq!(first.scopes.len(), 1);
        let mut later = only("no news");
        while later.made.duration_since(first.made) < Duration::from_millis(200) {
            thread::yield_now();
            later = only("no news");
        }
        assert!(first.still_holds(&later));
        // It gets on.
        turn.cancel();
        assert!(!poll(scope.as_mut()));
        let progressed = only("no news");
        assert!(!later.still_holds(&progressed));
        registry::cancel(first.scopes[0].id);
        let cancelled = only("no news");
        assert!(!progressed.still_holds(&cancelled));
        assert!(poll(scope.as_mut()));
        let ended = only("no news");
        assert!(!cancelled.still_holds(&ended));
        assert_eq!((ended.scopes.len(), ended.ended.len()), (0, 1));
        assert!(ended.still_holds(&only("no news")));
    }

    #[test]
    fn the_same_check_point_passed_once_more_is_news() {
        let (one, two) = (CancellationToken::new(), CancellationToken::new());
        #[cancelable]
        async fn twice(turns: [&CancellationToken; 2]) -> Result<(), Cancelled> {
            for turn in turns {
                turn.cancelled().await;
            }
            Ok(())
        }
        let mut scope = pin!(Scope::new().name("once more").run(async {
            let never = CancellationToken::new();
            twice([&one, &two]).await?;
            twice([&never, &never]).await
        }));
        assert!(!poll(scope.as_mut()));
        let first = only("once more");
        let passed = |view: &View| view.scopes[0].last_point.as_ref().unwrap().ago;
        while passed(&only("once more")) < Duration::from_millis(200) {
            thread::yield_now();
        }
        one.cancel();
        assert!(!poll(scope.as_mut()));
        let second = only("once more");
        assert_eq!(
            first.scopes[0].last_point.as_ref().unwrap().at,
            second.scopes[0].last_point.as_ref().unwrap().at
        );
        assert!(!first.still_holds(&second));
    }

    #[test]
    fn a_crowd_is_cut() {
        // Of each, that it has begun is enough.
        let scopes: Vec<_> = (0..SCOPES + 7)
            .map(|_| Box::pin(Scope::new().name("crowd").run(work_for_ever())))
            .collect();
        let scopes: Vec<_> = scopes
            .into_iter()
            .map(|mut scope| {
                assert!(!poll(scope.as_mut()));
                scope
            })
            .collect();
        let view = View::now();
        assert_eq!(view.scopes.len(), SCOPES);
        assert!(view.left_off >= 7, "{}", view.left_off);
        drop(scopes);
        assert_eq!(View::now().ended.len(), ENDED);
    }

    async fn work_for_ever() -> Result<(), Cancelled> {
        std::future::pending().await
    }
}
