//! <https://github.com/maxcountryman/underway/issues/129>: a loop that connects again for ever does not see the shutdown. Awaited by annotated
//! code it does: the await there drops it as it waits, so that is silent. In a task of its own nobody awaits it.

use cancelable::{Cancelled, cancelable};
use std::io;
use std::time::Duration;

#[cancelable]
async fn connect() -> io::Result<tokio::net::TcpStream> {
    tokio::net::TcpStream::connect("127.0.0.1:5432").await
}

/// As reported, once `connect` can be cancelled: its error is taken for one more failure.
async fn connect_with_retry() -> tokio::net::TcpStream {
    let mut wait = Duration::from_millis(100);
    loop {
        match connect().await {
            Ok(stream) => return stream,
            Err(error) => eprintln!("not connected: {error}"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(30));
    }
}

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    let _stream = connect_with_retry().await;
    Ok(())
}

#[cancelable]
async fn in_a_task() -> Result<(), Cancelled> {
    cancelable::tokio::spawn(async {
        loop { //~ endless-loop
            match connect().await { //~ swallowed-cancel
                Ok(stream) => drop(stream),
                Err(error) => eprintln!("not connected: {error}"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    Ok(())
}

#[cancelable]
async fn mended() -> io::Result<tokio::net::TcpStream> {
    let mut wait = Duration::from_millis(100);
    loop {
        match connect().await {
            Ok(stream) => return Ok(stream),
            Err(error) => eprintln!("not connected: {error}"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(30));
    }
}
