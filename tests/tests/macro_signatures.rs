//! The attribute on every kind of signature: receivers, patterns, generics, lifetimes, return types, shapes.

#![deny(warnings)]
#![allow(clippy::too_many_arguments, clippy::toplevel_ref_arg, clippy::manual_async_fn)]

use cancelable::{CancellationToken, Cancelled, cancelable};
use futures::executor::block_on;
use std::fmt::{Debug, Display};
use std::future::{pending, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

fn cancelled<R>(body: impl FnOnce() -> R) -> R {
    let token = CancellationToken::new();
    token.cancel();
    token.sync_scope(body)
}

/// Every test below also runs the function under a cancelled token, where it must not start.
macro_rules! both {
    ($call:expr, $expected:expr) => {
        assert_eq!($call.unwrap(), $expected);
        assert!(cancelled(|| $call).is_err());
    };
    (await $call:expr, $expected:expr) => {
        assert_eq!(block_on($call).unwrap(), $expected);
        assert!(cancelled(|| block_on($call)).is_err());
    };
}

mod receivers {
    macro_rules! methods {
        ($($options:tt)*) => {
            #[derive(Clone, Default)]
            struct Counter {
                n: u32,
            }

            impl Counter {
                #[cancelable($($options)*)]
                async fn by_value(self) -> Result<u32, Cancelled> {
                    Ok(ready(self.n).await)
                }

                #[cancelable($($options)*)]
                async fn by_mut_value(mut self) -> Result<u32, Cancelled> {
                    self.n += 1;
                    Ok(ready(self.n).await)
                }

                #[cancelable($($options)*)]
                async fn by_ref(&self) -> Result<&u32, Cancelled> {
                    Ok(ready(&self.n).await)
                }

                #[cancelable($($options)*)]
                async fn by_mut(&mut self) -> Result<&mut u32, Cancelled> {
                    self.n += ready(1).await;
                    Ok(&mut self.n)
                }

                #[cancelable($($options)*)]
                async fn by_arc(self: Arc<Self>) -> Result<u32, Cancelled> {
                    Ok(ready(self.n).await)
                }

                #[cancelable($($options)*)]
                async fn by_mut_arc(mut self: Arc<Self>) -> Result<u32, Cancelled> {
                    Arc::make_mut(&mut self).n = 9;
                    Ok(ready(self.n).await)
                }

                #[cancelable($($options)*)]
                async fn by_typed_ref(self: &Self) -> Result<u32, Cancelled> {
                    Ok(ready(self.n).await)
                }

                #[cancelable($($options)*)]
                async fn by_pin(mut self: Pin<&mut Self>) -> Result<u32, Cancelled> {
                    self.n += 1;
                    Ok(ready(self.n).await)
                }

                #[cancelable($($options)*)]
                fn sync_by_value(self) -> Result<Self, Cancelled> {
                    let Self { n } = self;
                    for _ in 0..1 {}
                    Ok(Self { n })
                }

                #[cancelable($($options)*)]
                fn sync_by_mut(&mut self) -> Result<&mut u32, Cancelled> {
                    for _ in 0..1 {
                        self.n += 1;
                    }
                    Ok(&mut self.n)
                }

                #[cancelable($($options)*)]
                fn longest<'a>(&'a self, other: &'a Counter) -> Result<&'a u32, Cancelled> {
                    if self.n > other.n {
                        return Ok(&self.n);
                    }
                    Ok(&other.n)
                }

                const STEP: u32 = 5;

                #[cancelable($($options)*)]
                async fn uses_self_type(n: u32) -> Result<Self, Cancelled> {
                    let this = Self { n: ready(n).await + Self::STEP };
                    match this {
                        Self { n: 0 } => Ok(Self::default()),
                        other => Ok(other),
                    }
                }
            }

            #[test]
            fn all() {
                both!(await Counter { n: 1 }.by_value(), 1);
                both!(await Counter { n: 1 }.by_mut_value(), 2);
                both!(await async { Counter { n: 1 }.by_ref().await.map(|n| *n) }, 1);
                both!(await async { Counter { n: 1 }.by_mut().await.map(|n| *n) }, 2);
                both!(await Arc::new(Counter { n: 1 }).by_arc(), 1);
                both!(await Arc::new(Counter { n: 1 }).by_mut_arc(), 9);
                both!(await Counter { n: 1 }.by_typed_ref(), 1);
                both!(await Pin::new(&mut Counter { n: 1 }).by_pin(), 2);
                both!(Counter { n: 1 }.sync_by_value().map(|counter| counter.n), 1);
                both!(Counter { n: 1 }.sync_by_mut().map(|n| *n), 2);
                both!(Counter { n: 1 }.longest(&Counter { n: 2 }).map(|n| *n), 2);
                both!(await async { Counter::uses_self_type(1).await.map(|counter| counter.n) }, 6);
            }
        };
    }

    mod in_place {
        use super::super::*;

        methods!();
    }

    mod with_scope {
        use super::super::*;

        methods!(name = "scope");
    }

    mod with_every {
        use super::super::*;

        methods!(every = 3);
    }
}

mod arguments {
    use super::*;

    struct Point {
        x: u32,
        y: u32,
    }

    macro_rules! functions {
        ($($options:tt)*) => {
            #[cancelable($($options)*)]
            async fn patterns(
                (a, mut b): (u32, u32),
                Point { x, .. }: Point,
                _: u32,
                [first, ..]: [u32; 3],
                ref c: u32,
                mut d: u32,
                &e: &u32,
                Wrapper(f): Wrapper,
            ) -> Result<u32, Cancelled> {
                b += 1;
                d += 1;
                Ok(ready(a + b + x + first + *c + d + e + f).await)
            }

            #[cancelable($($options)*)]
            async fn generic<T: Clone, U, const N: usize>(t: &T, u: U, _array: [u8; N]) -> Result<(T, U, usize), Cancelled>
            where
                U: Debug,
            {
                Ok((ready(t.clone()).await, u, N))
            }

            #[cancelable($($options)*)]
            async fn implied(d: impl Display, f: &impl Fn(u32) -> u32, dynamic: &dyn Debug) -> Result<String, Cancelled> {
                Ok(format!("{d}{}{dynamic:?}", f(ready(1).await)))
            }

            #[cancelable($($options)*)]
            async fn lifetimes<'a, 'b: 'a>(a: &'a str, b: &'b str, c: &str) -> Result<&'a str, Cancelled> {
                Ok(if ready(c.is_empty()).await { a } else { b })
            }

            #[cancelable($($options)*)]
            async fn elided(text: &str) -> Result<std::slice::Iter<'_, u8>, Cancelled> {
                Ok(ready(text.as_bytes().iter()).await)
            }

            #[cancelable($($options)*)]
            #[allow(non_snake_case)]
            async fn NotSnake(r#type: u32, r#match: u32) -> Result<u32, Cancelled> {
                Ok(ready(r#type).await + r#match)
            }

            #[cancelable($($options)*)]
            async fn r#async(#[cfg(all())] a: u32, #[cfg(any())] b: u32) -> Result<u32, Cancelled> {
                Ok(ready(a).await)
            }

            #[cancelable($($options)*)]
            async unsafe fn not_safe(n: u32) -> Result<u32, Cancelled> {
                Ok(ready(n).await)
            }

            #[cancelable($($options)*)]
            extern "Rust" fn other_abi(n: u32) -> Option<u32> {
                for _ in 0..n {}
                Some(n)
            }

            #[test]
            fn all() {
                both!(await patterns((1, 2), point(), 0, [4, 5, 6], 7, 8, &9, Wrapper(10)), 1 + 3 + 3 + 4 + 7 + 9 + 9 + 10);
                both!(await generic(&1u8, "u", [0; 3]), (1, "u", 3));
                both!(await implied(1, &|n| n + 1, &"d"), "12\"d\"");
                both!(await lifetimes("a", "b", ""), "a");
                both!(await async { elided("ab").await.map(|iter| iter.len()) }, 2);
                both!(await NotSnake(1, 2), 3);
                both!(await r#async(1), 1);
                // SAFETY: it is safe, really.
                both!(await unsafe { not_safe(1) }, 1);
                assert_eq!(other_abi(3), Some(3));
                assert_eq!(cancelled(|| other_abi(3)), None);
            }
        };
    }

    struct Wrapper(u32);

    fn point() -> Point {
        let point = Point { x: 3, y: 4 };
        assert_eq!(point.y, 4);
        point
    }

    mod in_place {
        use super::super::*;
        use super::*;
        functions!();
    }

    mod with_scope {
        use super::super::*;
        use super::*;
        functions!(name = "scope", timeout = "1h");
    }
}

mod returns {
    use super::*;

    trait Named {
        fn name(&self) -> String;
    }

    struct A;
    struct B;

    impl Named for A {
        fn name(&self) -> String {
            "a".into()
        }
    }

    impl Named for B {
        fn name(&self) -> String {
            "b".into()
        }
    }

    type Io<T> = std::io::Result<T>;

    macro_rules! functions {
        ($($options:tt)*) => {
            #[cancelable($($options)*)]
            async fn coerced(first: bool) -> Option<&'static dyn Named> {
                if ready(first).await {
                    return Some(&A);
                }
                Some(&B)
            }

            #[cancelable($($options)*)]
            async fn boxed(first: bool) -> Result<Box<dyn Named>, Cancelled> {
                if ready(first).await {
                    return Ok(Box::new(A));
                }
                Ok(Box::new(B))
            }

            #[cancelable($($options)*)]
            fn boxed_sync(first: bool) -> Result<Box<dyn Named>, Cancelled> {
                for _ in 0..1 {
                    if first {
                        return Ok(Box::new(A));
                    }
                }
                Ok(Box::new(B))
            }

            #[cancelable($($options)*)]
            async fn hidden(n: u32) -> Result<impl Iterator<Item = u32> + Clone, Cancelled> {
                let n = ready(n).await;
                Ok((0..n).map(|n| n + 1))
            }

            #[cancelable($($options)*)]
            fn hidden_sync(n: u32) -> Result<impl Iterator<Item = u32> + Clone, Cancelled> {
                Ok((0..n).map(|n| n + 1))
            }

            #[cancelable($($options)*)]
            async fn future_as_value() -> Result<impl Future<Output = u32>, Cancelled> {
                Ok(async { 3 })
            }

            #[cancelable($($options)*)]
            async fn alias() -> Io<u32> {
                Ok(ready(1).await)
            }

            #[cancelable($($options)*)]
            async fn boxed_error() -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
                Ok(ready("7").await.parse::<u32>()?)
            }

            #[cancelable($($options)*)]
            async fn empty() -> Result<(), Cancelled> {
                Ok(())
            }

            #[cancelable($($options)*)]
            async fn diverging(n: u32) -> Result<u32, Cancelled> {
                loop {
                    if ready(n).await > 0 {
                        return Ok(n);
                    }
                }
            }

            #[cancelable($($options)*)]
            fn returning(n: u32) -> Result<u32, Cancelled> {
                return Ok(n);
            }

            #[cancelable($($options)*)]
            async fn panicking() -> Result<u32, Cancelled> {
                panic!("on purpose");
            }

            #[test]
            fn all() {
                assert_eq!(block_on(coerced(true)).unwrap().name(), "a");
                assert!(cancelled(|| block_on(coerced(false)).is_none()));
                both!(await async { boxed(false).await.map(|named| named.name()) }, "b");
                both!(boxed_sync(true).map(|named| named.name()), "a");
                both!(await async { hidden(2).await.map(Vec::from_iter) }, [1, 2]);
                both!(hidden_sync(2).map(Vec::from_iter), [1, 2]);
                both!(await async { Ok::<_, Cancelled>(future_as_value().await?.await) }, 3);
                both!(await alias(), 1);
                both!(await boxed_error(), 7);
                both!(await empty(), ());
                both!(await diverging(1), 1);
                both!(returning(1), 1);
                assert!(std::panic::catch_unwind(|| block_on(panicking())).is_err());
            }
        };
    }

    mod in_place {
        use super::super::*;
        use super::*;
        functions!();
    }

    mod with_scope {
        use super::super::*;
        use super::*;
        functions!(name = "scope");
    }

    #[cancelable(or = ())]
    fn nothing(n: &mut u32) {
        *n += 1;
    }

    #[cancelable(or = ())]
    async fn nothing_async(n: &mut u32) -> () {
        *n += 1;
    }

    #[cancelable(or = 0, name = "x")]
    #[allow(clippy::unused_async)]
    async fn number() -> u32 {
        loop {
            pending::<()>().await
        }
    }

    #[cancelable(or = vec![])]
    fn implied() -> impl IntoIterator<Item = u32> {
        vec![1]
    }

    #[test]
    fn or_makes_room_in_any_type() {
        let mut n = 0;
        nothing(&mut n);
        cancelled(|| nothing(&mut n));
        block_on(nothing_async(&mut n));
        cancelled(|| block_on(nothing_async(&mut n)));
        assert_eq!(n, 2);
        assert_eq!(cancelled(|| block_on(number())), 0);
        assert_eq!(Vec::from_iter(implied()), [1]);
        assert_eq!(cancelled(|| Vec::from_iter(implied())), []);
    }
}

