// Its program needs the feature.
#![cfg_attr(any(not(doctest), feature = "deadpool"), doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod connection;
mod error;
mod stream;
mod timeout;

mod address;

mod request;

mod canceller;

mod shared;

mod settle;

mod session;

mod ongoing;
mod queries;

mod transaction;

mod client;

pub use canceller::Canceller;
pub use client::CancelableClient;
pub use connection::Connection;
pub use error::{BadConfig, Error};
pub use ongoing::{CopyInSink, CopyOutStream, RowStream};
pub use stream::CancelStream;
pub use transaction::{Transaction, TransactionBuilder};

/// The page of the guide, whose programs are tests.
#[cfg(all(doctest, feature = "deadpool"))]
#[doc = include_str!("../../../docs/postgres.md")]
mod guide {}
