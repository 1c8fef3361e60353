#[cancelable(or = (), name = "or")]
fn or_scope_sync() {
    work();
}
