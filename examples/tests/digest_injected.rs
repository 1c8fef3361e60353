//! `digest` cancelled at every check point and at every suspension there is: what holds afterwards, wherever it was hit.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cancelable::testing;
use examples::digest::hash::sha256;
use examples::digest::report::{Progress, Report};
use examples::digest::walk::walk;
use examples::digest::{Unread, hash_trees};
use tempfile::TempDir;

const FILES: usize = 5;

/// Two folders with five small files.
fn tree() -> (TempDir, [PathBuf; 1]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    for name in ["a", "b", "c", "inner/d", "inner/e"] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    let paths = [folder.path().to_owned()];
    (folder, paths)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Where the lines go.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_is_hashed_to_its_end_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, vec![0; 300 * 1024]).unwrap();
    let expected = sha256(&path, &Progress::default()).unwrap();
    testing::inject_sync(|| {
        let progress = Progress::default();
        let sum = sha256(&path, &progress);
        (sum, progress.working())
    })
    .assert(|outcome| {
        assert_eq!(outcome.1, 0, "the worker is gone");
        match &outcome.0 {
            Ok(sum) => assert_eq!((*sum, outcome.injected()), (expected, None)),
            Err(Unread::Cancelled(cancelled)) => assert!(cancelled.observed_at().file().ends_with("hash.rs")),
            Err(Unread::Failed(error)) => panic!("{error}"),
        }
    });
}

#[test]
fn a_walk_finds_all_files_or_says_that_it_was_cancelled() {
    let (_folder, paths) = tree();
    testing::inject(async || {
        let report = Report::new(io::sink());
        let files = walk(&paths, &report).await;
        (files, report.progress().has_failures())
    })
    .assert_on(
        |future| runtime().block_on(future),
        |outcome| {
            assert!(!outcome.1, "a cancel is no failure of a file");
            match &outcome.0 {
                Ok(files) => assert_eq!(files.len(), FILES),
                Err(cancelled) => assert!(cancelled.observed_at().file().ends_with("walk.rs")),
            }
        },
    );
}

#[test]
fn no_worker_is_left_running_and_no_line_is_lost() {
    let (_folder, paths) = tree();
    testing::inject(async || {
        let sink = Sink::default();
        let report = Arc::new(Report::new(sink.clone()));
        let result = hash_trees(&paths, 2, &report).await;
        let working = report.progress().working();
        report.write_rest().unwrap();
        let lines = sink.0.lock().unwrap().split(|&byte| byte == b'\n').count() - 1;
        (result.is_ok(), working, lines, report.progress().to_string())
    })
    .assert_on(
        |future| runtime().block_on(future),
        |outcome| {
            let (is_ok, working, lines, progress) = &outcome.value;
            assert_eq!(*working, 0);
            assert!(
                progress.starts_with(&format!("{lines} of ")),
                "{lines} lines, {progress}"
            );
            assert!(*lines == FILES || !is_ok);
            assert!(*is_ok || outcome.injected().is_some());
        },
    );
}
