//! Which line an error reports: the user's, of the very token.

use cancelable::{CancelFutureExt as _, CancellationToken, Cancelled, cancel_scope, cancelable};
use futures::executor::block_on;
use std::future::{pending, ready};

/// The line that an error was noticed on, which must be in this file.
#[track_caller]
fn noticed<T>(result: Result<T, Cancelled>) -> u32 {
    let Err(error) = result else { panic!("not cancelled") };
    assert_eq!(error.observed_at().file(), file!());
    error.observed_at().line()
}

fn under_cancelled<R>(body: impl FnOnce() -> R) -> R {
    let token = CancellationToken::new();
    token.cancel();
    token.sync_scope(body)
}

fn with_token<R>(body: impl FnOnce(&CancellationToken) -> R) -> R {
    let token = CancellationToken::new();
    token.sync_scope(|| body(&token))
}

// Names, keywords and awaits stand on lines of their own here, so that each is told from the attribute and the rest.

#[rustfmt::skip]
#[cancelable]
fn
entry() -> Result<(), Cancelled> {
    Ok(())
}
const ENTRY: u32 = line!() - 3;

#[rustfmt::skip]
#[cancelable]
async fn
entry_async() -> Result<(), Cancelled> {
    Ok(())
}
const ENTRY_ASYNC: u32 = line!() - 3;

#[rustfmt::skip]
#[cancelable(name = "scope")]
async fn
entry_async_scope() -> Result<(), Cancelled> {
    Ok(())
}
const ENTRY_ASYNC_SCOPE: u32 = line!() - 3;

#[rustfmt::skip]
#[cancelable(name = "scope")]
fn
entry_scope() -> Result<(), Cancelled> {
    Ok(())
}
const ENTRY_SCOPE: u32 = line!() - 3;

#[rustfmt::skip]
#[allow(clippy::manual_async_fn)]
#[cancelable]
fn
entry_future() -> impl Future<Output = Result<(), Cancelled>> {
    async {
        Ok(())
    }
}
const ENTRY_FUTURE: u32 = line!() - 5;

#[test]
fn entry_is_the_line_of_the_name() {
    assert_eq!(noticed(under_cancelled(entry)), ENTRY);
    assert_eq!(noticed(under_cancelled(|| block_on(entry_async()))), ENTRY_ASYNC);
    assert_eq!(
        noticed(under_cancelled(|| block_on(entry_async_scope()))),
        ENTRY_ASYNC_SCOPE
    );
    assert_eq!(noticed(under_cancelled(entry_scope)), ENTRY_SCOPE);
    assert_eq!(noticed(under_cancelled(|| block_on(entry_future()))), ENTRY_FUTURE);
}

#[rustfmt::skip]
#[cancelable]
async fn awaits(token: &CancellationToken, expected: &mut u32) -> Result<(), Cancelled> {
    token.cancel();
    *expected = line!() + 3;
    ready(
        1,
    )
    .await;
    Ok(())
}

#[cancelable(name = "own", every = 3)]
async fn awaits_in_scope(#[token] token: CancellationToken, expected: &mut u32) -> Result<(), Cancelled> {
    token.cancel();
    *expected = line!() + 1;
    pending::<()>().await;
    Ok(())
}

#[test]
fn an_await_is_its_own_line() {
    let mut expected = 0;
    let line = noticed(with_token(|token| block_on(awaits(token, &mut expected))));
    // That of the `.await`, not that of the expression's start.
    assert_eq!(line, expected + 1);
    let line = noticed(block_on(awaits_in_scope(&mut expected)));
    assert_eq!(line, expected);
}

macro_rules! looping {
    ($name:ident, $([$($option:tt)*])?, $token:ident, $expected:ident, $($body:tt)*) => {
        #[test]
        fn $name() {
            #[cancelable$(($($option)*))?]
            #[allow(while_true, clippy::never_loop)]
            fn looping($token: &CancellationToken, $expected: &mut u32) -> Result<(), Cancelled> {
                $($body)*
                Ok(())
            }
            let mut expected = 0;
            let line = noticed(with_token(|token| looping(token, &mut expected)));
            assert_eq!(line, expected);
        }
    };
}

