//! The type checker tells.

use cancelable::{Cancelled, cancelable};

#[cancelable(every = 1.5f32 as u8 as i32)]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
