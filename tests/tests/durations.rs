//! `parse_duration` reads what the macros read.

use std::time::Duration;

use cancelable::parse_duration;
use proptest::prelude::*;

/// The macros' own test of the same name has the same table.
#[test]
fn what_the_table_says_is_read_and_nothing_else() {
    for (text, millis) in include!("../durations.in") {
        let expected: Option<Duration> = millis.map(Duration::from_millis);
        assert_eq!(parse_duration(text).ok(), expected, "{text:?}");
    }
}

proptest! {
    // More with `PROPTEST_CASES=1000000`, which comes before this.
    #![proptest_config(ProptestConfig {
        cases: 10_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// What is written is read, in each unit that it comes out even in; and one more is one more.
    #[test]
    fn what_is_written_is_read(number in prop_oneof![0..100_000_u64, any::<u64>()], zeros in 0..3_usize) {
        let zeros = "0".repeat(zeros);
        for (unit, length) in [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)] {
            let read = parse_duration(&format!("{zeros}{number}{unit}"));
            prop_assert_eq!(read.ok(), number.checked_mul(length).map(Duration::from_millis));
        }
    }

    /// No text makes it panic, and what it takes is a whole number and a unit, and nothing else.
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,12}|[ -~]{0,12}|[0-9]{0,22}[hms .+-]{0,3}") {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_whole = unit.len() < text.len() && ["ms", "s", "m", "h"].contains(&unit);
        match parse_duration(&text) {
            Ok(_) => prop_assert!(is_whole, "{:?}", text),
            // (Or it is too long.)
            Err(error) => prop_assert!(!is_whole || error.to_string().contains("too long"), "{:?}", text),
        }
    }
}
