//! Which files there are.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cancelable::{Cancelled, cancelable};
use tokio::fs;

use super::Unread;
use super::report::Report;

/// Every regular file at or below `paths`, each name once, in the order of its bytes.
///
/// A path may itself be a symbolic link; links met on the way are left alone, so no loop of them leads astray. Special
/// files are passed over on the way, but named if asked for.
///
/// # Errors
///
/// [`Cancelled`] only.
#[cancelable]
pub async fn walk(paths: &[PathBuf], report: &Report) -> Result<Vec<OsString>, Cancelled> {
    let mut found = Found::default();
    for path in paths {
        match fs::metadata(path).await {
            Ok(metadata) if metadata.is_dir() => found.folders.push(path.clone()),
            Ok(metadata) if metadata.is_file() => found.add(path.clone(), report),
            Ok(_) => report.complain(path, &"neither a file nor a folder"),
            Err(error) => report.complain(path, &error),
        }
    }
    while let Some(folder) = found.folders.pop() {
        report.tolerate(&folder, list(&folder, &mut found, report).await)?;
    }
    report.progress().all_found();
    Ok(found.files.into_iter().collect())
}

/// What a walk has come across: names as they are, since `Path` compares by component and takes `a//b` for `a/b`.
#[derive(Default)]
struct Found {
    files: BTreeSet<OsString>,
    folders: Vec<PathBuf>,
}

impl Found {
    fn add(&mut self, file: PathBuf, report: &Report) {
        if self.files.insert(file.into_os_string()) {
            report.progress().found_one();
        }
    }
}

/// Adds what is in one folder.
#[cancelable]
async fn list(folder: &Path, found: &mut Found, report: &Report) -> Result<(), Unread> {
    let mut entries = fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let kind = entry.file_type().await?;
        if kind.is_dir() {
            found.folders.push(entry.path());
        } else if kind.is_file() {
            found.add(entry.path(), report);
        }
    }
    Ok(())
}
