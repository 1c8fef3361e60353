//! Finds the functions of a crate and says what attribute each takes, from its source text alone.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Block, Expr, GenericArgument, ImplItemFn, Item, ItemFn, ItemImpl, ItemMod, ItemTrait, PathArguments, PathSegment,
    ReturnType, Signature, TraitItemFn, Type, Visibility,
};

/// A function that the contract says can be annotated.
pub struct Function {
    /// Path of the file below the crate's folder.
    pub file: PathBuf,
    /// Modules, type and name: `de::Parser::advance`.
    pub name: String,
    /// First and last line.
    pub lines: Range<usize>,
    /// Where the attribute goes, behind the function's other attributes. On a line that is there already, so that
    /// lines keep their numbers.
    insert_at: usize,
    /// Line of `insert_at`, and the column in characters, both from 1: where rustc will say that the attribute is.
    pub place: (usize, usize),
    /// Whether the return type has room for a cancel; if not, `or` is needed.
    has_room: bool,
    /// Whether an await or a loop is in it, so that one would think of annotating it.
    pub can_wait: bool,
}

impl Function {
    /// How the list of pins and the report name it.
    pub fn id(&self) -> String {
        format!("{}:{} {}", self.file.display(), self.lines.start, self.name)
    }

    fn attribute(&self, with: &str) -> String {
        let or = if self.has_room {
            ""
        } else {
            "or = ::core::unreachable!(\"never cancelled here\")"
        };
        let options: Vec<&str> = [or, with].into_iter().filter(|option| !option.is_empty()).collect();
        match options.as_slice() {
            [] => "#[::cancelable::cancelable] ".to_owned(),
            options => format!("#[::cancelable::cancelable({})] ", options.join(", ")),
        }
    }
}

/// The sources of one crate.
#[derive(Default)]
pub struct Sources {
    texts: BTreeMap<PathBuf, String>,
    pub functions: Vec<Function>,
    /// How many functions cannot be annotated, by reason.
    pub skipped: BTreeMap<&'static str, usize>,
    /// Files that are no Rust by themselves: somebody's `include!`.
    pub unparsed: Vec<PathBuf>,
}

/// What stands in front of the functions.
#[derive(Clone, Copy)]
pub enum Mark<'a> {
    /// The attribute, with more options.
    Attribute(&'a str),
    /// An attribute that does not exist, which rustc complains of wherever the code is not configured out.
    Probe,
}

pub const PROBE: &str = "cancelable_sweep_probe";

impl Sources {
    /// Reads `src/` of the crate at `root`. `room` names types that have, or will be given, `From<Cancelled>`.
    pub fn read(root: &Path, room: &BTreeMap<String, String>) -> std::io::Result<Self> {
        let mut sources = Sources::default();
        let mut folders = vec![root.join("src")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    files.push(path);
                }
            }
        }
        files.sort();
        for path in files {
            let text = fs::read_to_string(&path)?;
            let file = path.strip_prefix(root).unwrap_or(&path).to_owned();
            match syn::parse_file(&text) {
                Ok(parsed) => {
                    let mut finder = Finder {
                        file: &file,
                        text: &text,
                        room,
                        within: Vec::new(),
                        sources: &mut sources,
                    };
                    finder.visit_file(&parsed);
                }
                Err(_) => sources.unparsed.push(file.clone()),
            }
            sources.texts.insert(file, text);
        }
        Ok(sources)
    }

    /// Writes the files to `root`, with a mark before each of `chosen`; leaves those alone that stay the same.
    pub fn write(&self, root: &Path, chosen: &[usize], mark: Mark<'_>, appended: &str) -> std::io::Result<()> {
        let mut chosen: Vec<&Function> = chosen.iter().map(|&index| &self.functions[index]).collect();
        chosen.sort_by_key(|function| std::cmp::Reverse(function.insert_at));
        for (file, text) in &self.texts {
            let mut text = text.clone();
            for function in chosen.iter().filter(|function| function.file == *file) {
                let attribute = match mark {
                    Mark::Attribute(with) => function.attribute(with),
                    Mark::Probe => format!("#[{PROBE}] "),
                };
                text.insert_str(function.insert_at, &attribute);
            }
            if file == Path::new("src/lib.rs") {
                text.push_str(appended);
            }
            let path = root.join(file);
            if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
                fs::write(path, text)?;
            }
        }
        Ok(())
    }
}

struct Finder<'a> {
    file: &'a Path,
    text: &'a str,
    room: &'a BTreeMap<String, String>,
    within: Vec<String>,
    sources: &'a mut Sources,
}

impl Finder<'_> {
    fn inside(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.within.push(name);
        visit(self);
        self.within.pop();
    }

    fn function(&mut self, before: Option<proc_macro2::Span>, sig: &Signature, body: Option<&Block>) {
        let reason = match (body, &sig.output) {
            (None, _) => Some("has no body"),
            _ if sig.constness.is_some() => Some("is a `const fn`"),
            (_, ReturnType::Type(_, ty)) if matches!(**ty, Type::Never(_)) => Some("returns `!`"),
            _ => None,
        };
        if let Some(reason) = reason {
            *self.sources.skipped.entry(reason).or_default() += 1;
            return;
        }
        let head = before.unwrap_or_else(|| sig.span());
        let start = head.byte_range().start;
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let column = self.text[line_start..start].chars().count() + 1;
        let mut name = self.within.clone();
        name.push(sig.ident.to_string());
        let end = body.map_or(head.start().line, |body| body.brace_token.span.close().end().line);
        self.sources.functions.push(Function {
            file: self.file.to_owned(),
            name: name.join("::"),
            lines: head.start().line..end,
            insert_at: start,
            place: (head.start().line, column),
            has_room: has_room(&sig.output, self.room) && !ENDS.iter().any(|name| sig.ident == name),
            can_wait: body.is_some_and(can_wait),
        });
    }
}

