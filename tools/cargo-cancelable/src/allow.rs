//! `// cancelable: allow(rule) reason`, above a statement or an item, or at the end of its first line.

use crate::finding::{Finding, Rule};
use crate::source::{File, Position};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// What the comments of one file allow.
#[derive(Debug, Default)]
pub struct Allowed {
    lines: Vec<(RangeInclusive<usize>, Vec<Rule>)>,
    /// Comments that allow nothing, and why.
    pub wrong: Vec<(Position, String)>,
}

const MARK: &str = "cancelable: allow(";

impl Allowed {
    /// Reads the comments.
    #[must_use]
    pub fn of(file: &File) -> Self {
        let mut allowed = Allowed::default();
        if !file.text.contains(MARK) {
            return allowed;
        }
        let literals = literals(file);
        let mut nodes: Option<Nodes> = None;
        let mut start = 0;
        for (index, line) in file.text.split_inclusive('\n').enumerate() {
            let begins = start;
            start += line.len();
            let Some((code, rest)) = comment(line.trim_end()) else {
                continue;
            };
            if literals.iter().any(|range| range.contains(&(begins + code.len()))) {
                continue;
            }
            let number = index + 1;
            let position = Position {
                line: number,
                column: code.chars().count() + 1,
            };
            let rules = match read(rest) {
                Ok(rules) => rules,
                Err(why) => {
                    allowed.wrong.push((position, why));
                    continue;
                }
            };
            let nodes = nodes.get_or_insert_with(|| Nodes::of(file));
            let is_behind = !code.trim().is_empty();
            let found = match is_behind {
                true => nodes.on(number),
                false => nodes.after(number),
            };
            match found {
                Some(lines) => allowed.lines.push((lines, rules)),
                None => allowed
                    .wrong
                    .push((position, "no statement and no item follows".to_owned())),
            }
        }
        allowed
    }

    /// Whether what is at this line is allowed.
    #[must_use]
    pub fn covers(&self, rule: Rule, line: usize) -> bool {
        self.lines
            .iter()
            .any(|(lines, rules)| lines.contains(&line) && rules.contains(&rule))
    }
}

/// The code before the comment, and what follows the mark.
fn comment(line: &str) -> Option<(&str, &str)> {
    let (before, rest) = line.split_once(MARK)?;
    let code = before.trim_end().strip_suffix("//")?;
    Some((code, rest))
}

/// Where strings and documentation are, in which no comment is.
fn literals(file: &File) -> Vec<Range<usize>> {
    fn collect(tokens: TokenStream, ranges: &mut Vec<Range<usize>>) {
        for tree in tokens {
            match tree {
                TokenTree::Group(group) => collect(group.stream(), ranges),
                TokenTree::Literal(literal) => ranges.push(literal.span().byte_range()),
                _ => {}
            }
        }
    }
    let mut ranges = Vec::new();
    collect(file.text.parse().unwrap_or_default(), &mut ranges);
    ranges
}

/// `rule, rule) reason`
fn read(rest: &str) -> Result<Vec<Rule>, String> {
    let (rules, reason) = rest.split_once(')').ok_or("the `)` is missing")?;
    if reason.trim().is_empty() {
        return Err("say why, behind it: `// cancelable: allow(rule) reason`".to_owned());
    }
    rules.split(',').map(|rule| rule.trim().parse()).collect()
}

/// The lines of statements and items.
struct Nodes(Vec<Node>);

struct Node {
    /// Its first line, attributes and documentation included.
    first: usize,
    /// Its first line behind these.
    head: usize,
    last: usize,
}

impl Nodes {
    fn of(file: &File) -> Self {
        let mut nodes = Nodes(Vec::new());
        nodes.visit_file(&file.syntax);
        nodes
    }

    fn add(&mut self, attrs: &[syn::Attribute], whole: proc_macro2::Span) {
        let behind = attrs.iter().map(|attr| attr.span().end().line + 1).max();
        let first = whole.start().line;
        self.0.push(Node {
            first,
            head: behind.unwrap_or(first).min(whole.end().line).max(first),
            last: whole.end().line,
        });
    }

    /// The one that begins first behind the line; of two, the one that is round the other.
    fn after(&self, line: usize) -> Option<RangeInclusive<usize>> {
        // Between attributes and what they stand on.
        let within = self.0.iter().filter(|node| node.first <= line && node.head > line);
        let next = self.0.iter().filter(|node| node.first > line);
        let begins = |node: &&Node| (node.first.max(line + 1), std::cmp::Reverse(node.last));
        let found = within.chain(next).min_by_key(begins)?;
        Some(line..=found.last)
    }

    fn on(&self, line: usize) -> Option<RangeInclusive<usize>> {
        let here = self.0.iter().filter(|node| node.first == line || node.head == line);
        let found = here.max_by_key(|node| node.last)?;
        Some(found.first..=found.last)
    }
}

impl<'ast> Visit<'ast> for Nodes {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attrs: &[syn::Attribute] = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Trait(item) => &item.attrs,
            _ => &[],
        };
        self.add(attrs, item.span());
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.attrs, item.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.add(&item.attrs, item.span());
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_stmt(&mut self, stmt: &'ast syn::Stmt) {
        self.add(&[], stmt.span());
        visit::visit_stmt(self, stmt);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.add(&[], arm.span());
        visit::visit_arm(self, arm);
    }
}

/// Without those findings that are allowed, where they are or in what they are about; and with those comments that allow nothing.
#[must_use]
pub fn apply(findings: Vec<Finding>, files: &[File]) -> Vec<Finding> {
    let allowed: HashMap<PathBuf, Allowed> = files
        .iter()
        .map(|file| (file.path.clone(), Allowed::of(file)))
        .collect();
    let covers = |rule, path: &PathBuf, line| allowed.get(path).is_some_and(|allowed| allowed.covers(rule, line));
    let mut left: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| {
            let here = covers(finding.rule, &finding.file, finding.line);
            let mut about = finding.about.iter();
            !here && !about.any(|(path, position)| covers(finding.rule, path, position.line))
        })
        .collect();
    for (path, allowed) in &allowed {
        for (position, why) in &allowed.wrong {
            left.push(Finding {
                rule: Rule::Allow,
                file: path.clone(),
                line: position.line,
                column: position.column,
                message: format!("this comment allows nothing: {why}"),
                fixable: false,
                fix: None,
                about: Vec::new(),
            });
        }
    }
    left
}
