use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn export(conn: &mut Conn) -> Result<u64, Error> {
    let result = conn.copy().await;
    #[cancelable(shield = "2s")]
    conn.close().await;
    shield(conn.flush()).await;
    conn.flush().shielded().await;
    result
}

#[cancelable]
async fn total(conn: &mut Conn) -> Result<u64, Error> {
    // Not clean-up: both are wanted.
    let a = conn.copy().await;
    let b = conn.copy().await;
    Ok(a? + b?)
}

#[cancelable]
async fn steps(conn: &mut Conn) -> Result<u64, Error> {
    // A value, not a failure.
    let n = conn.copy().await?;
    conn.flush().await;
    Ok(n)
}

#[cancelable]
async fn write(conn: &mut Conn) -> Result<(), Error> {
    if let Err(error) = conn.copy().await {
        // It knows.
        if !error.is_cancelled() {
            conn.rollback().await;
        }
        return Err(error);
    }
    if let Err(error) = conn.copy().await {
        log(error);
    }
    if let Err(Error::NotFound) = conn.copy().await {
        conn.create().await;
        return Err(Error::NotFound);
    }
    Ok(())
}

#[cancelable]
impl Conn {
    async fn copy(&mut self) -> Result<u64, Error> {
        Ok(1)
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let _ = cancelable::shield_sync(|| self.sync());
    }
}
