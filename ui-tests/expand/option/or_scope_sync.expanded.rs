fn or_scope_sync() {
    fn _cancelable_here() {}
    let cancelable_scope = ::cancelable::__private::Site.scope().name("or");
    ::cancelable::__private::Site
        .enter_sync(
            cancelable_scope,
            || -> () {
                {
                    'cancelled: {
                        #[allow(
                            unreachable_code,
                            clippy::diverging_sub_expression,
                            clippy::needless_return
                        )]
                        return {
                            if ::cancelable::__private::Site.is_refused() {
                                break 'cancelled;
                            }
                            work();
                        };
                    }
                }
            },
        )
}
