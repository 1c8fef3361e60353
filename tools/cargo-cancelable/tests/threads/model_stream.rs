//! <https://github.com/Growth-Circle/cadis/issues/2552>: the client has gone, and a blocking task still pays for what it generates.

use cancelable::cancelable;
use std::io;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

fn stream_chat(mut on_delta: impl FnMut(String) -> bool) {
    while on_delta(String::from("word ")) {}
}

#[cancelable(scope)]
async fn as_reported(client: &mut tokio::net::TcpStream) -> io::Result<()> {
    let (deltas, mut received) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || stream_chat(|delta| deltas.blocking_send(delta).is_ok())); //~ bare-spawn
    while let Some(delta) = received.recv().await {
        client.write_all(delta.as_bytes()).await?;
    }
    Ok(())
}

#[cancelable(scope)]
async fn mended(client: &mut tokio::net::TcpStream) -> io::Result<()> {
    let (deltas, mut received) = mpsc::channel(1);
    cancelable::tokio::spawn_blocking(move || {
        stream_chat(|delta| !cancelable::is_cancelled() && deltas.blocking_send(delta).is_ok());
    });
    while let Some(delta) = received.recv().await {
        client.write_all(delta.as_bytes()).await?;
    }
    Ok(())
}
