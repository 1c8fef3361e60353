fn partial_sync() {
    cancel_scope!(partial = 0, |n| -> Result<(), Cancelled> {
        loop {
            *n += 1;
        }
    })
}