mod shapes {
    use super::*;

    #[cancelable]
    fn returns_future(n: u32) -> impl Future<Output = Result<u32, Cancelled>> + Send {
        let doubled = n * 2;
        async move { Ok(ready(doubled).await) }
    }

    #[cancelable(name = "boxed", timeout = "1h")]
    fn returns_boxed<'a>(text: &'a str) -> Pin<Box<dyn Future<Output = Option<usize>> + Send + 'a>> {
        Box::pin(async move {
            if text.is_empty() {
                return None;
            }
            Some(ready(text).await.len())
        })
    }

    #[cancelable(or = 7)]
    fn returns_boxed_or(n: u32) -> futures::future::BoxFuture<'static, u32> {
        Box::pin(async move { ready(n).await })
    }

    #[cancelable(name = "recursive")]
    fn sum(n: u32) -> Pin<Box<dyn Future<Output = Result<u32, Cancelled>> + Send>> {
        Box::pin(async move { if n == 0 { Ok(0) } else { Ok(n + sum(n - 1).await?) } })
    }

    #[cancelable]
    fn token_in_future(#[token] token: CancellationToken) -> impl Future<Output = Result<bool, Cancelled>> {
        async move { Ok(token.is_cancelled()) }
    }

    #[test]
    fn futures_that_end_in_an_async_block() {
        both!(await returns_future(2), 4);
        assert_eq!(block_on(returns_boxed("abc")), Some(3));
        assert_eq!(block_on(returns_boxed("")), None);
        assert_eq!(cancelled(|| block_on(returns_boxed("abc"))), None);
        assert_eq!(block_on(returns_boxed_or(3)), 3);
        assert_eq!(cancelled(|| block_on(returns_boxed_or(3))), 7);
        both!(await sum(4), 10);
        assert!(!block_on(token_in_future()).unwrap());
    }
}

