//! `every = n`: the loops go through what they went through, and check at every n-th turn, whatever they go through.

use cancelable::{CancellationToken, Cancelled, cancelable};
use std::cell::Cell;

/// For one expression to go through: the items, with a `break` and a `continue` on the way, plain and in pieces of every
/// size; and the turn at which a cancel in each turn is noticed.
macro_rules! same {
    ($($name:ident: $ty:ty = $items:expr;)*) => {$(
        #[test]
        #[allow(clippy::unnecessary_to_owned, clippy::iter_out_of_bounds, clippy::useless_vec, clippy::explicit_iter_loop, clippy::redundant_clone, clippy::explicit_into_iter_loop, clippy::reversed_empty_ranges)]
        fn $name() {
            fn plain(skip: usize, stop: usize) -> Vec<String> {
                let mut seen = vec![];
                let mut turn = 0;
                for item in $items {
                    turn += 1;
                    if turn == skip {
                        continue;
                    }
                    seen.push(format!("{item:?}"));
                    if turn == stop {
                        break;
                    }
                }
                seen
            }

            #[cancelable(every = every)]
            fn pieces(every: usize, skip: usize, stop: usize) -> Option<Vec<String>> {
                let mut seen = vec![];
                let mut turn = 0;
                'label: for item in $items {
                    turn += 1;
                    if turn == skip {
                        continue 'label;
                    }
                    let item: $ty = item;
                    seen.push(format!("{item:?}"));
                    if turn == stop {
                        break 'label;
                    }
                }
                Some(seen)
            }

            #[cancelable(every = every)]
            fn cancelled_in(every: usize, turn: usize, token: &CancellationToken, turns: &Cell<usize>) -> Result<(), Cancelled> {
                for _ in $items {
                    turns.set(turns.get() + 1);
                    if turns.get() == turn {
                        token.cancel();
                    }
                }
                Ok(())
            }

            let length = plain(0, 0).len();
            for every in [1, 2, 3, 4, 5, 7, 100, usize::MAX] {
                for skip in 0..=length.min(6) {
                    for stop in 0..=length.min(6) {
                        assert_eq!(pieces(every, skip, stop).unwrap(), plain(skip, stop), "{every} {skip} {stop}");
                    }
                }
                for turn in 1..=length.min(20) {
                    let token = CancellationToken::new();
                    let turns = Cell::new(0);
                    let result = token.sync_scope(|| cancelled_in(every, turn, &token, &turns));
                    // The next turn that checks: the first is number 0, then comes number `every`. Behind the last is none, if the
                    // iterator knows that it was the last.
                    let noticed = turn.div_ceil(every).saturating_mul(every);
                    let knows_its_end = match IntoIterator::into_iter($items) {
                        mut items => {
                            Iterator::by_ref(&mut items).take(length).for_each(drop);
                            items.size_hint().1 == Some(0)
                        }
                    };
                    let is_noticed = noticed < length || noticed == length && !knows_its_end;
                    assert_eq!(result.is_err(), is_noticed, "{every} {turn}");
                    assert_eq!(turns.get(), noticed.min(length), "{every} {turn}");
                }
            }
        }
    )*};
}

/// Neither `Copy` nor in need of a destructor.
#[derive(Debug)]
#[allow(dead_code, reason = "looked at by `Debug`")]
struct Unique(u32);

