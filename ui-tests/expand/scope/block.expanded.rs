fn block() {
    {
        fn _cancelable_here() {}
        let cancelable_scope = ::cancelable::__private::Site
            .scope()
            .detached()
            .until(signal::ctrl_c());
        ::cancelable::__private::Site
            .enter_sync(
                cancelable_scope,
                || {
                    if ::cancelable::__private::Site.is_refused() {
                        return ::cancelable::__private::from_cancelled::<
                            _,
                        >(
                            ::cancelable::__private::Site
                                .refused_by_scope(_cancelable_here),
                        );
                    }
                    tokenize(page)?
                },
            )
    };
}
