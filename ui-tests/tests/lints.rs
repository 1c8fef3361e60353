//! Generated code sets off no lint in the user's crate: not of rustc, not of clippy, not even of those that few turn
//! on. Compiled here for rustc's, and by `cargo clippy --all-targets` for clippy's.

#![deny(
    warnings,
    future_incompatible,
    let_underscore,
    nonstandard_style,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    unused,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    keyword_idents,
    meta_variable_misuse,
    missing_copy_implementations,
    missing_debug_implementations,
    non_ascii_idents,
    noop_method_call,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unreachable_pub,
    unsafe_code,
    unused_extern_crates,
    unused_import_braces,
    unused_lifetimes,
    unused_macro_rules,
    unused_qualifications,
    variant_size_differences,
    clippy::all,
    clippy::cargo,
    clippy::nursery,
    clippy::pedantic
)]
#![deny(
    clippy::absolute_paths,
    clippy::allow_attributes_without_reason,
    clippy::as_conversions,
    clippy::clone_on_ref_ptr,
    clippy::default_numeric_fallback,
    clippy::else_if_without_else,
    clippy::exhaustive_enums,
    clippy::if_then_some_else_none,
    clippy::let_underscore_must_use,
    clippy::let_underscore_untyped,
    clippy::map_err_ignore,
    clippy::mem_forget,
    clippy::missing_assert_message,
    clippy::needless_raw_strings,
    clippy::panic,
    clippy::panic_in_result_fn,
    clippy::pattern_type_mismatch,
    clippy::redundant_type_annotations,
    clippy::rest_pat_in_fully_bound_structs,
    clippy::same_name_method,
    clippy::semicolon_inside_block,
    clippy::semicolon_outside_block,
    clippy::separated_literal_suffix,
    clippy::shadow_reuse,
    clippy::shadow_same,
    clippy::shadow_unrelated,
    clippy::string_add,
    clippy::todo,
    clippy::try_err,
    clippy::undocumented_unsafe_blocks,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unseparated_literal_suffix,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    clippy::use_debug,
    clippy::wildcard_enum_match_arm
)]
#![allow(
    clippy::cargo_common_metadata,
    clippy::multiple_crate_versions,
    clippy::semicolon_inside_block,
    reason = "of the package, and of a pair that exclude each other"
)]
// What tests do, and the expansion has no part in.
#![allow(
    clippy::unused_async,
    clippy::missing_const_for_fn,
    clippy::allow_attributes_without_reason
)]
#![allow(
    clippy::default_numeric_fallback,
    clippy::absolute_paths,
    clippy::infinite_loop,
    clippy::empty_loop
)]
#![allow(clippy::redundant_pub_crate, clippy::many_single_char_names, clippy::manual_async_fn)]
#![allow(clippy::future_not_send, reason = "futures with a `Rc`, and generic ones")]

use cancelable::{CancellationToken, Cancelled, cancel_scope, cancelable, race, shield};
use std::future::{Ready, pending, ready};
use std::time::Duration;

struct Point {
    x: u32,
    y: u32,
}

/// Clean-up, marked and behind a scope.
mod clean_up {
    use super::*;

    #[cancelable(scope, until = pending::<()>())]
    pub(crate) async fn marked(n: u32) -> Result<u32, Cancelled> {
        #[cancelable(shield)]
        ready(()).await;
        #[cancelable(shield)]
        ready(Ok::<_, Cancelled>(())).await?;
        #[cancelable(shield = "1h")]
        let mut m = ready(n).await;
        #[cancelable(shield)]
        let () = ready(()).await;
        #[cancelable(shield = Duration::MAX)]
        {
            m += ready(1).await;
        }
        #[cancelable(shield)]
        if m > 5 {
            return Ok(m);
        }
        #[cancelable(shield)]
        m = ready(m).await;
        #[cancelable(shield)]
        for _ in 0..2 {
            ready(()).await;
        }
        #[cancelable(shield)]
        {
            ready(Ok(m)).await
        }
    }

    #[cancelable(or = 0, scope)]
    pub(crate) async fn marked_or(n: u32) -> u32 {
        #[cancelable(shield = "1h")]
        {
            #[cancelable(shield)]
            ready(()).await;
        }
        #[cancelable(shield)]
        return ready(n).await;
    }

    #[cancelable(or = ())]
    pub(crate) fn nothing(list: &mut Vec<u32>) {
        #[cancelable(shield)]
        list.push(1);
        #[cancelable(shield = "1h")]
        for n in 0..2 {
            list.push(n);
        }
        #[cancelable(shield)]
        {
            list.push(3);
        }
    }

