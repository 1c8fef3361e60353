use cancelable::{Cancelled, cancelable};

async fn worker(queue: &Queue) {
    loop {
        match queue.take_one().await { //~
            Ok(job) => job.run_it(),
            Err(error) => warn(error),
        }
    }
}

async fn poller(queue: &Queue) {
    while queue.is_open() {
        let _ = queue.take_one().await; //~
    }
}

#[cancelable]
async fn serve(queue: Queue) -> Result<(), Cancelled> {
    cancelable::tokio::spawn(async move {
        loop {
            if let Err(error) = queue.take_one().await { //~
                warn(error);
            }
        }
    });
    Ok(())
}

#[cancelable]
async fn send(queue: &Queue) -> Result<(), Cancelled> {
    for _ in 0..3 {
        match queue.take_one().await { //~
            Ok(_) => break,
            Err(error) => warn(error),
        }
    }
    Ok(())
}

#[cancelable]
impl Queue {
    async fn take_one(&self) -> Result<Job, Cancelled> {
        Ok(Job)
    }
}

fn warn(_: Cancelled) {}
