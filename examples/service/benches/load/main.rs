//! How many requests a service answers under load: without cancellation, with tokens and `select!` by hand, and with the layer.
//!
//! ```text
//! cargo bench -p service --bench load
//! cargo bench -p service --bench load -- --rounds 20 --seconds 3 --connections 32
//! ```
//!
//! The load is that of `wrk` over loopback, on connections that are kept. Each service has one thread, and only one has work at a time: by
//! turns of a few seconds, each time in another order. What others do on the machine meanwhile hits all of them; so ratios are taken in
//! each round, and what counts is their median. (The first round is not counted.)
//!
//! Beside the requests a second there is the time of the processor that a request takes, of this process, that is without `wrk`'s: it depends
//! less on what others do. Linux only.
//!
//! `--turns 200` answers requests without a server, each service in turns of a thousand, and prints each one's best turn.
//!
//! `--count 200` is for callgrind: so many requests in each service, without a server (see `count`).

mod services;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

/// What serves it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Server {
    Axum,
    Ours,
}

/// A name, what makes it, and what serves it.
type Service = (&'static str, fn() -> Router, Server);

/// Those that are compared. The first is what the others are to be measured by.
const SERVICES: [Service; 4] = [
    ("plain", services::plain, Server::Axum),
    ("by hand", services::by_hand, Server::Axum),
    ("layer", services::ours, Server::Axum),
    ("layer, `serve`", services::ours, Server::Ours),
];

const ROUTES: [&str; 2] = ["/hello", "/work"];

fn main() -> ExitCode {
    // Tests run it as well, and want nothing of it.
    if !env::args().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    if let Some(runs) = option("--count") {
        count(runs);
        return ExitCode::SUCCESS;
    }
    if let Some(turns) = option("--turns") {
        take_turns(turns);
        return ExitCode::SUCCESS;
    }
    let load = Load {
        seconds: option("--seconds").unwrap_or(2),
        connections: option("--connections").unwrap_or(32),
    };
    match compare(option("--rounds").unwrap_or(9), &load) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The number behind this.
fn option(name: &str) -> Option<u32> {
    let given = env::args().skip_while(|arg| arg != name).nth(1)?;
    Some(given.parse().unwrap_or_else(|_| panic!("{name} wants a number")))
}

fn compare(rounds: u32, load: &Load) -> io::Result<()> {
    let mut running = Vec::new();
    for (_, router, server) in SERVICES {
        running.push(serve(prepared(router), server)?);
    }
    for route in ROUTES {
        let mut figures: BTreeMap<usize, Vec<Figure>> = BTreeMap::new();
        for round in 0..=rounds {
            for n in 0..SERVICES.len() {
                let of = (n + round as usize) % SERVICES.len();
                let figure = load.put_on(running[of].1, route)?;
                if round > 0 {
                    figures.entry(of).or_default().push(figure);
                }
            }
        }
        print(route, &figures);
    }
    for (runtime, _) in running {
        runtime.shutdown_background();
    }
    Ok(())
}

/// As `axum::serve` prepares it: routes are put together once, not for each request.
fn prepared(router: fn() -> Router) -> Router {
    router().with_state::<()>(())
}

fn serve(router: Router, server: Server) -> io::Result<(Runtime, SocketAddr)> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    match server {
        Server::Axum => runtime.spawn(async move { axum::serve(listener, router).await }),
        Server::Ours => runtime.spawn(async move {
            let never = std::future::pending::<()>();
            let _ = cancelable_tower::serve(listener, router).until(never).await;
            Ok(())
        }),
    };
    Ok((runtime, address))
}

struct Load {
    seconds: u32,
    connections: u32,
}

/// Of one turn.
#[derive(Clone, Copy)]
struct Figure {
    requests_a_second: f64,
    /// Microseconds of the processor.
    cost: f64,
}

impl Load {
    fn put_on(&self, address: SocketAddr, route: &str) -> io::Result<Figure> {
        let before = processor_time()?;
        let wrk = Command::new("wrk")
            .args([
                "-t1",
                &format!("-c{}", self.connections),
                &format!("-d{}s", self.seconds),
            ])
            .arg(format!("http://{address}{route}"))
            .output()
            .map_err(|error| io::Error::other(format!("wrk cannot be run: {error}")))?;
        let cost = processor_time()? - before;
        let said = String::from_utf8_lossy(&wrk.stdout);
        let is_well = wrk.status.success() && !said.contains("Non-2xx") && !said.contains("Socket errors");
        let all = said
            .lines()
            .find_map(|line| line.split_once(" requests in ")?.0.trim().parse::<f64>().ok());
        let each = said
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse::<f64>().ok());
        match (is_well, all, each) {
            (true, Some(all), Some(requests_a_second)) if all > 0.0 => Ok(Figure {
                requests_a_second,
                cost: cost.as_secs_f64() * 1e6 / all,
            }),
            _ => Err(io::Error::other(format!("wrk says: {said}"))),
        }
    }
}

