async fn partial_finally() {
    {
        fn _cancelable_here() {}
        let cancelable_scope = ::cancelable::__private::Site.scope();
        let cancelable_so_far = ::cancelable::__private::Site.so_far(best);
        let cancelable_finally = ::cancelable::__private::Site
            .finally(&cancelable_scope);
        async move {
            let cancelable_value = ::cancelable::__private::Site
                .run_partial(
                    cancelable_scope,
                    cancelable_so_far,
                    async |best| {
                        match ::cancelable::__private::Site
                            .guard(run(best), _cancelable_here)
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
                .await;
            let cancelable_place = ::cancelable::__private::pin!(
                ::cancelable::__private::Option::Some(async { close(). await })
            );
            cancelable_finally
                .run(::cancelable::__private::Lent::of(cancelable_place))
                .await;
            cancelable_value
        }
    }
        .await
}
