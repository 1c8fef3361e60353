//! Nobody observes.

use crate::cause::Cause;
use crate::error::Cancelled;
use crate::primitive::Arc;

/// Nothing is known of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed;

/// Nothing is to be said at the end.
pub(crate) struct Entered;

impl Observed {
    pub(crate) const NONE: Self = Self;

    #[inline(always)]
    pub(crate) fn carried(&self) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&Self> {
        None
    }

    #[inline(always)]
    pub(crate) fn enter(&self) -> Entered {
        Entered
    }

    #[inline(always)]
    pub(crate) fn unwinds(&self) {}

    #[inline(always)]
    pub(crate) fn subject(&self) -> Subject {
        Subject
    }

    #[inline(always)]
    pub(crate) fn is_told_of_cancels(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn is_own(&self) -> bool {
        false
    }
}

/// Of no token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject;

impl Subject {
    pub(crate) const NONE: Self = Self;
}

/// A cancel begins.
#[inline(always)]
pub(crate) fn asked(_: impl FnOnce() -> Subject) -> Asked {
    Asked
}

pub(crate) struct Asked;

impl Asked {
    #[inline(always)]
    pub(crate) fn tell(self, _: impl FnOnce() -> Option<Arc<Cause>>) {}
}

#[inline(always)]
pub(crate) fn noticed(_: &Cancelled) {}

#[inline(always)]
pub(crate) fn noticed_for(_: &Observed, _: &Cancelled, _: bool) {}

#[inline(always)]
pub(crate) fn forced(_: &Observed, _: &Cancelled) {}

#[inline(always)]
pub(crate) fn dropped(_: fn() -> &'static str, _: Option<&Observed>, _: &Cancelled) {}

#[inline(always)]
pub(crate) fn left(_: &Observed) {}
