//! Every check point of a package, and the difference between two states of it.

use crate::functions::Function;
use crate::index::Index;
use crate::source::{Package, Position};
use crate::walk::{Ground, Node};
use cancelable_syntax::survey::{self, PointKind, Survey, Under};
use proc_macro2::Span;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use syn::Expr;

/// A check point. Its JSON has these fields, by these names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Entry {
    /// The file, as seen from where the tool was started.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// `entry`, `await`, `loop`, `check`, `scope`.
    pub kind: &'static str,
    /// The function that it is in: `net::Server::run`.
    pub function: String,
    /// `finish` or `shield`, if it is under one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub under: Option<&'static str>,
    /// The line of code.
    pub text: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let under = self.under.map(|word| format!(" ({word})")).unwrap_or_default();
        write!(
            f,
            "{}:{}:{}: {}{under} in {}: {}",
            self.file.display(),
            self.line,
            self.column,
            self.kind,
            self.function,
            self.text
        )
    }
}

/// All check points, in order of files and lines.
#[must_use]
pub fn list(package: &Package) -> Vec<Entry> {
    let index = Index::of(package);
    let mut entries = Vec::new();
    for (id, function) in index.functions.iter().enumerate() {
        if let Some(annotated) = function.annotated() {
            entries.push(entry(function, function.sig.ident.span(), "entry", None));
            of_survey(function, &annotated.survey, &mut entries);
        }
        index.walk(id, &mut |node, place| {
            let Node::Expr(expr) = node else { return };
            match expr {
                Expr::Macro(call) => {
                    if let Some(scope) = survey::scope(&call.mac) {
                        if scope.survey.is_some() {
                            let name = &call.mac.path.segments.last().expect("it has a name").ident;
                            entries.push(entry(function, name.span(), "scope", None));
                        }
                        scope
                            .survey
                            .iter()
                            .for_each(|survey| of_survey(function, survey, &mut entries));
                    }
                }
                Expr::Call(call) => {
                    if let Expr::Path(path) = &*call.func {
                        if index.meaning(&path.path, id) == "cancelable::check" {
                            let under = (place.is_shielded && place.ground == Ground::Covered).then_some("shield");
                            let name = &path.path.segments.last().expect("a path has a name").ident;
                            entries.push(entry(function, name.span(), "check", under));
                        }
                    }
                }
                Expr::MethodCall(call) if call.method == "check" && call.args.is_empty() => {
                    entries.push(entry(function, call.method.span(), "check", None));
                }
                _ => {}
            }
        });
    }
    entries.sort();
    entries.dedup();
    entries
}

fn of_survey(function: &Function<'_>, survey: &Survey, entries: &mut Vec<Entry>) {
    for point in &survey.points {
        let kind = match point.kind {
            PointKind::Loop => "loop",
            _ => "await",
        };
        let under = match point.under {
            Under::Finish => Some("finish"),
            Under::Shield | Under::BoundedShield => Some("shield"),
            _ => None,
        };
        entries.push(entry(function, point.span, kind, under));
    }
}

fn entry(function: &Function<'_>, span: Span, kind: &'static str, under: Option<&'static str>) -> Entry {
    let Position { line, column } = Position::of(span);
    Entry {
        file: function.file.path.clone(),
        line,
        column,
        kind,
        function: function.path(),
        under,
        text: function.file.line_of(span.byte_range().start).to_owned(),
    }
}

/// What is only in the one, and only in the other. Lines may have moved: a check point is known by its function, its kind and its line's text.
#[must_use]
pub fn difference(before: Vec<Entry>, after: Vec<Entry>) -> (Vec<Entry>, Vec<Entry>) {
    let key = |entry: &Entry| (entry.function.clone(), entry.kind, entry.under, entry.text.clone());
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for entry in &before {
        *counts.entry(key(entry)).or_default() += 1;
    }
    let mut take = |entry: &Entry| match counts.get_mut(&key(entry)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    let added: Vec<Entry> = after.into_iter().filter(|entry| take(entry)).collect();
    // What is left over was taken away. From the end, as the first ones have been matched.
    let mut removed: Vec<Entry> = before.into_iter().rev().filter(|entry| !take(entry)).collect();
    removed.reverse();
    (removed, added)
}
