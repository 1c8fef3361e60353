//! <https://github.com/lenskit/lkpy/pull/1050>: nothing stops a parallel iterator of rayon when the user wants to stop.

use cancelable::{Cancelled, cancelable};
use rayon::prelude::*;

fn train(row: u64) -> u64 {
    (0..row).fold(0, |sum, n| sum ^ n)
}

#[cancelable]
fn as_reported(rows: Vec<u64>) -> Result<u64, Cancelled> {
    let (sender, receiver) = std::sync::mpsc::channel();
    rayon::spawn(move || { //~ bare-spawn
        let rows = rows.into_par_iter(); //~ bare-spawn
        sender.send(rows.map(train).sum()).unwrap();
    });
    Ok(receiver.recv().unwrap_or(0))
}
