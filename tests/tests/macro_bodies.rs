//! What the attribute does to bodies: where it checks, what it leaves alone, and that the code means what it meant.

use cancelable::{CancelFutureExt as _, CancelReason, CancellationToken, Cancelled, cancel_scope, cancelable, shield};
use futures::executor::block_on;
use std::cell::Cell;
use std::future::{pending, ready};
use std::time::Duration;

/// Runs a future under a token that is cancelled already.
fn under_cancelled<F: Future>(future: F) -> F::Output {
    let token = CancellationToken::new();
    token.cancel();
    block_on(token.scope(future))
}

/// Runs a closure under a token that it can cancel.
fn with_token<R>(body: impl FnOnce(&CancellationToken) -> R) -> R {
    let token = CancellationToken::new();
    token.sync_scope(|| body(&token))
}

mod check_points {
    use super::*;
    use futures::future::LocalBoxFuture;

    #[cancelable]
    async fn touch(started: &Cell<bool>) -> Result<(), Cancelled> {
        started.set(true);
        Ok(())
    }

    #[test]
    fn entry_is_one() {
        let started = Cell::new(false);
        assert!(under_cancelled(touch(&started)).is_err());
        assert!(!started.get());
        assert!(block_on(touch(&started)).is_ok());
        assert!(started.get());
    }

    #[cancelable]
    async fn wait_for(token: &CancellationToken) -> Result<u32, Cancelled> {
        token.cancel();
        let one = ready(1).await;
        Ok(one)
    }

    #[test]
    fn an_await_is_one_before_its_first_poll() {
        let token = CancellationToken::new();
        assert!(block_on(token.scope(wait_for(&token))).is_err());
    }

    #[cancelable]
    async fn keep(token: &CancellationToken) -> Result<u32, Cancelled> {
        Ok(async {
            token.cancel();
            7
        }
        .await)
    }

    #[test]
    fn a_value_that_is_ready_is_kept() {
        let token = CancellationToken::new();
        assert_eq!(block_on(token.scope(keep(&token))).unwrap(), 7);
    }

    #[cancelable]
    fn turns(token: &CancellationToken, seen: &mut Vec<&'static str>) -> Result<(), Cancelled> {
        for turn in 0..3 {
            seen.push("for");
            if turn == 2 {
                token.cancel();
            }
        }
        seen.push("after");
        while seen.len() < 100 {
            seen.push("while");
        }
        Ok(())
    }

    #[test]
    fn a_turn_is_one_and_the_end_of_a_loop_is_none() {
        let mut seen = Vec::new();
        assert!(with_token(|token| turns(token, &mut seen)).is_err());
        assert_eq!(seen, ["for", "for", "for", "after"]);
    }

    /// Gives a value and cancels, in the same poll.
    async fn last_message(token: &CancellationToken) -> Option<u32> {
        token.cancel();
        Some(1)
    }

    #[cancelable]
    async fn consume(token: &CancellationToken, got: &mut Vec<u32>) -> Result<(), Cancelled> {
        while let Some(message) = last_message(token).await {
            got.push(message);
        }
        Ok(())
    }

    #[test]
    fn a_message_that_came_with_the_cancel_is_not_lost() {
        let token = CancellationToken::new();
        let mut got = Vec::new();
        assert!(block_on(token.scope(consume(&token, &mut got))).is_err());
        assert_eq!(got, [1]);
    }

    #[cancelable]
    async fn either_way(first: bool, token: &CancellationToken) -> Result<u32, Cancelled> {
        let mut turns = 0;
        // The await is not reached in every turn, so the turns are checked.
        while first || ready(true).await {
            turns += 1;
            if turns == 2 {
                token.cancel();
            }
            if turns == 10 {
                break;
            }
        }
        Ok(turns)
    }

    #[test]
    fn a_condition_that_may_not_await_is_no_check() {
        for first in [true, false] {
            let token = CancellationToken::new();
            assert!(block_on(token.scope(either_way(first, &token))).is_err());
        }
    }

