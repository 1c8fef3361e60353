//! `digest` as its users meet it: the real program on real trees, and once its library part under a token of our own.

#![cfg(unix)]

mod watched;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cancelable::{CancellationToken, ReasonKind};
use examples::digest::hash_trees;
use examples::digest::report::Report;
use rustix::process::Signal;
use tempfile::TempDir;
use watched::{HANG, Watched};

// Trees ---------------------------------------------------------------------------------------------------------------

struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Adds a file, and the folders it is in.
    fn file(self, name: impl AsRef<OsStr>, content: impl AsRef<[u8]>) -> Self {
        let path = self.path().join(Path::new(name.as_ref()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn folder(self, name: &str) -> Self {
        fs::create_dir(self.path().join(name)).unwrap();
        self
    }

    fn link(self, name: &str, target: &str) -> Self {
        symlink(target, self.path().join(name)).unwrap();
        self
    }

    /// Adds a file that takes hours to read and no room on the disk.
    fn endless(self, name: &str) -> Self {
        File::create(self.path().join(name)).unwrap().set_len(1 << 40).unwrap();
        self
    }

    /// Once the line of `a` is out, one worker is on `b`, or about to be.
    fn slow() -> Self {
        Self::new().file("a", "a").endless("b").endless("c")
    }

    /// `digest` in this tree.
    fn digest<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_digest"));
        command.args(args).current_dir(self.path());
        command
    }

    /// Runs `digest` in this tree to its end.
    fn run<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Run {
        Running::start(&mut self.digest(args)).end()
    }

    /// What `find` and `sha256sum` make of it; `None` where there are none.
    fn expected(&self, path: impl AsRef<OsStr>) -> Option<String> {
        let script = r#"find -H "$0" -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum"#;
        sha256sum_version()?;
        let output = Command::new("sh")
            .args(["-c", script])
            .arg(path)
            .current_dir(self.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        Some(latin1(&output.stdout))
    }
}

/// Says why it returns nothing.
fn sha256sum_version() -> Option<String> {
    let output = Command::new("sha256sum").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.lines().next().filter(|line| line.contains("GNU"));
    if version.is_none() {
        eprintln!("no GNU sha256sum to compare with");
    }
    version.map(str::to_owned)
}

/// Any bytes as text, byte by byte, so that they can be compared and read.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

// Processes -----------------------------------------------------------------------------------------------------------

struct Running {
    child: Watched,
    stdout: BufReader<Box<dyn io::Read>>,
}

#[derive(Debug)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Watched::spawn(command);
        let stdout = BufReader::new(Box::new(child.0.stdout.take().unwrap()) as _);
        Self { child, stdout }
    }

    /// The next line on standard output, which is the sign that all files up to it are done.
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stdout.read_until(b'\n', &mut line).unwrap();
        latin1(&line)
    }

    fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Nobody reads standard output any more.
    fn hang_up(&mut self) {
        self.stdout = BufReader::new(Box::new(io::empty()));
    }

    fn end(mut self) -> Run {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        self.stdout.read_to_end(&mut stdout).unwrap();
        self.child.0.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        Run {
            code: self.child.0.wait().unwrap().code(),
            stdout: latin1(&stdout),
            stderr: latin1(&stderr),
        }
    }
}

/// `io::pipe`, which is younger than our oldest compiler.
fn pipe() -> (File, File) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (reader.into(), writer.into())
}

/// The names in what was printed, in order.
fn names(stdout: &str) -> Vec<&str> {
    stdout
        .lines()
        .map(|line| line.split_once("  ").expect("a sum, two spaces, a name").1)
        .collect()
}

/// Splits the message at the end, which is one line, into why and how far it had come.
fn message(stderr: &str) -> [&str; 2] {
    let line = stderr.lines().last().expect("a message");
    let line = line.strip_prefix("digest: ").expect(line);
    line.split_once("; ").expect(line).into()
}