same! {
    slices: &u32 = &[1, 2, 3, 4, 5, 6];
    empty_slices: &u32 = <&[u32]>::default();
    slice_iterators: &u32 = [1, 2, 3, 4, 5].iter();
    mutable_slices: &mut u32 = &mut [1, 2, 3, 4];
    arrays: u32 = [1, 2, 3, 4, 5];
    arrays_of_owned: String = [String::from("a"), String::from("b"), String::from("c")];
    vectors: u32 = vec![1, 2, 3, 4, 5, 6, 7];
    arrays_of_what_is_not_copied: Unique = [Unique(1), Unique(2), Unique(3)];
    vectors_of_what_is_not_copied: Unique = vec![Unique(1), Unique(2), Unique(3), Unique(4), Unique(5)];
    vectors_of_nothing: () = vec![(); 5];
    vectors_of_mutable_references: &mut u32 = [1, 2, 3, 4].iter_mut().collect::<Vec<_>>();
    half_gone_through_vectors: Unique = { let mut items = vec![Unique(1), Unique(2), Unique(3), Unique(4)].into_iter(); items.next(); items.next_back(); items };
    vectors_of_owned: String = vec![String::from("a"); 5];
    borrowed_vectors: &String = &vec![String::from("a"); 5];
    ranges: i32 = -2..4;
    empty_ranges: i32 = 4..4;
    backward_ranges: i32 = 4..-4;
    untyped_ranges: i32 = 0..10;
    whole_ranges: u8 = 0..255u8;
    signed_ranges: i8 = i8::MIN..i8::MAX;
    wide_ranges: u128 = u128::MAX - 5..u128::MAX;
    inclusive_ranges: usize = 1..=6;
    inclusive_of_one: u8 = 255..=255u8;
    inclusive_backward: u8 = 6..=1u8;
    inclusive_whole: u8 = 0..=255u8;
    inclusive_signed: i8 = i8::MIN..=i8::MAX;
    exhausted_inclusive: u8 = { let mut range = 1..=3u8; range.by_ref().for_each(drop); range };
    half_exhausted_inclusive: u8 = { let mut range = 1..=6u8; range.next(); range.next_back(); range };
    chars: char = 'a'..='f';
    texts: char = "cancelable".chars();
    adapters: (usize, u32) = [1, 2, 3, 4].iter().copied().enumerate();
    zips: (u32, char) = (1..=5).zip("abcdefg".chars());
    filters: u32 = (0..20u32).filter(|n| n % 3 == 0);
    chains: u32 = (0..3).chain(7..9);
    options: u32 = Some(3).into_iter();
    reversed: u32 = (0..7).rev();
    maps: (u32, char) = std::collections::BTreeMap::from([(1, 'a'), (2, 'b'), (3, 'c')]);
    copied: u32 = [1, 2, 3, 4, 5].iter().copied();
    cloned: String = vec![String::from("a"), String::from("b"), String::from("c")].iter().cloned();
    enumerated: (usize, &u32) = [1, 2, 3, 4, 5].iter().enumerate();
    windows: &[u32] = [1, 2, 3, 4, 5].windows(2);
    chunks: &[u32] = [1, 2, 3, 4, 5].chunks(2);
    exact_chunks: &[u32] = [1, 2, 3, 4, 5].chunks_exact(2);
    mutable_chunks: &mut [u32] = [1, 2, 3, 4, 5].chunks_mut(2);
    every_third: &u32 = [1, 2, 3, 4, 5, 6, 7].iter().step_by(3);
    every_third_of_a_range: u32 = (0..17).step_by(3);
    from_the_back: (usize, &u32) = [1, 2, 3, 4, 5].iter().enumerate().rev();
    stepping_back: u32 = (0..17).step_by(3).rev();
    zipped: ((&u32, &u32), u32) = [1, 2, 3, 4, 5].iter().zip(&[7, 8, 9]).zip(0..8u32);
    mapped: u32 = [1, 2, 3, 4, 5].iter().map(|n| n * 2);
    skipped: &u32 = [1, 2, 3, 4, 5].iter().skip(2);
    taken: &u32 = [1, 2, 3, 4, 5].iter().take(3);
    nothing_left_to_skip: &u32 = [1, 2].iter().skip(3);
    by_reference: u32 = &mut (0..5u32);
    wider_than_any_bound: u128 = (0..u128::MAX).skip(usize::MAX).take(3);
    wide_inclusive_ranges: u128 = u128::MAX - 5..=u128::MAX;
    inclusive_of_the_largest: u64 = u64::MAX - 4..=u64::MAX;
    without_size: u32 = { let mut n = 0; std::iter::from_fn(move || { n += 1; (n < 8).then_some(n) }) };
    not_fused: u32 = { let mut n = 0; std::iter::from_fn(move || { n += 1; (n % 5 != 0).then_some(n) }) };
}

#[test]
fn what_the_items_are_may_be_known_from_the_body() {
    fn children(of: &String) -> Vec<String> {
        let all = ["a", "b"].iter().map(|letter| format!("{of}{letter}"));
        all.filter(|name| name.len() < 4).collect()
    }

    #[cancelable(every = 2)]
    fn breadth_first(root: &str) -> Option<usize> {
        let mut frontier = Vec::new();
        let mut next = vec![];
        let mut seen = 0;
        loop {
            for name in std::mem::take(&mut frontier) {
                seen += 1;
                next.extend(children(&name));
            }
            if seen == 0 {
                next.push(root.to_owned());
            }
            if next.is_empty() {
                return Some(seen);
            }
            frontier = std::mem::take(&mut next);
        }
    }
    assert_eq!(breadth_first("a"), Some(1 + 2 + 4));

    #[cancelable(every = 2)]
    fn defaults() -> Option<usize> {
        let mut length = 0;
        for text in [Default::default(), Default::default()] {
            let text: String = text;
            length += text.len() + 1;
        }
        Some(length)
    }
    assert_eq!(defaults(), Some(2));
}

