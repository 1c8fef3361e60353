//! <https://github.com/mofa-org/mofa/issues/964>: of two tasks, the one that lost in a `select!` runs on, for nobody ends it by dropping
//! its handle.

use cancelable::{Cancelled, cancelable};
use tokio::sync::{broadcast, mpsc};

#[cancelable]
async fn connection(mut outbox: broadcast::Receiver<String>, mut inbox: mpsc::Receiver<String>) -> Result<(), Cancelled> {
    let sends = tokio::spawn(async move { //~ bare-spawn
        while let Ok(message) = outbox.recv().await {
            println!("{message}");
        }
    });
    let receives = tokio::spawn(async move { //~ bare-spawn
        while let Some(message) = inbox.recv().await {
            println!("{message}");
        }
    });
    tokio::select! {
        _ = sends => {}
        _ = receives => {}
    }
    Ok(())
}

#[cancelable]
async fn mended(outbox: broadcast::Receiver<String>, inbox: mpsc::Receiver<String>) -> Result<(), Cancelled> {
    cancelable::race!(send(outbox), receive(inbox)).await
}

#[cancelable]
async fn send(mut outbox: broadcast::Receiver<String>) -> Result<(), Cancelled> {
    while let Ok(message) = outbox.recv().await {
        println!("{message}");
    }
    Ok(())
}

#[cancelable]
async fn receive(mut inbox: mpsc::Receiver<String>) -> Result<(), Cancelled> {
    while let Some(message) = inbox.recv().await {
        println!("{message}");
    }
    Ok(())
}
