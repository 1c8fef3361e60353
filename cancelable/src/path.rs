//! The names of the scopes that code is in.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::shown::Shown;

/// The named scopes round a piece of code. A list that is shared: what begins inside adds its own names only.
#[derive(Clone, Default)]
pub(crate) struct Path(Option<Arc<Named>>);

/// The innermost of them.
struct Named {
    name: Cow<'static, str>,
    outside: Path,
}

impl Path {
    pub(crate) const EMPTY: &'static Self = &Self(None);

    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// With one more scope inside.
    pub(crate) fn and(self, name: Cow<'static, str>) -> Self {
        Self(Some(Arc::new(Named { name, outside: self })))
    }

    pub(crate) fn innermost(&self) -> Option<&str> {
        self.0.as_ref().map(|named| &*named.name)
    }

    pub(crate) fn scopes(&self) -> ScopePath<'_> {
        let mut names = Vec::new();
        let mut at = self;
        while let Some(named) = &at.0 {
            names.push(&*named.name);
            at = &named.outside;
        }
        names.reverse();
        ScopePath { names }
    }
}

/// Tasks that start tasks may have made it as long as memory goes.
impl Drop for Named {
    fn drop(&mut self) {
        let mut outside = self.outside.0.take();
        while let Some(mut named) = outside.and_then(Arc::into_inner) {
            outside = named.outside.0.take();
        }
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scopes().fmt(f)
    }
}

/// The named scopes round a check point, outermost first, through the tasks and threads that were started in them.
///
/// It is what [`Cancelled::scope_path`](crate::Cancelled::scope_path) returns: an iterator over the names, whose `{}` is
/// `serve > request > load`.
#[derive(Clone, PartialEq, Eq)]
pub struct ScopePath<'a> {
    names: Vec<&'a str>,
}

impl<'a> ScopePath<'a> {
    /// The names, outermost first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a str> + DoubleEndedIterator + '_ {
        self.names.iter().copied()
    }

    /// Is there no named scope?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

impl<'a> IntoIterator for ScopePath<'a> {
    type Item = &'a str;
    type IntoIter = std::vec::IntoIter<&'a str>;

    fn into_iter(self) -> Self::IntoIter {
        self.names.into_iter()
    }
}

/// How many names are shown from either end, if there are many more.
const SHOWN: usize = 16;

impl fmt::Display for ScopePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left_out = SHOWN..self.names.len().saturating_sub(SHOWN).max(SHOWN);
        for (number, name) in self.names.iter().enumerate() {
            let separator = if number == 0 { "" } else { " > " };
            if left_out.len() < 2 || !left_out.contains(&number) {
                write!(f, "{separator}{}", Shown(name))?;
            } else if number == left_out.start {
                write!(f, "{separator}… {} more …", left_out.len())?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ScopePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names.iter().map(Shown)).finish()
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;

    fn of(length: usize) -> Path {
        (0..length).fold(Path::none(), |path, number| path.and(number.to_string().into()))
    }

    #[test]
    fn a_path_is_told_from_the_outermost_scope_on() {
        let path = of(3);
        assert_eq!(path.scopes().to_string(), "0 > 1 > 2");
        assert_eq!(path.scopes().into_iter().collect::<Vec<_>>(), ["0", "1", "2"]);
        assert!(Path::none().scopes().is_empty());
    }

    #[test]
    fn of_a_very_long_path_the_middle_is_left_out() {
        assert!(!of(33).scopes().to_string().contains('…'));
        let shown = of(100).scopes().to_string();
        assert!(
            shown.starts_with("0 > 1 > ") && shown.contains(" > 15 > … 68 more … > 84 > "),
            "{shown}"
        );
        assert!(shown.ends_with(" > 99"), "{shown}");
    }

    #[test]
    fn a_path_as_long_as_memory_goes_is_dropped_on_a_small_stack() {
        std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(|| drop(of(100_000)))
            .unwrap()
            .join()
            .unwrap();
    }
}
