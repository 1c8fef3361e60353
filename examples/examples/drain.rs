//! A server that drains: at Ctrl-C it accepts nothing more, lets the connections that it has go on for a while, then cancels them,
//! each of which says goodbye, and drops what is left.
//!
//! `cargo run -p examples --example drain -- --port 7000 --run-for 5s --grace 1s`, then `nc localhost 7000`.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use cancelable::tokio::TaskOwner;
use cancelable::{Cancelled, Source as _, cancelable, parse_duration, signal};
use clap::Parser;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Send each client its lines back, until Ctrl-C.
#[derive(Parser)]
struct Args {
    /// Where to listen; 0 is any
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// As many connections at once
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,

    /// At the end, let connections go on for this long
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s")]
    run_for: Duration,

    /// Then give them this long to say goodbye
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "1s")]
    grace: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("drain: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `true`: every connection has come to an end of its own.
async fn run(args: &Args) -> io::Result<bool> {
    let listener = TcpListener::bind(("127.0.0.1", args.port)).await?;
    println!("listening on {}", listener.local_addr()?);
    let connections = TaskOwner::builder()
        .limit(args.connections as usize)
        .isolate_panics(|panic| eprintln!("drain: {panic}"))
        .build();
    let shutdown = async {
        let reason = signal::ctrl_c().fired().await;
        eprintln!(
            "drain: {reason}: {:?} for {} connections",
            args.run_for,
            connections.len()
        );
        connections.drain(args.run_for, args.grace).await
    };
    // Listens for the signal before the first connection is there.
    let (report, _) = tokio::join!(shutdown, accept(listener, &connections));
    eprintln!("drain: {report}");
    Ok(report.is_clean())
}

/// Ends when the owner of the connections takes no more.
#[cancelable(token = connections.accepting())]
async fn accept(listener: TcpListener, connections: &TaskOwner) -> Result<(), Cancelled> {
    loop {
        let place = connections.reserve().await?;
        match listener.accept().await {
            Ok((client, from)) => drop(place.name(from.to_string()).spawn(serve(client))),
            // This client has gone, or there are no more descriptors for now.
            Err(error) => {
                eprintln!("drain: {error}");
                cancelable::sleep(Duration::from_millis(10)).await?;
            }
        }
    }
}

/// One connection: a scope of its own, named after the client.
async fn serve(mut client: TcpStream) -> io::Result<()> {
    let (from_client, mut to_client) = client.split();
    let end = echo(BufReader::new(from_client), &mut to_client).await;
    if end.is_err() {
        cancelable::shield(to_client.write_all(b"the server is shutting down\n")).await?;
    }
    end
}

#[cancelable]
async fn echo(
    mut from_client: BufReader<impl tokio::io::AsyncRead + Unpin>,
    to_client: &mut (impl tokio::io::AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut line = Vec::new();
    while from_client.read_until(b'\n', &mut line).await? > 0 {
        // Not half a line.
        #[cancelable(finish)]
        to_client.write_all(&line).await?;
        line.clear();
    }
    Ok(())
}