mod recursion {
    use super::*;

    #[cancelable]
    async fn in_place(n: u32) -> Result<u32, Cancelled> {
        if n == 0 {
            return Ok(0);
        }
        Ok(n + Box::pin(in_place(n - 1)).await?)
    }

    #[cancelable(name = "scope")]
    async fn with_scope(n: u32) -> Result<u32, Cancelled> {
        if n == 0 {
            return Ok(0);
        }
        Ok(n + Box::pin(with_scope(n - 1)).await?)
    }

    #[cancelable(name = "scope", or = 0)]
    async fn with_or(n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        n + Box::pin(with_or(n - 1)).await
    }

    #[cancelable(name = "scope")]
    fn sync(n: u32) -> Option<u32> {
        if n == 0 { Some(0) } else { Some(n + sync(n - 1)?) }
    }

    #[test]
    fn calls_itself() {
        both!(await in_place(4), 10);
        both!(await with_scope(4), 10);
        assert_eq!(block_on(with_or(4)), 10);
        assert_eq!(sync(4), Some(10));
    }
}

mod traits {
    use super::*;

    trait Job {
        type Error;

        async fn run(&self, n: u32) -> Result<u32, Self::Error>;

        #[cancelable]
        async fn twice(&self, n: u32) -> Result<u32, Cancelled> {
            Ok(ready(n).await * 2)
        }

