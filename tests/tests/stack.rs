//! How much stack and memory a scope takes round its body (L25), beside `tracing`'s spans round the same one. On stacks of our own,
//! which are painted first, and looked at when the thread is over.
#![cfg(all(target_os = "linux", debug_assertions))]
#![recursion_limit = "512"]

use std::ffi::c_void;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::mem::{self, MaybeUninit};
use std::pin::pin;
use std::ptr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cancelable::{CancelFutureExt as _, CancellationToken, Cancelled, Partial, Scope};
use cancelable::{cancel_scope, cancelable, race, shield, try_join};
use futures::TryFutureExt as _;
use tracing::{Instrument as _, Span};

const HOUR: Duration = Duration::from_secs(3600);

type Answer = Result<u8, Cancelled>;

/// What an untouched byte of a stack looks like.
const PAINT: u8 = 0xA5;
const STACK: usize = 8 << 20;

/// The bytes of stack that polling the future to its end takes, and making it.
fn stack_of<F: Future>(make: impl FnOnce() -> F + Send + 'static) -> usize {
    touched(Box::new(|| drop(drive(make())))) - touched(Box::new(|| ()))
}

fn touched(f: Box<dyn FnOnce() + Send>) -> usize {
    extern "C" fn start(f: *mut c_void) -> *mut c_void {
        // SAFETY: it is the box that was given away for this one call.
        let f = unsafe { Box::from_raw(f.cast::<Box<dyn FnOnce() + Send>>()) };
        f();
        ptr::null_mut()
    }

    #[repr(align(4096))]
    #[derive(Clone, Copy)]
    struct Page([u8; 4096]);

    let mut stack = vec![Page([PAINT; 4096]); STACK / size_of::<Page>()];
    let mut attributes = MaybeUninit::uninit();
    let mut thread = MaybeUninit::uninit();
    // SAFETY: the stack is aligned, nobody else uses it, and it outlives the thread, which is joined.
    unsafe {
        assert_eq!(libc::pthread_attr_init(attributes.as_mut_ptr()), 0);
        assert_eq!(
            libc::pthread_attr_setstack(attributes.as_mut_ptr(), stack.as_mut_ptr().cast(), STACK),
            0
        );
        let f = Box::into_raw(Box::new(f)).cast();
        assert_eq!(
            libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), start, f),
            0
        );
        assert_eq!(libc::pthread_join(thread.assume_init(), ptr::null_mut()), 0);
        assert_eq!(libc::pthread_attr_destroy(attributes.as_mut_ptr()), 0);
    }
    let bytes = stack.iter().flat_map(|page| &page.0);
    STACK - bytes.take_while(|byte| **byte == PAINT).count()
}

