// Its program needs the features.
#![cfg_attr(any(not(doctest), all(feature = "axum", feature = "hyper")), doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod end;
mod error;
mod header;
mod policy;
mod token;

mod answer;
#[cfg(feature = "tokio")]
mod kept;
mod requests;
mod settings;

mod slot;

mod running;

#[cfg(feature = "tokio")]
mod left;

mod run;

mod body;
mod service;

mod layer;

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "hyper")]
mod serve;
#[cfg(feature = "tracing")]
mod trace;

pub use answer::CancelledResponse;
pub use body::CancelBody;
pub use end::{Outcome, RequestEnd};
pub use header::{BadHeader, BadTimeout, TimeoutHeader};
pub use layer::CancelLayer;
pub use policy::OnDisconnect;
pub use requests::{Drained, Requests, Straggler};
#[cfg(feature = "hyper")]
pub use serve::{Listener, Serve, serve};
pub use service::{CancelService, ResponseFuture};
pub use token::RequestToken;
#[cfg(feature = "tracing")]
pub use trace::trace;

/// The page of the guide, whose programs are tests.
#[cfg(all(doctest, feature = "axum", feature = "hyper"))]
#[doc = include_str!("../../../docs/http.md")]
mod guide {}
