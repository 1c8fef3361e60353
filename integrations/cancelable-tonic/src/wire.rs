//! `grpc-timeout`, as it is written, and how much of it is believed. (It is read by `cancelable_tower`.) A leaf.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The units, the finest first, each with its length in nanoseconds.
const UNITS: [(char, u128); 6] = [
    ('n', 1),
    ('u', 1_000),
    ('m', 1_000_000),
    ('S', 1_000_000_000),
    ('M', 60 * 1_000_000_000),
    ('H', 60 * 60 * 1_000_000_000),
];

/// There is room for eight digits.
const MOST: u128 = 99_999_999;

/// In the finest unit that has room for it, rounded down: the server is not to think that it has longer.
pub(crate) fn encode(limit: Duration) -> String {
    let nanos = limit.as_nanos();
    for (unit, length) in UNITS {
        let number = nanos / length;
        if number <= MOST {
            return format!("{number}{unit}");
        }
    }
    format!("{MOST}H")
}

pub(crate) fn header(limit: Duration) -> HeaderValue {
    match HeaderValue::try_from(encode(limit)) {
        Ok(value) => value,
        Err(_) => unreachable!("digits and a letter"),
    }
}

/// What is left for the scope, if the answer is to be `head_start` before the client's time is up: at most a tenth of it.
pub(crate) fn less(limit: Duration, head_start: Duration) -> Duration {
    limit.saturating_sub(head_start.min(limit / 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cancelable_tower::TimeoutHeader;
    use http::HeaderMap;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(GRPC_TIMEOUT, text.parse().ok()?)]);
        TimeoutHeader::grpc_timeout().read(&headers)?.ok()
    }

    #[test]
    fn the_finest_unit_that_has_room() {
        let written = [
            (Duration::ZERO, "0n"),
            (Duration::from_millis(99), "99000000n"),
            (Duration::from_millis(100), "100000u"),
            (Duration::from_secs(30), "30000000u"),
            (Duration::new(100, 999_999), "100000m"),
            (Duration::from_secs(99_999_999), "99999999S"),
            (Duration::from_secs(100_000_000), "1666666M"),
            (Duration::from_secs(10_000_000_000), "2777777H"),
            (Duration::MAX, "99999999H"),
        ];
        for (limit, text) in written {
            assert_eq!(encode(limit), text);
            assert!(read(text).unwrap() <= limit);
        }
    }

    #[test]
    fn a_head_start_is_at_most_a_tenth() {
        let head_start = Duration::from_millis(5);
        let left = [
            (0, 0),
            (1, 1),
            (10, 9),
            (20_000_000, 18_000_000),
            (1_000_000_000, 995_000_000),
        ];
        for (limit, left) in left {
            assert_eq!(
                less(Duration::from_nanos(limit), head_start),
                Duration::from_nanos(left)
            );
        }
        assert_eq!(less(Duration::MAX, Duration::MAX), Duration::MAX - Duration::MAX / 10);
    }

    proptest! {
        // More with `PROPTEST_CASES=1000000`, which comes before this.
        #![proptest_config(ProptestConfig {
            cases: 4_000,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// What is written is read as no longer, and as no more than a 99,999th shorter.
        #[test]
        fn what_is_written_is_read(secs in prop_oneof![0..10_u64, any::<u64>()], nanos in 0..1_000_000_000_u32) {
            let limit = Duration::new(secs, nanos);
            let text = encode(limit);
            prop_assert!(text.len() <= 9 && text.is_ascii(), "{text}");
            let back = read(&text).unwrap();
            prop_assert!(back <= limit);
            let most = Duration::from_secs(99_999_999 * 60 * 60);
            prop_assert!(limit > most || limit - back <= limit / 99_999, "{limit:?} {text}");
        }

        /// Every number of at most eight digits, with every unit, is read, and no other text is.
        #[test]
        fn what_the_specification_allows_is_read(number in "[0-9]{1,8}", unit in 0..6_usize) {
            let (unit, length) = UNITS[unit];
            let nanos = number.parse::<u128>().unwrap() * length;
            prop_assert_eq!(read(&format!("{number}{unit}")).unwrap().as_nanos(), nanos);
            prop_assert_eq!(read(&format!("0000000001{unit}")), None);
            prop_assert_eq!(read(&format!("-{number}{unit}")), None);
            prop_assert_eq!(read(&number), None);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,12}|[ -~]{0,12}|[0-9]{0,10}[HMSmun ]?") {
            if let Some(limit) = read(&text) {
                let text = text.trim();
                prop_assert!(text.len() <= 9 && text.starts_with(|c: char| c.is_ascii_digit()), "{text}");
                prop_assert!(less(limit, Duration::from_millis(5)) <= limit);
            }
        }
    }
}
