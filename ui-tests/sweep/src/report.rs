//! What was found, for people and for machines.

use std::fmt::Write as _;

use serde_json::json;

use crate::cargo::Tests;
use crate::sweep::Outcome;

/// A table in Markdown, and below it each thing that did not work.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut out = String::from(
        "| crate | functions | skipped | annotated | work | new warnings | tests before | after | s |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let mut total = [0; 4];
    for outcome in outcomes {
        let skipped: usize = outcome.skipped.values().sum();
        let tried = outcome.annotated + outcome.culprits.len();
        let numbers = [outcome.functions, skipped, tried, outcome.annotated];
        total
            .iter_mut()
            .zip(numbers)
            .for_each(|(total, number)| *total += number);
        let _ = writeln!(
            out,
            "| {} {} | {} | {skipped} | {tried} | {} | {} | {} | {} | {} |",
            outcome.name,
            outcome.version,
            outcome.functions,
            outcome.annotated,
            outcome.warnings.len(),
            passed(&outcome.tests_before),
            passed(&outcome.tests_after),
            outcome.seconds
        );
    }
    let [functions, skipped, tried, work] = total;
    let _ = writeln!(out, "| **all** | {functions} | {skipped} | {tried} | {work} | | | | |");

    let mut reasons = std::collections::BTreeMap::new();
    for (reason, count) in outcomes.iter().flat_map(|outcome| &outcome.skipped) {
        *reasons.entry(reason).or_insert(0) += count;
    }
    out.push_str("\nSkipped, since the function\n");
    for (reason, count) in reasons {
        let _ = writeln!(out, "- {reason}: {count}");
    }
    for outcome in outcomes {
        for culprit in &outcome.culprits {
            let reason = culprit.reason.as_deref().unwrap_or("NO REASON KNOWN");
            let _ = writeln!(
                out,
                "\n{} {}\n    {}\n    {reason}",
                outcome.name, culprit.id, culprit.why
            );
        }
        for file in &outcome.unparsed {
            let _ = writeln!(
                out,
                "\n{} {file}\n    is no Rust by itself, and was left alone",
                outcome.name
            );
        }
        for told in &outcome.told {
            let _ = writeln!(out, "\n{} told of: {told}", outcome.name);
        }
        for warning in &outcome.warnings {
            let _ = writeln!(out, "\n{} warning: {warning}", outcome.name);
        }
        for test in outcome.newly_failed() {
            let _ = writeln!(out, "\n{} test fails: {test}", outcome.name);
        }
        if let Some(broken) = &outcome.broken {
            let _ = writeln!(out, "\n{} was not swept: {broken}", outcome.name);
        }
    }
    out
}

/// What the attribute costs rustc, for each crate.
pub fn costs(outcomes: &[Outcome]) -> String {
    let mut out = String::from(
        "| crate | annotated | | `cargo` | plain, million instructions | with the attribute | ratio |\n\
         |---|---:|---|---|---:|---:|---:|\n",
    );
    for outcome in outcomes {
        for cost in &outcome.costs {
            let million = |count: u64| count / 1_000_000;
            let _ = writeln!(
                out,
                "| {} {} | {} | {} | {} | {} | {} | {:.2} |",
                outcome.name,
                outcome.version,
                cost.annotated,
                cost.which,
                cost.subcommand,
                million(cost.plain),
                million(cost.with),
                cost.with as f64 / cost.plain as f64
            );
        }
        if let Some(broken) = &outcome.broken {
            let _ = writeln!(out, "\n{} was not measured: {broken}", outcome.name);
        }
    }
    out
}

fn passed(tests: &Tests) -> usize {
    tests.values().filter(|outcome| *outcome == "ok").count()
}

/// The same as one JSON array.
pub fn json(outcomes: &[Outcome]) -> String {
    let crates: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            let culprits: Vec<_> = outcome
                .culprits
                .iter()
                .map(|culprit| json!({ "function": culprit.id, "why": culprit.why, "reason": culprit.reason }))
                .collect();
            json!({
                "name": outcome.name,
                "version": outcome.version,
                "functions": outcome.functions,
                "annotated": outcome.annotated,
                "skipped": outcome.skipped,
                "unparsed": outcome.unparsed,
                "failing": culprits,
                "new_warnings": outcome.warnings,
                "tests_passed_before": passed(&outcome.tests_before),
                "tests_passed_after": passed(&outcome.tests_after),
                "tests_newly_failed": outcome.newly_failed(),
                "not_swept": outcome.broken,
                "seconds": outcome.seconds,
                "costs": outcome.costs.iter().map(|cost| json!({
                    "subcommand": cost.subcommand,
                    "which": cost.which,
                    "annotated": cost.annotated,
                    "instructions_plain": cost.plain,
                    "instructions_with": cost.with,
                })).collect::<Vec<_>>(),
                "good": outcome.is_good(),
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::from(crates))
}
