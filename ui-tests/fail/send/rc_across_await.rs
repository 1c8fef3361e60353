//! Told of the await.

use cancelable::{Cancelled, cancelable};

fn spawn<F: Future + Send>(_: F) {}

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    let rc = std::rc::Rc::new(3);
    std::future::ready(()).await;
    drop(rc);
    Ok(())
}

#[cancelable(name = "work")]
async fn work_in_scope() -> Result<(), Cancelled> {
    let rc = std::rc::Rc::new(3);
    std::future::ready(()).await;
    drop(rc);
    Ok(())
}

fn main() {
    spawn(work());
    spawn(work_in_scope());
}
