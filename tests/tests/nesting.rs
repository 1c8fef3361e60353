//! How deep scopes may be nested before rustc gives up on a future's being `Send` (L25). Under its own limit: no `recursion_limit` in
//! this file.

use std::future::{Future, Ready};
use std::pin::Pin;
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

/// For the layout of an `async` block rustc takes four of its 128 steps, and eight if there are a scope and a check point round it. A box ends that.
#[test]
fn l25_twenty_five_scopes_may_be_nested_and_sent_with_a_box_in_between() {
    type Boxed<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;
    let inner: Boxed<'_> = Box::pin(nested!(cancel_scope; +++++++++++++));
    let mut inner = Some(inner);
    let mut take = || inner.take().expect("once");
    macro_rules! nested {
        () => { take() };
        (+ $($more:tt)*) => { wrap!(cancel_scope { nested!($($more)*).await }) };
    }
    assert_eq!(drive(is_send(nested!(++++++++++++))).unwrap(), 7);
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

/// Functions that call one another, all with this attribute.
macro_rules! functions {
    ($module:ident: $attribute:meta; $($names:ident)*) => {
        mod $module {
            use super::*;

            functions!(@ $attribute; $($names)*);
        }
    };
    (@ $attribute:meta; $callee:ident) => {};
    (@ $attribute:meta; $callee:ident $name:ident $($more:ident)*) => {
        #[$attribute]
        pub(super) async fn $name() -> Answer {
            $callee().await
        }
        functions!(@ $attribute; $name $($more)*);
    };
}

async fn seven() -> Answer {
    Ok(7)
}

functions!(annotated: cancelable; seven f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24 f25);
functions!(with_scope: cancelable(scope); seven f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24 f25);
functions!(with_timeout: cancelable(timeout = "1h"); seven f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24 f25);
functions!(round_a_box: cancelable(scope); in_a_box f16 f17 f18 f19 f20 f21 f22 f23 f24 f25);

#[cancelable(scope)]
async fn in_a_box() -> Answer {
    let inner: Pin<Box<dyn Future<Output = Answer> + Send>> = Box::pin(with_scope::f14());
    inner.await
}

#[test]
fn l25_annotated_functions_may_be_nested_and_sent() {
    assert_eq!(drive(is_send(annotated::f25())).unwrap(), 7);
}

/// As deep as `tracing`'s spans, and two more: those come as far as 15.
#[test]
fn l25_functions_with_scopes_may_be_nested_and_sent() {
    assert_eq!(drive(is_send(with_scope::f17())).unwrap(), 7);
    assert_eq!(drive(is_send(with_timeout::f17())).unwrap(), 7);
}

/// Functions with a block in a scope, as many as with a block in a span.
macro_rules! with_blocks {
    ($callee:ident) => {};
    ($callee:ident $name:ident $($more:ident)*) => {
        #[cancelable]
        async fn $name() -> Answer {
            cancel_scope!(timeout = HOUR, async { $callee().await }).await
        }
        with_blocks!($name $($more)*);
    };
}

with_blocks!(seven b1 b2 b3 b4 b5 b6 b7 b8 b9 b10 b11 b12 b13 b14 b15);

#[test]
fn l25_functions_with_blocks_in_scopes_may_be_nested_and_sent() {
    assert_eq!(drive(is_send(b15())).unwrap(), 7);
}

/// What a function returns, its two coroutines, their contents, a place and a check point are seven steps of the 128 to see that it is `Send`. So
/// there is no looking through 25 functions at once; but they run, and are sent if a box in between says that what is in it is `Send`.
#[test]
fn l25_twenty_five_functions_with_scopes_may_be_nested_and_sent_with_a_box_in_between() {
    assert_eq!(drive(with_scope::f25()).unwrap(), 7);
    assert_eq!(drive(with_timeout::f25()).unwrap(), 7);
    assert_eq!(drive(is_send(round_a_box::f25())).unwrap(), 7);
}
