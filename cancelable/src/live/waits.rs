//! What a scope waits for.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::ago::Ago;
#[cfg(feature = "registry")]
use crate::observe::{Pass, thread_name};
use crate::observe::{Record, Ticks};

/// What a scope waits for, as far as its words say: also while all threads are stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "registry",
    derive(serde::Serialize),
    serde(rename_all = "snake_case", tag = "what")
)]
#[non_exhaustive]
pub enum WaitsFor {
    /// A shield, the oldest in it: no check point fails while that runs.
    #[non_exhaustive]
    Shield {
        /// Its line.
        #[cfg_attr(feature = "registry", serde(serialize_with = "super::ago::line"))]
        begun_at: &'static Location<'static>,
        /// How long ago it began.
        #[cfg_attr(feature = "registry", serde(serialize_with = "super::ago::seconds"))]
        since: Duration,
    },
    /// An await: what is awaited does not come, or nobody polls the task.
    #[non_exhaustive]
    Await {
        /// Its line.
        #[cfg_attr(feature = "registry", serde(serialize_with = "super::ago::line"))]
        at: &'static Location<'static>,
        /// How long ago it began.
        #[cfg_attr(feature = "registry", serde(serialize_with = "super::ago::seconds"))]
        since: Duration,
    },
    /// Code that runs, or that blocks its thread in a foreign call, and has come to no other check point since.
    #[non_exhaustive]
    Code {
        /// The last check point before it, if there was one.
        #[cfg_attr(feature = "registry", serde(serialize_with = "super::ago::perhaps_line"))]
        after: Option<&'static Location<'static>>,
        /// How long ago that was passed, or the scope began.
        #[cfg_attr(feature = "registry", serde(serialize_with = "super::ago::seconds"))]
        since: Duration,
        /// The thread that it runs on.
        thread: Option<String>,
    },
    /// Something that is pending, awaited by code without check points.
    Pending,
}

impl WaitsFor {
    pub(crate) fn of(record: &Record, now: Ticks) -> Self {
        let _ = now;
        if let Some(shield) = record.oldest_shield() {
            return Self::Shield {
                begun_at: shield.begun_at,
                since: shield.began.elapsed(),
            };
        }
        let running_on = record.running_on();
        #[cfg(feature = "registry")]
        if let Some(passed) = record.last.get() {
            let (at, since) = (passed.at, passed.when.until(now));
            return match (passed.kind, running_on) {
                (Pass::Await, None) => Self::Await { at, since },
                _ => Self::Code {
                    after: Some(at),
                    since,
                    thread: thread_name(running_on.unwrap_or(passed.thread)),
                },
            };
        }
        match running_on {
            Some(_thread) => Self::Code {
                after: None,
                since: record.began.elapsed(),
                #[cfg(feature = "registry")]
                thread: thread_name(_thread),
                #[cfg(not(feature = "registry"))]
                thread: None,
            },
            None => Self::Pending,
        }
    }
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shield { begun_at, since } => write!(f, "a shield begun at {begun_at}, {} ago", Ago(*since)),
            Self::Await { at, since } => write!(f, "the await at {at}, for {}", Ago(*since)),
            Self::Code { after, since, thread } => {
                f.write_str("code")?;
                if let Some(after) = after {
                    write!(f, " behind {after}")?;
                }
                if let Some(thread) = thread {
                    write!(f, " on thread {}", crate::shown::Shown(thread))?;
                }
                write!(f, ", for {}", Ago(*since))
            }
            Self::Pending => f.write_str("what code without check points awaits"),
        }
    }
}
