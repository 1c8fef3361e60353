//! A search that gets better and better: stopped, it has the best that it has found so far.
//!
//! `cargo run --release -p examples --example tour -- --cities 5000 --timeout 2s`

use std::process::ExitCode;
use std::time::Duration;

use cancelable::{Cancelled, Partial, cancel_scope, cancelable, parse_duration, signal};
use clap::Parser;

/// Find a short round trip through cities, until no swap of two roads makes it shorter, the time is up or Ctrl-C is pressed.
#[derive(Parser)]
struct Args {
    /// How many cities
    #[arg(long, value_name = "N", default_value_t = 1000)]
    cities: usize,

    /// Stop after this long, as in 500ms, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

type City = (f64, f64);

fn main() -> ExitCode {
    let args = Args::parse();
    match shortened(Tour(cities(args.cities)), args.timeout) {
        Ok(best) => {
            println!("{:.0} km, and no swap makes it shorter", best.length());
            ExitCode::SUCCESS
        }
        Err(Partial { error, partial: best }) => {
            println!("{:.0} km so far", best.length());
            eprintln!("tour: {}", error.reason());
            error.exit_code().into()
        }
    }
}

/// The tour that is handed in gets shorter and shorter. Each swap is whole, so at each check point it is a tour.
fn shortened(tour: Tour, timeout: Option<Duration>) -> Result<Tour, Partial<Tour>> {
    cancel_scope!(
        timeout = timeout,
        until = signal::ctrl_c(),
        partial = tour,
        |best| -> Result<Tour, Cancelled> {
            println!("{:.0} km at first", best.length());
            let mut is_shorter = true;
            while is_shorter {
                is_shorter = false;
                for from in 0..best.0.len() {
                    is_shorter |= best.swap_from(from)?;
                }
            }
            Ok(Tour(std::mem::take(&mut best.0)))
        }
    )
}

/// The cities in the order in which they are visited, and then the first again.
struct Tour(Vec<City>);

impl Tour {
    fn length(&self) -> f64 {
        (0..self.0.len()).map(|n| self.road(n, n + 1)).sum()
    }

    fn road(&self, from: usize, to: usize) -> f64 {
        let [from, to] = [from, to].map(|n| self.0[n % self.0.len()]);
        (from.0 - to.0).hypot(from.1 - to.1)
    }

    /// Turns stretches that begin behind this city round, if that makes the whole shorter.
    #[cancelable]
    fn swap_from(&mut self, from: usize) -> Result<bool, Cancelled> {
        let mut is_shorter = false;
        for to in from + 2..self.0.len() {
            let before = self.road(from, from + 1) + self.road(to, to + 1);
            let after = self.road(from, to) + self.road(from + 1, to + 1);
            if after < before - 1e-9 {
                self.0[from + 1..=to].reverse();
                is_shorter = true;
            }
        }
        Ok(is_shorter)
    }
}

/// All over a square of 1,000 km, the same each time: a sequence that leaves no gaps.
fn cities(number: usize) -> Vec<City> {
    let at = |n: usize, step: f64| (n as f64 * step).fract() * 1000.0;
    (1..=number)
        .map(|n| (at(n, 0.754_877_666), at(n, 0.569_840_29)))
        .collect()
}
