//! Helpers, `#[token]` parameters and `impl` blocks: all that means nothing to rustc. Complete, it compiles.

use cancelable::{CancellationToken, Cancelled, cancelable};
use std::future::ready;

#[derive(Debug)]
pub struct Failed(pub String);

impl From<Cancelled> for Failed {
    fn from(cancelled: Cancelled) -> Self {
        Failed(cancelled.to_string())
    }
}

#[cancelable]
pub async fn total(list: &[u32], #[token] token: &CancellationToken) -> Result<u32, Failed> {
    let mut sum = 0;
    #[cancelable(break)]
    for n in list {
        sum += ready(*n).await;
        if token.is_cancelled() {
            break;
        }
    }
    #[cancelable(finish)]
    ready(sum).await;
    #[cancelable(skip)]
    while sum > 100 {
        sum -= ready(1).await;
    }
    Ok(sum)
}

pub struct Store {
    rows: Vec<String>,
}

#[cancelable(name = "store")]
impl Store {
    pub async fn load(&mut self, #[token] token: CancellationToken, name: &str) -> Result<usize, Failed> {
        for n in 0..3 {
            let row = format!("{name} {n} {}", token.is_cancelled());
            #[cancelable(finish)]
            let kept = ready(row).await;
            self.rows.push(kept);
        }
        Ok(self.rows.len())
    }

    #[cancelable(skip)]
    pub async fn close(&mut self) {
        ready(()).await;
        self.rows.clear();
    }

    #[cancelable(timeout = "5s")]
    pub fn longest(&self) -> Option<&String> {
        let mut longest = self.rows.first()?;
        for row in &self.rows {
            match row.len() > longest.len() {
                true => longest = row,
                false => {}
            }
        }
        Some(longest)
    }
}

#[cancelable(or = 0)]
pub fn first_even(list: &[u32], fallback: u32) -> u32 {
    let mut found = None;
    #[cancelable(break)]
    for n in list {
        if n % 2 == 0 {
            found = Some(*n);
            break;
        }
    }
    found.unwrap_or(fallback)
}

pub async fn caller() -> Result<(), Failed> {
    let mut store = Store { rows: Vec::new() };
    let sum = total(&[1, 2, 3]).await?;
    store.load("row").await?;
    assert!(store.longest().is_some());
    store.close().await;
    assert_eq!(first_even(&[1, 2], sum), 2);
    Ok(())
}
