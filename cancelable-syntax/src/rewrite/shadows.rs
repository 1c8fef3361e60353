//! Items of a body that are seen there in place of what the signature means: `struct Result;`, `use anyhow::Result;`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit_mut::VisitMut;
use syn::{Block, Item, ItemUse, UseTree};

/// Whether a word of `tokens`, which were written outside the block, may mean something else inside.
///
/// The block is not changed: `&mut` is how this crate visits.
pub(crate) fn may_shadow(block: &mut Block, tokens: &TokenStream) -> bool {
    let mut declared = Declared::default();
    declared.visit_block_mut(block);
    declared.anything || declared.names.iter().any(|name| mentions(tokens, name))
}

fn mentions(tokens: &TokenStream, name: &Ident) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        TokenTree::Ident(word) => word == *name,
        TokenTree::Group(group) => mentions(&group.stream(), name),
        _ => false,
    })
}

#[derive(Default)]
struct Declared {
    names: Vec<Ident>,
    /// A glob import, or something that nobody can read.
    anything: bool,
}

impl Declared {
    fn import(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                if matches!(&*path.tree, UseTree::Name(last) if last.ident == "self") {
                    self.names.push(path.ident.clone());
                }
                self.import(&path.tree);
            }
            UseTree::Name(name) => self.names.push(name.ident.clone()),
            UseTree::Rename(rename) => self.names.push(rename.rename.clone()),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.import(item)),
            _ => self.anything = true,
        }
    }
}

impl VisitMut for Declared {
    /// What is inside an item is seen nowhere else.
    fn visit_item_mut(&mut self, item: &mut Item) {
        match item {
            Item::Enum(item) => self.names.push(item.ident.clone()),
            Item::ExternCrate(item) => {
                let renamed = item.rename.as_ref().map(|(_, name)| name);
                self.names.push(renamed.unwrap_or(&item.ident).clone());
            }
            Item::Mod(item) => self.names.push(item.ident.clone()),
            Item::Struct(item) => self.names.push(item.ident.clone()),
            Item::Trait(item) => self.names.push(item.ident.clone()),
            Item::TraitAlias(item) => self.names.push(item.ident.clone()),
            Item::Type(item) => self.names.push(item.ident.clone()),
            Item::Union(item) => self.names.push(item.ident.clone()),
            Item::Use(ItemUse { tree, .. }) => self.import(tree),
            Item::Macro(_) | Item::Verbatim(_) => self.anything = true,
            // In no type.
            _ => {}
        }
    }
}
