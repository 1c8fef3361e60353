//! What the registry says, as text.

use std::collections::HashMap;
use std::fmt;

use super::list::{Cancel, EndedScope, History, LiveScope, Snapshot, State, Straggler, Stragglers};
use crate::live::ago::Ago;
use crate::shown::Shown;

/// A tree: each scope below the one that it began in.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        if lines.is_empty() {
            return f.write_str("no named scope runs");
        }
        let titles: Vec<_> = lines
            .iter()
            .map(|(branch, scope)| format!("{branch}{}", Shown(&scope.name)))
            .collect();
        // Names that are very long do not push the others aside.
        let width = titles
            .iter()
            .map(|title| title.chars().count())
            .max()
            .unwrap_or(0)
            .min(WIDEST);
        for (number, (title, (_, scope))) in titles.iter().zip(&lines).enumerate() {
            let line_break = if number == 0 { "" } else { "\n" };
            write!(f, "{line_break}{title:<width$} {scope}")?;
        }
        Ok(())
    }
}

const WIDEST: usize = 48;

impl Snapshot {
    /// The scopes in the order of the tree, with the branches in front of each. A loop: scopes may be as deep as memory goes.
    fn lines(&self) -> Vec<(String, &LiveScope)> {
        let numbers: HashMap<u64, usize> = self.scopes.iter().map(|scope| scope.id).zip(0..).collect();
        let mut below: Vec<Vec<usize>> = vec![Vec::new(); self.scopes.len()];
        let mut roots = Vec::new();
        for (number, scope) in self.scopes.iter().enumerate() {
            match scope.parent.and_then(|parent| numbers.get(&parent)) {
                Some(&parent) => below[parent].push(number),
                // Its parent has ended, or is not shown.
                None => roots.push(number),
            }
        }
        let mut lines = Vec::with_capacity(self.scopes.len());
        let mut left: Vec<_> = roots
            .into_iter()
            .rev()
            .map(|number| (number, String::new(), String::new()))
            .collect();
        while let Some((number, own, indent)) = left.pop() {
            for (place, &child) in below[number].iter().enumerate().rev() {
                let is_last = place + 1 == below[number].len();
                let (branch, line) = if is_last {
                    ("└─ ", "   ")
                } else {
                    ("├─ ", "│  ")
                };
                // So deep a tree is shown as one line below the other.
                let indent = if indent.chars().count() > WIDEST {
                    "… "
                } else {
                    &*indent
                };
                left.push((child, format!("{indent}{branch}"), format!("{indent}{line}")));
            }
            lines.push((own, &self.scopes[number]));
        }
        lines
    }
}

/// In one line, without its name.
impl fmt::Display for LiveScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}  ", self.id)?;
        let thread = self.thread.as_ref().map(Shown);
        match (self.state, &thread) {
            (State::Cancelled, _) => f.write_str("cancelled")?,
            (State::Running, Some(thread)) => write!(f, "runs on {thread}")?,
            (State::Running, None) => f.write_str("runs")?,
            (State::Waiting, _) => f.write_str("waits")?,
        }
        if let Some(task) = &self.task {
            write!(f, " (task {task})")?;
        }
        write!(f, ", began {} ago", Ago(self.age))?;
        if let Some(progress) = &self.progress {
            match progress.total {
                Some(total) => write!(f, ", {} of {total} done", progress.done)?,
                None => write!(f, ", {} done", progress.done)?,
            }
        }
        if let Some(message) = &self.message {
            write!(f, ", at {}", Shown(message))?;
        }
        if let (Some(deadline), None) = (self.deadline, &self.cancel) {
            write!(f, ", deadline in {}", Ago(deadline))?;
        }
        if let Some(point) = &self.last_point {
            write!(f, ", last passed {} {} ago", point.at, Ago(point.ago))?;
        }
        match &self.cancel {
            Some(cancel) => write!(f, "; {cancel}; waits for {}", self.waits_for),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cancelled {} ago: {}, {} {}",
            Ago(self.ago),
            self.reason,
            self.by,
            self.requested_at
        )?;
        match self.noticed_at {
            Some(line) => write!(f, ", noticed at {line}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Stragglers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scopes.is_empty() {
            return f.write_str("no cancelled scope runs");
        }
        lines(f, &self.scopes)
    }
}

impl fmt::Display for Straggler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = &self.scope;
        write!(f, "{} #{}: ", Shown(&scope.name), scope.id)?;
        if let Some(cancel) = &scope.cancel {
            write!(f, "{cancel}")?;
        }
        write!(f, "\n  waits for {}", scope.waits_for)
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scopes.is_empty() {
            return f.write_str("no named scope has ended");
        }
        lines(f, &self.scopes)
    }
}

impl fmt::Display for EndedScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, id) = (Shown(&self.name), self.id);
        write!(f, "{name} #{id}: {} {} ago, ", self.outcome, Ago(self.ago))?;
        if self.duration.is_zero() {
            f.write_str("at once")?;
        } else {
            write!(f, "after {}", Ago(self.duration))?;
        }
        match &self.cancel {
            Some(cancel) => {
                write!(f, ": {}, {} {}", cancel.reason, cancel.by, cancel.requested_at)?;
                match cancel.noticed_at {
                    Some(line) => write!(f, ", noticed at {line}"),
                    None => Ok(()),
                }
            }
            None => Ok(()),
        }
    }
}

fn lines(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    for (number, item) in items.iter().enumerate() {
        let line_break = if number == 0 { "" } else { "\n" };
        write!(f, "{line_break}{item}")?;
    }
    Ok(())
}
