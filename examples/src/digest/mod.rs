//! `digest`: the SHA-256 of every file below some folders, as `sha256sum` prints it, sorted by path.
//!
//! No function here takes a token. [`walk`](walk::walk) is an annotated `async fn`, stopped at its awaits;
//! [`sha256`](hash::sha256) is an annotated `fn` on a thread for blocking work, stopped at the next block of its file;
//! both learn of a cancel from the scope that [`hash_trees`] was called in, whoever cancels it and why.

pub mod cli;
pub mod hash;
pub mod report;
mod status;
pub mod walk;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cancelable::{Cancelled, cancelable};

use report::Report;

/// Why a file or a folder was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The scope was cancelled, which ends everything.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The system refused, which concerns this one alone.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Finds every regular file below `paths`, hashes up to `jobs` of them at a time and reports them in order.
///
/// What holds when it returns, in whatever way: no worker is left running, and `report` knows of every file that was
/// finished. What cannot be read is named by `report` and does not count as an error here.
///
/// # Errors
///
/// [`Cancelled`], when the scope round it is cancelled, or when the report can no longer be written.
///
/// # Panics
///
/// Outside a tokio runtime.
#[cancelable]
pub async fn hash_trees(paths: &[PathBuf], jobs: usize, report: &Arc<Report>) -> Result<(), Cancelled> {
    let files = walk::walk(paths, report).await?;
    hash::hash_all(files, jobs, report).await
}