/// Splits that of `--verbose` into why, where it was asked for, where it was noticed, and how far it had come.
fn verbose_message(stderr: &str) -> [&str; 4] {
    let line = stderr.lines().last().expect("a message");
    let line = line.strip_prefix("digest: cancelled: ").expect(line);
    let asked = if line.starts_with("received ") {
        ", listened for at "
    } else {
        ", requested at "
    };
    let (why, rest) = line.split_once(asked).expect(line);
    let (requested, rest) = rest.split_once(", noticed at ").expect(line);
    let (noticed, done) = rest.split_once("; ").expect(line);
    [why, requested, noticed, done]
}

// Agreement -----------------------------------------------------------------------------------------------------------

#[test]
fn agrees_with_sha256sum_over_thousands_of_files() {
    // As much of what is installed here as a debug build hashes in a few seconds.
    let (mut folders, mut files, mut bytes) = (Vec::new(), 0, 0);
    for entry in fs::read_dir("/usr/share").into_iter().flatten().flatten() {
        let (count, size) = count(&entry.path());
        if entry.file_type().unwrap().is_dir() && bytes + size < 48 << 20 && files < 5_000 {
            folders.push(entry.path());
            files += count;
            bytes += size;
        }
    }
    let tree = Tree::new();
    let expected: Option<Vec<_>> = folders.iter().map(|folder| tree.expected(folder)).collect();
    let Some(expected) = expected.map(|lists| lists.concat()) else {
        return;
    };
    let mut expected: Vec<&str> = expected.lines().collect();
    expected.sort_by_key(|line| line.split_once("  ").unwrap().1);

    let run = tree.run(
        ["--jobs", "4"]
            .map(OsStr::new)
            .into_iter()
            .chain(folders.iter().map(|f| f.as_os_str())),
    );
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), expected);
    println!("{files} files, {bytes} bytes");
}

/// Regular files and their bytes, links left alone.
fn count(folder: &Path) -> (u64, u64) {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .fold((0, 0), |(files, bytes), entry| {
            let metadata = entry.metadata().unwrap();
            let (more_files, more_bytes) = match metadata.file_type() {
                kind if kind.is_dir() => count(&entry.path()),
                kind if kind.is_file() => (1, metadata.len()),
                _ => (0, 0),
            };
            (files + more_files, bytes + more_bytes)
        })
}

