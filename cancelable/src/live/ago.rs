//! How durations and lines are shown, and written.

use std::fmt;
use std::time::Duration;

/// As people say it: `1.2s`.
pub(crate) struct Ago(pub(crate) Duration);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1?}", self.0)
    }
}

#[cfg(feature = "registry")]
pub(crate) use written::{line, perhaps_line, perhaps_seconds, seconds};

#[cfg(feature = "registry")]
mod written {
    use std::panic::Location;
    use std::time::Duration;

    use serde::{Serialize, Serializer};

    type Line = &'static Location<'static>;

    pub(crate) fn seconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(duration.as_secs_f64())
    }

    pub(crate) fn perhaps_seconds<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        duration.map(|duration| duration.as_secs_f64()).serialize(to)
    }

    pub(crate) fn line<S: Serializer>(location: &Line, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(location)
    }

    pub(crate) fn perhaps_line<S: Serializer>(location: &Option<Line>, to: S) -> Result<S::Ok, S::Error> {
        location.map(|location| location.to_string()).serialize(to)
    }
}
