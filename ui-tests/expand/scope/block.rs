fn block() {
    cancel_scope!(detached, until = signal::ctrl_c(), { tokenize(page)? });
}