        #[cancelable(name = "thrice")]
        fn thrice(&self, n: u32) -> Result<u32, Cancelled>
        where
            Self: Sized,
        {
            for _ in 0..n {}
            Ok(n * 3)
        }
    }

    struct Worker;

    impl Job for Worker {
        type Error = Cancelled;

        #[cancelable(timeout = "1h")]
        async fn run(&self, n: u32) -> Result<u32, Self::Error> {
            Ok(self.twice(n).await? + self.thrice(n)?)
        }
    }

    #[test]
    fn methods_of_traits_and_their_impls() {
        both!(await Worker.run(1), 5);
        both!(await Worker.twice(1), 2);
        both!(Worker.thrice(1), 3);
    }
}

mod impl_blocks {
    use super::*;

    struct Store {
        log: std::cell::RefCell<Vec<&'static str>>,
    }

    type StoreResult<T> = Result<T, Cancelled>;

    #[cancelable(name = "store")]
    impl Store {
        const LIMIT: u32 = 3;

        fn new() -> Self {
            Self {
                log: std::cell::RefCell::default(),
            }
        }

        async fn load(&self, n: u32) -> Result<u32, Cancelled> {
            assert_eq!(
                cancelable::current()
                    .check()
                    .err()
                    .map(|cancelled| cancelled.scope_path().to_string()),
                None
            );
            Ok(ready(n).await)
        }

