//! Awaits behind a loop that `#[cancelable(break)]` has left: the function is still cancelled there, so they fail at once, and what the
//! loop has found so far is lost. Whoever kept it by `break` does not expect that.
//!
//! What is followed is the flow of control, as far as syntax shows it. Where it does not, nothing is told.

use super::unreached::{self, name_of};
use crate::duration::peel;
use crate::tell::Told;
use proc_macro2::Span;
use syn::{Expr, Label, Lifetime};

/// One of them.
pub(crate) struct Behind(pub(crate) Span);

impl Behind {
    pub(crate) fn told(&self) -> Told {
        Told {
            span: self.0,
            message: "this await stands behind a loop marked `#[cancelable(break)]`: when a cancel has left the loop, the await \
                      fails at once, and what the loop has found is lost; return that before, or write `#[cancelable(shield)]` \
                      on the statement, which then runs all the same"
                .to_owned(),
        }
    }
}

/// What is known of such loops, on the way through a body.
#[derive(Default)]
pub(super) struct Left {
    /// One was left on the way here, in so many shields. `None` also where no way leads to, or where the code has asked since.
    here: Option<usize>,
    /// In one: what fails there leaves that.
    is_inside: bool,
    /// Shields round this place.
    shields: usize,
    /// The innermost of them has no limit, so nothing leaves a loop.
    is_endless: bool,
    /// How often the code has asked.
    questions: usize,
    /// What a `break` here may go to.
    targets: Vec<Target>,
    pub(super) behind: Vec<Behind>,
}

/// A loop, or a block with a label.
struct Target {
    label: Option<Lifetime>,
    is_loop: bool,
    /// What the `break`s bring to its end.
    broken: Option<usize>,
}

/// How long a shield may take.
pub(super) enum Limit {
    None,
    Some,
}

/// A place on the way, to come back to.
#[derive(Clone, Copy)]
pub(super) struct Place {
    here: Option<usize>,
    questions: usize,
}

/// What is round a shield.
pub(super) struct Outside {
    here: Option<usize>,
    is_inside: bool,
    is_endless: bool,
}

impl Left {
    /// There is an await that can fail.
    pub(super) fn awaits(&mut self, keyword: Span) {
        if self.here == Some(self.shields) && !self.is_inside {
            self.behind.push(Behind(keyword));
        }
    }

    /// The shield round this place.
    pub(super) fn shield(&self) -> Option<Limit> {
        let limit = if self.is_endless { Limit::None } else { Limit::Some };
        (self.shields > 0).then_some(limit)
    }

    pub(super) fn place(&self) -> Place {
        Place {
            here: self.here,
            questions: self.questions,
        }
    }

    /// Back to where the ways part. Gives where the last one has led.
    ///
    /// If that has asked, so may have the others, in a way that nobody sees.
    pub(super) fn back_to(&mut self, place: Place) -> Place {
        let reached = self.place();
        self.here = place.here.filter(|_| place.questions == self.questions);
        reached
    }

    /// Another way leads here, too.
    pub(super) fn or_from(&mut self, place: Place) {
        self.here = self.here.max(place.here);
    }

    /// Nothing gets past here.
    pub(super) fn ends(&mut self) {
        self.here = None;
    }

    /// Goes into a loop, and gives what [`Left::leave_loop`] wants to know.
    pub(super) fn enter_loop(&mut self, label: Option<&Label>, is_marked: bool) -> bool {
        self.enter(label, true);
        let was_inside = self.is_inside;
        self.is_inside |= is_marked;
        was_inside
    }

    /// Behind a loop which, unless it ends by `break` only, goes on from `condition`.
    pub(super) fn leave_loop(&mut self, was_inside: bool, is_marked: bool, condition: Option<Place>) {
        self.is_inside = was_inside;
        match condition {
            Some(place) => {
                let body = self.back_to(place);
                self.or_from(body);
            }
            None => self.here = None,
        }
        self.leave();
        if is_marked && !self.is_endless {
            self.here = Some(self.shields);
        }
    }

    pub(super) fn enter(&mut self, label: Option<&Label>, is_loop: bool) {
        self.targets.push(Target {
            label: label.map(|label| label.name.clone()),
            is_loop,
            broken: None,
        });
    }

    pub(super) fn leave(&mut self) {
        let broken = self.targets.pop().and_then(|target| target.broken);
        self.here = self.here.max(broken);
    }

    pub(super) fn enter_shield(&mut self, is_endless: bool) -> Outside {
        self.shields += 1;
        Outside {
            here: self.here,
            is_inside: std::mem::take(&mut self.is_inside),
            is_endless: std::mem::replace(&mut self.is_endless, is_endless),
        }
    }

    /// What was left in there was not left by a cancel that is seen out here.
    pub(super) fn leave_shield(&mut self, outside: Outside) {
        self.shields -= 1;
        self.here = self.here.and(outside.here);
        self.is_inside = outside.is_inside;
        self.is_endless = outside.is_endless;
    }

    /// Behind an expression of this kind.
    pub(super) fn pass(&mut self, effect: Option<Effect>) {
        match effect {
            None => return,
            Some(Effect::Ends) => {}
            Some(Effect::Breaks(label)) => {
                let mut targets = self.targets.iter_mut().rev();
                let target = targets.find(|target| match &label {
                    Some(_) => target.label == label,
                    None => target.is_loop,
                });
                if let Some(target) = target {
                    target.broken = target.broken.max(self.here);
                }
            }
            Some(Effect::Asks) => self.questions += 1,
        }
        self.here = None;
    }
}

/// What an expression does to the way past it.
pub(super) enum Effect {
    Ends,
    Breaks(Option<Lifetime>),
    /// Whoever asks knows that a loop may have been left.
    Asks,
}

impl Effect {
    pub(super) fn of(expr: &Expr) -> Option<Self> {
        const ENDING_MACROS: [&str; 6] = ["panic", "unreachable", "todo", "unimplemented", "bail", "compile_error"];
        const ENDING: [&str; 5] = ["exit", "abort", "panic_any", "resume_unwind", "unreachable_unchecked"];
        let ends = match expr {
            Expr::Break(leave) => return Some(Effect::Breaks(leave.label.clone())),
            Expr::Call(_) | Expr::MethodCall(_) if asks(expr) => return Some(Effect::Asks),
            Expr::Return(_) | Expr::Continue(_) => true,
            Expr::Macro(call) => unreached::last(&call.mac.path).is_some_and(|name| ENDING_MACROS.contains(&&*name)),
            Expr::Call(call) => name_of(&call.func).is_some_and(|name| ENDING.contains(&&*name)),
            // `Err(…)?`
            Expr::Try(inner) => match peel(&inner.expr) {
                Expr::Call(call) => name_of(&call.func).is_some_and(|name| name == "Err"),
                _ => false,
            },
            _ => false,
        };
        ends.then_some(Effect::Ends)
    }
}

/// Whether a call asks the token, or why it is cancelled. Not `wait`, which is that of a child process more often.
fn asks(expr: &Expr) -> bool {
    match expr {
        Expr::MethodCall(call) if call.method == "wait" => false,
        Expr::MethodCall(call) if call.method == "reason" => true,
        _ => unreached::is_question(expr),
    }
}
