//! <https://github.com/tokio-rs/tokio/issues/2318>: a `select!` gives up a read of the standard input, and the program does not end before
//! Enter is pressed. The await itself is cancelled; what hangs is the runtime's own thread, which no source text shows: silent.

use cancelable::{Cancelled, cancelable};
use std::io::BufRead as _;
use tokio::io::AsyncReadExt as _;

#[cancelable]
async fn as_reported() -> Result<(), Cancelled> {
    let mut buffer = [0; 8];
    let mut stdin = tokio::io::stdin();
    tokio::select! {
        _ = stdin.read(&mut buffer) => println!("read"),
        () = tokio::time::sleep(std::time::Duration::from_secs(3)) => println!("timeout"),
    }
    Ok(())
}

/// The same on a thread, where the read is in the code itself.
#[cancelable]
fn on_a_thread() -> Result<usize, Cancelled> {
    let mut line = String::new();
    Ok(std::io::stdin().lock().read_line(&mut line).unwrap_or(0)) //~ blocking-call
}
