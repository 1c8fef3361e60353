//! Jumps out of what becomes a future; those inside are fine.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work(conns: Vec<Conn>) -> Result<(), Cancelled> {
    'outer: for conn in conns {
        #[cancelable(shield)]
        {
            for _ in 0..3 {
                if conn.close().await {
                    continue;
                }
                break 'outer;
            }
            if conn.close().await {
                continue;
            }
        }
    }
    Ok(())
}

struct Conn;

impl Conn {
    async fn close(&self) -> bool {
        true
    }
}

fn main() {}
