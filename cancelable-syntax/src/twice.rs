//! A function that this attribute has expanded already.

use syn::{Block, Expr, Pat, Stmt};

pub(crate) const MESSAGE: &str = "this function is cancelable already, perhaps by its `impl`, which knows this attribute \
                                  on methods by the name `cancelable` only; write `#[cancelable(…)]`, or remove one of the two";

/// Whether a body begins as our bodies do, after its items.
pub(crate) fn is_expanded(block: &Block) -> bool {
    let first = block.stmts.iter().find(|stmt| !matches!(stmt, Stmt::Item(_)));
    match first {
        Some(Stmt::Local(local)) => matches!(&local.pat, Pat::Ident(name) if name.ident == "cancelable_scope"),
        Some(Stmt::Expr(expr, _)) => begins(expr),
        _ => false,
    }
}

fn begins(expr: &Expr) -> bool {
    match expr {
        // The check at the entry.
        Expr::If(check) => match &*check.cond {
            Expr::MethodCall(call) => {
                matches!(&*call.receiver, Expr::Path(site) if site.path.segments.iter().any(|part| part.ident == "__private"))
            }
            _ => false,
        },
        // With `or`: `'cancelled: { return { … } }`
        Expr::Block(inner) => inner.label.is_some() && is_expanded(&inner.block),
        Expr::Return(leave) => match leave.expr.as_deref() {
            Some(Expr::Block(inner)) => is_expanded(&inner.block),
            _ => false,
        },
        _ => false,
    }
}
