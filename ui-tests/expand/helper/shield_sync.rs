#[cancelable(or = 0)]
fn shield_sync() -> u32 {
    #[cancelable(shield)]
    {
        close();
        return 1;
    }
    #[cancelable(shield = limit)]
    for n in numbers {
        work(n);
    }
    2
}
