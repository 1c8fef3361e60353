//! The table: whatever holds × whatever outlives one await × when the cancel comes × whose cancel it is.

use super::*;

/// When the cancel comes.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    /// While the first await is pending, which then ends with something else.
    InTheFirstTurn,
    /// Between the first await and the second.
    BetweenTheTurns,
    /// While the second await is pending.
    InTheSecondTurn,
}

pub(super) const WHENEVER: [When; 3] = [When::InTheFirstTurn, When::BetweenTheTurns, When::InTheSecondTurn];

/// Whose cancel it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// A given token's: its region is no check point.
    Token,
    /// The parent's of a scope's token.
    Parent,
    /// The scope's own deadline, before anybody has needed its token.
    Deadline,
    /// The deadline of the scope outside that.
    DeadlineOutside,
    /// It is a branch of a race, and another one has won.
    Lost,
    /// It is a branch that others have to be joined with, and one of them has failed.
    Failed,
}

pub(super) const ANYBODYS: [By; 6] = [
    By::Token,
    By::Parent,
    By::Deadline,
    By::DeadlineOutside,
    By::Lost,
    By::Failed,
];

/// Something that a cancel ends, on a clock that stands still.
pub(super) struct Scene {
    runtime: Option<tokio::runtime::Runtime>,
    token: CancellationToken,
    by: By,
    /// Ends the branch beside it.
    other: RefCell<Option<oneshot::Sender<()>>>,
}

impl Scene {
    pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

    pub(super) fn new(by: By) -> Self {
        let token = CancellationToken::new();
        let runtime = matches!(by, By::Deadline | By::DeadlineOutside).then(paused_tokio);
        let other = RefCell::default();
        Self {
            runtime,
            token,
            by,
            other,
        }
    }

    pub(super) fn task(&self, body: Boxed) -> Driven<'static, Outcome> {
        let scope = match self.by {
            By::Token => self.token.scope(body).boxed(),
            By::Parent => Scope::new().parent(&self.token).run(body).boxed(),
            By::Deadline => Scope::new().timeout(Self::TIMEOUT).run(body).boxed(),
            By::Lost | By::Failed => {
                let (end, ended) = oneshot::channel();
                *self.other.borrow_mut() = Some(end);
                self.beside(body, ended)
            }
            By::DeadlineOutside => Scope::new().timeout(Self::TIMEOUT).run(Scope::new().run(body)).boxed(),
        };
        Driven::new(scope)
    }

    /// A branch beside it, which ends when it is told to, and decides.
    fn beside(&self, body: Boxed, ended: Receiver<()>) -> Boxed {
        let has_lost = matches!(self.by, By::Lost);
        async move {
            if has_lost {
                let won: Outcome = race!(body, async {
                    ended.await.unwrap();
                    Ok(())
                })
                .await;
                won.unwrap();
            } else {
                let joined: Result<((), ()), Cancelled> = try_join!(body, async {
                    ended.await.unwrap();
                    Err(failure())
                })
                .await;
                assert_eq!(joined.unwrap_err().reason().message(), Some("failed"));
            }
            Err(failure())
        }
        .boxed()
    }

    pub(super) fn cancel(&self) {
        match (&self.runtime, self.other.take()) {
            (Some(runtime), _) => runtime.block_on(tokio::time::advance(Self::TIMEOUT * 2)),
            (None, Some(other)) => other.send(()).unwrap(),
            (None, None) => self.token.cancel(),
        }
    }

    pub(super) fn enter(&self) -> Option<tokio::runtime::EnterGuard<'_>> {
        self.runtime.as_ref().map(|runtime| runtime.enter())
    }

    pub(super) fn run(&self, task: &mut Driven<'_, Outcome>) -> Poll<Outcome> {
        let _entered = self.enter();
        run_all(task)
    }
}

/// An error that says so.
fn failure() -> Cancelled {
    let token = CancellationToken::new();
    token.cancel_with("failed");
    token.check().unwrap_err()
}

/// One program of the table.
pub(super) fn play(crowd: Crowd, hold: Hold, when: When, by: By) {
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
pub(super) fn failures(crowd: Crowd, holds: &[(&'static str, Hold)], moments: &[When]) -> Vec<String> {
    let mut failed = Vec::new();
    for (name, hold) in holds {
        for when in moments {
            for by in ANYBODYS {
                if catch_unwind(AssertUnwindSafe(|| play(crowd, *hold, *when, by))).is_err() {
                    failed.push(format!("{name}, {when:?}, {by:?}"));
                }
            }
        }
    }
    failed
}

pub(super) fn all_are_held(crowd: Crowd) {
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
