//! What is told: lines in order, complaints, and how far it has come.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cancelable::Cancelled;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Unread;
use super::hash::Sum;

/// Where the lines go, and the complaints.
///
/// A line is written as soon as all before it are: whoever reads along gets the sorted list as it grows, and closing the
/// pipe after the first ten lines ends the work after the first ten lines.
pub struct Report {
    progress: Progress,
    lines: Mutex<Lines>,
    /// Lines and bar share a screen.
    makes_way: bool,
}

struct Lines {
    out: Box<dyn Write + Send>,
    /// The place of the line to be written next.
    next: usize,
    /// Lines whose turn has not come; an empty one for a file without a sum.
    waiting: BTreeMap<usize, Vec<u8>>,
}

impl Report {
    /// A report whose lines go to `out`; complaints go to stderr, and so does a progress bar if that is a terminal.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self {
            progress: Progress::new(ProgressDrawTarget::stderr()),
            lines: Mutex::new(Lines {
                out: Box::new(out),
                next: 0,
                waiting: BTreeMap::new(),
            }),
            makes_way: io::stdout().is_terminal(),
        }
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Takes the sum of the file whose line has this place in the list, or that there is none, and writes what is due.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn record(&self, place: usize, name: &OsStr, sum: Option<Sum>) -> io::Result<()> {
        let line = sum.map(|sum| line(&sum, name));
        self.progress.finished_one(line.is_some());
        let mut lines = self.lines();
        lines.waiting.insert(place, line.unwrap_or_default());
        let mut due = Vec::new();
        while let Some(line) = lines.take_next() {
            due.extend(line);
        }
        self.write(&mut lines, &due)
    }

    /// Writes what has been finished out of turn, which is all there is left to do after a cancel.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn write_rest(&self) -> io::Result<()> {
        let mut lines = self.lines();
        let rest: Vec<u8> = std::mem::take(&mut lines.waiting).into_values().flatten().collect();
        self.write(&mut lines, &rest)
    }

    fn write(&self, lines: &mut Lines, due: &[u8]) -> io::Result<()> {
        if due.is_empty() {
            return Ok(());
        }
        let mut write = || {
            lines.out.write_all(due)?;
            lines.out.flush()
        };
        if self.makes_way {
            self.progress.bar.suspend(write)
        } else {
            write()
        }
    }

    /// A panic while the lock is held has left nothing half done that matters.
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a cancel pass, names any other failure on stderr, and goes on without a value.
    ///
    /// # Errors
    ///
    /// [`Cancelled`], if that is what `result` says.
    pub fn tolerate<T>(&self, path: &Path, result: Result<T, Unread>) -> Result<Option<T>, Cancelled> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Unread::Cancelled(cancelled)) => Err(cancelled),
            Err(Unread::Failed(error)) => {
                self.complain(path, &error);
                Ok(None)
            }
        }
    }

    /// Says on stderr what is wrong with `path`, quoted, so that no name can pass for something else.
    pub fn complain(&self, path: &Path, problem: &dyn Display) {
        self.progress.has_failures.store(true, Ordering::Relaxed);
        self.say(&format_args!("digest: {path:?}: {problem}"));
    }

    /// A line on stderr, above the bar. If stderr is gone, nobody is there to be told.
    pub fn say(&self, line: &dyn Display) {
        self.progress.bar.suspend(|| {
            let _ = writeln!(io::stderr(), "{line}");
        });
    }
}

impl Lines {
    fn take_next(&mut self) -> Option<Vec<u8>> {
        let line = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(line)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

/// The line of one file, byte for byte as `sha256sum` has it: a name with a backslash, newline or carriage return has
/// these escaped, and a backslash in front of the line says so; any other name stands as it is, UTF-8 or not.
fn line(sum: &Sum, name: &OsStr) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789abcdef";

    let name = name.as_encoded_bytes();
    let mut line = Vec::with_capacity(2 * sum.len() + name.len() + 4);
    if name.iter().any(|byte| matches!(byte, b'\\' | b'\n' | b'\r')) {
        line.push(b'\\');
    }
    for byte in sum {
        line.push(HEX[usize::from(byte >> 4)]);
        line.push(HEX[usize::from(byte & 0xf)]);
    }
    line.extend(b"  ");
    for &byte in name {
        match byte {
            b'\\' => line.extend(br"\\"),
            b'\n' => line.extend(br"\n"),
            b'\r' => line.extend(br"\r"),
            _ => line.push(byte),
        }
    }
    line.push(b'\n');
    line
}

/// How far it has come; shared with the workers. Its `Display` is the last clause of the message after a cancel.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    found: AtomicU64,
    is_complete: AtomicBool,
    hashed: AtomicU64,
    /// What the bar reads is behind a pointer of its own.
    seen: Arc<Seen>,
    has_failures: AtomicBool,
}

#[derive(Debug, Default)]
struct Seen {
    bytes: AtomicU64,
    working: AtomicUsize,
}

