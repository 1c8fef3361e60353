use cancelable::prelude::*;
use cancelable::{Cancelled, cancelable, thread};
use rayon::prelude::*;

#[cancelable]
async fn serve(pool: Pool, token: CancellationToken) -> Result<(), Cancelled> {
    // The library's own, and one that nobody knows.
    thread::spawn(|| crunch());
    cancelable::tokio::spawn(work());
    pool.spawn(work());
    // The context goes with it.
    tokio::spawn(work().in_current_scope());
    tokio::task::spawn_blocking(cancelable::propagate(|| crunch()));
    std::thread::spawn(move || token.sync_scope(|| crunch()));
    tokio::spawn(async move {
        let _ = token.run_until_cancelled(work()).await;
    });
    [1, 2].par_iter().for_each(cancelable::propagate_fn(|n| drop(n)));
    #[cancelable(skip)]
    tokio::spawn(work());
    #[cancelable(shield)]
    clean_up();
    Ok(())
}

// Reached under a shield only.
fn clean_up() {
    std::thread::spawn(|| crunch());
}

// Nobody annotated calls it.
fn main() {
    tokio::spawn(work());
}

struct Guard;

#[cancelable::cancelable]
impl Drop for Guard {
    fn drop(&mut self) {
        tokio::spawn(work());
    }
}

async fn work() {}
fn crunch() {}
