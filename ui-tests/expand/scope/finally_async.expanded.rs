async fn finally_async() {
    {
        fn _cancelable_here() {}
        let cancelable_scope = ::cancelable::__private::Site
            .scope()
            .grace(::cancelable::__private::Duration::from_millis(2000u64));
        let cancelable_finally = ::cancelable::__private::Site
            .finally(&cancelable_scope);
        async move {
            let cancelable_value = {
                let cancelable_place = ::cancelable::__private::pin!(
                    ::cancelable::__private::Option::Some(async { match
                    ::cancelable::__private::Site.guard(run(), _cancelable_here). await {
                    ::cancelable::__private::Result::Ok(cancelable_value) =>
                    cancelable_value,
                    ::cancelable::__private::Result::Err(cancelable_cancelled) => return
                    ::cancelable::__private::from_cancelled:: < _ >
                    (cancelable_cancelled), } })
                );
                ::cancelable::__private::Site
                    .run_or(
                        cancelable_scope,
                        ::cancelable::__private::Lent::of(cancelable_place),
                        |cancelable_cancelled| {
                            ::cancelable::__private::from_cancelled::<
                                _,
                            >(
                                ::cancelable::__private::Site
                                    .in_scope(cancelable_cancelled, _cancelable_here),
                            )
                        },
                    )
                    .await
            };
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
