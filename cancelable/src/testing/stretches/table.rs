//! A report as text.

use std::fmt;

use super::report::{Report, Stretch};
use crate::meter::BOUNDS;

/// How many lines a table has. (`{:#}` has no bound.)
const LINES: usize = 20;

/// A table, the longest stretch first, of at most 20 lines; `{:#}`: of all.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = if f.alternate() { usize::MAX } else { LINES };
        let shown = &self.stretches()[..self.stretches().len().min(lines)];
        let places: Vec<[String; 2]> = shown
            .iter()
            .map(|stretch| [stretch.from().to_string(), stretch.to().to_string()])
            .collect();
        let width = places.iter().map(|[from, _]| from.chars().count()).max().unwrap_or(0);
        let width = width.max("from".len());
        writeln!(
            f,
            "{:>9} {:>12} {:>9} {:<9}  {:<width$}   to",
            "longest", "count", "total", "lengths", "from"
        )?;
        for (stretch, [from, to]) in shown.iter().zip(&places) {
            writeln!(
                f,
                "{:>9} {:>12} {:>9} {:<9}  {from:<width$} → {to}",
                Short(stretch.max()).to_string(),
                stretch.count(),
                Short(stretch.total()).to_string(),
                bars(stretch)
            )?;
        }
        let rest = self.stretches().len() - shown.len();
        if rest > 0 {
            writeln!(
                f,
                "and {rest} more, none longer than {}",
                Short(self.stretches()[lines].max())
            )?;
        }
        write!(f, "lengths: below")?;
        for (index, bound) in BOUNDS.into_iter().enumerate() {
            write!(f, "{} {}", if index == 0 { "" } else { "," }, Short(bound))?;
        }
        f.write_str(", and longer")
    }
}

/// The histogram as one character for each bucket, which grows with each power of ten.
fn bars(stretch: &Stretch) -> String {
    let height = |count: u64| match count.checked_ilog10() {
        None => '·',
        Some(power) => ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][(power as usize).min(7)],
    };
    stretch.histogram().map(|bucket| height(bucket.count)).collect()
}

/// A time in three digits and a unit.
pub(super) struct Short(pub(super) std::time::Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let mut number = nanos as f64;
        let mut units = ["ns", "µs", "ms", "s"].into_iter();
        let mut unit = units.next().unwrap_or_default();
        for larger in units {
            // What would be rounded to a thousand is one of the next unit.
            if number < 999.5 {
                break;
            }
            number /= 1000.0;
            unit = larger;
        }
        let digits = if nanos < 1000 || number.fract() == 0.0 || number >= 99.95 {
            0
        } else if number < 9.995 {
            2
        } else {
            1
        };
        write!(f, "{number:.digits$} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::Short;
    use std::time::Duration;

    #[test]
    fn times_have_three_digits() {
        for (nanos, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1000, "1 µs"),
            (1234, "1.23 µs"),
            (9_996, "10.0 µs"),
            (12_345, "12.3 µs"),
            (999_400, "999 µs"),
            (999_600, "1.00 ms"),
            (123_456_789, "123 ms"),
            (3_600_000_000_000, "3600 s"),
        ] {
            assert_eq!(Short(Duration::from_nanos(nanos)).to_string(), text);
        }
    }
}
