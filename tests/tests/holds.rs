//! Holds are things with an identity: pending shields and what is like them, wherever they began, whoever polls them (L12).
//!
//! The first half of this file is a table: whatever holds × whatever outlives one await × when the cancel comes. The second
//! half has holds that wander between scopes, tasks and threads.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cancelable::{
    CancellationToken, Cancelled, Scope, Spawn, StreamEnd, StreamExt as _, TaskGroup, cancel_scope, cancelable, check,
    guard, is_cancelled, race, shield, sleep, try_join,
};
use futures::channel::oneshot::{self, Receiver};
use futures::future::{self, BoxFuture, Either, FutureExt as _};
use futures::stream::{self, FuturesOrdered, FuturesUnordered, StreamExt as _};
use tests::step::{Driven, Log, two_halves};
use tests::{Runtime, paused_tokio, poll_once};

type Outcome = Result<(), Cancelled>;
type Boxed = BoxFuture<'static, Outcome>;

/// An hour: a limit that no test is to reach.
const LONG: Duration = Duration::from_secs(3600);

// What holds ----------------------------------------------------------------------------------------------------------

/// Begins, waits for the gate, ends; and must not be dropped in between, once it has begun.
type Hold = fn(Log, Receiver<()>) -> Boxed;

fn shielded(log: Log, gate: Receiver<()>) -> Boxed {
    shield(two_halves(log, gate)).map(Ok).boxed()
}

fn shielded_with_timeout(log: Log, gate: Receiver<()>) -> Boxed {
    shield(two_halves(log, gate).map(Ok)).timeout(LONG).boxed()
}

fn marked_as_shield(log: Log, gate: Receiver<()>) -> Boxed {
    #[cancelable]
    async fn work(log: Log, gate: Receiver<()>) -> Outcome {
        #[cancelable(shield)]
        two_halves(log, gate).await;
        Ok(())
    }
    work(log, gate).boxed()
}

fn marked_as_finish(log: Log, gate: Receiver<()>) -> Boxed {
    #[cancelable]
    async fn work(log: Log, gate: Receiver<()>) -> Outcome {
        #[cancelable(finish)]
        two_halves(log, gate).await;
        Ok(())
    }
    work(log, gate).boxed()
}

/// Clean-up behind a body that has ended by itself.
fn finally(log: Log, gate: Receiver<()>) -> Boxed {
    cancel_scope!(finally = async { two_halves(log, gate).await }, async {
        Ok::<_, Cancelled>(())
    })
    .boxed()
}

/// A shield through code that knows nothing of this library.
fn deep_inside(log: Log, gate: Receiver<()>) -> Boxed {
    let layer = async move { shield(two_halves(log, gate)).await };
    async move { future::join(layer, ready(())).map(|_| Ok(())).await }.boxed()
}

/// A shield in a scope of its own.
fn in_a_scope(log: Log, gate: Receiver<()>) -> Boxed {
    Scope::new().run(shield(two_halves(log, gate)).map(Ok)).boxed()
}

/// A shield under a token that has nothing to do with the scope outside.
fn below_another_token(log: Log, gate: Receiver<()>) -> Boxed {
    CancellationToken::new()
        .scope(shield(two_halves(log, gate)).map(Ok))
        .boxed()
}

const HOLDS: [(&str, Hold); 8] = [
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
fn last_item(log: Log, gate: Receiver<()>) -> Boxed {
    async move {
        let items = Box::pin(stream::once(two_halves(log, gate)).chain(stream::pending()));
        items.until_cancelled(StreamEnd::AfterItem).collect::<Vec<()>>().await;
        Ok(())
    }
    .boxed()
}

thread_local! {
    /// Tasks that run beside the one of the test, under no scope.
    static ELSEWHERE: RefCell<Vec<Driven<'static, ()>>> = const { RefCell::new(Vec::new()) };
}

/// Starts tasks in [`ELSEWHERE`].
#[derive(Clone, Copy)]
struct Elsewhere;

impl Spawn for Elsewhere {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        ELSEWHERE.with_borrow_mut(|tasks| tasks.push(Driven::new(task)));
    }
}

