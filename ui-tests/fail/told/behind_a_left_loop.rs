//! Awaits that lose what a loop has found. Only a warning, unless such are denied.

#![deny(warnings)]

use cancelable::{Cancelled, cancel_scope, cancelable};

#[cancelable]
async fn in_the_same_block(candidates: &[u32]) -> Result<u32, Cancelled> {
    let mut best = 0;
    #[cancelable(break)]
    for candidate in candidates {
        best = best.max(*candidate);
    }
    save(best).await;
    save(best).await;
    Ok(best)
}

#[cancelable(or = 0)]
async fn in_a_block_round_it(candidates: &[u32]) -> u32 {
    let mut best = 0;
    if best < 1 {
        #[cancelable(break)]
        for candidate in candidates {
            best = best.max(*candidate);
        }
    }
    if best > 3 {
        #[cancelable(finish)]
        save(best).await;
    }
    best
}

#[cancelable]
async fn by_a_macro() -> Result<u32, Cancelled> {
    let mut best = 0;
    #[cancelable(break)]
    while best < 3 {
        best += 1;
    }
    tokio::join!(save(best), save(best));
    Ok(best)
}

async fn in_a_scope() -> Result<u32, Cancelled> {
    cancel_scope!(timeout = "5s", async {
        let mut best = 0;
        #[cancelable(break)]
        loop {
            best += 1;
            if best > 3 {
                break;
            }
        }
        save(best).await;
        Ok(best)
    })
    .await
}

async fn save(_: u32) {}

fn main() {}
