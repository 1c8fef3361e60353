//! <https://github.com/tokio-rs/tokio/issues/4853>: `abort` does not end a blocking task. Here a timeout does not, either; and once the
//! task has the scope, its loop has to look.

use cancelable::{Cancelled, cancelable};
use std::thread;
use std::time::Duration;

#[cancelable(timeout = "3s")]
async fn as_reported() -> Result<(), Cancelled> {
    let ticks = tokio::task::spawn_blocking(|| loop { //~ bare-spawn
        println!("tick");
        thread::sleep(Duration::from_secs(1));
    });
    let _ = ticks.await;
    Ok(())
}

#[cancelable(timeout = "3s")]
async fn with_the_scope() -> Result<(), Cancelled> {
    let ticks = cancelable::tokio::spawn_blocking(|| loop { //~ endless-loop
        println!("tick");
        thread::sleep(Duration::from_secs(1));
    });
    let _ = ticks.await;
    Ok(())
}

#[cancelable(timeout = "3s")]
async fn mended() -> Result<(), Cancelled> {
    cancelable::tokio::spawn_blocking(|| -> Result<(), Cancelled> {
        loop {
            println!("tick");
            cancelable::blocking_sleep(Duration::from_secs(1))?;
        }
    })
    .await
    .unwrap_or(Ok(()))
}
