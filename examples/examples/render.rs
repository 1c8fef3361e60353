//! A picture that is drawn by several threads, with a progress bar: on a terminal it is drawn, and elsewhere there are plain lines. When it is
//! stopped, what has been drawn so far is kept.
//!
//! `cargo run --release -p examples --example render -- --size 4000 picture.pgm`

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use std::{fs, mem};

use cancelable::{
    Cancelled, Partial, Progress, cancel_scope, cancelable, indicatif, parse_duration, progress, progress_message,
    signal, thread,
};
use clap::Parser;

/// Draw the Mandelbrot set, until it is done, the time is up or Ctrl-C is pressed.
#[derive(Parser)]
struct Args {
    /// Where the picture goes
    #[arg(value_name = "FILE")]
    picture: PathBuf,

    /// Its width and height
    #[arg(long, value_name = "PIXELS", default_value_t = 1000)]
    size: usize,

    /// Stop after this long, as in 500ms, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// Grey values, row after row; black where nothing has been drawn.
type Picture = Vec<u8>;

fn main() -> ExitCode {
    let args = Args::parse();
    let (drawn, exit_code) = match draw(&args) {
        Ok(picture) => (picture, ExitCode::SUCCESS),
        Err(Partial { error, partial }) => {
            eprintln!("render: {}", error.reason());
            (partial, error.exit_code().into())
        }
    };
    let header = format!("P5 {0} {0} 255\n", args.size);
    if let Err(error) = fs::write(&args.picture, [header.as_bytes(), &drawn].concat()) {
        eprintln!("render: {}: {error}", args.picture.display());
        return ExitCode::FAILURE;
    }
    exit_code
}

/// The picture is cut into strips, a part of the whole each.
fn draw(args: &Args) -> Result<Picture, Partial<Picture>> {
    let size = args.size.max(1);
    let (rows, black) = (size.div_ceil(8), vec![0; size * size]);
    cancel_scope!(
        timeout = args.timeout,
        until = signal::ctrl_c(),
        progress = shown(),
        partial = black,
        |picture| {
            progress(0, size.div_ceil(rows) as u64);
            println!("drawing");
            thread::scope(|threads| {
                for (number, strip) in picture.chunks_mut(rows * size).enumerate() {
                    threads.spawn(move || draw_strip(strip, number * rows, size));
                }
                Ok::<_, Cancelled>(())
            })?;
            Ok::<_, Cancelled>(mem::take(picture))
        }
    )
}

#[cancelable(weight = 1)]
fn draw_strip(strip: &mut [u8], from: usize, size: usize) -> Result<(), Cancelled> {
    let rows = strip.len() / size;
    for (row, pixels) in strip.chunks_mut(size).enumerate() {
        progress(row as u64, rows as u64);
        progress_message(format_args!("row {}", from + row));
        for (column, pixel) in pixels.iter_mut().enumerate() {
            let at = |n: usize| n as f64 / size as f64 * 2.5;
            *pixel = 255 - iterations(at(column) - 1.85, at(from + row) - 1.25) as u8;
        }
    }
    Ok(())
}

/// How many it takes until the point is far away; 255 at most.
fn iterations(re: f64, im: f64) -> u32 {
    let (mut x, mut y, mut count) = (0.0, 0.0, 0);
    while x * x + y * y < 4.0 && count < 255 {
        (x, y) = (x * x - y * y + re, 2.0 * x * y + im);
        count += 1;
    }
    count
}

/// A bar on a terminal, and elsewhere a line for each tenth.
fn shown() -> Progress {
    if io::stderr().is_terminal() {
        return indicatif::bar("render");
    }
    let shown = AtomicU64::new(0);
    Progress::new().on_change(move |info| {
        let tenths = info.fraction().map_or(0, |fraction| (fraction * 10.0) as u64);
        if shown.swap(tenths, Relaxed) != tenths || info.state().is_over() {
            eprintln!("{info}");
        }
    })
}
