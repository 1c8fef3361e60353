//! Takes the attributes off again.

use crate::edit::{Changed, Edit, remove};
use crate::functions;
use crate::source::{File, Names, Package, Position, bytes};
use cancelable_syntax::reading;
use std::path::PathBuf;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, FnArg, Ident, ItemMod, ItemUse, Macro, Signature, UseTree};

const WORDS: [&str; 5] = ["skip", "finish", "break", "every", "shield"];

/// What `strip` does to a package.
#[derive(Debug, Default)]
pub struct Stripped {
    /// The files that it changes.
    pub changed: Vec<Changed>,
    /// Functions that keep the attribute, for they have a `#[token]` parameter, which nothing else gives them.
    pub kept: Vec<(PathBuf, Position, String)>,
}

/// Takes `#[cancelable]` off functions, methods, blocks and modules, and what it says inside of them; and the import of it. Macros
/// such as `cancel_scope!` stay, for without them other code would run.
#[must_use]
pub fn strip(package: &Package) -> Stripped {
    let names = Names::of(package);
    let mut stripped = Stripped::default();
    for file in &package.files {
        let mut finder = Finder {
            file,
            names: &names,
            module: file.module.clone(),
            edits: Vec::new(),
            kept: Vec::new(),
            imports: Vec::new(),
        };
        finder.visit_file(&file.syntax);
        if finder.kept.is_empty() {
            let Finder { edits, imports, .. } = &mut finder;
            edits.append(imports);
        }
        let kept = finder.kept.into_iter();
        stripped
            .kept
            .extend(kept.map(|name| (file.path.clone(), Position::of(name.span()), name.to_string())));
        stripped.changed.extend(Changed::of(file, finder.edits));
    }
    stripped
}

struct Finder<'a> {
    file: &'a File,
    names: &'a Names,
    module: Vec<String>,
    edits: Vec<Edit>,
    /// Names of functions.
    kept: Vec<Ident>,
    imports: Vec<Edit>,
}

impl Finder<'_> {
    fn function(&mut self, sig: &Signature, visit: impl FnOnce(&mut Self)) {
        let is_token = |attr: &Attribute| attr.path().is_ident("token");
        let has_token = sig.inputs.iter().any(|input| match input {
            FnArg::Typed(argument) => argument.attrs.iter().any(is_token),
            FnArg::Receiver(_) => false,
        });
        if has_token {
            self.kept.push(sig.ident.clone());
        } else {
            visit(self);
        }
    }

    /// `use cancelable::cancelable;`, alone or in a group.
    fn import(&mut self, item: &ItemUse) {
        let UseTree::Path(path) = &item.tree else { return };
        if path.ident != "cancelable" {
            return;
        }
        let is_attribute = |tree: &UseTree| match tree {
            UseTree::Name(name) => name.ident == "cancelable",
            UseTree::Rename(rename) => rename.ident == "cancelable",
            _ => false,
        };
        match &*path.tree {
            tree if is_attribute(tree) => self
                .imports
                .push(remove(self.file, bytes(item.use_token.span, item.semi_token.span))),
            UseTree::Group(group) => {
                let pairs = group.items.pairs().enumerate();
                for (index, pair) in pairs.filter(|(_, pair)| is_attribute(pair.value())) {
                    let own = pair.value().span();
                    let (first, last) = match pair.punct() {
                        Some(comma) => (own, comma.span),
                        None => match index.checked_sub(1).and_then(|before| group.items.pairs().nth(before)) {
                            Some(before) => (before.punct().map_or(own, |comma| comma.span), own),
                            None => (own, own),
                        },
                    };
                    self.imports.push(remove(self.file, bytes(first, last)));
                }
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        let is_ours = functions::attribute(attr, self.names, &self.module).is_some()
            || WORDS.iter().any(|word| reading::says(attr, word));
        if is_ours {
            self.edits.push(remove(
                self.file,
                bytes(attr.pound_token.span, attr.bracket_token.span.close()),
            ));
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, |this| visit::visit_item_fn(this, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        // In a `cancel_scope!` they mean something still.
        reading::expressions(mac).iter().for_each(|expr| self.visit_expr(expr));
    }
}