#[test]
fn agrees_with_sha256sum_over_odd_names() {
    let tree = [
        &b"new\nline"[..],
        b"back\\slash",
        b"return\r",
        b"\\",
        b"\n",
        b"all\\\n\r\\n",
        b" spaces  ",
        b"*star",
        b"-dash",
        b"-",
        b"tab\t",
        b"\x1b[31m",
        b"\xff\xfe not utf-8",
        "ünïcödé/日本".as_bytes(),
        b"#",
        b"~",
        b"folder\nof/\xf0/file",
    ]
    .into_iter()
    .fold(Tree::new(), |tree, name| tree.file(OsStr::from_bytes(name), name));

    let run = tree.run(["."]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let Some(expected) = tree.expected(".") else { return };
    assert_eq!(run.stdout, expected);
    assert_eq!(run.stdout.lines().count(), 17);

    let mut check = Command::new("sha256sum");
    let check = check
        .args(["--check", "--strict", "--quiet"])
        .current_dir(tree.path())
        .stdin(Stdio::piped());
    let mut check = check.spawn().unwrap();
    let list: Vec<u8> = run.stdout.chars().map(|c| u8::try_from(c).unwrap()).collect();
    check.stdin.take().unwrap().write_all(&list).unwrap();
    assert!(check.wait().unwrap().success());
}

#[test]
fn blocks_of_all_sizes() {
    let tree = [0, 1, 63, 64, 65_535, 65_536, 65_537, 300_000]
        .into_iter()
        .fold(Tree::new(), |tree, size| tree.file(size.to_string(), vec![b'x'; size]));
    let run = tree.run(["--jobs", "3"]);
    assert_eq!(run.code, Some(0));
    if let Some(expected) = tree.expected(".") {
        assert_eq!(run.stdout, expected);
    }
}

// What is hashed ------------------------------------------------------------------------------------------------------

#[test]
fn lines_are_sorted_by_the_bytes_of_the_path() {
    let tree = ["a/b", "a-b", "a.b", "B", "a/b.c", "a0", "é"]
        .into_iter()
        .fold(Tree::new(), |tree, name| tree.file(name, ""));
    let run = tree.run(["--jobs", "7"]);
    let paths = ["./B", "./a-b", "./a.b", "./a/b", "./a/b.c", "./a0", "./Ã©"];
    assert_eq!(names(&run.stdout), paths);
}

#[test]
fn the_current_folder_is_the_default() {
    let tree = Tree::new().file("x/y", "").file("z", "");
    assert_eq!(names(&tree.run([""; 0]).stdout), ["./x/y", "./z"]);
}

#[test]
fn an_empty_folder_has_no_lines() {
    let run = Tree::new().folder("empty").run(["empty"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn a_file_may_be_given_and_given_twice() {
    let tree = Tree::new().file("a", "").file("folder/b", "");
    let run = tree.run(["folder/b", "a", "folder", "a"]);
    assert_eq!((run.code, names(&run.stdout)), (Some(0), vec!["a", "folder/b"]));
}

#[test]
fn one_file_under_two_names_has_two_lines() {
    let tree = Tree::new().file("folder/file", "");
    let run = tree.run(["folder//file", "folder", "./folder"]);
    assert_eq!(names(&run.stdout), ["./folder/file", "folder//file", "folder/file"]);
}

#[test]
fn links_are_followed_if_given_and_left_alone_if_met() {
    let tree = Tree::new()
        .file("real/file", "")
        .link("real/loop", "..")
        .link("real/self", "self");
    let tree = tree
        .link("real/to_file", "file")
        .link("real/dangling", "nowhere")
        .link("folder", "real")
        .link("one", "real/file");
    let run = tree.run(["."]);
    assert_eq!(
        (run.code, names(&run.stdout), run.stderr.as_str()),
        (Some(0), vec!["./real/file"], "")
    );
    let run = tree.run(["folder", "one"]);
    assert_eq!((run.code, names(&run.stdout)), (Some(0), vec!["folder/file", "one"]));
}

#[test]
fn special_files_are_passed_over_if_met_and_named_if_given() {
    let tree = Tree::new().file("file", "");
    let fifo = tree.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.path().join("socket")).unwrap();

    let run = tree.run(["."]);
    assert_eq!(
        (run.code, names(&run.stdout), run.stderr.as_str()),
        (Some(0), vec!["./file"], "")
    );
    let run = tree.run(["fifo", "file", "/dev/null"]);
    assert_eq!((run.code, names(&run.stdout)), (Some(1), vec!["file"]));
    assert_eq!(
        run.stderr,
        "digest: \"fifo\": neither a file nor a folder\ndigest: \"/dev/null\": neither a file nor a folder\n"
    );
}

// What cannot be read -------------------------------------------------------------------------------------------------

#[test]
fn what_does_not_exist_is_named_and_the_rest_hashed() {
    let tree = Tree::new()
        .file("here", "")
        .link("dangling", "nowhere")
        .link("self", "self");
    let run = tree.run(["gone", "dangling", "self", "here", "here/below", "two\nlines"]);
    assert_eq!((run.code, names(&run.stdout)), (Some(1), vec!["here"]));
    let complaints: Vec<_> = run.stderr.lines().collect();
    assert_eq!(complaints.len(), 5);
    for (complaint, start) in complaints.iter().zip([
        "digest: \"gone\": No such file",
        "digest: \"dangling\": No such file",
        "digest: \"self\": Too many levels of symbolic links",
        "digest: \"here/below\": Not a directory",
        "digest: \"two\\nlines\": No such file",
    ]) {
        assert!(complaint.starts_with(start), "{complaint}");
    }
}

#[test]
fn what_must_not_be_read_is_named_and_the_rest_hashed() {
    let tree = Tree::new()
        .file("file", "")
        .file("locked", "")
        .file("closed/file", "")
        .file("z", "");
    for name in ["locked", "closed"] {
        fs::set_permissions(tree.path().join(name), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let mut command = tree.digest(["."]);
    if rustix::process::geteuid().is_root() {
        // Root may read everything, so be nobody; who may not read our target folder, so take the program along.
        let elsewhere = tempfile::tempdir().unwrap();
        let program = elsewhere.path().join("digest");
        fs::copy(env!("CARGO_BIN_EXE_digest"), &program).unwrap();
        for path in [tree.path(), elsewhere.path()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = Command::new(program);
        command.arg(".").current_dir(tree.path()).uid(65_534).gid(65_534);
        let run = Running::start(&mut command).end();
        drop(elsewhere);
        return assert_locked(&run);
    }
    assert_locked(&Running::start(&mut command).end());
}

fn assert_locked(run: &Run) {
    assert_eq!((run.code, names(&run.stdout)), (Some(1), vec!["./file", "./z"]));
    let mut complaints: Vec<_> = run.stderr.lines().collect();
    complaints.sort_unstable();
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(
        complaints[0].starts_with("digest: \"./closed\": Permission denied"),
        "{complaints:?}"
    );
    assert!(
        complaints[1].starts_with("digest: \"./locked\": Permission denied"),
        "{complaints:?}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_fails_half_way_is_named() {
    // Opens like a file, and has nothing at address 0.
    let run = Tree::new().file("file", "").run(["/proc/self/mem", "file"]);
    assert_eq!((run.code, names(&run.stdout)), (Some(1), vec!["file"]));
    assert!(run.stderr.starts_with("digest: \"/proc/self/mem\": "), "{}", run.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn a_failing_output_ends_it() {
    let tree = Tree::new().file("file", "");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = tree.digest(["."]).stdout(full).output().unwrap();
    let stderr = latin1(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message(&stderr)[0].starts_with("stopped by an error: No space left on device"),
        "{stderr}"
    );
}

// Arguments -----------------------------------------------------------------------------------------------------------

#[test]
fn senseless_arguments_are_refused() {
    let tree = Tree::new().file("file", "");
    let cases: &[(&[&str], &str)] = &[
        (&["--jobs", "0"], "0 is not in 1..=512"),
        (&["--jobs", "513"], "513 is not in 1..=512"),
        (&["--jobs", "many"], "invalid digit"),
        (&["--jobs"], "--jobs <N>"),
        (&["--timeout", "10"], "the unit is missing; write `10s`"),
        (&["--timeout", "soon"], "invalid value 'soon' for '--timeout <TIME>'"),
        (&["--timeout", "1s", "--timeout", "2s"], "cannot be used multiple times"),
        (&["--frobnicate"], "unexpected argument"),
        (&["-"], "standard input cannot be hashed"),
        (&[""], "a value is required"),
    ];
    for (args, expected) in cases {
        let run = tree.run(args.iter());
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn help_says_what_one_has_to_know() {
    let run = Tree::new().run(["--help"]);
    assert_eq!(run.code, Some(0));
    for word in [
        "sha256sum -c",
        "--timeout <TIME>",
        "--jobs <N>",
        "symbolic link",
        "124",
        "130",
        "141",
        "143",
    ] {
        assert!(run.stdout.contains(word), "{word}");
    }
}

// Stopped -------------------------------------------------------------------------------------------------------------

#[test]
fn a_timeout_says_why() {
    let run = Tree::slow().run(["--timeout", "300ms", "--jobs", "2"]);
    assert_eq!(run.code, Some(124));
    let [why, done] = message(&run.stderr);
    assert_eq!(why, r#"timed out after 300ms (scope "digest")"#);
    assert!(done.ends_with(" files done"), "{done}");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
}

#[test]
fn a_timeout_says_where_if_asked() {
    let run = Tree::slow().run(["--timeout", "300ms", "--jobs", "2", "-v"]);
    assert_eq!(run.code, Some(124));
    let [why, requested, noticed, done] = verbose_message(&run.stderr);
    assert_eq!(why, r#"timed out after 300ms (scope "digest")"#);
    assert!(requested.starts_with("examples/src/bin/digest.rs:"), "{requested}");
    assert!(noticed.starts_with("examples/src/"), "{noticed}");
    assert!(done.contains(" files done"), "{done}");
}

#[test]
fn no_time_at_all_is_a_timeout() {
    let run = Tree::new().file("file", "").run(["--timeout", "0s"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(124), ""));
    assert_eq!(message(&run.stderr)[1], "0 of 0 files done (more not yet found)");
}

#[test]
fn time_enough_is_no_timeout() {
    let run = Tree::new().file("file", "").run(["--timeout", "9999999999h"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn ctrl_c_and_sigterm_stop_it() {
    for (signal, name, code) in [(Signal::INT, "SIGINT", 130), (Signal::TERM, "SIGTERM", 143)] {
        let tree = Tree::slow();
        let mut running = Running::start(&mut tree.digest(["--jobs", "2", "--verbose"]));
        let line = running.line();
        assert_eq!(names(&line), ["./a"]);
        running.signal(signal);
        let run = running.end();
        assert_eq!((run.code, run.stdout.as_str()), (Some(code), ""));
        let [why, requested, noticed, done] = verbose_message(&run.stderr);
        assert_eq!(why, format!("received {name} (scope \"digest\")"));
        assert!(requested.starts_with("examples/src/bin/digest.rs:"), "{requested}");
        assert!(noticed.starts_with("examples/src/digest/hash.rs:"), "{noticed}");
        assert_eq!(done, "1 of 3 files done");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_second_ctrl_c_exits_at_once() {
    // One line fills the pipe for output and messages alike, and nobody reads: it cannot end by itself.
    let folders = format!("{}/", "f".repeat(254)).repeat(15);
    let tree = ["1", "2", "3"]
        .into_iter()
        .fold(Tree::new(), |tree, n| tree.file(folders.clone() + &n.repeat(100), ""));
    let (reader, writer) = pipe();
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    let mut command = tree.digest(["--jobs", "1"]);
    let mut child = Watched::spawn(command.stdout(writer.try_clone().unwrap()).stderr(writer));
    drop(command);
    while rustix::io::ioctl_fionread(&reader).unwrap() == 0 {
        thread::yield_now();
    }
    // Two signals of one kind may arrive as one, so press until it helps.
    while child.0.try_wait().unwrap().is_none() {
        child.signal(Signal::INT);
        thread::sleep(Duration::from_millis(1));
    }
    // It ends by itself, or by the last of many signals.
    let end = child.0.wait().unwrap();
    assert!(
        end.code() == Some(130) || end.signal() == Some(Signal::INT.as_raw()),
        "{end}"
    );
    let shown = io::read_to_string(reader).unwrap();
    assert!(!shown.contains("received"), "{shown}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_reader_who_leaves_stops_it_before_the_next_line() {
    let tree = Tree::slow();
    let mut running = Running::start(&mut tree.digest([""; 0]));
    assert_eq!(names(&running.line()), ["./a"]);
    running.hang_up();
    let run = running.end();
    assert_eq!(run.code, Some(141));
    let [why, done] = message(&run.stderr);
    assert_eq!(why, "stopped by an error (scope \"digest\"): broken pipe");
    assert_eq!(done, "1 of 3 files done");
}

#[test]
fn a_reader_of_everything_who_leaves_is_no_panic() {
    let tree = (0..3_000).fold(Tree::new(), |tree, n| tree.file(n.to_string(), ""));
    let (reader, writer) = pipe();
    let mut command = tree.digest([".", "gone"]);
    let mut child = Watched::spawn(command.stdout(writer.try_clone().unwrap()).stderr(writer));
    drop(command);
    let mut first = String::new();
    let mut reader = BufReader::new(reader);
    reader.read_line(&mut first).unwrap();
    assert!(first.starts_with("digest: \"gone\""), "{first}");
    drop(reader);
    assert_eq!(child.0.wait().unwrap().code(), Some(141));
}

/// A terminal: `digest` runs on it in the foreground, so a typed Ctrl-C is a SIGINT, and what it shows can be looked at.
#[cfg(target_os = "linux")]
struct Terminal {
    keyboard: File,
    screen: avt::Vt,
    child: Watched,
}

#[cfg(target_os = "linux")]
impl Terminal {
    const WIDTH: usize = 100;

    /// `None`: no `setsid` to give it a terminal of its own.
    fn run(tree: &Tree, args: &str) -> Option<Self> {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        use rustix::termios::{Winsize, tcsetwinsize};

        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let (rows, columns) = (24, Self::WIDTH);
        tcsetwinsize(
            &keyboard,
            Winsize {
                ws_row: rows,
                ws_col: columns as u16,
                ws_xpixel: 0,
                ws_ypixel: 0,
            },
        )
        .unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let name = OsStr::from_bytes(name.as_bytes());
        let side = || File::options().read(true).write(true).open(name).unwrap();
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "sh", "-c"])
            .arg(format!("exec \"$0\" {args}"))
            .arg(env!("CARGO_BIN_EXE_digest"));
        command.env("TERM", "xterm").current_dir(tree.path());
        command.stdin(side()).stdout(side()).stderr(side());
        let child = match command.spawn() {
            Ok(child) => Watched::watch(child),
            Err(error) => {
                eprintln!("no setsid: {error}");
                return None;
            }
        };
        let screen = avt::Vt::new(columns, rows.into());
        Some(Self {
            keyboard: keyboard.into(),
            screen,
            child,
        })
    }

    fn shown(&self) -> Vec<String> {
        let lines = self.screen.lines().map(|line| line.text().trim_end().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// Shows what there is to be read. `false` at the end.
    fn show_more(&mut self) -> bool {
        let mut block = [0; 4096];
        // Linux says at the end that there is no such device any more.
        let length = self.keyboard.read(&mut block).unwrap_or(0);
        self.screen.feed_str(&String::from_utf8_lossy(&block[..length]));
        length > 0
    }

    fn show_until(&mut self, holds: impl Fn(&[String]) -> bool) {
        while !holds(&self.shown()) {
            assert!(self.show_more(), "{:#?}", self.shown());
        }
    }

    fn type_ctrl_c(&mut self) {
        self.keyboard.write_all(b"\x03").unwrap();
    }

    /// What is left on the screen in the end, and the exit code.
    fn end(mut self) -> (Vec<String>, Option<i32>) {
        while self.show_more() {}
        (self.shown(), self.child.0.wait().unwrap().code())
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_is_shown_how_far_it_has_come() {
    let tree = Tree::slow();
    let Some(mut terminal) = Terminal::run(&tree, "--jobs 2 >/dev/null") else {
        return;
    };
    terminal.show_until(|shown| {
        let [line] = shown else { return false };
        line.starts_with("1 of 3 files, ") && line.contains(" by 2 workers, ")
    });
    terminal.type_ctrl_c();
    let (shown, code) = terminal.end();
    assert_eq!(shown, ["digest: received SIGINT (scope \"digest\"); 1 of 3 files done"]);
    assert_eq!(code, Some(130));
}

/// Output, complaints, the status line and the `^C` that the terminal shows are all on one screen; what stays is what is
/// to be read.
#[test]
#[cfg(target_os = "linux")]
fn nothing_is_left_of_the_status_line_and_no_line_is_overwritten_after_a_typed_ctrl_c() {
    let tree = (0..9)
        .fold(Tree::new(), |tree, n| tree.file(n.to_string(), ""))
        .endless("x")
        .endless("y");
    let Some(mut terminal) = Terminal::run(&tree, "--jobs 2 . gone") else {
        return;
    };
    terminal.show_until(|shown| shown.last().is_some_and(|line| line.contains(" by 2 workers, ")));
    terminal.type_ctrl_c();
    let (shown, code) = terminal.end();
    assert_eq!(code, Some(130));
    assert_eq!(shown[0], "digest: \"gone\": No such file or directory (os error 2)");
    let expected: Vec<_> = (0..9).map(|n| format!("./{n}")).collect();
    assert_eq!(names(&shown[1..10].join("\n")), expected);
    assert_eq!(
        shown[10..],
        ["digest: received SIGINT (scope \"digest\"); 9 of 11 files done"]
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_status_line_that_is_too_long_for_the_terminal_is_cut() {
    let tree = Tree::slow();
    let Some(mut terminal) = Terminal::run(&tree, "--jobs 2") else {
        return;
    };
    terminal.screen.resize(20, 24);
    terminal.show_until(|shown| shown.last().is_some_and(|line| line.starts_with("1 of 3 files")));
    terminal.type_ctrl_c();
    let (shown, _) = terminal.end();
    assert_eq!(shown.concat().matches(" of 3 files").count(), 1, "{shown:#?}");
}

#[test]
fn a_plain_thread_stops_every_worker() {
    let tree = Tree::new().file("a", "a").endless("b").file("c", "c").endless("d");
    let (reader, writer) = pipe();
    let report = Arc::new(Report::new(writer));
    let token = CancellationToken::new();
    token.cancel_after(HANG);

    let stopper = thread::spawn({
        let (token, report) = (token.clone(), report.clone());
        move || {
            let progress = report.progress();
            while !(progress.working() == 2 && progress.to_string().starts_with("2 of 4 ") || token.is_cancelled()) {
                thread::yield_now();
            }
            token.cancel_with("enough");
            line!() - 1
        }
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let paths = [PathBuf::from(tree.path())];
    let result = runtime.block_on(token.scope(hash_trees(&paths, 2, &report)));
    assert_eq!(report.progress().working(), 0);

    let cancelled = result.unwrap_err();
    assert_eq!(cancelled.kind(), ReasonKind::Manual);
    assert_eq!(cancelled.reason().message(), Some("enough"));
    assert_eq!(cancelled.reason().location().file(), file!());
    assert_eq!(cancelled.reason().location().line(), stopper.join().unwrap());
    assert!(
        cancelled.observed_at().file().ends_with("examples/src/digest/hash.rs"),
        "{cancelled}"
    );
    assert_eq!(cancelled.scope_name(), None);
    assert_eq!(report.progress().to_string(), "2 of 4 files done");

    // What was finished out of turn is there, too.
    report.write_rest().unwrap();
    drop(report);
    let lines = io::read_to_string(reader).unwrap();
    let path = |name| tree.path().join(name).into_os_string();
    let expected: [OsString; 2] = [path("a"), path("c")];
    assert_eq!(
        names(&lines).into_iter().map(OsString::from).collect::<Vec<_>>(),
        expected
    );
}

// Stretches -----------------------------------------------------------------------------------------------------------

#[test]
fn stretches_are_shown_after_the_lines_and_drawn() {
    let tree = Tree::new().file("a", "a").file("b", vec![0; 1 << 20]).folder("out");
    let plain = tree.run(["a", "b"]);
    let run = tree.run(["--stretches", "a", "b"]);
    assert_eq!((run.code, &run.stdout), (Some(0), &plain.stdout));
    assert!(run.stderr.trim_start().starts_with("longest "), "{}", run.stderr);
    // The worker looks after each of the sixteen blocks of `b`, and after the only one of `a`; and the walk is measured, too.
    for file in ["src/digest/hash.rs:", "src/digest/walk.rs:"] {
        assert!(run.stderr.contains(file), "{}", run.stderr);
    }
    let turns: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.matches("hash.rs:").count() == 2)
        .collect();
    assert!(
        turns.iter().any(|line| line.split_whitespace().nth(2) == Some("17")),
        "{turns:#?}"
    );

    let run = tree.run(["--stretches=out/digest.svg", "a", "b"]);
    assert_eq!((run.code, &run.stdout), (Some(0), &plain.stdout));
    let svg = fs::read_to_string(tree.path().join("out/digest.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("hash.rs"), "{svg}");

    let run = tree.run(["--stretches=nowhere/digest.svg", "a"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("\"nowhere/digest.svg\": "), "{}", run.stderr);
}
