//! A `None` that means that nothing is left.

use cancelable::{Cancelled, cancelable};
use std::pin::Pin;
use std::task::{Context, Poll};

struct Lines(Vec<String>);

impl Iterator for Lines {
    type Item = Result<String, Cancelled>;

    #[cancelable]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.pop().map(Ok)
    }

    #[cancelable(or = None)]
    fn nth(&mut self, _: usize) -> Option<Self::Item> {
        self.0.pop().map(Ok)
    }
}

#[cancelable]
impl DoubleEndedIterator for Lines {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.pop().map(Ok)
    }

    #[cancelable(skip)]
    fn nth_back(&mut self, _: usize) -> Option<Self::Item> {
        self.0.pop().map(Ok)
    }
}

impl futures::Stream for Lines {
    type Item = String;

    #[cancelable]
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<String>> {
        Poll::Ready(None)
    }
}

#[cancelable]
impl Lines {
    async fn try_next(&mut self) -> Option<String> {
        std::future::ready(self.0.pop()).await
    }
}

fn main() {}
