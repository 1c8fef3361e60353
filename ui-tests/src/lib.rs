//! What can be tested only in a library; the suites are in `tests/`, the cases in `fail/` and `expand/`.

/// The attribute does not document what nobody documented: `missing_docs` still fires.
pub mod undocumented {
    use cancelable::{Cancelled, cancelable};

    #[expect(missing_docs, reason = "there is none, and so the lint is to say so")]
    #[cancelable(timeout = "5s")]
    pub async fn function() -> Result<(), Cancelled> {
        Ok(())
    }

    /// A type.
    #[derive(Debug)]
    pub struct Type;

    #[cancelable]
    impl Type {
        #[expect(missing_docs, reason = "there is none, and so the lint is to say so")]
        pub fn method(&self) -> Option<u32> {
            Some(1)
        }
    }
}

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

/// Compiles a file as a library that may use `cancelable`, and puts what comes of it in `target`.
#[must_use]
pub fn compile(source: &Path, target: &Path, arguments: &[&str]) -> Output {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let deps = deps();
    let mut library = std::ffi::OsString::from("cancelable=");
    library.push(newest_library(&deps));
    Command::new(rustc)
        .args(["--edition", "2024", "--crate-type", "lib", "--crate-name", "probe"])
        .arg("--extern")
        .arg(library)
        .arg("-L")
        .arg(format!("dependency={}", deps.display()))
        .arg("-o")
        .arg(target)
        .args(arguments)
        .arg(source)
        .output()
        .expect("rustc runs")
}

/// Where cargo has put this test, and what it depends on.
fn deps() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    test.parent().expect("it is in a folder").to_owned()
}

fn newest_library(deps: &Path) -> PathBuf {
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libcancelable-") && name.ends_with(".rlib")
    };
    let made = |path: &PathBuf| {
        let metadata = fs::metadata(path);
        metadata
            .and_then(|data| data.modified())
            .unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let files = fs::read_dir(deps).expect("the folder can be read");
    let files = files.filter_map(|file| Some(file.ok()?.path()));
    files
        .filter(is_ours)
        .max_by_key(made)
        .expect("cargo has built the library")
}
