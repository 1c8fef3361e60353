//! Every N-th turn of a `while` or a `loop`.

/// Counts the turns of a `while` or a `loop`, and says at which to check: the first, and every N-th after it.
#[derive(Debug)]
pub struct Turns {
    every: usize,
    left: usize,
}

impl Turns {
    /// `every` of 0 is taken for 1.
    #[inline]
    pub const fn new(every: usize) -> Self {
        Self {
            every: if every == 0 { 1 } else { every },
            left: 0,
        }
    }

    /// How many checks, one in every `every` turns, it takes to go through `turns`.
    #[inline]
    pub const fn rounds(turns: usize, every: usize) -> usize {
        turns.div_ceil(if every == 0 { 1 } else { every })
    }

    /// A turn begins; is it one that checks?
    #[inline]
    pub fn begin(&mut self) -> bool {
        if self.left == 0 {
            self.left = self.every - 1;
            true
        } else {
            self.left -= 1;
            false
        }
    }
}
