use cancelable::{Cancelled, cancelable};
use std::io::{self, Read};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

#[cancelable]
async fn serve(listener: TcpListener) -> io::Result<()> {
    // The runtime's.
    let (mut stream, _) = listener.accept().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    TcpStream::connect("[::1]:1").await?;
    cancelable::tokio::spawn_blocking(|| std::thread::sleep(Duration::from_secs(1))).await.unwrap();
    Ok(())
}

#[cancelable]
fn poll(mut stream: std::net::TcpStream) -> io::Result<()> {
    // It comes back to look, now and then.
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut buffer = [0; 64];
    let _ = stream.read(&mut buffer);
    cancelable::blocking_sleep(Duration::from_secs(1))?;
    Ok(())
}

// Not annotated.
fn plain() {
    std::thread::sleep(Duration::from_secs(1));
}

#[cancelable]
async fn connect() -> io::Result<()> {
    #[cfg(feature = "tokio")]
    use tokio::net::UnixStream;
    // One or the other.
    #[cfg(not(feature = "tokio"))]
    use std::os::unix::net::UnixStream;
    UnixStream::connect("/run/socket").await?;
    Ok(())
}
