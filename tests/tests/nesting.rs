//! How deep scopes may be nested before rustc gives up on a future's being `Send` (L25). Under its own limit: no `recursion_limit` in
//! this file.

use std::future::{Future, Ready};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cancelable::{CancellationToken, Cancelled, Scope, Scoped, Shield, ShieldWithTimeout, WithCancellation};
use cancelable::{cancel_scope, cancelable, shield};

const HOUR: Duration = Duration::from_secs(3600);

type Answer = Result<u8, Cancelled>;

fn is_send<F: Send>(f: F) -> F {
    f
}

/// Of a future that is never pending.
fn drive<F: Future>(f: F) -> F::Output {
    match Box::pin(f).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("pending"),
    }
}

macro_rules! nested {
    ($wrap:ident;) => { async { Answer::Ok(7) } };
    ($wrap:ident; + $($more:tt)*) => { wrap!($wrap { nested!($wrap; $($more)*).await }) };
}

macro_rules! wrap {
    (run $body:block) => { Scope::new().timeout(HOUR).run(async $body) };
    (token_scope $body:block) => { CancellationToken::new().scope(async $body) };
    (shield $body:block) => { cancelable::shield(async $body) };
    (cancel_scope $body:block) => { cancel_scope!(timeout = HOUR, async $body) };
    (shield_macro $body:block) => { shield!(async $body) };
}

/// `tracing`'s spans come as far as 18, and there rustc gives up on how large the future is.
#[test]
fn l25_scopes_may_be_nested_as_deep_as_spans_and_sent() {
    assert_eq!(drive(is_send(nested!(run; ++++++++++++++++++))).unwrap(), 7);
    assert_eq!(drive(is_send(nested!(token_scope; ++++++++++++++++++))).unwrap(), 7);
    assert_eq!(drive(is_send(nested!(shield; ++++++++++++++++++))).unwrap(), 7);
    assert_eq!(drive(is_send(nested!(shield_macro; ++++++++++++++++++))).unwrap(), 7);
    // A check point each, besides.
    assert_eq!(drive(is_send(nested!(cancel_scope; +++++++++++++++))).unwrap(), 7);
}

/// One in another, five times.
type Five<F> = Scoped<Shield<Scoped<Shield<Scoped<F>>>>>;
type TwentyFive<F> = Five<Five<Five<Five<Five<F>>>>>;

#[test]
fn l25_of_each_of_twenty_five_nested_regions_rustc_looks_at_its_body_and_nothing_else() {
    fn is_send<F: Send>() {}
    is_send::<TwentyFive<Ready<()>>>();
}

/// A region is `Send` if, and only if, its body is.
#[test]
fn l25_a_body_that_is_not_send_makes_a_future_that_is_not() {
    /// Has a constant that a `Send` type's own shadows.
    trait IsSend {
        const IS_SEND: bool = false;
    }
    struct Of<T>(std::marker::PhantomData<T>);
    impl<T> IsSend for Of<T> {}
    impl<T: Send> Of<T> {
        const IS_SEND: bool = true;
    }
    assert_eq!(
        [
            Of::<Scoped<Ready<u8>>>::IS_SEND,
            Of::<Shield<Ready<u8>>>::IS_SEND,
            Of::<ShieldWithTimeout<Ready<u8>>>::IS_SEND,
            Of::<WithCancellation<Ready<u8>>>::IS_SEND,
        ],
        [true; 4]
    );
    assert_eq!(
        [
            Of::<Scoped<Ready<Rc<u8>>>>::IS_SEND,
            Of::<Shield<Ready<Rc<u8>>>>::IS_SEND,
            Of::<ShieldWithTimeout<Ready<Rc<u8>>>>::IS_SEND,
            Of::<WithCancellation<Ready<Rc<u8>>>>::IS_SEND,
        ],
        [false; 4]
    );
}

/// Functions that call one another, each in a scope of its own.
macro_rules! functions {
    ($callee:ident;) => {};
    ($callee:ident; $name:ident $($more:ident)*) => {
        #[cancelable(timeout = "1h")]
        async fn $name() -> Answer {
            $callee().await
        }
        functions!($name; $($more)*);
    };
}

async fn seven() -> Answer {
    Ok(7)
}

functions!(seven; f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15);

#[test]
fn l25_functions_with_scopes_may_be_nested_and_sent() {
    assert_eq!(drive(is_send(f15())).unwrap(), 7);
}
