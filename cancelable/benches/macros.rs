//! What the attribute costs in a loop, beside the plain function: with `every`, and with a check at each turn.
//!
//! ```sh
//! cargo bench -p cancelable --bench macros
//! ```
//!
//! Each group is one loop; the last part of a name says who. All run under an ambient token that nobody cancels.
//! Figures: `sum_*` at most 1.05 of `plain` over slices, ranges and vectors, and 1.3 through adapters, since the loop must
//! vectorise as it did; `turn_1ns` and `turn_5ns` at most 1.05.
//!
//! Where the linker happens to put a loop of seven instructions makes a factor of nearly two, in either function. To leave
//! that out: `RUSTFLAGS="-Cllvm-args=-align-loops=64"`.

#![allow(clippy::needless_range_loop, reason = "one of the loops to be compared")]
#![allow(missing_docs, reason = "criterion's macros")]

use std::hint::black_box;
use std::time::Duration;

use cancelable::{CancellationToken, Cancelled, cancelable};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

/// Fits into the second level of cache: arithmetic is measured, not memory.
const NUMBERS: u64 = 65_536;

/// One function, plain and annotated.
macro_rules! twice {
    (#[cancelable($($options:tt)*)] fn $plain:ident, $annotated:ident($($argument:ident: $ty:ty),*) -> u64 $body:block) => {
        #[inline(never)]
        fn $plain($($argument: $ty),*) -> Result<u64, Cancelled> $body

        #[inline(never)]
        #[cancelable($($options)*)]
        fn $annotated($($argument: $ty),*) -> Result<u64, Cancelled> $body
    };
}

