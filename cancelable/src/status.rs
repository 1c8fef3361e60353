//! What a cancel is to others: an HTTP status, a gRPC code, an exit code. The one place where that is decided.
//!
//! A leaf: it knows reasons, and nothing of tokens.

use std::time::Duration;

use crate::reason::{CancelReason, ReasonKind};

/// How many kinds of reasons there are.
const KINDS: usize = 9;

/// Where a kind has its line in the table.
const fn line_of(kind: ReasonKind) -> usize {
    match kind {
        ReasonKind::Manual => 0,
        ReasonKind::Timeout => 1,
        ReasonKind::Signal => 2,
        ReasonKind::Condition => 3,
        ReasonKind::Shutdown => 4,
        ReasonKind::Error => 5,
        ReasonKind::Dropped => 6,
        ReasonKind::ScopeEnded => 7,
        ReasonKind::Superseded => 8,
    }
}

/// What a cancel is to a client or to a shell: a line of a [`StatusTable`].
///
/// ```
/// use cancelable::CancelReason;
///
/// let status = CancelReason::shutdown().status();
/// assert_eq!((status.http(), status.grpc(), status.exit_code()), (503, 14, 1));
/// assert!(status.retry_after().is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct CancelStatus {
    http: u16,
    grpc: u8,
    exit_code: u8,
    retry_after: Option<Duration>,
}

impl CancelStatus {
    /// The HTTP status code.
    #[must_use]
    pub const fn http(&self) -> u16 {
        self.http
    }

    /// The gRPC status code, by number: 1 is `CANCELLED`, 4 `DEADLINE_EXCEEDED`, 13 `INTERNAL`, 14 `UNAVAILABLE`.
    #[must_use]
    pub const fn grpc(&self) -> u8 {
        self.grpc
    }

    /// What a program exits with.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// When to try again, where somebody else may do better or this one later. HTTP's `Retry-After` takes whole seconds: round up.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// Which status a reason of each kind has.
///
/// The one that [`CancelReason::status`] goes by is [`StatusTable::DEFAULT`]; for other codes change a copy.
///
/// | kind | HTTP | gRPC | exit code |
/// |---|---|---|---|
/// | [`Timeout`](ReasonKind::Timeout) | 504 | 4 `DEADLINE_EXCEEDED` | 124 |
/// | [`Shutdown`](ReasonKind::Shutdown) | 503, `Retry-After: 1` | 14 `UNAVAILABLE` | 1 |
/// | [`Signal`](ReasonKind::Signal) number n | 503, `Retry-After: 1` | 14 `UNAVAILABLE` | 128 + n: 130 for Ctrl-C, 143 for SIGTERM; 1 if n is not in 1 to 127 |
/// | [`Condition`](ReasonKind::Condition) | 503 | 14 `UNAVAILABLE` | 1 |
/// | [`Error`](ReasonKind::Error) | 500 | 13 `INTERNAL` | 1 |
/// | [`Manual`](ReasonKind::Manual), [`Dropped`](ReasonKind::Dropped), [`ScopeEnded`](ReasonKind::ScopeEnded), [`Superseded`](ReasonKind::Superseded) | 499 | 1 `CANCELLED` | 1 |
///
/// 499 is nginx's "client closed request"; which HTTP status goes with which gRPC code is as Google's `google.rpc.Code` says. Exit
/// codes are those of shells and of coreutils' `timeout`.
///
/// ```
/// use cancelable::{CancelReason, ReasonKind, StatusTable};
/// use std::time::Duration;
///
/// const TABLE: StatusTable = StatusTable::DEFAULT
///     .http(ReasonKind::Timeout, 408)
///     .retry_after(ReasonKind::Shutdown, Some(Duration::from_secs(30)));
///
/// assert_eq!(TABLE.status(&CancelReason::timeout(Duration::from_secs(5))).http(), 408);
/// assert_eq!(TABLE.status(&CancelReason::signal(15)).exit_code(), 143);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusTable {
    lines: [CancelStatus; KINDS],
    /// Have signals an exit code of their own, instead of that by their number?
    signal_exit_code: Option<u8>,
}

impl StatusTable {
    /// The table above.
    pub const DEFAULT: Self = {
        const SOON: Option<Duration> = Some(Duration::from_secs(1));
        const CANCELLED: CancelStatus = line(499, 1, None);
        Self {
            lines: [CANCELLED; KINDS],
            signal_exit_code: None,
        }
        .with(ReasonKind::Timeout, line(504, 4, None))
        .with(ReasonKind::Signal, line(503, 14, SOON))
        .with(ReasonKind::Condition, line(503, 14, None))
        .with(ReasonKind::Shutdown, line(503, 14, SOON))
        .with(ReasonKind::Error, line(500, 13, None))
        .exit_code(ReasonKind::Timeout, 124)
    };

