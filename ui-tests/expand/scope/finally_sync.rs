fn finally_sync() {
    cancel_scope!(finally = { close() }, || -> Result<u32, Cancelled> { run() })
}
