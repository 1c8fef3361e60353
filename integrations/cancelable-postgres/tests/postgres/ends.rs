//! The tests' own server.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::server::Server;

#[test]
fn the_server_ends_when_a_test_panics() {
    let mut folder = PathBuf::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let server = Server::start();
        folder.clone_from(&server.folder);
        assert!(folder.join("data/postmaster.pid").exists());
        assert!(!server.folder.exists(), "on purpose");
    }));
    assert!(panicked.is_err());
    assert!(!folder.exists(), "{folder:?} is left");
}
