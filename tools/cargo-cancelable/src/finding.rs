//! What is found, and by which rule.

use crate::source::Position;
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A rule, by its name in reports, comments and options.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Rule {
    /// A comment `cancelable: allow(…)` that allows nothing.
    Allow,
    /// `spawn` without the context.
    BareSpawn,
    /// A call that blocks its thread.
    BlockingCall,
    /// A loop without an end and without a check point.
    EndlessLoop,
    /// More than one await under one `finish`.
    FinishBlock,
    /// A cancel that passes for the end of an iterator.
    IteratorEnd,
    /// A loop or an await where the attribute puts no check points.
    OutOfReach,
    /// Clean-up that a cancel skips.
    SkippedCleanup,
    /// A loop that goes on after a cancel.
    SwallowedCancel,
    /// A function with loops that is called from annotated code, and is not annotated.
    UnannotatedCallee,
    /// The same of one with awaits only.
    UnannotatedCalleeAwaits,
    /// A shield without a limit.
    UnboundedShield,
}

impl Rule {
    /// All of them, in order of their names.
    pub const ALL: [Rule; 12] = [
        Rule::Allow,
        Rule::BareSpawn,
        Rule::BlockingCall,
        Rule::EndlessLoop,
        Rule::FinishBlock,
        Rule::IteratorEnd,
        Rule::OutOfReach,
        Rule::SkippedCleanup,
        Rule::SwallowedCancel,
        Rule::UnannotatedCallee,
        Rule::UnannotatedCalleeAwaits,
        Rule::UnboundedShield,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Rule::Allow => "allow",
            Rule::BareSpawn => "bare-spawn",
            Rule::BlockingCall => "blocking-call",
            Rule::EndlessLoop => "endless-loop",
            Rule::FinishBlock => "finish-block",
            Rule::IteratorEnd => "iterator-end",
            Rule::OutOfReach => "out-of-reach",
            Rule::SkippedCleanup => "skipped-cleanup",
            Rule::SwallowedCancel => "swallowed-cancel",
            Rule::UnannotatedCallee => "unannotated-callee",
            Rule::UnannotatedCalleeAwaits => "unannotated-callee-awaits",
            Rule::UnboundedShield => "unbounded-shield",
        }
    }

    /// Whether it is on if nothing is said.
    #[must_use]
    pub fn is_on(self) -> bool {
        !matches!(self, Rule::UnannotatedCalleeAwaits | Rule::UnboundedShield)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Rule::ALL.into_iter().find(|rule| rule.name() == name);
        found.ok_or_else(|| {
            let names = Rule::ALL.map(Rule::name).join(", ");
            format!("there is no rule `{name}`; the rules are {names}")
        })
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Something found in the code. Its JSON has these fields, by these names.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// The file, as seen from where the tool was started.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub message: String,
    /// Whether `fix` mends it.
    pub fixable: bool,
    /// How `fix` mends it.
    #[serde(skip)]
    pub fix: Option<Fix>,
    /// The functions it is about: what is allowed of these is allowed here.
    #[serde(skip)]
    pub about: Vec<(PathBuf, Position)>,
}

/// Text to put into the file of a finding: a line of its own in front of the token at this place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fix {
    /// In bytes.
    pub at: usize,
    /// Without a newline.
    pub line: String,
}
