//! Every rule, and every message that is about a function as a whole: options and item in, [`Plan`] out.

use crate::args::{Asking, Given, Options, Value};
use crate::diag::Errors;
use crate::ends;
use crate::item::Function;
use crate::paths::{Library, at, variable};
use crate::plan::{OwnScope, Plan, Step, StepKind, TokenParameter};
use crate::rewrite::exit::{Edge, Exit};
use crate::rewrite::{self, Behind, Rewritten, Rules, caller, fresh_label};
use crate::shape::{self, Shape};
use crate::tell::Told;
use crate::turns::Turns;
use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::punctuated::Punctuated;
use syn::{
    Expr, ExprLit, FnArg, GenericParam, Generics, Lifetime, Lit, LitStr, Pat, PatType, ReturnType, Type, TypeReference,
    WherePredicate,
};

/// Names that rewriting and expansion share; resolved at the macro, so that they are nobody else's.
pub(crate) const CANCELLED_LABEL: &str = "cancelled";
pub(crate) const GIVE_UP_SLOT: &str = "gave_up";

/// Mistakes in how a function is annotated, and what it takes to hand the function back.
pub(crate) struct Refused {
    pub(crate) errors: Errors,
    /// Where the tokens are found that `#[token]` parameters are bound to.
    pub(crate) library: Library,
}

/// Options and function to a plan. What is refused may have been rewritten in part: the caller has it as it was written.
pub(crate) fn check(mut options: Options, mut function: Function, mut errors: Errors) -> Result<Plan, Refused> {
    let described = described(&options);
    let library = library(&mut options);
    let documented = !matches!(options.take("doc").map(|given| given.value), Some(Value::Bool(false)));
    let or = options.take("or").and_then(|given| match given.value {
        Value::Expr(expr) => Some(expr),
        _ => None,
    });
    let every = options.take("every").and_then(turns);
    let yield_every = options.take("yield_every");
    let (shape, output) = shape_of(&function);
    let scope = own_scope(options, &function.sig.ident, shape != Shape::Plain, &mut errors);

    refuse_const(&function, &mut errors);
    let tokens = take_token_parameters(&mut function, &mut errors);
    let library = library.tracked(shape == Shape::Plain && caller::is_tracked(&function.attrs));
    if let Shape::AsyncTail = shape {
        refuse_other_endings(&mut function, &mut errors);
    }
    let edge = edge(&function, output, or.is_some(), &mut errors);
    if let (Some(given), Shape::Plain) = (&yield_every, &shape) {
        errors.at(
            given.span,
            "`yield_every` lets other tasks run in between, which only an async function can do; make this one `async`, \
             or remove the option",
        );
    }
    let yield_every = yield_every.and_then(turns);

    let moved_by = rewrite::moved_by(&function.sig.ident, &function.block);
    let is_moved = library.is_tracked() && (scope.is_some() || caller::is_moved_in_part(&mut function.block));
    let caller = match is_moved {
        true => caller::keep(&mut function.block, function.sig.ident.span()),
        false => None,
    };
    let unit = edge.is_unit();
    let inside = edge.within(&mut function.block);
    let mut rewritten = {
        let span = function.sig.ident.span();
        let exit = if or.is_none() {
            Exit::Return(inside.clone())
        } else if scope.is_some() && shape != Shape::Plain {
            Exit::GiveUp(variable(GIVE_UP_SLOT, span))
        } else {
            Exit::Leave(fresh_label(CANCELLED_LABEL, span))
        };
        let rules = Rules {
            library: &library,
            exit,
            edge: inside.clone(),
            every: every.as_ref().map(Turns::number),
            yield_every: yield_every.as_ref().map(Turns::number),
            unit,
            asynchronous: shape != Shape::Plain,
        };
        let body = match shape {
            Shape::AsyncTail => shape::tail_async(&mut function.block).map(|block| &mut block.block),
            Shape::Plain | Shape::Async => Some(&mut function.block),
        };
        body.map(|body| rewrite::rewrite(body, &rules, &mut errors))
            .unwrap_or_default()
    };

    let points = rewritten.points;
    let mut record = std::mem::take(&mut rewritten.record);
    record.lost = rewritten.behind.iter().map(|behind| behind.0).collect();
    let told = told(&function.sig.ident, moved_by, rewritten);

    if errors.is_empty() {
        Ok(Plan {
            library,
            function,
            shape,
            edge,
            inside,
            scope,
            or,
            every,
            yield_every,
            tokens,
            caller,
            points,
            record,
            described,
            documented,
            told,
        })
    } else {
        Err(Refused { errors, library })
    }
}

