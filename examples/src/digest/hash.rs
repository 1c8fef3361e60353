//! What is in the files.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use cancelable::{CancelFutureExt as _, CancelReason, Cancelled, cancelable, check, current};
use futures_util::future::join_all;
use sha2::{Digest as _, Sha256};

use super::Unread;
use super::report::{Progress, Report};

/// A SHA-256 sum.
pub type Sum = [u8; 32];

/// A worker asks for a cancel once per so many bytes: often enough for any human, too seldom to be measured.
const BLOCK: usize = 64 * 1024;

/// Hashes `files` in order, up to `jobs` at a time, and reports each.
///
/// The scope of its own is what ends the other workers once the report can no longer be written.
///
/// # Errors
///
/// [`Cancelled`], from the first worker that noticed.
///
/// # Panics
///
/// Outside a tokio runtime.
#[cancelable(name = "hash")]
pub async fn hash_all(files: &[OsString], jobs: usize, report: &Report) -> Result<(), Cancelled> {
    let next = AtomicUsize::new(0);
    let lanes = (0..jobs.min(files.len())).map(|_| lane(files, &next, report));
    join_all(lanes).await.into_iter().collect()
}

/// One worker after the other, each on the next file that nobody has taken.
#[cancelable]
async fn lane(files: &[OsString], next: &AtomicUsize, report: &Report) -> Result<(), Cancelled> {
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(name) = files.get(place) else {
            return Ok(());
        };
        let path = PathBuf::from(name);
        let progress = report.progress().clone();
        let worker = cancelable::tokio::spawn_blocking(move || sha256(&path, &progress));
        // The worker notices a cancel by itself. Waiting until it says so, cancelled or not, leaves none behind.
        let sum = worker.shielded().await.expect("a worker does not panic");
        let sum = report.tolerate(Path::new(name), sum)?;
        if let Err(error) = report.record(place, name, sum) {
            current().cancel_with(CancelReason::error(error));
            check()?;
        }
    }
}

/// The SHA-256 of one file, told block by block to `progress`.
///
/// # Errors
///
/// [`Cancelled`], at the block it has come to; or what the system says, also to a path that is no regular file.
#[cancelable]
pub fn sha256(path: &Path, progress: &Progress) -> Result<Sum, Unread> {
    let _working = progress.begin_work();
    let mut file = open(path)?;
    let mut block = vec![0; BLOCK];
    let mut hasher = Sha256::new();
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(length) => {
                hasher.update(&block[..length]);
                progress.add_bytes(length);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Opens a regular file so that reading it cannot block for long.
///
/// Something else may have taken its name since the walk, and some files of `/proc` call themselves regular but wait
/// for data as pipes do. In either a worker would sit where no check point is.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn known_sums() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (content, expected) in [
            (
                &b""[..],
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                b"abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                &[b'a'; 1_000_000],
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
            ),
        ] {
            std::fs::write(&path, content).unwrap();
            let sum = sha256(&path, &Progress::hidden()).unwrap();
            let hex = sum.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            });
            assert_eq!(hex, expected);
        }
    }

    #[test]
    fn a_folder_is_no_file() {
        let error = sha256(Path::new("/"), &Progress::hidden()).unwrap_err();
        assert!(matches!(error, Unread::Failed(_)), "{error:?}");
    }
}