looping! { the_turn_of_a_for, , token, expected,
    token.cancel(); *expected = line!() + 1;
    for _ in
        0..3
    {}
}

looping! { the_turn_of_a_while, , token, expected,
    token.cancel(); *expected = line!() + 1;
    while
        true
    {}
}

looping! { the_turn_of_a_loop, , token, expected,
    token.cancel(); *expected = line!() + 1;
    loop
    {
        break;
    }
}

looping! { the_turn_of_a_for_in_pieces, [every = 2], token, expected,
    token.cancel(); *expected = line!() + 1;
    for _ in
        [1, 2, 3]
    {}
}

looping! { the_turn_of_a_counted_while, [every = 2], token, expected,
    token.cancel(); *expected = line!() + 1;
    while
        true
    {}
}

#[cancelable]
async fn branches(expected: &mut u32) -> Result<(), Cancelled> {
    *expected = line!() + 1;
    tokio::select! {
        _ = pending::<()>() => {}
        _ = pending::<()>() => {}
    }
    Ok(())
}

#[cancelable]
async fn joined(expected: &mut u32) -> Result<(), Cancelled> {
    *expected = line!() + 1;
    tokio::join!(pending::<()>(), pending::<()>());
    Ok(())
}

#[test]
fn a_select_and_a_join_are_the_line_of_their_name() {
    for which in [0, 1] {
        let token = CancellationToken::new();
        let mut expected = 0;
        token.cancel_after(std::time::Duration::from_millis(2));
        let expected_ref = &mut expected;
        let line = noticed(block_on(token.scope(async move {
            if which == 0 {
                branches(expected_ref).await
            } else {
                joined(expected_ref).await
            }
        })));
        assert_eq!(line, expected);
    }
}

#[test]
#[rustfmt::skip]
fn a_scope_is_the_line_of_its_macro() {
    let line = line!() + 1;
    let scope = cancel_scope!(
        name = "scope",
        async || -> Result<(), Cancelled> {
            Ok(())
        }
    );
    assert_eq!(noticed(under_cancelled(|| block_on(scope))), line);

    let (line, result) = under_cancelled(|| {
        (line!(), cancel_scope!(
            name = "scope",
            || -> Result<(), Cancelled> {
                Ok(())
            }
        ))
    });
    assert_eq!(noticed(result), line);
}

#[test]
fn inside_a_scope_it_is_the_line_of_the_token() {
    let mut expected = 0;
    let result = block_on(cancel_scope!(token = token, async || -> Result<(), Cancelled> {
        token.cancel();
        expected = line!() + 1;
        for _ in 0..3 {}
        Ok(())
    }));
    assert_eq!(noticed(result), expected);
    let result = block_on(cancel_scope!(token = token, async {
        token.cancel();
        expected = line!() + 1;
        pending::<Result<(), Cancelled>>().await
    }));
    assert_eq!(noticed(result), expected);
}

#[rustfmt::skip]
#[cancelable(
    name = "limited",
    timeout = "1ms",
)]
async fn limited() -> Result<(), Cancelled> {
    pending::<()>().await;
    Ok(())
}
const TIMEOUT: u32 = line!() - 6;

#[test]
#[rustfmt::skip]
fn a_timeout_was_asked_for_where_it_is_written() {
    let error = block_on(limited()).unwrap_err();
    assert_eq!((error.reason().location().file(), error.reason().location().line()), (file!(), TIMEOUT));

    let line = line!() + 2;
    let scope = cancel_scope!(
        timeout = "1ms",
        async { pending::<Result<(), Cancelled>>().await }
    );
    let error = block_on(scope).unwrap_err();
    assert_eq!((error.reason().location().file(), error.reason().location().line()), (file!(), line));
}

#[rustfmt::skip]
#[cancelable]
async fn limited_in_part() -> Result<(), Cancelled> {
    #[cancelable(
        shield = "1ms"
    )]
    pending::<()>().await;
    Ok(())
}
const LIMIT: u32 = line!() - 5;