/// Runs a task and those elsewhere until all of them are ready or wait to be woken.
fn run_all<T>(task: &mut Driven<'_, T>) -> Poll<T> {
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
fn group(log: Log, gate: Receiver<()>) -> Boxed {
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

const HOLDS_FROM_THE_CANCEL_ON: [(&str, Hold); 2] = [("the last item of a stream", last_item), ("a group", group)];

// What outlives one await ---------------------------------------------------------------------------------------------

/// Two futures that are polled together, in a loop whose awaits end with the first, and then with the second.
type Crowd = fn(Boxed, Boxed) -> Boxed;

#[cancelable]
async fn unordered(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter([first, second]);
    while let Some(result) = crowd.next().await {
        result?;
    }
    check()
}

#[cancelable]
async fn ordered(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = FuturesOrdered::from_iter([first, second]);
    while let Some(result) = crowd.next().await {
        result?;
    }
    check()
}

#[cancelable]
async fn buffered(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = stream::iter([first, second]).buffered(2);
    while let Some(result) = crowd.next().await {
        result?;
    }
    check()
}

#[cancelable]
async fn buffer_unordered(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = pin!(stream::iter([first, second]).buffer_unordered(2));
    while let Some(result) = crowd.next().await {
        result?;
    }
    check()
}

/// All in one await.
#[cancelable]
async fn join_all(first: Boxed, second: Boxed) -> Outcome {
    for result in future::join_all([first, second]).await {
        result?;
    }
    check()
}

#[cancelable]
async fn select_all(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = vec![second, first];
    while !crowd.is_empty() {
        let (result, _, rest) = future::select_all(crowd).await;
        result?;
        crowd = rest;
    }
    check()
}

#[cancelable]
async fn tokio_select_in_a_loop(first: Boxed, second: Boxed) -> Outcome {
    let (mut first, mut second) = (first.fuse(), second);
    loop {
        tokio::select! {
            result = &mut first => result?,
            result = &mut second => {
                result?;
                break;
            }
        }
    }
    check()
}

#[cancelable]
async fn tokio_select_with_a_condition(first: Boxed, second: Boxed) -> Outcome {
    let (mut first, mut second) = (first, second);
    let mut is_first_done = false;
    let mut is_second_done = false;
    while !is_second_done {
        tokio::select! {
            biased;
            result = &mut second => {
                is_second_done = true;
                result?;
            }
            result = &mut first, if !is_first_done => {
                is_first_done = true;
                result?;
            }
        }
    }
    check()
}

#[cancelable]
async fn futures_select_in_a_loop(first: Boxed, second: Boxed) -> Outcome {
    let (mut first, mut second) = (first.fuse(), second.fuse());
    loop {
        futures::select! {
            result = first => result?,
            result = second => {
                result?;
                break;
            }
        }
    }
    check()
}

#[cancelable]
async fn futures_select_function(first: Boxed, mut second: Boxed) -> Outcome {
    match future::select(first, &mut second).await {
        Either::Left((result, _)) => result?,
        Either::Right(_) => unreachable!("the first is first"),
    }
    second.await?;
    check()
}

/// The wait for the first polls the second once, and that is all it does with it for now.
#[cancelable]
async fn by_reference_then_by_value(first: Boxed, mut second: Boxed) -> Outcome {
    begin(&mut second).await;
    first.await?;
    second.await?;
    check()
}

#[cancelable]
async fn counted_turns(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter([first, second]);
    for _ in 0..2 {
        crowd.next().await.unwrap()?;
    }
    check()
}

/// The turns are calls of an annotated function, which has a check point at its entry.
#[cancelable]
async fn turns_in_a_function(first: Boxed, second: Boxed) -> Outcome {
    #[cancelable]
    async fn turn(crowd: &mut FuturesUnordered<Boxed>) -> Result<bool, Cancelled> {
        check()?;
        Ok(match crowd.next().await {
            Some(result) => {
                result?;
                true
            }
            None => false,
        })
    }
    let mut crowd = FuturesUnordered::from_iter([first, second]);
    while turn(&mut crowd).await? {}
    check()
}

/// Somebody's state, which is polled in whichever method is called.
struct Server {
    crowd: FuturesUnordered<Boxed>,
}

#[cancelable]
impl Server {
    async fn serve_one(&mut self) -> Result<(), Cancelled> {
        self.serve_next().await
    }

    async fn serve_next(&mut self) -> Result<(), Cancelled> {
        self.crowd.next().await.unwrap()
    }
}

#[cancelable]
async fn state_of_a_server(first: Boxed, second: Boxed) -> Outcome {
    let mut server = Server {
        crowd: FuturesUnordered::from_iter([first, second]),
    };
    server.serve_one().await?;
    for pause in [1, 2] {
        // Things that happen between two turns, each with check points of its own.
        assert!(pause > 0);
        check()?;
        ready(()).await;
    }
    server.serve_one().await?;
    check()
}

#[cancelable]
async fn in_a_scope_of_its_own(first: Boxed, second: Boxed) -> Outcome {
    cancel_scope!(name = "inner", async {
        let mut crowd = FuturesUnordered::from_iter([first, second]);
        while let Some(result) = crowd.next().await {
            result?;
        }
        check()
    })
    .await
}

/// Begun outside, ended in a scope that came later.
#[cancelable]
async fn into_a_later_scope(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter([first, second]);
    crowd.next().await.unwrap()?;
    cancel_scope!(name = "later", async {
        while let Some(result) = crowd.next().await {
            result?;
        }
        check()
    })
    .await
}

/// Begun in a scope that has ended since.
#[cancelable]
async fn out_of_an_ended_scope(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter([first, second]);
    cancel_scope!(name = "ended", async { crowd.next().await.unwrap() }).await?;
    while let Some(result) = crowd.next().await {
        result?;
    }
    check()
}

/// In a branch beside others.
#[cancelable]
async fn beside_others(first: Boxed, second: Boxed) -> Outcome {
    let (result, other) = tokio::join!(unordered(first, second), async { ready(()).await });
    assert_eq!(other, ());
    result
}

/// In a crowd that is in a crowd.
#[cancelable]
async fn crowd_in_a_crowd(first: Boxed, second: Boxed) -> Outcome {
    let inner = unordered(first, second).boxed();
    let mut outer = FuturesUnordered::from_iter([inner, ready(Ok(())).boxed()]);
    while let Some(result) = outer.next().await {
        result?;
    }
    check()
}

/// Without the attribute.
fn by_hand(first: Boxed, second: Boxed) -> Boxed {
    async move {
        let mut crowd = FuturesUnordered::from_iter([first, second]);
        while let Some(result) = guard(crowd.next()).await? {
            result?;
            check()?;
        }
        check()
    }
    .boxed()
}

/// Without the attribute, and with nothing but the scope as a check point: a crowd in code that knows nothing of us.
fn unannotated_in_a_scope(first: Boxed, second: Boxed) -> Boxed {
    Scope::new()
        .run(async move {
            let mut crowd = FuturesUnordered::from_iter([first, second]);
            while let Some(result) = crowd.next().await {
                result?;
            }
            check()
        })
        .boxed()
}

/// Without the attribute, by reference.
fn by_hand_by_reference(first: Boxed, mut second: Boxed) -> Boxed {
    async move {
        let either = guard(future::select(first, &mut second)).await?;
        assert!(matches!(either, Either::Left((Ok(()), _))));
        drop(either);
        guard(second).await??;
        check()
    }
    .boxed()
}

/// Polls once, in an await of its own, which ends with that.
async fn begin<F: Future + Unpin>(future: &mut F) {
    let begins = poll_fn(|cx| {
        assert!(future.poll_unpin(cx).is_pending());
        Poll::Ready(())
    });
    guard(begins).await.expect("not cancelled yet");
}

// The table -----------------------------------------------------------------------------------------------------------

/// When the cancel comes.
#[derive(Clone, Copy, Debug)]
enum When {
    /// While the first await is pending, which then ends with something else.
    InTheFirstTurn,
    /// Between the first await and the second.
    BetweenTheTurns,
    /// While the second await is pending.
    InTheSecondTurn,
}

const WHENEVER: [When; 3] = [When::InTheFirstTurn, When::BetweenTheTurns, When::InTheSecondTurn];

/// Whose cancel it is.
#[derive(Clone, Copy, Debug)]
enum By {
    /// A given token's: its region is no check point.
    Token,
    /// The parent's of a scope's token.
    Parent,
    /// The scope's own deadline, before anybody has needed its token.
    Deadline,
    /// The deadline of the scope outside that.
    DeadlineOutside,
}

/// Something that a cancel ends, on a clock that stands still.
struct Scene {
    runtime: Option<tokio::runtime::Runtime>,
    token: CancellationToken,
    by: By,
}

impl Scene {
    const TIMEOUT: Duration = Duration::from_secs(10);

    fn new(by: By) -> Self {
        let token = CancellationToken::new();
        let runtime = matches!(by, By::Deadline | By::DeadlineOutside).then(paused_tokio);
        Self { runtime, token, by }
    }

    fn task(&self, body: Boxed) -> Driven<'static, Outcome> {
        let scope = match self.by {
            By::Token => self.token.scope(body).boxed(),
            By::Parent => Scope::new().parent(&self.token).run(body).boxed(),
            By::Deadline => Scope::new().timeout(Self::TIMEOUT).run(body).boxed(),
            By::DeadlineOutside => Scope::new().timeout(Self::TIMEOUT).run(Scope::new().run(body)).boxed(),
        };
        Driven::new(scope)
    }

    fn cancel(&self) {
        match &self.runtime {
            None => self.token.cancel(),
            Some(runtime) => runtime.block_on(tokio::time::advance(Self::TIMEOUT * 2)),
        }
    }

    fn enter(&self) -> Option<tokio::runtime::EnterGuard<'_>> {
        self.runtime.as_ref().map(|runtime| runtime.enter())
    }

    fn run(&self, task: &mut Driven<'_, Outcome>) -> Poll<Outcome> {
        let _entered = self.enter();
        run_all(task)
    }
}

/// One program of the table.
fn play(crowd: Crowd, hold: Hold, when: When, by: By) {
    ELSEWHERE.take();
    let (scene, log) = (Scene::new(by), Log::default());
    let (end_turn, turn) = oneshot::channel::<()>();
    let (open, gate) = oneshot::channel();
    let other = turn.map(|_| Ok(())).boxed();
    let mut task = scene.task(crowd(other, hold(log.clone(), gate)));
    assert!(scene.run(&mut task).is_pending());
    assert_eq!(log.all(), ["begun"]);
    match when {
        When::InTheFirstTurn => {
            scene.cancel();
            assert!(scene.run(&mut task).is_pending(), "it holds in the first turn");
            end_turn.send(()).unwrap();
        }
        When::BetweenTheTurns => {
            end_turn.send(()).unwrap();
            scene.cancel();
        }
        When::InTheSecondTurn => {
            end_turn.send(()).unwrap();
            assert!(scene.run(&mut task).is_pending());
            scene.cancel();
        }
    }
    for _ in 0..3 {
        assert!(scene.run(&mut task).is_pending(), "it holds: {:?}", log.all());
        let _entered = scene.enter();
        assert!(
            task.poll().is_pending(),
            "it holds, polled for nothing: {:?}",
            log.all()
        );
        assert_eq!(log.all(), ["begun"]);
    }
    open.send(()).unwrap();
    let Poll::Ready(outcome) = scene.run(&mut task) else {
        panic!("held up after the hold: {:?}", log.all());
    };
    drop(task);
    assert_eq!(log.all(), ["begun", "done"]);
    assert!(outcome.is_err(), "the next check point fails");
}