        fn find(&self, n: u32) -> Option<u32> {
            for m in 0..Self::LIMIT {
                if m == n {
                    return Some(m);
                }
            }
            None
        }

        fn aliased(&self) -> StoreResult<u32> {
            Ok(1)
        }

        fn later(&self) -> impl Future<Output = Result<u32, Cancelled>> {
            async { Ok(ready(1).await) }
        }

        #[cancelable(skip)]
        async fn close(&self) {
            self.log.borrow_mut().push("closed");
        }

        #[cancelable(skip)]
        fn flush(&self) -> Result<(), Cancelled> {
            self.log.borrow_mut().push("flushed");
            Ok(())
        }

        #[cancelable(or = Self::LIMIT)]
        async fn limit(&self) -> u32 {
            ready(0).await
        }

        fn plain(&self) -> u32 {
            let mut n = 0;
            for _ in 0..3 {
                n += 1;
            }
            n
        }

        const fn constant() -> Option<u32> {
            Some(1)
        }
    }

    #[test]
    fn methods_with_room_are_annotated_and_others_are_not() {
        let store = Store::new();
        both!(await store.load(1), 1);
        assert_eq!(store.find(2), Some(2));
        assert_eq!(cancelled(|| store.find(2)), None);
        both!(store.aliased(), 1);
        both!(await store.later(), 1);
        cancelled(|| block_on(store.close()));
        cancelled(|| store.flush()).unwrap();
        assert_eq!(*store.log.borrow(), ["closed", "flushed"]);
        assert_eq!(block_on(store.limit()), 0);
        assert_eq!(cancelled(|| block_on(store.limit())), 3);
        assert_eq!(cancelled(|| store.plain()), 3);
        assert_eq!(Store::constant(), Some(1));
    }
}

mod auto_traits {
    use super::*;
    use std::cell::Cell;

    #[cancelable]
    async fn in_place(cell: Cell<u32>) -> Result<u32, Cancelled> {
        ready(()).await;
        Ok(cell.get())
    }

    // `Cell` is `Send`, but a reference to one is not: the argument has to move in.
    #[cancelable(name = "scope", timeout = "1h", token = token)]
    async fn with_scope(cell: Cell<u32>, token: CancellationToken) -> Result<u32, Cancelled> {
        ready(()).await;
        Ok(cell.get())
    }

    #[cancelable(or = n, name = "or")]
    async fn with_or(cell: Cell<u32>, n: u32) -> u32 {
        ready(()).await;
        for _ in 0..n {
            ready(()).await;
        }
        cell.get()
    }

    #[cancelable(every = 2)]
    async fn with_every(list: Vec<u32>) -> Option<u32> {
        let mut sum = 0;
        for n in &list {
            sum += ready(n).await;
        }
        for n in list {
            sum += ready(n).await;
        }
        for n in (0..3).filter(|n| n % 2 == 0) {
            sum += ready(n).await;
        }
        while sum < 5 {
            sum += ready(1).await;
        }
        Some(sum)
    }

