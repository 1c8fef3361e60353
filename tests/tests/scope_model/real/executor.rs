//! An executor within a poll.

use std::sync::Arc;
use std::task::Poll;

use super::members::MemberWaker;
use super::{Fut, Output};

/// More polls than any of these programs takes.
const MANY: usize = 500;

/// Each poll runs the future until it waits for something else than itself; nothing that wakes it wakes whoever polls here.
pub(super) async fn run_until_stalled(mut future: Fut) -> Output {
    let waker = MemberWaker::new();
    std::future::poll_fn(|_| drive(&mut future, &waker)).await
}

fn drive(future: &mut Fut, waker: &Arc<MemberWaker>) -> Poll<Output> {
    for _ in 0..MANY {
        if !waker.take_woken() {
            return Poll::Pending;
        }
        let poll = waker.poll(future);
        if poll.is_ready() {
            return poll;
        }
    }
    panic!("what an executor runs goes round and round")
}