impl Progress {
    fn new(target: ProgressDrawTarget) -> Self {
        let seen = Arc::new(Seen::default());
        let bar = ProgressBar::with_draw_target(None, target);
        // Without a screen, no need for the thread that turns the spinner.
        if !bar.is_hidden() {
            bar.set_style(style("{spinner} {msg} files found  {elapsed}", &seen));
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self {
            bar,
            found: AtomicU64::new(0),
            is_complete: AtomicBool::new(false),
            hashed: AtomicU64::new(0),
            seen,
            has_failures: AtomicBool::new(false),
        }
    }

    /// Progress that is shown nowhere.
    #[must_use]
    pub fn hidden() -> Self {
        Self::new(ProgressDrawTarget::hidden())
    }

    /// One more file to hash.
    pub fn found_one(&self) {
        let found = self.found.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.bar.is_hidden() {
            self.bar.set_message(HumanCount(found).to_string());
        }
    }

    /// There are no more files than those found: from a spinner to a bar.
    pub fn all_found(&self) {
        self.is_complete.store(true, Ordering::Relaxed);
        self.bar.set_length(self.found.load(Ordering::Relaxed));
        if !self.bar.is_hidden() {
            let template = "{spinner} {wide_bar} {human_pos} of {human_len} files  {bytes} by {workers}  {elapsed}";
            self.bar.set_style(style(template, &self.seen));
        }
    }

    fn finished_one(&self, is_hashed: bool) {
        if is_hashed {
            self.hashed.fetch_add(1, Ordering::Relaxed);
        }
        self.bar.inc(1);
    }

    /// So many bytes more.
    pub fn add_bytes(&self, count: usize) {
        self.seen.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.seen.bytes.load(Ordering::Relaxed)
    }

    /// Counts one more worker for as long as the result lives.
    #[must_use]
    pub fn begin_work(&self) -> Working<'_> {
        self.seen.working.fetch_add(1, Ordering::Relaxed);
        Working(&self.seen)
    }

    /// How many workers are at work now.
    #[must_use]
    pub fn working(&self) -> usize {
        self.seen.working.load(Ordering::Relaxed)
    }

    /// Was anything complained of?
    #[must_use]
    pub fn has_failures(&self) -> bool {
        self.has_failures.load(Ordering::Relaxed)
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hashed = HumanCount(self.hashed.load(Ordering::Relaxed));
        let found = HumanCount(self.found.load(Ordering::Relaxed));
        write!(f, "{hashed} of {found} files done")?;
        if !self.is_complete.load(Ordering::Relaxed) {
            f.write_str(" (more not yet found)")?;
        }
        Ok(())
    }
}

/// A worker that is counted; made by [`Progress::begin_work`].
#[derive(Debug)]
pub struct Working<'a>(&'a Seen);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

fn style(template: &str, seen: &Arc<Seen>) -> ProgressStyle {
    let (bytes, working) = (seen.clone(), seen.clone());
    ProgressStyle::with_template(template)
        .expect("the templates are well-formed")
        .with_key("bytes", move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = write!(out, "{}", HumanBytes(bytes.bytes.load(Ordering::Relaxed)));
        })
        .with_key("workers", move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = match working.working.load(Ordering::Relaxed) {
                1 => write!(out, "1 worker"),
                n => write!(out, "{n} workers"),
            };
        })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn line_escapes_as_sha256sum_does() {
        let zeros = "00".repeat(32);
        for (name, start, end) in [
            (&b"plain"[..], "", &b"plain\n"[..]),
            (b" *-", "", b" *-\n"),
            (b"a\\b", "\\", b"a\\\\b\n"),
            (b"a\nb\rc", "\\", b"a\\nb\\rc\n"),
            (b"\xff\xfe\t", "", b"\xff\xfe\t\n"),
        ] {
            let mut expected = format!("{start}{zeros}  ").into_bytes();
            expected.extend(end);
            assert_eq!(line(&[0; 32], OsStr::from_bytes(name)), expected);
        }
    }

    /// A sink that can still be read when the report has it.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_wait_for_those_before_them() {
        let sink = Shared::default();
        let report = Report::new(sink.clone());
        let names = || -> String {
            let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| &line[66..]).collect()
        };
        let record = |place, name, sum| report.record(place, OsStr::new(name), sum).unwrap();

        record(2, "c", Some([0; 32]));
        assert_eq!(names(), "");
        record(0, "a", Some([0; 32]));
        assert_eq!(names(), "a");
        record(1, "b", None);
        assert_eq!(names(), "ac");
        record(5, "f", Some([0; 32]));
        record(4, "e", Some([0; 32]));
        assert_eq!(names(), "ac");
        report.write_rest().unwrap();
        assert_eq!(names(), "acef");
    }

    #[test]
    fn progress_speaks_of_what_it_knows() {
        let progress = Progress::hidden();
        (0..2301).for_each(|_| progress.found_one());
        (0..812).for_each(|_| progress.finished_one(true));
        progress.finished_one(false);
        assert_eq!(progress.to_string(), "812 of 2,301 files done (more not yet found)");
        progress.all_found();
        assert_eq!(progress.to_string(), "812 of 2,301 files done");
    }
}
