use cancelable::{CancelFutureExt, Cancelled, cancelable, shield};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1);

#[cancelable]
async fn export(conn: &mut Conn) -> Result<(), Cancelled> {
    #[cancelable(shield = "2s")]
    conn.close().await;
    shield(conn.flush()).timeout(LIMIT).await?;
    conn.flush().shielded().timeout(LIMIT).await?;
    shield!(timeout = "2s", async { Ok::<_, Cancelled>(conn.flush().await) }).await?;
    Ok(())
}
