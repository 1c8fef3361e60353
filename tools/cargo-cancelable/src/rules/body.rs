//! One function as the rules see it, and what they have found in it.

use crate::finding::{Finding, Fix, Rule};
use crate::functions::Function;
use crate::index::Index;
use crate::source::Position;
use crate::walk::{Node, Place};
use proc_macro2::Span;

/// One function, for the rules.
pub(crate) struct Body<'i> {
    pub(crate) index: &'i Index<'i>,
    pub(crate) id: usize,
    findings: Vec<Finding>,
}

impl<'i> Body<'i> {
    pub(super) fn new(index: &'i Index<'i>, id: usize) -> Self {
        Body {
            index,
            id,
            findings: Vec::new(),
        }
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    pub(crate) fn function(&self) -> &'i Function<'i> {
        &self.index.functions[self.id]
    }

    pub(crate) fn walk(&self, enter: &mut dyn FnMut(Node<'_>, &Place)) {
        self.index.walk(self.id, enter);
    }

    /// What a path means here, as text.
    pub(crate) fn meaning(&self, path: &syn::Path) -> String {
        self.index.meaning(path, self.id)
    }

    /// The function of the package that this calls.
    pub(crate) fn callee(&self, expr: &syn::Expr) -> Option<usize> {
        self.index.callee(expr, self.id)
    }

    /// The annotated function that this calls.
    pub(crate) fn annotated_callee(&self, expr: &syn::Expr) -> Option<usize> {
        self.callee(expr)
            .filter(|id| self.index.functions[*id].annotated().is_some())
    }

    /// " (called from `serve`, which is cancelable)", for what is said of a function that is not annotated.
    pub(crate) fn reached_from(&self) -> String {
        match self.index.reached(self.id) {
            Some(reach) if reach.caller == reach.from => {
                format!("it is called from `{}`, which is cancelable", self.name_of(reach.from))
            }
            Some(reach) => format!(
                "it is called from `{}`, and that from `{}`, which is cancelable",
                self.name_of(reach.caller),
                self.name_of(reach.from)
            ),
            None => String::new(),
        }
    }

    fn name_of(&self, id: usize) -> String {
        self.index.functions[id].short()
    }

    /// Whether something was found here already.
    pub(crate) fn has(&self, rule: Rule, span: Span) -> bool {
        let position = Position::of(span);
        let mut found = self.findings.iter();
        found.any(|finding| finding.rule == rule && finding.line == position.line && finding.column == position.column)
    }

    pub(crate) fn report(&mut self, rule: Rule, span: Span, message: impl Into<String>) -> &mut Finding {
        let position = Position::of(span);
        let about = vec![self.function_of(self.id)];
        self.findings.push(Finding {
            rule,
            file: self.function().file.path.clone(),
            line: position.line,
            column: position.column,
            message: message.into(),
            fixable: false,
            fix: None,
            about,
        });
        self.findings.last_mut().expect("one was pushed")
    }

    /// The same of a call, which is about what it calls, too.
    pub(crate) fn report_call(
        &mut self,
        rule: Rule,
        span: Span,
        callee: usize,
        message: impl Into<String>,
    ) -> &mut Finding {
        let about = self.function_of(callee);
        let finding = self.report(rule, span, message);
        finding.about.push(about);
        finding
    }

    fn function_of(&self, id: usize) -> (std::path::PathBuf, Position) {
        let function = &self.index.functions[id];
        (function.file.path.clone(), function.position())
    }

    /// The attribute in front of the function, by the name it has there.
    pub(crate) fn annotation(&self) -> Fix {
        let function = self.function();
        let name = ["cancelable".to_owned()];
        let known = self
            .index
            .names
            .resolve(&name, &function.module, &crate::source::Local::default());
        let line = if known == ["cancelable", "cancelable"] {
            "#[cancelable]"
        } else {
            "#[cancelable::cancelable]"
        };
        Fix {
            at: function.head.byte_range().start,
            line: line.to_owned(),
        }
    }
}
