use cancelable::{Cancelled, cancelable};

async fn worker(queue: &Queue) {
    loop {
        match queue.take_one().await {
            Ok(job) => job.run_it(),
            Err(_) => break,
        }
    }
    loop {
        match queue.take_one().await {
            Ok(job) => job.run_it(),
            Err(error) if error.is_cancelled() => return,
            Err(error) => warn(error),
        }
    }
}

// The loop's own check point ends it.
#[cancelable]
async fn retry(queue: &Queue) -> Result<Job, Cancelled> {
    loop {
        match queue.take_one().await {
            Ok(job) => return Ok(job),
            Err(error) => warn(error),
        }
    }
}

#[cancelable]
async fn send(queue: &Queue) -> Result<(), Cancelled> {
    let mut last = None;
    for _ in 0..3 {
        match queue.take_one().await {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

// Its failures are its own timeout's, and it may be tried again.
async fn outside() {
    loop {
        if let Err(error) = bounded().await {
            warn(error);
        }
    }
}

#[cancelable(timeout = "1s")]
async fn bounded() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable]
impl Queue {
    async fn take_one(&self) -> Result<Job, Cancelled> {
        Ok(Job)
    }
}

fn warn(_: Cancelled) {}

// It runs on a thread of its own, in no scope.
fn start(queue: &Queue) {
    std::thread::Builder::new().spawn(move || pump(queue));
}

async fn pump(queue: &Queue) {
    loop {
        queue.take_one().await.ok();
    }
}

#[cancelable]
async fn start_apart(queue: Queue) -> Result<(), Cancelled> {
    // cancelable: allow(bare-spawn) it is to outlive the caller
    tokio::spawn(async move {
        loop {
            queue.take_one().await.ok();
        }
    });
    Ok(())
}
