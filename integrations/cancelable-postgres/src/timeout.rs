//! The server's `statement_timeout` for one query. A leaf.

use std::time::Duration;

/// The longest that the server takes, in milliseconds.
const LONGEST: u128 = i32::MAX as u128;

/// Sets the server's `statement_timeout` before a query, and puts it back after it.
///
/// One that is there already, and is shorter, stays; so does one that the query itself sets. In a transaction it is set for that
/// alone (`SET LOCAL`), and goes back with it.
#[derive(Clone, Copy)]
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

    pub(crate) fn set(self) -> String {
        let Self { millis, is_local } = self;
        format!(
            "SELECT pg_catalog.set_config('cancelable.statement_timeout', s, {is_local}), \
             pg_catalog.set_config('statement_timeout', \
             CASE WHEN s::interval BETWEEN '1ms' AND '{millis}ms' THEN s ELSE '{millis}ms' END, {is_local}) \
             FROM pg_catalog.current_setting('statement_timeout') s"
        )
    }

    pub(crate) fn put_back(self) -> String {
        let Self { millis, is_local } = self;
        format!(
            "SELECT pg_catalog.set_config('statement_timeout', \
             pg_catalog.current_setting('cancelable.statement_timeout'), {is_local}) \
             WHERE pg_catalog.current_setting('statement_timeout')::interval = '{millis}ms'::interval"
        )
    }

    pub(crate) fn is_local(self) -> bool {
        self.is_local
    }
}