    #[cancelable]
    pub(crate) fn leaves(n: u32) -> Result<u32, Cancelled> {
        #[cancelable(shield)]
        {
            if n > 3 {
                return Ok(3);
            }
            return Ok(n);
        }
    }

    #[cancelable]
    pub(crate) async fn behind_a_scope(list: &mut Vec<u32>) -> Result<usize, Cancelled> {
        cancel_scope!(grace = "1s", finally = async { list.push(ready(1).await) }, async {
            Ok(ready(list.len()).await)
        })
        .await
    }

    pub(crate) fn behind_a_sync_scope(list: &mut Vec<u32>) -> Option<usize> {
        cancel_scope!(finally = { list.push(1) }, { Some(list.len()) })
    }
}

/// Options of every kind, on async functions.
mod asynchronous {
    use super::*;

    #[cancelable]
    pub(crate) async fn plain(n: u32) -> Result<u32, Cancelled> {
        ready(n).await;
        Ok(ready(n).await)
    }

    #[cancelable]
    pub(crate) async fn loops(list: &[u32]) -> Option<u32> {
        use std::ops::Add as _;
        const STEP: u32 = 1;
        let mut sum = 0;
        for n in list {
            sum = ready(*n).await.add(sum);
        }
        while sum < 10 {
            sum += STEP;
        }
        while let Some(n) = ready(list.get(usize::try_from(sum).ok()?)).await {
            sum += n;
        }
        'outer: loop {
            loop {
                if sum > 20 {
                    break 'outer;
                }
                sum += 1;
                if sum == 15 {
                    continue 'outer;
                }
            }
        }
        Some(sum)
    }

    /// What is awaited becomes the argument of a call, where it needs fewer parentheses.
    #[cancelable]
    pub(crate) async fn bases(
        mut lent: impl Future<Output = u32> + Unpin,
        pair: (Ready<u32>, u32),
    ) -> Result<u32, Cancelled> {
        let mut sum: u32 = (&mut lent).await;
        sum += (if sum > 3 { pair.0 } else { ready(pair.1) }).await;
        sum += (async { 3 }).await;
        ({ ready(()) }).await;
        ready(Ok::<(), Cancelled>(())).await?;
        for n in ready([1, 2]).await {
            sum += n;
        }
        Ok(sum)
    }

    async fn serve() -> ! {
        pending().await
    }

    /// Nothing comes behind.
    #[cancelable]
    pub(crate) async fn serves() -> Result<(), Cancelled> {
        serve().await;
    }

    #[cancelable(timeout = "1m")]
    pub(crate) async fn serves_in_scope() -> Result<(), Cancelled> {
        serve().await;
    }

    #[cancelable(name = "turns", every = often, yield_every = pause)]
    pub(crate) async fn turns(often: usize, pause: usize, n: u32) -> Result<u32, Cancelled> {
        let mut sum = 0;
        for i in 0..n {
            sum += i;
        }
        while sum > 10 {
            sum -= 10;
        }
        while ready(sum).await > 5 {
            sum -= 1;
        }
        Ok(sum)
    }

    /// An option that finds nothing to do is no variable that nobody uses.
    #[cancelable(every = often, yield_every = often)]
    pub(crate) async fn no_turns(often: usize) -> Result<u32, Cancelled> {
        Ok(ready(1).await)
    }

    #[cancelable(name = "scope", timeout = "1h", grace = "1s", token = token, every = 16)]
    pub(crate) async fn scope(
        _unused: u32,
        mut list: Vec<u32>,
        (a, _): (u32, u32),
        Point { x, y: _ }: Point,
        token: &CancellationToken,
        unit: (),
    ) -> Result<u32, Cancelled> {
        list.push(a);
        let mut sum = x;
        for n in &list {
            sum += n;
        }
        for n in list {
            sum += ready(n).await;
        }
        while sum < 10 {
            sum += 1;
        }
        ready(unit).await;
        Ok(sum)
    }

    #[cancelable(timeout = limit, name = name)]
    pub(crate) async fn only_in_options(limit: Duration, name: &'static str) -> Result<(), Cancelled> {
        ready(()).await;
        Ok(())
    }

    #[cancelable(name = name)]
    pub(crate) async fn used_up(name: String, mut list: Vec<u32>) -> Result<(), Cancelled> {
        list.push(1);
        ready(list).await;
        Ok(())
    }

    #[cancelable(or = default, timeout = "1h")]
    pub(crate) async fn or_scope(default: u32, text: String) -> u32 {
        if text.is_empty() {
            return 0;
        }
        ready(default + 1).await
    }

    #[cancelable(or = ())]
    pub(crate) async fn nothing(n: &mut u32) {
        *n += ready(1).await;
    }

    #[cancelable(or = ())]
    pub(crate) async fn empty() {}

    #[cancelable(or = (), name = "empty")]
    pub(crate) async fn empty_scope() {}

    #[cancelable(or = 3)]
    pub(crate) async fn endless() -> u32 {
        loop {
            ready(()).await;
        }
    }

    #[cancelable(or = 3, name = "endless")]
    pub(crate) async fn endless_scope() -> u32 {
        loop {
            ready(()).await;
        }
    }

    #[cancelable]
    pub(crate) async fn returns(n: u32) -> Result<u32, Cancelled> {
        if n > 3 {
            return Err(cancelable::check().expect_err("cancelled"));
        }
        let Some(m) = ready(Some(n)).await else { return Ok(0) };
        match ready(m).await {
            0 => Ok(1),
            other => Ok(ready(other).await),
        }
    }

    #[cancelable]
    pub(crate) async fn helpers(n: u32) -> Result<u32, Cancelled> {
        let mut sum = 0;
        #[cancelable(skip)]
        for m in 0..n {
            sum += ready(m).await;
        }
        #[cancelable(finish)]
        ready(()).await;
        let finished = #[cancelable(finish)]
        ready(n).await;
        #[cancelable(break)]
        for m in 0..n {
            sum += ready(m).await;
        }
        Ok(sum + finished)
    }

    #[cancelable]
    pub(crate) async fn macros(n: u32) -> Result<String, Cancelled> {
        let list = vec![ready(n).await, 2];
        let text = format!("{} {list:?}", ready(n).await);
        assert!(ready(true).await, "a message");
        assert_eq!(ready(n).await, n, "a message");
        let found = matches!(ready(Some(n)).await, Some(1));
        let (a, b) = tokio::join!(ready(n), async { 2 });
        let c = tokio::select! {
            Some(m) = ready(Some(n)), if found => m,
            m = ready(n) => ready(m).await,
            else => 0,
        };
        let d = race!(ready(1), ready(2)).await;
        let e = shield!(async { ready(1).await }).await;
        let only = cancel_scope!(async { shield!(async move { Some(1) }).await }).await;
        assert_eq!(only, Some(1), "a message");
        let f = cancel_scope!(timeout = "1h", token = inner, async {
            let mut turns = 0;
            while turns < 3 && !inner.is_cancelled() {
                turns += ready(1).await;
            }
            Ok::<u32, Cancelled>(turns)
        })
        .await?;
        Ok(format!("{text}{a}{b}{c}{d}{e}{f}"))
    }

    #[cancelable]
    pub(crate) fn tail(n: u32) -> impl Future<Output = Result<u32, Cancelled>> {
        async move { Ok(ready(n).await) }
    }

    #[cancelable(name = "tail", timeout = "1h")]
    pub(crate) fn tail_scope(n: u32) -> impl Future<Output = Result<u32, Cancelled>> {
        async move { Ok(ready(n).await) }
    }

    #[cancelable(or = 3, name = "tail")]
    pub(crate) fn tail_or(n: u32) -> impl Future<Output = u32> {
        async move { ready(n).await }
    }

    #[cancelable]
    pub(crate) async fn token(#[token] token: &CancellationToken, n: u32) -> Result<u32, Cancelled> {
        if token.is_cancelled() { Ok(0) } else { Ok(n) }
    }
}

