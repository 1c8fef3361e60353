use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn serve(page: Page) -> Result<(), Cancelled> {
    let words = tokenize(&page)?;
    helper(&page);
    cancelable::tokio::spawn_blocking(move || crunch(words)).await.unwrap()?;
    Ok(())
}

fn tokenize(page: &Page) -> Result<Vec<Word>, Cancelled> { //~
    let mut words = Vec::new();
    for word in page.split() {
        words.push(word);
    }
    Ok(words)
}

// Not one of these itself, but on the way.
fn helper(page: &Page) {
    let _ = page.scan_all(3);
}

impl Page {
    pub(crate) fn scan_all(&self, from: usize) -> Option<usize> { //~
        let mut at = from;
        while self.at(at) != 0 {
            at += 1;
        }
        Some(at)
    }

    fn at(&self, at: usize) -> u8 {
        0
    }
}

fn crunch(words: Vec<Word>) -> std::io::Result<()> { //~
    loop {
        if words.is_empty() {
            return Ok(());
        }
    }
}
