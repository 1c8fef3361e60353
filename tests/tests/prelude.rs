//! `use cancelable::prelude::*` in a file that uses the crates tokio and smol, and `std::thread`.

use cancelable::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

#[cancelable(timeout = "1h")]
async fn annotated() -> Result<u32, Cancelled> {
    Ok(std::future::ready(7).await)
}

#[tokio::test]
async fn the_crate_tokio_is_not_shadowed() {
    let task: tokio::task::JoinHandle<bool> = tokio::spawn(async { current().deadline().is_none() });
    assert!(task.await.unwrap());
    let _instant: tokio::time::Instant = tokio::time::Instant::now();
    assert_eq!(annotated().await.unwrap(), 7);
}

#[test]
fn the_crate_smol_is_not_shadowed() {
    let task: smol::Task<u32> = smol::spawn(async { 7 });
    assert_eq!(smol::block_on(task), 7);
}

#[test]
fn std_s_thread_may_be_imported_beside_it() {
    use std::thread;
    thread::yield_now();
}

#[test]
fn macros_and_the_functions_of_the_same_name_are_there() {
    let scope = cancel_scope!(name = "all", async {
        let raced = race!(async { 1 }, std::future::pending()).await;
        let joined = try_join!(async { Ok::<_, Cancelled>(2) }, async { Ok(3) }).await?;
        let shielded = shield!(async { 4 }).await;
        let called = shield(async { 5 }).await;
        Ok::<_, Cancelled>((raced, joined, shielded, called))
    });
    assert_eq!(futures::executor::block_on(scope).unwrap(), (1, (2, 3), 4, 5));
    assert_eq!(parse_duration("1m").unwrap(), Duration::from_secs(60));
}

/// Whatever is at the root of the crate is in the prelude, unless it is a module.
#[test]
fn nothing_but_the_modules_is_left_out() {
    let root = include_str!("../../cancelable/src/lib.rs");
    let exported: BTreeSet<&str> = root.lines().filter(|line| line.starts_with("pub use ")).collect();
    let expected = BTreeSet::from([
        "pub use adapters::indicatif;",
        "pub use adapters::rayon;",
        "pub use adapters::smol;",
        "pub use adapters::thread;",
        "pub use adapters::tokio;",
        "pub use items::*;",
        "pub use sources::signal;",
    ]);
    assert_eq!(exported, expected, "put an item into `items.rs`, a module here");
}