    /// A job for each turn, of which the first comes together with the cancel.
    struct Jobs<'a> {
        token: &'a CancellationToken,
        taken: Cell<u32>,
    }

    impl Jobs<'_> {
        async fn take(&self) -> Option<u32> {
            self.token.cancel();
            self.taken.set(self.taken.get() + 1);
            (self.taken.get() < 10).then_some(self.taken.get())
        }
    }

    type Run = for<'a> fn(&'a Jobs<'a>, &'a mut u32) -> LocalBoxFuture<'a, Result<(), Cancelled>>;

    /// Each form of condition, with what its body does to `handled` in each turn.
    macro_rules! conditions {
        ($($name:ident: ($jobs:ident) while { $($cond:tt)* })*) => {$(
            #[test]
            #[allow(unused_braces, clippy::nonminimal_bool, clippy::partialeq_to_none)] // it is the forms that are tried
            fn $name() {
                #[cancelable]
                async fn run($jobs: &Jobs<'_>, handled: &mut u32) -> Result<(), Cancelled> {
                    while $($cond)* {
                        *handled += 1;
                    }
                    Ok(())
                }
                #[cancelable(yield_every = 1)]
                async fn giving_way($jobs: &Jobs<'_>, handled: &mut u32) -> Result<(), Cancelled> {
                    while $($cond)* {
                        *handled += 1;
                    }
                    Ok(())
                }
                let runs: [Run; 2] = [
                    |jobs, handled| Box::pin(run(jobs, handled)),
                    |jobs, handled| Box::pin(giving_way(jobs, handled)),
                ];
                for run in runs {
                    let token = CancellationToken::new();
                    let jobs = Jobs { token: &token, taken: Cell::new(0) };
                    let mut handled = 0;
                    assert!(block_on(token.scope(run(&jobs, &mut handled))).is_err());
                    assert_eq!((jobs.taken.get(), handled), (1, 1), "a job that was taken is handled");
                }
            }
        )*};
    }

    conditions! {
        a_job_taken_by_select: (jobs) while { let Some(_) = tokio::select! { job = jobs.take() => job, () = pending() => None } }
        a_job_taken_by_join: (jobs) while { let (Some(_), _) = tokio::join!(jobs.take(), ready(1)) }
        a_job_matched: (jobs) while { let Some(_) = match jobs.take().await { Some(job) if job > 0 => Some(job), _ => None } }
        a_job_from_a_block: (jobs) while { let Some(_) = { let job = jobs.take().await; job } }
        a_job_in_an_array: (jobs) while { let [Some(_)] = [jobs.take().await] }
        a_job_compared: (jobs) while { !(jobs.take().await == None) }
        a_job_asked_for_at_the_right: (jobs) while { jobs.taken.get() < 5 && jobs.take().await.is_some() }
        a_job_that_decides: (jobs) while { if jobs.take().await.is_some() { jobs.taken.get() < 5 } else { false } }
    }

    /// Cancels in the third turn.
    fn count(turns: &Cell<u32>) {
        turns.set(turns.get() + 1);
        assert!(turns.get() < 10, "the turns are not checked");
        if turns.get() == 3 {
            cancelable::current().cancel();
        }
    }

    /// An await on the right of `&&` may be passed over, unless the whole is what is true.
    #[test]
    fn conditions_whose_await_may_be_passed_over_are_no_check() {
        #[cancelable]
        async fn negated(turns: &Cell<u32>, never: bool) -> Result<(), Cancelled> {
            while !(never && ready(true).await) {
                count(turns);
            }
            Ok(())
        }
        #[cancelable]
        async fn compared(turns: &Cell<u32>, never: bool) -> Result<(), Cancelled> {
            while (never && ready(true).await) == never {
                count(turns);
            }
            Ok(())
        }
        #[cancelable]
        async fn handed_on(turns: &Cell<u32>, never: bool) -> Result<(), Cancelled> {
            while Some(never && ready(true).await).is_some() {
                count(turns);
            }
            Ok(())
        }
        type Run = for<'a> fn(&'a Cell<u32>) -> LocalBoxFuture<'a, Result<(), Cancelled>>;
        let runs: [Run; 3] = [
            |turns| Box::pin(negated(turns, false)),
            |turns| Box::pin(compared(turns, false)),
            |turns| Box::pin(handed_on(turns, false)),
        ];
        for run in runs {
            let turns = Cell::new(0);
            let token = CancellationToken::new();
            assert!(block_on(token.scope(run(&turns))).is_err());
            assert_eq!(turns.get(), 3);
        }
    }

    /// What is handed to a shield is a future, so an imported `try_join!` there is this library's.
    #[test]
    fn the_branches_of_a_shielded_try_join_run_under_a_cancel() {
        use cancelable::try_join;

        async fn step(done: &Cell<u32>) -> Result<(), Cancelled> {
            done.set(done.get() + 1);
            Ok(())
        }
        #[cancelable]
        async fn cleanup(done: &Cell<u32>) -> Result<(), Cancelled> {
            cancelable::current().cancel();
            try_join!(step(done), step(done)).shielded().await?;
            cancelable::shield(try_join!(step(done), step(done))).await?;
            Ok(())
        }
        let done = Cell::new(0);
        let token = CancellationToken::new();
        assert!(block_on(token.scope(cleanup(&done))).is_ok());
        assert_eq!(done.get(), 4);
    }

    #[cancelable]
    async fn shields() -> Result<u32, Cancelled> {
        let one = shield!(async { ready(1).await }).await;
        let two = cancelable::shield(ready(2)).await;
        let three = ready(3).shielded().await;
        let four = shield!(timeout = "1m", async { Some(ready(4).await) })
            .await
            .unwrap_or(0);
        Ok(one + two + three + four)
    }

    #[cancelable]
    async fn cleanup(token: &CancellationToken) -> Result<u32, Cancelled> {
        token.cancel();
        let four = cancelable::shield(async { Some(4) })
            .timeout(Duration::from_secs(60))
            .await
            .unwrap_or(0);
        let rest = shield!(async { shields().await }).await?;
        Ok(rest + four)
    }

    #[test]
    fn the_await_of_a_shield_is_none() {
        let token = CancellationToken::new();
        assert_eq!(block_on(token.scope(cleanup(&token))).unwrap(), 14);
    }

    #[test]
    fn without_a_token_there_are_none() {
        assert_eq!(block_on(shields()).unwrap(), 10);
        assert!(turns(&CancellationToken::never(), &mut Vec::new()).is_ok());
    }
}

