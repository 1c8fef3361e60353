//! When a run is cancelled.

use std::fmt;
use std::str::FromStr;

/// The moment of a cancel. Counted from 1.
///
/// As text, `check-point:3` or `poll:2`; so they are given in the variable `CANCELABLE_INJECT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moment {
    /// Just before the n-th check point asks its token. So that check point fails, unless it is shielded.
    CheckPoint(usize),
    /// Just after the n-th poll that left the future pending: the cancel wakes it.
    Poll(usize),
}

impl Moment {
    pub(super) fn nth(self) -> usize {
        match self {
            Self::CheckPoint(n) | Self::Poll(n) => n,
        }
    }

    pub(super) fn next(self) -> Self {
        match self {
            Self::CheckPoint(n) => Self::CheckPoint(n + 1),
            Self::Poll(n) => Self::Poll(n + 1),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CheckPoint(n) => write!(f, "check-point:{n}"),
            Self::Poll(n) => write!(f, "poll:{n}"),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(kind, n)| {
            let n = n.parse().ok().filter(|&n| n > 0)?;
            match kind {
                "check-point" => Some(Self::CheckPoint(n)),
                "poll" => Some(Self::Poll(n)),
                _ => None,
            }
        });
        parsed.ok_or_else(|| format!("expected `check-point:<n>` or `poll:<n>`, found `{text}`"))
    }
}