/// Runs all programs of a crowd with these holds, and says which of them failed.
fn failures(crowd: Crowd, holds: &[(&'static str, Hold)], moments: &[When]) -> Vec<String> {
    let mut failed = Vec::new();
    for (name, hold) in holds {
        for when in moments {
            for by in [By::Token, By::Parent, By::Deadline, By::DeadlineOutside] {
                if catch_unwind(AssertUnwindSafe(|| play(crowd, *hold, *when, by))).is_err() {
                    failed.push(format!("{name}, {when:?}, {by:?}"));
                }
            }
        }
    }
    failed
}

fn all_are_held(crowd: Crowd) {
    let mut failed = failures(crowd, &HOLDS, &WHENEVER);
    // These do not hold before the cancel, and so not between two turns, when nobody polls them.
    let moments = [When::InTheFirstTurn, When::InTheSecondTurn];
    failed.extend(failures(crowd, &HOLDS_FROM_THE_CANCEL_ON, &moments));
    assert!(failed.is_empty(), "{} failed: {failed:#?}", failed.len());
}

/// Tests named after crowds: whatever holds is held in each of them, whenever the cancel comes.
macro_rules! holds_are_held {
    ($($test:ident: $crowd:ident,)*) => { $(
        #[test]
        fn $test() {
            all_are_held(|first, second| $crowd(first, second).boxed());
        }
    )* };
}

holds_are_held! {
    l12_a_hold_is_held_in_the_turns_of_futures_unordered: unordered,
    l12_a_hold_is_held_in_the_turns_of_futures_ordered: ordered,
    l12_a_hold_is_held_in_the_turns_of_buffered: buffered,
    l12_a_hold_is_held_in_the_turns_of_buffer_unordered: buffer_unordered,
    l12_a_hold_is_held_in_join_all: join_all,
    l12_a_hold_is_held_in_the_turns_of_select_all: select_all,
    l12_a_hold_is_held_in_the_turns_of_tokios_select: tokio_select_in_a_loop,
    l12_a_hold_is_held_in_the_turns_of_tokios_select_with_a_condition: tokio_select_with_a_condition,
    l12_a_hold_is_held_in_the_turns_of_futures_select: futures_select_in_a_loop,
    l12_a_hold_is_held_after_a_select_by_reference: futures_select_function,
    l12_a_hold_is_held_in_a_for_loop_round_a_crowd: counted_turns,
    l12_a_hold_is_held_when_the_turns_are_calls: turns_in_a_function,
    l12_a_hold_is_held_when_it_is_kept_from_method_to_method: state_of_a_server,
    l12_a_hold_is_held_in_a_scope_of_its_own: in_a_scope_of_its_own,
    l12_a_hold_is_held_in_a_scope_that_came_later: into_a_later_scope,
    l12_a_hold_is_held_after_the_scope_that_it_began_in: out_of_an_ended_scope,
    l12_a_hold_is_held_beside_others: beside_others,
    l12_a_hold_is_held_in_a_crowd_in_a_crowd: crowd_in_a_crowd,
    l12_a_hold_is_held_in_turns_written_by_hand: by_hand,
    l12_a_hold_is_held_in_unannotated_turns: unannotated_in_a_scope,
    l12_a_hold_is_held_after_a_select_written_by_hand: by_hand_by_reference,
}

#[test]
fn l12_a_hold_that_nobody_polls_for_now_is_held_until_its_turn() {
    // It may go on only when its own await comes, which is after the other one has ended.
    let crowd: Crowd = |first, second| by_reference_then_by_value(first, second).boxed();
    let failed = failures(crowd, &HOLDS, &WHENEVER);
    assert!(failed.is_empty(), "{} failed: {failed:#?}", failed.len());
}

#[test]
fn l12_a_hold_that_began_in_an_await_that_is_no_check_point_is_held_by_later_ones() {
    // What `futures::poll!` awaits is not the attribute's to see, nor is a plain `select`. The contract does not say how this is
    // told from a shield in another branch of a plain `join!`, which must not keep the first from ending (below): there it is
    // polled whenever the scope is. (A plain `crowd.next().await` cannot be told from a crowd that has other members to poll.)
    fn with_poll(first: Boxed, mut second: Boxed) -> Boxed {
        async move {
            assert!(futures::poll!(&mut second).is_pending());
            guard(first).await??;
            guard(second).await??;
            check()
        }
        .boxed()
    }
    fn with_select(first: Boxed, mut second: Boxed) -> Boxed {
        async move {
            let either = future::select(first, &mut second).await;
            assert!(matches!(either, Either::Left((Ok(()), _))));
            drop(either);
            guard(second).await??;
            check()
        }
        .boxed()
    }
    let crowds: [Crowd; 2] = [with_poll, with_select];
    let failed: Vec<_> = crowds
        .into_iter()
        .map(|crowd| failures(crowd, &HOLDS[..1], &WHENEVER))
        .collect();
    assert!(failed.iter().all(Vec::is_empty), "{failed:#?}");
}

// What is suspended under a waker of its own --------------------------------------------------------------------------

/// Waits for the cancel, cleans up and says so.
fn unwinds(log: Log, _: Receiver<()>) -> Boxed {
    async move {
        let uncut = log.uncut();
        let result = guard(pending::<()>()).await;
        uncut.end("unwound");
        result
    }
    .boxed()
}

/// As above, with clean-up that takes its time.
fn unwinds_slowly(log: Log, gate: Receiver<()>) -> Boxed {
    async move {
        let uncut = log.uncut();
        let result = guard(pending::<()>()).await;
        shield(gate).await.unwrap();
        uncut.end("unwound");
        result
    }
    .boxed()
}

/// Goes on after a result, whatever it is: the first error is not the end.
type PatientCrowd = fn(Vec<Boxed>) -> Boxed;

#[cancelable]
async fn patient_unordered(members: Vec<Boxed>) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter(members);
    while let Some(result) = crowd.next().await {
        drop(result);
    }
    check()
}

#[cancelable]
async fn patient_ordered(members: Vec<Boxed>) -> Outcome {
    let mut crowd = FuturesOrdered::from_iter(members);
    while let Some(result) = crowd.next().await {
        drop(result);
    }
    check()
}

#[cancelable]
async fn patient_buffered(members: Vec<Boxed>) -> Outcome {
    let mut crowd = stream::iter(members).buffered(100);
    while let Some(result) = crowd.next().await {
        drop(result);
    }
    check()
}

#[cancelable]
async fn patient_buffer_unordered(members: Vec<Boxed>) -> Outcome {
    let mut crowd = stream::iter(members).buffer_unordered(100);
    while let Some(result) = crowd.next().await {
        drop(result);
    }
    check()
}

#[cancelable]
async fn patient_select_in_a_loop(members: Vec<Boxed>) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter(members);
    loop {
        tokio::select! {
            result = crowd.next() => match result {
                Some(result) => drop(result),
                None => break,
            },
            () = pending() => {}
        }
    }
    check()
}

#[cancelable]
async fn patient_calls(members: Vec<Boxed>) -> Outcome {
    #[cancelable]
    async fn turn(crowd: &mut FuturesUnordered<Boxed>) -> Result<bool, Cancelled> {
        Ok(crowd.next().await.is_some())
    }
    let mut crowd = FuturesUnordered::from_iter(members);
    while turn(&mut crowd).await? {}
    check()
}

fn patient_by_hand(members: Vec<Boxed>) -> Boxed {
    async move {
        let mut crowd = FuturesUnordered::from_iter(members);
        while guard(crowd.next()).await?.is_some() {}
        check()
    }
    .boxed()
}

/// Members that are told of the cancel all get out, in loops that go on after the first of them has.
fn all_get_out(crowd: PatientCrowd) {
    for by in [By::Token, By::Parent, By::Deadline, By::DeadlineOutside] {
        for (members, is_slow) in [(1, false), (2, false), (3, true), (20, false), (20, true), (70, false)] {
            for when in WHENEVER {
                get_out(crowd, by, members, is_slow, when);
            }
        }
    }
}

