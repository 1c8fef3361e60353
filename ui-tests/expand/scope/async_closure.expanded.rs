async fn async_closure() {
    {
        fn _cancelable_here() {}
        let cancelable_scope = ::cancelable::__private::Site
            .scope()
            .deadline(::cancelable::__private::Site.instant(at));
        ::cancelable::__private::Site
            .run_or(
                cancelable_scope,
                async {
                    {
                        let stop: ::cancelable::__private::CancellationToken = ::cancelable::__private::token_parameter::<
                            ::cancelable::__private::CancellationToken,
                        >();
                        {
                            #[allow(
                                unreachable_code,
                                clippy::diverging_sub_expression,
                                clippy::let_unit_value
                            )]
                            if let ::cancelable::__private::Option::Some(
                                cancelable_dead,
                            ) = ::cancelable::__private::Option::None::<
                                Result<u32, Error>,
                            > {
                                return cancelable_dead;
                            }
                            Ok(3)
                        }
                    }
                },
                |cancelable_cancelled| {
                    ::cancelable::__private::from_cancelled::<
                        Result<u32, Error>,
                    >(
                        ::cancelable::__private::Site
                            .in_scope(cancelable_cancelled, _cancelable_here),
                    )
                },
            )
    }
        .await;
}
