//! `Send` for regions, stated.

use super::region::Region;
use super::state::{HasState, LateState, PooledState};
use super::token_origin::TokenOrigin;

// SAFETY: a region has an origin and a place for its state, of which the traits say it, a body, and what is checked below.
//
// Rustc would find out by itself, but takes three steps for each of nested regions, and two dozen at the end, through timers. With
// its limit of 128, `Send` futures could not be nested as deep.
unsafe impl<O: TokenOrigin, F: Send, S: HasState> Send for Region<O, F, S> {}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<PooledState>();
    is_send::<LateState>();
};
