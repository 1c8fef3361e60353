//! Which runs to make, and what is said of them.

use std::any::Any;
use std::env;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::thread;

use super::moment::Moment;
use super::run::{Hung, Injection};

/// The variable that picks one run.
const VARIABLE: &str = "CANCELABLE_INJECT";

/// What came of one run. Dereferences to what the code returned.
#[derive(Debug)]
pub struct Outcome<T> {
    /// What the code returned.
    pub value: T,
    injected: Option<Moment>,
    noticed_at: Option<&'static Location<'static>>,
}

impl<T> Outcome<T> {
    /// The moment of the cancel; `None` in the runs that came to their end without.
    #[must_use]
    pub fn injected(&self) -> Option<Moment> {
        self.injected
    }

    /// The check point that noticed first, if one did.
    #[must_use]
    pub fn noticed_at(&self) -> Option<&'static Location<'static>> {
        self.noticed_at
    }
}

impl<T> Deref for Outcome<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// The runs to make.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) check_points: bool,
    pub(super) polls: bool,
    pub(super) only: Vec<Moment>,
    pub(super) up_to: Option<usize>,
}

/// Code that has not ended by then may not end at all. (And n runs of n check points each take their time.)
const TOO_MANY: usize = 1_000;

impl Plan {
    /// Makes them; `Err` is what to panic with.
    pub(super) fn carry_out<T>(
        self,
        mut run: impl FnMut(&Arc<Injection>) -> Result<T, Hung>,
        mut assert: impl FnMut(Outcome<T>),
    ) -> Result<(), String> {
        let mut only = self.only;
        if let Ok(text) = env::var(VARIABLE) {
            only = vec![text.parse().map_err(|error| format!("{VARIABLE}: {error}"))?];
        }
        if !only.is_empty() {
            return only
                .into_iter()
                .try_for_each(|moment| one(moment, &mut run, &mut assert).map(drop));
        }
        let all = !self.check_points && !self.polls;
        let kinds = [
            (Moment::CheckPoint(1), self.check_points || all),
            (Moment::Poll(1), self.polls || all),
        ];
        for (first, _) in kinds.into_iter().filter(|&(_, wanted)| wanted) {
            let mut moment = first;
            while one(moment, &mut run, &mut assert)? {
                if self.up_to.is_some_and(|up_to| moment.nth() >= up_to) {
                    break;
                }
                if moment.nth() >= TOO_MANY {
                    return Err(format!(
                        "the code has not come to its end by {moment}; if it never does, say how far to go: `.up_to(n)`"
                    ));
                }
                moment = moment.next();
            }
        }
        Ok(())
    }
}

/// One run. `false`: it was over before that moment came, so there is none later either.
fn one<T>(
    moment: Moment,
    run: &mut impl FnMut(&Arc<Injection>) -> Result<T, Hung>,
    assert: &mut impl FnMut(Outcome<T>),
) -> Result<bool, String> {
    let injection = Injection::new(moment);
    let ran = catch_unwind(AssertUnwindSafe(|| run(&injection)));
    let seen = injection.seen();
    let what = match ran {
        Ok(Ok(value)) => {
            let outcome = Outcome {
                value,
                injected: seen.hit.then_some(moment),
                noticed_at: seen.noticed_at,
            };
            match catch_unwind(AssertUnwindSafe(|| assert(outcome))) {
                Ok(()) => return Ok(seen.hit),
                Err(panic) => format!("the invariant does not hold\n  {}", text(&panic)),
            }
        }
        Ok(Err(hung)) => hung.to_string(),
        Err(panic) => format!("the code panicked\n  {}", text(&panic)),
    };

    let mut report = what;
    if !seen.hit {
        report += "\n  in a run that was not cancelled";
        return Err(report);
    }
    report += "\n  ";
    report += &match (moment, seen.at) {
        (Moment::CheckPoint(n), Some(at)) => format!("cancelled at check point {n}, {at}"),
        (Moment::CheckPoint(n), None) => format!("cancelled at check point {n}"),
        (Moment::Poll(n), _) => format!("cancelled while suspended, after poll {n}"),
    };
    report += &match seen.noticed_at {
        Some(at) if seen.at == Some(at) => String::new(),
        Some(at) => format!("\n  noticed at {at}"),
        None => String::from("\n  noticed by no check point"),
    };
    let test = thread::current();
    let test = test.name().filter(|&name| name != "main").unwrap_or("<this test>");
    report += &format!("\n  to run just this one: {VARIABLE}={moment} cargo test {test}");
    report += &match moment {
        Moment::CheckPoint(n) => format!("\n                     or: .at_check_point({n})"),
        Moment::Poll(n) => format!("\n                     or: .at_poll({n})"),
    };
    Err(report)
}

/// What a panic says.
fn text(panic: &Box<dyn Any + Send>) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(a panic that is not a text)")
}
