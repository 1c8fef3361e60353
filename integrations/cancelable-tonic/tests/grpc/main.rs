//! Real servers and clients of tonic, over loopback and between processes.

mod client;
mod deadlines;
mod disconnect;
mod hops;
mod many;
mod processes;
mod reports;
mod shutdown;
mod support;

#[path = "../../examples/primes/proto.rs"]
mod proto;