/// Why a cancel would not end the function, if it would not, or would end it where nobody expects that.
fn told(name: &Ident, moved_by: Option<&'static str>, rewritten: Rewritten) -> Option<Told> {
    if let Some(attribute) = moved_by {
        return Some(Told {
            span: name.span(),
            message: format!(
                "`#[{attribute}]` has moved the body to another function, which has no check points; write `#[cancelable]` \
                 above `#[{attribute}]`"
            ),
        });
    }
    let unreached = rewritten.unreached.map(|unreached| Told {
        span: unreached.span,
        message: unreached.message(name),
    });
    unreached.or_else(|| rewritten.behind.first().map(Behind::told))
}

pub(crate) fn library(options: &mut Options) -> Library {
    match options.take("crate").map(|given| given.value) {
        Some(Value::Path(path)) => Library::named(&path),
        _ => Library::default(),
    }
}

fn turns(given: Given) -> Option<Turns> {
    match given.value {
        Value::Turns(turns) => Some(turns),
        _ => None,
    }
}

/// What is left of the options are those that ask for a scope of the function's own.
fn own_scope(mut options: Options, function: &Ident, asynchronous: bool, errors: &mut Errors) -> Option<OwnScope> {
    let named_after = options.take("scope").map(|given| given.span);
    if let (Some(span), Some(_)) = (named_after, options.span_of("name")) {
        errors.at(
            span,
            "`name` opens a scope and names it, so `scope` has nothing to add; remove one of the two",
        );
    }
    let name = named_after.map(|span| {
        let text = LitStr::new(&function.unraw().to_string(), at(span));
        let literal = ExprLit {
            attrs: Vec::new(),
            lit: Lit::Str(text),
        };
        Step {
            span,
            kind: StepKind::Name(Box::new(Expr::Lit(literal))),
        }
    });
    let steps: Vec<Step> = name
        .into_iter()
        .chain(options.into_vec().into_iter().filter_map(step))
        .collect();
    (!steps.is_empty()).then(|| OwnScope::new(steps, asynchronous, errors))
}

/// An option that is one call on the scope's builder.
pub(crate) fn step(given: Given) -> Option<Step> {
    let kind = match (given.spec.name, given.value) {
        ("name", Value::Expr(expr)) => StepKind::Name(expr),
        ("timeout", Value::Duration(duration)) => StepKind::Timeout(duration),
        ("idle_timeout", Value::Duration(duration)) => StepKind::IdleTimeout(duration),
        ("heartbeat", Value::Flag) => StepKind::Heartbeat,
        ("progress", Value::Expr(expr)) => StepKind::Progress(expr),
        ("weight", Value::Expr(expr)) => StepKind::Weight(expr),
        ("deadline", Value::Expr(expr)) => StepKind::Deadline(expr),
        ("grace", Value::Duration(duration)) => StepKind::Grace(duration),
        ("token", Value::Expr(expr)) => StepKind::Link(expr),
        ("parent", Value::Expr(expr)) => StepKind::Parent(expr),
        ("detached", Value::Flag) => StepKind::Detached,
        ("until", Value::Expr(expr)) => StepKind::Until(expr),
        ("asking", Value::Asking(asking)) => StepKind::Asking(asking),
        _ => return None,
    };
    Some(Step { span: given.span, kind })
}

/// Something that is no function: says where the attribute may go.
pub(crate) fn refuse_other(arguments: &TokenStream, keyword: Span, what: &str, errors: &mut Errors) {
    let helper = ["skip", "finish", "break", "shield"]
        .into_iter()
        .find(|word| arguments.to_string() == *word);
    match helper {
        Some(word) => errors.on(
            arguments,
            format!(
                "`#[cancelable({word})]` means something only inside an annotated function; annotate the one round it"
            ),
        ),
        None => {
            let remedy = match what {
                "a trait" => "; put it on those of its methods that have a body",
                "a module" => " in a file of its own; write `mod name { … }`, or put it on the functions inside",
                _ => "",
            };
            errors.at(
                keyword,
                format!(
                    "`#[cancelable]` goes on a function, a method, an `impl` block or a module, not on {what}{remedy}"
                ),
            );
        }
    }
}

