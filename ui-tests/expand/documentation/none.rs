#[cancelable]
#[doc(hidden)]
fn without() -> Option<u32> {
    Some(1)
}

/// What it does.
#[cancelable(doc = false)]
fn unwanted() -> Option<u32> {
    Some(1)
}

#[cancelable(doc = false)]
impl Job {
    /// What it does.
    fn by_the_block(&self) -> Option<u32> {
        Some(1)
    }

    /// What it does.
    #[cancelable(every = 8)]
    fn with_options(&self) -> Option<u32> {
        Some(1)
    }
}
