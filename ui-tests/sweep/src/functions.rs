//! Says of each function of a crate what attribute it takes. Which functions there are, the library of `cargo cancelable` says.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use cancelable_syntax::survey;
use cargo_cancelable::functions;
use cargo_cancelable::source::{self, Names, Package, Position, Scope};
use cargo_cancelable::walk::{self, Node};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Expr, GenericArgument, PathArguments, PathSegment, ReturnType, TraitItemFn, Type};

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
    fn of(function: &functions::Function<'_>, room: &BTreeMap<String, String>) -> Self {
        let place = Position::of(function.head);
        let mut can_wait = false;
        walk::walk(function.block, None, &mut |node, _| {
            let waits =
                |expr: &Expr| matches!(expr, Expr::Await(_) | Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_));
            can_wait |= matches!(node, Node::Expr(expr) if waits(expr));
        });
        Function {
            file: function.file.path.clone(),
            name: function.path(),
            lines: place.line..function.block.brace_token.span.close().end().line,
            insert_at: function.file.prefix.len() + function.head.byte_range().start,
            place: (place.line, place.column),
            has_room: has_room(&function.sig.output, room) && !survey::ends(function.sig),
            can_wait,
        }
    }

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
    pub fn read(root: &Path, room: &BTreeMap<String, String>) -> io::Result<Self> {
        let roots = ["src/lib.rs", "src/main.rs"].map(|name| root.join(name));
        let roots: Vec<PathBuf> = roots.into_iter().filter(|root| root.exists()).collect();
        let package = Package::read("swept", root, &roots, root, Scope::All).map_err(io::Error::other)?;
        let names = Names::of(&package);
        let mut skipped = Skipped::default();
        package.files.iter().for_each(|file| skipped.visit_file(&file.syntax));
        let mut found = Vec::new();
        for function in functions::all(&package, &names) {
            match function.sig.output {
                _ if function.sig.constness.is_some() => skipped.add("is a `const fn`", 1),
                ReturnType::Type(_, ref ty) if matches!(**ty, Type::Never(_)) => skipped.add("returns `!`", 1),
                _ => found.push(Function::of(&function, room)),
            }
        }
        Ok(Sources {
            texts: package
                .files
                .into_iter()
                .map(|file: source::File| (file.path, file.prefix + &file.text))
                .collect(),
            functions: found,
            skipped: skipped.0,
            unparsed: package.unread.into_iter().map(|(file, _)| file).collect(),
        })
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

/// What is no function with a body, by reason.
#[derive(Default)]
struct Skipped(BTreeMap<&'static str, usize>);

impl Skipped {
    fn add(&mut self, reason: &'static str, count: usize) {
        if count > 0 {
            *self.0.entry(reason).or_default() += count;
        }
    }
}

impl<'ast> Visit<'ast> for Skipped {
    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.add("has no body", usize::from(item.default.is_none()));
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_foreign_item_fn(&mut self, _: &'ast syn::ForeignItemFn) {
        self.add("has no body", 1);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.add("is in a macro's tokens", functions_in(item.tokens.clone()));
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
