//! A `?` is missing.

use cancelable::{Cancelled, Scope};
use std::future::{Ready, ready};

fn listen() -> Result<Ready<()>, std::io::Error> {
    Ok(ready(()))
}

fn main() {
    let _n: Result<u32, Cancelled> = Scope::new().until(listen()).run_sync(|| Ok(3));
}
