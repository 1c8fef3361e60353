//! Source files: read, parsed, and each with its place among the modules of its crate.

mod file;
mod items;
mod names;
mod package;
mod tests_only;

pub use file::{File, Position, bytes};
pub use names::{Local, Names, words};
pub use package::{Package, ReadError, Scope};
pub(crate) use tests_only::is_for_tests;