mod what_the_size_hint_says {
    use super::*;

    /// What is said when so many are left.
    type Hint = fn(u32) -> (usize, Option<usize>);

    /// Counts down, and notes when it has said that this is the end.
    struct Down<'a> {
        left: u32,
        ended: &'a Cell<u32>,
        hint: Hint,
    }

    impl Iterator for Down<'_> {
        type Item = u32;

        fn next(&mut self) -> Option<u32> {
            let next = self.left.checked_sub(1);
            match next {
                Some(next) => self.left = next,
                None => self.ended.set(self.ended.get() + 1),
            }
            next
        }

        fn size_hint(&self) -> (usize, Option<usize>) {
            (self.hint)(self.left)
        }
    }

    #[cancelable(every = 4)]
    fn items(of: Down<'_>, token: Option<&CancellationToken>) -> Option<u32> {
        let mut items = 0;
        for n in of {
            items += 1;
            if n == 0 {
                token.map(CancellationToken::cancel);
            }
        }
        Some(items)
    }

    #[test]
    fn matters_to_nobody_without_a_scope() {
        let right = |left| (left as usize, Some(left as usize));
        let hints: [Hint; 4] = [
            right,
            |_| (0, Some(0)),
            |_| (usize::MAX, Some(0)),
            |_| panic!("not asked"),
        ];
        for (hint, left) in hints.into_iter().flat_map(|hint| [(hint, 0), (hint, 7), (hint, 8)]) {
            let ended = &Cell::new(0);
            assert_eq!(items(Down { left, ended, hint }, None), Some(left));
            assert_eq!(ended.get(), 1);
        }
    }

    #[test]
    fn matters_under_a_cancel_only_for_the_check() {
        let ended = &Cell::new(0);
        let none: Hint = |_| (0, Some(0));
        let token = CancellationToken::new();
        let down = Down {
            left: 8,
            ended,
            hint: none,
        };
        assert_eq!(token.sync_scope(|| items(down, Some(&token))), Some(8));
        assert_eq!(ended.get(), 1);
    }
}

#[test]
fn the_end_does_what_it_did() {
    fn called(go_through: fn(&Cell<u32>)) -> u32 {
        let calls = Cell::new(0);
        go_through(&calls);
        calls.get()
    }
    fn with<'a, I>(calls: &'a Cell<u32>, items: impl FnOnce(&'a Cell<u32>) -> I) -> I {
        items(calls)
    }
    macro_rules! same_calls {
        ($($items:expr;)*) => {$({
            let plain = called(|calls| for _ in with(calls, $items) {});
            let pieces = called(|calls| {
                #[cancelable(every = 2)]
                fn pieces(calls: &Cell<u32>) -> Option<()> {
                    for _ in with(calls, $items) {}
                    Some(())
                }
                pieces(calls).unwrap();
            });
            assert_eq!(pieces, plain, stringify!($items));
        })*};
    }
    const fn noting<T>(calls: &Cell<u32>) -> impl Fn(T) -> T {
        |item| {
            calls.set(calls.get() + 1);
            item
        }
    }
    // What is behind the last step, and the item that has no other to be zipped with.
    same_calls! {
        |calls| (0..20).map(noting(calls)).step_by(3);
        |calls| (0..20).map(noting(calls)).zip(0..7);
        |calls| [1, 2, 3, 4].iter().map(noting(calls)).zip(&[1, 2, 3]);
        |calls| (0..3).map(noting(calls)).skip(5);
        |calls| (0..9).map(noting(calls)).take(5);
    }
}

#[test]
fn a_counted_loop_checks_as_often() {
    #[cancelable(every = 4)]
    fn counted(token: &CancellationToken, turns: &Cell<u32>) -> Result<(), Cancelled> {
        while turns.get() < 100 {
            turns.set(turns.get() + 1);
            if turns.get() == 5 {
                token.cancel();
            }
        }
        Ok(())
    }
    let token = CancellationToken::new();
    let turns = Cell::new(0);
    assert!(token.sync_scope(|| counted(&token, &turns)).is_err());
    assert_eq!(turns.get(), 8);
}

#[test]
fn items_are_dropped_as_they_were() {
    struct Item<'a>(&'a Cell<u32>);

    impl Drop for Item<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[cancelable(every = 2)]
    fn first(items: Vec<Item<'_>>) -> Option<u32> {
        for item in items {
            if item.0.get() == 0 {
                return Some(item.0.get());
            }
        }
        None
    }
    let dropped = Cell::new(0);
    let items = (0..5).map(|_| Item(&dropped)).collect();
    assert_eq!(first(items), Some(0));
    assert_eq!(dropped.get(), 5);
}

