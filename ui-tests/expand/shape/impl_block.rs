#[cancelable(every = 8)]
impl Store {
    async fn load(&self) -> Result<u32, Error> {
        self.read().await
    }

    fn len(&self) -> usize {
        self.len
    }

    #[cancelable(skip)]
    async fn close(&self) {}

    #[cancelable(or = 0)]
    async fn count(&self) -> usize {
        0
    }
}
