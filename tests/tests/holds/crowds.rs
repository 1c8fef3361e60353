//! What outlives one await: two futures that are polled together, turn by turn.

use super::*;

/// Two futures that are polled together, in a loop whose awaits end with the first, and then with the second.
pub(super) type Crowd = fn(Boxed, Boxed) -> Boxed;

#[cancelable]
pub(super) async fn unordered(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter([first, second]);
    while let Some(result) = crowd.next().await {
        result?;
    }
    check()
}

#[cancelable]
pub(super) async fn ordered(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = FuturesOrdered::from_iter([first, second]);
    while let Some(result) = crowd.next().await {
        result?;
    }
    check()
}

#[cancelable]
pub(super) async fn buffered(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = stream::iter([first, second]).buffered(2);
    while let Some(result) = crowd.next().await {
        result?;
    }
    check()
}

#[cancelable]
pub(super) async fn buffer_unordered(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = pin!(stream::iter([first, second]).buffer_unordered(2));
    while let Some(result) = crowd.next().await {
        result?;
    }
    check()
}

/// All in one await.
#[cancelable]
pub(super) async fn join_all(first: Boxed, second: Boxed) -> Outcome {
    for result in future::join_all([first, second]).await {
        result?;
    }
    check()
}

#[cancelable]
pub(super) async fn select_all(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = vec![second, first];
    while !crowd.is_empty() {
        let (result, _, rest) = future::select_all(crowd).await;
        result?;
        crowd = rest;
    }
    check()
}

#[cancelable]
pub(super) async fn tokio_select_in_a_loop(first: Boxed, second: Boxed) -> Outcome {
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
pub(super) async fn tokio_select_with_a_condition(first: Boxed, second: Boxed) -> Outcome {
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
pub(super) async fn futures_select_in_a_loop(first: Boxed, second: Boxed) -> Outcome {
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
pub(super) async fn futures_select_function(first: Boxed, mut second: Boxed) -> Outcome {
    match future::select(first, &mut second).await {
        Either::Left((result, _)) => result?,
        Either::Right(_) => unreachable!("the first is first"),
    }
    second.await?;
    check()
}

/// The wait for the first polls the second once, and that is all it does with it for now.
#[cancelable]
pub(super) async fn by_reference_then_by_value(first: Boxed, mut second: Boxed) -> Outcome {
    begin(&mut second).await;
    first.await?;
    second.await?;
    check()
}

#[cancelable]
pub(super) async fn counted_turns(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter([first, second]);
    for _ in 0..2 {
        crowd.next().await.unwrap()?;
    }
    check()
}

/// The turns are calls of an annotated function, which has a check point at its entry.
#[cancelable]
pub(super) async fn turns_in_a_function(first: Boxed, second: Boxed) -> Outcome {
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
pub(super) struct Server {
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
pub(super) async fn state_of_a_server(first: Boxed, second: Boxed) -> Outcome {
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
pub(super) async fn in_a_scope_of_its_own(first: Boxed, second: Boxed) -> Outcome {
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
pub(super) async fn into_a_later_scope(first: Boxed, second: Boxed) -> Outcome {
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
pub(super) async fn out_of_an_ended_scope(first: Boxed, second: Boxed) -> Outcome {
    let mut crowd = FuturesUnordered::from_iter([first, second]);
    cancel_scope!(name = "ended", async { crowd.next().await.unwrap() }).await?;
    while let Some(result) = crowd.next().await {
        result?;
    }
    check()
}

/// In a branch beside others.
#[cancelable]
pub(super) async fn beside_others(first: Boxed, second: Boxed) -> Outcome {
    let (result, other) = tokio::join!(unordered(first, second), async { ready(()).await });
    assert_eq!(other, ());
    result
}

/// In a crowd that is in a crowd.
#[cancelable]
pub(super) async fn crowd_in_a_crowd(first: Boxed, second: Boxed) -> Outcome {
    let inner = unordered(first, second).boxed();
    let mut outer = FuturesUnordered::from_iter([inner, ready(Ok(())).boxed()]);
    while let Some(result) = outer.next().await {
        result?;
    }
    check()
}

/// Without the attribute.
pub(super) fn by_hand(first: Boxed, second: Boxed) -> Boxed {
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
pub(super) fn unannotated_in_a_scope(first: Boxed, second: Boxed) -> Boxed {
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
pub(super) fn by_hand_by_reference(first: Boxed, mut second: Boxed) -> Boxed {
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
pub(super) async fn begin<F: Future + Unpin>(future: &mut F) {
    let begins = poll_fn(|cx| {
        assert!(future.poll_unpin(cx).is_pending());
        Poll::Ready(())
    });
    guard(begins).await.expect("not cancelled yet");
}
