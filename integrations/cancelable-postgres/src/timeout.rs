//! The server's `statement_timeout` for one query. A leaf.

use std::time::Duration;

/// The longest that the server takes, in milliseconds.
const LONGEST: u128 = i32::MAX as u128;

/// A `statement_timeout` that is set for queries of a scope, and put back after them.
///
/// One that is there already, and is shorter, stays; so does one that a query itself sets. In a transaction it is set for that alone
/// (`SET LOCAL`), and goes back with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatementTimeout {
    millis: u128,
    is_local: bool,
}

impl StatementTimeout {
    /// `None`: longer than the server can count.
    pub(crate) fn new(remaining: Duration, in_transaction: bool) -> Option<Self> {
        // Upwards: the server is not to be first.
        let millis = remaining.as_nanos().div_ceil(1_000_000).max(1);
        (millis <= LONGEST).then_some(Self {
            millis,
            is_local: in_transaction,
        })
    }

    /// Does it serve for a query that has a little less time? It may be a third too long, so a scope's queries share a few.
    pub(crate) fn serves(self, wanted: Self) -> bool {
        self.is_local == wanted.is_local && self.millis >= wanted.millis && self.millis * 3 <= wanted.millis * 4
    }

    pub(crate) fn set(self) -> String {
        let Self { millis, is_local } = self;
        format!(
            "SELECT pg_catalog.set_config('cancelable.statement_timeout', s, {is_local}), \
             pg_catalog.set_config('statement_timeout', \
             CASE WHEN s::interval BETWEEN '1ms' AND '{millis}ms' THEN s ELSE '{millis}ms' END, {is_local}) \
             FROM pg_catalog.current_setting('statement_timeout') s;"
        )
    }

    pub(crate) fn put_back(self) -> String {
        let Self { millis, is_local } = self;
        format!(
            "SELECT pg_catalog.set_config('statement_timeout', \
             pg_catalog.current_setting('cancelable.statement_timeout'), {is_local}) \
             WHERE pg_catalog.current_setting('statement_timeout')::interval = '{millis}ms'::interval;"
        )
    }
}
