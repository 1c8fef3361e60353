//! Puts the attribute on.

use crate::edit::{Changed, Edit, insert_line};
use crate::finding::Finding;
use crate::functions;
use crate::index::Index;
use crate::source::{File, Local, Package};
use cancelable_syntax::survey::{self, Wish};
use std::collections::BTreeMap;
use std::path::Path;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{ImplItem, ItemImpl, ItemMod, Type};

/// Mends the findings that can be mended.
#[must_use]
pub fn findings(package: &Package, findings: &[Finding]) -> Vec<Changed> {
    let mut edits: BTreeMap<&Path, Vec<Edit>> = BTreeMap::new();
    for finding in findings {
        let file = package.files.iter().find(|file| file.path == finding.file);
        if let (Some(file), Some(fix)) = (file, &finding.fix) {
            edits
                .entry(&file.path)
                .or_default()
                .push(insert_line(file, fix.at, &fix.line));
        }
    }
    changed(package, edits)
}

/// Annotates the functions of a module, and of those below, that an annotated `impl` block would take: `net::tcp`.
#[must_use]
pub fn module(package: &Package, module: &str) -> Vec<Changed> {
    let index = Index::of(package);
    let module: Vec<&str> = module.split("::").filter(|part| *part != "crate").collect();
    let mut edits: BTreeMap<&Path, Vec<Edit>> = BTreeMap::new();
    for function in &index.functions {
        let is_below =
            function.module.len() >= module.len() && function.module.iter().zip(&module).all(|(a, b)| a == b);
        if is_below && !function.is_test && function.within.is_none() && function.could_be_annotated() {
            let name = name_in(&index, &function.module);
            let edit = insert_line(function.file, function.head.byte_range().start, &format!("#[{name}]"));
            edits.entry(&function.file.path).or_default().push(edit);
        }
    }
    changed(package, edits)
}

/// Annotates the `impl` blocks of a type, other than those of traits. Methods that such a block refuses get a `skip`.
#[must_use]
pub fn implementation(package: &Package, ty: &str) -> Vec<Changed> {
    let index = Index::of(package);
    let mut edits: BTreeMap<&Path, Vec<Edit>> = BTreeMap::new();
    for file in &package.files {
        let mut blocks = Blocks {
            file,
            ty,
            index: &index,
            module: file.module.clone(),
            edits: Vec::new(),
        };
        blocks.visit_file(&file.syntax);
        edits.insert(&file.path, blocks.edits);
    }
    changed(package, edits)
}

/// What the attribute is called in a module.
fn name_in(index: &Index<'_>, module: &[String]) -> &'static str {
    let name = ["cancelable".to_owned()];
    let known = index.names.resolve(&name, module, &Local::default());
    if known == ["cancelable", "cancelable"] {
        "cancelable"
    } else {
        "cancelable::cancelable"
    }
}

fn changed(package: &Package, mut edits: BTreeMap<&Path, Vec<Edit>>) -> Vec<Changed> {
    let files = package.files.iter();
    files
        .filter_map(|file| Changed::of(file, edits.remove(file.path.as_path())?))
        .collect()
}

struct Blocks<'a> {
    file: &'a File,
    ty: &'a str,
    index: &'a Index<'a>,
    module: Vec<String>,
    edits: Vec<Edit>,
}

impl<'ast> Visit<'ast> for Blocks<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let is_named = matches!(&*item.self_ty, Type::Path(path)
            if path.path.segments.last().is_some_and(|last| last.ident == self.ty));
        let is_ours = |attr| functions::attribute(attr, &self.index.names, &self.module).is_some();
        if !is_named || item.trait_.is_some() || item.attrs.iter().any(is_ours) {
            return;
        }
        let name = name_in(self.index, &self.module);
        let start = item.unsafety.map_or(item.impl_token.span, |token| token.span);
        self.edits
            .push(insert_line(self.file, start.byte_range().start, &format!("#[{name}]")));
        for inner in &item.items {
            let ImplItem::Fn(method) = inner else { continue };
            let is_refused = match survey::wish(&method.sig) {
                Wish::Refuse => true,
                Wish::Annotate => survey::ends(&method.sig),
                _ => false,
            };
            if is_refused && !method.attrs.iter().any(is_ours) {
                let head = match &method.vis {
                    syn::Visibility::Inherited => method.sig.span(),
                    vis => vis.span(),
                };
                // In the block it is known by this name, however it was imported.
                self.edits
                    .push(insert_line(self.file, head.byte_range().start, "#[cancelable(skip)]"));
            }
        }
    }
}
