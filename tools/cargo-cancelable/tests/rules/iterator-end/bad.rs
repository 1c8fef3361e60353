use cancelable::{Cancelled, Scope, cancel_scope, cancelable};

struct Pages(u32);

impl Iterator for Pages {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        page(self.0).ok() //~
    }
}

struct Rows(u32);

impl Iterator for Rows {
    type Item = u32;

    #[cancelable(or = None)]
    fn next(&mut self) -> Option<u32> { //~
        Some(self.0)
    }
}

struct Lines(u32);

impl Iterator for Lines {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if cancelable::is_cancelled() { //~
            return None;
        }
        Some(self.0)
    }
}

fn pages() -> impl Iterator<Item = u32> {
    std::iter::from_fn(|| page(1).ok()) //~
}

fn first(mut items: impl Iterator<Item = u32>) -> Option<u32> {
    let _other = cancel_scope!(timeout = "1s", { items.next() }); //~
    Scope::new().run_sync(|| items.next()) //~
}

#[cancelable]
fn page(n: u32) -> Result<u32, Cancelled> {
    Ok(n)
}
