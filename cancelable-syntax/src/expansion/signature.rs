//! Arguments of a function whose body moves into its scope's future, or into the closure that its scope runs.
//!
//! ```text
//! Input:  async fn f(mut a: A, (b, c): (B, C), _: D) -> R { BODY }
//! Output: async fn f(a: A, argument1: (B, C), argument2: D) -> R {
//!             … async move { let mut a = a; let (b, c) = argument1; let _ = &argument2 …; BODY } …
//!         }
//! ```
//! Each argument is moved in, in order, whether the body names it or not: then they are dropped in the order, and
//! within the scope, that a plain function would drop them in, and the future borrows none of them (which it would
//! need `Sync` for, to be `Send`). Those that options name are left to the body to take, or not: an option may have used
//! them up, as `name = title` uses up a `String`.

use crate::args::Asking;
use crate::duration::DurationValue;
use crate::lints;
use crate::paths::{at, variable};
use crate::plan::{OwnScope, StepKind};
use crate::turns::Turns;
use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, FnArg, Pat, PatIdent, ReceiverKind, Signature};

/// What moving the arguments in takes.
pub(crate) struct Moved {
    /// Statements for the start of the inner block.
    pub(crate) rebindings: TokenStream,
    /// Whether the inner block may be `async move`: not if `or` still needs what the body leaves over.
    pub(crate) capture: bool,
}

/// The first argument that is declared `mut`, or has a part that is.
pub(crate) fn first_mutable(sig: &Signature) -> Option<usize> {
    let is_mutable = |input: &FnArg| match input {
        FnArg::Receiver(_) => false,
        FnArg::Typed(argument) => bindings(&argument.pat)
            .iter()
            .any(|binding| binding.mutability.is_some() && binding.by_ref.is_none()),
    };
    sig.inputs.iter().position(is_mutable)
}

