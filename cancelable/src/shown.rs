//! Text that came from outside, as it is shown: one line, and no longer than a person would read.

use std::fmt::{self, Write};

/// How much of a text is shown, in characters.
const LONGEST: usize = 1_000;

/// A name, a message or an error, whose control characters are replaced (a log's line is one line, and a terminal is not told to
/// do anything), and which is cut where it is very long.
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = OneLine { out: f, left: LONGEST };
        match write!(line, "{}", self.0) {
            // It has been stopped, for no more of it is shown.
            Err(_) if line.left == 0 => Ok(()),
            written => written,
        }
    }
}

/// In quotes.
impl<T: fmt::Display> fmt::Debug for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

struct OneLine<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    left: usize,
}

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let shown = match self.left {
                // Errors that carry errors would go on writing for as deep as they go.
                0 => return Err(fmt::Error),
                1 => '…',
                _ if breaks_the_line(character) => char::REPLACEMENT_CHARACTER,
                _ => character,
            };
            self.left -= 1;
            self.out.write_char(shown)?;
        }
        Ok(())
    }
}

/// Does it do more than stand there: a control character, a line or paragraph separator, a change of direction?
fn breaks_the_line(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_one_line_and_does_nothing_to_a_terminal() {
        let shown = Shown("a\nb\r\u{1b}[31mc\u{202e}d\u{2028}e\u{9b}é✓").to_string();
        assert_eq!(shown, "a\u{fffd}b\u{fffd}\u{fffd}[31mc\u{fffd}d\u{fffd}e\u{fffd}é✓");
    }

    /// As an error that carries errors, as deep as these go.
    #[test]
    fn who_would_write_for_ever_is_stopped() {
        struct Endless;

        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("ab")?;
                }
            }
        }

        assert_eq!(Shown(Endless).to_string().chars().count(), LONGEST);
        assert_eq!(Shown(Shown(Endless)).to_string().chars().count(), LONGEST);

        struct Fails;

        impl fmt::Display for Fails {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Err(fmt::Error)
            }
        }

        assert!(write!(String::new(), "{}", Shown(Fails)).is_err());
    }

    #[test]
    fn a_long_text_is_cut_and_one_that_just_fits_is_not() {
        // (In pieces, as errors write theirs.)
        let of = |length: usize| {
            Shown(format_args!(
                "{}{}",
                "ä".repeat(length / 2),
                "b".repeat(length - length / 2)
            ))
            .to_string()
        };
        assert_eq!(of(999).chars().count(), 999);
        assert!(!of(999).contains('…'));
        let cut = of(1_500);
        assert_eq!(cut.chars().count(), LONGEST);
        assert!(cut.ends_with("b…"));
    }
}
