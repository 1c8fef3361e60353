//! Loops in a function that could be annotated, and is called from annotated code.

use super::body::Body;
use crate::finding::Rule;
use crate::syntax;
use crate::walk::Node;
use cancelable_syntax::reading;
use cancelable_syntax::survey::{PointKind, Under};
use quote::ToTokens as _;
use std::collections::HashSet;

pub(super) fn check(body: &mut Body<'_>) {
    let function = body.function();
    if body.index.reached(body.id).is_none() || !function.could_be_annotated() {
        return;
    }
    let Some(survey) = function.if_annotated() else { return };
    // Loops that are not worth a check point, or ask by themselves.
    let mut silent = HashSet::new();
    body.walk(&mut |node, place| {
        let Node::Expr(expr) = node else { return };
        if let Some(keyword) = syntax::loop_keyword(expr) {
            if place.is_shielded || syntax::is_short(expr) || reading::asks(expr.to_token_stream()) {
                silent.insert(crate::source::Position::of(keyword));
            }
        }
    });
    let mut points = survey.points.iter().filter(|point| point.under == Under::Nothing);
    let loops = points
        .clone()
        .any(|point| point.kind == PointKind::Loop && !silent.contains(&crate::source::Position::of(point.span)));
    let awaits = points.any(|point| point.kind == PointKind::Await);
    let (rule, what) = match (loops, awaits) {
        (true, _) => (Rule::UnannotatedCallee, "has a loop"),
        (false, true) if silent.is_empty() => (Rule::UnannotatedCalleeAwaits, "has awaits"),
        _ => return,
    };
    let message = format!(
        "`{}` {what} and no check point, and {}; write `#[cancelable]` on it",
        function.short(),
        body.reached_from()
    );
    let fix = body.annotation();
    let finding = body.report(rule, function.sig.ident.span(), message);
    finding.fixable = true;
    finding.fix = Some(fix);
}
