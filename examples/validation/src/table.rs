//! What is printed.

use std::fmt::Write as _;

use serde::Serialize;

use crate::matrix::{Cell, Outcome, Times, runtime_name};
use crate::peer;

/// What came of the cells that were run, in order.
#[derive(Debug, Default)]
pub struct Results {
    /// How often each was run.
    pub runs: u32,
    done: Vec<Done>,
}

#[derive(Debug, Serialize)]
struct Done {
    scenario: &'static str,
    #[serde(serialize_with = "in_one_line")]
    runtime: [&'static str; 2],
    #[serde(flatten)]
    outcome: Outcome,
}

fn in_one_line<S: serde::Serializer>(runtime: &[&str; 2], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&runtime_name(*runtime))
}

const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

impl Results {
    /// Nothing yet.
    #[must_use]
    pub fn new(runs: u32) -> Self {
        Self { runs, done: Vec::new() }
    }

    /// One more.
    pub fn add(&mut self, cell: &Cell, outcome: Outcome) {
        self.done.push(Done {
            scenario: cell.scenario,
            runtime: cell.runtime,
            outcome,
        });
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.done.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// The cells that failed, and why.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        self.done.iter().filter_map(|done| match &done.outcome {
            Outcome::Failed { why } => Some(format!("{} on {}: {why}", done.scenario, runtime_name(done.runtime))),
            _ => None,
        })
    }

    /// For machines; times in microseconds.
    #[must_use]
    pub fn json(&self) -> String {
        let results = serde_json::json!({ "runs": self.runs, "cells": self.done });
        format!("{results:#}\n")
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let (beside, matrix): (Vec<_>, Vec<_>) = self.done.iter().partition(|done| done.scenario == peer::NAME);
        if !matrix.is_empty() {
            self.write_matrix(&mut text, &matrix);
        }
        if !beside.is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            self.write_beside(&mut text, &beside);
        }
        text
    }

    fn write_matrix(&self, text: &mut String, cells: &[&Done]) {
        let (mut rows, mut columns) = (Vec::new(), Vec::new());
        for cell in cells {
            if !rows.contains(&cell.scenario) {
                rows.push(cell.scenario);
            }
            if !columns.contains(&cell.runtime) {
                columns.push(cell.runtime);
            }
        }
        let mut notes: Vec<&str> = Vec::new();
        let mut lines: Vec<Vec<String>> = (0..2)
            .map(|line| {
                let names = columns.iter().map(|name| name[line].to_owned());
                std::iter::once(String::new()).chain(names).collect()
            })
            .collect();
        for row in rows {
            let mut line = vec![row.to_owned()];
            for column in &columns {
                let cell = cells
                    .iter()
                    .find(|cell| cell.scenario == row && cell.runtime == *column);
                line.push(cell.map_or(String::new(), |cell| show(&cell.outcome, &mut notes)));
            }
            lines.push(line);
        }
        write_lines(text, &lines);
        let runs = self.runs;
        let _ = writeln!(
            text,
            "\n✓ held in every run; then the time from the cancel to the stop, median and worst of {runs}, in µs"
        );
        for (n, note) in notes.iter().enumerate() {
            let _ = writeln!(text, "–{} {note}", number(n + 1));
        }
    }

    fn write_beside(&self, text: &mut String, cells: &[&Done]) {
        let head = [
            "thread to suspended task, µs",
            "in a scope",
            "cancelled()",
            "tokio-util's",
            "scope / theirs",
            "cancelled() / theirs",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        for cell in cells {
            let mut line = vec![runtime_name(cell.runtime)];
            match &cell.outcome {
                Outcome::Beside {
                    scope,
                    token,
                    tokio_util,
                } => {
                    line.extend([scope, token, tokio_util].map(pair));
                    line.extend([scope, token].map(|ours| format!("{:.2}", ours.median / tokio_util.median)));
                }
                _ => line.push("✗".to_owned()),
            }
            lines.push(line);
        }
        write_lines(text, &lines);
        let turns = self.runs as usize * peer::TURNS_PER_RUN;
        let _ = writeln!(
            text,
            "\nmedian and worst of {turns}, taken in turns; the ratios are those of the medians"
        );
    }
}

/// One cell; a reason for not being there becomes a note, unless it is one already.
fn show<'a>(outcome: &'a Outcome, notes: &mut Vec<&'a str>) -> String {
    match outcome {
        Outcome::Ok(times) => format!("✓ {}", pair(times)),
        Outcome::None { why } => {
            let place = notes.iter().position(|note| note == why).unwrap_or_else(|| {
                notes.push(why);
                notes.len() - 1
            });
            format!("–{}", number(place + 1))
        }
        Outcome::Failed { .. } | Outcome::Beside { .. } => "✗".to_owned(),
    }
}

fn pair(times: &Times) -> String {
    format!("{} {}", micros(times.median), micros(times.worst))
}

/// Two digits or more.
fn micros(micros: f64) -> String {
    if micros < 9.95 {
        format!("{micros:.1}")
    } else {
        format!("{micros:.0}")
    }
}

fn number(n: usize) -> String {
    let digits = n.to_string();
    digits
        .chars()
        .filter_map(|digit| digit.to_digit(10))
        .map(|digit| DIGITS[digit as usize])
        .collect()
}

/// In columns, each as wide as it has to be.
fn write_lines(text: &mut String, lines: &[Vec<String>]) {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column| {
        let cells = lines.iter().filter_map(|line: &Vec<String>| line.get(column));
        cells.map(|cell: &String| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in lines {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(row, "{cell:width$}  ");
        }
        let _ = writeln!(text, "{}", row.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::cells;

    fn results(outcomes: &[(&str, Outcome)]) -> Results {
        let all = cells();
        let mut results = Results::new(7);
        for (name, outcome) in outcomes {
            let cell = all.iter().find(|cell| cell.name() == *name).expect(name);
            results.add(cell, outcome.clone());
        }
        results
    }

    fn times(median: f64, worst: f64) -> Times {
        Times { median, worst }
    }

    fn none(why: &str) -> Outcome {
        let why = why.to_owned();
        Outcome::None { why }
    }

    #[test]
    fn a_table_with_everything_there_can_be() {
        let failed = Outcome::Failed { why: "no".to_owned() };
        let results = results(&[
            ("timeout on tokio multi", Outcome::Ok(times(9.94, 123.4))),
            ("timeout on smol", none("why not")),
            ("abort of a task on tokio multi", failed),
            ("abort of a task on smol", none("because")),
            ("abort of a task on plain threads", none("why not")),
            (
                "beside tokio-util on smol",
                Outcome::Beside {
                    scope: times(5.0, 6.0),
                    token: times(8.0, 90.0),
                    tokio_util: times(10.0, 20.0),
                },
            ),
        ]);
        let expected = "
                 tokio      smol  plain
                 multi            threads
timeout          ✓ 9.9 123  –¹
abort of a task  ✗          –²    –¹

✓ held in every run; then the time from the cancel to the stop, median and worst of 7, in µs
–¹ why not
–² because

thread to suspended task, µs  in a scope  cancelled()  tokio-util's  scope / theirs  cancelled() / theirs
smol                          5.0 6.0     8.0 90       10 20         0.50            0.80

median and worst of 70, taken in turns; the ratios are those of the medians
";
        assert_eq!(format!("\n{}", results.text()), expected);
        assert_eq!(
            results.failures().collect::<Vec<_>>(),
            ["abort of a task on tokio multi: no"]
        );
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(Results::new(1).text(), "");
    }
}