    const fn with(mut self, kind: ReasonKind, status: CancelStatus) -> Self {
        self.lines[line_of(kind)] = status;
        self
    }

    /// The same table with another HTTP status for this kind.
    #[must_use]
    pub const fn http(mut self, kind: ReasonKind, code: u16) -> Self {
        self.lines[line_of(kind)].http = code;
        self
    }

    /// The same table with another gRPC code, by number, for this kind.
    #[must_use]
    pub const fn grpc(mut self, kind: ReasonKind, code: u8) -> Self {
        self.lines[line_of(kind)].grpc = code;
        self
    }

    /// The same table with another exit code for this kind; of [`Signal`](ReasonKind::Signal), for all numbers.
    #[must_use]
    pub const fn exit_code(mut self, kind: ReasonKind, code: u8) -> Self {
        self.lines[line_of(kind)].exit_code = code;
        if matches!(kind, ReasonKind::Signal) {
            self.signal_exit_code = Some(code);
        }
        self
    }

    /// The same table with another time to try again after, or none, for this kind.
    #[must_use]
    pub const fn retry_after(mut self, kind: ReasonKind, after: Option<Duration>) -> Self {
        self.lines[line_of(kind)].retry_after = after;
        self
    }

    /// The status of this reason.
    pub fn status(&self, reason: &CancelReason) -> CancelStatus {
        let line = self.lines[line_of(reason.kind())];
        let exit_code = match (self.signal_exit_code, reason.signal_number()) {
            (None, Some(number @ 1..=127)) => 128 + number as u8,
            _ => line.exit_code,
        };
        CancelStatus { exit_code, ..line }
    }
}

impl CancelReason {
    /// What this reason is to a client or to a shell: an HTTP status, a gRPC code, an exit code. [`StatusTable`] has the table, and
    /// makes others.
    ///
    /// ```
    /// use cancelable::CancelReason;
    /// use std::time::Duration;
    ///
    /// let status = CancelReason::timeout(Duration::from_secs(5)).status();
    /// assert_eq!((status.http(), status.grpc()), (504, 4));
    /// ```
    pub fn status(&self) -> CancelStatus {
        StatusTable::DEFAULT.status(self)
    }

    /// What a program that stopped for this reason exits with: 124 after a timeout, 128 + n after signal n, otherwise 1. Short for
    /// [`status().exit_code()`](CancelStatus::exit_code).
    ///
    /// [`Cancelled::exit_code`](crate::Cancelled::exit_code) has an example with `main`.
    ///
    /// ```
    /// use cancelable::CancelReason;
    ///
    /// assert_eq!(CancelReason::signal(2).exit_code(), 130);
    /// assert_eq!(CancelReason::shutdown().exit_code(), 1);
    /// ```
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.status().exit_code()
    }
}

impl Default for StatusTable {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const fn line(http: u16, grpc: u8, retry_after: Option<Duration>) -> CancelStatus {
    CancelStatus {
        http,
        grpc,
        exit_code: 1,
        retry_after,
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;

    const ALL: [ReasonKind; KINDS] = [
        ReasonKind::Manual,
        ReasonKind::Timeout,
        ReasonKind::Signal,
        ReasonKind::Condition,
        ReasonKind::Shutdown,
        ReasonKind::Error,
        ReasonKind::Dropped,
        ReasonKind::ScopeEnded,
        ReasonKind::Superseded,
    ];

    #[test]
    fn each_kind_has_a_line_to_itself() {
        let mut table = StatusTable::DEFAULT;
        for (number, kind) in (600..).zip(ALL) {
            table = table.http(kind, number);
        }
        let codes = ALL.map(|kind| table.lines[line_of(kind)].http);
        assert_eq!(codes, [600, 601, 602, 603, 604, 605, 606, 607, 608]);
    }

    #[test]
    fn a_signal_has_the_exit_code_of_its_number_unless_one_is_set() {
        let exit_code = |table: &StatusTable, number| table.status(&CancelReason::signal(number)).exit_code();
        let codes = [1, 2, 15, 127, 128, 0, -1].map(|number| exit_code(&StatusTable::DEFAULT, number));
        assert_eq!(codes, [129, 130, 143, 255, 1, 1, 1]);
        let table = StatusTable::DEFAULT.exit_code(ReasonKind::Signal, 0);
        assert_eq!([2, 15, 200].map(|number| exit_code(&table, number)), [0, 0, 0]);
    }
}
