//! Findings as text, as JSON, and as annotations of a code host.

use crate::finding::Finding;
use std::fmt::Write as _;

/// How findings are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Format {
    /// For people, as rustc does it, in one line each.
    Text,
    /// One JSON object a line.
    Json,
    /// GitHub's workflow commands, which show them beside the code of a pull request.
    GitHub,
}

/// All findings, each in a line of its own.
#[must_use]
pub fn write(findings: &[Finding], format: Format) -> String {
    let mut text = String::new();
    for finding in findings {
        let Finding {
            rule,
            file,
            line,
            column,
            message,
            ..
        } = finding;
        let file = file.display();
        // Writing to a string does not fail.
        let _ = match format {
            Format::Text => writeln!(text, "{file}:{line}:{column}: {rule}: {message}"),
            Format::Json => writeln!(text, "{}", serde_json::to_string(finding).unwrap_or_default()),
            Format::GitHub => writeln!(
                text,
                "::warning file={},line={line},col={column},title={}::{}",
                property(&file.to_string()),
                property(rule.name()),
                data(message)
            ),
        };
    }
    text
}

/// The text of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of one.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Rule;

    fn finding() -> Finding {
        Finding {
            rule: Rule::BareSpawn,
            file: "src/a,b.rs".into(),
            line: 3,
            column: 7,
            message: "100% lost:\nwrite `x`".to_owned(),
            fixable: false,
            fix: None,
            about: Vec::new(),
        }
    }

    #[test]
    fn an_annotation_keeps_to_one_line_and_its_file_to_one_property() {
        assert_eq!(
            write(&[finding()], Format::GitHub),
            "::warning file=src/a%2Cb.rs,line=3,col=7,title=bare-spawn::100%25 lost:%0Awrite `x`\n"
        );
    }

    #[test]
    fn json_has_the_fields_that_are_promised() {
        let value: serde_json::Value = serde_json::from_str(&write(&[finding()], Format::Json)).unwrap();
        let fields: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["column", "file", "fixable", "line", "message", "rule"]);
        assert_eq!(value["rule"], "bare-spawn");
    }
}
