//! Against a real server, which the tests start.

mod cancel;
mod dropped;
mod ends;
mod many;
mod server;
mod streams;
mod support;
mod time;
mod tls;
mod transactions;

#[path = "../../examples/report/report.rs"]
mod report;
