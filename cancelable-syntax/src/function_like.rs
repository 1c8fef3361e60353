//! `cancel_scope!` and `shield!`: options, then a body.
//!
//! The library wraps each in a `macro_rules!` that puts `($crate)` in front: that is the path the macro was called
//! by, whatever the user renamed.

use crate::args::{self, Given, Options, Value};
use crate::check;
use crate::diag::Errors;
use crate::expansion::between;
use crate::here;
use crate::paths::{Library, at, first_span, located_call, pinned, variable};
use crate::plan::{OwnScope, TokenParameter};
use crate::record::Record;
use crate::rewrite::blocks::insert_after_items;
use crate::rewrite::escapes;
use crate::rewrite::exit::{Edge, Exit};
use crate::rewrite::helpers::Clear;
use crate::rewrite::{self, Rewritten, Rules};
use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit_mut::VisitMut;
use syn::{Block, Expr, Pat, ReturnType, Stmt, Token};

/// ```text
/// Input:  cancel_scope!(timeout = "5s", name = "fetch", async move { BODY })
/// Output: {
///             let scope = Site.scope().timeout(Duration::from_millis(5000)).name("fetch");
///             Site.run_or(scope, async move { BODY }, |cancelled| { from_cancelled::<_>(Site.in_scope(cancelled, here)) })
///         }
///
/// Input:  cancel_scope!(token = stop, || -> T { BODY })
/// Output: {
///             let scope = Site.scope();
///             Site.enter_sync(scope, || -> T {
///                 let stop = token_parameter::<CancellationToken>();
///                 if Site.is_refused() { return from_cancelled::<T>(Site.refused_by_scope(here)) }
///                 BODY
///             })
///         }
/// ```
/// With `finally`, which is made when the body is over, so that both may borrow the same, and one after the other use it up:
/// ```text
/// Input:  cancel_scope!(finally = async { CLOSE }, async move { BODY })
/// Output: {
///             let scope = Site.scope();
///             let finally = Site.finally(&scope);
///             async move {
///                 let value = {
///                     let place = pin!(Some(async { BODY }));
///                     Site.run_or(scope, Lent::of(place), |cancelled| { … }).await
///                 };
///                 let place = pin!(Some(async { CLOSE }));
///                 finally.run(Lent::of(place)).await;
///                 value
///             }
///         }
///
/// Input:  cancel_scope!(finally = { CLOSE }, { BODY })
/// Output: {
///             let scope = Site.scope();
///             let finally = Site.finally(&scope);
///             let value = Site.enter_sync(scope, || { BODY });
///             finally.run_sync(|| { CLOSE });
///             value
///         }
/// ```
/// With `partial`, what the body has so far, the body is a closure that takes it:
/// ```text
/// Input:  cancel_scope!(partial = Vec::new(), async |rows| { BODY })
/// Output: {
///             let scope = Site.scope();
///             let so_far = Site.so_far(Vec::new());
///             Site.run_partial(scope, so_far, async |rows| { BODY }, |cancelled| { … })
///         }
///
/// Input:  cancel_scope!(partial = Vec::new(), |rows| { BODY })
/// Output: {
///             let scope = Site.scope();
///             let so_far = Site.so_far(Vec::new());
///             Site.enter_sync_partial(scope, so_far, |rows| {
///                 if Site.is_cancelled() { return from_cancelled::<_>(Site.refused_by_scope(here)) }
///                 BODY
///             })
///         }
/// ```
/// The scope is a variable so that what its options borrow for a moment, a lock perhaps, is given back before the body runs.
/// The body's `.await`s and loops become check points, as in an annotated function. `Scope::run` and `run_sync` would
/// do the same, but would blame a type that has no room for a cancel a second time, on the whole macro.
pub(crate) fn cancel_scope(input: TokenStream) -> TokenStream {
    expand(input, "cancel_scope", args::SCOPE, scope)
}

