//! Signs of life: are check points below a token being passed?
//!
//! Nobody counts them. Whoever wants to know marks all tokens below its own, and so has the check points there look closer. The first
//! one that is passed says so, and takes the mark back from its own token and from those above. So a loop pays for one closer look in a
//! while, and code of which nobody wants to know pays nothing.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::handle::{CancellationToken, StateRef};
use crate::primitive::Arc;

/// How many want to know.
static PULSES: AtomicUsize = AtomicUsize::new(0);

/// Does anybody want to know, of whatever token?
#[inline]
pub(crate) fn is_any_wanted() -> bool {
    PULSES.load(Ordering::Relaxed) > 0
}

/// What somebody wants to know of a token. Clones are the same.
#[derive(Clone)]
pub(crate) struct Pulse(Arc<Felt>);

struct Felt(AtomicBool);

impl Pulse {
    pub(crate) fn new() -> Self {
        PULSES.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Felt(AtomicBool::new(false))))
    }

    /// Has a check point been passed since it was last [wanted](CancellationToken::want)?
    pub(crate) fn is_felt(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }
}

impl Drop for Felt {
    fn drop(&mut self) {
        PULSES.fetch_sub(1, Ordering::Relaxed);
    }
}

impl CancellationToken {
    /// From now on the next check point below this token, which [keeps](Self::keep) the pulse, is to say that it is passed.
    pub(crate) fn want(&self, pulse: &Pulse) {
        pulse.0.0.store(false, Ordering::Relaxed);
        // Its locks publish this to whoever finds the mark.
        self.node.spread_pulse();
    }

    /// A check point is passed, which asks this token.
    #[cold]
    pub(crate) fn beat(&self) {
        self.node.look_above(true, |kept| {
            if let Some(pulse) = kept.downcast_ref::<Pulse>() {
                pulse.0.0.store(true, Ordering::Relaxed);
            }
            ControlFlow::Continue(())
        });
    }
}

impl StateRef<'_> {
    /// Is whoever passes a check point here to say so?
    #[inline]
    pub(crate) fn wants_pulse(self) -> bool {
        self.snapshot().wants_pulse()
    }
}
