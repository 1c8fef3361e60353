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
//! need `Sync` for, to be `Send`); nor does the closure, whose result may borrow from one. Those that options name are left to the body to take, or not: an option may have used
//! them up, as `name = title` uses up a `String`.

use crate::duration::DurationValue;
use crate::lints;
use crate::paths::{at, variable};
use crate::plan::{Every, OwnScope, StepKind};
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, FnArg, Pat, PatIdent, ReceiverKind, Signature};

/// What moving the arguments in takes.
pub(crate) struct Moved {
    /// Statements for the start of the inner block.
    pub(crate) rebindings: TokenStream,
    /// Whether the inner block may be `async move`: not if `or` still needs what the body leaves over.
    pub(crate) capture: bool,
}

/// Changes the signature, and says what the body has to start with.
/// `turns` are the options that say how often.
pub(crate) fn move_arguments<'a>(
    sig: &mut Signature,
    scope: &OwnScope,
    turns: impl IntoIterator<Item = &'a Every>,
    or: Option<&Expr>,
) -> Moved {
    let mentioned_by_or = or.map(|or| Mentions::of(or.to_token_stream())).unwrap_or_default();
    let mut mentioned_by_options = Mentions::default();
    for step in &scope.steps {
        match &step.kind {
            StepKind::Name(expr)
            | StepKind::Deadline(expr)
            | StepKind::Link(expr)
            | StepKind::Parent(expr)
            | StepKind::Until(expr)
            | StepKind::Timeout(DurationValue::Expr(expr))
            | StepKind::Grace(DurationValue::Expr(expr)) => mentioned_by_options.add(expr.to_token_stream()),
            StepKind::Timeout(_) | StepKind::Grace(_) | StepKind::Detached => {}
        }
    }

    for every in turns {
        if let Every::Computed { value, .. } = every {
            mentioned_by_options.add(value.to_token_stream());
        }
    }

    let mut rebindings = TokenStream::new();
    let mut capture = true;
    for (index, input) in sig.inputs.iter_mut().enumerate() {
        let argument = match input {
            FnArg::Receiver(receiver) => {
                capture &= !mentioned_by_or.name("self");
                let is_value = !matches!(receiver.kind, ReceiverKind::Reference(..));
                if is_value && capture && !mentioned_by_options.name("self") {
                    // As a whole, also if the body names but some of its fields.
                    let receiver = &receiver.self_token;
                    rebindings.extend(quote_spanned!(at(receiver.span())=> let _ = &#receiver;));
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
        let bound = bindings(&argument.pat);
        if bound.iter().any(|name| mentioned_by_or.name(&name.to_string())) {
            // The body takes what it uses, and `or` finds the rest.
            capture = false;
            continue;
        }
        if bound.iter().any(|name| mentioned_by_options.name(&name.to_string())) {
            continue;
        }
        let span = argument.pat.span();
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
            rebindings.extend(quote!(#allow #(#cfgs)* #rebind));
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
            rebindings.extend(quote!(#allow #(#cfgs)* #keep #allow #(#cfgs)* #rebind));
        }
    }
    Moved { rebindings, capture }
}

/// The names that a pattern binds, and perhaps those of constants in it.
fn bindings(pat: &Pat) -> Vec<Ident> {
    struct Collect(Vec<Ident>);
    impl VisitMut for Collect {
        fn visit_pat_ident_mut(&mut self, ident: &mut PatIdent) {
            self.0.push(ident.ident.clone());
            visit_mut::visit_pat_ident_mut(self, ident);
        }
    }
    let mut collect = Collect(Vec::new());
    collect.visit_pat_mut(&mut pat.clone());
    collect.0
}

/// The words in some tokens; those in string literals too, since a format string may name variables.
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
        for tree in tokens {
            match tree {
                TokenTree::Ident(ident) => self.words.push(ident.to_string()),
                TokenTree::Literal(literal) => self.literals.push(literal.to_string()),
                TokenTree::Group(group) => self.add(group.stream()),
                TokenTree::Punct(_) => {}
            }
        }
    }

    fn name(&self, variable: &str) -> bool {
        self.words.iter().any(|word| word == variable) || self.literals.iter().any(|text| text.contains(variable))
    }
}
