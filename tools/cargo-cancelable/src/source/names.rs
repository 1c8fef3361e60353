//! What a path means, as far as `use` declarations and the modules of the package say it.

use super::package::Package;
use std::collections::HashMap;
use syn::visit::Visit;
use syn::{Block, Item, ItemUse, UseTree};

/// The imports of every module of a package.
#[derive(Debug, Default)]
pub struct Names {
    modules: HashMap<Vec<String>, Module>,
}

#[derive(Debug, Default)]
struct Module {
    imports: HashMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// Functions, types and modules that are declared in it.
    declared: Vec<String>,
}

/// How many imports are followed one after the other.
const FAR: usize = 8;

impl Names {
    /// Reads the imports.
    #[must_use]
    pub fn of(package: &Package) -> Self {
        let mut names = Names::default();
        for file in &package.files {
            names.read(&file.syntax.items, &file.module);
            // Declared by the file it is in, whatever a macro made of that.
            if let Some((last, parent)) = file.module.split_last() {
                names
                    .modules
                    .entry(parent.to_vec())
                    .or_default()
                    .declared
                    .push(last.clone());
            }
        }
        names
    }

    fn read(&mut self, items: &[Item], within: &[String]) {
        let mut module = self.modules.remove(within).unwrap_or_default();
        for item in items {
            match item {
                Item::Use(import) => module.import(import),
                Item::Fn(item) => module.declared.push(item.sig.ident.to_string()),
                Item::Struct(item) => module.declared.push(item.ident.to_string()),
                Item::Enum(item) => module.declared.push(item.ident.to_string()),
                Item::Trait(item) => module.declared.push(item.ident.to_string()),
                Item::Type(item) => module.declared.push(item.ident.to_string()),
                Item::Mod(item) => module.declared.push(item.ident.to_string()),
                _ => {}
            }
        }
        self.modules.insert(within.to_vec(), module);
        for item in items {
            if let Item::Mod(inner) = item {
                if let Some((_, items)) = &inner.content {
                    let mut path = within.to_vec();
                    path.push(inner.ident.to_string());
                    self.read(items, &path);
                }
            }
        }
    }

    /// What a path means that is written in this module, or in a function there with imports of its own: from `crate` on if it is
    /// the package's, else from the name of another crate on. A name that is none of these stays as it is.
    #[must_use]
    pub fn resolve(&self, path: &[String], module: &[String], local: &Local) -> Vec<String> {
        if let Some((first, rest)) = path.split_first() {
            if let Some(target) = local.0.imports.get(first).filter(|target| !is_hidden(target, path)) {
                let mut full = target.clone();
                full.extend_from_slice(rest);
                return self.follow(full, module, FAR);
            }
        }
        self.follow(path.to_vec(), module, FAR)
    }

    /// Whether a module imports anything from another crate.
    #[must_use]
    pub fn imports_from(&self, module: &[String], name: &str) -> bool {
        let Some(module) = self.modules.get(module) else {
            return false;
        };
        let mut targets = module.imports.values().chain(&module.globs);
        targets.any(|target| target.first().is_some_and(|first| first == name))
    }

    fn follow(&self, path: Vec<String>, module: &[String], far: usize) -> Vec<String> {
        let Some((first, rest)) = path.split_first() else {
            return path;
        };
        let absolute = |base: &[String]| -> Vec<String> {
            std::iter::once("crate".to_owned())
                .chain(base.iter().cloned())
                .chain(rest.iter().cloned())
                .collect()
        };
        match first.as_str() {
            "crate" => self.reexported(path, far),
            "self" => self.reexported(absolute(module), far),
            "super" => match module.split_last() {
                Some((_, parent)) if rest.first().is_some_and(|next| next == "super") => {
                    self.follow(rest.to_vec(), parent, far)
                }
                Some((_, parent)) => self.reexported(absolute(parent), far),
                None => path,
            },
            _ => {
                let Some(here) = self.modules.get(module).filter(|_| far > 0) else {
                    return path;
                };
                if let Some(target) = here.imports.get(first).filter(|target| !is_hidden(target, &path)) {
                    if target.first() == Some(first) && target.len() == 1 {
                        return path;
                    }
                    let mut full = target.clone();
                    full.extend_from_slice(rest);
                    return self.follow(full, module, far - 1);
                }
                if here.declared.contains(first) {
                    let mut base = module.to_vec();
                    base.push(first.clone());
                    return self.reexported(absolute(&base), far);
                }
                // `use super::*`, the only glob that is followed: others may bring anything.
                for glob in &here.globs {
                    let base = self.follow(glob.clone(), module, far - 1);
                    let Some((root, inner)) = base.split_first().filter(|(root, _)| *root == "crate") else {
                        continue;
                    };
                    let found = self.modules.get(inner).filter(|there| {
                        inner != module && (there.declared.contains(first) || there.imports.contains_key(first))
                    });
                    if found.is_some() {
                        let mut full = vec![root.clone()];
                        full.extend_from_slice(inner);
                        full.extend_from_slice(&path);
                        return self.reexported(full, far - 1);
                    }
                }
                path
            }
        }
    }

    /// Goes on where a module of the package has a name by `use` only.
    fn reexported(&self, path: Vec<String>, far: usize) -> Vec<String> {
        if far == 0 {
            return path;
        }
        for split in 1..path.len() {
            let (module, rest) = (&path[1..split], &path[split..]);
            let Some(there) = self.modules.get(module) else { break };
            if there.declared.contains(&rest[0]) {
                continue;
            }
            if let Some(target) = there.imports.get(&rest[0]) {
                let mut full = target.clone();
                full.extend_from_slice(&rest[1..]);
                return self.follow(full, module, far - 1);
            }
        }
        path
    }
}

/// `use cancelable::cancelable;` imports a macro, and says nothing of what the path `cancelable::check` begins with.
fn is_hidden(target: &[String], path: &[String]) -> bool {
    matches!(target, [first, second] if first == second) && path.len() > 1
}

impl Module {
    fn import(&mut self, item: &ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn tree(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before);
                before.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                if let Some(last) = before.last() {
                    self.imports.insert(last.clone(), before.clone());
                }
            }
            UseTree::Name(name) => self.add(&name.ident, &name.ident, before),
            UseTree::Rename(rename) => self.add(&rename.ident, &rename.rename, before),
            UseTree::Glob(_) => self.globs.push(before.clone()),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(item, before)),
        }
    }

    fn add(&mut self, name: &syn::Ident, called: &syn::Ident, before: &[String]) {
        let mut full = before.to_vec();
        if name != "self" {
            full.push(name.to_string());
        }
        let called = called.to_string();
        match self.imports.get(&called) {
            // One or the other, by configuration: nobody knows.
            Some(known) if *known != full => self.imports.insert(called.clone(), vec!["?".to_owned(), called]),
            _ => self.imports.insert(called, full),
        };
    }
}

/// The imports within one function.
#[derive(Debug, Default)]
pub struct Local(Module);

impl Local {
    /// Reads them, wherever in the body they stand.
    #[must_use]
    pub fn of(block: &Block) -> Self {
        let mut local = Local::default();
        local.visit_block(block);
        local
    }
}

impl<'ast> Visit<'ast> for Local {
    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Use(import) = item {
            self.0.import(import);
        }
    }
}

/// The names of a path, without its arguments. `None` if it is `<T as Trait>::…`.
#[must_use]
pub fn words(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}