mod left_alone {
    use super::*;

    #[cancelable]
    async fn untouched(token: &CancellationToken) -> Result<u32, Cancelled> {
        let closure = || {
            let mut n = 0;
            while n < 5 {
                n += 1;
            }
            n
        };
        fn nested() -> u32 {
            let mut n = 0;
            loop {
                n += 1;
                if n == 6 {
                    return n;
                }
            }
        }
        const N: u32 = {
            let mut n = 0;
            while n < 2 {
                n += 1;
            }
            n
        };
        let block = async { ready(4).await };
        token.cancel();
        let sum = closure()
            + nested()
            + N
            + [0u32; {
                let mut n = 0;
                while n < 3 {
                    n += 1;
                }
                n
            }]
                .len() as u32;
        Ok(sum + shield!(block).await)
    }

    #[allow(unused_macros)]
    macro_rules! shield {
        ($e:expr) => {
            cancelable::shield($e)
        };
    }

    #[test]
    fn closures_items_constants_and_async_blocks() {
        let token = CancellationToken::new();
        assert_eq!(block_on(token.scope(untouched(&token))).unwrap(), 20);
    }
    use shield;
}

mod meaning {
    use super::*;

    #[cancelable]
    fn values(limit: u32) -> Result<u32, Cancelled> {
        let mut n = 0;
        let found = 'outer: loop {
            n += 1;
            for m in 0.. {
                if m * n > limit {
                    break 'outer m;
                }
                if m > n {
                    continue 'outer;
                }
            }
        };
        let labelled = 'block: {
            while n < 1000 {
                n += 1;
                if n % 7 == 0 {
                    break 'block n;
                }
            }
            0
        };
        Ok(found + labelled)
    }

    fn values_plain(limit: u32) -> u32 {
        let mut n = 0;
        let found = 'outer: loop {
            n += 1;
            for m in 0.. {
                if m * n > limit {
                    break 'outer m;
                }
                if m > n {
                    continue 'outer;
                }
            }
        };
        let labelled = 'block: {
            while n < 1000 {
                n += 1;
                if n % 7 == 0 {
                    break 'block n;
                }
            }
            0
        };
        found + labelled
    }

    #[test]
    fn of_break_continue_labels_and_values() {
        for limit in 0..60 {
            assert_eq!(values(limit).unwrap(), values_plain(limit));
        }
    }

    #[derive(Debug, PartialEq)]
    enum AppError {
        Parse,
        Cancelled,
    }

    impl From<Cancelled> for AppError {
        fn from(_: Cancelled) -> Self {
            AppError::Cancelled
        }
    }

    impl From<std::num::ParseIntError> for AppError {
        fn from(_: std::num::ParseIntError) -> Self {
            AppError::Parse
        }
    }

    #[cancelable]
    async fn question_marks(text: &str) -> Result<u32, AppError> {
        let parse = async |text: &str| text.parse::<u32>();
        let n = parse(text).await?;
        if n > 100 {
            return Err(AppError::Parse);
        }
        Ok(n)
    }

    #[test]
    fn of_question_marks_and_returns() {
        assert_eq!(block_on(question_marks("12")), Ok(12));
        assert_eq!(block_on(question_marks("x")), Err(AppError::Parse));
        assert_eq!(block_on(question_marks("101")), Err(AppError::Parse));
        assert_eq!(under_cancelled(question_marks("12")), Err(AppError::Cancelled));
    }

    #[cancelable]
    async fn everywhere(n: u32) -> Option<u32> {
        struct Point {
            x: u32,
        }
        let point = Point { x: ready(n).await };
        let list = [ready(1).await, ready(2).await];
        let text = if ready(n > 1).await { "many" } else { "one" };
        let length = ready(text).await.len() as u32 + ready(text).await.chars().next().map_or(0, u32::from);
        let matched = match ready(n).await {
            0 => return None,
            m if ready(m == 3).await => 30,
            m => m,
        };
        let negative = -(ready(1i64).await);
        ready(()).await;
        let reference = &ready(String::from("x")).await;
        let Point { x } = point;
        let closure = |y: u32| y + x;
        Some(closure(list[ready(1).await]) + length + matched + reference.len() as u32 + u32::from(negative < 0))
    }

    #[test]
    fn of_awaits_in_any_expression() {
        assert_eq!(block_on(everywhere(0)), None);
        assert_eq!(block_on(everywhere(3)), Some(2 + 3 + 4 + 109 + 30 + 1 + 1));
        assert_eq!(block_on(everywhere(1)), Some(2 + 1 + 3 + 111 + 1 + 1 + 1));
    }

    #[cancelable]
    async fn statement() -> Result<Vec<u32>, Cancelled> {
        let mut out = Vec::new();
        ready(Some(1)).await.into_iter().for_each(|n| out.push(n));
        ready(()).await;
        if ready(true).await {
            out.push(2);
        }
        ready(out).await.into_iter().map(|n| Ok(n * 2)).collect()
    }

    #[test]
    fn of_awaits_that_begin_a_statement() {
        assert_eq!(block_on(statement()).unwrap(), [2, 4]);
    }

    struct Guard<'a>(&'a Cell<u32>, u32);

    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() * 10 + self.1);
        }
    }

    impl Guard<'_> {
        async fn get(&self) -> u32 {
            self.1
        }
    }

    #[cancelable]
    async fn temporaries(order: &Cell<u32>) -> Result<u32, Cancelled> {
        // The guard is a temporary of the statement, and lives to its end.
        let n = Guard(order, 1).get().await + {
            order.set(order.get() * 10 + 5);
            1
        };
        order.set(order.get() * 10 + 2);
        Ok(n)
    }

    #[test]
    fn of_temporaries() {
        let order = Cell::new(0);
        assert_eq!(block_on(temporaries(&order)).unwrap(), 2);
        assert_eq!(order.get(), 512);
    }
}

