//! The functions of a package, and what the attribute does to each.

use crate::source::{File, Local, Names, Package, Position, is_for_tests, words};
use cancelable_syntax::reading;
use cancelable_syntax::survey::{self, Survey, Wish};
use proc_macro2::{Span, TokenStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemTrait, Meta, Signature, Token, TraitItemFn, Type,
    Visibility,
};

/// A function with a body.
#[allow(missing_debug_implementations)] // syntax trees have none
pub struct Function<'a> {
    /// Where it stands.
    pub file: &'a File,
    /// The modules round it.
    pub module: Vec<String>,
    /// The function that it is declared in.
    pub within: Option<usize>,
    /// The type or trait that it is a method of.
    pub owner: Option<Owner>,
    /// Its attributes.
    pub attrs: &'a [Attribute],
    /// Its signature.
    pub sig: &'a Signature,
    /// Its body.
    pub block: &'a Block,
    /// Its first token behind the attributes, in front of which ours goes.
    pub head: Span,
    /// What the attribute does to it.
    pub standing: Standing,
    /// The imports in it.
    pub local: Local,
    /// Whether it is there for tests only, and nobody has asked for those.
    pub is_test: bool,
}

/// What a method belongs to.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The last name of the type, or the name of the trait itself.
    pub name: String,
    /// The last name of the trait that is implemented.
    pub implements: Option<String>,
}

/// What the attribute does to a function.
#[derive(Debug)]
pub enum Standing {
    /// Nothing: there is none.
    Plain,
    /// It has check points.
    Annotated(Annotated),
    /// It stands in an annotated `impl` or module, which leaves it alone because it says `skip`; or it is refused, as the compiler says.
    LeftAlone,
}

/// An annotated function.
#[derive(Debug)]
pub struct Annotated {
    /// Whether the attribute is the function's own, and not its `impl`'s or its module's.
    pub is_own: bool,
    /// What the attribute is given.
    pub arguments: TokenStream,
    /// Where the check points are.
    pub survey: Survey,
}

impl Function<'_> {
    /// Modules, type and name: `net::Server::run`.
    #[must_use]
    pub fn path(&self) -> String {
        let mut parts = self.module.clone();
        parts.extend(self.owner.as_ref().map(|owner| owner.name.clone()));
        parts.push(self.name());
        parts.join("::")
    }

    /// Type and name: `Server::run`.
    #[must_use]
    pub fn short(&self) -> String {
        match &self.owner {
            Some(owner) => format!("{}::{}", owner.name, self.name()),
            None => self.name(),
        }
    }

    /// Its name alone.
    #[must_use]
    pub fn name(&self) -> String {
        self.sig.ident.to_string()
    }

    /// Where its name stands.
    #[must_use]
    pub fn position(&self) -> Position {
        Position::of(self.sig.ident.span())
    }

    /// What the attribute has made of it.
    #[must_use]
    pub fn annotated(&self) -> Option<&Annotated> {
        match &self.standing {
            Standing::Annotated(annotated) => Some(annotated),
            _ => None,
        }
    }

    /// Whether it is a method of this trait's implementation.
    #[must_use]
    pub fn implements(&self, name: &str) -> bool {
        self.owner
            .as_ref()
            .is_some_and(|owner| owner.implements.as_deref() == Some(name))
    }

    /// Whether the attribute could be put on it, with nothing else: by the rules of an annotated `impl`.
    #[must_use]
    pub fn could_be_annotated(&self) -> bool {
        matches!(self.standing, Standing::Plain)
            && survey::wish(self.sig) == Wish::Annotate
            && !survey::ends(self.sig)
            && self.sig.abi.is_none()
    }

    /// Where the attribute would put check points into it.
    #[must_use]
    pub fn if_annotated(&self) -> Option<Survey> {
        survey::function(TokenStream::new(), self.sig, self.block).ok()
    }
}

/// All functions with a body, in the order of their files; one that is declared in another comes after that.
#[must_use]
pub fn all<'a>(package: &'a Package, names: &Names) -> Vec<Function<'a>> {
    let mut found = Vec::new();
    for file in &package.files {
        let mut finder = Finder {
            with_tests: package.with_tests,
            file,
            names,
            module: file.module.clone(),
            within: None,
            owner: None,
            round: None,
            is_test: file.is_test,
            found: &mut found,
        };
        finder.visit_file(&file.syntax);
    }
    found
}

struct Finder<'a, 'n> {
    with_tests: bool,
    file: &'a File,
    names: &'n Names,
    module: Vec<String>,
    within: Option<usize>,
    owner: Option<Owner>,
    /// The arguments of the attribute on the `impl` or module round this.
    round: Option<TokenStream>,
    is_test: bool,
    found: &'n mut Vec<Function<'a>>,
}