#[rustfmt::skip]
#[cancelable]
fn limited_in_part_sync() -> Result<(), Cancelled> {
    #[cancelable(
        shield = "1ms"
    )]
    loop {}
}
const LIMIT_SYNC: u32 = line!() - 4;

#[test]
fn the_limit_of_a_shield_was_asked_for_where_it_is_written() {
    for (error, line, noticed) in [
        (block_on(limited_in_part()).unwrap_err(), LIMIT, LIMIT + 2),
        (limited_in_part_sync().unwrap_err(), LIMIT_SYNC, LIMIT_SYNC + 2),
    ] {
        let asked = error.reason().location();
        assert_eq!((asked.file(), asked.line()), (file!(), line));
        assert_eq!(
            (error.observed_at().file(), error.observed_at().line()),
            (file!(), noticed)
        );
    }
}

#[test]
fn the_name_is_that_of_the_scope_round_the_check_point() {
    let error = block_on(limited()).unwrap_err();
    assert_eq!(error.scope_name(), Some("limited"));
    let error = block_on(limited().in_current_scope()).unwrap_err();
    assert_eq!(error.scope_name(), Some("limited"));
}

/// `#[track_caller]` is for the panics and the questions of the function itself, not for its check points.
mod track_caller {
    use super::*;
    use std::panic::Location;

    #[cancelable]
    #[track_caller]
    fn asks_in_place() -> Result<u32, Cancelled> {
        Ok(Location::caller().line())
    }

    #[cancelable(name = "scope")]
    #[track_caller]
    fn asks_in_scope() -> Result<u32, Cancelled> {
        Ok(Location::caller().line())
    }

    #[track_caller]
    #[cancelable(name = "scope", or = 0)]
    fn asks_in_scope_with_or(mut n: u32) -> u32 {
        n += std::panic::Location::caller().line();
        n
    }

    #[cancelable(name = "scope")]
    #[track_caller]
    fn asks_in_macros() -> Result<String, Cancelled> {
        Ok(format!("{} {}", Location::caller().line(), {
            ::core::panic::Location::caller().line()
        }))
    }

    /// A closure has callers of its own.
    #[cancelable(name = "scope")]
    #[track_caller]
    fn asks_in_a_closure() -> Result<u32, Cancelled> {
        let ask = || Location::caller().line();
        Ok(ask())
    }
    const CLOSURE: u32 = line!() - 3;

    #[test]
    fn the_caller_is_whoever_calls_the_function() {
        #[rustfmt::skip]
        let asked = [asks_in_place().unwrap(), asks_in_scope().unwrap(), asks_in_scope_with_or(0), line!()];
        assert_eq!(asked, [asked[3]; 4]);
        assert_eq!(asks_in_macros().unwrap(), format!("{0} {0}", line!()));
        assert_eq!(asks_in_a_closure().unwrap(), CLOSURE);
    }

    #[rustfmt::skip]
    #[cancelable]
    #[track_caller]
    fn
    spins(token: &CancellationToken) -> Result<(), Cancelled> {
        token.cancel();
        loop {
        }
    }
    const NAME: u32 = line!() - 5;
    const LOOP: u32 = line!() - 4;

    #[rustfmt::skip]
    #[cancelable(name = "scope")]
    #[cfg_attr(all(), track_caller)]
    fn
    spins_in_scope(token: &CancellationToken) -> Result<(), Cancelled> {
        token.cancel();
        loop {
        }
    }
    const NAME_IN_SCOPE: u32 = line!() - 5;
    const LOOP_IN_SCOPE: u32 = line!() - 4;

    #[test]
    fn a_check_point_is_noticed_where_it_stands() {
        assert_eq!(with_token(|token| noticed(spins(token))), LOOP);
        assert_eq!(with_token(|token| noticed(spins_in_scope(token))), LOOP_IN_SCOPE);
        let unused = CancellationToken::new();
        assert_eq!(under_cancelled(|| noticed(spins(&unused))), NAME);
        assert_eq!(under_cancelled(|| noticed(spins_in_scope(&unused))), NAME_IN_SCOPE);
    }
}
