use cancelable::{Cancelled, Scope, cancelable};

struct Pages(u32);

impl Iterator for Pages {
    type Item = Result<u32, Cancelled>;

    fn next(&mut self) -> Option<Result<u32, Cancelled>> {
        Some(page(self.0))
    }
}

// Not what is cancelled.
struct Numbers(Vec<String>);

impl Iterator for Numbers {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.0.pop()?.parse().ok()
    }
}

fn first(mut items: impl Iterator<Item = u32>) -> Result<Option<u32>, Cancelled> {
    Scope::new().run_sync(|| Ok(items.next()))
}

// An error, or nothing: the caller does not go through it as a list.
fn newest() -> Option<u32> {
    page(1).ok()
}

#[cancelable]
fn page(n: u32) -> Result<u32, Cancelled> {
    Ok(n)
}
