#[cancelable(name = "fetch", timeout = "5s", grace = limit, token = self.stop)]
async fn scope_async(&self, limit: Duration, mut list: Vec<u32>, (a, _): (u32, u32)) -> Result<u32, Error> {
    list.push(a);
    Ok(a)
}
