//! `#[async_trait]`: either order, on the `impl` and on its methods.

use super::{run_async, turn};
use async_trait::async_trait;
use cancelable::{Cancelled, cancelable};

#[async_trait]
trait Job {
    async fn run(&self) -> Result<u32, Cancelled>;
}

struct First;
struct Second;
struct Method;

#[cancelable]
#[async_trait]
impl Job for First {
    async fn run(&self) -> Result<u32, Cancelled> {
        for n in 0..10 {
            turn(n);
        }
        Ok(10)
    }
}

#[async_trait]
#[cancelable]
impl Job for Second {
    async fn run(&self) -> Result<u32, Cancelled> {
        for n in 0..10 {
            turn(n);
        }
        Ok(10)
    }
}

#[async_trait]
impl Job for Method {
    #[cancelable]
    async fn run(&self) -> Result<u32, Cancelled> {
        for n in 0..10 {
            turn(n);
        }
        Ok(10)
    }
}

#[test]
fn either_order() {
    assert!(run_async(First.run()).is_err());
    assert!(run_async(Second.run()).is_err());
    assert!(run_async(Method.run()).is_err());
}
