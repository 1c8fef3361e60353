//! What says that a cancel is looked at, and what says that it is not.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work(conn: &Conn) -> Result<(), Cancelled> {
    #[cancelable(shield, skip)]
    conn.close().await;
    #[cancelable(finish)]
    #[cancelable(shield = "2s")]
    conn.close().await;
    #[cancelable(shield, break)]
    for _ in 0..3 {}
    Ok(())
}

struct Conn;

impl Conn {
    async fn close(&self) {}
}

fn main() {}
