//! Members of crowds: whoever is suspended under a waker of its own is let out, and holds nobody up.

use super::*;

/// Waits for the cancel, cleans up and says so.
pub(super) fn unwinds(log: Log, _: Receiver<()>) -> Boxed {
    async move {
        let uncut = log.uncut();
        let result = guard(pending::<()>()).await;
        uncut.end("unwound");
        result
    }
    .boxed()
}

/// As above, with clean-up that takes its time.
pub(super) fn unwinds_slowly(log: Log, gate: Receiver<()>) -> Boxed {
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
pub(super) type PatientCrowd = fn(Vec<Boxed>) -> Boxed;

#[cancelable]
pub(super) async fn patient_unordered(members: Vec<Boxed>) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter(members);
    while let Some(result) = crowd.next().await {
        drop(result);
    }
    check()
}

#[cancelable]
pub(super) async fn patient_ordered(members: Vec<Boxed>) -> Outcome {
    let mut crowd = FuturesOrdered::from_iter(members);
    while let Some(result) = crowd.next().await {
        drop(result);
    }
    check()
}

#[cancelable]
pub(super) async fn patient_buffered(members: Vec<Boxed>) -> Outcome {
    let mut crowd = stream::iter(members).buffered(100);
    while let Some(result) = crowd.next().await {
        drop(result);
    }
    check()
}

#[cancelable]
pub(super) async fn patient_buffer_unordered(members: Vec<Boxed>) -> Outcome {
    let mut crowd = stream::iter(members).buffer_unordered(100);
    while let Some(result) = crowd.next().await {
        drop(result);
    }
    check()
}

#[cancelable]
pub(super) async fn patient_select_in_a_loop(members: Vec<Boxed>) -> Outcome {
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
pub(super) async fn patient_calls(members: Vec<Boxed>) -> Outcome {
    #[cancelable]
    async fn turn(crowd: &mut FuturesUnordered<Boxed>) -> Result<bool, Cancelled> {
        Ok(crowd.next().await.is_some())
    }
    let mut crowd = FuturesUnordered::from_iter(members);
    while turn(&mut crowd).await? {}
    check()
}

pub(super) fn patient_by_hand(members: Vec<Boxed>) -> Boxed {
    async move {
        let mut crowd = FuturesUnordered::from_iter(members);
        while guard(crowd.next()).await?.is_some() {}
        check()
    }
    .boxed()
}

/// Members that are told of the cancel all get out, in loops that go on after the first of them has.
pub(super) fn all_get_out(crowd: PatientCrowd) {
    for by in ANYBODYS {
        for (members, is_slow) in [(1, false), (2, false), (3, true), (20, false), (20, true), (70, false)] {
            for when in WHENEVER {
                get_out(crowd, by, members, is_slow, when);
            }
        }
    }
}

pub(super) fn get_out(crowd: PatientCrowd, by: By, members: usize, is_slow: bool, when: When) {
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

#[test]
fn l12_a_member_that_begins_beside_a_hold_is_woken_by_its_end() {
    // It begins in the very poll in which the hold was polled, and which the cancel falls into.
    let (token, log) = (CancellationToken::new(), Log::default());
    let (end_turn, turn) = oneshot::channel::<()>();
    let (open, gate) = oneshot::channel();
    let mut hold = shielded(log.clone(), gate);
    let cancels = token.clone();
    let holds = async move {
        begin(&mut hold).await;
        cancels.cancel();
        guard(turn).await.map(drop)?;
        hold.await
    };
    // In the order in which they are given.
    let members = [holds.boxed(), unwinds(log.clone(), oneshot::channel().1)];
    let crowd = future::join_all(members.map(|member| FuturesUnordered::from_iter([member]).into_future()));
    let mut task = Driven::new(token.scope(async move { guard(crowd).await.map(drop) }));
    assert!(task.run().is_pending());
    end_turn.send(()).unwrap();
    assert!(task.run().is_pending(), "{:?}", log.all());
    open.send(()).unwrap();
    assert!(task.run().is_ready());
    assert_eq!(log.all(), ["begun", "done", "unwound"]);
}
