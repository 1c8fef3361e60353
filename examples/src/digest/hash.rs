//! What is in the files.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cancelable::tokio::TaskGroup;
use cancelable::{CancelReason, Cancelled, TaskError, cancelable, check, current};
use sha2::{Digest as _, Sha256};

use super::Unread;
use super::report::{Progress, Report};

/// A SHA-256 sum.
pub type Sum = [u8; 32];

/// A worker asks for a cancel once per so many bytes: often enough for any human, too seldom to be measured.
const BLOCK: usize = 64 * 1024;

/// Hashes `files` in order with up to `jobs` workers, and reports each.
///
/// They are a group: a worker that finds that the report can no longer be written ends the others; and the group waits for
/// all of them, cancelled or not.
///
/// # Errors
///
/// [`Cancelled`], from the first worker that noticed.
///
/// # Panics
///
/// Outside a tokio runtime.
#[cancelable]
pub async fn hash_all(files: Vec<OsString>, jobs: usize, report: &Arc<Report>) -> Result<(), Cancelled> {
    let jobs = jobs.min(files.len());
    let queue = Arc::new(Queue::new(files));
    TaskGroup::run(async |group| {
        for _ in 0..jobs {
            let (queue, report) = (queue.clone(), report.clone());
            group.spawn_blocking(move || work_through(&queue, &report));
        }
        group.join().await.map_err(TaskError::or_resume)?;
        Ok(())
    })
    .await
}

/// Files that nobody has begun with. Going through it in order keeps few lines waiting for those before them.
struct Queue {
    files: Vec<OsString>,
    next: AtomicUsize,
}

impl Queue {
    fn new(files: Vec<OsString>) -> Self {
        Self {
            files,
            next: AtomicUsize::new(0),
        }
    }

    /// The next file, and the place of its line.
    fn take(&self) -> Option<(usize, &OsStr)> {
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        Some((place, self.files.get(place)?))
    }
}

/// A worker: one file after the other.
#[cancelable]
fn work_through(queue: &Queue, report: &Report) -> Result<(), Cancelled> {
    while let Some((place, name)) = queue.take() {
        let path = Path::new(name);
        let sum = report.tolerate(path, sha256(path, report.progress()))?;
        if let Err(error) = report.record(place, name, sum) {
            current().cancel_with(CancelReason::error(error));
            check()?;
        }
    }
    Ok(())
}

/// The SHA-256 of one file. `progress` is updated block by block.
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
                &b"a".repeat(1_000_000),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
            ),
        ] {
            std::fs::write(&path, content).unwrap();
            let sum = sha256(&path, &Progress::default()).unwrap();
            let hex = sum.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            });
            assert_eq!(hex, expected);
        }
    }

    #[test]
    fn a_folder_is_no_file() {
        let error = sha256(Path::new("/"), &Progress::default()).unwrap_err();
        assert!(matches!(error, Unread::Failed(_)), "{error:?}");
    }
}