fn get_out(crowd: PatientCrowd, by: By, members: usize, is_slow: bool, when: When) {
    let program = format!("{by:?}, {when:?}, {members} members, slow: {is_slow}");
    let (scene, log) = (Scene::new(by), Log::default());
    let (end_turn, turn) = oneshot::channel::<()>();
    let (gates, mut all): (Vec<_>, Vec<_>) = (0..members)
        .map(|_| {
            let (open, gate) = oneshot::channel();
            let member: Hold = if is_slow { unwinds_slowly } else { unwinds };
            (open, member(log.clone(), gate))
        })
        .unzip();
    all.insert(0, turn.map(|_| Ok(())).boxed());
    let mut task = scene.task(crowd(all));
    assert!(scene.run(&mut task).is_pending());
    match when {
        When::InTheFirstTurn => scene.cancel(),
        When::BetweenTheTurns => {
            end_turn.send(()).unwrap();
            scene.cancel();
        }
        When::InTheSecondTurn => {
            end_turn.send(()).unwrap();
            assert!(scene.run(&mut task).is_pending());
            scene.cancel();
        }
    }
    let mut ended = scene.run(&mut task).is_ready();
    if is_slow {
        for open in gates {
            assert!(!ended, "{program}: {:?}", log.all());
            open.send(()).unwrap();
            ended = scene.run(&mut task).is_ready();
        }
    }
    assert!(ended, "{program}: held up: {:?}", log.all());
    drop(task);
    assert_eq!(log.count("unwound"), members, "{program}: {:?}", log.all());
}

/// Tests named after crowds: whoever is told gets out.
macro_rules! all_are_let_out {
    ($($test:ident: $crowd:ident,)*) => { $(
        #[test]
        fn $test() {
            all_get_out(|members| $crowd(members).boxed());
        }
    )* };
}

all_are_let_out! {
    l12_members_get_out_in_the_turns_of_futures_unordered: patient_unordered,
    l12_members_get_out_in_the_turns_of_buffer_unordered: patient_buffer_unordered,
    l12_members_get_out_in_the_turns_of_tokios_select: patient_select_in_a_loop,
    l12_members_get_out_when_the_turns_are_calls: patient_calls,
    l12_members_get_out_in_turns_written_by_hand: patient_by_hand,
}

#[test]
fn l12_members_get_out_of_crowds_that_yield_in_order() {
    // With the first of them pending for ever nothing is yielded, and so there is no second turn.
    let crowds: [PatientCrowd; 2] = [|all| patient_ordered(all).boxed(), |all| patient_buffered(all).boxed()];
    for crowd in crowds {
        let (token, log) = (CancellationToken::new(), Log::default());
        let members: Vec<_> = (0..20).map(|_| unwinds(log.clone(), oneshot::channel().1)).collect();
        let mut task = Driven::new(token.scope(crowd(members)));
        assert!(task.run().is_pending());
        token.cancel();
        assert!(task.run().is_ready());
        assert_eq!(log.count("unwound"), 20);
    }
}

#[test]
fn l12_members_of_a_crowd_that_is_never_polled_again_hold_nobody_up() {
    // The second half of "let them get out": it is bounded. The crowd is parked, and everything else goes on.
    #[cancelable]
    async fn parked(members: Vec<Boxed>, turn: Receiver<()>) -> Outcome {
        let mut crowd = FuturesUnordered::from_iter(members);
        begin(&mut crowd.next()).await;
        turn.await.unwrap();
        pending::<()>().await;
        drop(crowd);
        Ok(())
    }
    for when in WHENEVER {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (end_turn, turn) = oneshot::channel::<()>();
        let members = (0..5).map(|_| unwinds(log.clone(), oneshot::channel().1)).collect();
        let mut task = Driven::new(token.scope(parked(members, turn)));
        assert!(task.run().is_pending());
        match when {
            When::InTheFirstTurn => {}
            When::BetweenTheTurns => end_turn.send(()).unwrap(),
            When::InTheSecondTurn => {
                end_turn.send(()).unwrap();
                assert!(task.run().is_pending());
            }
        }
        token.cancel();
        assert!(matches!(task.run(), Poll::Ready(Err(_))), "{when:?}: held up");
    }
}

#[test]
fn l12_a_member_that_has_moved_to_another_task_holds_up_that_one_and_not_the_first() {
    let [first, second] = [CancellationToken::new(), CancellationToken::new()];
    let log = Log::default();
    let crowd: FuturesUnordered<Boxed> = FuturesUnordered::from_iter([unwinds(log.clone(), oneshot::channel().1)]);
    let (hand_over, handed_over) = oneshot::channel();
    let mut begins = Driven::new(first.scope(async move {
        let mut crowd = crowd;
        begin(&mut crowd.next()).await;
        drop(hand_over.send(crowd));
        guard(pending::<()>()).await
    }));
    assert!(begins.run().is_pending());
    let mut crowd = handed_over.now_or_never().unwrap().unwrap();
    let mut ends = Driven::new(second.scope(async move { guard(crowd.next()).await }));
    assert!(ends.run().is_pending());

    first.cancel();
    assert!(
        matches!(begins.run(), Poll::Ready(Err(_))),
        "it has nothing inside any more"
    );
    assert!(ends.run().is_pending());
    assert_eq!(log.all(), [""; 0]);
    second.cancel();
    assert!(
        matches!(ends.run(), Poll::Ready(Ok(Some(Err(_))))),
        "the error comes from inside"
    );
    assert_eq!(log.all(), ["unwound"]);
}

// Turns that begin or end several -------------------------------------------------------------------------------------

#[test]
fn l12_a_hold_that_begins_in_the_poll_in_which_an_older_one_ends_is_held() {
    // One less and one more make none, for who counts.
    let (token, log) = (CancellationToken::new(), Log::default());
    let (open_old, old_gate) = oneshot::channel();
    let (open_new, new_gate) = oneshot::channel();
    let mut old = shielded(Log::default(), old_gate);
    let new = shielded(log.clone(), new_gate);
    let mut task = Driven::new(token.scope(async move {
        begin(&mut old).await;
        guard(ready_when_polled_twice()).await?;
        guard(future::join(old, new)).await.map(drop)
    }));
    assert!(task.poll().is_pending(), "the old one has begun");
    open_old.send(()).unwrap();
    assert!(task.run().is_pending(), "the old one has ended, the new one has begun");
    token.cancel();
    for _ in 0..3 {
        assert!(task.run().is_pending());
        assert!(task.poll().is_pending());
    }
    open_new.send(()).unwrap();
    assert!(task.run().is_ready());
    assert_eq!(log.all(), ["begun", "done"]);
}

/// Pending once, and wakes its task.
fn ready_when_polled_twice() -> impl Future<Output = ()> {
    tests::ready_after(1, ())
}

#[test]
fn l12_holds_that_begin_in_later_turns_are_held_one_by_one() {
    // A crowd that is refilled: each turn ends one hold and begins another.
    #[cancelable]
    async fn refilled(mut waiting: Vec<Boxed>) -> Outcome {
        let mut crowd = FuturesUnordered::from_iter([waiting.pop().unwrap()]);
        while let Some(result) = crowd.next().await {
            result?;
            crowd.extend(waiting.pop());
        }
        check()
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let (gates, holds): (Vec<_>, Vec<_>) = (0..4)
        .map(|_| {
            let (open, gate) = oneshot::channel();
            (open, shielded(log.clone(), gate))
        })
        .unzip();
    let mut gates = gates.into_iter().rev();
    let mut task = Driven::new(token.scope(refilled(holds)));
    assert!(task.run().is_pending());
    gates.next().unwrap().send(()).unwrap();
    assert!(task.run().is_pending());
    gates.next().unwrap().send(()).unwrap();
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending(), "the third has begun");
    assert_eq!(log.all(), ["begun", "done", "begun", "done", "begun"]);
    gates.next().unwrap().send(()).unwrap();
    assert!(
        matches!(task.run(), Poll::Ready(Err(_))),
        "nothing holds: the next turn fails before it begins the fourth"
    );
    assert_eq!(log.all(), ["begun", "done", "begun", "done", "begun", "done"]);
}

