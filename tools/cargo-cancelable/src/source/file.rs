//! One file.

use super::items;
use proc_macro2::Span;
use serde::Serialize;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One file that parses.
pub struct File {
    /// As it is shown.
    pub path: PathBuf,
    /// What the parser does not see: a byte order mark, a `#!` line.
    pub prefix: String,
    /// The text behind that, to which all ranges of bytes refer.
    pub text: String,
    /// What it declares. Items in the tokens of a `cfg_…! { }` stand where that call was.
    pub syntax: syn::File,
    /// The modules it is in: `["net", "tcp"]` for `src/net/tcp.rs`.
    pub module: Vec<String>,
    /// Which of the package's crates it is of, if it is the root of one; files that are no root have 0.
    pub root: usize,
    /// Whether it is compiled for tests only.
    pub is_test: bool,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A place in a file, as rustc says it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Position {
    /// Where a span begins.
    #[must_use]
    pub fn of(span: Span) -> Self {
        let start = span.start();
        Position {
            line: start.line,
            column: start.column + 1,
        }
    }
}

impl File {
    /// Parses a file. `path` is how it is shown.
    ///
    /// # Errors
    ///
    /// If it is no Rust.
    pub fn parse(path: &Path, text: String, module: Vec<String>) -> syn::Result<Self> {
        let mut syntax = syn::parse_file(&text)?;
        items::unfold(&mut syntax.items);
        let mark = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        let (prefix, text) = text.split_at(mark + syntax.shebang.as_ref().map_or(0, String::len));
        Ok(File {
            path: path.to_owned(),
            prefix: prefix.to_owned(),
            text: text.to_owned(),
            syntax,
            module,
            root: 0,
            is_test: false,
        })
    }

    /// The bytes from the beginning of the line in which `at` is up to `at`.
    #[must_use]
    pub fn before_on_line(&self, at: usize) -> &str {
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        &self.text[start..at]
    }

    /// The line in which `at` is, without the white space around.
    #[must_use]
    pub fn line_of(&self, at: usize) -> &str {
        let start = at - self.before_on_line(at).len();
        let end = self.text[at..].find('\n').map_or(self.text.len(), |length| at + length);
        self.text[start..end].trim()
    }
}

/// The bytes of the file from the first to the last token of some syntax.
#[must_use]
pub fn bytes(first: Span, last: Span) -> Range<usize> {
    first.byte_range().start..last.byte_range().end
}