impl<'a> Finder<'a, '_> {
    /// The arguments of our attribute, if it is there; also below `cfg_attr`, and by another name.
    fn attribute(&self, attrs: &[Attribute]) -> Option<TokenStream> {
        attrs.iter().find_map(|attr| attribute(attr, self.names, &self.module))
    }

    fn function(&mut self, attrs: &'a [Attribute], head: Option<Span>, sig: &'a Signature, block: &'a Block) -> usize {
        let is_test = !self.with_tests && (self.is_test || is_for_tests(attrs));
        let own = self.attribute(attrs);
        let is_own = own.is_some();
        let says_skip = own.as_ref().is_some_and(|arguments| arguments.to_string() == "skip");
        let arguments = match own {
            Some(_) if says_skip => None,
            Some(own) => Some(own),
            None => {
                let is_left_alone = self.owner.is_none() && reading::is_for_tests(attrs);
                let takes = !is_left_alone && survey::wish(sig) == Wish::Annotate;
                self.round.clone().filter(|_| takes)
            }
        };
        let standing = match arguments {
            Some(arguments) => match survey::function(arguments.clone(), sig, block) {
                Ok(survey) => Standing::Annotated(Annotated {
                    is_own,
                    arguments,
                    survey,
                }),
                Err(_) => Standing::LeftAlone,
            },
            None if says_skip => Standing::LeftAlone,
            None => Standing::Plain,
        };
        self.found.push(Function {
            file: self.file,
            module: self.module.clone(),
            within: self.within,
            owner: self.owner.clone(),
            attrs,
            sig,
            block,
            head: head.unwrap_or_else(|| sig.span()),
            standing,
            local: Local::of(block),
            is_test,
        });
        self.found.len() - 1
    }

    fn inside(&mut self, function: usize, visit: impl FnOnce(&mut Self)) {
        let within = self.within.replace(function);
        let (owner, round) = (self.owner.take(), self.round.take());
        visit(self);
        (self.within, self.owner, self.round) = (within, owner, round);
    }

    fn round(&self, attrs: &[Attribute]) -> Option<TokenStream> {
        match self.attribute(attrs) {
            Some(arguments) if arguments.to_string() == "skip" => None,
            Some(arguments) => Some(arguments),
            None if reading::is_for_tests(attrs) => None,
            None => self.round.clone(),
        }
    }
}

/// The arguments of an attribute, if it is ours.
#[must_use]
pub fn attribute(attr: &Attribute, names: &Names, module: &[String]) -> Option<TokenStream> {
    if attr.path().is_ident("cfg_attr") {
        let metas = attr
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .ok()?;
        return metas.iter().skip(1).find_map(|meta| {
            let is_ours = meta
                .path()
                .segments
                .last()
                .is_some_and(|last| last.ident == "cancelable");
            is_ours.then(|| arguments(meta))
        });
    }
    let is_ours = reading::is_attribute(attr) || {
        let path = words(attr.path());
        path.len() == 1 && names.resolve(&path, module, &Local::default()) == ["cancelable", "cancelable"]
    };
    is_ours.then(|| arguments(&attr.meta))
}

fn arguments(meta: &Meta) -> TokenStream {
    match meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    }
}

/// Where a function begins, behind its attributes; `None`: with its signature.
fn head(vis: &Visibility, defaultness: Option<Span>) -> Option<Span> {
    match vis {
        Visibility::Inherited => defaultness,
        vis => Some(vis.span()),
    }
}

fn last_name(ty: &Type) -> String {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .map_or("_".to_owned(), |last| last.ident.to_string()),
        Type::Reference(inner) => last_name(&inner.elem),
        _ => "_".to_owned(),
    }
}

impl<'a> Visit<'a> for Finder<'a, '_> {
    fn visit_item_fn(&mut self, item: &'a ItemFn) {
        let index = self.function(&item.attrs, head(&item.vis, None), &item.sig, &item.block);
        self.inside(index, |this| visit::visit_block(this, &item.block));
    }

    fn visit_impl_item_fn(&mut self, item: &'a ImplItemFn) {
        let default = item.modifiers.defaultness.as_ref().map(|default| default.span());
        let index = self.function(&item.attrs, head(&item.vis, default), &item.sig, &item.block);
        self.inside(index, |this| visit::visit_block(this, &item.block));
    }

    fn visit_trait_item_fn(&mut self, item: &'a TraitItemFn) {
        if let Some(block) = &item.default {
            let index = self.function(&item.attrs, None, &item.sig, block);
            self.inside(index, |this| visit::visit_block(this, block));
        }
    }

    fn visit_item_mod(&mut self, item: &'a ItemMod) {
        let is_test = self.is_test;
        self.is_test |= is_for_tests(&item.attrs);
        let round = self.round(&item.attrs);
        let round = std::mem::replace(&mut self.round, round);
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
        self.round = round;
        self.is_test = is_test;
    }

    fn visit_item_impl(&mut self, item: &'a ItemImpl) {
        let is_test = self.is_test;
        self.is_test |= is_for_tests(&item.attrs);
        let round = self.round(&item.attrs);
        let round = std::mem::replace(&mut self.round, round);
        let implements = item
            .trait_
            .as_ref()
            .and_then(|(path, _)| path.segments.last().map(|last| last.ident.to_string()));
        let owner = Owner {
            name: last_name(&item.self_ty),
            implements,
        };
        let owner = self.owner.replace(owner);
        visit::visit_item_impl(self, item);
        self.owner = owner;
        self.round = round;
        self.is_test = is_test;
    }

    fn visit_item_trait(&mut self, item: &'a ItemTrait) {
        let round = self.round(&item.attrs);
        let round = std::mem::replace(&mut self.round, round);
        let owner = self.owner.replace(Owner {
            name: item.ident.to_string(),
            implements: None,
        });
        visit::visit_item_trait(self, item);
        self.owner = owner;
        self.round = round;
    }
}