/// The same on sync ones.
mod sync {
    use super::*;

    #[cancelable]
    pub(crate) fn plain(n: u32) -> Result<u32, Cancelled> {
        for _ in 0..n {}
        Ok(n)
    }

    #[cancelable(name = "scope", timeout = "1h")]
    pub(crate) fn scope(n: u32, _unused: u32, mut list: Vec<u32>) -> Result<u32, Cancelled> {
        list.push(n);
        for _ in &list {}
        Ok(n)
    }

    #[cancelable(or = 0)]
    pub(crate) fn or(n: u32) -> u32 {
        n
    }

    #[cancelable(or = 0, name = "scope")]
    pub(crate) fn or_scope(n: u32) -> u32 {
        if n > 3 {
            return n;
        }
        for _ in 0..n {}
        n
    }

    #[cancelable(or = ())]
    pub(crate) fn nothing() {}

    #[cancelable(or = (), name = "nothing")]
    pub(crate) fn nothing_scope() {}

    #[cancelable(or = 1)]
    pub(crate) fn endless() -> u32 {
        loop {}
    }

    #[cancelable(or = 1, name = "endless")]
    pub(crate) fn endless_scope() -> u32 {
        loop {}
    }

    #[cancelable(every = 8)]
    pub(crate) fn every(list: &mut [u32], n: u32) -> Option<u32> {
        for item in list.iter_mut() {
            *item += 1;
        }
        for item in 0..=n {
            if item == 3 {
                continue;
            }
            if item == 7 {
                break;
            }
        }
        for (index, item) in list.iter().enumerate() {
            if index == 7 {
                return Some(*item);
            }
        }
        let mut turns = 0;
        loop {
            turns += 1;
            if turns == n {
                break;
            }
        }
        Some(turns)
    }