/// Where a function begins, behind its attributes.
fn head(vis: &Visibility, defaultness: Option<proc_macro2::Span>) -> Option<proc_macro2::Span> {
    match vis {
        Visibility::Inherited => defaultness,
        vis => Some(vis.span()),
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(head(&item.vis, None), &item.sig, Some(&item.block));
        self.inside(item.sig.ident.to_string(), |this| visit::visit_item_fn(this, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        let default = item.modifiers.defaultness.as_ref().map(|default| default.span());
        self.function(head(&item.vis, default), &item.sig, Some(&item.block));
        self.inside(item.sig.ident.to_string(), |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.function(None, &item.sig, item.default.as_ref());
        self.inside(item.sig.ident.to_string(), |this| {
            visit::visit_trait_item_fn(this, item)
        });
    }

    fn visit_foreign_item_fn(&mut self, item: &'ast syn::ForeignItemFn) {
        self.function(None, &item.sig, None);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.inside(item.ident.to_string(), |this| visit::visit_item_mod(this, item));
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let name = match &*item.self_ty {
            Type::Path(path) => path
                .path
                .segments
                .last()
                .map_or("impl".to_owned(), |last| last.ident.to_string()),
            _ => "impl".to_owned(),
        };
        self.inside(name, |this| visit::visit_item_impl(this, item));
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.inside(item.ident.to_string(), |this| visit::visit_item_trait(this, item));
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let hidden = functions_in(item.tokens.clone());
        if hidden > 0 {
            *self.sources.skipped.entry("is in a macro's tokens").or_default() += hidden;
        }
    }
}

/// `fn name`, at any depth.
fn functions_in(tokens: TokenStream) -> usize {
    let mut after_fn = false;
    let mut count = 0;
    for tree in tokens {
        let is_fn = matches!(&tree, TokenTree::Ident(word) if word == "fn");
        match tree {
            TokenTree::Group(group) => count += functions_in(group.stream()),
            TokenTree::Ident(_) if after_fn => count += 1,
            // `fn $name`
            TokenTree::Punct(punct) if after_fn && punct.as_char() == '$' => count += 1,
            _ => {}
        }
        after_fn = is_fn;
    }
    count
}

fn can_wait(body: &Block) -> bool {
    struct Waits(bool);
    impl Visit<'_> for Waits {
        fn visit_expr(&mut self, expr: &Expr) {
            self.0 |= matches!(expr, Expr::Await(_) | Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_));
            visit::visit_expr(self, expr);
        }

        fn visit_item(&mut self, _: &Item) {}
    }
    let mut waits = Waits(false);
    waits.visit_block(body);
    waits.0
}

/// The `Option`s of these mean that nothing is left, and say nothing of a cancel.
const ENDS: [&str; 7] = ["next", "next_back", "nth", "nth_back", "next_if", "peek", "peek_mut"];

/// Whether a return type says `Cancelled` out of the box: an `Option`, or a `Result` whose error is known to.
fn has_room(output: &ReturnType, room: &BTreeMap<String, String>) -> bool {
    let ReturnType::Type(_, ty) = output else { return false };
    let Type::Path(path) = &**ty else { return false };
    let segments = &path.path.segments;
    let Some(last) = segments.last() else { return false };
    let from = segments.iter().rev().nth(1).map(|segment| segment.ident.to_string());
    match last.ident.to_string().as_str() {
        "Option" => true,
        "Result" if from.as_deref() == Some("io") => true,
        "Result" => match arguments(last).as_slice() {
            [_, error] => is_known(error, room),
            // The crate's own, by whatever path; `fmt::Result` is another.
            _ => from.as_deref() != Some("fmt") && room.contains_key("Result"),
        },
        name => name.ends_with("Result") && room.contains_key(name),
    }
}

fn is_known(error: &Type, room: &BTreeMap<String, String>) -> bool {
    let Type::Path(path) = error else { return false };
    let mut names = path.path.segments.iter().rev().map(|segment| segment.ident.to_string());
    let (last, from) = (names.next().unwrap_or_default(), names.next());
    match last.as_str() {
        "Error" if from.as_deref() == Some("io") => true,
        "Box" => path.path.segments.last().map(arguments).is_some_and(|arguments| {
            matches!(arguments.as_slice(), [Type::TraitObject(object)] if object.bounds.iter().any(|bound| {
                matches!(bound, syn::TypeParamBound::Trait(bound)
                    if bound.path.segments.last().is_some_and(|last| last.ident == "Error"))
            }))
        }),
        name => room.contains_key(name),
    }
}

fn arguments(segment: &PathSegment) -> Vec<&Type> {
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
