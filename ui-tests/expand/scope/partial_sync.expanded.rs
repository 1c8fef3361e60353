fn partial_sync() {
    {
        fn _cancelable_here() {}
        let cancelable_scope = ::cancelable::__private::Site.scope();
        let cancelable_so_far = ::cancelable::__private::Site.so_far(0);
        ::cancelable::__private::Site
            .enter_sync_partial(
                cancelable_scope,
                cancelable_so_far,
                |n| -> Result<(), Cancelled> {
                    if ::cancelable::__private::Site.is_refused() {
                        return ::cancelable::__private::from_cancelled::<
                            Result<(), Cancelled>,
                        >(
                            ::cancelable::__private::Site
                                .refused_by_scope(_cancelable_here),
                        );
                    }
                    loop {
                        if ::cancelable::__private::Site.is_cancelled() {
                            return ::cancelable::__private::from_cancelled::<
                                Result<(), Cancelled>,
                            >(::cancelable::__private::Site.cancelled(_cancelable_here));
                        }
                        *n += 1;
                    }
                },
            )
    }
}
