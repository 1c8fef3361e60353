//! Counts primes two hops away. Three processes: a back end that works, a front that asks it, and a client that asks the front.
//!
//! ```text
//! primes backend [--listen 127.0.0.1:PORT]
//! primes front --backend http://127.0.0.1:PORT [--listen 127.0.0.1:PORT]
//! primes count --server http://127.0.0.1:PORT [--timeout 2s] N
//! primes list --server http://127.0.0.1:PORT [--timeout 2s] N
//! ```
//!
//! The time limit of the client shrinks on its way: the back end stops first, and says where. Ctrl-C at the client stops the back end's
//! worker. Ctrl-C at a server lets the calls that run go on for two seconds, and then cancels them; a second one does so at once.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use cancelable::{Cancelled, Scope, cancelable, parse_duration, remaining, signal};
use cancelable_tonic::{CallError, ClientLayer, ClientService, ServerLayer, cancelled, report};
use cancelable_tower::serve;
use futures::StreamExt as _;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming, async_trait};
use tower::{Layer as _, ServiceBuilder};

use proto::{Number, Numbers, Primes, PrimesClient, PrimesServer};

#[allow(dead_code, reason = "a client has all methods")]
mod proto;

/// A worker: it checks at each iteration.
#[cancelable]
fn count_below(limit: u64) -> Result<u64, Cancelled> {
    let mut found = 0;
    for n in 2..limit {
        found += u64::from(is_prime(n)?);
    }
    Ok(found)
}

#[cancelable]
fn is_prime(n: u64) -> Result<bool, Cancelled> {
    for d in 2..n {
        if n.is_multiple_of(d) {
            return Ok(false);
        }
    }
    Ok(n > 1)
}

/// Does the work.
struct Backend;

#[cancelable]
async fn count_on_a_thread(limit: u64) -> Result<u64, CallError> {
    eprintln!("counting below {limit}, with {:?} left", remaining());
    let worker = cancelable::tokio::spawn_blocking(move || count_below(limit));
    let counted = worker.await.map_err(|error| Status::internal(error.to_string()))?;
    Ok(counted?)
}

#[async_trait]
impl Primes for Backend {
    async fn count(&self, request: Request<Number>) -> Result<Response<Number>, Status> {
        let found = count_on_a_thread(request.into_inner().value).await?;
        Ok(Response::new(found.into()))
    }

    async fn list(&self, request: Request<Number>) -> Result<Response<Numbers>, Status> {
        let limit = request.into_inner().value;
        // The worker belongs to the call, which goes on until the stream's end.
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        cancelable::tokio::spawn_blocking(move || send_below(limit, &sender));
        let numbers = futures::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        Ok(Response::new(numbers.map(|n| Ok(Number::from(n))).boxed()))
    }

    async fn sum(&self, request: Request<Streaming<Number>>) -> Result<Response<Number>, Status> {
        Ok(Response::new(sum(request.into_inner()).await?.into()))
    }
}

#[cancelable]
fn send_below(limit: u64, sender: &tokio::sync::mpsc::Sender<u64>) -> Result<(), Cancelled> {
    for n in 2..limit {
        if is_prime(n)? && sender.blocking_send(n).is_err() {
            break; // nobody reads any more
        }
    }
    Ok(())
}

#[cancelable]
async fn sum(mut numbers: Streaming<Number>) -> Result<u64, CallError> {
    let mut sum = 0_u64;
    while let Some(number) = numbers.message().await? {
        sum = sum.wrapping_add(number.value);
    }
    Ok(sum)
}

/// Asks the back end. Nothing here speaks of time or of cancels: the layers do.
struct Front(PrimesClient<ClientService<Channel>>);

#[async_trait]
impl Primes for Front {
    async fn count(&self, request: Request<Number>) -> Result<Response<Number>, Status> {
        self.0.clone().count(request.into_inner()).await
    }

    async fn list(&self, request: Request<Number>) -> Result<Response<Numbers>, Status> {
        let numbers = self.0.clone().list(request.into_inner()).await?.into_inner();
        Ok(Response::new(Box::pin(numbers)))
    }

    async fn sum(&self, request: Request<Streaming<Number>>) -> Result<Response<Number>, Status> {
        Ok(Response::new(sum(request.into_inner()).await?.into()))
    }
}

fn client(url: String) -> Result<PrimesClient<ClientService<Channel>>, Box<dyn Error>> {
    let channel = Channel::from_shared(url)?.connect_lazy();
    Ok(PrimesClient::new(
        ServiceBuilder::new().layer(ClientLayer::new()).service(channel),
    ))
}

async fn run(primes: impl Primes, listen: &str) -> Result<(), Box<dyn Error>> {
    let layer = ServerLayer::new()
        .timeout(Duration::from_secs(60))
        .reports(true)
        .on_end(|end| eprintln!("{end}"));
    let requests = layer.all().clone();
    let service = layer.layer(Routes::new(PrimesServer::new(primes)));

    let signals = signal::unix([signal::SIGINT, signal::SIGTERM])?;
    let listener = TcpListener::bind(listen).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let drained = serve(listener, service)
        .requests(&requests)
        .run_for(Duration::from_secs(2))
        .force(signals.clone())
        .until(signals)
        .await;
    eprintln!("{drained}");
    Ok(())
}

/// What a user asks for: with a time limit, and until Ctrl-C.
async fn ask(what: &str, args: &mut Args) -> Result<ExitCode, Box<dyn Error>> {
    let server = args.value("--server")?.ok_or("--server http://HOST:PORT is missing")?;
    let timeout = args
        .value("--timeout")?
        .map(|timeout| parse_duration(&timeout))
        .transpose()?;
    let limit: u64 = args.0.pop().ok_or("a number is missing")?.parse()?;
    let mut client = client(server)?;

    let scope = Scope::new()
        .name(what.to_owned())
        .timeout(timeout)
        .until(signal::ctrl_c());
    let asked: Result<(), CallError> = scope
        .run(async {
            if what == "count" {
                println!("{}", client.count(Number::from(limit)).await?.into_inner().value);
                return Ok(());
            }
            let mut numbers = client.list(Number::from(limit)).await?.into_inner();
            while let Some(number) = numbers.message().await? {
                println!("{}", number.value);
            }
            Ok(())
        })
        .await;
    let Err(error) = asked else {
        return Ok(ExitCode::SUCCESS);
    };
    let status = Status::from(error);
    eprintln!("{:?}: {}", status.code(), status.message());
    if let Some(report) = report(&status) {
        eprintln!("there: {report}");
    }
    Ok(cancelled(&status).map_or(ExitCode::FAILURE, |cancelled| cancelled.exit_code().into()))
}

struct Args(Vec<String>);

impl Args {
    fn value(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some(at) = self.0.iter().position(|arg| arg == name) else {
            return Ok(None);
        };
        self.0.remove(at);
        if at == self.0.len() {
            return Err(format!("{name} wants a value"));
        }
        Ok(Some(self.0.remove(at)))
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut args = Args(std::env::args().skip(1).collect());
    let listen = args.value("--listen")?.unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let command = if args.0.is_empty() {
        String::new()
    } else {
        args.0.remove(0)
    };
    match &*command {
        "backend" => run(Backend, &listen).await?,
        "front" => {
            let backend = args
                .value("--backend")?
                .ok_or("--backend http://HOST:PORT is missing")?;
            run(Front(client(backend)?), &listen).await?;
        }
        "count" | "list" => return ask(&command, &mut args).await,
        _ => return Err("primes backend | front | count | list: see the top of this file".into()),
    }
    Ok(ExitCode::SUCCESS)
}
