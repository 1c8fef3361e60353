//! `#[trait_variant::make]` is on a trait, ours on the methods of its `impl`s.

use super::{run_async, turn};
use cancelable::{Cancelled, cancelable};

#[trait_variant::make(Job: Send)]
trait LocalJob {
    async fn run(&self) -> Result<u32, Cancelled>;
}

struct Block;
struct Method;

#[cancelable]
impl Job for Block {
    async fn run(&self) -> Result<u32, Cancelled> {
        for n in 0..10 {
            turn(n);
        }
        Ok(10)
    }
}

impl Job for Method {
    #[cancelable]
    async fn run(&self) -> Result<u32, Cancelled> {
        for n in 0..10 {
            turn(n);
        }
        Ok(10)
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[test]
fn on_the_impl() {
    assert!(run_async(is_send(Job::run(&Block))).is_err());
    assert!(run_async(is_send(Job::run(&Method))).is_err());
    assert!(run_async(LocalJob::run(&Method)).is_err());
}
