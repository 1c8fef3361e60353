//! Durations as people write them, in arguments and configuration files. A leaf.

use std::time::Duration;

/// Each unit with its length in milliseconds. The macros have the same grammar: `tests/durations.in` is tested against both.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Reads a duration as the macros write it: a whole number and a unit (`ms`, `s`, `m` or `h`), with nothing between them or
/// around them.
///
/// clap takes it as it is: `#[arg(long, value_parser = cancelable::parse_duration)] timeout: Option<Duration>`.
///
/// ```
/// use cancelable::parse_duration;
/// use std::time::Duration;
///
/// assert_eq!(parse_duration("250ms").unwrap(), Duration::from_millis(250));
/// assert_eq!(parse_duration("2h").unwrap(), Duration::from_secs(7200));
///
/// let error = parse_duration("10").unwrap_err();
/// assert_eq!(error.to_string(), "the unit is missing; write `10s`, or `ms`, `m` or `h` behind the number");
/// ```
///
/// # Errors
///
/// [`ParseDurationError`], whose text says what is wrong and what to write. It does not repeat `text`: clap and others do that
/// themselves.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let is_digit = |c: char| c.is_ascii_digit();
    let unit = text.trim_start_matches(is_digit);
    let number = &text[..text.len() - unit.len()];
    if number.is_empty() {
        return Err(Fault::Number.into());
    }
    let number: u64 = number.parse().map_err(|_| Fault::Range)?;
    if unit.is_empty() {
        return Err(Fault::NoUnit(number).into());
    }
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(|| {
        // `1h30m`, `1.5s`
        if unit.contains(is_digit) {
            Fault::Several
        } else {
            Fault::Unit
        }
    })?;
    let millis = number.checked_mul(*length).ok_or(Fault::Range)?;
    Ok(Duration::from_millis(millis))
}

/// Why [`parse_duration`] does not read a text. Its [`Display`](std::fmt::Display) says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct ParseDurationError(#[from] Fault);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("a duration begins with a whole number; write a number and a unit (`ms`, `s`, `m` or `h`), such as `10s`")]
    Number,
    #[error("the unit is missing; write `{0}s`, or `ms`, `m` or `h` behind the number")]
    NoUnit(u64),
    #[error("the unit is not known; write one of `ms`, `s`, `m` and `h` right behind a whole number, such as `10s`")]
    Unit,
    #[error(
        "a duration is one whole number with one unit (`ms`, `s`, `m` or `h`), such as `90m` for `1h30m`, or `1500ms` for `1.5s`"
    )]
    Several,
    #[error("the duration is too long; the longest is `{}ms`", u64::MAX)]
    Range,
}

#[cfg(test)]
mod tests {
    use super::parse_duration;

    #[test]
    fn an_error_says_what_to_write() {
        for (text, advice) in [
            ("", "begins with a whole number"),
            ("-1s", "begins with a whole number"),
            ("30", "write `30s`"),
            ("5 s", "right behind a whole number"),
            ("5d", "one of `ms`, `s`, `m` and `h`"),
            ("1.5s", "one whole number with one unit"),
            ("1h30m", "one whole number with one unit"),
            ("99999999999999999999s", "too long"),
        ] {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(error.contains(advice), "{text:?}: {error}");
        }
    }
}
