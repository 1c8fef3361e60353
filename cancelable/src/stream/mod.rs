//! Streams under a token: that end with it, or that have it wherever they are polled.

mod ext;
mod items;
mod scoped;
mod until;

pub use ext::StreamExt;
pub use scoped::{ScopedStream, WithCancellationStream};
pub use until::{Chunked, StreamEnd, UntilCancelled};
