//! Surroundings that break careless expansions: names shadowed, preludes missing, the library under another name.

#![deny(warnings)]
#![allow(dead_code, unreachable_pub)]

/// Everything that an expansion might name by accident is something else here.
mod shadowed {
    #![allow(non_camel_case_types, non_upper_case_globals, unused_macros, clippy::all)]

    pub mod core {}
    pub mod std {}
    pub mod alloc {}
    pub mod __private {}
    pub struct Site;
    pub struct Scope;
    pub struct Probe;
    pub struct Turns;
    pub struct Duration;
    pub enum Never {}
    pub struct Box;
    pub struct Future;
    pub struct IntoIterator;
    pub type Result<T> = ::core::result::Result<T, ::cancelable::Cancelled>;
    pub fn guard() {}
    pub fn check() {}
    pub fn from_cancelled() {}
    pub const value: u8 = 0;
    pub const cancelled: u8 = 0;
    pub const items: u8 = 0;
    pub const pieces: u8 = 0;
    pub const piece: u8 = 0;
    pub const turns: u8 = 0;
    pub const every: u8 = 0;
    pub const dead: u8 = 0;
    pub const gave_up: u8 = 0;
    pub const future0: u8 = 0;
    pub const argument0: u8 = 0;
    pub const _entered: u8 = 0;
    pub struct Ok;
    pub struct Err;
    pub struct Some;
    pub struct None;
    pub struct Option;
    pub struct String;
    macro_rules! matches {
        () => {};
    }

    mod cancelable {}

    use ::cancelable::cancelable as annotate;

    type Outcome<T> = ::core::result::Result<T, ::cancelable::Cancelled>;

    #[annotate]
    pub async fn in_place(list: &[u32]) -> Outcome<u32> {
        let mut sum = 0;
        for n in list {
            sum += ::core::future::ready(n).await;
        }
        Outcome::Ok(sum)
    }

    #[annotate(scope, until = ::core::future::pending::<()>())]
    pub async fn shielded(list: &[u32]) -> Outcome<u32> {
        let mut sum = 0;
        #[annotate(shield)]
        for n in list {
            sum += ::core::future::ready(n).await;
        }
        #[annotate(shield = "1h")]
        let n: u32 = Outcome::Ok(::core::future::ready(1).await)?;
        ::cancelable::cancel_scope!(grace = "1h", finally = async { sum = 0 }, async {
            Outcome::Ok(sum + n)
        })
        .await
    }

    #[annotate(or = 7)]
    pub fn shielded_sync(list: &[u32]) -> u32 {
        #[annotate(shield = ::core::time::Duration::MAX)]
        {
            for n in list {
                if *n > 3 {
                    return *n;
                }
            }
        }
        0
    }

    #[annotate(name = "scope", timeout = "1h", grace = "1s", token = ::cancelable::CancellationToken::new(), every = 2)]
    pub async fn in_scope(list: &[u32], (a, _): (u32, u32)) -> Outcome<u32> {
        let mut sum = a;
        for n in list {
            sum += ::core::future::ready(n).await;
        }
        while sum < 9 {
            sum += 1;
        }
        sum += ::tokio::select! {
            n = ::core::future::ready(3), if sum > 0 => n,
        };
        let (n, m) = ::tokio::join!(::core::future::ready(1), async { 2 });
        Outcome::Ok(sum + n + m)
    }

    #[annotate(or = 7, name = "or")]
    pub async fn with_or(#[token] token: &::cancelable::CancellationToken) -> u32 {
        token.cancel();
        ::core::future::ready(3).await
    }

    #[annotate(or = 8, name = "or")]
    pub fn with_or_sync(#[token] token: ::cancelable::CancellationToken) -> u32 {
        token.cancel();
        for _ in 0..3 {}
        3
    }

