//! Bodies whose branches coverage is to count, wherever they are moved to.

use cancelable::{Cancelled, cancel_scope, cancelable};
use std::future::ready;

#[cancelable]
pub fn in_place(n: u32) -> Result<u32, Cancelled> {
    if n > 3 {
        return Ok(1);
    }
    Ok(n)
}

#[cancelable(name = "scope")]
pub fn sync_scope(n: u32) -> Result<u32, Cancelled> {
    if n > 3 {
        return Ok(1);
    }
    Ok(n)
}

#[cancelable(name = "scope", or = 3)]
pub fn sync_scope_or(n: u32) -> u32 {
    if n > 3 {
        return 1;
    }
    n
}

#[cancelable(name = "scope")]
pub async fn async_scope(n: u32) -> Result<u32, Cancelled> {
    if n > 3 {
        return Ok(1);
    }
    Ok(ready(n).await)
}

#[cancelable(name = "scope", or = 3)]
pub async fn async_scope_or(n: u32) -> u32 {
    if n > 3 {
        return 1;
    }
    ready(n).await
}

#[cancelable(name = "scope")]
pub fn tail_scope(n: u32) -> impl Future<Output = Result<u32, Cancelled>> {
    async move {
        if n > 3 {
            return Ok(1);
        }
        Ok(ready(n).await)
    }
}

pub fn sync_macro(n: u32) -> Result<u32, Cancelled> {
    cancel_scope!(token = token, || -> Result<u32, Cancelled> {
        if n > 3 {
            return Ok(1);
        }
        drop(token);
        Ok(n)
    })
}

pub fn async_macro(n: u32) -> impl Future<Output = Result<u32, Cancelled>> {
    cancel_scope!(token = token, async move || -> Result<u32, Cancelled> {
        if n > 3 {
            return Ok(1);
        }
        drop(token);
        Ok(ready(n).await)
    })
}

/// All of it is used, and so has its code made.
pub fn all() {
    let _ = (in_place(1), sync_scope(1), sync_scope_or(1), sync_macro(1));
    run(async_scope(1));
    run(async_scope_or(1));
    run(tail_scope(1));
    run(async_macro(1));
}

fn run<F: Future>(future: F) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = std::pin::pin!(future).poll(&mut context);
}
