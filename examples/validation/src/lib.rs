//! `validation`: does cancellation work the same everywhere? Every scenario is run on every runtime, really, and the time
//! from the cancel to the stop is taken.
//!
//! A new runtime is one `impl` of [`Runtime`](runtime::Runtime) in [`runtimes`], a new scenario one function in
//! [`scenarios`], plus a line in the list of either. [`matrix`] multiplies them out and [`table`] prints what comes out.
//! [`peer`] puts the way from a plain thread to a suspended task beside tokio-util's token.

pub mod apart;
pub mod cli;
pub mod matrix;
pub mod peer;
pub mod runtime;
pub mod runtimes;
pub mod scenarios;
pub mod stop;
pub mod table;
