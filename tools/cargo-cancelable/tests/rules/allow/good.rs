use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn serve() -> Result<(), Cancelled> {
    // cancelable: allow(bare-spawn) it is to outlive the request
    tokio::spawn(work());
    tokio::spawn(work()); // cancelable: allow(bare-spawn) so is this
    tally(&[1])?;
    Ok(())
}

async fn work() {}

// cancelable: allow(unannotated-callee, endless-loop) a few items at most
fn tally(items: &[u32]) -> Result<u32, Cancelled> {
    let mut sum = 0;
    for item in items {
        sum += item;
    }
    Ok(sum)
}

// Of what is called, it is allowed to the callers, too.
#[cancelable]
impl Conn {
    // cancelable: allow(skipped-cleanup) it does nothing that a cancel could leave half done
    async fn close(&self) -> Result<(), Cancelled> {
        Ok(())
    }

    async fn copy(&self) -> Result<(), Cancelled> {
        let result = self.read().await;
        let _ = self.close().await;
        result
    }

    async fn read(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

// A string is no comment, nor is documentation:
/// // cancelable: allow(nothing)
const TEXT: &str = "// cancelable: allow(nothing)";
