async fn partial_async() {
    {
        fn _cancelable_here() {}
        let cancelable_scope = ::cancelable::__private::Site
            .scope()
            .timeout(::cancelable::__private::Duration::from_millis(5000u64));
        let cancelable_so_far = ::cancelable::__private::Site.so_far(Vec::new());
        ::cancelable::__private::Site
            .run_partial(
                cancelable_scope,
                cancelable_so_far,
                async |rows| {
                    rows.push(
                        match ::cancelable::__private::Site
                            .guard(row(), _cancelable_here)
                            .await
                        {
                            ::cancelable::__private::Result::Ok(cancelable_value) => {
                                cancelable_value
                            }
                            ::cancelable::__private::Result::Err(
                                cancelable_cancelled,
                            ) => {
                                return ::cancelable::__private::from_cancelled::<
                                    _,
                                >(cancelable_cancelled);
                            }
                        },
                    )
                },
                |cancelable_cancelled| {
                    ::cancelable::__private::from_cancelled::<
                        _,
                    >(
                        ::cancelable::__private::Site
                            .in_scope(cancelable_cancelled, _cancelable_here),
                    )
                },
            )
    }
        .await
}