#[test]
fn l12_two_holds_that_end_in_different_turns_are_both_held() {
    for order in [[0, 1], [1, 0]] {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (open_a, gate_a) = oneshot::channel();
        let (open_b, gate_b) = oneshot::channel();
        let mut gates = [Some(open_a), Some(open_b)];
        let holds = [shielded(log.clone(), gate_a), marked_as_finish(log.clone(), gate_b)];
        let mut task = Driven::new(token.scope(patient_unordered(holds.into())));
        assert!(task.run().is_pending());
        token.cancel();
        for (turn, which) in order.into_iter().enumerate() {
            assert!(task.run().is_pending());
            assert_eq!(log.count("done"), turn);
            gates[which].take().unwrap().send(()).unwrap();
        }
        assert!(matches!(task.run(), Poll::Ready(Err(_))));
        assert_eq!(log.all(), ["begun", "begun", "done", "done"]);
    }
}

#[test]
fn l12_a_hold_that_is_dropped_unfinished_lets_the_scope_go_on() {
    // By the function itself, in a turn of its own.
    #[cancelable]
    async fn drops(first: Boxed, second: Boxed, log: Log) -> Outcome {
        let mut second = second;
        tokio::select! {
            biased;
            _ = &mut second => unreachable!("its gate is shut"),
            result = first => result?,
        }
        log.add("second turn");
        drop(second);
        pending::<()>().await;
        Ok(())
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let (end_turn, turn) = oneshot::channel::<()>();
    let (_open, gate) = oneshot::channel();
    let hold = shielded(log.clone(), gate);
    let mut task = Driven::new(token.scope(drops(turn.map(|_| Ok(())).boxed(), hold, log.clone())));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending(), "it holds");
    end_turn.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Err(_))), "nothing holds any more");
    assert_eq!(log.all(), ["begun", "second turn", "cut"]);
}

/// A place where a future can be put and taken away, with the task that polls it asleep.
type Place = Arc<Mutex<Option<Boxed>>>;

/// Polls what is in the place once, and then waits for something that never comes.
async fn begins_and_leaves_alone(place: Place) -> Outcome {
    let begun = poll_fn(|cx| {
        let mut place = place.lock().unwrap();
        assert!(place.as_mut().unwrap().poll_unpin(cx).is_pending());
        Poll::Ready(())
    });
    guard(begun).await?;
    guard(pending::<()>()).await
}

#[test]
fn l12_a_hold_that_is_dropped_by_somebody_else_wakes_who_waits_for_it() {
    for (name, hold) in HOLDS {
        for is_elsewhere in [false, true] {
            let (token, log) = (CancellationToken::new(), Log::default());
            let (_open, gate) = oneshot::channel();
            let place: Place = Arc::new(Mutex::new(Some(hold(log.clone(), gate))));
            let mut task = Driven::new(token.scope(begins_and_leaves_alone(Arc::clone(&place))));
            assert!(task.run().is_pending());
            token.cancel();
            // By L14 it waits, for a hold that nobody polls as well: it cannot know.
            assert!(task.run().is_pending(), "{name}: it holds");
            let hold = place.lock().unwrap().take();
            if is_elsewhere {
                std::thread::spawn(move || drop(hold)).join().unwrap();
            } else {
                drop(hold);
            }
            assert!(matches!(task.run(), Poll::Ready(Err(_))), "{name}: nobody has woken it");
            assert_eq!(log.all(), ["begun", "cut"], "{name}");
        }
    }
}

// Holds that wander ---------------------------------------------------------------------------------------------------

#[test]
fn l12_a_hold_that_another_thread_goes_on_with_no_longer_holds_where_it_began() {
    for (name, hold) in HOLDS {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (open, gate) = oneshot::channel();
        let place: Place = Arc::new(Mutex::new(Some(hold(log.clone(), gate))));
        let mut task = Driven::new(token.scope(begins_and_leaves_alone(Arc::clone(&place))));
        assert!(task.run().is_pending());
        token.cancel();
        assert!(task.run().is_pending(), "{name}: it holds");
        let mut moved = place.lock().unwrap().take().unwrap();
        let moved = std::thread::spawn(move || {
            assert!(poll_once(&mut moved).is_pending());
            moved
        });
        let mut moved = moved.join().unwrap();
        assert!(
            matches!(task.run(), Poll::Ready(Err(_))),
            "{name}: it is elsewhere, and that wakes who waits"
        );
        assert_eq!(log.all(), ["begun"], "{name}");
        open.send(()).unwrap();
        assert!(poll_once(&mut moved).is_ready(), "{name}");
        assert_eq!(log.all(), ["begun", "done"], "{name}");
    }
}

#[test]
fn l12_a_hold_that_is_spawned_half_way_holds_in_its_task_and_not_where_it_began() {
    let runtime = Runtime::TokioCurrentThread;
    runtime.run(async {
        let [begins, spawned] = [CancellationToken::new(), CancellationToken::new()];
        let log = Log::default();
        let (open, gate) = oneshot::channel();
        let mut hold = shielded(log.clone(), gate);
        let (polled, is_polled) = oneshot::channel();
        let inner = spawned.clone();
        let outcome: Outcome = Scope::new()
            .parent(&begins)
            .run(async move {
                begin(&mut hold).await;
                tokio::spawn(inner.scope(async move {
                    let mut hold = Box::pin(guard(hold));
                    begin(&mut hold).await;
                    polled.send(()).unwrap();
                    hold.await.map(drop)
                }));
                guard(pending::<()>()).await
            })
            .within(|| begins.cancel_with("while it is pending"))
            .await;
        assert!(outcome.is_err());
        is_polled.await.unwrap();
        assert_eq!(log.all(), ["begun"]);
        // Now it is the spawned task that must not drop it.
        spawned.cancel();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(log.all(), ["begun"]);
        open.send(()).unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(log.all(), ["begun", "done"]);
    });
}

/// Runs something when a future has been pending for the first time.
trait Within: Future + Sized {
    fn within<F: FnOnce() -> R, R>(self, f: F) -> impl Future<Output = Self::Output> {
        let mut f = Some(f);
        async move {
            let mut future = pin!(self);
            poll_fn(move |cx| {
                let poll = future.as_mut().poll(cx);
                if let Some(f) = f.take() {
                    assert!(poll.is_pending());
                    f();
                }
                poll
            })
            .await
        }
    }
}

impl<F: Future> Within for F {}

#[test]
fn l12_a_shared_future_that_another_scope_finishes_does_not_hold_where_it_began() {
    // Single flight: A polls it first, B to its end; then A waits for something else, guarded or not.
    for is_guarded in [false, true] {
        let [a, b] = [CancellationToken::new(), CancellationToken::new()];
        let log = Log::default();
        let (open, gate) = oneshot::channel();
        let flight = shielded(log.clone(), gate).shared();
        let (in_a, in_b) = (flight.clone(), flight);
        let mut task_a = Driven::new(Scope::new().parent(&a).run(async move {
            let stops_waiting = future::select(in_a, ready(()));
            assert!(matches!(stops_waiting.await, Either::Right(_)));
            if is_guarded {
                guard(pending::<()>()).await
            } else {
                Ok(pending().await)
            }
        }));
        let mut task_b = Driven::new(Scope::new().parent(&b).run(async move {
            in_b.await?;
            if is_guarded {
                guard(pending::<()>()).await
            } else {
                Ok(pending().await)
            }
        }));
        assert!(task_a.run().is_pending());
        assert!(task_b.run().is_pending());
        open.send(()).unwrap();
        assert!(task_b.run().is_pending());
        assert_eq!(log.all(), ["begun", "done"]);
        a.cancel();
        assert!(
            matches!(task_a.run(), Poll::Ready(Err(_))),
            "a hold too many in A, guarded: {is_guarded}"
        );
        b.cancel();
        assert!(matches!(task_b.run(), Poll::Ready(Err(_))));
    }
}

