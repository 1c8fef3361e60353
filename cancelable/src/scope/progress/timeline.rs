//! `Timeline`: time since a scope began, by the clock that was in force there, whoever looks at it from wherever.

use std::time::{Duration, Instant};

use crate::clock::{self, InForce};
use crate::runtime::Runtime;

pub(in crate::scope) struct Timeline {
    start: Instant,
    is_virtual: bool,
    /// The clock, and the runtime whose clock that is.
    clock: InForce,
    runtime: Runtime,
}

impl Timeline {
    pub(in crate::scope) fn begin() -> Self {
        let now = clock::now();
        Self {
            start: now.at,
            is_virtual: now.is_virtual,
            clock: InForce::here(),
            runtime: Runtime::current(),
        }
    }

    pub(in crate::scope) fn start(&self) -> Instant {
        self.start
    }

    pub(in crate::scope) fn is_virtual(&self) -> bool {
        self.is_virtual
    }

    pub(in crate::scope) fn clock(&self) -> &InForce {
        &self.clock
    }

    pub(in crate::scope) fn now(&self) -> Instant {
        if self.is_virtual {
            self.runtime.enter(|| self.clock.apply(clock::now)).at
        } else {
            Instant::now()
        }
    }

    pub(in crate::scope) fn elapsed(&self) -> Duration {
        self.now().saturating_duration_since(self.start)
    }
}