mod helpers {
    use super::*;

    #[cancelable]
    async fn skipping(token: &CancellationToken) -> Result<u32, Cancelled> {
        token.cancel();
        let mut n = 0;
        #[cancelable(skip)]
        for _ in 0..3 {
            n += ready(1).await;
        }
        #[cancelable(skip)]
        let m = ready(10).await;
        #[cancelable(skip)]
        ready(()).await;
        n += #[cancelable(skip)]
        ready(100).await
            + m;
        #[cancelable::cancelable(skip)]
        {
            while n < 1000 {
                n += ready(1000).await;
            }
        }
        Ok(n)
    }

    #[test]
    fn skip_leaves_loops_statements_and_expressions_as_they_are() {
        let token = CancellationToken::new();
        assert_eq!(block_on(token.scope(skipping(&token))).unwrap(), 1113);
    }

    /// Pending once, having cancelled.
    async fn cancel_and_wait(token: &CancellationToken) -> u32 {
        token.cancel();
        futures::pending!();
        5
    }

    async fn wake_again<F: Future>(future: F) -> F::Output {
        let mut future = Box::pin(future);
        std::future::poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            future.as_mut().poll(cx)
        })
        .await
    }

    #[cancelable]
    async fn finishing(token: &CancellationToken, sent: &Cell<u32>) -> Result<(), Cancelled> {
        #[cancelable(finish)]
        sent.set(cancel_and_wait(token).await);
        #[cancelable(finish)]
        sent.set(ready(99).await);
        Ok(())
    }

    #[test]
    fn finish_checks_before_and_not_after() {
        let token = CancellationToken::new();
        let sent = Cell::new(0);
        assert!(block_on(wake_again(token.scope(finishing(&token, &sent)))).is_err());
        assert_eq!(sent.get(), 5);
    }

    #[cancelable]
    fn best_so_far(token: &CancellationToken, items: &[u32]) -> Option<u32> {
        let mut best = 0;
        #[cancelable(break)]
        for &item in items {
            best = best.max(item);
            if item == 5 {
                token.cancel();
            }
            let mut n = 0;
            // Belongs to the marked loop: leaves that, not the function.
            loop {
                n += 1;
                if n > 3 {
                    break;
                }
            }
            best += 100;
        }
        Some(best)
    }

    #[test]
    fn break_leaves_the_marked_loop_with_those_inside() {
        assert_eq!(with_token(|token| best_so_far(token, &[1, 2])), Some(201));
        assert_eq!(with_token(|token| best_so_far(token, &[5, 7, 9])), Some(5));
        assert_eq!(with_token(|token| best_so_far(token, &[9, 1])), Some(209));
    }

    #[cancelable]
    async fn labelled(token: &CancellationToken) -> Result<Vec<u32>, Cancelled> {
        let mut out = vec![];
        let outcome = cancel_scope!(token = inner, async || -> Result<Vec<u32>, Cancelled> {
            let mut got = vec![];
            let mut n = 0;
            #[cancelable(break)]
            'mine: while let Some(m) = ready(Some(n)).await {
                n += 1;
                got.push(m);
                if n == 4 {
                    inner.cancel();
                }
                if n == 40 {
                    break 'mine;
                }
            }
            Ok(got)
        });
        out.extend(shield!(async { outcome.await }).await?);
        let _ = token;
        Ok(out)
    }

    #[test]
    fn break_covers_the_condition_too() {
        assert_eq!(block_on(labelled(&CancellationToken::new())).unwrap(), [0, 1, 2, 3]);
    }

    #[cancelable(every = 4)]
    fn every_and_break(token: &CancellationToken) -> Option<u32> {
        let mut n = 0;
        #[cancelable(break)]
        for i in 0..100 {
            n = i;
            if i == 5 {
                token.cancel();
            }
        }
        Some(n)
    }

    #[test]
    fn break_and_every_together() {
        assert_eq!(with_token(every_and_break), Some(7));
    }
}

