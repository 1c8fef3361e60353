//! Questions about expressions that more than one rule asks.

use cancelable_syntax::reading;
use proc_macro2::Span;
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprMacro, Item, Lit, Macro, Pat, Stmt};

/// Without parentheses and invisible groups.
#[must_use]
pub fn peel(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(inner) => peel(&inner.expr),
        Expr::Group(inner) => peel(&inner.expr),
        other => other,
    }
}

/// The keyword of a loop.
#[must_use]
pub fn loop_keyword(expr: &Expr) -> Option<Span> {
    match expr {
        Expr::ForLoop(inner) => Some(inner.for_token.span),
        Expr::While(inner) => Some(inner.while_token.span),
        Expr::Loop(inner) => Some(inner.loop_token.span),
        _ => None,
    }
}

/// The last name of what is called: `f` of `a::f(…)` and of `x.f(…)`.
#[must_use]
pub fn called(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        },
        Expr::MethodCall(call) => Some(call.method.to_string()),
        _ => None,
    }
}

/// The last name of a macro.
#[must_use]
pub fn macro_name(mac: &Macro) -> String {
    mac.path
        .segments
        .last()
        .map(|last| last.ident.to_string())
        .unwrap_or_default()
}

/// How many iterations are too few to be worth a check point.
const FEW: u64 = 64;

/// A `for` over a range or an array that is written out, and short.
#[must_use]
pub fn is_short(expr: &Expr) -> bool {
    let Expr::ForLoop(looping) = expr else { return false };
    match peel(&looping.expr) {
        Expr::Array(array) => array.elems.len() as u64 <= FEW,
        Expr::Reference(inner) => matches!(&*inner.expr, Expr::Array(array) if array.elems.len() as u64 <= FEW),
        Expr::Range(range) => {
            let number = |end: Option<&Expr>| match end.map(peel) {
                Some(Expr::Lit(literal)) => match &literal.lit {
                    Lit::Int(number) => number.base10_parse::<u64>().ok(),
                    _ => None,
                },
                _ => None,
            };
            let (Some(start), Some(end)) = (number(range.start.as_deref()), number(range.end.as_deref())) else {
                return false;
            };
            end.saturating_sub(start) <= FEW
        }
        _ => false,
    }
}

/// Whether it never ends by its condition: `loop`, `while true`.
#[must_use]
pub fn is_unconditional(expr: &Expr) -> bool {
    match expr {
        Expr::Loop(_) => true,
        Expr::While(looping) => matches!(peel(&looping.cond), Expr::Lit(literal)
            if matches!(&literal.lit, Lit::Bool(value) if value.value)),
        _ => false,
    }
}

/// The body of a loop.
#[must_use]
pub fn loop_body(expr: &Expr) -> Option<&Block> {
    match expr {
        Expr::ForLoop(inner) => Some(&inner.body),
        Expr::While(inner) => Some(&inner.body),
        Expr::Loop(inner) => Some(&inner.body),
        _ => None,
    }
}

/// The first loop in code that is worth a check point and does not ask by itself, and the first await; not in what runs elsewhere,
/// in items, or in this library's macros.
#[derive(Debug, Default)]
pub struct Waits {
    /// The keyword of the loop.
    pub looping: Option<Span>,
    /// The `await`.
    pub awaiting: Option<Span>,
}

impl Waits {
    /// Those of an expression.
    #[must_use]
    pub fn of(expr: &Expr) -> Self {
        let mut waits = Waits::default();
        waits.visit_expr(expr);
        waits
    }
}

impl<'ast> Visit<'ast> for Waits {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        if reading::runs_elsewhere(expr) {
            return;
        }
        if let Some(keyword) = loop_keyword(expr) {
            if !is_short(expr) && !reading::asks(expr.to_token_stream()) {
                self.looping.get_or_insert(keyword);
            }
        }
        if let Expr::Await(awaited) = expr {
            if reading::is_shield(&awaited.base) {
                return;
            }
            self.awaiting.get_or_insert(awaited.await_token.span);
        }
        visit::visit_expr(self, expr);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        reading::expressions(mac).iter().for_each(|expr| self.visit_expr(expr));
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}

/// Macros and functions that do not come back.
const ENDING_MACROS: [&str; 7] = [
    "panic",
    "unreachable",
    "todo",
    "unimplemented",
    "bail",
    "compile_error",
    "ensure",
];
const ENDING: [&str; 4] = ["exit", "abort", "panic_any", "resume_unwind"];

/// Whether code can leave what is round it: `return`, `?`, `break`, a panic. `break` and `continue` of a loop within do not.
#[derive(Debug, Default)]
pub struct Exits {
    loops: usize,
    found: bool,
}

