//! `parse_duration` reads what the macros read.

use std::time::Duration;

use cancelable::parse_duration;

/// The macros' own test of the same name has the same table.
#[test]
fn what_the_table_says_is_read_and_nothing_else() {
    for (text, millis) in include!("../durations.in") {
        let expected: Option<Duration> = millis.map(Duration::from_millis);
        assert_eq!(parse_duration(text).ok(), expected, "{text:?}");
    }
}