#[test]
fn l12_who_finishes_a_shared_future_has_its_own_shields_held_afterwards() {
    let [a, b] = [CancellationToken::new(), CancellationToken::new()];
    let log = Log::default();
    let (open, gate) = oneshot::channel();
    let flight = shielded(Log::default(), gate).shared();
    let in_a = flight.clone();
    let mut task_a = Driven::new(a.scope(async move { guard(in_a).await }));
    let (open_own, own_gate) = oneshot::channel();
    let own = shielded(log.clone(), own_gate);
    let mut task_b = Driven::new(b.scope(guard(async move {
        flight.await?;
        own.await
    })));
    assert!(task_a.run().is_pending());
    open.send(()).unwrap();
    assert!(task_b.run().is_pending(), "in its own shield");
    b.cancel();
    for _ in 0..3 {
        assert!(task_b.run().is_pending(), "a hold too few in B: {:?}", log.all());
        assert!(task_b.poll().is_pending(), "a hold too few in B: {:?}", log.all());
    }
    open_own.send(()).unwrap();
    assert!(task_b.run().is_ready());
    assert_eq!(log.all(), ["begun", "done"]);
    assert!(matches!(task_a.run(), Poll::Ready(Ok(Ok(())))));
}

#[test]
fn l12_two_scopes_that_wait_for_one_shared_future_come_to_rest() {
    // Both are cancelled, and both poll it: each poll moves the hold. They must not wake each other for ever.
    let [a, b] = [CancellationToken::new(), CancellationToken::new()];
    let log = Log::default();
    let (open, gate) = oneshot::channel();
    let flight = shielded(log.clone(), gate).shared();
    let mut task_a = Driven::new(a.scope(guard(flight.clone())));
    let mut task_b = Driven::new(b.scope(guard(flight)));
    assert!(task_a.run().is_pending());
    assert!(task_b.run().is_pending());
    let [mut has_a_ended, mut has_b_ended] = [false; 2];
    let mut run_both = || {
        for _ in 0..100 {
            has_a_ended = has_a_ended || task_a.run().is_ready();
            has_b_ended = has_b_ended || task_b.run().is_ready();
            let is_woken = !has_a_ended && task_a.is_woken() || !has_b_ended && task_b.is_woken();
            if !is_woken {
                return [has_a_ended, has_b_ended];
            }
        }
        panic!("they wake each other for ever");
    };
    a.cancel();
    run_both();
    b.cancel();
    // One of them may go, since the other one is there to poll it; but not the last.
    assert_ne!(run_both(), [true, true]);
    assert_eq!(log.all(), ["begun"]);
    open.send(()).unwrap();
    assert_eq!(run_both(), [true, true]);
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_shared_future_whose_last_poller_is_dropped_holds_where_it_was_before() {
    let [a, b] = [CancellationToken::new(), CancellationToken::new()];
    let log = Log::default();
    let (open, gate) = oneshot::channel();
    let flight = shielded(log.clone(), gate).shared();
    let mut task_a = Driven::new(a.scope(guard(flight.clone())));
    let mut task_b = Driven::new(b.scope(guard(flight)));
    assert!(task_a.run().is_pending());
    assert!(task_b.run().is_pending());
    drop(task_b);
    a.cancel();
    for _ in 0..3 {
        assert!(task_a.run().is_pending(), "A is the only one left");
        assert!(task_a.poll().is_pending(), "A is the only one left");
    }
    open.send(()).unwrap();
    assert!(matches!(task_a.run(), Poll::Ready(Ok(Ok(())))));
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_shared_future_whose_last_poller_is_dropped_holds_who_has_begun_it_and_does_not_poll_it() {
    let [a, b] = [CancellationToken::new(), CancellationToken::new()];
    let log = Log::default();
    let (_open, gate) = oneshot::channel();
    let flight = shielded(log.clone(), gate).shared();
    let (mut in_a, in_b) = (flight.clone(), flight);
    let mut task_a = Driven::new(a.scope(async move {
        begin(&mut in_a).await;
        let result = guard(pending::<()>()).await;
        drop(in_a);
        result
    }));
    let mut task_b = Driven::new(b.scope(guard(in_b)));
    assert!(task_a.run().is_pending());
    assert!(task_b.run().is_pending());
    drop(task_b);
    a.cancel();
    assert!(task_a.run().is_pending(), "by failing it would drop the only one");
    assert_eq!(log.all(), ["begun"]);
}

/// What a driver of a database does: the flush that a dropped query has begun is ended by the next user of the connection.
struct Connection {
    flush: Option<Boxed>,
}

impl Connection {
    async fn query(&mut self) -> Outcome {
        if let Some(flush) = &mut self.flush {
            let result = flush.await;
            self.flush = None;
            result?;
        }
        Ok(())
    }
}

#[test]
fn l12_what_is_kept_in_a_pooled_connection_holds_its_user_of_the_moment() {
    let (log, own) = (Log::default(), Log::default());
    let (open, gate) = oneshot::channel();
    let connection = Arc::new(futures::lock::Mutex::new(Connection {
        flush: Some(shielded(log.clone(), gate)),
    }));
    // The first user begins the flush, and gives up by itself.
    let first = CancellationToken::new();
    let pooled = Arc::clone(&connection);
    let mut task = Driven::new(first.scope(async move {
        let mut connection = pooled.lock().await;
        let gives_up = future::select(Box::pin(connection.query()), ready(()));
        assert!(matches!(gives_up.await, Either::Right(_)));
        drop(connection);
        guard(pending::<()>()).await
    }));
    assert!(task.run().is_pending());

    // The second ends it, and has a shield of its own after that.
    let second = CancellationToken::new();
    let (open_own, own_gate) = oneshot::channel();
    let cleans_up = shielded(own.clone(), own_gate);
    let mut next_task = Driven::new(second.scope(guard(async move {
        connection.lock().await.query().await?;
        cleans_up.await
    })));
    assert!(next_task.run().is_pending());
    second.cancel();
    assert!(next_task.run().is_pending(), "in the flush");
    first.cancel();
    assert!(
        matches!(task.run(), Poll::Ready(Err(_))),
        "the flush is somebody else's now"
    );
    open.send(()).unwrap();
    assert!(next_task.run().is_pending(), "in its own clean-up");
    assert!(next_task.poll().is_pending(), "in its own clean-up");
    open_own.send(()).unwrap();
    assert!(next_task.run().is_ready());
    assert_eq!((log.all(), own.all()), (vec!["begun", "done"], vec!["begun", "done"]));
}

#[test]
fn l12_a_hold_that_was_begun_nowhere_holds_where_it_is_polled() {
    let (token, log) = (CancellationToken::new(), Log::default());
    let (open, gate) = oneshot::channel();
    let mut hold = shielded(log.clone(), gate);
    // Under no scope.
    assert!(poll_once(&mut hold).is_pending());
    let mut task = Driven::new(token.scope(guard(hold)));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending());
    assert!(task.poll().is_pending());
    open.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Ok(Ok(())))));
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_hold_that_ends_nowhere_leaves_nothing_where_it_began() {
    for is_guarded in [false, true] {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (open, gate) = oneshot::channel();
        let place: Place = Arc::new(Mutex::new(Some(shielded(log.clone(), gate))));
        let kept = Arc::clone(&place);
        let mut task = Driven::new(Scope::new().parent(&token).run(async move {
            let body = begins_and_leaves_alone(kept);
            if is_guarded { guard(body).await? } else { body.await }
        }));
        assert!(task.run().is_pending());
        open.send(()).unwrap();
        let mut hold = place.lock().unwrap().take().unwrap();
        assert!(poll_once(&mut hold).is_ready());
        token.cancel();
        assert!(matches!(task.run(), Poll::Ready(Err(_))), "guarded: {is_guarded}");
    }
}