impl Exits {
    /// Whether the loop can be left, from its body.
    #[must_use]
    pub fn leave_loop(looping: &Expr) -> bool {
        let mut exits = Exits::default();
        match looping {
            Expr::While(inner) => {
                exits.visit_expr(&inner.cond);
                exits.visit_block(&inner.body);
            }
            Expr::ForLoop(inner) => exits.visit_block(&inner.body),
            Expr::Loop(inner) => exits.visit_block(&inner.body),
            _ => {}
        }
        exits.found
    }

    /// Whether code within a loop can leave that loop.
    #[must_use]
    pub fn any_in(expr: &Expr) -> bool {
        let mut exits = Exits::default();
        exits.visit_expr(expr);
        exits.found
    }
}

impl<'ast> Visit<'ast> for Exits {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Return(_) | Expr::Try(_) | Expr::Yield(_) => self.found = true,
            // With a label it may go anywhere.
            Expr::Break(leave) => self.found |= self.loops == 0 || leave.label.is_some(),
            Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_) => {
                self.loops += 1;
                visit::visit_expr(self, expr);
                self.loops -= 1;
                return;
            }
            Expr::Call(_) | Expr::MethodCall(_) if called(expr).is_some_and(|name| ENDING.contains(&name.as_str())) => {
                self.found = true;
            }
            Expr::Closure(_) | Expr::Async(_) | Expr::Const(_) => return,
            _ => {}
        }
        visit::visit_expr(self, expr);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        let name = macro_name(mac);
        self.found |= ENDING_MACROS.contains(&name.as_str());
        let expressions = reading::expressions(mac);
        if expressions.is_empty() {
            // Nobody knows what it makes: of what it is given, what looks like a way out may be one.
            let text = mac.tokens.to_string();
            let leaves = ["return", "break", "?"].iter().any(|word| {
                text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '?'))
                    .any(|part| part == *word)
            });
            self.found |= leaves;
        }
        expressions.iter().for_each(|expr| self.visit_expr(expr));
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}

/// Whether the pattern is an `Err` of any kind: `Err(_)`, `Err(error)`.
#[must_use]
pub fn is_any_err(pat: &Pat) -> bool {
    match pat {
        Pat::TupleStruct(pat) => {
            let is_err = pat.path.segments.last().is_some_and(|last| last.ident == "Err");
            let takes_any = match pat.elems.first() {
                Some(Pat::Wild(_) | Pat::Rest(_)) => true,
                Some(Pat::Ident(name)) => name.subpat.is_none(),
                _ => false,
            };
            is_err && takes_any
        }
        Pat::Paren(inner) => is_any_err(&inner.pat),
        _ => false,
    }
}

/// Whether the pattern is an `Ok(…)`.
#[must_use]
pub fn is_ok(pat: &Pat) -> bool {
    matches!(pat, Pat::TupleStruct(pat) if pat.path.segments.last().is_some_and(|last| last.ident == "Ok"))
}

/// Whether code mentions a name.
#[must_use]
pub fn mentions(code: impl ToTokens, name: &str) -> bool {
    fn search(tokens: proc_macro2::TokenStream, name: &str) -> bool {
        tokens.into_iter().any(|tree| match tree {
            proc_macro2::TokenTree::Ident(word) => word == name,
            proc_macro2::TokenTree::Group(group) => search(group.stream(), name),
            _ => false,
        })
    }
    search(code.to_token_stream(), name)
}

/// Whether code looks at what kind of error it has: it may well know of cancels.
#[must_use]
pub fn tells_cancels_apart(code: impl ToTokens) -> bool {
    fn search(tokens: proc_macro2::TokenStream) -> bool {
        tokens.into_iter().any(|tree| match tree {
            proc_macro2::TokenTree::Ident(word) => {
                let word = word.to_string().to_lowercase();
                word != "cancelable"
                    && ["cancel", "shutdown", "is_retryable", "is_transient", "is_timeout"]
                        .iter()
                        .any(|part| word.contains(part))
            }
            proc_macro2::TokenTree::Group(group) => search(group.stream()),
            _ => false,
        })
    }
    let tokens = code.to_token_stream();
    reading::asks(tokens.clone()) || search(tokens)
}

/// The variable of a pattern that is nothing but one.
#[must_use]
pub fn variable(pat: &Pat) -> Option<String> {
    match pat {
        Pat::Ident(name) if name.subpat.is_none() => Some(name.ident.to_string()),
        Pat::Type(typed) => variable(&typed.pat),
        _ => None,
    }
}

/// The statement's expression, if it is one.
#[must_use]
pub fn expression(stmt: &Stmt) -> Option<&Expr> {
    match stmt {
        Stmt::Expr(expr, _) => Some(expr),
        _ => None,
    }
}

/// Whether it is a call of a macro of this name.
#[must_use]
pub fn is_macro(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Macro(ExprMacro { mac, .. }) if macro_name(mac) == name)
}
