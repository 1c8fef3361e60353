async fn async_block() {
    {
        fn _cancelable_here() {}
        let cancelable_scope = ::cancelable::__private::Site
            .scope()
            .timeout(::cancelable::__private::Duration::from_millis(5000u64))
            .name("fetch");
        ::cancelable::__private::Site
            .run_or(
                cancelable_scope,
                async move {
                    match ::cancelable::__private::Site
                        .guard(fetch(&url), _cancelable_here)
                        .await
                    {
                        ::cancelable::__private::Result::Ok(cancelable_value) => {
                            cancelable_value
                        }
                        ::cancelable::__private::Result::Err(cancelable_cancelled) => {
                            return ::cancelable::__private::from_cancelled::<
                                _,
                            >(cancelable_cancelled);
                        }
                    }
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
        .await;
}