fn refuse_const(function: &Function, errors: &mut Errors) {
    if let Some(constness) = &function.sig.constness {
        errors.at(
            constness.span,
            "a `const fn` cannot be cancelable, since it must also run where there is no token to ask; remove `const` \
             or the attribute",
        );
    }
}

/// Where its body runs, and the type of that body if it is not the one the function returns.
pub(crate) fn shape_of(function: &Function) -> (Shape, Option<Type>) {
    if function.sig.asyncness.is_some() {
        return (Shape::Async, None);
    }
    match shape::future_output(&function.sig.output) {
        Some(output) => (Shape::AsyncTail, Some(output)),
        None if shape::is_started_by_tokio(&function.block) => (Shape::AsyncTail, None),
        None => (Shape::Plain, None),
    }
}

fn refuse_other_endings(function: &mut Function, errors: &mut Errors) {
    if shape::tail_async(&mut function.block).is_some() {
        return;
    }
    const MESSAGE: &str = "a cancelable function that returns a future must end in `async { … }` or \
                           `Box::pin(async { … })`; wrap this in one, with its `.await` inside";
    match function.block.stmts.last() {
        Some(last) => errors.on(last, MESSAGE),
        None => errors.at(function.block.brace_token.span.join(), MESSAGE),
    }
}

/// The type that a cancel is put in; refuses those that visibly have no room for one.
fn edge(function: &Function, output: Option<Type>, has_or: bool, errors: &mut Errors) -> Edge {
    let name = &function.sig.ident;
    let ty = match (output, &function.sig.output) {
        (Some(output), _) => output,
        (None, ReturnType::Type(_, ty)) => (**ty).clone(),
        (None, ReturnType::Default) => {
            if !has_or {
                errors.at(
                    name.span(),
                    format!(
                        "`{name}` returns nothing, so it cannot say that it was cancelled; return \
                         `Result<(), Cancelled>`, or write `#[cancelable(or = ())]`"
                    ),
                );
            }
            return Edge::unit(name.span());
        }
    };
    if let Some(refusal) = ends::refusal(&function.sig, &ty).filter(|_| !has_or) {
        errors.on(&ty, refusal);
    }
    match &ty {
        Type::Never(_) => errors.on(
            &ty,
            format!(
                "`{name}` never returns, so it cannot say that it was cancelled; return `Result<Infallible, Cancelled>`"
            ),
        ),
        Type::ImplTrait(_) if !has_or => errors.on(
            &ty,
            "an `impl Trait` cannot say that the function was cancelled; return `Result<impl Trait, …>`, or write \
             `#[cancelable(or = …)]`",
        ),
        Type::Tuple(unit) if unit.elems.is_empty() && !has_or => errors.on(
            &ty,
            format!(
                "`{name}` returns nothing, so it cannot say that it was cancelled; return `Result<(), Cancelled>`, or \
                 write `#[cancelable(or = ())]`"
            ),
        ),
        _ => {}
    }
    Edge::of(&ty)
}

/// Takes the parameters marked `#[token]` out of the signature.
pub(crate) fn take_token_parameters(function: &mut Function, errors: &mut Errors) -> Vec<TokenParameter> {
    let mut found = Vec::new();
    let inputs = std::mem::take(&mut function.sig.inputs);
    let mut kept = Punctuated::new();
    for pair in inputs.into_pairs() {
        let (mut input, comma) = pair.into_tuple();
        match &mut input {
            FnArg::Receiver(receiver) => {
                if let Some(index) = receiver.attrs.iter().position(is_token) {
                    let attr = receiver.attrs.remove(index);
                    errors.on(
                        attr,
                        "`self` is not a token; mark a parameter of type `CancellationToken`",
                    );
                }
            }
            FnArg::Typed(argument) => {
                if argument.attrs.iter().any(is_token) {
                    forget_lifetime(argument, &mut function.sig.generics);
                    if let Some(parameter) = token_parameter(argument, errors) {
                        found.push(parameter);
                    }
                    continue;
                }
            }
        }
        kept.push_value(input);
        if let Some(comma) = comma {
            kept.push_punct(comma);
        }
    }
    function.sig.inputs = kept;
    found
}

