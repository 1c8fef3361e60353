use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn index(pages: Vec<Page>) -> Result<usize, Cancelled> {
    let words: usize = pages
        .iter()
        .map(|page| {
            let mut count = 0;
            for _word in page.words() { //~
                count += 1;
            }
            count
        })
        .sum();
    let later = async {
        fetch().await //~
    };
    let all = async {
        for page in &pages { //~
            page.fetch().await;
        }
    };
    let stream = try_stream! {
        for page in pages { //~
            yield page;
        }
    };
    join(later, all, stream).await;
    // They have the scope, and nobody in there looks.
    cancelable::thread::spawn(move || {
        for page in pages { //~
            page.hash();
        }
    });
    cancelable::tokio::spawn(async move {
        while let Some(page) = queue.recv().await { //~
            page.store().await;
        }
    });
    Ok(words)
}
