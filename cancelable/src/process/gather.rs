//! Reads what a child writes.
//!
//! A pipe is at its end when nobody has it open any more. That may be a daemon which has left the group, so the thread does not wait
//! for the end alone. It also listens to a socket, whose other end is closed when the group is empty. What is in the pipes by then
//! is read, and that is all.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{ChildStderr, ChildStdout};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionbio, read};

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

/// A pipe holds no more than this, whatever it was set to.
const PIPE: usize = 1 << 20;

impl Gather {
    pub(super) fn begin(
        stdout: Option<ChildStdout>,
        stderr: Option<ChildStderr>,
        keep: Keep,
        child: &Arc<Supervised>,
    ) -> io::Result<Self> {
        let pipes = [stdout.map(OwnedFd::from), stderr.map(OwnedFd::from)];
        let this = Self {
            kept: Arc::new(Mutex::new([Kept::new(keep), Kept::new(keep)])),
            failure: Arc::default(),
            done: CancellationToken::new(),
        };
        if pipes.iter().all(Option::is_none) {
            this.done.cancel();
            return Ok(this);
        }
        for pipe in pipes.iter().flatten() {
            ioctl_fionbio(pipe, true)?;
        }
        let (bell, listening) = UnixStream::pair()?;
        let reader = Reader {
            pipes,
            bell: listening,
            kept: Arc::clone(&this.kept),
            keep,
            child: Arc::clone(child),
        };
        let (failure, done) = (Arc::clone(&this.failure), this.done.clone().drop_guard());
        let builder = thread::Builder::new().name("cancelable-process".into());
        builder.spawn(move || {
            let _done = done;
            *lock(&failure) = reader.run().err();
        })?;
        child.keep(bell);
        Ok(this)
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

struct Reader {
    pipes: [Option<OwnedFd>; 2],
    bell: UnixStream,
    kept: Arc<Mutex<[Kept; 2]>>,
    keep: Keep,
    child: Arc<Supervised>,
}

impl Reader {
    fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        while self.pipes.iter().any(Option::is_some) {
            let (ready, is_over) = self.wait()?;
            for stream in [0, 1] {
                if ready[stream] || is_over {
                    self.read(stream, &mut buffer)?;
                }
            }
            if is_over {
                break;
            }
        }
        Ok(())
    }

    /// Which pipes have something, and is nobody left?
    fn wait(&self) -> io::Result<([bool; 2], bool)> {
        let bell = PollFd::new(&self.bell, PollFlags::IN);
        let pipes = self.pipes.iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::IN));
        let mut all: Vec<PollFd<'_>> = [bell].into_iter().chain(pipes).collect();
        while let Err(error) = poll(&mut all, None) {
            if error != Errno::INTR {
                return Err(error.into());
            }
        }
        let mut has_news = all.iter().map(|fd| !fd.revents().is_empty());
        let is_over = has_news.next() == Some(true);
        let ready = self
            .pipes
            .each_ref()
            .map(|pipe| pipe.is_some() && has_news.next() == Some(true));
        Ok((ready, is_over))
    }

    /// Reads what is there; of whoever writes without a pause, as much as a pipe can hold.
    fn read(&mut self, stream: usize, buffer: &mut [u8]) -> io::Result<()> {
        let mut room = PIPE;
        while let Some(pipe) = self.pipes[stream].as_ref().filter(|_| room > 0) {
            match read(pipe.as_fd(), &mut *buffer) {
                Ok(0) => self.pipes[stream] = None,
                Ok(length) => {
                    room = room.saturating_sub(length);
                    self.push(stream, &buffer[..length]);
                }
                Err(Errno::INTR) => {}
                Err(error) if io::Error::from(error).kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn push(&self, stream: usize, bytes: &[u8]) {
        let is_kept = lock(&self.kept)[stream].push(bytes);
        if let (false, Keep::All { limit }) = (is_kept, self.keep) {
            self.child.end(Why::TooMuch { limit });
        }
    }
}