    #[cancelable(token = token)]
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn linked(token: CancellationToken) -> Result<(), Cancelled> {
        for _ in 0..3 {}
        Ok(())
    }

    #[cancelable(token = &token)]
    pub(crate) fn linked_reference(token: &CancellationToken) -> Result<(), Cancelled> {
        for _ in 0..3 {}
        Ok(())
    }
}

/// What clippy would say of the code without the attribute, or not say.
#[allow(
    unit_bindings,
    clippy::ignored_unit_patterns,
    reason = "these tell of a unit from an `.await`, too"
)]
mod as_without {
    use super::*;

    #[cancelable]
    pub(crate) async fn units() -> Result<(), Cancelled> {
        let _ = ready(()).await;
        let unit = ready(()).await;
        #[cancelable(finish)]
        let _ = (ready(unit)).await;
        let () = ready(()).await;
        Ok(())
    }

    /// Nothing in it to wait for, and it is known.
    #[cancelable(name = "scope")]
    #[expect(clippy::unused_async, reason = "a trait may ask for it")]
    pub(crate) async fn waits_for_nothing() -> Result<(), Cancelled> {
        Ok(())
    }

    #[cancelable]
    #[expect(clippy::unnecessary_wraps, clippy::unused_async, unused_variables)]
    pub(crate) async fn expects(n: u32) -> Result<(), Cancelled> {
        Ok(())
    }

    type Handlers = std::collections::HashMap<String, Vec<Box<dyn Fn(u32, u32) -> u32>>>;

    pub(crate) trait Table {
        #[allow(clippy::type_complexity)]
        fn read(&self) -> Result<(Vec<Box<dyn Fn(u32, u32) -> Result<u32, u32>>>, Option<Handlers>), Cancelled>;

        #[allow(clippy::type_complexity)]
        async fn wait(&self) -> Result<(Vec<Box<dyn Fn(u32, u32) -> Result<u32, u32>>>, Option<Handlers>), Cancelled>;
    }

    impl Table for u32 {
        #[cancelable(name = "scope")]
        fn read(&self) -> Result<(Vec<Box<dyn Fn(Self, Self) -> Result<Self, Self>>>, Option<Handlers>), Cancelled> {
            for _ in 0..*self {}
            Ok((vec![], None))
        }

        #[cancelable(name = "scope")]
        async fn wait(
            &self,
        ) -> Result<(Vec<Box<dyn Fn(Self, Self) -> Result<Self, Self>>>, Option<Handlers>), Cancelled> {
            ready(()).await;
            Ok((vec![], None))
        }
    }

    /// One expression, in braces that it needs.
    #[cancelable(name = "scope")]
    pub(crate) async fn one_expression() -> Result<u32, Cancelled> {
        Ok(3)
    }

    pub(crate) async fn one_expression_with_token() -> Result<u32, Cancelled> {
        cancel_scope!(token = token, async { wait_for(&token).await }).await
    }

    async fn wait_for(_: &CancellationToken) -> Result<u32, Cancelled> {
        Ok(ready(1).await)
    }
}

struct Holder {
    limit: Duration,
    sum: u32,
}

#[cancelable(name = "holder")]
impl Holder {
    async fn load(&mut self, n: u32) -> Result<u32, Cancelled> {
        self.sum += ready(n).await;
        Ok(self.sum)
    }

    #[cancelable(timeout = self.limit)]
    async fn limited(&self) -> Result<u32, Cancelled> {
        pending::<()>().await;
        Ok(self.sum)
    }

    fn find(&self, n: u32) -> Option<u32> {
        (0..n).find(|m| *m == self.sum)
    }

