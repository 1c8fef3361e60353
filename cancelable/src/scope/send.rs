//! `Send` for regions, stated.

use super::plan::Plan;
use super::region::Region;
use super::run::Run;
use super::state::{HasState, LateState, PooledState};
use super::token_origin::TokenOrigin;

// SAFETY: a region has an origin and a place for its state, of which the traits say it, a body, and what is checked below.
//
// Rustc would find out by itself, but takes three steps for each of nested regions, and two dozen at the end, through timers. With
// its limit of 128, `Send` futures could not be nested as deep.
unsafe impl<O: TokenOrigin, F: Send, S: HasState> Send for Region<O, F, S> {}

// SAFETY: it is what is checked below, and nothing else. One step less for each of nested scopes.
unsafe impl<F: Send, O: Send> Send for Run<F, O> {}

const _: () = {
    const fn is_send<T: Send>() {}
    const fn parts_of_run_are_send<F: Send, O: Send>() {
        is_send::<Region<Plan, F>>();
        is_send::<O>();
    }
    // Checked for all.
    parts_of_run_are_send::<(), ()>();
    is_send::<PooledState>();
    is_send::<LateState>();
};
