//! The packages that were asked for, from the work tree or from a commit.

use crate::args::Selection;
use cargo_cancelable::source::{Package, Scope};
use cargo_metadata::{Metadata, MetadataCommand, TargetKind};
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Reads them as they are in the work tree. What does not parse is told of.
pub(crate) fn read(selection: &Selection) -> Result<Vec<Package>, String> {
    let here = here()?;
    let mut packages = Vec::new();
    for Wanted { name, folder, roots } in wanted(selection)? {
        let package =
            Package::read(&name, &folder, &roots, &here, scope(selection)).map_err(|error| error.to_string())?;
        tell(&package);
        packages.push(package);
    }
    Ok(packages)
}

/// Reads them as they were at a commit: the crates that they have now.
pub(crate) fn read_at(selection: &Selection, commit: &str) -> Result<Vec<Package>, String> {
    let here = here()?;
    let mut packages = Vec::new();
    for Wanted { name, folder, roots } in wanted(selection)? {
        let top = git(&folder, ["rev-parse", "--show-toplevel"])?;
        let top = PathBuf::from(top.trim_end());
        let listed = git(&top, ["ls-tree", "-r", "-z", "--name-only", "--end-of-options", commit])?;
        let folders: Vec<&Path> = roots
            .iter()
            .filter_map(|root| root.parent())
            .filter(|parent| *parent != folder)
            .collect();
        let mut texts = Vec::new();
        for name in listed.split('\0').filter(|name| name.ends_with(".rs")) {
            let path = top.join(name);
            if roots.contains(&path) || folders.iter().any(|folder| path.starts_with(folder)) {
                let object = format!("{commit}:{name}");
                texts.push((path, git(&top, ["cat-file", "blob", &object])?));
            }
        }
        let package =
            Package::from_texts(&name, &roots, texts, &here, scope(selection)).map_err(|error| error.to_string())?;
        tell(&package);
        packages.push(package);
    }
    Ok(packages)
}

fn scope(selection: &Selection) -> Scope {
    if selection.all_targets {
        Scope::All
    } else {
        Scope::Shipped
    }
}

fn here() -> Result<PathBuf, String> {
    env::current_dir().map_err(|error| format!("the current folder: {error}"))
}

fn tell(package: &Package) {
    for (path, error) in &package.unread {
        eprintln!("note: {} is not read: {error}", path.display());
    }
}

struct Wanted {
    name: String,
    folder: PathBuf,
    roots: Vec<PathBuf>,
}

fn wanted(selection: &Selection) -> Result<Vec<Wanted>, String> {
    let mut command = MetadataCommand::new();
    command.no_deps();
    if let Some(path) = &selection.manifest_path {
        command.manifest_path(path);
    }
    let metadata = command.exec().map_err(|error| match error {
        cargo_metadata::Error::CargoMetadata { stderr } => stderr.trim_end().trim_start_matches("error: ").to_owned(),
        other => other.to_string(),
    })?;
    let packages = chosen(selection, &metadata)?;
    for package in &packages {
        // What the code calls it would not be known again, and `fix` would write a name that is not there.
        let library = package
            .dependencies
            .iter()
            .find(|dependency| dependency.name == "cancelable");
        if let Some(name) = library.and_then(|library| library.rename.as_ref()) {
            return Err(format!(
                "the package `{}` calls the library `{name}`; it is read only where it has its own name, `cancelable`",
                package.name
            ));
        }
    }
    let wanted = packages.into_iter().map(|package| {
        let folder = package
            .manifest_path
            .parent()
            .map(|folder| folder.as_std_path().to_owned())
            .unwrap_or_default();
        let targets = package.targets.iter().filter(|target| {
            let is_shipped = target.kind.iter().any(|kind| {
                !matches!(
                    kind,
                    TargetKind::Example | TargetKind::Test | TargetKind::Bench | TargetKind::CustomBuild
                )
            });
            is_shipped || selection.all_targets && !target.is_custom_build()
        });
        Wanted {
            name: package.name.to_string(),
            folder,
            roots: targets.map(|target| target.src_path.as_std_path().to_owned()).collect(),
        }
    });
    Ok(wanted.collect())
}

fn chosen<'m>(selection: &Selection, metadata: &'m Metadata) -> Result<Vec<&'m cargo_metadata::Package>, String> {
    if !selection.package.is_empty() {
        let find = |name: &String| {
            let mut members = metadata.workspace_packages().into_iter();
            members
                .find(|package| *package.name == *name)
                .ok_or(format!("there is no package `{name}` in this workspace"))
        };
        return selection.package.iter().map(find).collect();
    }
    match metadata.root_package() {
        Some(package) if !selection.workspace => Ok(vec![package]),
        _ => {
            let mut packages = metadata.workspace_packages();
            packages.retain(|package| !selection.exclude.iter().any(|name| *package.name == *name));
            Ok(packages)
        }
    }
}

fn git<I: AsRef<OsStr>, const N: usize>(folder: &Path, arguments: [I; N]) -> Result<String, String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output();
    let output = output.map_err(|error| format!("git: {error}"))?;
    if !output.status.success() {
        return Err(format!("git: {}", String::from_utf8_lossy(&output.stderr).trim_end()));
    }
    String::from_utf8(output.stdout).map_err(|_| "git: a file that is no UTF-8".to_owned())
}