twice! {
    #[cancelable(every = 4096)]
    fn slice_plain, slice_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for n in numbers {
            sum = sum.wrapping_add(*n);
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn iter_plain, iter_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for n in numbers.iter() {
            sum = sum.wrapping_add(*n);
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn map_plain, map_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for n in numbers.iter().copied().map(|n| n ^ 0x55) {
            sum = sum.wrapping_add(n);
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn zip_plain, zip_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for (a, b) in numbers.iter().zip(numbers) {
            sum = sum.wrapping_add(a ^ (b >> 1));
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn copied_plain, copied_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for n in numbers.iter().copied() {
            sum = sum.wrapping_add(n);
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn cloned_plain, cloned_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for n in numbers.iter().cloned() {
            sum = sum.wrapping_add(n);
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn enumerate_plain, enumerate_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for (i, n) in numbers.iter().enumerate() {
            sum = sum.wrapping_add(n ^ i as u64);
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn windows_plain, windows_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for pair in numbers.windows(2) {
            sum = sum.wrapping_add(pair[0] ^ pair[1]);
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn chunks_plain, chunks_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for chunk in numbers.chunks(4) {
            sum = sum.wrapping_add(chunk.iter().sum());
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn chunks_exact_plain, chunks_exact_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for chunk in numbers.chunks_exact(4) {
            sum = sum.wrapping_add(chunk[0] ^ chunk[3]);
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn step_by_plain, step_by_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for n in numbers.iter().step_by(3) {
            sum = sum.wrapping_add(*n);
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn rev_plain, rev_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for n in numbers.iter().rev() {
            sum = sum.wrapping_add(*n);
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn vec_plain, vec_every(numbers: Vec<u64>) -> u64 {
        let mut sum = 0_u64;
        for n in numbers {
            sum = sum.wrapping_add(n);
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn index_plain, index_every(numbers: &[u64]) -> u64 {
        let mut sum = 0_u64;
        for i in 0..numbers.len() {
            sum = sum.wrapping_add(numbers[i]);
        }
        Ok(sum)
    }
}

twice! {
    // Not a sum of the range itself, which the compiler has a formula for.
    #[cancelable(every = 4096)]
    fn range_plain, range_every(end: u64) -> u64 {
        let mut sum = 0_u64;
        for n in 0..end {
            sum = sum.wrapping_add((n ^ (n >> 3)) & 0xff);
        }
        Ok(sum)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn mutable_plain, mutable_every(numbers: &mut [u64]) -> u64 {
        for n in numbers {
            *n = n.wrapping_add(1);
        }
        Ok(0)
    }
}

/// Some five nanoseconds: four steps of Collatz, each of which waits for the one before.
#[inline(always)]
fn steps(mut n: u64) -> u64 {
    for _ in 0..4 {
        n = if n % 2 == 0 {
            n / 2
        } else {
            n.wrapping_mul(3).wrapping_add(1)
        };
    }
    n
}

twice! {
    #[cancelable()]
    fn turns_plain, turns_checked(turns: u64) -> u64 {
        let mut n = turns;
        for _ in 0..turns {
            n = steps(n);
        }
        Ok(n)
    }
}

twice! {
    #[cancelable()]
    fn while_plain, while_checked(turns: u64) -> u64 {
        let (mut n, mut left) = (turns, turns);
        while left > 0 {
            n = steps(n);
            left -= 1;
        }
        Ok(n)
    }
}

twice! {
    // A nanosecond a turn: nothing but Collatz.
    #[cancelable()]
    fn collatz_plain, collatz_checked(up_to: u64) -> u64 {
        let mut all = 0;
        for start in 1..up_to {
            let mut n = start;
            while n != 1 {
                n = if n % 2 == 0 { n / 2 } else { n.wrapping_mul(3).wrapping_add(1) };
                all += 1;
            }
        }
        Ok(all)
    }
}

twice! {
    #[cancelable(every = 4096)]
    fn counted_plain, counted_every(turns: u64) -> u64 {
        let (mut n, mut left) = (turns, turns);
        while left > 0 {
            n = steps(n);
            left -= 1;
        }
        Ok(n)
    }
}

type Function<A> = fn(A) -> Result<u64, Cancelled>;

fn compare<A: Clone>(c: &mut Criterion, group: &str, argument: &A, functions: [(&str, Function<A>); 2]) {
    let mut group = c.benchmark_group(group);
    for (name, function) in functions {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter_batched(
                || argument.clone(),
                |argument| function(black_box(argument)),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn loops(c: &mut Criterion) {
    let numbers: Vec<u64> = (0..NUMBERS).collect();
    CancellationToken::new().sync_scope(|| {
        let slice = &numbers.as_slice();
        compare(c, "sum_slice", slice, [("plain", slice_plain), ("every", slice_every)]);
        compare(c, "sum_iter", slice, [("plain", iter_plain), ("every", iter_every)]);
        compare(c, "sum_map", slice, [("plain", map_plain), ("every", map_every)]);
        compare(c, "sum_zip", slice, [("plain", zip_plain), ("every", zip_every)]);
        compare(
            c,
            "sum_copied",
            slice,
            [("plain", copied_plain), ("every", copied_every)],
        );
        compare(
            c,
            "sum_cloned",
            slice,
            [("plain", cloned_plain), ("every", cloned_every)],
        );
        compare(
            c,
            "sum_enumerate",
            slice,
            [("plain", enumerate_plain), ("every", enumerate_every)],
        );
        compare(
            c,
            "sum_windows",
            slice,
            [("plain", windows_plain), ("every", windows_every)],
        );
        compare(
            c,
            "sum_chunks",
            slice,
            [("plain", chunks_plain), ("every", chunks_every)],
        );
        compare(
            c,
            "sum_chunks_exact",
            slice,
            [("plain", chunks_exact_plain), ("every", chunks_exact_every)],
        );
        compare(
            c,
            "sum_step_by",
            slice,
            [("plain", step_by_plain), ("every", step_by_every)],
        );
        compare(c, "sum_rev", slice, [("plain", rev_plain), ("every", rev_every)]);
        compare(c, "sum_index", slice, [("plain", index_plain), ("every", index_every)]);
        compare(c, "sum_vec", &numbers, [("plain", vec_plain), ("every", vec_every)]);
        compare(
            c,
            "sum_range",
            &NUMBERS,
            [("plain", range_plain), ("every", range_every)],
        );
        compare(
            c,
            "turn_5ns_for",
            &NUMBERS,
            [("plain", turns_plain), ("checked", turns_checked)],
        );
        compare(
            c,
            "turn_5ns_while",
            &NUMBERS,
            [("plain", while_plain), ("checked", while_checked)],
        );
        compare(
            c,
            "turn_1ns_while",
            &1_000,
            [("plain", collatz_plain), ("checked", collatz_checked)],
        );
        compare(
            c,
            "turn_5ns_while_every",
            &NUMBERS,
            [("plain", counted_plain), ("every", counted_every)],
        );
        let mut group = c.benchmark_group("add_iter_mut");
        let mut own = numbers.clone();
        group.bench_function("plain", |b| b.iter(|| mutable_plain(black_box(&mut own))));
        group.bench_function("every", |b| b.iter(|| mutable_every(black_box(&mut own))));
        group.finish();
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = loops
}
criterion_main!(benches);