    #[annotate(every = 3)]
    pub fn best(list: ::std::vec::Vec<u32>) -> ::core::option::Option<u32> {
        let mut best = 0;
        #[cancelable(break)]
        for n in list {
            best = n.max(best);
        }
        #[cancelable(skip)]
        loop {
            if best > 0 {
                break;
            }
            best += 1;
        }
        ::core::option::Option::Some(best)
    }

    pub fn scoped() -> Outcome<u32> {
        ::cancelable::cancel_scope!(timeout = "1h", token = token, || -> Outcome<u32> {
            let mut n = 0;
            while n < 3 {
                n += 1;
            }
            let _ = token;
            Outcome::Ok(n)
        })
    }
}

#[test]
fn shadowed_names() {
    use futures::executor::block_on;
    assert_eq!(block_on(shadowed::in_place(&[1, 2])).unwrap(), 3);
    assert_eq!(block_on(shadowed::in_scope(&[1, 2], (3, 4))).unwrap(), 15);
    assert_eq!(block_on(shadowed::with_or()), 7);
    assert_eq!(shadowed::with_or_sync(), 8);
    assert_eq!(shadowed::best(vec![3, 1]), Some(3));
    assert_eq!(shadowed::scoped().unwrap(), 3);
}

/// No prelude, and so no `Ok`, no `Some`, no `Iterator`.
#[no_implicit_prelude]
mod bare {
    use ::cancelable::{Cancelled, cancel_scope, cancelable, shield};
    use ::core::result::Result;

    #[cancelable(every = 4)]
    pub async fn work(list: ::std::vec::Vec<u32>) -> Result<u32, Cancelled> {
        let mut sum = 0;
        for n in list {
            sum += ::core::future::ready(n).await;
        }
        let scope = cancel_scope!(timeout = "1h", async || -> Result<u32, Cancelled> {
            Result::Ok(::core::future::ready(3).await)
        });
        sum += scope.await?;
        sum += shield!(async { 4 }).await;
        Result::Ok(sum)
    }
}

#[test]
fn no_prelude() {
    assert_eq!(futures::executor::block_on(bare::work(vec![1, 2])).unwrap(), 10);
}

/// The library by another way.
pub(crate) mod facade {
    pub use ::cancelable as inner;
    pub(crate) mod nested {
        #[doc(hidden)]
        pub use super::inner::__private;
        pub use super::inner::*;
    }
}

mod renamed {
    use super::facade::inner::{Cancelled, cancel_scope as scoped, cancelable as stoppable, shield as shielded};
    use super::facade::nested as lib;

    #[stoppable(crate = crate::facade::inner, name = "a")]
    pub async fn by_crate() -> Result<u32, Cancelled> {
        Ok(std::future::ready(1).await)
    }

    #[stoppable(crate = lib)]
    pub fn by_name(n: u32) -> Result<u32, Cancelled> {
        for _ in 0..n {}
        Ok(n)
    }

    #[stoppable(crate = super::facade::inner, every = 2, or = 0)]
    pub fn by_super(n: u32) -> u32 {
        for _ in 0..n {}
        n
    }

    struct Holder;

    #[lib::cancelable(crate = self::lib)]
    impl Holder {
        async fn run(&self) -> Result<u32, Cancelled> {
            Ok(std::future::ready(4).await)
        }

        #[lib::cancelable(name = "own")]
        async fn own(&self) -> Result<u32, Cancelled> {
            Ok(std::future::ready(5).await)
        }
    }

    pub async fn all() -> Result<u32, Cancelled> {
        let scope = scoped!(timeout = "1h", async {
            Ok::<u32, Cancelled>(std::future::ready(6).await)
        })
        .await?;
        let by_path = lib::cancel_scope!({ Ok::<u32, Cancelled>(7) })?;
        let shield = shielded!({ 8 });
        let holder = Holder;
        Ok(by_crate().await?
            + by_name(2)?
            + by_super(3)
            + holder.run().await?
            + holder.own().await?
            + scope
            + by_path
            + shield)
    }
}

