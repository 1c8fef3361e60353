//! Which crates: the dependencies in `Cargo.toml` that are never built, and what its metadata says of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A published crate, where cargo has put it.
pub struct Pin {
    pub name: String,
    pub version: String,
    pub source: PathBuf,
    /// `features = "…"`: what to turn on beside the default ones.
    pub features: String,
    /// `targets = "…"`: what to compile and test, where not all of its tests are whole as published.
    pub targets: String,
    /// `without = ["…"]`: dev-dependencies that only its benches or examples need.
    pub without: Vec<String>,
    /// `skip_tests = ["…"]`: tests that say nothing here (network, compiler output), as `libtest` takes them.
    pub skip_tests: Vec<String>,
    /// `room = { Name = "crate::path::Type" }`: error types to be given `From<Cancelled>`; `""` if they have it.
    pub room: BTreeMap<String, String>,
    /// `leave = { "part of a function's id" = "reason" }`: functions known not to work, and why.
    pub leave: BTreeMap<String, String>,
}

/// The manifest of this tool.
pub fn manifest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")
}

/// All of them, fetched if need be.
pub fn read() -> Result<Vec<Pin>, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--manifest-path"])
        .arg(manifest())
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = packages
        .iter()
        .find(|package| package["source"].is_null() && package["name"] == env!("CARGO_PKG_NAME"))
        .ok_or("cargo metadata: no package of our own")?;
    let pinned = own["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dependency| !dependency["target"].is_null());
    pinned
        .map(|dependency| {
            let (name, version) = (text(&dependency["name"]), text(&dependency["req"]).replace('=', ""));
            let package = packages
                .iter()
                .find(|package| package["name"] == *name && package["version"] == *version)
                .ok_or_else(|| format!("{name} {version} is not in Cargo.lock"))?;
            let source = Path::new(&text(&package["manifest_path"]))
                .parent()
                .map(Path::to_owned)
                .unwrap_or_default();
            let settings = &own["metadata"]["sweep"][&name];
            Ok(Pin {
                source,
                features: text(&settings["features"]),
                targets: settings["targets"].as_str().unwrap_or("--tests").to_owned(),
                without: list(&settings["without"]),
                skip_tests: list(&settings["skip_tests"]),
                room: map(&settings["room"]),
                leave: map(&settings["leave"]),
                name,
                version,
            })
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn map(value: &Value) -> BTreeMap<String, String> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}
