//! The state of a region, in memory that its thread keeps for the next one.
//!
//! It has a few hundred bytes. They would be part of every future with a scope in it, of those round it, and of the stack of all
//! that hand these on.
//!
//! The unsafe code relies on one rule: *the pointer is that of a box of our own.*

use std::cell::RefCell;
use std::pin::Pin;
use std::ptr::NonNull;

use super::behaviour::Behaviour;
use super::region_state::RegionState;
use crate::observe::Observed;
use crate::token::{CancellationToken, Registered};

/// For how many regions a thread keeps memory. (In models, whose executions share nothing: for none.)
const KEPT: usize = if cfg!(cancelable_loom) { 0 } else { 32 };

/// The memory is what is kept, so a box each.
type Spare = Vec<Box<Parts>>;

thread_local! {
    /// As they were made, but for what they are. No user code runs while it is borrowed.
    static SPARE: RefCell<Spare> = const { RefCell::new(Vec::new()) };
}

pin_project_lite::pin_project! {
    struct Parts {
        // Of a region that has not begun, or is done: with no token.
        #[pin]
        registered: Registered<CancellationToken>,
        live: RegionState,
    }
}

/// Owns the state of one region.
pub(super) struct PooledState(
    /// Not a `Box`: moving that would touch the parts, to which lists of waiters may point.
    NonNull<Parts>,
);

// SAFETY: it owns parts that are, which is checked below.
unsafe impl Send for PooledState {}
// SAFETY: as above; a shared state gives out shared references only.
unsafe impl Sync for PooledState {}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Parts>();
};

/// Where a region has its state.
pub(crate) trait HasState: Send {
    fn is_begun(&self) -> bool;
    fn live(&self) -> &RegionState;
    fn parts(&mut self) -> (Pin<&mut Registered<CancellationToken>>, &mut RegionState);
}

impl PooledState {
    /// Of a region that has not begun.
    pub(super) fn new(behaviour: Behaviour) -> Self {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
        let parts = match spare {
            Some(mut parts) => {
                parts.live.behaviour = behaviour;
                parts
            }
            None => Box::new(Parts {
                registered: Registered::new(CancellationToken::never()),
                live: RegionState::new(behaviour),
            }),
        };
        Self(NonNull::from(Box::leak(parts)))
    }
}

impl HasState for PooledState {
    fn is_begun(&self) -> bool {
        self.live().is_begun
    }

    fn live(&self) -> &RegionState {
        // SAFETY: by the rule; borrowed through `self`.
        &unsafe { self.0.as_ref() }.live
    }

    fn parts(&mut self) -> (Pin<&mut Registered<CancellationToken>>, &mut RegionState) {
        // SAFETY: by the rule; borrowed mutably through `self`. They stay in their box until they are dropped there.
        let parts = unsafe { Pin::new_unchecked(self.0.as_mut()) }.project();
        (parts.registered, parts.live)
    }
}

/// The state of a region that somebody else polls until it needs one: then that is made, and the region has begun.
#[derive(Default)]
pub(crate) struct LateState(Option<PooledState>);

impl LateState {
    pub(super) fn is_made(&self) -> bool {
        self.0.is_some()
    }

    /// The region has begun, and needs a state from now on.
    pub(super) fn begin(
        &mut self,
        behaviour: Behaviour,
    ) -> (Pin<&mut Registered<CancellationToken>>, &mut RegionState) {
        let (registered, live) = self.0.insert(PooledState::new(behaviour)).parts();
        live.is_begun = true;
        (registered, live)
    }
}

impl HasState for LateState {
    fn is_begun(&self) -> bool {
        self.0.as_ref().is_some_and(PooledState::is_begun)
    }

    fn live(&self) -> &RegionState {
        match &self.0 {
            Some(state) => state.live(),
            None => unreachable!("it needs a state by now"),
        }
    }

    fn parts(&mut self) -> (Pin<&mut Registered<CancellationToken>>, &mut RegionState) {
        match &mut self.0 {
            Some(state) => state.parts(),
            None => unreachable!("it needs a state by now"),
        }
    }
}

impl Drop for PooledState {
    fn drop(&mut self) {
        // SAFETY: the box of the rule, at its end. It is dropped or, with nothing pinned in it, kept.
        let mut parts = unsafe { Box::from_raw(self.0.as_ptr()) };
        // It is not as it was made if a destructor has panicked, or if a second signal came before the first poll.
        if !parts.live.is_begun && parts.live.exit.is_none() {
            parts.live.behaviour.about.name = None;
            parts.live.behaviour.about.observed = Observed::NONE;
            // A thread that is ending keeps nothing.
            let _ = SPARE.try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < KEPT {
                    spare.push(parts);
                }
            });
        }
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::delay::Delay;

    fn state() -> PooledState {
        PooledState::new(Behaviour::ambient(Location::caller()))
    }

    #[test]
    fn a_region_gets_the_memory_of_one_that_is_over_and_nothing_else_of_it() {
        let mut first = state();
        let memory = first.0;
        first.parts().1.behaviour.about.name = Some("first".into());
        drop(first);
        let second = state();
        assert_eq!(second.0, memory);
        assert_eq!(second.live().behaviour.about.name, None);
    }

    #[test]
    fn what_is_not_as_it_was_made_is_not_kept() {
        let (mut forced, mut begun) = (state(), state());
        forced.parts().1.exit.get_or_insert_default().grace = Some(Delay::over());
        begun.parts().1.is_begun = true;
        drop((forced, begun));
        for state in [state(), state()] {
            assert!(state.live().exit.is_none());
            assert!(!state.live().is_begun);
        }
    }
}
