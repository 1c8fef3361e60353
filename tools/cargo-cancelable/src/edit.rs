//! Changes to a file, by ranges of bytes: what is not changed keeps its formatting and its comments.

use crate::source::File;
use similar::TextDiff;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Text in place of a range of bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Edit {
    start: usize,
    end: usize,
    text: String,
}

/// A file before and after.
#[derive(Debug)]
pub struct Changed {
    /// Which.
    pub path: PathBuf,
    /// As it was.
    pub before: String,
    /// As it is to be.
    pub after: String,
}

impl Changed {
    /// A file with these edits. `None` if they change nothing.
    #[must_use]
    pub fn of(file: &File, edits: Vec<Edit>) -> Option<Self> {
        let after = apply(&file.text, edits);
        (after != file.text).then(|| Changed {
            path: file.path.clone(),
            before: file.text.clone(),
            after,
        })
    }

    /// The difference, as `git diff` shows it.
    #[must_use]
    pub fn diff(&self) -> String {
        let path = slashed(&self.path);
        TextDiff::from_lines(&self.before, &self.after)
            .unified_diff()
            .header(&format!("a/{path}"), &format!("b/{path}"))
            .to_string()
    }
}

fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// A line of its own in front of what begins at `at`, indented like that; or on the same line, if something stands before it there.
#[must_use]
pub fn insert_line(file: &File, at: usize, line: &str) -> Edit {
    let before = file.before_on_line(at);
    let text = if before.trim().is_empty() {
        let newline = if file.text.contains("\r\n") { "\r\n" } else { "\n" };
        format!("{line}{newline}{before}")
    } else {
        format!("{line} ")
    };
    Edit {
        start: at,
        end: at,
        text,
    }
}

/// Takes a range away, with its line if nothing else is on that, or with the white space behind it.
#[must_use]
pub fn remove(file: &File, range: Range<usize>) -> Edit {
    let text = &file.text;
    let before = file.before_on_line(range.start);
    let rest = &text[range.end..];
    let line_end = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
    let (start, end) = if before.trim().is_empty() && rest[..line_end].trim().is_empty() {
        (range.start - before.len(), range.end + line_end)
    } else {
        let space = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        (range.start, range.end + space)
    };
    Edit {
        start,
        end,
        text: String::new(),
    }
}

/// Carries the edits out. The same one twice is done once, and of two that overlap only the first.
#[must_use]
pub fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort();
    edits.dedup();
    let mut result = String::with_capacity(text.len());
    let mut done = 0;
    for edit in edits {
        if edit.start < done {
            continue;
        }
        result.push_str(&text[done..edit.start]);
        result.push_str(&edit.text);
        done = edit.end;
    }
    result.push_str(&text[done..]);
    result
}
