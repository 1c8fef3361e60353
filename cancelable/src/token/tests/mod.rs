//! Whitebox tests: what cannot be seen, or not be provoked, through the public surface. The laws have theirs in the
//! workspace's `tests/`, the tree in `tests/tree.rs` beside this file.

#[cfg(not(cancelable_loom))]
mod locks;
#[cfg(not(cancelable_loom))]
mod registered;
#[cfg(not(cancelable_loom))]
mod rounds;

#[cfg(cancelable_loom)]
mod loom;
