use cancelable::{CancelFutureExt, Cancelled, cancelable, shield};

#[cancelable]
async fn export(conn: &mut Conn) -> Result<(), Cancelled> {
    #[cancelable(shield)] //~
    conn.close().await;
    shield(conn.flush()).await; //~
    conn.flush().shielded().await; //~
    shield!(async { conn.flush().await }).await; //~
    Ok(())
}
