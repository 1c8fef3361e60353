use cancelable::{Cancelled, cancel_scope, cancelable};
use rayon::prelude::*;
use std::thread;
use tokio::task;

#[cancelable]
async fn serve() -> Result<(), Cancelled> {
    tokio::spawn(work()); //~
    task::spawn_blocking(|| crunch()).await; //~
    thread::spawn(|| crunch()); //~
    std::thread::Builder::new().name("w".into()).spawn(|| crunch()); //~
    rayon::join(|| crunch(), || crunch()); //~
    [1, 2].par_iter().for_each(|n| drop(n)); //~
    tokio::select! {
        _ = work() => {
            tokio::spawn(work()); //~
        }
    }
    helper();
    Ok(())
}

// Called from annotated code.
fn helper() {
    deeper();
}

fn deeper() {
    tokio::spawn(work()); //~
}

fn scoped() {
    let _ = cancel_scope!(timeout = "5s", {
        thread::spawn(|| crunch()); //~
        Ok::<_, Cancelled>(())
    });
}

async fn work() {}
fn crunch() {}
