use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn export(conn: &mut Conn, sink: &mut Foreign) -> Result<u64, Error> {
    let result = conn.copy().await;
    conn.close().await?; //~
    sink.flush().await; //~
    result
}

#[cancelable]
async fn write(conn: &mut Conn) -> Result<(), Error> {
    if let Err(error) = conn.copy().await {
        let _ = conn.rollback().await; //~
        return Err(error);
    }
    match conn.copy().await {
        Ok(_) => Ok(()),
        Err(error) => {
            // `finish` looks first, too.
            #[cancelable(finish)]
            conn.rollback().await; //~
            Err(error)
        }
    }
}

#[cancelable]
async fn best(conn: &mut Conn) -> Result<u64, Error> {
    let mut best = 0;
    #[cancelable(break)]
    for n in 0..1_000_000 {
        best = best.max(n);
    }
    conn.close().await?; //~
    Ok(best)
}

#[cancelable]
impl Conn {
    async fn copy(&mut self) -> Result<u64, Error> {
        Ok(1)
    }

    async fn close(&mut self) -> Result<(), Error> {
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let _ = self.sync(); //~
    }
}
