//! The files of one package.

use super::file::File;
use super::tests_only::is_for_tests;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use syn::{Ident, Item};

/// Which crates of a package are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Library and binaries, without their unit tests.
    Shipped,
    /// Also examples, benches, and tests of all kinds.
    All,
}

/// A package as it was read.
#[derive(Debug, Default)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Those of its files that parse, in order of their paths.
    pub files: Vec<File>,
    /// Whether what is there for tests only has been asked for.
    pub with_tests: bool,
    /// Those that do not, and why: somebody's `include!`, or code that is half typed.
    pub unread: Vec<(PathBuf, String)>,
}

/// Why a package cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// What the system said, of this file or folder.
    Io(PathBuf, io::Error),
    /// The root of a crate does not parse.
    Root(PathBuf, String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(path, error) => write!(f, "{}: {error}", path.display()),
            ReadError::Root(path, error) => write!(f, "{}: cannot be read: {error}", path.display()),
        }
    }
}

impl std::error::Error for ReadError {}

impl Package {
    /// Reads the crates with these roots, and what is in their folders. Paths are shown as seen from `here`.
    ///
    /// A root in the package's own folder (`lib.rs` beside `Cargo.toml`) is read alone.
    ///
    /// # Errors
    ///
    /// What the system says, or that a root does not parse.
    pub fn read(name: &str, folder: &Path, roots: &[PathBuf], here: &Path, scope: Scope) -> Result<Self, ReadError> {
        let mut paths = BTreeSet::new();
        for root in roots {
            paths.insert(root.clone());
            match root.parent() {
                Some(parent) if parent != folder => collect(parent, &mut paths)?,
                _ => {}
            }
        }
        let (mut texts, mut unread) = (Vec::new(), Vec::new());
        for path in paths {
            match fs::read_to_string(&path) {
                Ok(text) => texts.push((path, text)),
                // Whatever lies there: a test's data, in another encoding.
                Err(error) if !roots.contains(&path) => {
                    let shown = path.strip_prefix(here).unwrap_or(&path).to_owned();
                    unread.push((shown, error.to_string()));
                }
                Err(error) => return Err(ReadError::Io(path, error)),
            }
        }
        let mut package = Package::from_texts(name, roots, texts, here, scope)?;
        package.unread.append(&mut unread);
        Ok(package)
    }

    /// The same of texts that have been read already.
    ///
    /// # Errors
    ///
    /// If a root does not parse.
    pub fn from_texts(
        name: &str,
        roots: &[PathBuf],
        texts: Vec<(PathBuf, String)>,
        here: &Path,
        scope: Scope,
    ) -> Result<Self, ReadError> {
        let mut package = Package {
            name: name.to_owned(),
            with_tests: scope == Scope::All,
            ..Package::default()
        };
        let mut tests = BTreeSet::new();
        for (path, text) in texts {
            let shown = path.strip_prefix(here).unwrap_or(&path).to_owned();
            match File::parse(&shown, text, module_of(&path, roots)) {
                Ok(mut file) => {
                    file.root = roots.iter().position(|root| *root == path).map_or(0, |index| index + 1);
                    modules_for_tests(&file.syntax.items, &file.module, &mut tests);
                    package.files.push(file);
                }
                Err(error) if roots.contains(&path) => return Err(ReadError::Root(shown, error.to_string())),
                Err(error) => package.unread.push((shown, error.to_string())),
            }
        }
        for file in &mut package.files {
            let ancestors = (1..=file.module.len()).map(|length| &file.module[..length]);
            file.is_test = ancestors.into_iter().any(|module| tests.contains(module));
        }
        if scope == Scope::Shipped {
            package.files.retain(|file| !file.is_test);
        }
        Ok(package)
    }
}

fn collect(folder: &Path, paths: &mut BTreeSet<PathBuf>) -> Result<(), ReadError> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error| ReadError::Io(folder.clone(), error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            // Not through a link, which may lead round in a circle.
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && path.is_file() {
                // (A link that leads nowhere is an editor's lock, `.#lib.rs`.)
                paths.insert(path);
            }
        }
    }
    Ok(())
}

/// `src/net/tcp.rs` and `src/net/tcp/mod.rs` are `net::tcp`; a root is no module.
fn module_of(path: &Path, roots: &[PathBuf]) -> Vec<String> {
    if roots.iter().any(|root| root == path) {
        return Vec::new();
    }
    let folders = roots.iter().filter_map(|root| root.parent());
    let below = folders.filter_map(|folder| path.strip_prefix(folder).ok());
    // The innermost: `src/bin/tool/args.rs` is `args` of the crate in `src/bin/tool/main.rs`.
    let Some(below) = below.min_by_key(|below| below.components().count()) else {
        return Vec::new();
    };
    let mut module: Vec<String> = below
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    // `type.rs` is `mod r#type;`
    for name in &mut module {
        if syn::parse_str::<Ident>(name).is_err() && syn::parse_str::<Ident>(&format!("r#{name}")).is_ok() {
            name.insert_str(0, "r#");
        }
    }
    module
}

/// `#[cfg(test)] mod tests;`
fn modules_for_tests(items: &[Item], within: &[String], tests: &mut BTreeSet<Vec<String>>) {
    for item in items {
        let Item::Mod(module) = item else { continue };
        let mut path = within.to_vec();
        path.push(module.ident.to_string());
        match &module.content {
            None if is_for_tests(&module.attrs) => {
                tests.insert(path);
            }
            None => {}
            Some((_, items)) => modules_for_tests(items, &path, tests),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str, roots: &[&str]) -> String {
        let roots: Vec<PathBuf> = roots.iter().map(PathBuf::from).collect();
        module_of(Path::new(path), &roots).join("::")
    }

    #[test]
    fn a_file_is_the_module_that_its_path_says() {
        let roots = ["/p/src/lib.rs", "/p/src/bin/tool/main.rs"];
        assert_eq!(module("/p/src/net/tcp.rs", &roots), "net::tcp");
        assert_eq!(module("/p/src/net/mod.rs", &roots), "net");
        assert_eq!(module("/p/src/lib.rs", &roots), "");
        assert_eq!(module("/p/src/bin/tool/args.rs", &roots), "args");
        assert_eq!(module("/p/src/type/mod.rs", &roots), "r#type");
        assert_eq!(module("/p/src/async/größe.rs", &roots), "r#async::größe");
    }

    #[test]
    fn what_cannot_be_read_and_is_no_root_is_told_of() {
        let folder = std::env::temp_dir().join(format!("cancelable-unread-{}", std::process::id()));
        let source = folder.join("src");
        fs::create_dir_all(&source).unwrap();
        let root = source.join("lib.rs");
        fs::write(&root, "fn f() {}").unwrap();
        fs::write(source.join("latin.rs"), [0xff]).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/nowhere/at.all:1", source.join(".#lib.rs")).unwrap();
        let read = Package::read("p", &folder, std::slice::from_ref(&root), &folder, Scope::Shipped);
        fs::remove_dir_all(&folder).unwrap();
        let package = read.unwrap();
        assert_eq!(package.files.len(), 1);
        let unread: Vec<_> = package.unread.iter().map(|(path, _)| path.as_path()).collect();
        assert_eq!(unread, [Path::new("src/latin.rs")]);
    }
}
