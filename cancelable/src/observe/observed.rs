//! What a frame has of the named scope that its code is in.

use std::borrow::Cow;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::record::{Begins, Record, Subject};
use super::span::{self, Span};

/// Of a frame that is a named scope's, or that was taken along from one, or that is a shield in one; of all others nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    // Two words, with what a subscriber has: frames, scopes and contexts are moved about, and most have nothing here.
    record: Option<Arc<Record>>,
    role: Role,
    span: Span,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    /// The frame is that of the scope.
    #[default]
    Own,
    /// It is of a task, a thread or a closure that was begun in there.
    Carried,
    /// It is of a shield, which has this number.
    Shield(u32),
}

// Subscribers are code of the user's, which is not looked into here; and what a panic leaves half-done in there is no business of a
// scope's. A type does not lose these for being observed.
impl UnwindSafe for Observed {}
impl RefUnwindSafe for Observed {}

/// The code of a frame runs.
pub(crate) struct Entered<'a> {
    own: Option<(&'a Record, u32)>,
    _span: span::Entered<'a>,
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some((record, before)) = self.own {
            record.rest(before);
        }
    }
}

impl Observed {
    pub(crate) const NONE: Self = Self {
        record: None,
        role: Role::Own,
        span: Span::NONE,
    };

    /// A scope of this name begins, in code that is in `outside`.
    pub(crate) fn begin(
        name: Cow<'static, str>,
        location: &'static Location<'static>,
        outside: Option<&Self>,
        begins: Begins,
    ) -> Self {
        let parent = outside.and_then(Self::record).map(|record| record.id);
        let span = Span::begin(&name, location);
        let record = Record::begin(name, parent, location, span.id(), begins);
        Self {
            record: Some(record),
            role: Role::Own,
            span,
        }
    }

    /// What code has that is taken along.
    pub(crate) fn carried(&self) -> Self {
        self.in_role(|_| Role::Carried)
    }

    /// A shield begins in there.
    pub(crate) fn shield(&self, location: &'static Location<'static>) -> Self {
        self.in_role(|record| Role::Shield(record.begin_shield(location)))
    }

    fn in_role(&self, role: impl FnOnce(&Record) -> Role) -> Self {
        match &self.record {
            None => Self::NONE,
            Some(record) => Self {
                role: role(record),
                ..self.clone()
            },
        }
    }

    /// This, if there is something.
    #[inline]
    pub(crate) fn get(&self) -> Option<&Self> {
        self.record.is_some().then_some(self)
    }

    pub(crate) fn record(&self) -> Option<&Arc<Record>> {
        self.record.as_ref()
    }

    /// Of the scope whose frame it is.
    #[inline]
    pub(crate) fn own(&self) -> Option<&Arc<Record>> {
        self.record.as_ref().filter(|_| self.role == Role::Own)
    }

    /// The shield has ended, if it is one.
    pub(crate) fn end_shield(&self) {
        if let (Some(record), Role::Shield(number)) = (&self.record, self.role) {
            record.end_shield(number);
        }
    }

    /// For its token.
    pub(crate) fn subject(&self) -> Subject {
        Subject(self.own().cloned())
    }

    #[inline]
    pub(crate) fn is_own(&self) -> bool {
        self.own().is_some()
    }

    /// Its code runs on this thread until what is returned is dropped.
    #[inline]
    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered {
            own: self.own().map(|record| (&**record, record.run())),
            _span: self.span.enter(),
        }
    }

    #[cfg(feature = "registry")]
    pub(crate) fn progress(&self, done: u64, total: Option<u64>) {
        if let Some(record) = &self.record {
            record.progress(done, total);
        }
    }

    #[cfg(feature = "registry")]
    pub(crate) fn say(&self, message: &Arc<str>) {
        if let Some(record) = &self.record {
            record.say(message);
        }
    }

    /// May a cancel that is noticed in its code be that of the scope? (One behind a shield is not.)
    pub(crate) fn is_told_of_cancels(&self) -> bool {
        self.record.is_some() && !matches!(self.role, Role::Shield(_))
    }

    /// Its body panics.
    pub(crate) fn unwinds(&self) {
        if let Some(record) = self.own() {
            record.unwinds();
        }
    }
}