    #[cancelable]
    async fn selecting() -> Option<u32> {
        tokio::join!(ready(1), ready(2));
        Some(tokio::select! {
            n = ready(1) => ready(n).await,
            n = async { ready(2).await } => n,
        })
    }

    #[cancelable]
    async fn local() -> Option<u32> {
        let rc = Rc::new(1);
        ready(()).await;
        Some(*rc)
    }

    #[test]
    fn futures_are_send_where_the_plain_ones_are() {
        fn send<T: Send>(future: T) -> T {
            future
        }
        block_on(send(in_place(Cell::new(1)))).unwrap();
        block_on(send(with_scope(Cell::new(1), CancellationToken::new()))).unwrap();
        block_on(send(with_or(Cell::new(1), 2)));
        block_on(send(with_every(vec![1, 2, 3]))).unwrap();
        block_on(send(selecting())).unwrap();
        block_on(local()).unwrap();
        let job = || Job {
            n: Cell::new(1),
            name: String::new(),
        };
        assert_eq!(block_on(send(job().with_or_that_names_an_argument(7))), 0);
        assert_eq!(job().n.get(), 1);
        assert_eq!(block_on(send(of_what_is_not_send(7))), 7);
        assert_eq!(cancelled(|| block_on(of_what_is_not_send(7))), 0);
        assert_eq!(block_on(send(of_a_branch_that_is_not_send(0))), 1);
        assert_eq!(block_on(send(of_a_branch_that_is_not_send(7))), 8);
        assert_eq!(cancelled(|| block_on(of_a_branch_that_is_not_send(7))), 0);
    }

    struct Job {
        n: Cell<u32>,
        name: String,
    }

    /// What an await gives need not be `Send`, if it is not held across another.
    #[cancelable(name = "scope", or = 0)]
    async fn of_what_is_not_send(n: u32) -> u32 {
        struct Guard(u32, std::marker::PhantomData<*mut ()>);
        let guard = std::future::poll_fn(|_| std::task::Poll::Ready(Guard(n, std::marker::PhantomData)))
            .await
            .0;
        ready(guard).await
    }

    /// Nor need what a `select!` gives.
    #[cancelable(name = "scope", or = 0)]
    async fn of_a_branch_that_is_not_send(n: u32) -> u32 {
        struct Guard(u32, std::marker::PhantomData<*mut ()>);
        let guard = |n| std::future::poll_fn(move |_| std::task::Poll::Ready(Guard(n, std::marker::PhantomData)));
        tokio::select! {
            biased;
            Guard(0, _) = guard(n) => 1,
            guard = guard(n + 1) => guard.0,
        }
    }

    impl Job {
        #[cancelable(name = "scope", or = fallback as usize)]
        async fn with_or_that_names_an_argument(self, fallback: u32) -> usize {
            ready(self.name.len()).await
        }
    }
}

mod drop_order {
    use super::*;
    use std::cell::RefCell;

    #[derive(Clone, Copy)]
    struct Log<'a>(&'a RefCell<Vec<&'static str>>);

    struct D<'a>(Log<'a>, &'static str);

