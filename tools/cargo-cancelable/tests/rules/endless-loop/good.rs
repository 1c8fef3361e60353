use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn serve(jobs: Jobs, pool: Pool) -> Result<(), Cancelled> {
    cancelable::tokio::spawn(async move {
        loop {
            cancelable::guard(jobs.take()).await?;
        }
    });
    pool.spawn(|| {
        loop {
            if !step() {
                break;
            }
        }
    });
    pool.spawn(move || -> Option<()> {
        loop {
            jobs.recv().ok()?;
        }
    });
    // This one has check points.
    loop {
        jobs.take().await;
    }
}

// Nobody annotated calls it.
fn forever() -> ! {
    loop {
        step();
    }
}

fn step() -> bool {
    true
}