    #[cancelable(skip)]
    async fn close(self) {
        ready(self.sum).await;
    }
}

#[test]
fn all_of_it_runs() {
    use as_without::Table as _;
    use futures::executor::block_on;
    block_on(async {
        let token = CancellationToken::new();
        assert_eq!(asynchronous::plain(1).await.ok(), Some(1), "plain");
        let bases = asynchronous::bases(ready(2), (ready(0), 4)).await;
        assert_eq!(bases.ok(), Some(12), "bases");
        drop(asynchronous::serves());
        drop(asynchronous::serves_in_scope());
        assert_eq!(asynchronous::turns(2, 3, 5).await.ok(), Some(5), "turns");
        assert_eq!(asynchronous::no_turns(2).await.ok(), Some(1), "no turns");
        assert_eq!(asynchronous::loops(&[1, 2]).await, Some(21), "loops");
        let point = Point { x: 1, y: 2 };
        assert_eq!(point.y, 2, "a field");
        let sum = asynchronous::scope(0, vec![1, 2], (3, 4), point, &token, ()).await;
        assert_eq!(sum.ok(), Some(13), "scope");
        assert!(
            asynchronous::only_in_options(Duration::MAX, "n").await.is_ok(),
            "options"
        );
        assert!(asynchronous::used_up(String::new(), vec![]).await.is_ok(), "options");
        assert_eq!(asynchronous::or_scope(1, String::from("x")).await, 2, "or");
        let mut n = 0;
        asynchronous::nothing(&mut n).await;
        asynchronous::empty().await;
        asynchronous::empty_scope().await;
        assert_eq!(n, 1, "nothing");
        assert_eq!(clean_up::marked(2).await.ok(), Some(3), "marked");
        assert_eq!(clean_up::marked_or(2).await, 2, "marked");
        assert_eq!(clean_up::behind_a_scope(&mut vec![1]).await.ok(), Some(1), "finally");
        assert_eq!(asynchronous::returns(2).await.ok(), Some(2), "returns");
        assert_eq!(asynchronous::helpers(3).await.ok(), Some(9), "helpers");
        assert_eq!(
            asynchronous::macros(3).await.ok().as_deref(),
            Some("3 [3, 2]323113"),
            "macros"
        );
        assert_eq!(asynchronous::tail(3).await.ok(), Some(3), "tail");
        assert_eq!(asynchronous::tail_scope(3).await.ok(), Some(3), "tail");
        assert_eq!(asynchronous::tail_or(4).await, 4, "tail");
        assert_eq!(asynchronous::token(3).await.ok(), Some(3), "token");
        assert!(as_without::units().await.is_ok(), "units");
        assert!(as_without::waits_for_nothing().await.is_ok(), "expectations");
        assert!(as_without::expects(1).await.is_ok(), "expectations");
        assert!(3.read().is_ok() && 3.wait().await.is_ok(), "complex types");
        assert_eq!(as_without::one_expression().await.ok(), Some(3), "braces");
        assert_eq!(as_without::one_expression_with_token().await.ok(), Some(1), "braces");
        token.cancel();
        assert_eq!(token.scope(asynchronous::endless()).await, 3, "endless");
        assert_eq!(token.scope(asynchronous::endless_scope()).await, 3, "endless");
        let mut holder = Holder {
            limit: Duration::from_millis(1),
            sum: 1,
        };
        assert_eq!(holder.load(2).await.ok(), Some(3), "load");
        assert_eq!(holder.find(4), Some(3), "find");
        assert!(holder.limited().await.is_err(), "limited");
        holder.close().await;
    });
    assert_eq!(sync::plain(1).ok(), Some(1), "plain");
    assert_eq!(sync::scope(1, 2, vec![]).ok(), Some(1), "scope");
    assert_eq!(sync::or(1) + sync::or_scope(1), 2, "or");
    sync::nothing();
    let mut list = vec![1];
    clean_up::nothing(&mut list);
    assert_eq!(clean_up::behind_a_sync_scope(&mut list), Some(5), "finally");
    assert_eq!(clean_up::leaves(5).ok(), Some(3), "leaves");
    sync::nothing_scope();
    let token = CancellationToken::new();
    assert!(sync::linked_reference(&token).is_ok(), "linked");
    assert!(sync::linked(token.clone()).is_ok(), "linked");
    token.cancel();
    assert_eq!(
        token.sync_scope(|| sync::endless() + sync::endless_scope()),
        2,
        "endless"
    );
    assert_eq!(sync::every(&mut [1, 2], 9), Some(9), "every");
}
