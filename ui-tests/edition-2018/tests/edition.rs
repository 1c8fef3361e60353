//! What expands in edition 2024 expands in older ones too, where temporaries live longer, panics had other formats, and
//! few names were in the prelude. The packages `edition-2018` and `edition-2021` share this file.

#![deny(warnings)]
#![allow(clippy::manual_async_fn, clippy::await_holding_refcell_ref)]

use cancelable::{cancel_scope, cancelable, shield, CancellationToken, Cancelled};
use futures::executor::block_on;
use std::future::{ready, Future};

#[cancelable]
async fn in_place(list: &[u32]) -> Result<u32, Cancelled> {
    let mut sum = 0;
    for n in list {
        sum += ready(*n).await;
    }
    assert!(ready(true).await);
    assert!(sum > 0, "{}", ready("text").await);
    println!("{} {n}", ready(1).await, n = ready(2).await);
    Ok(sum)
}

// A loop at the end of a block whose variables it borrows: its temporaries are dropped before these, in all editions.
#[cancelable(every = 2)]
async fn loops_at_the_end(go: bool) -> Result<u32, Cancelled> {
    let mut sum = 0;
    if go {
        let list = std::sync::Mutex::new(vec![1, 2, 3]);
        for n in list.lock().unwrap().iter() {
            sum += n;
        }
    }
    if go {
        let list = std::cell::RefCell::new(vec![1, 2, 3]);
        for n in list.borrow().iter() {
            sum += ready(*n).await;
        }
    }
    if go {
        let list = std::cell::RefCell::new(vec![1, 2, 3]);
        #[cancelable(every = 1)]
        while let Some(n) = list.borrow_mut().pop() {
            sum += n;
        }
    }
    Ok(sum)
}

#[cancelable(or = ())]
fn the_only_loop() {
    let list = std::sync::Mutex::new(vec![1, 2, 3]);
    #[cancelable(break)]
    for _ in list.lock().unwrap().iter() {}
}

struct D<'a>(&'a String);

impl Drop for D<'_> {
    fn drop(&mut self) {}
}

impl D<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }
}

// A temporary at the end borrows the argument: it is dropped last in these editions.
#[cancelable(name = "x", timeout = "1h", every = 2)]
async fn in_scope(text: String, n: usize) -> Result<usize, Cancelled> {
    let mut m = 0;
    while m < n {
        m += ready(1).await;
    }
    tokio::select! { a = ready(1) => m += a, else => {} }
    Ok::<usize, Cancelled>(D(&text).len() + m)
}

#[cancelable(name = "x", timeout = "1h")]
fn in_scope_sync(text: String) -> Result<usize, Cancelled> {
    Ok(D(&text).len())
}

#[cancelable(name = "x", or = n)]
async fn or(text: String, n: usize) -> usize {
    D(&text).len()
}

#[cancelable]
fn tail(n: u32) -> impl Future<Output = Result<u32, Cancelled>> {
    async move { Ok(ready(n).await) }
}

// What is at the end of a marked block is a temporary no longer than the block.
#[cancelable]
async fn shielded(text: String, list: &std::sync::Mutex<Vec<usize>>) -> Result<usize, Cancelled> {
    #[cancelable(shield)]
    let n = { D(&text).len() + ready(1).await };
    #[cancelable(shield = "1h")]
    {
        list.lock().unwrap().push(n)
    }
    #[cancelable(shield)]
    Ok(list.lock().unwrap().len() + D(&text).len())
}

#[cancelable(or = 0)]
fn shielded_sync(text: String) -> usize {
    #[cancelable(shield)]
    {
        if text.is_empty() {
            return 7;
        }
        D(&text).len()
    }
}

#[test]
fn works_as_in_the_newest() {
    assert_eq!(block_on(in_place(&[1, 2])).unwrap(), 3);
    assert_eq!(block_on(loops_at_the_end(true)).unwrap(), 18);
    the_only_loop();
    assert_eq!(block_on(in_scope("abc".into(), 2)).unwrap(), 6);
    assert_eq!(in_scope_sync("abc".into()).unwrap(), 3);
    assert_eq!(block_on(or("abc".into(), 2)), 3);
    assert_eq!(block_on(tail(2)).unwrap(), 2);
    assert_eq!(block_on(shielded("abc".into(), &Vec::new().into())).unwrap(), 4);
    assert_eq!(shielded_sync("abc".into()), 3);
    let (mut list, mut sum) = (vec![1], 0);
    let n = block_on(cancel_scope!(finally = async { list.clear() }, async { list.pop() }));
    assert_eq!(n, Some(1));
    let n = cancel_scope!(finally = { sum += 1 }, { Some(sum) });
    assert_eq!((n, sum), (Some(0), 1));
    let n = cancel_scope!(timeout = "1h", token = t, || -> Result<u32, Cancelled> {
        let _: &CancellationToken = &t;
        for _ in 0..3 {}
        Ok(3)
    });
    assert_eq!(n.unwrap(), 3);
    assert_eq!(block_on(shield!(async { 3 })), 3);
    let n = block_on(cancel_scope!(timeout = "1h", async || -> Result<u32, Cancelled> {
        Ok(ready(3).await)
    }));
    assert_eq!(n.unwrap(), 3);
}
