//! How a cancel is told to people: in one line, and in several.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::check_point::CheckPoint;
use crate::path::ScopePath;
use crate::reason::{CancelReason, ReasonKind};
use crate::shown::Shown;

/// All that is known of it. Its `{}` is the report.
pub(crate) struct Story<'a> {
    pub(crate) reason: &'a CancelReason,
    pub(crate) observed_at: &'static Location<'static>,
    pub(crate) point: CheckPoint,
    pub(crate) function: Option<&'static str>,
    pub(crate) path: ScopePath<'a>,
    pub(crate) latency: Duration,
    pub(crate) forced: bool,
}

impl Story<'_> {
    /// What happened, and to which scope.
    fn headline(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // "cancelled: cancelled on request" would stutter.
        match (self.reason.kind(), self.reason.message()) {
            (ReasonKind::Manual, None) => {
                f.write_str("cancelled")?;
                self.reason.fmt_scope(f)
            }
            _ => write!(f, "cancelled: {}", self.reason),
        }
    }

    /// In one line.
    pub(crate) fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.headline(f)?;
        let (asked, noticed) = (self.reason.location(), self.observed_at);
        write!(f, ", {} {asked}, noticed at {noticed}", self.reason.line())?;
        if self.forced {
            f.write_str(", where the grace had ended")?;
        }
        Ok(())
    }

    /// What noticed, and how far it had come.
    fn noticed_by(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (by, then) = match self.point {
            CheckPoint::Entry => ("the entry", ", which did not run"),
            CheckPoint::Await if self.forced => ("a scope", ", whose body was dropped when its grace had ended"),
            CheckPoint::Await => ("an await", ""),
            CheckPoint::Loop => ("a loop", ""),
            CheckPoint::Check => ("a check", ""),
            CheckPoint::Scope => ("a scope", ", whose body did not run"),
        };
        f.write_str(by)?;
        if let Some(function) = self.function {
            let of = if self.point == CheckPoint::Entry { "of" } else { "in" };
            write!(f, " {of} {function}")?;
        }
        f.write_str(then)
    }
}

/// In several lines.
impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.headline(f)?;
        write!(f, "\n  {:<16} {}", self.reason.line(), self.reason.location())?;
        write!(f, "\n  {:<16} {}", "noticed at", self.observed_at)?;
        write!(f, "\n  {:<16} ", "by")?;
        self.noticed_by(f)?;
        if !self.path.is_empty() {
            write!(f, "\n  {:<16} {}", "in the scopes", self.path)?;
        }
        write!(f, "\n  {:<16} {:?}", "after", self.latency)?;
        let mut source = self.reason.source().map(|error| error as &(dyn Error + 'static));
        let mut shown = 0;
        while let Some(error) = source {
            if shown == MOST_SOURCES {
                return write!(f, "\n  {:<16} …", "because of");
            }
            write!(f, "\n  {:<16} {}", "because of", Shown(error))?;
            source = error.source();
            shown += 1;
        }
        Ok(())
    }
}

/// How many errors of a chain are shown.
const MOST_SOURCES: usize = 16;

/// What a `main` that returns it prints, and a panicking `unwrap`: the report. `{:#?}` is a structure, each field of which is called as
/// the method that tells it.
impl fmt::Debug for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        f.debug_struct("Cancelled")
            .field("reason", &format_args!("{}", self.reason))
            .field("kind", &self.reason.kind())
            .field("scope_name", &self.reason.scope().map(Shown))
            .field("location", &format_args!("{}", self.reason.location()))
            .field("observed_at", &format_args!("{}", self.observed_at))
            .field("point", &self.point)
            .field("function", &self.function)
            .field("scope_path", &self.path)
            .field("latency", &self.latency)
            .field("was_forced", &self.forced)
            .finish()
    }
}