    impl Drop for D<'_> {
        fn drop(&mut self) {
            self.0.0.borrow_mut().push(self.1);
        }
    }

    /// The same function, plain and annotated, drops the same things in the same order: polled to the end, and dropped
    /// without having been polled.
    macro_rules! same_order {
        ($($name:ident: [$($options:tt)*] ($($arguments:tt)*) $body:block)*) => {$(
            #[test]
            fn $name() {
                #[allow(unused_variables, clippy::all)]
                async fn plain($($arguments)*) -> Result<(), Cancelled> $body

                #[cancelable($($options)*)]
                #[allow(unused_variables, clippy::all)]
                async fn annotated($($arguments)*) -> Result<(), Cancelled> $body

                let log = RefCell::new(vec![]);
                let d = |name| D(Log(&log), name);
                block_on(plain(d("a"), d("b"), d("c"), (d("d"), d("e")), d("f"))).unwrap();
                let expected = log.take();
                block_on(annotated(d("a"), d("b"), d("c"), (d("d"), d("e")), d("f"))).unwrap();
                assert_eq!(log.take(), expected);

                drop(plain(d("a"), d("b"), d("c"), (d("d"), d("e")), d("f")));
                let expected = log.take();
                drop(annotated(d("a"), d("b"), d("c"), (d("d"), d("e")), d("f")));
                assert_eq!(log.take(), expected);
            }
        )*};
    }

    same_order! {
        in_place: [] (a: D<'_>, b: D<'_>, _: D<'_>, (d, _): (D<'_>, D<'_>), mut f: D<'_>) {
            let x = D(a.0, "x");
            ready(&mut f).await;
            let y = D(a.0, "y");
            Ok(())
        }

        in_a_scope: [name = "scope"] (a: D<'_>, b: D<'_>, _: D<'_>, (d, _): (D<'_>, D<'_>), mut f: D<'_>) {
            let x = D(a.0, "x");
            ready(&mut f).await;
            let y = D(a.0, "y");
            Ok(())
        }

        moved_in_a_scope: [name = "scope"] (a: D<'_>, b: D<'_>, _: D<'_>, (d, _): (D<'_>, D<'_>), f: D<'_>) {
            ready(d).await;
            let b = b;
            ready(a).await;
            Ok(())
        }
    }

    /// The same of sync functions.
    macro_rules! same_order_sync {
        ($($name:ident: [$($options:tt)*] ($($arguments:tt)*) $body:block)*) => {$(
            #[test]
            fn $name() {
                #[allow(unused_variables, clippy::all)]
                fn plain($($arguments)*) -> Result<(), Cancelled> $body

                #[cancelable($($options)*)]
                #[allow(unused_variables, clippy::all)]
                fn annotated($($arguments)*) -> Result<(), Cancelled> $body

                let log = RefCell::new(vec![]);
                let d = |name| D(Log(&log), name);
                plain(d("a"), d("b"), d("c"), (d("d"), d("e")), d("f")).unwrap();
                let expected = log.take();
                annotated(d("a"), d("b"), d("c"), (d("d"), d("e")), d("f")).unwrap();
                assert_eq!(log.take(), expected);
            }
        )*};
    }

    same_order_sync! {
        sync_in_place: [] (a: D<'_>, b: D<'_>, _: D<'_>, (d, _): (D<'_>, D<'_>), mut f: D<'_>) {
            let x = D(a.0, "x");
            f.1 = "g";
            let y = D(a.0, "y");
            Ok(())
        }

        sync_in_a_scope: [name = "scope"] (a: D<'_>, b: D<'_>, _: D<'_>, (d, _): (D<'_>, D<'_>), mut f: D<'_>) {
            let x = D(a.0, "x");
            f.1 = "g";
            let y = D(a.0, "y");
            Ok(())
        }

        sync_moved_in_a_scope: [name = "scope"] (a: D<'_>, b: D<'_>, _: D<'_>, (d, _): (D<'_>, D<'_>), f: D<'_>) {
            drop(d);
            let b = b;
            drop(a);
            Ok(())
        }

        sync_in_a_scope_whose_name_contains_that_of_an_argument: [name = "self a b d f"] (a: D<'_>, b: D<'_>, _: D<'_>, (d, _): (D<'_>, D<'_>), f: D<'_>) {
            drop(d);
            let x = D(a.0, "x");
            drop(b);
            Ok(())
        }

        sync_in_a_scope_whose_options_name_an_argument: [name = a.1, timeout = std::time::Duration::from_secs(b.1.len() as u64 * 3600)] (a: D<'_>, b: D<'_>, _: D<'_>, (d, _): (D<'_>, D<'_>), f: D<'_>) {
            let x = D(f.0, "x");
            drop(d);
            Ok(())
        }

        sync_in_a_scope_or: [name = "scope", or = cancelable::check()] (a: D<'_>, b: D<'_>, _: D<'_>, (d, _): (D<'_>, D<'_>), mut f: D<'_>) {
            let x = D(a.0, "x");
            f.1 = "g";
            drop(d);
            Ok(())
        }
    }

    fn name(d: &D<'_>) -> &'static str {
        d.1
    }

    #[allow(dead_code)]
    /// An option may move a part of an argument out, where the body needs but the others.
    #[allow(clippy::boxed_local)]
    mod options_that_use_up {
        use super::*;

        struct Job {
            name: String,
            size: u32,
        }

        impl Job {
            #[cancelable(name = self.name)]
            fn boxed(self: Box<Self>) -> Result<u32, Cancelled> {
                Ok(self.size)
            }
        }

        #[cancelable(name = job.name)]
        fn argument(job: Box<Job>) -> Result<u32, Cancelled> {
            Ok(job.size)
        }

        #[test]
        fn a_part() {
            let job = || {
                Box::new(Job {
                    name: "job".to_owned(),
                    size: 3,
                })
            };
            assert_eq!(job().boxed().unwrap() + argument(job()).unwrap(), 6);
        }
    }

    #[allow(dead_code)]
    struct Three<'a> {
        a: D<'a>,
        b: D<'a>,
        c: D<'a>,
    }

    impl Three<'_> {
        fn plain(self, _: D<'_>) -> Result<(), Cancelled> {
            assert_eq!(name(&self.b), "b");
            drop(self.c);
            Ok(())
        }

        #[cancelable(name = "scope")]
        fn annotated(self, _: D<'_>) -> Result<(), Cancelled> {
            assert_eq!(name(&self.b), "b");
            drop(self.c);
            Ok(())
        }

        async fn plain_async(self, _: D<'_>) -> Result<(), Cancelled> {
            assert_eq!(name(&self.b), "b");
            drop(self.c);
            Ok(())
        }

        #[cancelable(name = "scope")]
        async fn annotated_async(self, _: D<'_>) -> Result<(), Cancelled> {
            assert_eq!(name(&self.b), "b");
            drop(self.c);
            Ok(())
        }
    }

    #[test]
    fn of_a_receiver_used_in_part() {
        let log = RefCell::new(vec![]);
        let d = |name| D(Log(&log), name);
        let three = || Three {
            a: d("a"),
            b: d("b"),
            c: d("c"),
        };
        three().plain(d("d")).unwrap();
        let expected = log.take();
        three().annotated(d("d")).unwrap();
        assert_eq!(log.take(), expected);

        block_on(three().plain_async(d("d"))).unwrap();
        assert_eq!(log.take(), expected);
        block_on(three().annotated_async(d("d"))).unwrap();
        assert_eq!(log.take(), expected);
        drop(three().plain_async(d("d")));
        let expected = log.take();
        drop(three().annotated_async(d("d")));
        assert_eq!(log.take(), expected);
    }
}

