//! <https://github.com/MaterializeInc/materialize/pull/6284>: the client goes away, and the work that has to be done when a connection
//! closes is not done.

use cancelable::{Cancelled, cancelable};

struct Session;

impl Session {
    async fn execute(&mut self, _: &str) -> Result<u64, Cancelled> {
        Ok(0)
    }

    async fn terminate(self) {
        tokio::task::yield_now().await;
    }
}

#[cancelable]
async fn as_reported(query: &str, mut session: Session) -> Result<u64, Cancelled> {
    let rows = session.execute(query).await;
    session.terminate().await; //~ skipped-cleanup
    rows
}

#[cancelable]
async fn mended(query: &str, mut session: Session) -> Result<u64, Cancelled> {
    let rows = session.execute(query).await;
    #[cancelable(shield = "2s")]
    session.terminate().await;
    rows
}
