//! rayon under a scope: jobs that have it, and waiting workers that keep it to themselves. Feature `rayon`.
//!
//! rayon's own functions lose the scope: a job runs on whichever thread of the pool is free. And they *lend* it: a worker that waits,
//! in `join` for the half that another one has taken, takes up any other job meanwhile, in the middle of the scope that it waits in.
//! That job sees the token of a stranger, and is cancelled with it. The functions here are rayon's, but for that: their closures have
//! the scope of the place that they were given at, and while a thread waits it has none.
//!
//! ```
//! use cancelable::{Cancelled, cancelable, rayon};
//!
//! #[cancelable]
//! fn sum(numbers: &[u64]) -> Result<u64, Cancelled> {
//!     if let [number] = numbers {
//!         return Ok(*number);
//!     }
//!     let (left, right) = numbers.split_at(numbers.len() / 2);
//!     let (left, right) = rayon::join(|| sum(left), || sum(right));
//!     Ok(left? + right?)
//! }
//! assert_eq!(sum(&[1, 2, 3, 4]).unwrap(), 10);
//! ```
//!
//! For parallel iterators there is [`ParallelIteratorExt`]:
//!
//! ```
//! use cancelable::rayon::ParallelIteratorExt as _;
//! use cancelable::{CancellationToken, Cancelled, cancelable};
//! use rayon::prelude::*;
//!
//! #[cancelable]
//! fn load(n: u32) -> Result<u32, Cancelled> {
//!     Ok(n * 2)
//! }
//!
//! fn load_all(upto: u32) -> Result<Vec<u32>, Cancelled> {
//!     // What is behind `until_cancelled` in the chain runs in the scope, on all threads.
//!     (0..upto).into_par_iter().until_cancelled().map(|n| load(n?)).collect()
//! }
//! assert_eq!(load_all(3).unwrap(), [0, 2, 4]);
//!
//! let token = CancellationToken::new();
//! token.cancel();
//! assert!(token.sync_scope(|| load_all(3)).is_err());
//! ```
//!
//! rayon's other functions (`par_sort`, a plain parallel iterator) lend the scope as ever. Where that matters, call them outside of
//! it: `CancellationToken::never().sync_scope(|| v.par_sort())`.

mod jobs;
mod par_iter;

pub use jobs::{Scope, install, join, scope, spawn};
pub use par_iter::{ParallelIteratorExt, TakeUntilCancelled, UntilCancelled};
