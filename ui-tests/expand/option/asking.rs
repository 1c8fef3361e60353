#[cancelable(asking = ("10ms", || host.says_stop()), name = "asking")]
fn asking(host: &Host, mut n: u32) -> Result<u32, Error> {
    Ok(n)
}
