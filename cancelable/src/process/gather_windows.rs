//! Reads what a child writes, with a thread for each pipe: nobody gets out of a job with one, so each has an end.

use std::io::{self, Read};
use std::process::{ChildStderr, ChildStdout};
use std::thread;

use super::kept::{Keep, Kept};
use super::supervisor::{Supervised, Why};
use crate::primitive::{Arc, Mutex, lock};
use crate::token::CancellationToken;

/// What is being read.
pub(super) struct Gather {
    kept: Arc<Mutex<[Kept; 2]>>,
    failure: Arc<Mutex<Option<io::Error>>>,
    done: CancellationToken,
}

impl Gather {
    pub(super) fn begin(
        stdout: Option<ChildStdout>,
        stderr: Option<ChildStderr>,
        keep: Keep,
        child: &Arc<Supervised>,
    ) -> io::Result<Self> {
        let kept = Arc::new(Mutex::new([Kept::new(keep), Kept::new(keep)]));
        let failure = Arc::new(Mutex::new(None));
        let pipes = [
            stdout.map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
            stderr.map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        ];
        let mut ends = Vec::new();
        for (stream, pipe) in pipes.into_iter().enumerate() {
            let Some(mut pipe) = pipe else { continue };
            let end = CancellationToken::new();
            ends.push(end.clone());
            let at_end = end.drop_guard();
            let (kept, failure, child) = (Arc::clone(&kept), Arc::clone(&failure), Arc::clone(child));
            let builder = thread::Builder::new().name("cancelable-process".into());
            builder.spawn(move || {
                let _at_end = at_end;
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    match pipe.read(&mut buffer) {
                        Ok(0) => return,
                        Ok(length) => {
                            let is_kept = lock(&kept)[stream].push(&buffer[..length]);
                            if let (false, Keep::All { limit }) = (is_kept, keep) {
                                child.end(Why::TooMuch { limit });
                            }
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => {
                            *lock(&failure) = Some(error);
                            return;
                        }
                    }
                }
            })?;
        }
        let done = CancellationToken::all(&ends);
        if ends.is_empty() {
            done.cancel();
        }
        Ok(Self { kept, failure, done })
    }

    /// Of one of them there was more than was to be kept, also if the child came to its end before it could be ended for that.
    pub(super) fn exceeded(&self) -> Option<usize> {
        lock(&self.kept).iter().find_map(Kept::exceeded)
    }

    pub(super) fn done(&self) -> &CancellationToken {
        &self.done
    }

    /// What has been read of standard output and standard error, and what has kept it from being read.
    pub(super) fn take(self) -> ([Vec<u8>; 2], Option<io::Error>) {
        let streams = lock(&self.kept).each_mut().map(Kept::take);
        (streams, lock(&self.failure).take())
    }
}