fn scope(library: &Library, mut options: Options, mut body: Body, errors: &mut Errors) -> TokenStream {
    let span = Span::call_site();
    if let (Some(detached), Some(_)) = (options.span_of("detached"), options.span_of("parent")) {
        errors.at(detached, "`detached` means no parent at all; remove it, or `parent`");
    }
    let finally = options
        .take("finally")
        .and_then(|given| Finally::read(given, &body, errors));
    let named = options.take("token").and_then(|given| match given.value {
        Value::Binding(name) => Some(name),
        _ => None,
    });
    let partial = options.take("partial");
    let so_far = match so_far(partial, &body, errors) {
        Ok(so_far) => so_far,
        Err(Refused) => return TokenStream::new(),
    };
    let told = body.add_check_points(library, errors);
    let steps = options.into_vec().into_iter().filter_map(check::step).collect();
    let own = OwnScope::new(steps, body.asynchronous.is_some(), errors);
    let builder = own.builder(library, span);
    let binding = named.map(|name| token_binding(library, &name));
    let (scope, here) = (variable("scope", span), here::item(span));
    let [mut run_or, mut enter_sync] = own.runners();
    let (so_far, place) = so_far
        .map(|(option, so_far)| {
            (run_or, enter_sync) = ("run_partial", "enter_sync_partial");
            let name = variable("so_far", option);
            let kept = library.located("so_far", so_far, option);
            let place = quote_spanned!(at(option)=> let #name = #kept;);
            (quote!(#name,), place)
        })
        .unzip();
    let builder = quote!(#builder; #place);
    let asynchronous = body.asynchronous.is_some();
    // What is moved into the scope is there for `finally`, too, if the body leaves it.
    let capture = if finally.is_some() { body.capture.take() } else { None };
    let run = if asynchronous {
        let edge = body.edge();
        let block = body.tokens(library, binding);
        let converter = edge.converter(library, span);
        match &finally {
            None => library.located(run_or, quote!(#scope, #so_far #block, #converter), span),
            // A closure, which is made a future where it is to stay.
            Some(_) if so_far.is_some() => {
                let run = library.located(run_or, quote!(#scope, #so_far #block, #converter), span);
                quote_spanned!(at(span)=> #run.await)
            }
            Some(_) => {
                let (place, lent) = pinned(library, block, span);
                let run = library.located(run_or, quote!(#scope, #lent, #converter), span);
                quote_spanned!(at(span)=> { #place #run.await })
            }
        }
    } else {
        body.add_entry_check(library);
        let block = body.tokens(library, binding);
        library.located(enter_sync, quote!(#scope, #so_far #block), span)
    };
    let Some(finally) = finally else {
        return quote_spanned!(at(span)=> { #told #here let #scope = #builder #run });
    };
    let [kept, value] = ["finally", "value"].map(|name| variable(name, span));
    let kept_from = library.located("finally", quote_spanned!(at(span)=> &#scope), finally.span);
    let method = if asynchronous { "run" } else { "run_sync" };
    let after = finally.body.tokens(library, None);
    let run = if asynchronous {
        let (place, lent) = pinned(library, after, finally.span);
        let clean_up = located_call(method, lent, finally.span);
        quote_spanned!(at(span)=> async #capture { let #value = #run; #place #kept #clean_up.await; #value })
    } else {
        let clean_up = located_call(method, after, finally.span);
        quote_spanned!(at(span)=> let #value = #run; #kept #clean_up; #value)
    };
    quote_spanned!(at(span)=> { #told #here let #scope = #builder let #kept = #kept_from; #run })
}

/// There is no expansion beside the errors.
struct Refused;

/// What the scope's body has at the beginning, and the option's name; if it keeps something.
fn so_far(given: Option<Given>, body: &Body, errors: &mut Errors) -> Result<Option<(Span, Box<Expr>)>, Refused> {
    match (given, &body.so_far) {
        (None, None) => Ok(None),
        (None, Some(argument)) => {
            errors.on(
                argument,
                "the body of `cancel_scope!` takes no arguments; to name the scope's token, write `token = variable` before the body; \
                 to keep what the body has so far, write `partial = Vec::new()`, or whatever it begins with",
            );
            Err(Refused)
        }
        (Some(given), None) => {
            let body = if body.asynchronous.is_some() {
                "async |so_far| { … }"
            } else {
                "|so_far| { … }"
            };
            errors.at(
                given.span,
                format!("the body is handed what it has so far; write it as `{body}`"),
            );
            Err(Refused)
        }
        (Some(given), Some(_)) => match given.value {
            Value::Expr(so_far) => Ok(Some((given.span, so_far))),
            _ => Err(Refused),
        },
    }
}

/// The clean-up of a scope.
struct Finally {
    body: Body,
    /// Of the option's name: the line of the shield that it runs under.
    span: Span,
}

impl Finally {
    /// `async` if the `body` is that it comes after, and not if it is not.
    fn read(given: Given, body: &Body, errors: &mut Errors) -> Option<Self> {
        let span = given.span;
        let Value::Expr(expr) = given.value else { return None };
        let mut finally = Body::of(*expr, "finally", Body::EXPECTED_FINALLY, errors)?;
        match (body.asynchronous.is_some(), finally.asynchronous.is_some()) {
            (true, false) => {
                errors.at(
                    finally.span,
                    "the body is `async`, and so is what comes after it; write `finally = async { … }`",
                );
                return None;
            }
            (false, true) => {
                errors.at(
                    finally.span,
                    "nobody awaits this, for the body is not `async`; write `finally = { … }`, or make the body `async { … }`",
                );
                return None;
            }
            _ => {}
        }
        let mut escapes = Errors::default();
        escapes::refuse(&mut finally.block, "`finally`", "set a variable in it", &mut escapes);
        if !escapes.is_empty() {
            // Rustc would refuse them in a closure once more.
            errors.append(escapes);
            return None;
        }
        let what = "no check points are put into `finally`, which runs under a shield";
        Clear { errors, what }.visit_block_mut(&mut finally.block);
        Some(Finally { body: finally, span })
    }
}

/// ```text
/// Input:  shield!(async { BODY })
/// Output: shield(async { BODY })
///
/// Input:  shield!(timeout = "5s", async { BODY })
/// Output: { let limit = Duration::from_millis(5000); shield(async { BODY }).timeout(limit) }
///
/// Input:  shield!({ BODY })                          shield!(timeout = "5s", { BODY })
/// Output: shield_sync(|| { BODY })                   { let limit = …; Site.shield_sync_timeout(limit, || { BODY }) }
/// ```
/// Only a timeout can fail a check point inside, so only with one does the body get any.
pub(crate) fn shield(input: TokenStream) -> TokenStream {
    expand(input, "shield", args::SHIELD, shielded)
}

fn shielded(library: &Library, mut options: Options, mut body: Body, errors: &mut Errors) -> TokenStream {
    let span = Span::call_site();
    let timeout = options.take("timeout").and_then(|given| match given.value {
        Value::Duration(duration) => Some((given.span, duration.to_tokens(library, given.span))),
        _ => None,
    });
    let told = match &timeout {
        Some(_) => body.add_check_points(library, errors),
        None => {
            body.refuse_helpers(errors);
            None
        }
    };
    let asynchronous = body.asynchronous.is_some();
    let block = body.tokens(library, None);
    let function = |name| {
        let path = library.private(name, span);
        quote_spanned!(at(span)=> #path(#block))
    };
    match (asynchronous, timeout) {
        (true, None) => function("shield"),
        (false, None) => function("shield_sync"),
        (asynchronous, Some((option, duration))) => {
            let (limit, here) = (variable("limit", span), here::item(span));
            let shield = if asynchronous {
                let (shield, limited) = (function("shield"), located_call("timeout", &limit, option));
                quote!(#shield #limited)
            } else {
                library.located("shield_sync_timeout", quote!(#limit, #block), option)
            };
            quote_spanned!(at(span)=> { #told #here let #limit = #duration; #shield })
        }
    }
}

/// ```text
/// Input:  race!(a, b, c)
/// Output: race((a, b, c))
/// ```
/// Which futures there are, and what of, is the library's business; that there are some, and not too many, is ours.
pub(crate) fn combine(input: TokenStream, macro_name: &'static str) -> TokenStream {
    let mut errors = Errors::default();
    let parser = |input: ParseStream<'_>| {
        let path: Group = input.parse()?;
        let futures = Punctuated::<Expr, Token![,]>::parse_terminated(input)?;
        Ok((Library::handed(path.stream()), futures))
    };
    match parser.parse2(input) {
        Ok((library, futures)) => {
            let span = Span::call_site();
            if futures.is_empty() {
                errors.at(
                    span,
                    format!("`{macro_name}!` needs at least one future, as in `{macro_name}!(a, b)`"),
                );
            }
            if let Some(first) = futures.iter().nth(MOST_FUTURES) {
                errors.on(
                    first,
                    format!(
                        "`{macro_name}!` takes at most {MOST_FUTURES} futures; nest one `{macro_name}!` in another"
                    ),
                );
            }
            if !errors.is_empty() {
                return failed(&errors);
            }
            let futures = futures.iter();
            let tuple = quote_spanned!(at(span)=> (#(#futures,)*));
            library.located(macro_name, tuple, span)
        }
        Err(error) => {
            errors.push(error);
            failed(&errors)
        }
    }
}

/// The longest tuple that the library combines.
const MOST_FUTURES: usize = 12;

fn expand(
    input: TokenStream,
    macro_name: &'static str,
    table: &[args::Spec],
    build: fn(&Library, Options, Body, &mut Errors) -> TokenStream,
) -> TokenStream {
    let mut errors = Errors::default();
    let parser = |input: ParseStream<'_>| {
        let path: Group = input.parse()?;
        let library = Library::handed(path.stream());
        let options = args::parse_leading(input, table, &mut errors);
        let body = Body::parse(input, macro_name, &mut errors)?;
        Ok((library, options, body))
    };
    let parsed = parser.parse2(input);
    match parsed {
        Ok((library, options, Some(mut body))) => {
            let mut escapes = Errors::default();
            body.refuse_escapes(macro_name, &mut escapes);
            if !escapes.is_empty() {
                // Rustc would refuse them in a closure once more.
                return failed(&escapes);
            }
            // Beside an error too: else what only the body uses would be called unused.
            let expanded = build(&library, options, body, &mut errors);
            let errors = errors.to_compile_errors();
            if errors.is_empty() {
                expanded
            } else {
                quote!({ #errors #expanded })
            }
        }
        Ok((_, _, None)) => failed(&errors),
        Err(error) => {
            errors.push(error);
            failed(&errors)
        }
    }
}

/// A `cancel_scope!` or `shield!` as it is written, without the path to the library.
pub(crate) struct Written {
    pub(crate) options: Vec<&'static str>,
    pub(crate) asynchronous: bool,
    pub(crate) block: Block,
    /// `None` where the macro puts no check points: in a `shield!` without `timeout`.
    pub(crate) record: Option<Record>,
}

/// `None` if it is not written right, so that the macro refuses it.
pub(crate) fn read(macro_name: &'static str, tokens: TokenStream) -> Option<Written> {
    let table = if macro_name == "shield" {
        args::SHIELD
    } else {
        args::SCOPE
    };
    let mut errors = Errors::default();
    let parser = |input: ParseStream<'_>| {
        let options = args::parse_leading(input, table, &mut errors);
        Ok((options, Body::parse(input, macro_name, &mut errors)?))
    };
    let (options, body) = parser.parse2(tokens).ok()?;
    let mut body = body?;
    let options: Vec<&str> = options.iter().map(|given| given.spec.name).collect();
    let block = body.block.clone();
    let has_points = macro_name != "shield" || options.contains(&"timeout");
    let record = has_points.then(|| {
        let rewritten = body.rewrite(&Library::default(), &mut errors);
        Record {
            lost: rewritten.behind.iter().map(|behind| behind.0).collect(),
            ..rewritten.record
        }
    });
    let asynchronous = body.asynchronous.is_some();
    errors.is_empty().then_some(Written {
        options,
        asynchronous,
        block,
        record,
    })
}

/// The errors as an expression that fits wherever the macro stood.
fn failed(errors: &Errors) -> TokenStream {
    let errors = errors.to_compile_errors();
    quote!({ #errors })
}

/// `async { }`, `async move { }`, `async || -> T { }`, `async |so_far| -> T { }`, `{ }`, `|| -> T { }`, `|so_far| -> T { }`.
struct Body {
    asynchronous: Option<Token![async]>,
    capture: Option<Token![move]>,
    /// What a body is handed whose scope keeps that: `partial = …`.
    so_far: Option<Pat>,
    /// `-> T`, if written.
    output: ReturnType,
    block: Block,
    /// The first token, which the body is known by.
    span: Span,
}

impl Body {
    fn parse(input: ParseStream<'_>, macro_name: &'static str, errors: &mut Errors) -> syn::Result<Option<Self>> {
        if input.is_empty() {
            errors.at(Span::call_site(), format!("expected {}", Self::EXPECTED));
            return Ok(None);
        }
        let expr: Expr = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        if !input.is_empty() {
            errors.at(
                input.span(),
                format!("unexpected token; the body is the last thing in `{macro_name}!`"),
            );
            input.parse::<TokenStream>()?;
            return Ok(None);
        }
        Ok(Self::of(expr, macro_name, Self::EXPECTED, errors))
    }

    const EXPECTED: &str =
        "`async { … }`, `async move { … }`, `async || -> T { … }`, `{ … }` or `|| -> T { … }` as the body";
    const EXPECTED_FINALLY: &str = "`finally = async { … }`, or `finally = { … }` beside a body that is not `async`";

    /// Reads one of the forms that are `expected`, as the body of `name`.
    fn of(mut expr: Expr, name: &str, expected: &str, errors: &mut Errors) -> Option<Self> {
        // What a `macro_rules!` hands on as `$body:expr` or `$body:block`.
        while let Expr::Group(group) = expr {
            expr = *group.expr;
        }
        let span = match &expr {
            Expr::Block(body) if body.label.is_none() => body.block.brace_token.span.open(),
            other => first_span(other),
        };
        match expr {
            Expr::Async(body) => Some(Body {
                asynchronous: Some(body.async_token),
                capture: body.capture,
                so_far: None,
                output: ReturnType::Default,
                block: body.block,
                span,
            }),
            Expr::Block(body) if body.label.is_none() => Some(Body {
                asynchronous: None,
                capture: None,
                so_far: None,
                output: ReturnType::Default,
                block: body.block,
                span,
            }),
            Expr::Closure(closure) => {
                let most = if name == "cancel_scope" { 1 } else { 0 };
                if closure.inputs.len() > most {
                    let message = match name {
                        "cancel_scope" => "the body of `cancel_scope!` takes at most one argument: what it has so far",
                        "finally" => "`finally` takes no arguments",
                        _ => "the body of `shield!` takes no arguments",
                    };
                    errors.on(&closure.inputs, message);
                    return None;
                }
                let block = match *closure.body {
                    Expr::Block(body) if body.label.is_none() && body.attrs.is_empty() => body.block,
                    other => Block {
                        brace_token: syn::token::Brace(other.span()),
                        stmts: vec![Stmt::Expr(other, None)],
                    },
                };
                Some(Body {
                    asynchronous: closure.asyncness,
                    capture: closure.capture,
                    so_far: closure.inputs.into_iter().next(),
                    output: closure.output,
                    block,
                    span,
                })
            }
            other => {
                errors.on(
                    &other,
                    format!("expected {expected}; to await a future inside, write `async {{ future.await }}`"),
                );
                None
            }
        }
    }

    fn edge(&self) -> Edge {
        match &self.output {
            ReturnType::Type(_, ty) => Edge::of(ty),
            ReturnType::Default => Edge::inferred(self.span),
        }
    }

    /// Gives a warning, if there is to be one.
    fn add_check_points(&mut self, library: &Library, errors: &mut Errors) -> Option<TokenStream> {
        let rewritten = self.rewrite(library, errors);
        rewritten.behind.first().map(|behind| behind.told().item())
    }

    fn rewrite(&mut self, library: &Library, errors: &mut Errors) -> Rewritten {
        let edge = self.edge().within(&mut self.block);
        let rules = Rules {
            library,
            exit: Exit::Return(edge.clone()),
            edge,
            every: None,
            yield_every: None,
            unit: self.edge().is_unit(),
            asynchronous: self.asynchronous.is_some(),
        };
        rewrite::rewrite(&mut self.block, &rules, errors)
    }

    /// What notices that a scope is over before its body starts.
    fn add_entry_check(&mut self, library: &Library) {
        let span = Span::call_site();
        let entry = Exit::Return(self.edge().within(&mut self.block)).if_refused(true, library, span);
        insert_after_items(&mut self.block, entry);
    }

    fn refuse_helpers(&mut self, errors: &mut Errors) {
        let what = "no check points are put into a `shield!` without `timeout`";
        Clear { errors, what }.visit_block_mut(&mut self.block);
    }

    fn refuse_escapes(&mut self, macro_name: &str, errors: &mut Errors) {
        let what = format!("`{macro_name}!`");
        escapes::refuse(&mut self.block, &what, "let its body return a value", errors);
    }

    /// `async move { BODY }`, or `|| -> T { BODY }`, with the user's own braces round the user's own code: what is
    /// wrong at its end is told of it.
    fn tokens(mut self, library: &Library, binding: Option<TokenStream>) -> TokenStream {
        let mut prelude = binding.unwrap_or_default();
        if let (Some(_), None, ReturnType::Type(..)) = (&self.asynchronous, &self.so_far, &self.output) {
            // An `async` block's type is not written anywhere, so it is told.
            prelude.extend(self.edge().tell(library, &mut self.block));
        }
        let Body {
            asynchronous,
            capture,
            so_far,
            output,
            block,
            span,
        } = self;
        // `shield!(async { future.await })` is as it has to be, though a lint would say that the block does nothing.
        let only_awaits = matches!(block.stmts.as_slice(), [Stmt::Expr(Expr::Await(_), None)]);
        let block = if prelude.is_empty() {
            block.into_token_stream()
        } else {
            let body = match block.stmts.as_slice() {
                // Which needs no braces behind a statement.
                [only @ Stmt::Expr(_, None)] => only.to_token_stream(),
                _ => block.to_token_stream(),
            };
            between(block.brace_token, quote!(#prelude #body))
        };
        let closure = |asynchronous: Option<Token![async]>| {
            let [open, close] = [(); 2].map(|()| quote_spanned!(at(span)=> |));
            quote!(#asynchronous #capture #open #so_far #close #output #block)
        };
        match asynchronous {
            Some(asynchronous) if so_far.is_some() => closure(Some(asynchronous)),
            Some(mut asynchronous) => {
                if only_awaits {
                    asynchronous.span = at(asynchronous.span);
                }
                quote!(#asynchronous #capture #block)
            }
            None => closure(None),
        }
    }
}

/// ```text
/// Input:  token = stop
/// Output: let stop: CancellationToken = token_parameter::<CancellationToken>();
/// ```
fn token_binding(library: &Library, name: &Ident) -> TokenStream {
    let span = name.span();
    let ty = library.private("CancellationToken", span);
    TokenParameter {
        cfgs: Vec::new(),
        mutability: None,
        name: name.clone(),
        ty: syn::Type::Verbatim(ty),
        by_reference: false,
    }
    .binding(library)
}