/// What was polled in a frame that is left by a panic is pending all the same.
#[test]
fn l12_a_hold_that_is_polled_in_a_scope_that_panics_holds_outside() {
    let [token, inside] = [CancellationToken::new(), CancellationToken::new()];
    let log = Log::default();
    let (open, gate) = oneshot::channel();
    let mut held = shielded(log.clone(), gate);
    let mut task = Driven::new(token.scope(guard(poll_fn(move |cx| {
        let mut panics = pin!(inside.scope(poll_fn(|cx| {
            let poll = held.poll_unpin(cx);
            assert!(poll.is_ready(), "on purpose");
            poll
        })));
        catch_unwind(AssertUnwindSafe(|| panics.as_mut().poll(cx))).unwrap_or(Poll::Pending)
    }))));
    assert!(task.run().is_pending());
    token.cancel();
    for _ in 0..3 {
        assert!(task.run().is_pending());
        assert_eq!(log.all(), ["begun"]);
    }
    open.send(()).unwrap();
    assert!(task.run().is_ready());
    assert_eq!(log.all(), ["begun", "done"]);
}

// Scopes inside -------------------------------------------------------------------------------------------------------

#[test]
fn l12_a_scopes_own_timeout_does_not_wait_for_a_hold_of_the_code_outside() {
    paused_tokio().block_on(async {
        let log = Log::default();
        let (open, gate) = oneshot::channel();
        let outcome: Outcome = Scope::new()
            .run(async {
                let mut hold = shielded(log.clone(), gate);
                begin(&mut hold).await;
                let inner: Outcome = cancel_scope!(timeout = "1s", async {
                    pending::<()>().await;
                    Ok(())
                })
                .await;
                assert!(
                    inner.unwrap_err().is_timeout(),
                    "it ends the inner scope, which drops no hold"
                );
                assert_eq!(log.all(), ["begun"]);
                open.send(()).unwrap();
                hold.await
            })
            .await;
        assert!(outcome.is_ok());
        assert_eq!(log.all(), ["begun", "done"]);
    });
}

#[test]
fn l12_checks_of_a_scope_whose_own_cancel_it_is_do_not_wait_for_a_hold_of_the_code_outside() {
    let token = CancellationToken::new();
    let (_open, gate) = oneshot::channel();
    let mut hold = shielded(Log::default(), gate);
    let mut task = Driven::new(token.scope(async move {
        begin(&mut hold).await;
        let inner: Outcome = Scope::new()
            .run_with(|inner| async move {
                inner.cancel();
                assert!(check().is_err());
                assert!(guard(ready(())).await.is_err());
                guard(pending::<()>()).await
            })
            .await;
        assert!(inner.is_err());
        assert!(check().is_ok(), "the scope outside is not cancelled");
    }));
    assert!(task.run().is_ready());
}

#[test]
fn l12_a_scope_inside_waits_for_a_hold_outside_if_the_cancel_has_reached_that() {
    let (token, log) = (CancellationToken::new(), Log::default());
    let (end_turn, turn) = oneshot::channel::<()>();
    let (open, gate) = oneshot::channel();
    let mut hold = shielded(log.clone(), gate);
    let mut task = Driven::new(token.scope(async move {
        begin(&mut hold).await;
        let inner: Outcome = Scope::new().run(async move { guard(turn).await.map(drop) }).await;
        // If the scope inside had failed, this `?` would have dropped the hold.
        inner?;
        hold.await
    }));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending(), "{:?}", log.all());
    assert!(task.poll().is_pending(), "{:?}", log.all());
    end_turn.send(()).unwrap();
    assert!(task.run().is_pending());
    open.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Ok(()))));
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_hold_of_the_code_outside_does_not_keep_the_branches_of_a_race_from_ending() {
    // The loser has lost: a cancel of its own, which has not reached the scope where the hold is.
    let token = CancellationToken::new();
    let (_open, gate) = oneshot::channel();
    let mut hold = shielded(Log::default(), gate);
    let mut task = Driven::new(token.scope(async move {
        begin(&mut hold).await;
        let won: Outcome = race!(async { guard(pending::<()>()).await }, async { Ok(()) }).await;
        assert!(won.is_ok());
        let failed: Result<((), ()), &str> = try_join!(
            async {
                drop(guard(pending::<()>()).await);
                Err("superseded")
            },
            async { Err("first") }
        )
        .await;
        assert_eq!(failed, Err("first"));
    }));
    assert!(task.run().is_ready());
}

// Siblings ------------------------------------------------------------------------------------------------------------

