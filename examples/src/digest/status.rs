//! A line at the foot of a terminal that says how far the program has come.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Goes to the beginning of the line and wipes it.
const WIPE: &str = "\r\x1b[K";
/// What is too long for the line is cut off, and does not go on in the next one.
const CUT: &str = "\x1b[?7l";
const DO_NOT_CUT: &str = "\x1b[?7h";

/// A line on standard error, if that is a terminal. It is drawn again ten times a second.
///
/// The cursor is always left at its beginning. So the `^C` that a terminal shows when Ctrl-C is typed lands in this line,
/// and is wiped with it.
#[derive(Debug)]
pub(super) struct StatusLine(Option<Arc<Screen>>);

struct Screen {
    text: Box<dyn Fn() -> String + Send + Sync>,
    is_over: Mutex<bool>,
    ended: Condvar,
}

impl StatusLine {
    /// Shows what `text` returns, until it is cleared.
    pub(super) fn new(text: impl Fn() -> String + Send + Sync + 'static) -> Self {
        let can_wipe = cfg!(unix) && env::var_os("TERM").is_some_and(|term| term != "dumb");
        if !can_wipe || !io::stderr().is_terminal() {
            return Self(None);
        }
        let screen = Arc::new(Screen {
            text: Box::new(text),
            is_over: Mutex::new(false),
            ended: Condvar::new(),
        });
        let drawn = screen.clone();
        thread::spawn(move || drawn.draw_until_over());
        Self(Some(screen))
    }

    /// Runs `write`, which writes to the terminal, with the line out of its way.
    pub(super) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        let Some(screen) = &self.0 else { return write() };
        let is_over = screen.is_over();
        if *is_over {
            return write();
        }
        put(WIPE);
        let result = write();
        screen.draw();
        result
    }

    /// Wipes the line for good.
    pub(super) fn clear(&self) {
        if let Some(screen) = &self.0 {
            let mut is_over = screen.is_over();
            if !*is_over {
                put(WIPE);
                *is_over = true;
                screen.ended.notify_one();
            }
        }
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Screen {
    /// A panic while the lock is held has left nothing half done.
    fn is_over(&self) -> MutexGuard<'_, bool> {
        self.is_over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever draws holds the lock.
    fn draw(&self) {
        put(&format!("{WIPE}{CUT}{}{DO_NOT_CUT}\r", (self.text)()));
    }

    fn draw_until_over(&self) {
        let mut is_over = self.is_over();
        while !*is_over {
            self.draw();
            let waited = self.ended.wait_timeout(is_over, Duration::from_millis(100));
            is_over = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// If the terminal is gone, nobody is there to look at it.
fn put(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen")
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}