/// Changes the signature from the argument `first` on, and says what the body has to start with.
/// `turns` are the options that say how often.
pub(crate) fn move_arguments<'a>(
    sig: &mut Signature,
    first: usize,
    scope: &OwnScope,
    turns: impl IntoIterator<Item = &'a Turns>,
    or: Option<&Expr>,
) -> Moved {
    let mentioned_by_or = or.map(|or| Mentions::of(or.to_token_stream())).unwrap_or_default();
    let mut mentioned_by_options = Mentions::default();
    for step in &scope.steps {
        match &step.kind {
            StepKind::Name(expr)
            | StepKind::Deadline(expr)
            | StepKind::Progress(expr)
            | StepKind::Weight(expr)
            | StepKind::Link(expr)
            | StepKind::Parent(expr)
            | StepKind::Until(expr)
            | StepKind::Timeout(DurationValue::Expr(expr))
            | StepKind::IdleTimeout(DurationValue::Expr(expr))
            | StepKind::Grace(DurationValue::Expr(expr)) => mentioned_by_options.add(expr.to_token_stream()),
            StepKind::Asking(Asking { every, host }) => {
                if let DurationValue::Expr(every) = every {
                    mentioned_by_options.add(every.to_token_stream());
                }
                mentioned_by_options.add(host.to_token_stream());
            }
            StepKind::Timeout(_)
            | StepKind::IdleTimeout(_)
            | StepKind::Heartbeat
            | StepKind::Grace(_)
            | StepKind::Detached => {}
        }
    }

    for every in turns {
        if let Turns::Computed { value, .. } = every {
            mentioned_by_options.add(value.to_token_stream());
        }
    }

    let mut rebindings = TokenStream::new();
    let mut whole_receiver = TokenStream::new();
    let mut capture = true;
    for (index, input) in sig.inputs.iter_mut().enumerate().skip(first) {
        let argument = match input {
            FnArg::Receiver(receiver) => {
                capture &= !mentioned_by_or.name("self");
                let is_value = !matches!(receiver.kind, ReceiverKind::Reference(..));
                if is_value && !mentioned_by_options.name("self") {
                    let cfgs = receiver.attrs.iter().filter(|attr| crate::check::is_cfg(attr));
                    let receiver = &receiver.self_token;
                    let whole = quote_spanned!(at(receiver.span())=> let _ = &#receiver;);
                    whole_receiver = quote!(#(#cfgs)* #whole);
                }
                continue;
            }
            FnArg::Typed(argument) => argument,
        };
        let cfgs: Vec<_> = argument
            .attrs
            .iter()
            .filter(|attr| crate::check::is_cfg(attr))
            .cloned()
            .collect();
        let bound: Vec<_> = bindings(&argument.pat)
            .iter()
            .map(|binding| binding.ident.to_string())
            .collect();
        if bound.iter().any(|name| mentioned_by_or.name(name)) {
            // The body takes what it uses, and `or` finds the rest.
            capture = false;
            continue;
        }
        if bound.iter().any(|name| mentioned_by_options.name(name)) {
            continue;
        }
        let span = argument.pat.span();
        // What the user says of lints is about the argument as the body sees it.
        let (levels, others): (Vec<_>, _) = std::mem::take(&mut argument.attrs).into_iter().partition(is_lint_level);
        argument.attrs = others;
        let allow = lints::on_rebinding(span);
        if let Pat::Ident(PatIdent {
            by_ref: None,
            mutability,
            ident,
            subpat: None,
            ..
        }) = &mut *argument.pat
        {
            // The outer variable is only moved from: a `mut` on it would be unused.
            let mutability = mutability.take();
            let rebind = quote_spanned!(at(span)=> let #mutability #ident = #ident;);
            rebindings.extend(quote!(#allow #(#levels)* #(#cfgs)* #rebind));
        } else {
            // What the pattern leaves out has no name, and is moved in as a whole all the same.
            let name = variable(&format!("argument{index}"), span);
            let pat = std::mem::replace(
                &mut *argument.pat,
                Pat::Ident(PatIdent {
                    attrs: Vec::new(),
                    by_ref: None,
                    mutability: None,
                    ident: name.clone(),
                    subpat: None,
                }),
            );
            let keep = quote_spanned!(at(span)=> let #name = #name;);
            let rebind = quote_spanned!(at(span)=> let #pat = #name;);
            rebindings.extend(quote!(#allow #(#cfgs)* #keep #allow #(#levels)* #(#cfgs)* #rebind));
        }
    }
    if capture {
        // As a whole, also if the body names but some of its fields.
        whole_receiver.extend(rebindings);
        rebindings = whole_receiver;
    }
    Moved { rebindings, capture }
}

/// `#[allow(…)]` and its like; or one that may be.
fn is_lint_level(attr: &Attribute) -> bool {
    ["allow", "cfg_attr", "deny", "expect", "forbid", "warn"]
        .iter()
        .any(|level| attr.path().is_ident(level))
}

/// What a pattern binds, and perhaps constants in it.
fn bindings(pat: &Pat) -> Vec<PatIdent> {
    struct Collect(Vec<PatIdent>);
    impl VisitMut for Collect {
        fn visit_pat_ident_mut(&mut self, ident: &mut PatIdent) {
            self.0.push(ident.clone());
            visit_mut::visit_pat_ident_mut(self, ident);
        }
    }
    let mut collect = Collect(Vec::new());
    collect.visit_pat_mut(&mut pat.clone());
    collect.0
}

/// The words in some tokens, and what stands in the literals that a macro or a function is given: a format string names
/// variables, too.
#[derive(Default)]
struct Mentions {
    words: Vec<String>,
    literals: Vec<String>,
}

impl Mentions {
    fn of(tokens: TokenStream) -> Self {
        let mut mentions = Mentions::default();
        mentions.add(tokens);
        mentions
    }

    fn add(&mut self, tokens: TokenStream) {
        self.add_within(tokens, false);
    }

    fn add_within(&mut self, tokens: TokenStream, a_group: bool) {
        for tree in tokens {
            match tree {
                TokenTree::Ident(ident) => self.words.push(ident.to_string()),
                TokenTree::Literal(literal) if a_group => self.literals.push(literal.to_string()),
                TokenTree::Group(group) => self.add_within(group.stream(), true),
                TokenTree::Literal(_) | TokenTree::Punct(_) => {}
            }
        }
    }

    fn name(&self, variable: &str) -> bool {
        let in_format = format!("{{{}", variable.trim_start_matches("r#"));
        self.words.iter().any(|word| word == variable) || self.literals.iter().any(|text| text.contains(&in_format))
    }
}
