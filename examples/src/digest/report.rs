//! What is printed: lines in order, complaints, and how far the program has come.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cancelable::Cancelled;

use super::Unread;
use super::hash::Sum;
use super::status::StatusLine;

/// Where the lines go, and the complaints.
///
/// A line is written as soon as all before it are: whoever reads along gets the sorted list as it grows, and closing the
/// pipe after the first ten lines ends the work after the first ten lines.
pub struct Report {
    progress: Arc<Progress>,
    status: StatusLine,
    lines: Mutex<Lines>,
    /// They share a screen with the status line.
    makes_way: bool,
}

struct Lines {
    out: Box<dyn Write + Send>,
    /// The place of the line to be written next.
    next: usize,
    /// Lines that have to wait for those before them; an empty one for a file without a sum.
    waiting: BTreeMap<usize, Vec<u8>>,
}

impl Report {
    /// A report whose lines go to `out`; complaints go to stderr, and so does a status line if that is a terminal.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        let progress = Arc::new(Progress::default());
        let (shown, begin) = (progress.clone(), Instant::now());
        Self {
            progress,
            status: StatusLine::new(move || shown.status(begin.elapsed())),
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

    /// Takes the status line off the screen, for good.
    pub fn end_status(&self) {
        self.status.clear();
    }

    /// Takes the sum of the file whose line has this place in the list, or that there is none, and writes what is due.
    ///
    /// # Errors
    ///
    /// Those of writing.
    // cancelable: allow(unannotated-callee) lines that are due are written, whatever comes
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

    /// Writes the lines that wait, which is all that is left to do after a cancel.
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
            self.status.suspend(write)
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

    /// A line on stderr, above the status line. If stderr is gone, nobody is there to read it.
    pub fn say(&self, line: &dyn Display) {
        self.status.suspend(|| {
            let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
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
#[derive(Debug, Default)]
pub struct Progress {
    found: AtomicU64,
    is_complete: AtomicBool,
    ended: AtomicU64,
    hashed: AtomicU64,
    bytes: AtomicU64,
    working: AtomicUsize,
    has_failures: AtomicBool,
}

impl Progress {
    /// One more file to hash.
    pub fn found_one(&self) {
        self.found.fetch_add(1, Ordering::Relaxed);
    }

    /// There are no more files than those found.
    pub fn all_found(&self) {
        self.is_complete.store(true, Ordering::Relaxed);
    }

    fn finished_one(&self, is_hashed: bool) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if is_hashed {
            self.hashed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// So many bytes more.
    pub fn add_bytes(&self, count: usize) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Counts one more worker for as long as the result lives.
    #[must_use]
    pub fn begin_work(&self) -> Working<'_> {
        self.working.fetch_add(1, Ordering::Relaxed);
        Working(self)
    }

    /// How many workers are at work now.
    #[must_use]
    pub fn working(&self) -> usize {
        self.working.load(Ordering::Relaxed)
    }

    /// Was anything complained of?
    #[must_use]
    pub fn has_failures(&self) -> bool {
        self.has_failures.load(Ordering::Relaxed)
    }

    /// What the status line says.
    fn status(&self, elapsed: Duration) -> String {
        let found = Grouped(self.found.load(Ordering::Relaxed));
        let seconds = elapsed.as_secs();
        if !self.is_complete.load(Ordering::Relaxed) {
            return format!("{found} files found, {seconds} s");
        }
        let ended = Grouped(self.ended.load(Ordering::Relaxed));
        let bytes = Bytes(self.bytes.load(Ordering::Relaxed));
        let working = self.working();
        let s = if working == 1 { "" } else { "s" };
        format!("{ended} of {found} files, {bytes} by {working} worker{s}, {seconds} s")
    }
}

impl Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hashed = Grouped(self.hashed.load(Ordering::Relaxed));
        let found = Grouped(self.found.load(Ordering::Relaxed));
        write!(f, "{hashed} of {found} files done")?;
        if !self.is_complete.load(Ordering::Relaxed) {
            f.write_str(" (more not yet found)")?;
        }
        Ok(())
    }
}

/// A worker that is counted; made by [`Progress::begin_work`].
#[derive(Debug)]
pub struct Working<'a>(&'a Progress);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A number with commas.
struct Grouped(u64);

impl Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let (first, rest) = digits.split_at((digits.len() - 1) % 3 + 1);
        f.write_str(first)?;
        for i in (0..rest.len()).step_by(3) {
            write!(f, ",{}", &rest[i..i + 3])?;
        }
        Ok(())
    }
}

/// So many bytes, in the unit that gives a small number.
struct Bytes(u64);

impl Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut units = ["B", "KiB", "MiB", "GiB", "TiB"].into_iter();
        let mut unit = units.next().unwrap_or_default();
        let mut number = self.0 as f64;
        for larger in units {
            if number < 1000.0 {
                break;
            }
            number /= 1024.0;
            unit = larger;
        }
        let decimals = usize::from(unit != "B");
        write!(f, "{number:.decimals$} {unit}")
    }
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
        let progress = Progress::default();
        (0..2301).for_each(|_| progress.found_one());
        (0..812).for_each(|_| progress.finished_one(true));
        progress.finished_one(false);
        assert_eq!(progress.to_string(), "812 of 2,301 files done (more not yet found)");
        progress.all_found();
        assert_eq!(progress.to_string(), "812 of 2,301 files done");
    }

    #[test]
    fn status_line() {
        let progress = Progress::default();
        let status = || progress.status(Duration::from_millis(7_900));
        (0..1234).for_each(|_| progress.found_one());
        assert_eq!(status(), "1,234 files found, 7 s");
        progress.all_found();
        progress.finished_one(false);
        progress.add_bytes(999);
        assert_eq!(status(), "1 of 1,234 files, 999 B by 0 workers, 7 s");
        progress.add_bytes(1_000_000);
        let _working = progress.begin_work();
        assert_eq!(status(), "1 of 1,234 files, 977.5 KiB by 1 worker, 7 s");
        progress.add_bytes(5_000_000_000);
        assert_eq!(status(), "1 of 1,234 files, 4.7 GiB by 1 worker, 7 s");
    }
}