mod macros_inside {
    use super::*;
    use std::fmt::Write as _;

    #[cancelable]
    async fn all_known() -> Result<String, Cancelled> {
        let mut text = format!("{} {x}", ready(1).await, x = ready(2).await);
        write!(text, " {}", ready(3).await).ok();
        let list = vec![ready(4).await, 5];
        let repeated = vec![ready(6).await; 2];
        assert!(ready(true).await);
        assert!(ready(true).await, "with {}", ready("text").await);
        assert_eq!(ready(7).await, 7, "seven");
        assert_ne!(ready(7).await, 8);
        debug_assert!(ready(true).await);
        if matches!(ready(Some(3)).await, Some(n) if n > 2) {
            text.push('!');
        }
        println!("{text} {:?} {:?} {}", list, repeated, ready(8).await);
        #[allow(clippy::dbg_macro)]
        let nine = dbg!(ready(9).await);
        Ok(format!("{text} {list:?} {repeated:?} {nine}"))
    }

    #[test]
    fn known_ones_work_as_ever() {
        assert_eq!(block_on(all_known()).unwrap(), "1 2 3! [4, 5] [6, 6] 9");
    }

    macro_rules! check_points {
        ($($name:ident: $body:expr;)*) => {$(
            #[test]
            #[allow(unreachable_code, unused_variables, clippy::all)]
            fn $name() {
                #[cancelable]
                async fn body(token: &CancellationToken) -> Result<(), Cancelled> {
                    token.cancel();
                    let () = $body;
                    panic!("went past the check point");
                }
                let token = CancellationToken::new();
                assert!(block_on(token.scope(body(&token))).is_err());
            }
        )*};
    }

    check_points! {
        in_vec: { vec![ready(1).await]; };
        in_format: { let _ = format!("{}", ready(1).await); };
        in_println: { println!("{}", ready(1).await); };
        in_assert: { assert!(ready(true).await); };
        in_assert_eq: { assert_eq!(ready(1).await, 1); };
        in_matches: { matches!(ready(1).await, 1); };
        in_dbg: { dbg!(ready(1).await); };
        in_panic: { panic!("{}", ready(1).await); };
        in_join: { tokio::join!(ready(1), ready(2)); };
        in_try_join: { let _: Result<(u8, u8), u8> = tokio::try_join!(ready(Ok(1)), ready(Ok(2))); };
        in_select: { tokio::select! { _ = ready(1) => {} } };
        in_futures_join: { futures::join!(ready(1), ready(2)); };
        in_nested: { println!("{}", format!("{:?}", vec![ready(1).await])); };
        in_a_loop_in_vec: { vec![loop { break 1; }]; };
    }

    #[test]
    fn a_failed_ensure_quotes_the_condition_as_written() {
        /// As `anyhow`'s.
        macro_rules! ensure {
            ($condition:expr) => { ensure!($condition, concat!("Condition failed: `", stringify!($condition), "`")) };
            ($condition:expr, $($message:tt)+) => { if !$condition { return Err(format!($($message)+).into()); } };
        }
        #[cancelable]
        async fn fails() -> Result<(), Box<dyn std::error::Error>> {
            ensure!(ready(1).await == 2);
            Ok(())
        }
        let error = block_on(fails()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Condition failed: `cancelable!(ready(1).await == 2)`"
        );
    }
}

mod branches {
    use super::*;
    use futures::{FutureExt as _, StreamExt as _};
    use tokio::sync::mpsc;

    #[cancelable]
    async fn selecting(mut rx: mpsc::Receiver<u32>, limit: u32) -> Result<Vec<u32>, Cancelled> {
        let mut got = vec![];
        let never = pending::<()>();
        tokio::pin!(never);
        loop {
            let more = tokio::select! {
                biased;
                Some(n) = rx.recv(), if got.len() < limit as usize => {
                    if n == 0 {
                        continue;
                    }
                    got.push(n);
                    true
                }
                _ = &mut never => return Ok(vec![]),
                _ = ready(()), if got.len() >= limit as usize => break,
            };
            assert!(more);
        }
        Ok(got)
    }

