fn f() {
    cancel_scope!(asking = (every, || host.says_stop()), { work() });
}
