use cancelable::{Cancelled, cancelable, shield_sync};

#[cancelable]
async fn serve(page: Page) -> Result<(), Cancelled> {
    tokenize(&page)?;
    hash(&page);
    short(&page)?;
    asks(&page)?;
    shield_sync(|| save(&page))?;
    #[cancelable(skip)]
    let _ = skipped(&page);
    page.next();
    awaits().await
}

#[cancelable]
fn tokenize(page: &Page) -> Result<(), Cancelled> {
    for _word in page.split() {}
    Ok(())
}

// Its type has no room for a cancel.
fn hash(page: &Page) -> u64 {
    let mut hash = 0;
    for byte in page.bytes() {
        hash ^= byte;
    }
    hash
}

fn short(page: &Page) -> Result<(), Cancelled> {
    for n in 0..4 {
        page.touch(n);
    }
    Ok(())
}

fn asks(page: &Page) -> Result<(), Cancelled> {
    for _word in page.split() {
        cancelable::check()?;
    }
    Ok(())
}

// Reached under a shield only.
fn save(page: &Page) -> Result<(), Cancelled> {
    for _word in page.split() {}
    Ok(())
}

fn skipped(page: &Page) -> Result<(), Cancelled> {
    for _word in page.split() {}
    Ok(())
}

// The caller's await drops it.
async fn awaits() -> Result<(), Cancelled> {
    tokio::task::yield_now().await;
    Ok(())
}

// Nobody annotated calls it.
fn main() -> Result<(), Cancelled> {
    for _argument in std::env::args() {}
    Ok(())
}

impl Iterator for Page {
    // Its `None` means that nothing is left.
    fn next(&mut self) -> Option<u8> {
        while self.blank() {}
        None
    }
}