    #[tokio::test]
    async fn select_runs_its_handlers_in_the_function() {
        let (tx, rx) = mpsc::channel(8);
        for n in [1, 0, 2, 3] {
            tx.send(n).await.unwrap();
        }
        assert_eq!(selecting(rx, 3).await.unwrap(), [1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancel_surfaces_in_a_select_whose_branches_are_pending() {
        let (_tx, rx) = mpsc::channel(8);
        let result = cancel_scope!(timeout = "5s", async { selecting(rx, 3).await }).await;
        assert!(result.unwrap_err().is_timeout());
    }

    #[cancelable]
    async fn otherwise(mut rx: mpsc::Receiver<u32>, open: bool) -> Result<u32, Cancelled> {
        let value = tokio::select! {
            Some(n) = rx.recv() => n,
            Some(1 | 2) | None = ready(Some(3)), if open => unreachable!(),
            else => 77,
        };
        Ok(value)
    }

    #[tokio::test]
    async fn else_runs_when_it_would_without_a_token() {
        let (tx, rx) = mpsc::channel(8);
        drop(tx);
        assert_eq!(otherwise(rx, true).await.unwrap(), 77);
        let (tx, rx) = mpsc::channel(8);
        tx.send(5).await.unwrap();
        let token = CancellationToken::new();
        assert_eq!(token.scope(otherwise(rx, false)).await.unwrap(), 5);
        drop(tx);
        let (tx, rx) = mpsc::channel::<u32>(8);
        drop(tx);
        assert_eq!(token.scope(otherwise(rx, false)).await.unwrap(), 77);
    }

    struct Message {
        id: u32,
        body: String,
    }

    #[cancelable]
    async fn patterns(which: u32) -> Result<String, Cancelled> {
        const SEVEN: u32 = 7;
        let text = tokio::select! {
            Message { id: 1, ref body } = ready(Message { id: which, body: "ref".into() }) => body.clone(),
            Message { id: 2, mut body } = ready(Message { id: which, body: "mut".into() }) => { body.push('!'); body }
            Message { id: id @ 3..=5, .. } = ready(Message { id: which, body: "at".into() }) => format!("at {id}"),
            Message { id: 6, body } = ready(Message { id: which, body: "short".into() }) => body,
            (SEVEN, rest) = ready((which, "constant")) => rest.to_owned(),
            [first, .., last] = ready([which, 0, which]), if which == 8 => format!("{first}{last}"),
            &n = ready(&which), if which == 9 => n.to_string(),
            _ = ready(()) , if which > 9 => "wild".to_owned(),
        };
        Ok(text)
    }

    #[tokio::test]
    async fn every_kind_of_pattern_binds() {
        for (which, text) in [
            (1, "ref"),
            (2, "mut!"),
            (4, "at 4"),
            (6, "short"),
            (7, "constant"),
            (8, "88"),
            (9, "9"),
            (10, "wild"),
        ] {
            assert_eq!(patterns(which).await.unwrap(), text, "{which}");
        }
    }

    #[cancelable]
    async fn no_deadlock(lock: &tokio::sync::Mutex<u32>) -> Result<u32, Cancelled> {
        // The first guard is gone before the branches are polled.
        Ok(tokio::select! {
            n = ready(*lock.lock().await + 1) => *lock.lock().await + n,
        })
    }

    #[tokio::test]
    async fn temporaries_of_a_branch_do_not_live_into_its_handler() {
        assert_eq!(no_deadlock(&tokio::sync::Mutex::new(1)).await.unwrap(), 3);
    }

    #[cancelable]
    async fn fused() -> Result<Vec<u32>, Cancelled> {
        let mut numbers = futures::stream::iter([1, 2]).fuse();
        let mut letters = futures::stream::iter([10, 20]).fuse();
        let mut got = vec![];
        loop {
            futures::select! {
                n = numbers.next() => got.extend(n),
                n = letters.select_next_some() => got.push(n),
                complete => break,
            }
        }
        got.sort();
        Ok(got)
    }

    #[tokio::test]
    async fn select_of_futures_too() {
        assert_eq!(fused().await.unwrap(), [1, 2, 10, 20]);
        let error = cancel_scope!(timeout = "1ms", async {
            // Those of `futures` count as over, since they will never be ready.
            let mut never = pending::<()>().fuse();
            let mut other = pending::<()>().fuse();
            futures::select_biased! {
                () = never => {}
                () = other => {}
            }
            Ok::<(), Cancelled>(())
        })
        .await;
        assert!(error.unwrap_err().is_timeout());
    }

    #[cancelable]
    async fn joining(n: Option<u32>) -> Option<u32> {
        let (a, b) = tokio::join!(ready(n?), async { 2 });
        let (c, d) = tokio::join!(biased; ready(ready(3).await), ready(4));
        let Ok((e, f)) = tokio::try_join!(ready(Ok::<_, ()>(5)), ready(Ok(6))) else {
            return None;
        };
        let (g,) = futures::join!(ready(7));
        Some(a + b + c + d + e + f + g)
    }

    #[tokio::test]
    async fn join_keeps_question_marks_and_values() {
        assert_eq!(joining(Some(1)).await, Some(28));
        assert_eq!(joining(None).await, None);
        let pending = cancel_scope!(timeout = "1ms", async {
            tokio::join!(pending::<()>(), pending::<()>());
            Ok::<(), Cancelled>(())
        })
        .await;
        assert!(pending.unwrap_err().is_timeout());
    }
}

mod options {
    use super::*;

    #[cancelable(name = "outer", timeout = "1h")]
    async fn named() -> Result<(), Cancelled> {
        cancelable::current().cancel_with(CancelReason::from("now"));
        pending::<()>().await;
        Ok(())
    }

    #[test]
    fn a_name_is_in_the_error() {
        let error = block_on(named()).unwrap_err();
        assert_eq!(error.scope_name(), Some("outer"));
        assert_eq!(error.reason().message(), Some("now"));
    }

    struct Service {
        limit: Duration,
        stop: CancellationToken,
        name: &'static str,
    }

    impl Service {
        #[cancelable(timeout = self.limit, token = self.stop, name = format!("{}-{suffix}", self.name), grace = "1s",)]
        async fn run(&self, suffix: &str, (a, _b): (u32, u32)) -> Result<u32, Cancelled> {
            pending::<()>().await;
            Ok(a)
        }

        #[cancelable(timeout = self.limit, token = &self.stop, name = self.name)]
        fn spin(&mut self, token: CancellationToken) -> Result<u32, Cancelled> {
            self.limit += Duration::from_secs(1);
            token.cancel();
            loop {}
        }
    }

    #[test]
    fn expressions_see_arguments_and_self() {
        let service = Service {
            limit: Duration::from_millis(5),
            stop: CancellationToken::new(),
            name: "service",
        };
        let error = block_on(service.run("x", (1, 2))).unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(error.scope_name(), Some("service-x"));

        let stop = CancellationToken::new();
        let mut service = Service {
            limit: Duration::from_secs(60),
            stop: stop.clone(),
            name: "service",
        };
        let error = service.spin(stop).unwrap_err();
        assert!(!error.is_timeout());
        assert_eq!(service.limit, Duration::from_secs(61));
    }

    #[cancelable(or = default)]
    async fn or_argument(default: u32, n: u32) -> u32 {
        // Another variable of that name does not matter.
        let default = n * 2;
        ready(()).await;
        default
    }

    #[test]
    fn or_sees_the_argument_and_not_the_body() {
        assert_eq!(block_on(or_argument(5, 1)), 2);
        assert_eq!(under_cancelled(or_argument(5, 1)), 5);
    }

    #[derive(Debug, PartialEq)]
    enum Mine {
        Stopped,
        Other,
    }

    #[cancelable(or = Err(Mine::Stopped), timeout = "5ms")]
    async fn or_with_scope(text: &str, fail: bool) -> Result<u32, Mine> {
        let n: u32 = text.parse().map_err(|_| Mine::Other)?;
        if fail {
            return Err(Mine::Other);
        }
        if n == 0 {
            pending::<()>().await;
        }
        let outside = #[cancelable(skip)]
        pending_if(n == 1).await;
        Ok(n + outside)
    }

    async fn pending_if(pending: bool) -> u32 {
        if pending { std::future::pending().await } else { 0 }
    }

    #[test]
    fn or_with_a_scope_of_its_own() {
        assert_eq!(block_on(or_with_scope("0", false)), Err(Mine::Stopped));
        // Not a check point of the body, but the scope's own.
        assert_eq!(block_on(or_with_scope("1", false)), Err(Mine::Stopped));
        assert_eq!(block_on(or_with_scope("2", false)), Ok(2));
        assert_eq!(block_on(or_with_scope("2", true)), Err(Mine::Other));
        assert_eq!(block_on(or_with_scope("x", false)), Err(Mine::Other));
        assert_eq!(under_cancelled(or_with_scope("2", false)), Err(Mine::Stopped));
    }

    #[cancelable(or = -1, name = "sync")]
    fn or_sync(n: i32, token: &CancellationToken) -> i32 {
        if n == 0 {
            return 0;
        }
        token.cancel();
        for _ in 0..n {}
        cancelable::current().cancel();
        for _ in 0..n {}
        n
    }

    #[test]
    fn or_in_a_sync_scope() {
        assert_eq!(or_sync(0, &CancellationToken::new()), 0);
        assert_eq!(or_sync(3, &CancellationToken::never()), -1);
        assert_eq!(with_token(|token| or_sync(3, token)), -1);
        assert_eq!(
            with_token(|token| {
                token.cancel();
                or_sync(0, token)
            }),
            -1
        );
    }

    #[cancelable(every = n)]
    fn every_expression(n: usize, token: &CancellationToken) -> Result<u32, Cancelled> {
        let n = n as u32;
        let mut count = 0;
        while count < 100 {
            count += 1;
            if count == n {
                token.cancel();
            }
        }
        Ok(count)
    }

    #[test]
    fn every_takes_an_expression() {
        for n in [1, 2, 100, 101] {
            let token = CancellationToken::new();
            let result = token.sync_scope(|| every_expression(n, &token));
            // A turn is checked before its condition, also before the one that ends the loop.
            assert_eq!(result.is_err(), n <= 100, "{n}");
        }
    }

    #[cancelable]
    fn takes_token(before: u32, #[token] token: CancellationToken, after: u32) -> Result<u32, Cancelled> {
        token.cancel();
        Ok(before + after)
    }

    #[cancelable(name = "own")]
    async fn borrows_token(#[token] token: &CancellationToken) -> Result<(), Cancelled> {
        assert_eq!(*token, cancelable::current());
        token.cancel();
        pending::<()>().await;
        Ok(())
    }

    #[test]
    fn a_token_parameter_is_no_parameter() {
        with_token(|token| {
            assert_eq!(takes_token(1, 2).unwrap(), 3);
            assert!(token.is_cancelled());
        });
        assert_eq!(takes_token(1, 2).unwrap(), 3);
        with_token(|token| {
            assert!(block_on(borrows_token()).is_err());
            // It was the scope's own that was cancelled.
            assert!(!token.is_cancelled());
        });
    }
}

/// A body that a `macro_rules!` was given as a `block` comes to the attribute in a group without delimiters.
mod handed_on_by_macro_rules {
    use super::*;

    macro_rules! twice {
        ($sync:ident, $asynchronous:ident, $tail:ident, $body:block) => {
            #[cancelable]
            fn $sync() -> Option<u32> $body

            #[cancelable]
            async fn $asynchronous() -> Option<u32> $body

            #[cancelable]
            fn $tail() -> impl Future<Output = Option<u32>> {
                async $body
            }
        };
    }

    twice!(plain, asynchronous, tail, { Some(1) });

    struct Method;

    macro_rules! method {
        ($name:ident, $body:block) => {
            #[cancelable]
            impl Method {
                fn $name(&self) -> Option<u32> $body
            }
        };
    }

    method!(method, { Some(1) });

    macro_rules! statements {
        ($name:ident, $value:expr, $($statement:stmt;)*) => {
            #[cancelable]
            async fn $name() -> Option<u32> {
                $($statement)*
                if true {
                    $($statement)*
                }
                $value
            }
        };
    }

    statements!(of_statements, Some(3), let one = ready(1).await; let _two = ready(one); ready(()).await;);

    #[test]
    fn statements_are_read_without_semicolons() {
        assert_eq!(block_on(of_statements()), Some(3));
        let token = CancellationToken::new();
        token.cancel();
        assert_eq!(block_on(token.scope(of_statements())), None);
    }

    macro_rules! scope {
        ($body:expr) => {
            cancel_scope!(timeout = "1m", $body)
        };
    }

    macro_rules! scope_block {
        ($body:block) => {
            cancel_scope!(timeout = "1m", $body)
        };
    }

    macro_rules! shielded {
        ($body:expr) => {
            shield!($body)
        };
    }

    #[test]
    fn so_are_bodies_of_scopes_and_shields() {
        let token = CancellationToken::new();
        let three: Option<u32> = block_on(scope!(async { Some(ready(3).await) }));
        let four: Option<u32> = scope!(|| -> Option<u32> { Some(4) });
        let five: Option<u32> = scope_block!({ Some(5) });
        assert_eq!((three, four, five), (Some(3), Some(4), Some(5)));
        token.cancel();
        let looks = token.sync_scope(|| {
            let scope: Option<u32> = scope_block!({ Some(5) });
            (scope, block_on(shielded!(async { 6 })))
        });
        assert_eq!(looks, (None, 6));
    }

    #[test]
    fn a_block_is_checked_like_any_other_body() {
        let run = |cancelled: bool| {
            let token = CancellationToken::new();
            if cancelled {
                token.cancel();
            }
            [
                token.sync_scope(plain),
                token.sync_scope(|| Method.method()),
                token.sync_scope(|| block_on(asynchronous())),
                token.sync_scope(|| block_on(tail())),
            ]
        };
        assert_eq!(run(false), [Some(1); 4]);
        assert_eq!(run(true), [None; 4]);
    }
}
