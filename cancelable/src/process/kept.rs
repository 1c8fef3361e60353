//! What is kept of a stream.

/// How much is kept, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keep {
    /// All of it, up to here.
    All { limit: usize },
    /// The end of it.
    Last(usize),
}

/// What a stream has said so far, as far as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    keep: Keep,
    is_cut: bool,
}

impl Kept {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            bytes: Vec::new(),
            keep,
            is_cut: false,
        }
    }

    /// `false`: there is more than was to be kept.
    pub(super) fn push(&mut self, more: &[u8]) -> bool {
        match self.keep {
            Keep::All { limit } => {
                let room = limit - self.bytes.len();
                self.bytes.extend_from_slice(&more[..more.len().min(room)]);
                self.is_cut |= more.len() > room;
                !self.is_cut
            }
            Keep::Last(most) => {
                self.bytes.extend_from_slice(&more[more.len().saturating_sub(most)..]);
                // Not at each push: what stays is moved to the front.
                if self.bytes.len() > most.saturating_mul(2) {
                    self.cut(most);
                }
                true
            }
        }
    }

    /// There was more than this, which was to be all.
    pub(super) fn exceeded(&self) -> Option<usize> {
        match self.keep {
            Keep::All { limit } if self.is_cut => Some(limit),
            _ => None,
        }
    }

    fn cut(&mut self, most: usize) {
        let excess = self.bytes.len().saturating_sub(most);
        self.bytes.drain(..excess);
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        if let Keep::Last(most) = self.keep {
            self.cut(most);
        }
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Keep, Kept};

    fn kept(keep: Keep, pieces: &[&str]) -> (String, bool) {
        let mut kept = Kept::new(keep);
        let mut is_whole = true;
        for piece in pieces {
            is_whole &= kept.push(piece.as_bytes());
        }
        (String::from_utf8(kept.take()).unwrap(), is_whole)
    }

    #[test]
    fn all_is_kept_up_to_the_limit() {
        let keep = Keep::All { limit: 5 };
        assert_eq!(kept(keep, &["ab", "cde"]), ("abcde".into(), true));
        assert_eq!(kept(keep, &["ab", "cdef", "g"]), ("abcde".into(), false));
        assert_eq!(kept(Keep::All { limit: 0 }, &[""]), (String::new(), true));
    }

    #[test]
    fn the_end_is_kept_whatever_the_pieces() {
        let text = "abcdefghijklmnopqrstuvwxyz";
        for most in 0..30 {
            for size in 1..30 {
                let pieces: Vec<&str> = (0..text.len())
                    .step_by(size)
                    .map(|at| &text[at..text.len().min(at + size)])
                    .collect();
                let end = text[text.len().saturating_sub(most)..].to_owned();
                assert_eq!(kept(Keep::Last(most), &pieces), (end, true), "{most} {size}");
            }
        }
    }
}
