use cancelable::{Cancelled, cancel_scope, cancelable, shield};

#[cancelable]
async fn index(pages: Vec<Page>, pool: Pool) -> Result<usize, Cancelled> {
    // It asks by hand.
    let words = pages.iter().map(|page| -> Result<usize, Cancelled> {
        let mut count = 0;
        for _word in page.words() {
            cancelable::check()?;
            count += 1;
        }
        Ok(count)
    });
    // The library's own.
    cancel_scope!(async {
        for page in &pages {
            page.fetch().await;
        }
        Ok::<_, Cancelled>(())
    })
    .await?;
    shield!(async {
        for page in &pages {
            page.close().await;
        }
    })
    .await;
    // Awaited in place, and dropped there.
    async { pages[0].fetch().await }.await;
    join_all(pages.iter().map(|page| async move { page.fetch().await })).await;
    #[cancelable(finish)]
    async {
        for page in &pages {
            page.flush().await;
        }
    }
    .await;
    // Handed on, who knows where to.
    pool.register(async { pages[0].fetch().await });
    // It runs elsewhere.
    pool.spawn(async move {
        for page in pages {
            page.fetch().await;
        }
    });
    // The library's, and it asks.
    cancelable::tokio::spawn_blocking(move || {
        for page in pages {
            cancelable::check()?;
            page.hash();
        }
        Ok(())
    });
    cancelable::tokio::spawn(async move { store(page).await });
    // Short.
    let table = (|| {
        for i in 0..16 {
            step(i);
        }
    })();
    Ok(words.count())
}

// All of its body is in an `async` block, which the attribute knows.
#[cancelable]
fn boxed(pages: Vec<Page>) -> Pin<Box<dyn Future<Output = Result<(), Cancelled>>>> {
    Box::pin(async move {
        for page in pages {
            page.fetch().await;
        }
        Ok(())
    })
}
