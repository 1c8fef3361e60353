#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod wire;

mod noticed;

mod status;

mod report;

mod request;

mod response;

mod reply;

mod server;

mod transport;

mod call;

mod client;

pub use call::{CallBody, CallFuture};
pub use cancelable_tower::{
    BadHeader, CancelBody, Drained, OnDisconnect, Outcome, RequestEnd, RequestToken, Requests, ResponseFuture,
    Straggler,
};
pub use client::{ClientLayer, ClientService};
pub use report::{Report, report};
pub use server::{ServerLayer, ServerService};
pub use status::{CallError, cancelled, status};

/// The page of the guide, whose programs are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/grpc.md")]
mod guide {}
