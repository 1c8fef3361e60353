//! What does not fit is told of as it would be without the mark.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn value() -> Result<u32, Cancelled> {
    #[cancelable(shield)]
    let text: String = close().await?;
    Ok(text.len() as u32)
}

#[cancelable]
async fn error() -> Result<u32, Cancelled> {
    #[cancelable(shield)]
    {
        std::fs::read("file")?;
    }
    Ok(1)
}

#[cancelable]
fn left() -> Result<u32, Cancelled> {
    #[cancelable(shield)]
    {
        return Ok("text");
    }
}

async fn close() -> Result<u32, Cancelled> {
    Ok(3)
}

fn main() {}
