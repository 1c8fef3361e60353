//! A report as a picture: where the time goes between check points.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use super::report::{Place, Report, Stretch};
use super::table::Short;

const WIDTH: f64 = 1200.0;
const ROW: f64 = 22.0;
const MARGIN: f64 = 10.0;
/// Narrower ones would not be seen.
const NARROW: f64 = 0.3;
/// Of one character, in the font that it is drawn with.
const LETTER: f64 = 6.7;

impl Report {
    /// A flame graph, as an SVG: the wider, the more time was spent; the redder, the longer the longest of them.
    ///
    /// The upper row is all, the next one has the places where stretches begin, and the last one, below each of these, where they end.
    /// A browser shows the numbers of what the mouse points to.
    ///
    /// ```
    /// use cancelable::{check, testing::stretches::Recorder};
    ///
    /// let recorder = Recorder::new();
    /// recorder.sync_scope(|| check().and(check())).unwrap();
    /// let svg = recorder.report().to_svg();
    /// assert!(svg.starts_with("<svg ") && svg.contains("all stretches"));
    /// ```
    #[must_use]
    pub fn to_svg(&self) -> String {
        let mut by_start: BTreeMap<Place, Vec<&Stretch>> = BTreeMap::new();
        for stretch in self.stretches() {
            by_start.entry(stretch.from()).or_default().push(stretch);
        }
        let mut starts: Vec<(Place, Vec<&Stretch>)> = by_start.into_iter().collect();
        starts.sort_by_key(|(_, stretches)| std::cmp::Reverse(total(stretches)));

        let all: Vec<&Stretch> = self.stretches().iter().collect();
        let scale = WIDTH / (total(&all).as_secs_f64()).max(1e-9);
        let mut picture = Picture::new();
        picture.bar(0, 0.0, WIDTH, "all stretches", &all);
        let mut x = 0.0;
        for (from, mut stretches) in starts {
            let width = total(&stretches).as_secs_f64() * scale;
            picture.bar(1, x, width, &from.to_string(), &stretches);
            stretches.sort_by_key(|stretch| std::cmp::Reverse(stretch.total()));
            let mut inner = x;
            for stretch in stretches {
                let width = stretch.total().as_secs_f64() * scale;
                picture.bar(2, inner, width, &format!("→ {}", stretch.to()), &[stretch]);
                inner += width;
            }
            x += width;
        }
        picture.end()
    }

    /// Writes [`to_svg`](Self::to_svg) to a file, in place of what is there.
    ///
    /// # Errors
    ///
    /// Those of [`fs::write`].
    pub fn write_svg(&self, path: impl AsRef<Path>) -> io::Result<()> {
        fs::write(path, self.to_svg())
    }
}

fn total(stretches: &[&Stretch]) -> Duration {
    stretches.iter().map(|stretch| stretch.total()).sum()
}

struct Picture(String);

impl Picture {
    fn new() -> Self {
        let (width, height) = (WIDTH + 2.0 * MARGIN, 4.0 * ROW + 2.0 * MARGIN);
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" font-size=\"11\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"{MARGIN}\" y=\"{}\">Time between check points. Width: total. Colour: the longest, from 10 µs (yellow) to 1 s (red).</text>\n",
            MARGIN + ROW / 2.0
        ))
    }

    /// One bar: a place, and the stretches that it stands for.
    fn bar(&mut self, row: u8, x: f64, width: f64, name: &str, stretches: &[&Stretch]) {
        if width < NARROW {
            return;
        }
        let longest = stretches.iter().map(|stretch| stretch.max()).max().unwrap_or_default();
        let count: u64 = stretches.iter().map(|stretch| stretch.count()).sum();
        let (x, y) = (x + MARGIN, MARGIN + ROW * (f64::from(row) + 1.0));
        let letters = (width / LETTER) as usize;
        let label: String = if name.chars().count() <= letters {
            name.to_owned()
        } else if letters > 3 {
            // The end of a path says more than its beginning.
            let skipped = name.chars().count() + 1 - letters;
            std::iter::once('…').chain(name.chars().skip(skipped)).collect()
        } else {
            String::new()
        };
        let _ = writeln!(
            self.0,
            "<g><title>{}\nlongest {}, {count} times, {} in all</title>\
             <rect x=\"{x:.2}\" y=\"{y}\" width=\"{width:.2}\" height=\"{}\" fill=\"{}\" stroke=\"#fff\" stroke-width=\"0.5\"/>\
             <text x=\"{:.2}\" y=\"{}\">{}</text></g>",
            escaped(name),
            Short(longest),
            Short(total(stretches)),
            ROW - 2.0,
            colour(longest),
            x + 3.0,
            y + ROW * 0.6,
            escaped(&label),
        );
    }

    fn end(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

/// From yellow to red, with each power of ten.
fn colour(longest: Duration) -> String {
    let powers = (longest.as_secs_f64().max(1e-9).log10() + 5.0).clamp(0.0, 5.0);
    let green = 220.0 - powers * 32.0;
    format!("#f0{:02x}40", green as u8)
}

/// As XML wants it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_xml_has_a_meaning_for_is_escaped() {
        assert_eq!(escaped("a<b>&\"c\u{1b}"), "a&lt;b&gt;&amp;&quot;c\u{fffd}");
    }
}