/// What all threads of this process have had of the processor.
fn processor_time() -> io::Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        // (One may have ended meanwhile.)
        let schedule = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        let first = schedule.split_whitespace().next();
        nanos += first.and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or_default();
    }
    Ok(Duration::from_nanos(nanos))
}

fn print(route: &str, figures: &BTreeMap<usize, Vec<Figure>>) {
    println!("GET {route}: median of the rounds [quarter to three quarters of them]");
    let header = [
        "",
        "requests/s",
        "of plain",
        "of by hand",
        "µs of the processor",
        "of plain",
        "of by hand",
    ];
    println!(
        "{:<16}{:>12}{:>22}{:>22}{:>22}{:>22}{:>22}",
        header[0], header[1], header[2], header[3], header[4], header[5], header[6]
    );
    for (of, mine) in figures {
        let ratios = |to: usize, value: fn(&Figure) -> f64| {
            let each = mine
                .iter()
                .zip(&figures[&to])
                .map(|(mine, theirs)| value(mine) / value(theirs));
            let (quarter, median, three) = quartiles(each.collect());
            format!("{median:.3} [{quarter:.3}–{three:.3}]")
        };
        let requests: fn(&Figure) -> f64 = |figure| figure.requests_a_second;
        let cost: fn(&Figure) -> f64 = |figure| figure.cost;
        println!(
            "{:<16}{:>12.0}{:>22}{:>22}{:>22.2}{:>22}{:>22}",
            SERVICES[*of].0,
            quartiles(mine.iter().map(requests).collect()).1,
            ratios(0, requests),
            ratios(1, requests),
            quartiles(mine.iter().map(cost).collect()).1,
            ratios(0, cost),
            ratios(1, cost),
        );
    }
    println!();
}

fn quartiles(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
    (at(1), at(2), at(3))
}

/// Answers requests as a server calls the service, on this thread.
fn take_turns(turns: u32) {
    const REQUESTS: u32 = 1000;
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    for route in ROUTES {
        let routers: Vec<_> = SERVICES[..3].iter().map(|(_, router, _)| prepared(*router)).collect();
        let mut best = [Duration::MAX; 3];
        for _ in 0..turns {
            for (router, best) in routers.iter().zip(&mut best) {
                let (router, begun) = (router.clone(), Instant::now());
                let turn = runtime.spawn(async move {
                    for _ in 0..REQUESTS {
                        request(&router, route).await;
                    }
                });
                runtime.block_on(turn).expect("all are answered");
                *best = (*best).min(begun.elapsed());
            }
        }
        for ((name, ..), best) in SERVICES.iter().zip(best) {
            println!(
                "{:>9.0} ns  {name}, GET {route}",
                best.as_secs_f64() * 1e9 / f64::from(REQUESTS)
            );
        }
    }
}

/// Answers so many requests in each service, for callgrind:
///
/// ```text
/// valgrind --tool=callgrind --toggle-collect='*::measured' --dump-after='*::measured' --dump-instr=yes target/release/deps/load-… --bench --count 200
/// ```
///
/// Each writes a file, in the order of what is printed.
fn count(runs: u32) {
    // Deep in a thread of its own, the stack of which is as large as it is.
    let counting = thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        for (name, router, _) in &SERVICES[..3] {
            let router = prepared(*router);
            for route in ROUTES {
                runtime.block_on(async {
                    for _ in 0..20 {
                        request(&router, route).await;
                    }
                });
                measured(&runtime, &router, route, runs);
                println!("{name} {route}");
            }
        }
    });
    counting.join().expect("all are answered");
}

#[inline(never)]
fn measured(runtime: &Runtime, router: &Router, route: &str, runs: u32) {
    runtime.block_on(async {
        for _ in 0..runs {
            request(router, route).await;
        }
    });
}

async fn request(router: &Router, route: &str) {
    let request = Request::get(route).body(Body::empty()).expect("a request");
    let response = router.clone().oneshot(request).await.expect("infallible");
    assert!(response.status().is_success());
    let body = response.into_body().collect().await.expect("a body");
    assert!(body.to_bytes().ends_with(b"\n"));
}