/// `#[async_trait]` gives each elided lifetime a name and a bound. One that leaves with its parameter must leave the
/// generics too, or the method would not match its trait's any more.
fn forget_lifetime(argument: &PatType, generics: &mut Generics) {
    let Type::Reference(TypeReference {
        lifetime: Some(lifetime),
        ..
    }) = &*argument.ty
    else {
        return;
    };
    if !is_from_async_trait(lifetime) {
        return;
    }
    generics.params = std::mem::take(&mut generics.params)
        .into_iter()
        .filter(|param| !matches!(param, GenericParam::Lifetime(param) if param.lifetime == *lifetime))
        .collect();
    if let Some(clause) = &mut generics.where_clause {
        clause.predicates = std::mem::take(&mut clause.predicates)
            .into_iter()
            .filter(|predicate| !matches!(predicate, WherePredicate::Lifetime(bound) if bound.lifetime == *lifetime))
            .collect();
    }
}

/// `'life0`, `'life1`, …
fn is_from_async_trait(lifetime: &Lifetime) -> bool {
    let name = lifetime.ident.to_string();
    name.strip_prefix("life")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

pub(crate) fn is_token(attr: &syn::Attribute) -> bool {
    attr.path().is_ident("token")
}

fn token_parameter(argument: &PatType, errors: &mut Errors) -> Option<TokenParameter> {
    for attr in argument.attrs.iter().filter(|attr| is_token(attr)) {
        if !matches!(attr.meta, syn::Meta::Path(_)) {
            errors.on(&attr.meta, "`#[token]` takes no arguments");
        }
    }
    let (mutability, name) = match &*argument.pat {
        Pat::Ident(ident) if ident.by_ref.is_none() && ident.subpat.is_none() => {
            (ident.mutability, ident.ident.clone())
        }
        Pat::Wild(wild) => (None, Ident::new("_cancelable_token", at(wild.underscore_token.span))),
        other => {
            errors.on(
                other,
                "a `#[token]` parameter is one variable; write `#[token] token: CancellationToken`",
            );
            return None;
        }
    };
    let (by_reference, ty) = match &*argument.ty {
        Type::Reference(reference) => {
            if let Some(mutability) = &reference.mutability {
                errors.at(
                    mutability.span,
                    "a token needs no `mut`; write `#[token] token: &CancellationToken`",
                );
            }
            if let Some(lifetime) = &reference.lifetime {
                if lifetime.ident != "_" && !is_from_async_trait(lifetime) {
                    errors.on(
                        lifetime,
                        "a `#[token]` parameter is borrowed from the function itself; remove the lifetime",
                    );
                }
            }
            (true, (*reference.elem).clone())
        }
        ty => (false, ty.clone()),
    };
    let cfgs = argument.attrs.iter().filter(|attr| is_cfg(attr)).cloned().collect();
    Some(TokenParameter {
        cfgs,
        mutability,
        name,
        ty,
        by_reference,
    })
}

pub(crate) fn is_cfg(attr: &syn::Attribute) -> bool {
    attr.path().is_ident("cfg")
}

fn described(options: &Options) -> Vec<String> {
    options
        .iter()
        .filter(|given| given.spec.name != "crate" && given.spec.name != "doc")
        .map(|given| {
            let value = match &given.value {
                Value::Duration(duration) => duration.describe(),
                Value::Expr(expr) => crate::describe::tokens(expr.to_token_stream()),
                Value::Turns(turns) => crate::describe::tokens(turns.written()),
                Value::Path(path) => crate::describe::tokens(path.to_token_stream()),
                Value::Binding(name) => name.to_string(),
                Value::Asking(Asking { every, host }) => {
                    format!(
                        "({}, {})",
                        every.describe(),
                        crate::describe::tokens(host.to_token_stream())
                    )
                }
                Value::Bool(said) => said.to_string(),
                Value::Flag => return given.spec.name.to_owned(),
            };
            format!("{} = {value}", given.spec.name)
        })
        .collect()
}
