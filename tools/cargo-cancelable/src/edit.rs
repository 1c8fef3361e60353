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
            before: format!("{}{}", file.prefix, file.text),
            after: format!("{}{after}", file.prefix),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File::parse(Path::new("f.rs"), text.to_owned(), Vec::new()).expect("it parses")
    }

    fn with_attribute(text: &str) -> String {
        let file = file(text);
        let at = file.text.find("fn ").expect("there is a function");
        let edit = insert_line(&file, at, "#[cancelable]");
        Changed::of(&file, vec![edit.clone(), edit])
            .expect("it changes something")
            .after
    }

    #[test]
    fn a_line_is_put_in_as_the_file_has_its_lines() {
        assert_eq!(
            with_attribute("mod m {\n    fn f() {}\n}\n"),
            "mod m {\n    #[cancelable]\n    fn f() {}\n}\n"
        );
        assert_eq!(
            with_attribute("mod m {\r\n\tfn f() {}\r\n}\r\n"),
            "mod m {\r\n\t#[cancelable]\r\n\tfn f() {}\r\n}\r\n"
        );
        assert_eq!(
            with_attribute("#[inline] fn f() {}"),
            "#[inline] #[cancelable] fn f() {}"
        );
    }

    #[test]
    fn what_the_parser_does_not_see_is_kept() {
        let text = "\u{feff}#!/usr/bin/env rustx\nfn f() {}\n";
        assert_eq!(with_attribute(text), text.replace("fn", "#[cancelable]\nfn"));
        let position = crate::source::Position::of(match &file(text).syntax.items[0] {
            syn::Item::Fn(item) => item.sig.fn_token.span,
            _ => unreachable!("it is a function"),
        });
        assert_eq!((position.line, position.column), (2, 1));
    }

    #[test]
    fn what_is_removed_takes_its_line_along_or_the_space_behind_it() {
        let removed = |text: &str| {
            let file = file(text);
            let start = file.text.find("#[a]").expect("it is there");
            apply(&file.text, vec![remove(&file, start..start + 4)])
        };
        assert_eq!(removed("// b\n    #[a]\nfn f() {}\n"), "// b\nfn f() {}\n");
        assert_eq!(removed("#[a] fn f() {}\n"), "fn f() {}\n");
        assert_eq!(removed("#[a] // why\nfn f() {}\n"), "// why\nfn f() {}\n");
    }
}
