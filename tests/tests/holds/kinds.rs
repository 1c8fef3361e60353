//! What holds: shields and what is like them, and where a group's tasks run.

use super::*;

/// Begins, waits for the gate, ends; and must not be dropped in between, once it has begun.
pub(super) type Hold = fn(Log, Receiver<()>) -> Boxed;

pub(super) fn shielded(log: Log, gate: Receiver<()>) -> Boxed {
    shield(two_halves(log, gate)).map(Ok).boxed()
}

pub(super) fn shielded_with_timeout(log: Log, gate: Receiver<()>) -> Boxed {
    shield(two_halves(log, gate).map(Ok)).timeout(LONG).boxed()
}

pub(super) fn marked_as_shield(log: Log, gate: Receiver<()>) -> Boxed {
    #[cancelable]
    async fn work(log: Log, gate: Receiver<()>) -> Outcome {
        #[cancelable(shield)]
        two_halves(log, gate).await;
        Ok(())
    }
    work(log, gate).boxed()
}

pub(super) fn marked_as_finish(log: Log, gate: Receiver<()>) -> Boxed {
    #[cancelable]
    async fn work(log: Log, gate: Receiver<()>) -> Outcome {
        #[cancelable(finish)]
        two_halves(log, gate).await;
        Ok(())
    }
    work(log, gate).boxed()
}

/// Clean-up behind a body that has ended by itself.
pub(super) fn finally(log: Log, gate: Receiver<()>) -> Boxed {
    cancel_scope!(finally = async { two_halves(log, gate).await }, async {
        Ok::<_, Cancelled>(())
    })
    .boxed()
}

/// A shield through code that knows nothing of this library.
pub(super) fn deep_inside(log: Log, gate: Receiver<()>) -> Boxed {
    let layer = async move { shield(two_halves(log, gate)).await };
    async move { future::join(layer, ready(())).map(|_| Ok(())).await }.boxed()
}

/// A shield in a scope of its own.
pub(super) fn in_a_scope(log: Log, gate: Receiver<()>) -> Boxed {
    Scope::new().run(shield(two_halves(log, gate)).map(Ok)).boxed()
}

/// A shield under a token that has nothing to do with the scope outside.
pub(super) fn below_another_token(log: Log, gate: Receiver<()>) -> Boxed {
    CancellationToken::new()
        .scope(shield(two_halves(log, gate)).map(Ok))
        .boxed()
}

pub(super) const HOLDS: [(&str, Hold); 8] = [
    ("shield", shielded),
    ("shield with a timeout", shielded_with_timeout),
    ("#[cancelable(shield)]", marked_as_shield),
    ("#[cancelable(finish)]", marked_as_finish),
    ("finally", finally),
    ("shield, deep inside", deep_inside),
    ("shield in a scope", in_a_scope),
    ("shield below another token", below_another_token),
];

/// The last item of a stream: holds from the cancel on.
pub(super) fn last_item(log: Log, gate: Receiver<()>) -> Boxed {
    async move {
        let items = Box::pin(stream::once(two_halves(log, gate)).chain(stream::pending()));
        items.until_cancelled(StreamEnd::AfterItem).collect::<Vec<()>>().await;
        Ok(())
    }
    .boxed()
}

thread_local! {
    /// Tasks that run beside the one of the test, under no scope.
    pub(super) static ELSEWHERE: RefCell<Vec<Driven<'static, ()>>> = const { RefCell::new(Vec::new()) };
}

/// Starts tasks in [`ELSEWHERE`].
#[derive(Clone, Copy)]
pub(super) struct Elsewhere;

impl Spawn for Elsewhere {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        ELSEWHERE.with_borrow_mut(|tasks| tasks.push(Driven::new(task)));
    }
}

/// Runs a task and those elsewhere until all of them are ready or wait to be woken.
pub(super) fn run_all<T>(task: &mut Driven<'_, T>) -> Poll<T> {
    loop {
        if let ready @ Poll::Ready(_) = task.run() {
            return ready;
        }
        ELSEWHERE.with_borrow_mut(|tasks| tasks.retain_mut(|task| task.run().is_pending()));
        if !task.is_woken() {
            return Poll::Pending;
        }
    }
}

/// Whoever waits for the tasks of a group: holds from the cancel on. The task's own shield is elsewhere.
pub(super) fn group(log: Log, gate: Receiver<()>) -> Boxed {
    async move {
        let mut group: TaskGroup<(), Cancelled, Elsewhere> = TaskGroup::on(Elsewhere);
        let uncut = log.uncut();
        group.spawn(shield(two_halves(Log::default(), gate)).map(Ok));
        log.add("begun");
        let result = group.join().await;
        uncut.end("done");
        assert!(result.is_ok());
        Ok(())
    }
    .boxed()
}

pub(super) const HOLDS_FROM_THE_CANCEL_ON: [(&str, Hold); 2] =
    [("the last item of a stream", last_item), ("a group", group)];
