fn finally_sync() {
    {
        fn _cancelable_here() {}
        let cancelable_scope = ::cancelable::__private::Site.scope();
        let cancelable_finally = ::cancelable::__private::Site
            .finally(&cancelable_scope);
        let cancelable_value = ::cancelable::__private::Site
            .enter_sync(
                cancelable_scope,
                || -> Result<u32, Cancelled> {
                    if ::cancelable::__private::Site.is_refused() {
                        return ::cancelable::__private::from_cancelled::<
                            Result<u32, Cancelled>,
                        >(
                            ::cancelable::__private::Site
                                .refused_by_scope(_cancelable_here),
                        );
                    }
                    run()
                },
            );
        cancelable_finally.run_sync(|| { close() });
        cancelable_value
    }
}