fn drive<F: Future>(f: F) -> F::Output {
    let mut f = pin!(f);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = f.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

fn size_of_made<F>(_make: impl FnOnce() -> F) -> usize {
    size_of::<F>()
}

/// Pending once.
async fn pause() {
    let mut first = true;
    poll_fn(|_| {
        if mem::take(&mut first) {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

/// Works with a buffer of so many bytes.
async fn work<const N: usize>() -> Answer {
    let mut buffer = [0_u8; N];
    black_box(&mut buffer);
    pause().await;
    Ok(buffer[N - 1])
}

/// The output alone, for what nests.
fn without<T>(
    partial: impl Future<Output = Result<T, Partial<(), Cancelled>>>,
) -> impl Future<Output = Result<T, Cancelled>> {
    partial.map_err(Partial::into_error)
}

/// The ways to open a scope, or the like, round a block.
macro_rules! wrap {
    (plain $body:block) => { async $body };
    (instrument $body:block) => { async $body.instrument(Span::none()) };
    (run $body:block) => { Scope::new().run(async $body) };
    (run_timeout $body:block) => { Scope::new().timeout(HOUR).run(async $body) };
    (run_with $body:block) => { Scope::new().run_with(|_| async $body) };
    (partial $body:block) => { without(Scope::new().partial(()).run(async |()| $body)) };
    (cancel_scope $body:block) => { cancel_scope!(async $body) };
    (cancel_scope_timeout $body:block) => { cancel_scope!(timeout = HOUR, async $body) };
    (finally $body:block) => { cancel_scope!(finally = async {}, async $body) };
    (token_scope $body:block) => { CancellationToken::new().scope(async $body) };
    (in_current_scope $body:block) => { async $body.in_current_scope() };
    (shield $body:block) => { cancelable::shield(async $body) };
    (shielded $body:block) => { async $body.shielded() };
    (shield_timeout $body:block) => { cancelable::shield(async $body).timeout(HOUR) };
    (shield_macro $body:block) => { shield!(async $body) };
    (shield_macro_timeout $body:block) => { shield!(timeout = HOUR, async $body) };
    (race $body:block) => { race!(async $body) };
    (try_join $body:block) => { try_join!(async $body) };
}

/// So many of them in one another, round work with a buffer.
macro_rules! nested {
    ($wrap:ident $n:ident) => { work::<$n>() };
    ($wrap:ident $n:ident + $($more:tt)*) => { wrap!($wrap { nested!($wrap $n $($more)*).await }) };
}

/// Functions that call one another, twenty deep, each with these attributes. The innermost works with a buffer.
macro_rules! functions {
    ($module:ident $n:literal $(#[$attribute:meta])*) => {
        mod $module {
            use super::*;

            async fn innermost() -> Answer {
                work::<$n>().await
            }

            functions! { @ ($(#[$attribute])*) innermost; f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 }
        }
    };
    (@ $attributes:tt $callee:ident; $name:ident $($more:ident)*) => {
        functions! { $attributes $callee $name }
        functions! { @ $attributes $name; $($more)* }
    };
    (@ $attributes:tt $callee:ident;) => {};
    (($(#[$attribute:meta])*) $callee:ident $name:ident) => {
        $(#[$attribute])*
        pub(super) async fn $name() -> Answer {
            $callee().await
        }
    };
}

functions!(instrumented 2048 #[tracing::instrument]);
functions!(with_timeout 2048 #[cancelable(timeout = "1h")]);
functions!(with_or 2048 #[cancelable(timeout = "1h", or = Ok(0))]);

#[test]
fn l25_twenty_nested_functions_with_scopes_take_no_more_stack_than_instrumented_ones() {
    let instrumented = stack_of(instrumented::f20);
    for (what, ours) in [
        ("timeout", stack_of(with_timeout::f20)),
        ("timeout, or", stack_of(with_or::f20)),
    ] {
        assert!(
            ours <= instrumented,
            "{what}: {ours} bytes of stack, instrumented: {instrumented}"
        );
    }
}

#[test]
fn l25_twenty_nested_scopes_take_no_more_stack_than_instrumented_functions() {
    const BUFFER: usize = 2048;
    let instrumented = stack_of(instrumented::f20);
    macro_rules! compare {
        ($($wrap:ident)*) => { $(
            let ours = stack_of(|| async { nested!($wrap BUFFER ++++++++++++++++++++).await.is_ok() });
            let what = stringify!($wrap);
            assert!(ours <= instrumented, "{what}: {ours} bytes of stack, instrumented: {instrumented}");
        )* };
    }
    compare!(run_timeout cancel_scope token_scope shielded shield_macro race);
}

/// Of one scope round a large body. On the way there a body may have some places more, which are not on the stack any more while
/// it runs: as many as its type is nested.
#[test]
fn l25_a_scope_has_a_large_body_on_the_stack_as_often_as_is_said() {
    const LARGE: usize = 64 << 10;
    let plain = stack_of(|| nested!(plain LARGE +));
    assert_eq!(
        plain / LARGE,
        4,
        "the call that makes it, and what polls it, twice each"
    );
    macro_rules! places {
        ($($wrap:ident $most:literal,)*) => { $(
            let places = stack_of(|| nested!($wrap LARGE +)) / LARGE;
            assert!(places <= $most, "{}: {places}", stringify!($wrap));
        )* };
    }
    places! {
        instrument 5,
        token_scope 6,
        in_current_scope 6,
        shield 6,
        shield_macro 6,
        shielded 7,
        run 8,
        run_timeout 8,
        cancel_scope 8,
        run_with 9,
        partial 12,
        finally 9,
        shield_timeout 10,
        shield_macro_timeout 10,
        race 14,
        try_join 14,
    }
}

#[test]
fn l25_a_function_with_a_large_buffer_and_a_scope_takes_at_most_twice_what_a_plain_one_takes() {
    const LARGE: usize = 64 << 10;

    async fn plain() -> Answer {
        let mut buffer = [0_u8; LARGE];
        black_box(&mut buffer);
        pause().await;
        Ok(buffer[LARGE - 1])
    }

    #[cancelable(timeout = "1h", name = "read", grace = "1s")]
    async fn scoped() -> Answer {
        let mut buffer = [0_u8; LARGE];
        black_box(&mut buffer);
        pause().await;
        Ok(buffer[LARGE - 1])
    }

    #[cancelable(scope, or = Ok(0))]
    async fn with_or() -> Answer {
        let mut buffer = [0_u8; LARGE];
        black_box(&mut buffer);
        pause().await;
        Ok(buffer[LARGE - 1])
    }

    #[cancelable]
    async fn shielding() -> Answer {
        #[cancelable(shield)]
        let last = {
            let mut buffer = [0_u8; LARGE];
            black_box(&mut buffer);
            pause().await;
            buffer[LARGE - 1]
        };
        Ok(last)
    }

    // And a page for the calls.
    let most = 2 * stack_of(plain) + 4096;
    for (what, ours) in [
        ("a scope", stack_of(scoped)),
        ("with `or`", stack_of(with_or)),
        ("a shield", stack_of(shielding)),
    ] {
        assert!(ours <= most, "{what}: {ours} bytes of stack, at most {most}");
    }
}

#[test]
fn l25_what_a_scope_adds_to_a_future_does_not_depend_on_its_body() {
    macro_rules! added {
        ($($wrap:ident $most:literal,)*) => { $(
            let [small, large] = [
                size_of_made(|| nested!($wrap SMALL +)) - SMALL,
                size_of_made(|| nested!($wrap LARGE +)) - LARGE,
            ];
            assert_eq!(small, large, stringify!($wrap));
            let added = small - PLAIN;
            assert!(added <= $most, "{}: {added}", stringify!($wrap));
        )* };
    }
    const SMALL: usize = 16;
    const LARGE: usize = 64 << 10;
    const PLAIN: usize = 32;
    added! {
        plain 0,
        token_scope 24,
        in_current_scope 24,
        shield 24,
        instrument 40,
        race 96,
        try_join 96,
        run 112,
        run_with 120,
        partial 312,
        shield_timeout 112,
        cancel_scope 128,
        finally 344,
    }
}
