//! The rules. `RULES.md` says of each what it finds, why, and what to do.

mod bare_spawn;
mod blocking_call;
mod body;
mod endless_loop;
mod finish_block;
mod iterator_end;
mod out_of_reach;
mod skipped_cleanup;
mod swallowed_cancel;
mod unannotated_callee;
mod unbounded_shield;

use crate::finding::Finding;
use crate::index::Index;
use body::Body;

/// What all rules find in a package, unsorted, and without regard to what is allowed.
#[must_use]
pub fn all(index: &Index<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for id in 0..index.functions.len() {
        if index.functions[id].is_test {
            continue;
        }
        let mut body = Body::new(index, id);
        unannotated_callee::check(&mut body);
        bare_spawn::check(&mut body);
        endless_loop::check(&mut body);
        out_of_reach::check(&mut body);
        skipped_cleanup::check(&mut body);
        swallowed_cancel::check(&mut body);
        unbounded_shield::check(&mut body);
        finish_block::check(&mut body);
        blocking_call::check(&mut body);
        iterator_end::check(&mut body);
        findings.append(&mut body.into_findings());
    }
    findings
}
