//! <https://github.com/rust-lang/rust-clippy/issues/10794>: a loop in an `async fn` sleeps as a thread does, and so keeps the runtime's only
//! thread to itself.

use cancelable::{Cancelled, cancelable};
use std::thread::sleep;
use std::time::Duration;
use tokio::sync::mpsc;

#[cancelable]
async fn receive(receiver: &mut mpsc::Receiver<()>) -> Result<(), Cancelled> {
    loop {
        sleep(Duration::new(1, 0)); //~ blocking-call
        if receiver.try_recv().is_ok() {
            println!("got one");
        }
    }
}

#[cancelable]
async fn mended(receiver: &mut mpsc::Receiver<()>) -> Result<(), Cancelled> {
    while receiver.recv().await.is_some() {
        println!("got one");
    }
    Ok(())
}
