//! Who is current: the ambient token, set by a scope and read by check points.
//!
//! The ambient token follows the code, not the thread: a scope's future sets it for the length of each poll (and of its
//! drop), and puts the outer code's token back, whatever happens. Tasks and threads that are started inside a scope do
//! not get it by themselves; [`propagate`] and the `spawn` functions of this library take it along.

mod by_hand;
mod carry;
mod current;
mod hosts;
mod inside;
mod late;
mod notes;
pub(crate) mod probe;
#[allow(unsafe_code, reason = "frames on the stack; see the head of the file")]
mod slot;

pub(crate) use carry::propagate_apart;
pub use carry::{Context, propagate, propagate_fn};
pub use current::{check, current, is_cancelled, remaining};
pub(crate) use current::{check_at, is_quiet, noticed, notices};
pub(crate) use hosts::Hosted;
pub(crate) use inside::Inside;
pub(crate) use late::{Due, LatePlace, LateSlot, LateToken, Ridden, StandIn, peek};
pub(crate) use notes::{Mark, is_noted_since, is_silent_since, mark};
pub(crate) use slot::{
    About, Frame, Host, LazyToken, Outlook, Outside, Polled, ask_hosts, beat, for_each_round, is_observed, pass,
    say_to_observers, task_of, tell_observers, with as with_frame, with_frame_of,
};
