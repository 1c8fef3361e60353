//! The server's `statement_timeout` for one query. A leaf.

use std::time::Duration;

/// The longest that the server takes, in milliseconds.
const LONGEST: u128 = i32::MAX as u128;

/// The shortest that it is told. What puts it back is a statement, too: one that runs out of time leaves it to the next query.
const SHORTEST: u128 = 1_000;

/// A `statement_timeout` that is set for queries of a scope, and put back after them. One that is there already, and is shorter, stays;
/// so does one that a query itself sets.
///
/// It is set outside of transactions only: what sets it would be the first statement of one, and with that take its snapshot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StatementTimeout {
    millis: u128,
}

impl StatementTimeout {
    /// In a transaction: as the session would have it, until the end of that. It takes no snapshot.
    pub(crate) const LIFT: &str = "SET LOCAL statement_timeout TO DEFAULT";

    /// `None`: longer than the server can count.
    pub(crate) fn new(remaining: Duration) -> Option<Self> {
        // Upwards: the server is not to be first.
        let millis = remaining.as_nanos().div_ceil(1_000_000).max(SHORTEST);
        (millis <= LONGEST).then_some(Self { millis })
    }

    /// Does it serve for a query that has a little less time? It may be a third too long, so a scope's queries share a few.
    pub(crate) fn serves(self, wanted: Self) -> bool {
        self >= wanted && self.millis * 3 <= wanted.millis * 4
    }

    pub(crate) fn set(self) -> String {
        let Self { millis } = self;
        format!(
            "SELECT pg_catalog.set_config('cancelable.statement_timeout', s, false), \
             pg_catalog.set_config('statement_timeout', \
             CASE WHEN s::interval BETWEEN '1ms' AND '{millis}ms' THEN s ELSE '{millis}ms' END, false) \
             FROM pg_catalog.current_setting('statement_timeout') s;"
        )
    }

    pub(crate) fn put_back(self) -> String {
        let Self { millis } = self;
        format!(
            "SELECT pg_catalog.set_config('statement_timeout', \
             pg_catalog.current_setting('cancelable.statement_timeout'), false) \
             WHERE pg_catalog.current_setting('statement_timeout')::interval = '{millis}ms'::interval;"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_second_at_least_and_nothing_if_the_server_cannot_count_it() {
        let millis = |remaining| StatementTimeout::new(remaining).map(|timeout| timeout.millis);
        assert_eq!(millis(Duration::ZERO), Some(1_000));
        assert_eq!(millis(Duration::from_nanos(1_000_000_001)), Some(1_001));
        assert_eq!(millis(Duration::from_millis(i32::MAX as u64)), Some(i32::MAX as u128));
        assert_eq!(millis(Duration::from_millis(i32::MAX as u64 + 1)), None);
    }
}
