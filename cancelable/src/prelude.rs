//! `use cancelable::prelude::*`: every item and macro of the crate, but none of its modules.
//!
//! Do not write `use cancelable::*`: that imports the modules `tokio` and `smol`, too, and from then on `tokio::spawn` in this file
//! is no longer the function of the crate `tokio`. With the prelude it is, and ours is `cancelable::tokio::spawn`.
//!
//! ```
//! use cancelable::prelude::*;
//! # use std::time::Duration;
//!
//! #[cancelable(timeout = "1s")]
//! async fn fetch() -> Result<u32, Cancelled> {
//!     tokio::task::yield_now().await;             // the crate tokio
//!     Ok(7)
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! assert_eq!(fetch().await.unwrap(), 7);
//! # });
//! ```

#[doc(no_inline)]
pub use crate::items::*;
#[doc(no_inline)]
pub use crate::{cancel_scope, race, shield, try_join};
