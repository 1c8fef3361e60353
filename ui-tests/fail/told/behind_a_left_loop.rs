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

#[cancelable]
async fn behind_what_may_not_run(n: Option<u32>, child: &mut Child) -> Result<u32, Cancelled> {
    let mut best = 0;
    #[cancelable(break)]
    while best < 3 {
        best += 1;
    }
    let Some(n) = n else { return Ok(best) };
    let _ = n > 3 && return Ok(best);
    for _ in 0..n {
        if best > 4 {
            continue;
        }
        return Ok(best);
    }
    child.wait().await;
    Ok(best)
}

#[cancelable]
async fn by_a_break() -> Result<u32, Cancelled> {
    let mut best = 0;
    'all: loop {
        loop {
            if best > 0 {
                #[cancelable(break)]
                while best < 3 {
                    best += 1;
                }
                break 'all;
            }
            save(best).await;
        }
    }
    save(best).await;
    Ok(best)
}

#[cancelable]
async fn in_a_shield_with_a_limit() -> Result<u32, Cancelled> {
    let mut best = 0;
    #[cancelable(shield = "1s")]
    {
        #[cancelable(break)]
        while best < 3 {
            best += 1;
        }
        save(best).await;
    }
    Ok(best)
}

async fn save(_: u32) {}

struct Child;

impl Child {
    async fn wait(&mut self) {}
}

fn main() {}