#[test]
fn under_other_names() {
    assert_eq!(
        futures::executor::block_on(renamed::all()).unwrap(),
        1 + 2 + 3 + 4 + 5 + 6 + 7 + 8
    );
}

/// Tokens that come through `macro_rules!`, in pieces of every kind.
mod generated {
    use cancelable::{CancellationToken, Cancelled, cancelable};
    use std::time::Duration;

    macro_rules! function {
        ($(#[$attribute:meta])* $vis:vis $name:ident($($argument:ident: $ty:ty),*) -> $output:ty $body:block) => {
            $(#[$attribute])*
            $vis async fn $name($($argument: $ty),*) -> $output $body
        };
    }

    function! {
        #[cancelable(name = "from a macro")]
        pub named(n: u32, text: &str) -> Result<usize, Cancelled> {
            let mut length = 0;
            for _ in 0..n {
                length += std::future::ready(text).await.len();
            }
            Ok(length)
        }
    }

    macro_rules! with_options {
        ($name:ident, $timeout:expr, $every:literal, $grace:literal, $body:expr, $pat:pat, $bound:tt, $($tokens:tt)*) => {
            #[cancelable(timeout = $timeout, every = $every, grace = $grace)]
            pub async fn $name<T: $bound>(item: T, $pat: (u32, u32)) -> Result<T, Cancelled> {
                for _ in 0..3 {
                    $body.await;
                }
                $($tokens)*
                Ok(item)
            }
        };
    }

    with_options!(
        optional,
        Duration::from_secs(3600),
        5,
        "1s",
        std::future::ready(()),
        (_, _),
        Clone,
        while false {}
    );

    /// The user's variables and those of the expansion do not meet, nor do those of two macros.
    macro_rules! shadowing {
        ($value:ident) => {
            #[cancelable]
            pub async fn shadows($value: u32) -> Result<u32, Cancelled> {
                let cancelled = std::future::ready($value).await;
                let value = 100;
                Ok(cancelled + $value + value)
            }
        };
    }

    shadowing!(value);

    macro_rules! by_dollar_crate {
        ($name:ident) => {
            #[$crate::facade::inner::cancelable(crate = $crate::facade::inner)]
            pub fn $name() -> Result<u32, Cancelled> {
                for _ in 0..2 {}
                $crate::facade::inner::cancel_scope!({ Ok(3) })
            }
        };
    }

    by_dollar_crate!(dollar);

    macro_rules! scope {
        ($($body:tt)*) => {
            cancelable::cancel_scope!(timeout = "1h", token = inner, async || -> Result<CancellationToken, Cancelled> {
                let _: Result<(), Cancelled> = { $($body)* };
                Ok(inner)
            })
        };
    }

    pub async fn through() -> Result<bool, Cancelled> {
        let inner = 5;
        let token = scope! {
            assert_eq!(inner, 5);
            std::future::ready(()).await;
            Ok(())
        }
        .await?;
        Ok(token.is_cancelled())
    }
}

#[test]
fn tokens_from_macros() {
    use futures::executor::block_on;
    assert_eq!(block_on(generated::named(2, "abc")).unwrap(), 6);
    assert_eq!(block_on(generated::optional(3, (1, 2))).unwrap(), 3);
    assert_eq!(block_on(generated::shadows(3)).unwrap(), 106);
    assert_eq!(generated::dollar().unwrap(), 3);
    assert!(block_on(generated::through()).unwrap());
}

/// Raw and odd names.
#[allow(non_camel_case_types)]
mod names {
    use cancelable::{Cancelled, cancelable};

    pub struct r#struct {
        pub r#type: u32,
    }

    #[cancelable(name = "r#loop", token = r#token)]
    #[allow(non_snake_case)]
    pub async fn r#loop(
        r#struct { r#type }: r#struct,
        r#token: cancelable::CancellationToken,
        Größe: u32,
    ) -> Result<u32, Cancelled> {
        'r#while: for r#for in 0..r#type {
            if r#for == 2 {
                break 'r#while;
            }
        }
        Ok(std::future::ready(Größe).await + r#type)
    }
}

