use cancelable::{Cancelled, cancelable};
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

#[cancelable]
fn poll(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 64];
    stream.read(&mut buffer)?; //~
    std::thread::sleep(Duration::from_secs(1)); //~
    let mut line = String::new();
    io::stdin().read_line(&mut line)?; //~
    let listener = TcpListener::bind("[::1]:0")?;
    let (other, _) = listener.accept()?; //~
    TcpStream::connect(other.peer_addr()?)?; //~
    Ok(())
}

#[cancelable]
async fn wait() -> Result<(), Cancelled> {
    use std::thread;
    thread::sleep(Duration::from_secs(1)); //~
    Ok(())
}
