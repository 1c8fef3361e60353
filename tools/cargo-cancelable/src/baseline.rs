//! A baseline: findings that were there when somebody began to look, and are not told of again.
//!
//! It names no lines, so that it stays true while the code round them changes: for each file, rule and message it has a count.

use crate::finding::Finding;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What was there before.
#[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Of this format.
    version: u32,
    findings: Vec<Known>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct Known {
    file: PathBuf,
    rule: String,
    message: String,
    count: usize,
}

const VERSION: u32 = 1;

impl Baseline {
    /// A baseline of all these.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Self {
        let mut counts: BTreeMap<_, usize> = BTreeMap::new();
        for finding in findings {
            *counts.entry(key(finding)).or_default() += 1;
        }
        let findings = counts
            .into_iter()
            .map(|((file, rule, message), count)| Known {
                file,
                rule,
                message,
                count,
            })
            .collect();
        Baseline {
            version: VERSION,
            findings,
        }
    }

    /// Reads one from a file.
    ///
    /// # Errors
    ///
    /// What the system says, or that it is no baseline of this version.
    pub fn read(path: &Path) -> io::Result<Self> {
        let baseline: Baseline = serde_json::from_str(&fs::read_to_string(path)?)?;
        if baseline.version != VERSION {
            return Err(io::Error::other(format!(
                "its version is {}, and this tool knows {VERSION}; write it anew",
                baseline.version
            )));
        }
        Ok(baseline)
    }

    /// Writes it to a file.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(path, text)
    }

    /// Those findings that are new.
    #[must_use]
    pub fn without_known(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let known = self.findings.iter();
        let mut left: BTreeMap<_, usize> = known
            .map(|known| {
                (
                    (known.file.clone(), known.rule.clone(), known.message.clone()),
                    known.count,
                )
            })
            .collect();
        let is_new = |finding: &Finding| match left.get_mut(&key(finding)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        };
        let mut is_new = is_new;
        findings.into_iter().filter(|finding| is_new(finding)).collect()
    }
}

fn key(finding: &Finding) -> (PathBuf, String, String) {
    (finding.file.clone(), finding.rule.to_string(), finding.message.clone())
}
