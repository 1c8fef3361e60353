//! Where an annotated function keeps the code that runs: in its own block, or in an `async` block at its end.

use crate::duration::peel;
use quote::ToTokens;
use syn::{Block, Expr, ExprAsync, GenericArgument, PathArguments, ReturnType, Stmt, Type, TypeParamBound};

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Shape {
    /// `fn`
    Plain,
    /// `async fn`
    Async,
    /// `fn` that returns a future and ends in `async { }` or `Box::pin(async { })`: also what `#[async_trait]` makes
    /// of an `async fn`.
    AsyncTail,
}

/// The `Output` of a return type that is written as a future, or `None` if it is not.
///
/// `impl Future<Output = T>`, `Pin<Box<dyn Future<Output = T>>>`, and the aliases `BoxFuture` and `LocalBoxFuture`.
pub(crate) fn future_output(output: &ReturnType) -> Option<Type> {
    match output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => output_of(ty),
    }
}

fn output_of(ty: &Type) -> Option<Type> {
    match ty {
        Type::Group(group) => output_of(&group.elem),
        Type::Paren(paren) => output_of(&paren.elem),
        Type::ImplTrait(bounds) => bounds.bounds.iter().find_map(output_of_bound),
        Type::TraitObject(bounds) => bounds.bounds.iter().find_map(output_of_bound),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let inner = match &last.arguments {
                PathArguments::AngleBracketed(arguments) => {
                    arguments.args.iter().rev().find_map(|argument| match argument {
                        GenericArgument::Type(ty) => Some(ty),
                        _ => None,
                    })?
                }
                _ => return None,
            };
            if last.ident == "Pin" || last.ident == "Box" {
                output_of(inner)
            } else if last.ident == "BoxFuture" || last.ident == "LocalBoxFuture" {
                Some(inner.clone())
            } else {
                None
            }
        }
        _ => None,
    }
}

fn output_of_bound(bound: &TypeParamBound) -> Option<Type> {
    let TypeParamBound::Trait(bound) = bound else {
        return None;
    };
    let last = bound.path.segments.last()?;
    if last.ident != "Future" {
        return None;
    }
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(assoc.ty.clone()),
        _ => None,
    })
}

/// The `async { }` that a block ends in, bare or as the only argument of a `…::pin(…)`; or the one that `#[tokio::main]`
/// or `#[tokio::test]` has put the body of an `async fn` in.
pub(crate) fn tail_async(block: &mut Block) -> Option<&mut ExprAsync> {
    if is_started_by_tokio(block) {
        return match block.stmts.first_mut()? {
            Stmt::Local(local) => match &mut *local.init.as_mut()?.expr {
                Expr::Async(body) => Some(body),
                _ => None,
            },
            _ => None,
        };
    }
    match block.stmts.last_mut()? {
        Stmt::Expr(expr, None) => async_in(expr),
        Stmt::Expr(Expr::Return(leave), Some(_)) => async_in(leave.expr.as_mut()?),
        _ => None,
    }
}

/// Whether this is what `#[tokio::main]` or `#[tokio::test]`, if it stands above ours and so expands first, makes of an
/// `async fn`: `let body = async { … };` at the start, and at the end a block that builds a runtime, with these words.
pub(crate) fn is_started_by_tokio(block: &Block) -> bool {
    let starts = matches!(block.stmts.first(), Some(Stmt::Local(local))
        if matches!(&local.pat, syn::Pat::Ident(name) if name.ident == "body")
            && local.init.as_ref().is_some_and(|init| matches!(&*init.expr, Expr::Async(_))));
    let ends = |stmt: &Stmt| {
        let text = stmt.to_token_stream().to_string();
        text.contains("block_on") && text.contains("\"Failed building the Runtime\"")
    };
    starts && block.stmts.last().is_some_and(ends)
}

fn async_in(expr: &mut Expr) -> Option<&mut ExprAsync> {
    match expr {
        Expr::Async(block) => Some(block),
        Expr::Group(group) => async_in(&mut group.expr),
        Expr::Paren(paren) => async_in(&mut paren.expr),
        Expr::Return(leave) => async_in(leave.expr.as_mut()?),
        Expr::Call(call) if call.args.len() == 1 && is_pin(&call.func) => match call.args.first_mut()? {
            Expr::Async(block) => Some(block),
            _ => None,
        },
        _ => None,
    }
}

/// `Box::pin`, however it is qualified.
fn is_pin(func: &Expr) -> bool {
    let Expr::Path(path) = peel(func) else { return false };
    let mut names = path.path.segments.iter().rev().map(|segment| &segment.ident);
    names.next().is_some_and(|name| name == "pin") && names.next().is_some_and(|name| name == "Box")
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn output(output: ReturnType) -> Option<String> {
        future_output(&output).map(|ty| ty.to_token_stream().to_string())
    }

    #[test]
    fn the_output_of_a_written_future_is_found() {
        assert_eq!(
            output(parse_quote!(-> impl Future<Output = T> + Send)).as_deref(),
            Some("T")
        );
        assert_eq!(
            output(parse_quote!(-> Pin<Box<dyn Future<Output = T> + Send + 'a>>)).as_deref(),
            Some("T")
        );
        assert_eq!(
            output(parse_quote!(-> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Option<u8>>>>)).as_deref(),
            Some("Option < u8 >")
        );
        assert_eq!(output(parse_quote!(-> BoxFuture<'a, T>)).as_deref(), Some("T"));
        assert_eq!(output(parse_quote!(-> Result<T, E>)), None);
        assert_eq!(output(parse_quote!(-> impl Iterator<Item = T>)), None);
    }

    #[test]
    fn the_async_block_at_the_end_is_found() {
        let ends = |mut block: Block| tail_async(&mut block).is_some();
        assert!(ends(parse_quote!({ async move { 1 } })));
        assert!(ends(parse_quote!({
            let a = 1;
            Box::pin(async move { a })
        })));
        assert!(ends(parse_quote!({ ::std::boxed::Box::pin(async { 1 }) })));
        assert!(ends(parse_quote!({
            return Box::pin(async { 1 });
        })));
        assert!(!ends(parse_quote!({ other() })));
        assert!(!ends(parse_quote!({
            async {};
        })));
        assert!(!ends(parse_quote!({ Box::pin(other()) })));
    }
}