#[test]
fn l12_a_shield_that_waits_for_the_branch_beside_it_does_not_keep_that_from_ending() {
    // Clean-up in one branch of a `join!` waits until the other one has let go of a channel.
    #[cancelable]
    async fn listens(sender: futures::channel::mpsc::Sender<u32>) -> Outcome {
        let _sender = sender;
        pending::<()>().await;
        Ok(())
    }
    #[cancelable]
    async fn both(log: Log) -> Outcome {
        let (sender, receiver) = futures::channel::mpsc::channel(1);
        let (listened, ()) = tokio::join!(listens(sender), shield(two_halves(log, receiver.count())));
        listened
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let mut task = Driven::new(token.scope(both(log.clone())));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(
        matches!(task.run(), Poll::Ready(Err(_))),
        "a dead lock: {:?}",
        log.all()
    );
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_shield_from_an_earlier_turn_does_not_keep_the_branch_beside_it_from_ending() {
    // As above, but the shield had begun before; in whichever order the two are polled.
    for is_hold_first in [false, true] {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (sender, receiver) = futures::channel::mpsc::channel::<u32>(1);
        let hold = shield(two_halves(log.clone(), receiver.count()));
        let mut task = Driven::new(token.scope(async move {
            let mut hold = pin!(hold);
            begin(&mut hold).await;
            let listens = async move {
                let _sender = sender;
                guard(pending::<()>()).await
            };
            if is_hold_first {
                guard(future::join(hold, listens)).await?.1
            } else {
                guard(future::join(listens, hold)).await?.0
            }
        }));
        assert!(task.run().is_pending());
        token.cancel();
        assert!(
            matches!(task.run(), Poll::Ready(Err(_))),
            "a dead lock: {:?}",
            log.all()
        );
        assert_eq!(log.all(), ["begun", "done"]);
    }
}

#[test]
fn l12_members_of_one_crowd_do_not_wait_for_each_others_shields() {
    let (token, log) = (CancellationToken::new(), Log::default());
    let (sender, receiver) = futures::channel::mpsc::channel::<u32>(1);
    let hold = shield(two_halves(log.clone(), receiver.count())).map(Ok).boxed();
    let listens = async move {
        let _sender = sender;
        guard(pending::<()>()).await
    };
    let (end_turn, turn) = oneshot::channel::<()>();
    let members = vec![turn.map(|_| Ok(())).boxed(), hold, listens.boxed()];
    let mut task = Driven::new(token.scope(patient_unordered(members)));
    assert!(task.run().is_pending());
    end_turn.send(()).unwrap();
    assert!(task.run().is_pending());
    token.cancel();
    assert!(
        matches!(task.run(), Poll::Ready(Err(_))),
        "a dead lock: {:?}",
        log.all()
    );
    assert_eq!(log.all(), ["begun", "done"]);
}

// Nobody polls it any more --------------------------------------------------------------------------------------------

#[test]
fn l14_a_hold_that_nobody_polls_any_more_is_waited_for_and_grace_ends_that() {
    paused_tokio().block_on(async {
        for (name, hold) in HOLDS {
            let log = Log::default();
            let (_open, gate) = oneshot::channel();
            let place: Place = Arc::new(Mutex::new(Some(hold(log.clone(), gate))));
            let token = CancellationToken::new();
            let begun = tokio::time::Instant::now();
            let outcome: Outcome = Scope::new()
                .parent(&token)
                .grace(Duration::from_secs(5))
                .run(begins_and_leaves_alone(Arc::clone(&place)))
                .within(|| token.cancel_with("while it is pending"))
                .await;
            let cancelled = outcome.unwrap_err();
            assert!(cancelled.was_forced(), "{name}");
            assert_eq!(begun.elapsed().as_secs(), 5, "{name}");
            assert_eq!(log.all(), ["begun"], "{name}: it is kept elsewhere, and so not dropped");
        }
    });
}

/// Loops that never poll the hold again; each turn is counted.
mod busy {
    use super::*;

    /// Counts the turns of a loop, and stops a test that does not end.
    pub(super) struct Turns(u64);

    impl Turns {
        pub(super) fn new() -> Self {
            Self(0)
        }

        pub(super) fn count(&mut self) {
            self.0 += 1;
            assert!(self.0 < 1_000_000, "the loop does not end");
        }
    }

    #[cancelable]
    pub(super) async fn a_loop() -> Outcome {
        let mut turns = Turns::new();
        loop {
            turns.count();
        }
    }

    #[cancelable]
    pub(super) async fn a_while_loop() -> Outcome {
        let mut turns = Turns::new();
        while turns.0 < u64::MAX {
            turns.count();
        }
        Ok(())
    }

    #[cancelable]
    pub(super) async fn a_for_loop() -> Outcome {
        let mut turns = Turns::new();
        for _ in 0.. {
            turns.count();
        }
        Ok(())
    }

    #[cancelable(every = 10)]
    pub(super) async fn now_and_then() -> Outcome {
        let mut turns = Turns::new();
        for _ in 0.. {
            turns.count();
        }
        Ok(())
    }

    pub(super) async fn explicit_checks() -> Outcome {
        let mut turns = Turns::new();
        loop {
            check()?;
            turns.count();
        }
    }

    #[cancelable]
    pub(super) async fn awaits_that_are_ready() -> Outcome {
        let mut turns = Turns::new();
        #[cancelable(skip)]
        loop {
            guard(ready(())).await?;
            turns.count();
        }
    }

    #[cancelable]
    fn leaf() -> Outcome {
        Ok(())
    }

    pub(super) async fn entries() -> Outcome {
        let mut turns = Turns::new();
        loop {
            leaf()?;
            turns.count();
        }
    }

    pub(super) async fn scopes() -> Outcome {
        let mut turns = Turns::new();
        loop {
            Scope::new().run_sync(check)?;
            turns.count();
        }
    }

    pub(super) async fn asks() -> Outcome {
        // This is no check point: it says what is true.
        while !is_cancelled() {}
        Ok(())
    }
}

#[test]
fn l14_a_loop_that_never_polls_the_hold_again_still_ends() {
    type Loop = fn() -> Boxed;
    let loops: [(&str, Loop); 9] = [
        ("loop", || busy::a_loop().boxed()),
        ("while", || busy::a_while_loop().boxed()),
        ("for", || busy::a_for_loop().boxed()),
        ("every", || busy::now_and_then().boxed()),
        ("check", || busy::explicit_checks().boxed()),
        ("ready awaits", || busy::awaits_that_are_ready().boxed()),
        ("entries", || busy::entries().boxed()),
        ("scopes", || busy::scopes().boxed()),
        ("is_cancelled", || busy::asks().boxed()),
    ];
    let mut failed = Vec::new();
    for (name, turns) in loops {
        let ended = catch_unwind(|| {
            let token = CancellationToken::new();
            let (_open, gate) = oneshot::channel();
            let mut hold = shielded(Log::default(), gate);
            let canceller = token.clone();
            let mut task = Driven::new(token.scope(async move {
                begin(&mut hold).await;
                canceller.cancel();
                drop(turns().await);
            }));
            assert!(task.run().is_ready());
        });
        if ended.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn l14_a_loop_that_never_polls_its_crowd_again_still_ends() {
    let token = CancellationToken::new();
    let members = (0..5).map(|_| unwinds(Log::default(), oneshot::channel().1));
    let mut crowd = FuturesUnordered::from_iter(members);
    let canceller = token.clone();
    let mut task = Driven::new(token.scope(async move {
        begin(&mut crowd.next()).await;
        canceller.cancel();
        busy::a_loop().await
    }));
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
}

#[test]
fn l14_a_loop_that_does_poll_the_hold_in_each_turn_is_spared_for_as_long_as_it_takes() {
    // A bound on checks that are spared must not become a bound on a hold that is getting on.
    #[cancelable]
    async fn work(mut hold: Boxed) -> Outcome {
        loop {
            tokio::select! {
                biased;
                result = &mut hold => {
                    result?;
                    break;
                }
                () = ready(()) => {}
            }
        }
        check()
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let hold = shield(two_halves(log.clone(), tests::ready_after(5_000, ())))
        .map(Ok)
        .boxed();
    let canceller = token.clone();
    let mut task = Driven::new(token.scope(async move {
        let mut hold = hold;
        begin(&mut hold).await;
        canceller.cancel();
        work(hold).await
    }));
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), ["begun", "done"]);
}

// What is not changed by all that -------------------------------------------------------------------------------------

#[test]
fn l12_what_holds_nothing_is_dropped_at_once_also_beside_what_has_held() {
    let (token, log) = (CancellationToken::new(), Log::default());
    let (open, gate) = oneshot::channel();
    let hold = shielded(log.clone(), gate);
    let mut task = Driven::new(token.scope(async move {
        let mut hold = hold;
        begin(&mut hold).await;
        hold.await?;
        guard(pending::<()>()).await
    }));
    assert!(task.run().is_pending());
    open.send(()).unwrap();
    assert!(task.run().is_pending());
    token.cancel();
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
}

#[test]
fn l14_a_hold_in_a_shield_that_nobody_polls_is_ended_by_the_grace_outside() {
    paused_tokio().block_on(async {
        let log = Log::default();
        let (_open, gate) = oneshot::channel();
        let outcome: Outcome = Scope::new()
            .grace(Duration::from_secs(9))
            .run_with(|token| {
                let log = log.clone();
                async move {
                    token.cancel();
                    shield(async move {
                        let mut inner = shielded(log, gate);
                        begin(&mut inner).await;
                        sleep(LONG).await
                    })
                    .timeout(Duration::from_secs(1))
                    .await
                }
            })
            .await;
        // The timeout of the shield outside is a cancel like any other to the one inside.
        assert!(outcome.unwrap_err().was_forced());
        assert_eq!(log.all(), ["begun", "cut"]);
    });
}

#[test]
fn l12_a_finish_that_has_not_started_is_not_held() {
    #[cancelable]
    async fn work(log: Log, gate: Receiver<()>) -> Outcome {
        #[cancelable(finish)]
        two_halves(log, gate).await;
        Ok(())
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    token.cancel();
    let mut task = Driven::new(token.scope(work(log.clone(), oneshot::channel().1)));
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), [""; 0]);
}

#[test]
fn l12_holds_are_held_on_every_runtime() {
    tests::on_every_runtime(|| async {
        let log = Log::default();
        let inner = log.clone();
        let outcome: Outcome = Scope::new()
            .run_with(|token| async move {
                let (open, gate) = oneshot::channel();
                let (end_turn, turn) = oneshot::channel::<()>();
                let canceller = async move {
                    end_turn.send(()).unwrap();
                    // So that the second turn is pending when the cancel comes.
                    tests::ready_after(3, ()).await;
                    token.cancel();
                    tests::ready_after(3, ()).await;
                    open.send(()).unwrap();
                };
                let hold = shielded(inner, gate);
                future::join(unordered(turn.map(|_| Ok(())).boxed(), hold), canceller)
                    .await
                    .0
            })
            .await;
        assert!(outcome.is_err());
        assert_eq!(log.all(), ["begun", "done"]);
    });
}