#[test]
fn raw_names() {
    let future = names::r#loop(names::r#struct { r#type: 3 }, cancelable::CancellationToken::new(), 4);
    assert_eq!(futures::executor::block_on(future).unwrap(), 7);
}

/// Items of a body by the names of the signature: they are the body's, and the signature is not theirs.
mod local_items {
    use cancelable::{CancellationToken, Cancelled, cancel_scope, cancelable};
    use std::future::ready;

    #[derive(Debug)]
    pub struct Failed;

    impl From<Cancelled> for Failed {
        fn from(_: Cancelled) -> Self {
            Failed
        }
    }

    macro_rules! functions {
        ($module:ident, #[$annotation:meta]) => {
            pub mod $module {
                use super::*;

                #[$annotation]
                pub async fn structs() -> Result<u32, Failed> {
                    struct Result;
                    struct Failed;
                    let _ = (Result, Failed);
                    for _ in 0..3 {}
                    Ok(ready(1).await)
                }

                #[$annotation]
                pub fn imports() -> Result<u32, Failed> {
                    use std::fmt::Result;
                    fn nothing() -> Result {
                        Ok(())
                    }
                    for _ in 0..3 {}
                    nothing().map(|()| 1).map_err(|_| super::Failed)
                }

                #[$annotation]
                pub fn globs() -> Result<u32, Failed> {
                    for _ in 0..3 {
                        use std::fmt::*;
                        let nothing: Result = Ok(());
                        for _ in 0..3 {}
                        assert!(nothing.is_ok());
                    }
                    Ok(1)
                }

                #[$annotation]
                pub fn future() -> impl Future<Output = Result<u32, Failed>> {
                    async {
                        enum Result {}
                        assert_eq!(size_of::<Result>(), 0);
                        Ok(ready(1).await)
                    }
                }

                #[$annotation]
                pub fn token(#[token] token: CancellationToken) -> Option<u32> {
                    struct CancellationToken;
                    let CancellationToken = CancellationToken;
                    (!token.is_cancelled()).then_some(1)
                }
            }
        };
    }

    functions!(in_place, #[cancelable]);
    functions!(in_scope, #[cancelable(name = "scope")]);

    #[cancelable(every = OFTEN)]
    pub fn constant() -> Option<u32> {
        const OFTEN: &str = "not a number";
        for _ in OFTEN.bytes() {}
        Some(1)
    }
    const OFTEN: usize = 2;

    pub async fn scopes() -> Result<u32, Failed> {
        let sync = cancel_scope!(|| -> Result<u32, Failed> {
            struct Result;
            let Result = Result;
            for _ in 0..3 {}
            Ok(1)
        })?;
        let scope = cancel_scope!(async || -> Result<u32, Failed> {
            struct Failed;
            let Failed = Failed;
            Ok(ready(1).await)
        });
        Ok(sync + scope.await?)
    }
}

#[test]
fn items_of_the_body() {
    use futures::executor::block_on;
    use local_items::*;
    assert_eq!(block_on(in_place::structs()).unwrap(), 1);
    assert_eq!(block_on(in_scope::structs()).unwrap(), 1);
    assert_eq!(in_place::imports().unwrap() + in_scope::imports().unwrap(), 2);
    assert_eq!(in_place::globs().unwrap() + in_scope::globs().unwrap(), 2);
    assert_eq!(block_on(in_place::future()).unwrap(), 1);
    assert_eq!(block_on(in_scope::future()).unwrap(), 1);
    assert_eq!((in_place::token(), in_scope::token()), (Some(1), Some(1)));
    assert_eq!(constant(), Some(1));
    assert_eq!(block_on(scopes()).unwrap(), 2);
}
