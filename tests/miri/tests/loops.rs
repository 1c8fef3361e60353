//! Loops with `every = N`, which ask counted iterators for items unchecked: every kind, in pieces of every size, also left early
//! and with items that panic.

use cancelable::cancelable;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Goes through it plainly and in pieces, to the end and up to some turn.
macro_rules! same {
    ($($name:ident: $items:expr;)*) => {$(
        #[test]
        #[allow(clippy::explicit_iter_loop, clippy::unnecessary_to_owned, clippy::iter_out_of_bounds, clippy::explicit_into_iter_loop)]
        fn $name() {
            fn plain(stop: usize) -> Vec<String> {
                let mut seen = vec![];
                for item in $items {
                    seen.push(format!("{item:?}"));
                    if seen.len() == stop {
                        break;
                    }
                }
                seen
            }

            #[cancelable(every = every)]
            fn pieces(every: usize, stop: usize) -> Option<Vec<String>> {
                let mut seen = vec![];
                for item in $items {
                    seen.push(format!("{item:?}"));
                    if seen.len() == stop {
                        break;
                    }
                }
                Some(seen)
            }
            for every in [1, 2, 3, 100] {
                for stop in [0, 1, 3] {
                    assert_eq!(pieces(every, stop), Some(plain(stop)), "{every} {stop}");
                }
            }
        }
    )*};
}

same! {
    slices: &[1, 2, 3, 4, 5];
    no_items: <&[u8]>::default();
    zero_sized: &[(); 5];
    mutable_slices: &mut [1, 2, 3, 4, 5];
    vectors: vec![1, 2, 3, 4, 5];
    arrays: [1, 2, 3, 4, 5];
    ranges: -2..3;
    inclusive: i8::MIN..=i8::MIN + 3;
    copied: [1, 2, 3].iter().copied();
    cloned: [String::from("a"), String::from("b")].iter().cloned();
    enumerated: [1, 2, 3].iter().enumerate();
    windows: [1, 2, 3, 4].windows(2);
    chunks: [1, 2, 3, 4, 5].chunks(2);
    exact: [1, 2, 3, 4, 5].chunks_exact(2);
    mutable_chunks: [1, 2, 3, 4, 5].chunks_mut(2);
    exact_mutable_chunks: [1, 2, 3, 4, 5].chunks_exact_mut(2);
    steps: [1, 2, 3, 4, 5, 6, 7].iter().step_by(3);
    steps_back: (0..9).step_by(2).rev();
    back: [1, 2, 3].iter().enumerate().rev();
    zipped: [1, 2, 3].iter().zip(0..9).zip(&[(); 2]);
    zipped_back: [1, 2, 3].iter().zip([4, 5, 6, 7].iter()).rev();
    mapped: (0..4).map(|n| n.to_string());
    skipped: [1, 2, 3].iter().skip(2).take(3);
    all_skipped: [1, 2].iter().skip(3);
}

#[test]
fn items_that_panic_leave_a_loop_that_can_be_begun_again() {
    struct Fragile(u32);

    impl Clone for Fragile {
        fn clone(&self) -> Self {
            assert!(self.0 != 2, "fragile");
            Self(self.0)
        }
    }

    #[cancelable(every = 2)]
    fn sum(items: &mut std::iter::Cloned<std::slice::Iter<'_, Fragile>>) -> Option<u32> {
        let mut sum = 0;
        for item in items {
            sum += item.0;
        }
        Some(sum)
    }
    let items: Vec<_> = (0..6).map(Fragile).collect();
    let mut left = items.iter().cloned();
    catch_unwind(AssertUnwindSafe(|| sum(&mut left))).unwrap_err();
    assert_eq!(sum(&mut left), Some(3 + 4 + 5));
}