#[test]
fn what_is_gone_through_may_be_a_temporary() {
    #[cancelable(every = 2)]
    fn sum(list: &std::sync::Mutex<Vec<u32>>) -> Option<u32> {
        let mut sum = 0;
        for n in list.lock().unwrap().iter() {
            sum += n;
        }
        let second = list.lock().unwrap().len() as u32;
        Some(sum + second)
    }
    assert_eq!(sum(&std::sync::Mutex::new(vec![1, 2, 3])), Some(9));
}

#[test]
fn in_async_code_too() {
    #[cancelable(every = 3)]
    async fn sum(list: &mut [u32]) -> Result<u32, Cancelled> {
        let mut sum = 0;
        for n in list.iter_mut() {
            *n += std::future::ready(1).await;
            sum += *n;
        }
        for (index, n) in list.iter().enumerate() {
            sum += std::future::ready(*n).await * u32::try_from(index).unwrap_or(0);
        }
        Ok(sum)
    }
    assert_eq!(
        futures::executor::block_on(sum(&mut [1, 2, 3, 4])).unwrap(),
        14 + 3 + 8 + 15
    );
}

mod on_one_loop {
    use super::*;

    /// The turns made by a loop whose token is cancelled in its fifth.
    fn turns_of(function: fn(&CancellationToken, &Cell<usize>) -> Option<()>) -> usize {
        let token = CancellationToken::new();
        let turns = Cell::new(0);
        token.sync_scope(|| function(&token, &turns));
        turns.get()
    }

    fn turn(token: &CancellationToken, turns: &Cell<usize>) {
        turns.set(turns.get() + 1);
        if turns.get() == 5 {
            token.cancel();
        }
    }

    #[cancelable]
    fn of_a_for(token: &CancellationToken, turns: &Cell<usize>) -> Option<()> {
        #[cancelable(every = 8)]
        for _ in 0..100 {
            turn(token, turns);
        }
        Some(())
    }

    #[cancelable]
    fn of_a_while(token: &CancellationToken, turns: &Cell<usize>) -> Option<()> {
        #[cancelable(every = 8)]
        while turns.get() < 100 {
            turn(token, turns);
        }
        Some(())
    }

    #[cancelable(every = 3)]
    fn of_a_loop(token: &CancellationToken, turns: &Cell<usize>) -> Option<()> {
        let many = 8;
        #[cancelable(every = many)]
        loop {
            turn(token, turns);
        }
    }

    #[test]
    fn it_has_its_own() {
        assert_eq!(turns_of(of_a_for), 8);
        assert_eq!(turns_of(of_a_while), 8);
        assert_eq!(turns_of(of_a_loop), 8);
    }

    #[cancelable(every = n)]
    fn within_another(n: usize, token: &CancellationToken, turns: &Cell<usize>) -> Option<()> {
        #[cancelable(every = n / 2)]
        for _ in 0..10 {
            for _ in 0..3 {
                turn(token, turns);
            }
        }
        Some(())
    }

    #[test]
    fn the_loops_inside_keep_that_of_the_function() {
        // The inner one checks at each of its beginnings, the outer one at every fourth of its turns.
        let token = CancellationToken::new();
        let turns = Cell::new(0);
        assert_eq!(token.sync_scope(|| within_another(8, &token, &turns)), None);
        assert_eq!(turns.get(), 6);
    }

    #[cancelable]
    fn left(token: &CancellationToken, turns: &Cell<usize>) -> Option<()> {
        #[cancelable(break, every = 8)]
        for _ in 0..100 {
            turn(token, turns);
        }
        #[cancelable(every = 4)]
        #[cancelable(break)]
        while turns.get() < 100 {
            turn(token, turns);
        }
        turns.set(turns.get() + 1000);
        Some(())
    }

    #[test]
    fn it_goes_with_break() {
        assert_eq!(turns_of(left), 1008);
    }

    #[cancelable(yield_every = 1)]
    async fn pausing(turns: usize) -> Option<usize> {
        let mut pauses = 0;
        #[cancelable(every = 4)]
        for turn in 0..turns {
            pauses = turn;
        }
        Some(pauses)
    }

    #[test]
    fn pauses_come_no_more_often() {
        let token = CancellationToken::new();
        let mut future = std::pin::pin!(token.scope(pausing(10)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut polls = 1;
        while future.as_mut().poll(&mut context).is_pending() {
            polls += 1;
        }
        assert_eq!(polls, 4);
    }
}
