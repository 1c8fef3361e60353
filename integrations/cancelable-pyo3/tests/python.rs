//! Python's tests of the example, with the machine's Python.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

#[test]
fn a_python_program_sees_what_the_page_says() {
    // Cargo builds the example before it runs this.
    let deps = env::current_exe().unwrap();
    let library = deps.parent().unwrap().with_file_name("examples").join(format!(
        "{}primes{}",
        env::consts::DLL_PREFIX,
        env::consts::DLL_SUFFIX
    ));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    fs::create_dir_all(&folder).unwrap();
    let extension = if cfg!(windows) { "pyd" } else { "so" };
    let module = folder.join("primes").with_extension(extension);
    // Not written over, in case that somebody has it loaded.
    let _ = fs::remove_file(&module);
    fs::copy(library, module).unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/test_primes.py");
    let status = Command::new(if cfg!(windows) { "python" } else { "python3" })
        .arg(tests)
        .arg("--verbose")
        .env("PYTHONPATH", &folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .status()
        .expect("Python is installed");
    assert!(status.success(), "{status}");
}