mod attributes_of_arguments {
    //! What a user says of lints on an argument holds where it has moved (this file denies warnings).
    use super::*;

    #[cancelable(name = "scope")]
    fn in_a_sync_scope(#[allow(unused_variables)] x: u32, #[allow(unused_mut)] mut y: u32) -> Result<u32, Cancelled> {
        Ok(y)
    }

    #[cancelable(name = "scope")]
    fn all_moved(
        #[allow(unused_mut)] mut y: u32,
        #[expect(unused_variables)] x: u32,
        #[cfg_attr(all(), allow(unused_variables))] z: u32,
        #[cfg(any())] gone: u32,
    ) -> Result<u32, Cancelled> {
        Ok(y)
    }

    #[cancelable(name = "scope")]
    async fn in_a_scope(
        #[expect(unused_variables)] x: u32,
        #[allow(unused_mut)] mut y: u32,
        #[cfg_attr(all(), allow(unused_variables))] (z, _): (u32, u32),
    ) -> Result<u32, Cancelled> {
        Ok(ready(y).await)
    }

    struct Gone;

    impl Gone {
        #[cancelable(name = "scope")]
        fn without_a_receiver(#[cfg(any())] self, mut n: u32) -> Result<u32, Cancelled> {
            n += 1;
            Ok(n)
        }

        #[cancelable(name = "scope")]
        async fn without_a_receiver_async(#[cfg(any())] self, n: u32) -> Result<u32, Cancelled> {
            Ok(ready(n).await)
        }
    }

    #[test]
    fn are_kept() {
        both!(in_a_sync_scope(1, 2), 2);
        both!(all_moved(1, 2, 3), 1);
        both!(await in_a_scope(1, 2, (3, 4)), 2);
        both!(Gone::without_a_receiver(1), 2);
        both!(await Gone::without_a_receiver_async(1), 1);
    }
}
