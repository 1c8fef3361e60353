//! The access log: a line on stderr for each request's end.

use std::io::{self, Write as _};
use std::panic::Location;
use std::time::Duration;

use cancelable_tonic::Report;
use cancelable_tower::RequestEnd;
use clap::ValueEnum;
use serde::Serialize;

/// What the lines are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// `key=value` pairs
    Text,
    /// An object of JSON a line
    Json,
}

impl Format {
    /// Writes the line of a request. Reasons have no control characters and are cut, so that a line stays one.
    pub(crate) fn write(self, end: &RequestEnd) {
        match self {
            Self::Text => line(&end.to_string()),
            Self::Json => match serde_json::to_string(&Line::of(end)) {
                Ok(json) => line(&json),
                Err(error) => line(&format!("a request's end cannot be written as JSON: {error}")),
            },
        }
    }
}

impl Format {
    /// Writes what the back end says of a cancel there: a line of its own, before that of the request.
    pub(crate) fn write_report(self, report: &Report) {
        match self {
            Self::Text => line(&format!("the back end: {report}")),
            Self::Json => match serde_json::to_string(&Told::of(report)) {
                Ok(json) => line(&json),
                Err(error) => line(&format!("what the back end says cannot be written as JSON: {error}")),
            },
        }
    }
}

/// Writes a line at once, so that lines of several threads do not mix. That nobody reads them is no reason to fail.
pub(crate) fn line(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

#[derive(Serialize)]
struct Line<'a> {
    method: &'a str,
    path: &'a str,
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc_status: Option<u8>,
    outcome: &'static str,
    latency_ms: f64,
    reason: Option<String>,
    requested_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    noticed_at: Option<String>,
}

impl<'a> Line<'a> {
    fn of(end: &'a RequestEnd) -> Self {
        let text = |location: &Location<'_>| location.to_string();
        Self {
            method: end.method().as_str(),
            path: end.path(),
            status: end.status().map(|status| status.as_u16()),
            grpc_status: end.grpc_status(),
            outcome: end.outcome().as_str(),
            latency_ms: millis(end.latency()),
            reason: end.reason().map(ToString::to_string),
            requested_at: end.requested_at().map(text),
            noticed_at: end.noticed_at().map(text),
        }
    }
}

/// What the back end says.
#[derive(Serialize)]
struct Told<'a> {
    backend: &'a str,
    scopes: &'a str,
    requested_at: &'a str,
    noticed_at: &'a str,
    noticed_after_ms: f64,
}

impl<'a> Told<'a> {
    fn of(report: &'a Report) -> Self {
        Self {
            backend: report.reason(),
            scopes: report.scope_path(),
            requested_at: report.requested_at(),
            noticed_at: report.noticed_at(),
            noticed_after_ms: millis(report.latency()),
        }
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
